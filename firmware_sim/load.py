"""Load without devices: motion frames encoded beforehand, published as fast as wanted over a few connections.

For benchmarks and for tests that kill things. The frames are real motion of a pool of wearers, so detectors work as
hard as they do on a fleet; which frames the broker took, and which falls were among them, is known afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firmware_sim.errors import BrokerRefusedError, SimulationError
from firmware_sim.frames import motion_body, motion_payload
from firmware_sim.motion import BRIDGE, FS_HZ, LSB_G, MIN_LEAD_S, Clip, MotionSource, bridge, to_counts
from firmware_sim.mqtt import REFUSALS, BrokerAddress
from firmware_sim.population import Source, motion_source
from firmware_sim.session import Message, Outbox, Session
from firmware_sim.track import Track
from firmware_sim.truth import Fall, Published, Truth
from telemetry.topics import Stream, topic

#: Wearers without a fall share the motion of this many, each from another second of it on.
_POOL = 48
_POOL_S = 60
#: Messages in flight on each connection.
_WINDOW = 1024
_TICK_S = 0.01
#: A fall and what a detector needs after it lie within the run.
_AFTER_FALL_S = 8.0


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The outcome. ``truth`` has the falls and what the broker took; ``elapsed_s`` ends at the last PUBACK."""

    truth: Truth
    sent: int
    confirmed: int
    elapsed_s: float
    busy_s: float  # CPU time of the publisher

    @property
    def rate(self) -> float:
        """Messages per second that the broker took."""
        return self.confirmed / self.elapsed_s


def load_device(index: int) -> tuple[str, str, str]:
    """Device id, person key and placement of the load's device number ``index`` (from 0), for registries."""
    placement = "wrist" if index % 2 else "waist"
    return f"load-{index:05}", f"lp-{index:05}", placement


class _LoadDevice:
    """One device: where in which frames it is, and what was taken."""

    __slots__ = ("boot", "frames", "outbox", "shift", "topic")

    def __init__(self, index: int, frames: list[bytes], shift: int, boot: int, room: int) -> None:
        self.topic = topic(load_device(index)[0], Stream.MOTION).encode()
        self.frames = frames
        self.shift = shift
        self.boot = boot
        self.outbox = Outbox(room)

    def message(self, second: int, t_ms: int) -> Message:
        """The frame of ``second``, which is also its seq."""
        body = self.frames[(second + self.shift) % len(self.frames)]
        payload = motion_payload(t_ms, self.boot, second, body, gyro=False)
        return Message(self.outbox, Stream.MOTION, self.topic, second, payload)


def _encoded(track: Track, seconds: int) -> list[bytes]:
    return [motion_body(track.take(FS_HZ)[0], None) for _ in range(seconds)]


def _loop(track: Track, rng: np.random.Generator) -> list[bytes]:
    """:data:`_POOL_S` frames of which the last leads over to the first."""
    acc = track.take(_POOL_S * FS_HZ - BRIDGE)[0]
    still = np.zeros((len(acc), 3), np.float32)
    clip = Clip("pool", acc.astype(np.float32) * np.float32(LSB_G), still)
    whole = np.concatenate([acc, to_counts(bridge(clip, clip, rng, BRIDGE).acc_g, LSB_G)])
    return [motion_body(whole[i : i + FS_HZ], None) for i in range(0, len(whole), FS_HZ)]


