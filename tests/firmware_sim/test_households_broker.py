"""Homes in a fleet, against a real broker: our own sensors and hubs, each over a connection of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

import pytest

from firmware_sim.clock import Clock
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import parse_scenario
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice

#: Nine in the morning in China: everybody is up.
T_MS = 1_759_680_000_000 + 9 * 3_600_000
#: What devices and hubs say last.
_LAST = (b"offline", b'"online":false')


@pytest.mark.parametrize("output", ["home", "zigbee2mqtt"])
def test_two_homes_publish_an_hour_with_smoke_in_one(mosquitto: Mosquitto, output: str) -> None:
    """Within a few seconds of real time: movement and smoke arrive, truth has the smoke, nothing waits at the end."""
    scenario = parse_scenario(
        f"{{name: homes, wearers: {{count: 0}}, homes: {{count: 2, output: {output}, "
        "troubles: {smoke: {count: 1, between_s: [1200, 1800]}}}}",
        "test",
    )
    listener = MqttDevice(mosquitto.port, "listener", listen="#", clean_session=True)
    try:
        clock = Clock(speed=1200, start_ms=T_MS)
        fleet = Fleet(scenario, BrokerAddress("127.0.0.1", mosquitto.port), source="synthetic", clock=clock)
        truth = asyncio.run(fleet.run(3600, drain_s=5))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not any(
            b"offline" in p or b"false" in p for _, p, _ in listener.received
        ):
            time.sleep(0.02)
    finally:
        listener.client.disconnect()
        listener.client.loop_stop()
    said = [(topic, json.loads(payload)) for topic, payload, _ in listener.received]
    (smoke,) = truth.happenings
    assert (smoke.kind, smoke.begin_ms - T_MS >= 1_200_000) == ("smoke", True)
    if output == "home":
        readings = Counter(body["kind"] for topic, body in said if topic.endswith("/home"))
        alarms = [
            (topic.split("/")[2], body["t"]) for topic, body in said if body.get("kind") == "smoke" and body["value"]
        ]
        assert alarms == [(smoke.device, smoke.begin_ms)]
        assert len({one.device for one in truth.published}) == truth.devices >= 20
    else:
        bodies = [(topic, body) for topic, body in said if isinstance(body, dict)]
        readings = Counter("presence" for _, body in bodies if body.get("occupancy"))
        alarms = [(topic, body["last_seen"]) for topic, body in bodies if body.get("smoke")]
        assert {at_ms for _, at_ms in alarms} == {smoke.begin_ms}
        assert truth.published == []
        lists = [body for topic, body in said if topic.endswith("bridge/devices")]
        assert sum(one["ieee_address"] == smoke.device for listed in lists for one in listed) == 1
    assert readings["presence"] > 20
