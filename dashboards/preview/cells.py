"""Panels of numbers and of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dashboards.preview.answers import Line, Row, Table
from dashboards.preview.plots import look_of
from dashboards.preview.units import color, shown, step_color

_INK, _FAINT = "#24292e", "#8e8e8e"
_ROW_IN = 0.17


class Told(NamedTuple):
    """How values are written."""

    now_ms: int
    zone: ZoneInfo
    language: str

    def text(self, value: Any, unit: str, decimals: int | None) -> str:
        """The text of a value."""
        return shown(value, unit, decimals, now_ms=self.now_ms, zone=self.zone, language=self.language)


def draw_numbers(axes: Axes, panel: Mapping[str, Any], lines: Sequence[Line], told: Told) -> None:
    """One large number for each series."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    if not lines:
        axes.text(
            0.5, 0.5, panel["fieldConfig"]["defaults"]["noValue"], ha="center", va="center", fontsize=18, color=_FAINT
        )
        return
    defaults = panel["fieldConfig"]["defaults"]
    share = 1 / len(lines)
    solid = panel["options"]["colorMode"] == "background_solid"
    for at, line in enumerate(lines):
        look = defaults | look_of(panel, line.ref)
        steps = look["thresholds"]["steps"]
        shade = step_color(line.values[-1], steps)
        filled = solid or len(steps) > 1
        if filled:
            axes.add_patch(Rectangle((at * share, 0), share * 0.97, 1, color=shade, linewidth=0))
        ink = ("#000000" if shade in (color("yellow"), color("orange")) else "#ffffff") if filled else shade
        middle = at * share + share * 0.485
        text = told.text(line.values[-1], look["unit"], look.get("decimals"))
        named = panel["options"]["textMode"] == "value_and_name"
        axes.text(middle, 0.42 if named else 0.5, text, ha="center", va="center", fontsize=15, color=ink, weight="bold")
        if named:
            axes.text(middle, 0.82, line.name, ha="center", va="center", fontsize=7.5, color=ink if filled else _INK)


def draw_table(axes: Axes, panel: Mapping[str, Any], table: Table, told: Told, height_in: float) -> None:
    """As many rows as there is room for, sorted as the panel says, and how many more there are."""
    axes.set_axis_off()
    looks = {name: _column_look(panel, name) for name in table.columns}
    columns = [name for name in table.columns if not looks[name].get("custom.hidden")]
    rows = _sorted(table.rows, looks, panel["options"].get("sortBy", []))
    room = max(1, int(height_in / _ROW_IN) - 1)
    kept = rows[:room] if len(rows) <= room else rows[: room - 1]
    axes.set_xlim(0, max(1, len(columns)))
    axes.set_ylim(room + 1, 0)
    if not columns or not rows:
        axes.text(0.5, 0.5, "–", color=_FAINT, fontsize=12)
        return
    for x, name in enumerate(columns):
        title = looks[name].get("displayName", name)
        axes.text(x + 0.04, 0.5, title, fontsize=7, weight="bold", color=_INK, va="center")
        for y, row in enumerate(kept, start=1):
            _cell(axes, x, y, row.get(name), looks[name], told)
    axes.hlines(range(1, len(kept) + 2), 0, len(columns), color="#eceef1", linewidth=0.6)
    if len(kept) < len(rows):
        more = {"en": f"and {len(rows) - len(kept)} more", "zh": f"另有 {len(rows) - len(kept)} 行"}[told.language]
        axes.text(0.04, len(kept) + 1.5, more, fontsize=7, color=_FAINT, va="center")


def _column_look(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": name}:
            found |= {one["id"]: one["value"] for one in override["properties"]}
    return found


def _sorted(rows: list[Row], looks: Mapping[str, dict[str, Any]], by: Sequence[Mapping[str, Any]]) -> list[Row]:
    if not by:
        return rows
    titles = {look.get("displayName", name): name for name, look in looks.items()}
    name = titles.get(by[0]["displayName"], "")
    there = [row for row in rows if row.get(name) is not None]
    there.sort(key=lambda row: row[name], reverse=by[0].get("desc", False))
    return there + [row for row in rows if row.get(name) is None]


def _cell(axes: Axes, x: int, y: int, value: Any, look: Mapping[str, Any], told: Told) -> None:
    if isinstance(value, Line):
        _sparkline(axes, x, y, value)
        return
    ink, weight = _INK, "normal"
    words = look["mappings"][0]["options"].get(_key(value)) if "mappings" in look else None
    kind = look.get("custom.cellOptions", {}).get("type")
    steps = look.get("thresholds", {}).get("steps")
    if words is not None:
        text, shade = words["text"], color(words["color"])
    else:
        text = told.text(value, look.get("unit", "none"), look.get("decimals"))
        shade = step_color(value, steps) if steps and isinstance(value, int | float) else ""
    if kind == "gauge" and isinstance(value, int | float):
        axes.add_patch(Rectangle((x + 0.42, y + 0.2), 0.52, 0.6, color="#eceef1", linewidth=0))
        axes.add_patch(Rectangle((x + 0.42, y + 0.2), 0.52 * min(value, 100) / 100, 0.6, color=shade, linewidth=0))
    elif kind == "color-background" and shade:
        axes.add_patch(Rectangle((x + 0.02, y + 0.06), 0.94, 0.88, color=shade, linewidth=0))
        ink, weight = ("#000000" if shade in (color("yellow"), color("orange")) else "#ffffff"), "bold"
    axes.text(x + 0.04, y + 0.52, text, fontsize=7, color=ink, va="center", weight=weight, clip_on=True)


def _key(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _sparkline(axes: Axes, x: int, y: int, line: Line) -> None:
    low, high = min(line.values), max(line.values)
    first, last = line.t_ms[0], line.t_ms[-1]
    across = [x + 0.05 + 0.88 * ((t - first) / (last - first) if last > first else 0.5) for t in line.t_ms]
    up = [y + 0.85 - 0.7 * ((v - low) / (high - low) if high > low else 0.5) for v in line.values]
    axes.plot(across, up, color=color("blue"), linewidth=0.9)