def _devices(
    count: int, seconds: int, falls: int, source: MotionSource, seed: int, run: int
) -> tuple[list[_LoadDevice], list[tuple[int, int, str]]]:
    """The devices, and (device, sample, key) of each fall."""
    rng = np.random.default_rng([seed, 0x10AD])
    boots = np.random.default_rng([seed, run])  # another run has other message keys
    pools: dict[str, list[list[bytes]]] = {}
    for placement in ("waist", "wrist"):
        tracks = [Track(source.wearer(placement, rng, falls=False), [], rng) for _ in range(_POOL // 2)]
        pools[placement] = [_loop(track, rng) for track in tracks]
    latest = seconds - _AFTER_FALL_S
    if falls and latest <= MIN_LEAD_S:
        raise SimulationError(f"falls need a load of more than {MIN_LEAD_S + _AFTER_FALL_S:g} s, not {seconds} s")
    fallers = {int(i) for i in rng.choice(count, size=falls, replace=False)}
    devices, happened = [], []
    for index in range(count):
        placement = load_device(index)[2]
        boot = int(boots.integers(0, 2**32))
        if index in fallers:
            sample = int(rng.uniform(MIN_LEAD_S, latest) * FS_HZ)
            track = Track(source.wearer(placement, rng, falls=True), [sample], rng)
            devices.append(_LoadDevice(index, _encoded(track, seconds), 0, boot, seconds))
            happened.append((index, *track.falls[0]))
        else:
            frames = pools[placement][int(rng.integers(_POOL // 2))]
            devices.append(_LoadDevice(index, frames, int(rng.integers(_POOL_S)), boot, seconds))
    return devices, happened


async def load(
    broker: BrokerAddress,
    *,
    frames_per_s: int,
    seconds: int,
    devices: int | None = None,
    falls: int = 0,
    connections: int = 4,
    source: Source = "auto",
    recordings: Path | None = None,
    seed: int = 1,
    drain_s: float = 60.0,
    on_taken: Callable[[int], None] | None = None,
) -> LoadResult:
    """Publish ``frames_per_s`` frames of 50 samples a second for ``seconds`` s at QoS 1, and wait for every PUBACK.

    ``devices`` (default: as many as frames per second, each then sending one a second as real ones do) take turns;
    with fewer, each runs faster than real time and its last frame carries the time of the end. Ids: `load_device`.
    What a lost connection left unacknowledged goes out again, in order, with the DUP flag.

    Raises:
        BrokerRefusedError: the login is wrong.
        SimulationError: the falls do not fit into ``seconds``.
    """
    count = frames_per_s if devices is None else devices
    per_device = seconds * frames_per_s // count
    motion = motion_source(source, seed, recordings)
    made, happened = _devices(count, per_device, falls, motion, seed, int(time.time() * 1000))
    sessions = [_session(f"load-hub-{i + 1}", broker, np.random.default_rng([seed, i])) for i in range(connections)]
    gate = asyncio.Semaphore(connections)
    tasks = [asyncio.create_task(session.run(gate)) for session in sessions]
    try:
        await _until_up(sessions)
        busy = time.process_time()
        start_s = time.monotonic()
        begin_ms = int(time.time() * 1000) - 1000 * max(1, per_device - seconds)
        total = per_device * count
        sent = 0
        while sent < total:
            due = min(total, int((time.monotonic() - start_s) * frames_per_s) + 1)
            for number in range(sent, due):
                second, index = divmod(number, count)
                t_ms = begin_ms + second * 1000 + index * 1000 // count
                sessions[index % connections].send(made[index].message(second, t_ms))
            sent = due
            if on_taken is not None:
                on_taken(sum(session.taken for session in sessions))
            await asyncio.sleep(_TICK_S)
        deadline = time.monotonic() + drain_s
        while any(session.pending for session in sessions) and time.monotonic() < deadline:
            await asyncio.sleep(_TICK_S)
        elapsed_s, busy_s = time.monotonic() - start_s, time.process_time() - busy
    finally:
        for session in sessions:
            session.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    fallen = [
        Fall(
            device=load_device(index)[0],
            person=load_device(index)[1],
            impact_ms=begin_ms + index * 1000 // count + sample * 1000 // FS_HZ,
            motion=key,
        )
        for index, sample, key in happened
    ]
    published = [
        Published(device=load_device(i)[0], stream=Stream.MOTION.value, boot=device.boot, seq=taken.pairs())
        for i, device in enumerate(made)
        if (taken := device.outbox.published.get(Stream.MOTION))
    ]
    truth = Truth(
        scenario="load",
        source=motion.name,
        seed=seed,
        start_ms=begin_ms,
        end_ms=begin_ms + per_device * 1000,
        devices=count,
        falls=sorted(fallen, key=lambda fall: fall.impact_ms),
        sos=[],
        published=published,
    )
    return LoadResult(truth, total, truth.messages_published, elapsed_s, busy_s)


def publish_load(broker: BrokerAddress, *, frames_per_s: int, seconds: int, **options: Any) -> LoadResult:
    """:func:`load` in an event loop of its own, for callers that have none; same arguments and errors."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load(broker, frames_per_s=frames_per_s, seconds=seconds, **options))


def _session(name: str, broker: BrokerAddress, rng: np.random.Generator) -> Session:
    return Session(
        name,
        broker,
        greet=lambda: (),
        will=lambda: None,
        on_message=lambda _topic, _payload: None,
        topics=(),
        rng=rng,
        window=_WINDOW,
    )


async def _until_up(sessions: list[Session]) -> None:
    deadline = time.monotonic() + 15
    while not all(session.is_up for session in sessions):
        refused = next((s for s in sessions if s.refusal), None)
        if refused is not None:
            raise BrokerRefusedError(refused.name, refused.refusal, REFUSALS.get(refused.refusal, "unknown reason"))
        if time.monotonic() > deadline:
            raise SimulationError(f"no connection to the broker: {sessions[0].problem}")
        await asyncio.sleep(0.01)
