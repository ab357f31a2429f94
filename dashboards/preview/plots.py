"""Time series and bars of one panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dashboards.macros import Span
from dashboards.preview.answers import Line, Table
from dashboards.preview.units import PALETTE, color, shown

#: matplotlib has no types for these.
_dates: Any = matplotlib.dates
_GRID, _SMALL = "#e4e7eb", 6.5
_RIGHT = "custom.axisPlacement"


def look_of(panel: Mapping[str, Any], ref: str) -> dict[str, Any]:
    """What differs for the series of one target."""
    found: dict[str, Any] = {}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byFrameRefID", "options": ref}:
            found |= {one["id"]: one["value"] for one in override["properties"]}
    return found


def instants(t_ms: Sequence[int]) -> Any:
    """Epoch milliseconds as matplotlib's dates."""
    return _dates.date2num([datetime.fromtimestamp(t / 1000, UTC) for t in t_ms])


def draw_lines(
    axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line], span: Span, step_ms: int, zone: ZoneInfo, language: str
) -> None:
    """All series of a panel, with its thresholds behind."""
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    looks = [look_of(panel, line.ref) for line in lines]
    left = [line for line, look in zip(lines, looks, strict=True) if look.get(_RIGHT) != "right"]
    right: Axes | None = None
    if len(left) < len(lines):
        right = axes.twinx()
        right.tick_params(labelsize=_SMALL, colors="#8e8e8e", length=0)
        right.spines[:].set_visible(False)
    width = step_ms / 86_400_000
    floor: dict[int, float] = {}
    for number, (line, look) in enumerate(zip(lines, looks, strict=True)):
        on = axes if look.get(_RIGHT) != "right" or right is None else right
        shade = _color(look, defaults, number)
        at, values = instants(line.t_ms), np.array(line.values)
        if custom["stacking"]["mode"] == "normal":
            base = np.array([floor.get(t, 0.0) for t in line.t_ms])
            floor.update({t: float(b + v) for t, b, v in zip(line.t_ms, base, values, strict=True)})
        else:
            base = np.zeros(len(values))
        thick = look.get("custom.lineWidth", custom["lineWidth"])
        if custom["drawStyle"] == "bars":
            on.bar(at, values, width * 0.85, base, align="edge", color=shade, alpha=0.8, label=line.name, linewidth=0)
            continue
        way: dict[str, Any] = {"drawstyle": "steps-post"} if custom.get("lineInterpolation") == "stepAfter" else {}
        marker = "o" if custom["drawStyle"] == "points" or len(values) == 1 else ""
        style = "none" if custom["drawStyle"] == "points" else ("--" if "custom.lineStyle" in look else "-")
        if not marker and custom["showPoints"] == "auto" and thick:
            lonely = np.diff(at, prepend=-np.inf, append=np.inf) > max(custom["spanNulls"] / 86_400_000, 1.5 * width)
            alone = lonely[:-1] & lonely[1:]
            on.plot(
                at[alone], (base + values)[alone], color=shade, marker="o", markersize=2.5, linestyle="none", zorder=3
            )
        gaps, heights = _with_gaps(at, base + values, custom["spanNulls"] / 86_400_000, width)
        on.plot(gaps, heights, color=shade, linewidth=thick, linestyle=style, marker=marker, markersize=3,
                label=line.name if thick else None, zorder=3, **way)  # fmt: skip
        if custom["stacking"]["mode"] == "normal":
            step: Literal["post"] | None = "post" if way else None
            on.fill_between(at, base, base + values, color=shade, alpha=0.2, step=step, linewidth=0)
        _fill_down(on, line, look, lines)
    _limits(axes, defaults, bool(left), panel["type"])
    if right is not None:
        right.set_ylim(0, 1.02)
        right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.0f} %"))
    _thresholds(axes, defaults)
    axes.set_xlim(*instants([span.from_ms, span.to_ms]))
    locator = _dates.AutoDateLocator(tz=zone, minticks=4, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_dates.ConciseDateFormatter(locator, tz=zone, show_offset=False))
    _dressed(axes, defaults, zone, language)
    handles, labels = axes.get_legend_handles_labels()
    if right is not None:
        more = right.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    _legend(axes, handles, labels)


