"""How a device was over a span of time: battery, lag, signal, lost messages; as drawings and as rows. Pure, but for the
read of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from console.devices.faults import Finding
from console.devices.finding import LOW_PCT
from console.people.series import HOUR_S, SPANS, STEPS, Course, Line, Row, as_numbers, line_of, table, window
from console.texts import Texts
from store import Store


class Quantity(NamedTuple):
    """One drawing: its unit, decimals, what divides the stored value, and for how long a value speaks."""

    unit: str
    digits: int
    scale: float
    valid_s: int


#: In the order of the drawings. A passive sensor tells its battery once a day or less.
QUANTITIES: dict[str, Quantity] = {
    "battery": Quantity("%", 0, 1.0, 26 * HOUR_S),
    "lag_ms": Quantity("s", 1, 1000.0, HOUR_S),
    "seq_gap": Quantity("", 0, 1.0, HOUR_S),
    "rssi": Quantity("dBm", 0, 1.0, HOUR_S),
    "lqi": Quantity("", 0, 1.0, HOUR_S),
    "offset_ms": Quantity("s", 1, 1000.0, HOUR_S),
}


def read_course(store: Store, device: str, span: str, now_ms: int) -> Course:
    """What is drawn of a span. Raises StoreError."""
    of = SPANS[span]
    start_ms, end_ms = window(of, now_ms)
    read = store.range(
        "device", list(QUANTITIES), tags={"device": device}, start_ms=start_ms, end_ms=end_ms, points=STEPS,
        bucket=of.bucket,
    )  # fmt: skip
    step_ms = read.step_ms or (HOUR_S * 1000 if of.bucket and len(read) else None)
    course = Course(start_ms, end_ms, step_ms)
    for name, quantity in QUANTITIES.items():
        line = line_of(name, read, quantity.valid_s * 1000, step_ms)
        if line is not None:
            scaled = (values / quantity.scale for values in (line.mean, line.low, line.high))
            course.lines[name] = Line(name, line.t_ms, *scaled)
    return course


def rows_of(course: Course, span: str, zone: ZoneInfo) -> list[Row]:
    """The course as a table: by hours, local days or weeks."""
    return table(course, SPANS[span].row_s, zone)


def drawing(course: Course, findings: Sequence[Finding], texts: Texts) -> dict[str, Any]:
    """For the script of the page of a person, which draws this too: ``panels``, and the findings as ``events``."""
    return {
        "from": course.start_ms / 1000,
        "to": course.end_ms / 1000,
        "step_s": None if course.step_ms is None else course.step_ms / 1000,
        "panels": [_panel(course.lines[name], texts) for name in QUANTITIES if name in course.lines],
        "events": [
            {
                "t": one.fault.onset_ms / 1000,
                "text": texts.of("fault", one.fault.kind),
                "severity": one.fault.severity,
                "address": "#findings",
            }
            for one in findings
            if course.start_ms <= one.fault.onset_ms < course.end_ms
        ],
    }


def _panel(line: Line, texts: Texts) -> dict[str, Any]:
    quantity = QUANTITIES[line.name]
    return {
        "id": line.name,
        "title": texts.of("quantity", line.name),
        "unit": quantity.unit,
        "digits": quantity.digits,
        "t": (line.t_ms / 1000).tolist(),
        "mean": as_numbers(line.mean, quantity.digits + 1),
        "low": as_numbers(line.low, quantity.digits + 1),
        "high": as_numbers(line.high, quantity.digits + 1),
        "usual": None,
        "bands": [[None, LOW_PCT, 2]] if line.name == "battery" else [],
    }
