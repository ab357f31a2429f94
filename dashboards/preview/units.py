"""Values as Grafana writes them, for the units that the dashboards use; colours by threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

#: Grafana's names for colours, as on its light theme.
COLORS = {
    "green": "#56a64b", "yellow": "#f2cc0c", "orange": "#ff780a", "red": "#e02f44", "blue": "#3274d9",
    "purple": "#a352cc", "text": "#8e8e8e",
}  # fmt: skip
PALETTE = ("#56a64b", "#3274d9", "#ff780a", "#a352cc", "#f2cc0c", "#e02f44", "#37872d", "#1f60c4", "#8f3bb8", "#fa6400")
_SCALES = {
    "bytes": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
    "short": ((1e9, "B"), (1e6, "M"), (1e3, "K"), (1, "")),
    "s": ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")),
    "ms": ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")),
}
_AGO = {
    "en": ((86_400_000, "{} d ago"), (3_600_000, "{} h ago"), (60_000, "{} min ago"), (1_000, "{} s ago")),
    "zh": ((86_400_000, "{} 天前"), (3_600_000, "{} 小时前"), (60_000, "{} 分钟前"), (1_000, "{} 秒前")),
}


def shown(value: Any, unit: str, decimals: int | None, *, now_ms: int, zone: ZoneInfo, language: str) -> str:
    """The text of a value."""
    if value is None:
        return "–"
    if not isinstance(value, int | float):
        return str(value)
    if unit == "dateTimeAsIso":
        return datetime.fromtimestamp(value / 1000, zone).strftime("%Y-%m-%d %H:%M:%S")
    if unit == "dateTimeFromNow":
        size, words = next((one for one in _AGO[language] if now_ms - value >= one[0]), _AGO[language][-1])
        return words.format(max(0, round((now_ms - value) / size)))
    if unit in _SCALES:
        scale, suffix = next((one for one in _SCALES[unit] if abs(value) >= one[0]), _SCALES[unit][-1])
        digits = (decimals or 0) if scale == _SCALES[unit][-1][0] else 1
        return f"{value / scale:.{digits}f} {suffix}".strip()
    if unit == "percentunit":
        return f"{value * 100:.{decimals or 0}f} %"
    suffix = {"percent": "%", "celsius": "°C"}.get(unit, unit.removeprefix("suffix:") if ":" in unit else "")
    digits = decimals if decimals is not None else (0 if value == round(value) else 2)
    return f"{value:.{digits}f} {suffix}".strip()


def color(name: str) -> str:
    """A colour of Grafana's by its name."""
    return COLORS.get(name, name)


def step_color(value: float, steps: Sequence[Mapping[str, Any]]) -> str:
    """The colour of the step that a value is on."""
    found = steps[0]["color"]
    for step in steps[1:]:
        if value >= step["value"]:
            found = step["color"]
    return color(found)
