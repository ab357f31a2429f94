"""Faults of a device's own clock: off, too fast or slow, in another time zone."""

from __future__ import annotations

import numpy as np

from firmware_sim.faults.afflicted import Afflicted, Span
from firmware_sim.faults.settings import ClockDrift, ClockSkew, TimeZone

#: What `docs/devices.md` says of when a clock is found: at once when a boot begins more than 120 s off, after three
#: quarters of an hour at 60 s; a drift of 500 millionths after twice 75 minutes. Each with some time to spare.
AT_ONCE_MS, AT_ONCE_WITHIN_MS = 120_000, 60_000
OFF_MS, OFF_WITHIN_MS = 60_000, 75 * 60_000
DRIFT_PPM, DRIFT_WITHIN_MS = 500.0, 180 * 60_000


def skew(to: Afflicted, fault: ClockSkew, rng: np.random.Generator, span: Span) -> None:
    """A constant offset, drawn for each device."""
    _offset(to, int(rng.uniform(*fault.offset_s) * 1000), "clock_skew", span)


def time_zone(to: Afflicted, fault: TimeZone, _rng: np.random.Generator, span: Span) -> None:
    """Whole hours."""
    _offset(to, fault.hours * 3_600_000, "time_zone", span)


def drift(to: Afflicted, fault: ClockDrift, rng: np.random.Generator, span: Span) -> None:
    """Some millionths of the time that has passed."""
    ppm = float(rng.uniform(*fault.ppm))

    def shift(t_ms: int) -> int:
        return round((min(t_ms, span.end_ms) - span.begin_ms) * ppm / 1e6) if t_ms >= span.begin_ms else 0

    to.shifts.append(shift)
    to.record.fault("clock_drift", to.id, span.begin_ms, f"{ppm:+.0f} ppm")
    if abs(ppm) >= DRIFT_PPM:
        found_ms = span.begin_ms + DRIFT_WITHIN_MS
        to.record.due("clock_drift", to.id, span.begin_ms, found_ms if found_ms < span.end_ms else None)


def _offset(to: Afflicted, offset_ms: int, kind: str, span: Span) -> None:
    to.shifts.append(lambda t_ms: offset_ms if t_ms in span else 0)
    to.clock_spans.append((span, offset_ms))
    to.record.fault(kind, to.id, span.begin_ms, f"{offset_ms / 1000:+.3f} s")


def tell_clock(to: Afflicted) -> None:
    """The one finding that is due about the clock of a device, from the sum of what is wrong with it."""
    worst_ms, begin_ms = 0, to.start_ms
    for since_ms in sorted({span.begin_ms for span, _ in to.clock_spans}):
        off_ms = sum(offset_ms for span, offset_ms in to.clock_spans if since_ms in span)
        if abs(off_ms) > abs(worst_ms):
            worst_ms, begin_ms = off_ms, since_ms
    if abs(worst_ms) <= OFF_MS:
        return
    ends = [span for span, _ in to.clock_spans if begin_ms in span]
    end_ms = min(span.end_ms for span in ends)
    at_once = abs(worst_ms) > AT_ONCE_MS and begin_ms == to.start_ms
    found_ms = begin_ms + (AT_ONCE_WITHIN_MS if at_once else OFF_WITHIN_MS)
    to.record.due(
        "clock", to.id, begin_ms, found_ms if found_ms < end_ms else None,
        end_ms=None if all(span.lasts for span in ends) else end_ms, detail=f"{worst_ms / 1000:+.3f} s",
    )  # fmt: skip
