"""The motion around a finding as an SVG drawing, made on the server. Pure.

An image needs no script, is there with the first paint on a phone, and the browser keeps it: its address changes only
with the samples. Long windows are drawn by the least and greatest value of each column of the picture (min-max
decimation), so that an impact of one sample is never lost and the size of the file has a bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from alerts.queries import Window

#: All three axes at this count: a sample that never came (see detectors.detection.Window).
_GAP = -32768
#: No accelerometer counts in steps larger than this.
_MAX_LSB_G = 1000.0
#: No gyroscope either.
_MAX_LSB_DPS = 1000.0
#: Below this magnitude, in the second before the impact, somebody falls freely: the fall detector's own level.
FREE_FALL_G = 0.6
_FALLING_S = 1.0
#: Beyond it a picture shows nothing more; an hour at 100 Hz. What comes after is cut.
_MAX_SAMPLES = 360_000

_STYLE = """
text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans CJK SC",sans-serif;fill:#454c55}
.grid{stroke:#d5d9df}.zero{stroke:#9aa2ac}.gap{fill:url(#hatch)}.hatch{stroke:#6b7480}
.falling{fill:#f2b632;fill-opacity:.45}
path{fill:none;stroke-width:1.3;stroke-linejoin:round}
.smv{stroke:#1b1f24;stroke-width:1.6}.x{stroke:#b3431b}.y{stroke:#00734f}.z{stroke:#2457c5}
.turn{stroke:#8a2be2}
.impact{stroke:#b3261e;stroke-width:1.5;stroke-dasharray:4 3}.t-impact{fill:#b3261e;font-weight:600}
.t-smv{fill:#1b1f24}.t-x{fill:#b3431b}.t-y{fill:#00734f}.t-z{fill:#2457c5}.t-turn{fill:#7a1fd0}
@media(prefers-color-scheme:dark){
text{fill:#b3bbc6}.grid{stroke:#343b44}.zero{stroke:#5d6773}.hatch{stroke:#9aa5b4}.falling{fill:#c98a00}
.smv{stroke:#f0f2f5}.x{stroke:#ff9d73}.y{stroke:#4fd1a1}.z{stroke:#8ab4ff}.turn{stroke:#d0a6ff}
.impact{stroke:#ffb4ab}.t-impact{fill:#ffb4ab}
.t-smv{fill:#f0f2f5}.t-x{fill:#ff9d73}.t-y{fill:#4fd1a1}.t-z{fill:#8ab4ff}.t-turn{fill:#d0a6ff}}
""".replace("\n", "")


@dataclass(frozen=True, slots=True)
class PlotWords:
    """The words in the picture, in the reader's language."""

    magnitude: str
    turning: str
    impact: str
    falling: str
    gap: str
    nothing: str


@dataclass(frozen=True, slots=True)
class PlotSize:
    """The size of the picture in its own units; it scales with the page."""

    width: int
    height: int


NARROW = PlotSize(340, 270)
WIDE = PlotSize(760, 380)
SIZES = {"narrow": NARROW, "wide": WIDE}


def acceleration_g(window: Window) -> NDArray[np.float32]:
    """``(n, 3)`` float32 in g, NaN where samples are missing; ``(0, 3)`` for a window that cannot be drawn."""
    if not (0 < window.fs_hz < math.inf and 0 < window.lsb_g <= _MAX_LSB_G):
        return np.empty((0, 3), np.float32)
    return _samples(window.acc, window.lsb_g)


def turning_dps(window: Window, n: int) -> NDArray[np.float32] | None:
    """``(n,)`` float32: how fast it turned, NaN where samples are missing; None without a gyroscope."""
    if not 0 < window.lsb_dps <= _MAX_LSB_DPS:
        return None
    turns = _samples(window.gyr, window.lsb_dps)[:n]
    if not np.isfinite(turns).any():
        return None
    speed = np.full(n, np.nan, np.float32)
    speed[: len(turns)] = np.linalg.norm(turns, axis=1)
    return speed


def _samples(counted: bytes, lsb: float) -> NDArray[np.float32]:
    whole = min(len(counted) // 6, _MAX_SAMPLES) * 6
    counts = np.frombuffer(counted[:whole], "<i2").reshape(-1, 3)
    values = counts.astype(np.float32) * np.float32(lsb)
    values[(counts == _GAP).all(axis=1)] = np.nan
    return values


def motion_svg(window: Window, *, onset_ms: int, size: PlotSize, words: PlotWords) -> str:
    """A drawing with panels over one time axis: signal vector magnitude, the three axes, and how fast it turned.

    Times are in seconds from ``onset_ms``, which carries the impact mark; where it fell freely before the impact is
    coloured, missing samples are hatched. Without a gyroscope there is no third panel.
    """
    acc_g = acceleration_g(window)
    missing = np.isnan(acc_g[:, 0])
    if len(acc_g) == 0 or missing.all():
        return _empty(size, words.nothing)
    start_s = (window.t0_ms - onset_ms) / 1000
    end_s = start_s + max(len(acc_g) - 1, 1) / window.fs_hz
    turn_dps = turning_dps(window, len(acc_g))
    with np.errstate(over="ignore"):
        magnitude = np.linalg.norm(acc_g, axis=1)
    left, right, top, gap, bottom = 34, size.width - 8, 34, 17, size.height - 20
    shares = (0.5, 0.5) if turn_dps is None else (0.4, 0.32, 0.28)
    high = bottom - top - gap * (len(shares) - 1)
    panels: list[_Panel] = []
    for share in shares:
        start = panels[-1].bottom + gap if panels else top
        panels.append(_Panel(left, right, start, start + high * share, start_s, end_s))
    panels[0].scale(0.0, max(2.0, float(np.nanmax(magnitude)) * 1.05))
    reach = max(1.5, float(np.nanmax(np.abs(acc_g))) * 1.05)
    panels[1].scale(-reach, reach)
    if turn_dps is not None:
        panels[2].scale(0.0, max(100.0, float(np.nanmax(turn_dps)) * 1.05))

    falling = _falling(magnitude, start_s, window.fs_hz)
    parts = [_head(size)]
    parts += panels[0].bands(falling, window.fs_hz, "falling")
    for panel, lines in zip(panels, (4, 4, 2), strict=False):
        parts += panel.grid(lines)
        parts += panel.bands(missing, window.fs_hz, "gap")
    parts += panels[-1].seconds(labels=size.width // 70)
    if start_s <= 0 <= end_s:
        x = panels[0].x(0)
        parts.append(f'<path class="impact" d="M{x:.1f} {top - 4}V{bottom}"/>')
        anchor = "end" if x > size.width - 80 else "start"
        parts.append(
            f'<text class="t-impact" x="{x + (-4 if anchor == "end" else 4):.1f}" y="{top + 4}" '
            f'text-anchor="{anchor}">{escape(words.impact)}</text>'
        )
    for name, column in (("x", 0), ("y", 1), ("z", 2)):
        parts.append(panels[1].line(name, acc_g[:, column]))
    parts.append(panels[0].line("smv", magnitude))
    axes = "".join(f'<tspan class="t-{axis}" dx="{8 * (n > 0)}">{axis}</tspan>' for n, axis in enumerate("xyz"))
    parts.append(_title(left, panels[1].top - 5, axes, "g"))
    if turn_dps is not None:
        parts.append(panels[2].line("turn", turn_dps))
        parts.append(_title(left, panels[2].top - 5, f'<tspan class="t-turn">{escape(words.turning)}</tspan>', "°/s"))
    marks = [("falling", words.falling)] * bool(falling.any()) + [("gap", words.gap)] * bool(missing.any())
    parts.append(_title(left, top - 5, f'<tspan class="t-smv">{escape(words.magnitude)}</tspan>', "g"))
    parts += _legend(marks, left)
    parts.append("</svg>")
    return "".join(parts)


def _falling(magnitude: NDArray[np.float32], start_s: float, fs_hz: float) -> NDArray[np.bool_]:
    at_s = start_s + np.arange(len(magnitude)) / fs_hz
    with np.errstate(invalid="ignore"):
        return np.asarray((magnitude < FREE_FALL_G) & (at_s >= -_FALLING_S) & (at_s < 0))


def _head(size: PlotSize) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size.width} {size.height}" '
        f'width="{size.width}" height="{size.height}" role="img"><style>{_STYLE}</style>'
        '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<path class="hatch" d="M1 0V5"/></pattern></defs>'
    )


def _empty(size: PlotSize, text: str) -> str:
    x, y = size.width // 2, size.height // 2
    return f'{_head(size)}<text x="{x}" y="{y}" text-anchor="middle">{escape(text)}</text></svg>'


def _title(x: float, y: float, inside: str, unit: str) -> str:
    return f'<text x="{x}" y="{y:.1f}" font-weight="600">{inside}<tspan dx="6" font-weight="400">{unit}</tspan></text>'


def _legend(marks: Sequence[tuple[str, str]], x: float) -> Iterator[str]:
    """What the bands are, in a row on top; there is no telling here how wide a reader's font is."""
    for kind, word in marks:
        yield f'<rect class="{kind}" x="{x:.0f}" y="2" width="14" height="11"/>'
        yield f'<text x="{x + 19:.0f}" y="12">{escape(word)}</text>'
        x += 36 + sum(12.0 if ord(letter) > 0x2E7F else 6.8 for letter in word)


class _Panel:
    """A rectangle of the picture with a scale in seconds and one in g."""

    def __init__(self, left: float, right: float, top: float, bottom: float, start_s: float, end_s: float) -> None:
        self.left, self.right, self.top, self.bottom = left, right, top, bottom
        self.start_s, self.end_s = start_s, end_s
        self.low, self.high = 0.0, 1.0

    def scale(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def x(self, t_s: float) -> float:
        return self.left + (t_s - self.start_s) / (self.end_s - self.start_s) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)

    def grid(self, lines: int) -> Iterator[str]:
        step = _round_step(self.high - self.low, lines)
        value = math.ceil(self.low / step) * step
        while value <= self.high:
            y = self.y(value)
            kind = "zero" if abs(value) < step / 2 else "grid"
            yield f'<path class="{kind}" stroke-width="1" d="M{self.left} {y:.1f}H{self.right}"/>'
            yield f'<text x="{self.left - 5}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
            value = round(value + step, 6)

    def seconds(self, labels: int) -> Iterator[str]:
        step = _round_step(self.end_s - self.start_s, labels)
        t_s = math.ceil(self.start_s / step) * step
        while t_s <= self.end_s:
            x = self.x(t_s)
            if x < self.right - 12:
                label = f"{t_s:+g}" if t_s else "0"
                yield f'<text x="{x:.1f}" y="{self.bottom + 15:.1f}" text-anchor="middle">{label}</text>'
            t_s = round(t_s + step, 6)
        yield f'<text x="{self.right}" y="{self.bottom + 15:.1f}" text-anchor="end">s</text>'

    def bands(self, where: NDArray[np.bool_], fs_hz: float, kind: str) -> Iterator[str]:
        edges = np.flatnonzero(np.diff(np.concatenate(([0], where.astype(np.int8), [0]))))
        bands: list[tuple[float, float]] = []
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            x0 = self.x(self.start_s + (first - 0.5) / fs_hz)
            x1 = self.x(self.start_s + (end - 0.5) / fs_hz)
            if bands and x0 - bands[-1][1] < 0.5:  # half a pixel: one band, so that their number has a bound
                bands[-1] = (bands[-1][0], x1)
            else:
                bands.append((x0, x1))
        for x0, x1 in bands:
            x0, x1 = max(x0, self.left), min(x1, self.right)
            width = max(x1 - x0, 1.0)
            yield (
                f'<rect class="{kind}" x="{x0:.1f}" y="{self.top:.1f}" width="{width:.1f}" '
                f'height="{self.bottom - self.top:.1f}"/>'
            )

    def line(self, kind: str, values: NDArray[np.float32]) -> str:
        at, drawn = _decimate(values, columns=int(self.right - self.left))
        scale_x = (self.right - self.left) / max(len(values) - 1, 1)
        xs = self.left + at * scale_x
        ys = self.bottom - (drawn - self.low) / (self.high - self.low) * (self.bottom - self.top)
        pieces: list[str] = []
        pen_down = False
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
            if math.isnan(y):
                pen_down = False
                continue
            pieces.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
            if not pen_down:
                pieces.append("h0")  # a lone sample between gaps is a dot, not nothing
            pen_down = True
        return f'<path class="{kind}" stroke-linecap="round" d="{"".join(pieces)}"/>'


def _decimate(values: NDArray[np.float32], *, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most two points per column: its least and greatest value, in the order of their time; NaN for an empty one."""
    n = len(values)
    if n <= 2 * columns:
        return np.arange(n, dtype=np.float64), values.astype(np.float64)
    at: list[float] = []
    drawn: list[float] = []
    for first, end in zip(*_columns(n, columns), strict=True):
        part = values[first:end]
        if np.isnan(part).all():
            at.append(float(first))
            drawn.append(math.nan)
            continue
        for offset in sorted({int(np.nanargmin(part)), int(np.nanargmax(part))}):
            at.append(float(first + offset))
            drawn.append(float(part[offset]))
    return np.array(at), np.array(drawn)


def _columns(n: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    edges = np.linspace(0, n, columns + 1).astype(np.int64)
    return edges[:-1], edges[1:]


def _round_step(span: float, parts: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that divides ``span`` into about ``parts``."""
    raw = span / max(parts, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1.0, 2.0, 5.0) if m * power >= raw * 0.75), 10 * power)
