"""A course as the script on the page draws it: numbers and words in JSON. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.people.profile import IncidentRow
from console.people.series import Course, Line, Usual, as_numbers
from console.people.signs import SIGNS, bands
from console.texts import Texts

#: The drawings from above. Each sign has its own: the bands of the systolic pressure say nothing of the diastolic.
PANELS: tuple[str, ...] = ("score", "hr", "spo2", "rr", "temp", "sbp", "dbp", "glucose", "weight")


def drawing(
    course: Course, marks: Sequence[IncidentRow], texts: Texts, *, spo2_scale: int, address: Callable[[str], str]
) -> dict[str, Any]:
    """What is drawn: ``panels`` (of signs that have values), ``events``. Times are epoch seconds, as uPlot takes them;
    null is a gap. ``address`` makes the address of an incident."""
    return {
        "from": course.start_ms / 1000,
        "to": course.end_ms / 1000,
        "step_s": None if course.step_ms is None else course.step_ms / 1000,
        "panels": [
            _panel(course.lines[name], course.usual.get(name), texts, spo2_scale)
            for name in PANELS
            if name in course.lines
        ],
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


def _panel(line: Line, usual: Usual | None, texts: Texts, spo2_scale: int) -> dict[str, Any]:
    sign = SIGNS.get(line.name)
    digits = sign.digits if sign else 0
    return {
        "id": line.name,
        "title": texts.of("sign", line.name),
        "unit": sign.unit if sign else "",
        "digits": digits,
        "t": _seconds(line.t_ms),
        "mean": as_numbers(line.mean, digits + 1),
        "low": as_numbers(line.low, digits + 1),
        "high": as_numbers(line.high, digits + 1),
        "usual": None
        if usual is None
        else {
            "t": _seconds(usual.t_ms),
            "lower": as_numbers(usual.lower, digits + 1),
            "upper": as_numbers(usual.upper, digits + 1),
        },
        "bands": [[band.low, band.high, band.points] for band in bands(line.name, spo2_scale) if band.points],
    }


def _seconds(t_ms: NDArray[np.int64]) -> list[float]:
    seconds: list[float] = (t_ms / 1000).tolist()
    return seconds
