"""Faults of the power: a device that starts anew and has forgotten everything, a battery that runs down."""

from __future__ import annotations

import numpy as np

from firmware_sim.faults.afflicted import Afflicted, Span
from firmware_sim.faults.links import AREA_MS, LOOK_MS, silence_ms, storm
from firmware_sim.faults.payloads import fields_of, with_fields
from firmware_sim.faults.settings import LowBattery, Restart
from firmware_sim.session import Message
from telemetry.topics import Stream

#: A charge at or below this is low, once three looks at least ten seconds apart agree (`docs/devices.md`).
LOW_PCT, LOOKS, BETWEEN_LOOKS_S = 15.0, 3, 10.0


def restart(to: Afflicted, fault: Restart, rng: np.random.Generator, span: Span) -> None:
    """Off for a moment, then another boot with every sequence from 0."""
    down_ms = int(fault.down_s * 1000)
    # another start of the run is other boots, as for the first one
    boots = np.random.default_rng([int(rng.integers(2**32)), to.start_ms])
    starts: list[int] = []
    for at_ms in span.moments(fault.times, rng):
        if starts and at_ms <= starts[-1] + down_ms:
            continue
        starts.append(at_ms)
        boot, up_ms = int(boots.integers(2**32)), at_ms + down_ms
        _off_and_on(to, at_ms, up_ms, boot)
        to.record.fault("restart", to.id, at_ms, f"boot {boot} after {fault.down_s:g} s")
    storm(starts, to)


def _off_and_on(to: Afflicted, at_ms: int, up_ms: int, boot: int) -> None:
    to.at(at_ms, lambda _: to.switch_off(up_ms))
    to.at(up_ms, lambda now_ms: to.switch_on(boot, now_ms))


def run_down(to: Afflicted, fault: LowBattery, _rng: np.random.Generator, span: Span) -> None:
    """The charge sinks evenly, is reported, and the device ends with it."""
    lasts_ms = max(1, span.end_ms - span.begin_ms)

    def change(message: Message, at_ms: int) -> None:
        if message.stream is Stream.STATUS and at_ms >= span.begin_ms and "battery" in fields_of(message.payload):
            left = max(0.0, fault.from_pct * (1 - (at_ms - span.begin_ms) / lasts_ms))
            message.payload = with_fields(message.payload, battery=round(left, 1))

    to.changes.append(change)
    to.at(span.end_ms, lambda _: to.die())
    record, heartbeat_s = to.record, to.device.setup.heartbeat_s
    record.fault("low_battery", to.id, span.begin_ms, f"from {fault.from_pct:g} %")
    record.fault("battery_empty", to.id, span.end_ms)
    low_ms = span.begin_ms + int(lasts_ms * max(0.0, 1 - LOW_PCT / fault.from_pct))
    told_ms = low_ms + int(LOOKS * max(heartbeat_s, BETWEEN_LOOKS_S) * 1000)
    record.due("battery_low", to.id, low_ms, told_ms + LOOK_MS if told_ms < span.end_ms else None)
    record.due("offline", to.id, span.end_ms, span.end_ms + silence_ms(heartbeat_s) + AREA_MS + LOOK_MS)
