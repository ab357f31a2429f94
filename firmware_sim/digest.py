"""A run without a broker, as two hashes: whether another machine makes the same messages and the same truth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np

from firmware_sim.device import Device
from firmware_sim.faults.afflicted import Afflicted
from firmware_sim.faults.cast import Faults
from firmware_sim.motion import MotionSource
from firmware_sim.pool import PooledWearer
from firmware_sim.pool_lane import PoolLane
from firmware_sim.population import build_devices, motion_pool
from firmware_sim.scenario import Scenario
from firmware_sim.session import Message
from firmware_sim.truth import Truth
from firmware_sim.what_happened import what_happened

_STEP_MS = 10_000


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256, in hex, of the messages of each device in their order and of the truth; and how many messages.

    What a connection makes devices say is left out: births, wills, answers, resends.
    """

    messages: int
    sha256: str
    truth: Truth
    truth_sha256: str


def digest(scenario: Scenario, source: MotionSource, *, seed: int, start_ms: int, duration_s: float) -> Digest:
    """Play ``scenario`` for ``duration_s`` simulated seconds as fast as it goes, and publish nothing.

    Raises:
        SimulationError: the scenario cannot be played.
    """
    end_ms = start_ms + int(duration_s * 1000)
    devices = build_devices(scenario, source, seed, start_ms, motion_pool(scenario, source, seed))
    own_links = scenario.connection.kind == "each"
    faults = Faults(scenario.faults, devices, seed=seed, start_ms=start_ms, own_links=own_links)
    count, whole = 0, hashlib.sha256()
    for device in devices:
        of_device = hashlib.sha256()
        for message in _said(faults.afflicted.get(device.id, device), start_ms, end_ms):
            of_device.update(_framed(message.topic) + _framed(message.payload))
            count += 1
        whole.update(of_device.digest())
    pooled = [device for device in devices if isinstance(device, PooledWearer)]
    if pooled:
        count += _frames(pooled, end_ms, whole)
    truth = what_happened(
        scenario, devices, faults.record, source=source.name, seed=seed, start_ms=start_ms, end_ms=end_ms
    )
    told = hashlib.sha256(msgspec.json.encode(truth)).hexdigest()
    return Digest(count, whole.hexdigest(), truth, told)


def _said(speaker: Device | Afflicted, start_ms: int, end_ms: int) -> Iterator[Message]:
    for now_ms in [*range(start_ms, end_ms, _STEP_MS), end_ms]:
        for said in speaker.wake(now_ms):
            if isinstance(said, Message):
                yield said


def _frames(pooled: Sequence[PooledWearer], end_ms: int, whole: _Hash) -> int:
    """The frames of everybody who shares motion; returns how many."""
    lane = PoolLane(pooled, room=1 << 30)
    lane.advance(end_ms)
    count = 0
    while len(positions := lane.take(4096)):
        count += len(positions)
        for packets in lane.packets(positions, np.ones(len(positions), np.int64)):
            whole.update(packets)
    return count


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
