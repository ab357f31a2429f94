"""Wearers who share motion that was encoded beforehand: what they send is what anybody else would send."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from firmware_sim.clock import Clock
from firmware_sim.device import Identity, Setup
from firmware_sim.errors import SimulationError
from firmware_sim.frames import motion_payload, with_hist
from firmware_sim.motion import FS_HZ, LSB_G
from firmware_sim.mqtt import publish_packet
from firmware_sim.pool import MotionPool, PooledWearer
from firmware_sim.pool_lane import PoolLane
from firmware_sim.ranges import Ranges
from firmware_sim.synthetic import Synthetic
from firmware_sim.truth import Truth
from firmware_sim.vitals import VitalSigns
from telemetry.codec import decode_motion
from tests.firmware_sim.test_fleet import collector, fleet, keys, settle, taken
from tests.servers.mosquitto import Mosquitto

T = 1_790_000_000_000


@pytest.fixture(scope="module")
def pool() -> MotionPool:
    """Everyday motion of synthetic people."""
    return MotionPool(Synthetic(3), 3, gyroscope=True)


def wearers(pool: MotionPool, count: int) -> list[PooledWearer]:
    """So many of them, in no order of their phases."""
    found = []
    for i in range(count):
        rng = np.random.default_rng([9, i])
        placement = "wrist" if i % 2 else "waist"
        identity = Identity(f"{placement}-{i:05}", f"p-{i}", placement, 1000 + i)
        found.append(
            PooledWearer(
                identity,
                Setup(),
                rng,
                origin_ms=T + int(rng.integers(1000)),
                track=pool.draw(placement, rng),
                vitals=VitalSigns(rng),
            )
        )
    return found


@pytest.mark.parametrize("dup", [False, True])
def test_a_lane_sends_what_each_wearer_would_send(pool: MotionPool, dup: bool) -> None:
    """Byte for byte the packets that are put together one by one, live ones and history, in the order of the phases."""
    lane = PoolLane(wearers(pool, 7), room=100)
    lane.advance(T + 3500)
    lane.link_up()
    late = lane.waiting
    lane.advance(T + 6200)
    positions = lane.take(10_000)
    ids = np.arange(100, 100 + len(positions))
    expected = b""
    for position, packet_id in zip(positions.tolist(), ids.tolist(), strict=True):
        seq, who = divmod(position, 7)
        wearer = lane.wearers[who]
        body = pool.bodies[wearer.place.loop, (wearer.place.shift + seq) % pool.bodies.shape[1]].tobytes()
        payload = motion_payload(wearer.origin_ms + seq * 1000, wearer.boot, seq, body, gyro=True)
        payload = with_hist(payload) if position < late else payload
        expected += publish_packet(f"care/v1/{wearer.id}/motion".encode(), payload, packet_id, dup=dup)
    assert b"".join(lane.packets(positions, ids, dup=dup)) == expected
    assert 0 < late < len(positions)
    by_wearer = Counter(position % 7 for position in positions.tolist())
    for who, wearer in enumerate(lane.wearers):  # a frame is due when its second is over
        assert by_wearer[who] == (T + 6200 - wearer.origin_ms) // 1000


def test_what_a_lane_says_it_published_is_what_was_confirmed(pool: MotionPool) -> None:
    """Any positions, in any order, come out as each wearer's own sequence numbers."""
    rng = np.random.default_rng(4)
    lane = PoolLane(wearers(pool, 5), room=4)
    lane.advance(T + 30_000)
    dropped = {(p % 5, p // 5) for p in range(lane.take(1)[0])}
    confirmed: set[tuple[int, int]] = set()
    for _ in range(40):
        positions = np.sort(rng.choice(np.arange(5 * 60, 5 * 90), size=int(rng.integers(1, 30)), replace=False))
        lane.confirmed(positions)
        confirmed |= {(p % 5, p // 5) for p in positions.tolist()}
    said = {part.device: part for part in lane.published()}
    for who, wearer in enumerate(lane.wearers):
        part = said[wearer.id]
        assert set(Ranges(part.seq)) == {seq for at, seq in confirmed if at == who}
        assert set(Ranges(part.dropped)) == {seq for at, seq in dropped if at == who}
        assert part.boot == wearer.boot
    assert len(dropped) > 100


def test_runs_join_as_single_numbers_do() -> None:
    """Ranges take runs that touch, cover and lie between what is there."""
    rng = np.random.default_rng(5)
    ranges, plain = Ranges(), set()
    for _ in range(300):
        first = int(rng.integers(0, 400))
        last = first + int(rng.integers(0, 12))
        ranges.add_run(first, last)
        plain |= set(range(first, last + 1))
        assert list(ranges) == sorted(plain)
        assert all(a[1] + 1 < b[0] for a, b in zip(ranges.pairs(), ranges.pairs()[1:], strict=False))


def test_a_loop_closes_without_a_jump(pool: MotionPool) -> None:
    """From its last sample to its first it moves no more than at rest."""
    for loop in range(0, len(pool.bodies), 5):
        end, begin = pool.second(loop, -1)[0][-1], pool.second(loop, 0)[0][0]
        assert np.abs(end.astype(int) - begin).max() * LSB_G < 0.4
    samples = np.concatenate([pool.second(7, second)[0] for second in range(pool.bodies.shape[1])])
    assert len(samples) == pool.bodies.shape[1] * FS_HZ
    assert np.linalg.norm(samples * LSB_G, axis=1).std() > 0.01  # and it is motion


def test_ids_of_several_lengths_are_refused(pool: MotionPool) -> None:
    """Packets of a lane are equally long."""
    some = wearers(pool, 2)
    some[0].id = "waist-100000"
    with pytest.raises(SimulationError, match="99,999"):
        PoolLane(some, room=10)


@pytest.mark.parametrize("kind", ["each", "shared, links: 2"])
def test_a_pooled_fleet_tells_the_truth(mosquitto: Mosquitto, kind: str) -> None:
    """Frames, vitals, births, falls and calls of everybody arrive once each, by key, and the truth names them all."""
    what = (
        "wearers: {count: 30, motion: pool}, buttons: 2, vitals: {every_s: 5}, "
        f"falls: {{count: 2, between_s: [6, 9]}}, sos: [{{at_s: 3, who: 2}}], connection: {{kind: {kind}}}"
    )
    with collector(mosquitto) as got:
        run = fleet(what, mosquitto, clock=Clock(speed=12))
        truth = asyncio.run(run.run(16, drain_s=0.3))
        settle(lambda: set(keys(got.received)) >= set(truth.keys()))
    motion = [key for key in keys(got.received) if key[1] == "motion"]
    assert set(keys(got.received)) == set(truth.keys())
    assert Counter(motion) == Counter(dict.fromkeys(taken(truth, "motion"), 1))
    assert len(motion) == 30 * 15
    assert len(truth.falls) == 2
    assert len(truth.sos) == 1
    assert len(taken(truth, "vitals")) >= 30 * 3
    fallers = {fall.device for fall in truth.falls}
    for device in {key[0] for key in motion} - fallers:
        frames = [decode_motion(p) for t, p, _ in got.received if t == f"care/v1/{device}/motion"]
        assert [frame.seq for frame in frames] == list(range(15))
        assert np.diff([frame.t for frame in frames]).tolist() == [1000] * 14
        assert all(frame.gyr is not None for frame in frames)
    for fall in truth.falls:
        frames = [decode_motion(p) for t, p, _ in got.received if t == f"care/v1/{fall.device}/motion"]
        frame = next(f for f in frames if f.t <= fall.impact_ms < f.t + 1000)
        assert abs(int((frame.acc_g() ** 2).sum(1).argmax()) * 20 - (fall.impact_ms - frame.t)) <= 20


def test_a_pooled_fleet_loses_nothing_with_its_broker(start_mosquitto: Callable[..., Mosquitto]) -> None:
    """In flight when it stopped: once more with the DUP flag; made without a link: later, in order, as history."""
    broker = start_mosquitto()

    async def run() -> Truth:
        what = "wearers: {count: 400, motion: pool}, vitals: {every_s: 0}, connection: {kind: shared, links: 2}"
        running = fleet(what, broker, clock=Clock(speed=9))
        task = asyncio.create_task(running.run(27, drain_s=8))
        await asyncio.sleep(1.0)
        running.drop_links()
        await asyncio.sleep(0.2)
        await asyncio.to_thread(broker.stop)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(broker.start)
        return await task

    with collector(broker, "care/v1/+/motion") as got:
        truth = asyncio.run(run())
        published = set(taken(truth, "motion"))
        settle(lambda: set(keys(got.received)) >= published)
    assert len(published) == 400 * 26
    by_device: dict[str, list[tuple[int, bool]]] = {}
    for on, payload, _ in got.received:
        frame = decode_motion(payload)
        by_device.setdefault(on.split("/")[2], []).append((frame.seq, frame.hist))
    for device, frames in by_device.items():
        assert list(dict.fromkeys(seq for seq, _ in frames)) == list(range(26)), device
    assert sum(len({seq for seq, hist in frames if hist}) for frames in by_device.values()) >= 400 * 4
    assert not any(hist and seq == 25 for frames in by_device.values() for seq, hist in frames)
    assert [fault.kind for fault in truth.faults] == ["links_dropped"]
