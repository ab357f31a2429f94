"""Vitals, a home gone silent and a silent device through all the processes, with the processor killed on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import registry
from detectors.detection import Severity
from firmware_sim.scenario import Member
from journal import JournalWriter
from telemetry.codec import encode_json
from telemetry.messages import Home, Message, Status, Vitals
from telemetry.records import pack_raw
from tests.e2e.system import System, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.sink import Sink

MINUTE_MS = 60_000
DEVICES = """\
- {id: meter-1, person: p-00001, kind: monitor}
- {id: pir-1, person: p-00002, kind: presence, placement: kitchen}
- {id: pir-2, person: p-00002, kind: presence, placement: bathroom}
- {id: quiet-1, person: p-00003, kind: hub}
"""


class Told:
    """What devices say, numbered."""

    def __init__(self) -> None:
        self._seq: dict[tuple[str, str], int] = {}

    def message(self, device: str, what: type[Message], t_ms: int, **values: Any) -> tuple[str, bytes]:
        """One message: stream and payload."""
        stream = what.__name__.lower()
        self._seq[device, stream] = seq = self._seq.get((device, stream), -1) + 1
        return stream, encode_json(what(t=t_ms, boot=7, seq=seq, **values))

    def say(self, device: MqttDevice, what: type[Message], t_ms: int, **values: Any) -> None:
        """One message over the broker."""
        device.publish(*self.message(device.name, what, t_ms, **values))

    def measure(self, t_ms: int) -> tuple[str, bytes]:
        """A reading of somebody who is very ill, varying as a body does."""
        k = t_ms // 1000
        return self.message("meter-1", Vitals, t_ms, hr=134.0 + k % 3, spo2=88.0 - k % 2, rr=28.0 + k % 2, temp=36.9)

    def journal_the_past(self, folder: Path, until_ms: int) -> None:
        """What the gateway had received before the processor was started: nobody has that long to wait."""
        said = []
        for k, sensor in enumerate(("pir-2", "pir-2", "pir-1", "pir-1")):
            t_ms = until_ms - 90 * MINUTE_MS + k * 20_000
            said.append((t_ms, sensor, self.message(sensor, Home, t_ms, kind="presence", value=k % 2 == 0)))
        minutes = range(until_ms - 10 * MINUTE_MS + 20_000, until_ms, 20_000)
        said.extend((t_ms, "meter-1", self.measure(t_ms)) for t_ms in minutes)
        writer = JournalWriter(folder / "raw", consumers=("processor",), reserve_bytes=1 << 20)
        for t_ms, device, (stream, payload) in said:
            writer.append([pack_raw(t_ms + 100, 0, f"care/v1/{device}/{stream}".encode(), payload)])
        writer.commit()
        writer.close()


def doctor(system: System) -> dict[str, dict[str, str]]:
    """What ``carecircle doctor`` says, by what it is about."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    done = subprocess.run(
        [sys.executable, "-m", "carecircle", "doctor", "--json"],
        env=environment | system.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return {finding["what"]: finding for finding in json.loads(done.stdout)}


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_vitals_and_a_silent_home_become_incidents_and_a_silent_device_becomes_none(
    tmp_path: Path, mosquitto: Mosquitto, sink: Sink
) -> None:
    """A high NEWS2 and a collapse open one incident each and call somebody in words; the device is in the doctor's
    list; kill -9 of the processor twice between loses nothing and doubles nothing."""
    members = [Member(f"wrist-{k:05d}", f"p-{k:05d}", "wearable", "wrist") for k in (1, 2, 3)]
    environment = {"CARECIRCLE_ALERTS__STEP_S": "3600", "CARECIRCLE_JOURNAL__CHECKPOINT_S": "1"}
    sensors = tmp_path / "sensors"
    sensors.mkdir()
    (sensors / "devices.yaml").write_text(DEVICES)
    system = System(
        tmp_path, members, broker_url=mosquitto.url, webhook_url=sink.url("notify"), environment=environment
    )
    assert registry.import_folder(system.engine, sensors).applied
    told = Told()
    told.journal_the_past(system.settings.journal_dir, time.time_ns() // 1_000_000)
    with (
        system,
        MqttDevice(mosquitto.port, "meter-1") as meter,
        MqttDevice(mosquitto.port, "quiet-1") as quiet,
    ):
        now_ms = time.time_ns() // 1_000_000
        told.say(quiet, Status, now_ms, online=True, heartbeat_s=3.0, battery=80.0)
        wait_until(lambda: system.lag("raw", "processor") == 0, 30, "the processor has taken the first")
        system.kill("processor")
        for _ in range(20):
            meter.publish(*told.measure(time.time_ns() // 1_000_000))
            time.sleep(2)
            if len(system.incidents()) == 2:
                break
        wait_until(lambda: len(system.incidents()) == 2, 30, f"two incidents\n{system.log('processor')}")
        wait_until(
            lambda: "devices: device silent" in doctor(system), 60, f"the device is known\n{system.log('processor')}"
        )
        system.kill("processor")
        time.sleep(4)  # long enough for something to be said twice
        wait_until(lambda: system.lag("raw", "processor") == 0, 30, "the processor has taken all")
        wait_until(lambda: system.lag("detections", "alerts") == 0, 30, "alerts has taken all")
        incidents = {incident.kind: incident for incident in system.incidents()}
        count = len(system.incidents())
        calls = sink.wait_for(2)
        silent = doctor(system)["devices: device silent"]
    assert count == 2
    assert {kind: one.person_key for kind, one in incidents.items()} == {"news2": "p-00001", "collapse": "p-00002"}
    assert "quiet-1" in silent["found"]
    assert len(calls) == 2
    sentences = {call.data["kind"]: call.data["sentence"] for call in calls}
    assert incidents["news2"].severity in (Severity.URGENT, Severity.CRITICAL)
    assert "NEWS2" in sentences["news2"]
    assert "kitchen" in sentences["collapse"]
