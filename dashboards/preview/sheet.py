"""The whole page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patches import FancyBboxPatch

from dashboards.macros import Span, fill_in
from dashboards.preview.answers import Ask, lines_of, renamed, table_of, transformed
from dashboards.preview.cells import Told, draw_numbers, draw_table
from dashboards.preview.plots import draw_bars, draw_lines, instants

_COLUMNS, _WIDTH_IN, _UNIT_IN, _TOP_IN, _EDGE_IN = 24, 16.0, 0.34, 0.95, 0.25
#: Fonts with Chinese characters, as Linux, macOS and Windows name them.
_CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei", "SimHei", "Droid Sans Fallback",
)  # fmt: skip


def _fonts() -> list[str]:
    known = {font.name for font in fontManager.ttflist}
    return [name for name in _CHINESE if name in known]


def has_chinese_font() -> bool:
    """Whether Chinese titles can be drawn on this machine."""
    return bool(_fonts())


def sheet(
    dashboard: Mapping[str, Any], ask: Ask, span: Span, chosen: Mapping[str, list[str]], zone: ZoneInfo, language: str
) -> Figure:
    """A figure with all panels of a dashboard; a panel whose statement fails raises what ``ask`` raises."""
    with mpl.rc_context({"font.family": ["DejaVu Sans", *_fonts()[:1]], "axes.unicode_minus": False}):
        places = _places(dashboard, chosen)
        rows = max((y + panel["gridPos"]["h"] for panel, _, y in places), default=1)
        height_in = _TOP_IN + rows * _UNIT_IN + _EDGE_IN
        figure = Figure(figsize=(_WIDTH_IN, height_in), facecolor="#f4f5f7")
        FigureCanvasAgg(figure)
        _heading(figure, dashboard, span, chosen, zone, height_in)
        events = _events(dashboard, ask, span, chosen)
        for panel, values, y in places:
            _panel(figure, panel, y, height_in, ask, span, values, zone, language, events)
        # texts are laid out when they are drawn, so that must happen while the fonts are set
        figure.canvas.draw()
        return figure


def _places(
    dashboard: Mapping[str, Any], chosen: Mapping[str, list[str]]
) -> list[tuple[dict[str, Any], dict[str, list[str]], int]]:
    """(panel, what is chosen for it, its row), those that are repeated once for each value and the others below."""
    found = []
    down = 0
    for panel in dashboard["panels"]:
        values, repeat = dict(chosen), panel.get("repeat")
        y = panel["gridPos"]["y"] + down
        if not repeat:
            found.append((panel, values, y))
            continue
        copies = chosen[repeat]
        for at, value in enumerate(copies):
            found.append((panel, {**values, repeat: [value]}, y + at * panel["gridPos"]["h"]))
        down += (len(copies) - 1) * panel["gridPos"]["h"]
    return found


def _heading(
    figure: Figure,
    dashboard: Mapping[str, Any],
    span: Span,
    chosen: Mapping[str, list[str]],
    zone: ZoneInfo,
    high: float,
) -> None:
    left = _EDGE_IN / _WIDTH_IN
    figure.text(
        left, 1 - 0.34 / high, f"CareCircle · {dashboard['title']}", fontsize=17, weight="bold", color="#24292e"
    )
    ends = (datetime.fromtimestamp(ms / 1000, zone).strftime("%Y-%m-%d %H:%M") for ms in (span.from_ms, span.to_ms))
    labels = {one["name"]: one["label"] for one in dashboard["templating"]["list"] if not one.get("hide")}
    said = [f"{labels[name]}: {_listed(values)}" for name, values in chosen.items() if name in labels]
    text = f"{' – '.join(ends)} ({zone.key})      " + "      ".join(said)
    figure.text(left, 1 - 0.68 / high, text, fontsize=9, color="#52545c")


def _listed(values: list[str]) -> str:
    if values == ["$__all"]:
        return "*"
    return ", ".join(values[:4]) + (" …" if len(values) > 4 else "")


def _events(
    dashboard: Mapping[str, Any], ask: Ask, span: Span, chosen: Mapping[str, list[str]]
) -> list[tuple[int, str]]:
    """When incidents were opened: the other steps are in the table."""
    found = []
    for annotation in dashboard["annotations"]["list"]:
        for answer in ask(fill_in(annotation["query"], span, chosen)):
            at, kind = answer.columns.index("state"), answer.columns.index("kind")
            found += [(row[0], row[kind]) for row in answer.values if row[at] == "open"]
    return found


def _panel(
    figure: Figure, panel: Mapping[str, Any], y: int, high: float, ask: Ask, span: Span,
    chosen: Mapping[str, list[str]], zone: ZoneInfo, language: str, events: list[tuple[int, str]],
) -> None:  # fmt: skip
    grid = panel["gridPos"]
    unit = (_WIDTH_IN - 2 * _EDGE_IN) / _COLUMNS
    x_in, w_in, h_in = _EDGE_IN + grid["x"] * unit, grid["w"] * unit, grid["h"] * _UNIT_IN
    top_in = high - _TOP_IN - y * _UNIT_IN
    if panel["type"] == "row":
        figure.text((x_in + 0.03) / _WIDTH_IN, (top_in - 0.24) / high, panel["title"], fontsize=10.5, weight="bold",
                    color="#52545c")  # fmt: skip
        return
    box = (x_in + 0.04) / _WIDTH_IN, (top_in - h_in + 0.04) / high, (w_in - 0.08) / _WIDTH_IN, (h_in - 0.08) / high
    figure.add_artist(
        FancyBboxPatch(
            box[:2],
            box[2],
            box[3],
            boxstyle="square,pad=0",
            facecolor="white",
            edgecolor="#dfe2e6",
            linewidth=0.7,
            zorder=-1,
            transform=figure.transFigure,
        )
    )
    title = panel["title"]
    for name, values in chosen.items():
        title = title.replace(f"${{{name}}}", ", ".join(values))
    figure.text((x_in + 0.13) / _WIDTH_IN, (top_in - 0.23) / high, title, fontsize=8.5, weight="bold", color="#24292e")
    plain = panel["type"] in ("stat", "table")
    inset = (0.13, 0.13, 0.12, 0.3) if plain else (0.62, 0.47, 0.4, 0.34)  # left, bottom, right, top
    axes = figure.add_axes((
        (x_in + inset[0]) / _WIDTH_IN, (top_in - h_in + inset[1]) / high,
        (w_in - inset[0] - inset[2]) / _WIDTH_IN, (h_in - inset[1] - inset[3]) / high,
    ), facecolor="none", label="panel")  # fmt: skip
    shortest = panel["interval"]
    lines, tables = [], []
    for target in panel["targets"]:
        answers = ask(fill_in(target["query"], span, chosen, shortest=shortest))
        if target["resultFormat"] == "table":
            tables.append(table_of(target, answers))
        else:
            lines += lines_of(target, answers)
    told = Told(span.to_ms, zone, language)
    if panel["type"] == "timeseries":
        lines = renamed(lines, panel.get("transformations", []))
        draw_lines(axes, panel, lines, span, span.interval_ms(shortest), zone, language)
        for at_ms, _ in events:
            axes.axvline(instants([at_ms])[0], color="#e02f44", linewidth=0.8, linestyle=":", zorder=4)
    elif panel["type"] == "stat":
        draw_numbers(axes, panel, lines, told)
    else:
        table = transformed(tables, lines, panel.get("transformations", []), zone)
        if panel["type"] == "table":
            draw_table(axes, panel, table, told, h_in - inset[1] - inset[3])
        else:
            draw_bars(axes, panel, table, zone, language)
