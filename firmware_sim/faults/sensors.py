"""Faults of what measures: a stuck axis, a range too small, a unit mistaken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware_sim.faults.afflicted import Afflicted, Span
from firmware_sim.faults.payloads import fields_of, with_fields
from firmware_sim.faults.settings import ClippedRange, StuckAxis, WrongUnit
from firmware_sim.session import Message
from telemetry.topics import Stream

#: Standard gravity (CGPM 1901), in m/s2.
GRAVITY = 9.80665
#: A wrong scale is found after two minutes of signal that shows it (`docs/devices.md`), with half a minute to spare.
SCALE_WITHIN_MS = 150_000
#: A dead axis is found after a minute in which others move; when they do depends on the wearer.
_AXES = "xyz"


def stick(to: Afflicted, fault: StuckAxis, rng: np.random.Generator, span: Span) -> None:
    """One axis holds the value that it had when the fault began."""
    axis = int(rng.integers(3)) if fault.axis == "any" else _AXES.index(fault.axis)
    held: int | None = None

    def change(message: Message, at_ms: int) -> None:
        nonlocal held
        if message.stream is not Stream.MOTION or at_ms not in span:
            return
        counts = _counts(message)
        if held is None:
            held = int(counts[0, axis])
        counts[:, axis] = held
        message.payload = with_fields(message.payload, acc=counts.tobytes())

    to.changes.append(change)
    to.record.fault("stuck_axis", to.id, span.begin_ms, f"axis {_AXES[axis]}")
    to.record.due("sensor_fault", to.id, span.begin_ms, None, detail=f"axis {_AXES[axis]} is stuck")


def clip(to: Afflicted, fault: ClippedRange, _rng: np.random.Generator, span: Span) -> None:
    """Nothing beyond the range."""

    def change(message: Message, at_ms: int) -> None:
        if message.stream is not Stream.MOTION or at_ms not in span:
            return
        most = round(fault.range_g / float(fields_of(message.payload)["lsb"]))
        message.payload = with_fields(message.payload, acc=np.clip(_counts(message), -most, most).tobytes())

    to.changes.append(change)
    to.record.fault("clipped_range", to.id, span.begin_ms, f"{fault.range_g:g} g")
    to.record.due("sensor_fault", to.id, span.begin_ms, None, detail="an axis may lie at its limit")


def mistake_unit(to: Afflicted, fault: WrongUnit, _rng: np.random.Generator, span: Span) -> None:
    """The right measurement under the wrong unit."""

    def change(message: Message, at_ms: int) -> None:
        if at_ms not in span:
            return
        fields = fields_of(message.payload)
        if fault.quantity == "acceleration" and message.stream is Stream.MOTION:
            message.payload = with_fields(message.payload, lsb=fields["lsb"] * GRAVITY)
        elif fault.quantity == "temperature" and message.stream is Stream.VITALS and "temp" in fields:
            message.payload = with_fields(message.payload, temp=round(fields["temp"] * 1.8 + 32, 1))
        elif fault.quantity == "glucose" and message.stream is Stream.VITALS and "glucose" in fields:
            message.payload = with_fields(message.payload, glucose=round(fields["glucose"] * 18.016))

    to.changes.append(change)
    to.record.fault("wrong_unit", to.id, span.begin_ms, fault.quantity)
    if fault.quantity != "acceleration":
        # when it is told depends on how often it is measured
        to.record.due("reading_fault", to.id, span.begin_ms, None, detail=f"unit of {fault.quantity}")
        return
    found_ms = span.begin_ms + SCALE_WITHIN_MS
    due_ms = found_ms if found_ms < span.end_ms else None
    to.record.due("sensor_fault", to.id, span.begin_ms, due_ms, detail="m/s2 for g")


def _counts(message: Message) -> NDArray[np.int16]:
    packed = fields_of(message.payload)["acc"]
    return np.frombuffer(packed, dtype="<i2").reshape(-1, 3).copy()
