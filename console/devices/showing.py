"""What the templates of devices say, in the reader's language. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from console.devices.course import QUANTITIES
from console.devices.finding import Counts, Fleet, Only, Order, Question
from console.people.series import SPANS
from console.people.showing import bidi
from console.texts import Texts

#: The script of the drawings says these by itself.
_CHART_WORDS = ("chart.failed", "chart.keys", "chart.usual_is", "chart.marks_in", "chart.nothing")
BELOW_PCT = (15, 25, 50)
SILENT_H = (1, 6, 24, 72, 168)


class Tile(NamedTuple):
    """A figure at the top that narrows the list."""

    id: str
    value: int
    tone: str
    address: str
    current: bool


def tiles(counts: Counts, asked: Question, kept: Sequence[tuple[str, str]]) -> list[Tile]:
    """All, and how many are what; each leads to those."""
    figures: tuple[tuple[str, int, str], ...] = (
        ("", counts.total, "plain"),
        (Only.ONLINE, counts.online, "calm"),
        (Only.SILENT, counts.silent, "urgent"),
        (Only.BATTERY, counts.low, "warning"),
        (Only.CLOCK, counts.clock, "warning"),
        (Only.FAULTY, counts.faulty, "warning"),
        (Only.NEVER, counts.never, "plain"),
    )
    rest = [(name, value) for name, value in kept if name not in ("only", "page")]
    found = []
    for only, value, tone in figures:
        address = "?" + urlencode([*rest, ("only", str(only))] if only else rest)
        found.append(Tile(only or "all", value, tone if value else "plain", address, asked.only == only))
    return found


def list_words(
    texts: Texts, fleet: Fleet, asked: Question, kept: Sequence[tuple[str, str]], *, names: bool
) -> dict[str, Any]:
    """Columns, choices and addresses of the list."""
    rest = [(name, value) for name, value in kept if name not in ("sort", "page")]
    columns = [texts("devices.device"), *([texts("devices.person")] if names else [])]
    columns += [texts(f"devices.{name}") for name in ("area", "link", "battery", "heard", "lag", "firmware", "faults")]
    kinds = [kind for kind in fleet.fault_kinds if kind not in tuple(Only)]
    onlys = [(only.value, texts.of("only", only.value)) for only in Only]
    return {
        "columns": columns,
        "orders": [
            (texts.of("sorting", one.value), "?" + urlencode([*rest, ("sort", one.value)]), one is asked.order)
            for one in Order
        ],
        "kind_options": [("", texts("devices.any_kind")), *((kind, texts.of("thing", kind)) for kind in fleet.kinds)],
        "only_options": [
            ("", texts("devices.any_fault")), *onlys, *((kind, texts.of("fault", kind)) for kind in kinds),
        ],
        "below_options": [
            ("", texts("devices.any_battery")), *((str(n), texts("devices.below", n=n)) for n in BELOW_PCT),
        ],
        "silent_options": [
            ("", texts("devices.any_silence")),
            *((str(h), texts("devices.silent_h", n=h) if h < 48 else texts("devices.silent_d", n=h // 24))
              for h in SILENT_H),
        ],
        "page_address": "?" + urlencode([*(pair for pair in kept if pair[0] != "page"), ("page", "")]),
        "csv_address": "/devices.csv?" + urlencode([pair for pair in kept if pair[0] != "page"]),
        "whole": bidi,
    }  # fmt: skip


def page_words(texts: Texts, span: str) -> dict[str, Any]:
    """The choices of the page of one device, and the words of its script."""
    return {
        "span_choices": [(texts.of("span", one), f"?range={one}#course", one == span) for one in SPANS],
        "chart_words": json.dumps({name: texts(name) for name in _CHART_WORDS}, ensure_ascii=False),
        "quantities": QUANTITIES,
        "whole": bidi,
    }


def advice(texts: Texts, kind: str) -> str:
    """What to do about a finding, as ``carecircle doctor`` says."""
    said = texts.of("advice", kind)
    return texts("advice.other") if said == kind else said


def written(name: str, value: float) -> str:
    """A value of a drawing."""
    return f"{value:.{QUANTITIES[name].digits}f}"
