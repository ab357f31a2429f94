"""A course as the script on the page draws it: numbers and words in JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from console.people.profile import IncidentRow
from console.people.series import Course, Line, as_numbers
from console.people.signs import SIGNS, bands
from console.texts import Texts

#: The drawings from above, each with its lines.
PANELS: dict[str, tuple[str, ...]] = {
    "score": ("score",), "hr": ("hr",), "spo2": ("spo2",), "rr": ("rr",), "temp": ("temp",),
    "pressure": ("sbp", "dbp"), "glucose": ("glucose",), "weight": ("weight",),
}  # fmt: skip


def drawing(
    course: Course, marks: Sequence[IncidentRow], texts: Texts, *, spo2_scale: int, address: Callable[[str], str]
) -> dict[str, Any]:
    """What is drawn: ``panels`` (of signs that have values), ``events``. Times are epoch seconds, as uPlot takes them;
    null is a gap. ``address`` makes the address of an incident."""
    panels = []
    for name, members in PANELS.items():
        lines = [course.lines[member] for member in members if member in course.lines]
        if lines:
            panels.append(_panel(name, lines, course, texts, spo2_scale))
    return {
        "from": course.start_ms / 1000,
        "to": course.end_ms / 1000,
        "step_s": None if course.step_ms is None else course.step_ms / 1000,
        "panels": panels,
        "events": [
            {
                "t": mark.onset_ms / 1000,
                "text": texts.of("kind", mark.kind),
                "severity": mark.severity,
                "address": address(mark.id),
            }
            for mark in marks
        ],
    }


def _panel(name: str, lines: Sequence[Line], course: Course, texts: Texts, spo2_scale: int) -> dict[str, Any]:
    first = SIGNS.get(lines[0].name)
    digits = first.digits if first else 0
    usual = course.usual.get(lines[0].name)
    return {
        "id": name,
        "title": texts.of("sign", name),
        "unit": first.unit if first else "",
        "digits": digits,
        "lines": [
            {
                "id": line.name,
                "label": texts.of("sign", line.name),
                "t": [t_ms / 1000 for t_ms in line.t_ms.tolist()],
                "mean": as_numbers(line.mean, digits + 1),
                "low": as_numbers(line.low, digits + 1),
                "high": as_numbers(line.high, digits + 1),
            }
            for line in lines
        ],
        "usual": None
        if usual is None
        else {
            "t": [t_ms / 1000 for t_ms in usual.t_ms.tolist()],
            "value": as_numbers(usual.value, digits + 1),
            "lower": as_numbers(usual.lower, digits + 1),
            "upper": as_numbers(usual.upper, digits + 1),
        },
        "bands": [[band.low, band.high, band.points] for band in bands(lines[0].name, spo2_scale) if band.points],
    }
