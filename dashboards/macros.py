"""What Grafana puts into a statement before InfluxDB sees it: for the printed sheet and for the tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: "All" of a variable that has a value of its own for it: put in as it stands, whatever the format.
ALL = "$__all"
#: Steps that Grafana rounds to: up to the first number (ms) it takes the second.
_ROUNDED = (
    (7_500, 5_000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000),
    (210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000),
    (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000), (1_814_400_000, 604_800_000),
)  # fmt: skip
_MONTH_MS = 2_592_000_000
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)")
_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")


@dataclass(frozen=True, slots=True)
class Span:
    """A time range and how many points are wanted of it."""

    from_ms: int
    to_ms: int
    points: int = 1_000

    def interval_ms(self, shortest: str = "10s") -> int:
        """The step that Grafana takes for it."""
        exact = (self.to_ms - self.from_ms) / self.points
        rounded = next((step for upto, step in _ROUNDED if exact < upto), _MONTH_MS)
        return max(rounded, duration_ms(shortest))


def duration_ms(text: str) -> int:
    """``30s``, ``5m``, ``1h``, ``7d`` in milliseconds."""
    return int(text[:-1]) * _UNITS[text[-1]]


def fill_in(query: str, span: Span, values: Mapping[str, Sequence[str]], *, shortest: str = "10s") -> str:
    """The statement that InfluxDB gets.

    Args:
        values: by variable what is chosen; ``[ALL]`` for the ``.*`` of a variable whose "All" is that.

    Raises:
        KeyError: a variable that has no value.
    """
    step_ms = span.interval_ms(shortest)
    text = query.replace("$timeFilter", f"time >= {span.from_ms}ms and time <= {span.to_ms}ms")
    text = text.replace("$__interval_ms", str(step_ms)).replace("$__interval", f"{step_ms}ms")

    def put(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        chosen = values[name]
        if list(chosen) == [ALL]:
            return ".*"
        if match[2] != "regex":
            return ",".join(chosen)
        escaped = [_SPECIAL.sub(lambda special: "\\" + special[0], value) for value in chosen]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    return _VARIABLE.sub(put, text)


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels that ask something, in the order of the page; rows are none."""
    found = []
    for panel in dashboard["panels"]:
        found += [panel, *panel.get("panels", [])]
    return [panel for panel in found if panel["type"] != "row"]


def variables(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The variables that are asked for, in the order in which they depend on each other."""
    return [variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
