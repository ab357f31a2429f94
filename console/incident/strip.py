"""The rooms of a home as a strip over time: one row a room, a bar where somebody was noticed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from console.incident.measured import Room

_WIDTH, _LEFT, _ROW, _BAR, _TOP = 340, 92, 26, 16, 18
_HOUR_MS = 3_600_000


def rooms_svg(
    rooms: Sequence[Room], start_ms: int, end_ms: int, onset_ms: int, *,
    name: Callable[[str], str], clock: Callable[[int], str], label: str, mark: str,
) -> Markup:  # fmt: skip
    """A drawing that takes its colours from the page. ``name`` says a room, ``clock`` an instant; ``label`` is read
    aloud in its place, ``mark`` stands at ``onset_ms``."""
    height = _TOP + _ROW * len(rooms) + 20
    width = _WIDTH - _LEFT - 8

    def x(at_ms: int) -> float:
        return _LEFT + width * (at_ms - start_ms) / max(end_ms - start_ms, 1)

    parts = [
        f'<svg class="strip" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">',
        f'<text class="mark" x="{min(x(onset_ms), _WIDTH - 40):.1f}" y="11" text-anchor="middle">{escape(mark)}</text>',
    ]
    for hour in range(-(-start_ms // _HOUR_MS), end_ms // _HOUR_MS + 1):
        at = x(hour * _HOUR_MS)
        parts.append(f'<line class="hour" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{height - 16}"/>')
        parts.append(
            f'<text x="{at:.1f}" y="{height - 3}" text-anchor="middle">{escape(clock(hour * _HOUR_MS))}</text>'
        )
    for row, room in enumerate(rooms):
        top = _TOP + row * _ROW + (_ROW - _BAR) / 2
        shown = name(room.name)
        shown = shown if len(shown) <= 14 else shown[:13] + "…"
        parts.append(f'<text x="{_LEFT - 8}" y="{top + 12:.1f}" text-anchor="end">{escape(shown)}</text>')
        for first, last in room.times:
            wide = max(x(last) - x(first), 2.0)
            parts.append(
                f'<rect class="in" x="{x(first):.1f}" y="{top:.1f}" width="{wide:.1f}" height="{_BAR}" rx="2"/>'
            )
    at = x(onset_ms)
    parts.append(f'<line class="onset" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP - 4}" y2="{height - 16}"/></svg>')
    return Markup("".join(parts))
