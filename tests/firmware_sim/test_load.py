"""The load generator is fast, tells what the broker took, and loses nothing over a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from firmware_sim.errors import BrokerRefusedError, SimulationError
from firmware_sim.load import load_device, publish_load
from firmware_sim.mqtt import BrokerAddress
from telemetry.codec import decode_motion
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice


def test_six_thousand_frames_a_second_are_all_acknowledged_at_little_cost(mosquitto: Mosquitto) -> None:
    """Each once, with a fraction of a core. The pace that a machine keeps is for `carecircle bench` to say."""
    where = BrokerAddress("127.0.0.1", mosquitto.port)
    result = publish_load(where, frames_per_s=6000, seconds=2, source="synthetic")
    assert result.confirmed == result.sent == 12_000
    assert result.busy_s / result.confirmed < 40e-6  # about 7 microseconds where it was measured
    assert len(set(result.truth.keys())) == 12_000


def test_falls_of_a_load_lie_in_its_frames(mosquitto: Mosquitto) -> None:
    """The truth's impact is the largest sample of that device's frames."""
    device = MqttDevice(mosquitto.port, "tap", listen="care/v1/+/motion")
    where = BrokerAddress("127.0.0.1", mosquitto.port)
    result = publish_load(where, frames_per_s=400, devices=20, seconds=1, falls=4, source="synthetic")
    deadline = time.monotonic() + 5
    while len(device.received) < result.confirmed and time.monotonic() < deadline:
        time.sleep(0.02)
    device.client.disconnect()
    device.client.loop_stop()
    assert result.confirmed == len(device.received) == 400
    assert len(result.truth.falls) == 4
    for fall in result.truth.falls:
        frames = [decode_motion(p) for t, p, _ in device.received if f"/{fall.device}/" in t]
        assert [frame.seq for frame in frames] == list(range(20))
        lengths = np.concatenate([np.linalg.norm(frame.acc_g(), axis=1) for frame in frames])
        assert abs(frames[0].t + 20 * int(np.argmax(lengths)) - fall.impact_ms) <= 20
        assert abs(frames[-1].t + 1000 - time.time() * 1000) < 10_000  # the end is now


def test_a_broker_restart_costs_nothing(start_mosquitto: Callable[..., Mosquitto]) -> None:
    """Unacknowledged frames go out again: at the end each was taken, and each is counted once."""
    broker = start_mosquitto()
    tap = MqttDevice(broker.port, "tap", listen="care/v1/+/motion", clean_session=False)
    threading.Timer(0.7, broker.restart).start()
    where = BrokerAddress("127.0.0.1", broker.port)
    result = publish_load(where, frames_per_s=1500, seconds=3, source="synthetic")
    assert result.confirmed == 4500
    wanted = set(result.truth.keys())
    deadline = time.monotonic() + 8
    arrived: set[tuple[str, str, int, int]] = set()
    while not arrived >= wanted and time.monotonic() < deadline:
        time.sleep(0.1)
        for topic, payload, _ in list(tap.received):
            frame = decode_motion(payload)
            arrived.add((topic.split("/")[2], "motion", frame.boot, frame.seq))
    tap.client.disconnect()
    tap.client.loop_stop()
    assert arrived == wanted


def test_a_load_says_what_is_wrong(start_mosquitto: Callable[..., Mosquitto]) -> None:
    """A wrong password, too little time for falls, ids that a registry can be made of."""
    broker = start_mosquitto(passwords={"load": "right"})
    with pytest.raises(BrokerRefusedError):
        publish_load(
            BrokerAddress("127.0.0.1", broker.port, username="load", password="wrong"),
            frames_per_s=10,
            seconds=1,
            source="synthetic",
        )
    with pytest.raises(SimulationError, match="more than 13 s"):
        publish_load(BrokerAddress("127.0.0.1", broker.port), frames_per_s=10, seconds=5, falls=1, source="synthetic")
    assert load_device(7) == ("load-00007", "lp-00007", "wrist")
