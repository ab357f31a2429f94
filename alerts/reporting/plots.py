"""The two plots of the report as SVG in the page itself: they take the page's font, width and colours. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from alerts.reporting.measures import GOALS, Incidents

_WIDTH, _HEIGHT = 440, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 40
_FROM_S, _TO_S = 5.0, 3600.0
_TICKS_S = (5, 15, 60, 180, 900, 3600)
_TICK_WORDS = {"en": ("5 s", "15 s", "60 s", "3 min", "15 min", "1 h"),
               "zh": ("5秒", "15秒", "60秒", "3分", "15分", "1时")}  # fmt: skip


def answer_plot(total: Incidents, words: dict[str, str], language: str) -> str:
    """How many of the incidents were answered by when, with both goals; "" when none counts.

    Those that never were are in the hundred percent, so that the curve ends below it.
    """
    count = len(total.answer_s) + total.unanswered
    if not count:
        return ""
    parts = [_grid((0, 25, 50, 75, 100), 100, "%")]
    for tick_s, word in zip(_TICKS_S, _TICK_WORDS[language], strict=True):
        parts.append(f'<text class="m" x="{_x(tick_s):.1f}" y="{_HEIGHT - 24}">{escape(word)}</text>')
    for limit_s, goal in GOALS.items():
        x, y = _x(limit_s), _y(100 * goal, 100)
        parts.append(f'<path class="limit" d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<path class="goal" d="M{x - 7:.1f} {y:.1f}h14"/>')
    points = [f"M{_LEFT} {_y(0, 100):.1f}"]
    for k, second in enumerate(sorted(total.answer_s), 1):
        points.append(f"H{_x(second):.1f}V{_y(100 * k / count, 100):.1f}")
    points.append(f"H{_WIDTH - _RIGHT}")
    parts.append(f'<path class="curve" d="{"".join(points)}"/>')
    parts.append(f'<text class="m" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}">'
                 f"{escape(words['plot.answer.x'])}</text>")  # fmt: skip
    shares = {"soon": percent(total.soon.share.value), "late": percent(total.late.share.value)}
    return _svg(parts, words["plot.answer.alt"].format(**shares))


def hour_plot(hours: Sequence[Incidents], words: dict[str, str]) -> str:
    """Incidents by hour: answered within 60 s, within 180 s, later or never; those that do not count are left out."""
    stacks = []
    for hour in hours:
        soon = hour.soon.hits
        late = max(0, hour.late.hits - soon)
        stacks.append((soon, late, max(0, hour.soon.total - soon - late)))
    top = max(sum(stack) for stack in stacks)
    if not top:
        return ""
    step = _step(top)
    ceiling = step * math.ceil(top / step)
    parts = [_grid(range(0, ceiling + 1, step), ceiling, "")]
    room = (_WIDTH - _LEFT - _RIGHT) / 24
    for number, stack in enumerate(stacks):
        x, done = _LEFT + number * room, 0
        for name, value in zip(("soon", "late", "never"), stack, strict=True):
            if value:
                y, below = _y(done + value, ceiling), _y(done, ceiling)
                parts.append(f'<rect class="{name}" x="{x + 1:.1f}" y="{y:.1f}" width="{room - 2:.1f}" '
                             f'height="{below - y:.1f}"/>')  # fmt: skip
                done += value
        if number % 3 == 0:
            parts.append(f'<text class="m" x="{x + room / 2:.1f}" y="{_HEIGHT - 24}">{number:02d}</text>')
    return _svg(parts, words["plot.hour.alt"])


def percent(value: float) -> str:
    """One decimal place, cut off: 98.99 % does not read as a goal of 99 %, nor 99.96 % as all."""
    if math.isnan(value):
        return "–"
    if value in (0.0, 1.0):
        return f"{100 * value:.0f} %"
    return f"{math.floor(1000 * value + 1e-9) / 10:.1f} %"


def _x(second: float) -> float:
    share = math.log(min(max(second, _FROM_S), _TO_S) / _FROM_S) / math.log(_TO_S / _FROM_S)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, ceiling: float) -> float:
    return _HEIGHT - _BOTTOM - value / ceiling * (_HEIGHT - _TOP - _BOTTOM)


def _step(top: int) -> int:
    """Of 1, 2, 5, 10, 20 ... the first that needs five lines at most."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if top <= 5 * step:
                return step
        size *= 10


def _grid(values: Sequence[int] | range, ceiling: int, unit: str) -> str:
    lines = []
    for value in values:
        y = _y(value, ceiling)
        lines.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        lines.append(f'<text class="e" x="{_LEFT - 6}" y="{y + 4:.1f}">{value}{unit}</text>')
    return "".join(lines)


def _svg(parts: Sequence[str], says: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(says, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )
