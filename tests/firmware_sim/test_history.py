"""A run that is faster than real, as a broker and a gateway see it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from pathlib import Path

from firmware_sim.clock import Clock
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import parse_scenario
from firmware_sim.truth import Truth
from ingest.gateway_settings import GatewaySettings
from telemetry.codec import decode
from telemetry.messages import Event, Home, Status, Vitals
from telemetry.topics import parse_topic
from tests.servers.gateway import GatewayThread, raw_messages
from tests.servers.mosquitto import Mosquitto

DAY_S = 86_400
SCENARIO = """\
name: day
wearers: {count: 4, motion: none}
buttons: 1
sos: [{at_s: 43200, who: 1}]
vitals: {every_s: 600}
homes: {count: 2}
illness: {courses: {fast_pulse: {count: 1, between_s: [3600, 7200]}}}
heartbeat_s: 1
lasts_s: 86400
speed: 43200
"""


def test_a_day_in_two_seconds_is_history_from_devices_that_are_there_now(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Readings have the day's times and the mark, births and heartbeats those of the wall; nothing is due but calls."""
    fleet = Fleet(parse_scenario(SCENARIO, "t"), BrokerAddress("127.0.0.1", mosquitto.port), source="synthetic")
    before_ms = time.time_ns() // 1_000_000
    with GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path):
        truth = asyncio.run(fleet.run(None))
    after_ms = time.time_ns() // 1_000_000
    assert before_ms - 2_000 <= truth.end_ms <= after_ms
    assert truth.end_ms - truth.start_ms == DAY_S * 1000
    readings, statuses = look(tmp_path, truth)
    for device, seen in readings.items():
        times = [one.t for one in seen if isinstance(one, Vitals)]
        assert all(one.hist for one in seen)
        assert all(truth.start_ms <= one.t <= truth.end_ms for one in seen), device
        if times:
            assert {later - t for t, later in itertools.pairwise(times)} == {600_000}
            assert len(times) == DAY_S / 600
    assert all(before_ms <= one.t <= after_ms and not one.hist for one in itertools.chain(*statuses.values()))
    of_button = [one for one in statuses["button-00001"] if one.online]
    assert {one.heartbeat_s for one in of_button} == {1.0}
    assert 2 <= len(of_button) <= (after_ms - before_ms) / 1000 + 2
    assert len({one.battery for one in of_button}) == 1
    assert {one.due_ms for one in truth.happenings} == {None}
    assert [press.acked_ms is not None for press in truth.sos] == [True]
    assert abs(truth.sos[0].pressed_ms - truth.start_ms - 43_200_000) < 1000


def look(folder: Path, truth: Truth) -> tuple[dict[str, list[Vitals | Home | Event]], dict[str, list[Status]]]:
    """What the gateway has, by device: readings and calls, statuses. Nothing that the broker took is missing."""
    readings: dict[str, list[Vitals | Home | Event]] = defaultdict(list)
    statuses: dict[str, list[Status]] = defaultdict(list)
    keys = set()
    for message in raw_messages(folder):
        device, stream = parse_topic(message.topic)
        said = decode(stream, message.payload)
        keys.add((device, stream.value, said.boot, said.seq))
        if isinstance(said, Status):
            statuses[device].append(said)
        else:
            assert isinstance(said, (Vitals, Home, Event))
            readings[device].append(said)
    assert set(truth.keys()) <= keys
    return readings, statuses


def test_a_clock_that_stands_still_loses_nothing() -> None:
    """It goes on from the same instant."""

    async def play() -> list[int]:
        clock = Clock(speed=1000, start_ms=5_000_000)
        before = clock.now_ms()
        await clock.stand_still(0.2)
        return [before, clock.now_ms()]

    before, after = asyncio.run(play())
    assert 5_000_000 <= before <= after < before + 100_000