def _with_gaps(at: Any, values: Any, longest: float, step: float) -> tuple[Any, Any]:
    """Where nothing came for longer than that (and than a step) the line breaks off."""
    holes = np.flatnonzero(np.diff(at) > max(longest, 1.5 * step)) + 1
    return np.insert(at, holes, at[holes - 1] if len(holes) else 0), np.insert(values.astype(float), holes, np.nan)


def _color(look: Mapping[str, Any], defaults: Mapping[str, Any], number: int) -> str:
    fixed = look.get("color") or (defaults["color"] if defaults["color"]["mode"] == "fixed" else None)
    return color(fixed["fixedColor"]) if fixed else PALETTE[number % len(PALETTE)]


def _fill_down(axes: Axes, line: Line, look: Mapping[str, Any], lines: Sequence[Line]) -> None:
    """The space between this line and the one that it names."""
    other = next((one for one in lines if one.name == look.get("custom.fillBelowTo")), None)
    if other is None:
        return
    below = dict(zip(other.t_ms, other.values, strict=True))
    both = [(t, below[t], v) for t, v in zip(line.t_ms, line.values, strict=True) if t in below]
    if both:
        t, low, high = zip(*both, strict=True)
        axes.fill_between(instants(t), low, high, color="#8e8e8e", alpha=0.28, linewidth=0, zorder=2,
                          label=None if look.get("custom.lineWidth") != 0 else line.name)  # fmt: skip


def _limits(axes: Axes, defaults: Mapping[str, Any], some: bool, kind: str) -> None:
    low, high = axes.get_ylim() if some else (0.0, 1.0)
    custom = defaults["custom"]
    low, high = min(low, custom.get("axisSoftMin", low)), max(high, custom.get("axisSoftMax", high))
    if kind == "barchart":
        low = 0
    axes.set_ylim(defaults.get("min", low), max(defaults.get("max", high), defaults.get("min", low) + 1e-9))


def _thresholds(axes: Axes, defaults: Mapping[str, Any]) -> None:
    mode, steps = defaults["custom"]["thresholdsStyle"]["mode"], defaults["thresholds"]["steps"]
    low, high = axes.get_ylim()
    for at, step in enumerate(steps):
        begin = low if step["value"] is None else max(low, step["value"])
        end = high if at + 1 == len(steps) else min(high, steps[at + 1]["value"])
        if mode == "area" and end > begin:
            axes.axhspan(begin, end, color=color(step["color"]), alpha=0.12, linewidth=0, zorder=0)
        if mode == "dashed" and step["value"] is not None and low < step["value"] < high:
            axes.axhline(step["value"], color=color(step["color"]), linestyle="--", linewidth=0.8, zorder=1)


def _dressed(axes: Axes, defaults: Mapping[str, Any], zone: ZoneInfo, language: str) -> None:
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(labelsize=_SMALL, colors="#52545c", length=0)
    whole = defaults.get("decimals") == 0 and defaults["unit"] not in ("percentunit", "s", "ms", "bytes")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=whole))
    low, high = axes.get_ylim()
    narrow = high - low <= 2 and defaults["unit"] != "percentunit" and not whole
    fine = 2 if narrow else defaults.get("decimals")
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda v, _: shown(v, defaults["unit"], fine, now_ms=0, zone=zone, language=language))
    )


def _legend(axes: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    if not handles or len(handles) > 12:
        return
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(0, -0.09), ncol=8, fontsize=_SMALL, frameon=False,
        borderpad=0, handlelength=1.2, columnspacing=1.2, labelcolor="#52545c",
    )  # fmt: skip


def draw_bars(axes: Axes, panel: Mapping[str, Any], table: Table, zone: ZoneInfo, language: str) -> None:
    """Bars on top of each other, one place for each row."""
    defaults = panel["fieldConfig"]["defaults"]
    (key, *names) = table.columns
    places = range(len(table.rows))
    floor = np.zeros(len(table.rows))
    for number, name in enumerate(names):
        look: dict[str, Any] = {}
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"] == {"id": "byName", "options": name}:
                look |= {one["id"]: one["value"] for one in override["properties"]}
        values = np.array([row.get(name) or 0.0 for row in table.rows], dtype=float)
        axes.bar(places, values, 0.7, floor, color=_color(look, defaults, number), label=look.get("displayName", name))
        floor += values
    axes.set_xticks(list(places), [str(row[key]) for row in table.rows])
    axes.set_ylim(0, max(1.0, float(floor.max(initial=0)) * 1.1))
    _dressed(axes, defaults, zone, language)
    _legend(axes, *axes.get_legend_handles_labels())
