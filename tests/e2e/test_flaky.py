"""Every fault at once: what is due is found, what is wrong is kept with its reason, and nothing is made up."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from carecircle.roles import owners_of
from carecircle.score.collect import quarantined, reported
from carecircle.setup_mosquitto import BrokerOptions, Listener, apply, plan, read_present
from detectors.fall.bank import FallBank
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.population import build_devices, motion_source
from firmware_sim.scenario import Scenario, load_scenario, members
from firmware_sim.scoring import HIT_MS, match
from firmware_sim.truth import Fall, Truth
from ingest.pipeline import Output, Pipeline
from telemetry.records import Flag, RawMessage
from telemetry.topics import Stream
from tests.e2e.system import System, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.ports import free_port
from tests.servers.require import require
from tests.servers.sink import Sink

SCENARIO = load_scenario("flaky")
#: A device with such a fault measures wrongly: what it does not find is no loss of a message.
DEFECTIVE = ("stuck_axis", "clipped_range", "wrong_unit", "battery_empty")


class Guarded:
    """A mosquitto as `carecircle setup mosquitto` makes it, with a login for each device."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        require("mosquitto")
        out, port = folder / "broker", free_port()
        self.devices = [member.device for member in members(scenario)]
        options = BrokerOptions(out, devices=tuple(self.devices), listener=Listener(port=port))
        apply(out, plan(options, read_present(out)))
        if os.geteuid() == 0:  # else mosquitto becomes its own user, who may not look into this folder
            with (out / "mosquitto.conf").open("a") as config:
                config.write("user root\n")
        with (out / "devices.csv").open() as table:
            self.passwords = {user: password for user, password in csv.reader(table) if user != "user"}
        self.environment = {
            "CARECIRCLE_BROKER__PASSWORD": (out / "carecircle.password").read_text().strip(),
            "CARECIRCLE_BROKER__COMMAND_USERNAME": "carecircle-cmd",
            "CARECIRCLE_BROKER__COMMAND_PASSWORD": (out / "carecircle-cmd.password").read_text().strip(),
            "CARECIRCLE_ALERTS__STEP_S": "3600",
            "CARECIRCLE_ALERTS__REPEAT_S": "7200",
        }
        self.gateways_password = self.environment["CARECIRCLE_BROKER__PASSWORD"]
        self.server = Mosquitto(folder / "run", config=out / "mosquitto.conf", port=port)

    @property
    def address(self) -> BrokerAddress:
        """For devices."""
        return BrokerAddress("127.0.0.1", self.server.port, passwords=self.passwords)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """Running."""
    broker = Guarded(tmp_path, SCENARIO)
    with broker.server:
        yield broker


def replay(broker: Guarded, system: System, button: str) -> str:
    """The SOS of a run is left with the broker once more, whose session for the gateway is lost: so it subscribes anew.

    Returns the payload's SHA-256.
    """
    own = f"care/v1/{button}/event"
    left = next(message for message in list(system.raw) if message.topic == own.encode() and message.payload)
    with MqttDevice(broker.server.port, button, password=broker.passwords[button]) as forgetful:
        forgetful.publish(own, left.payload, retain=True)
        forgetful.flush()
    MqttDevice(broker.server.port, "carecircle", password=broker.gateways_password, listen="none").close()
    wait_until(
        lambda: any(m.topic == own.encode() and m.flags & Flag.RETAIN for m in list(system.raw)), 20, "it is replayed"
    )
    return hashlib.sha256(left.payload).hexdigest()


def without_faults(scenario: Scenario, system: System, truth: Truth) -> list[Fall]:
    """The falls that are found in the same motion when nothing goes wrong."""
    source = motion_source("synthetic", truth.seed, None)
    messages = [
        (message.seq, device.id, message)
        for device in build_devices(scenario, source, truth.seed, truth.start_ms)
        for message in device.wake(truth.end_ms)
        if message.stream is Stream.MOTION
    ]
    messages.sort(key=lambda one: one[:2])
    pipeline = Pipeline(FallBank(), FallBank())
    pipeline.update_owners(owners_of(system.engine)() or {})
    found: list[tuple[str, int]] = []

    def take(out: Output) -> None:
        found.extend((d.device, d.onset_ms) for d in out.detections if d.kind == "fall" and d.stage == "confirmed")

    for start in range(0, len(messages), 200):
        batch = messages[start : start + 200]
        pipeline.feed(
            RawMessage(truth.start_ms + seq * 1000 + 2_000, Flag.NONE, message.topic, message.payload)
            for seq, _, message in batch
        )
        take(pipeline.advance())
    take(pipeline.advance(truth.end_ms + 60_000))
    return [
        fall
        for fall in truth.falls
        if any(device == fall.device and abs(onset_ms - fall.impact_ms) <= HIT_MS for device, onset_ms in found)
    ]


def measures_wrongly(truth: Truth, fall: Fall) -> bool:
    """Whether the sensor of who fell was defective then, or the very frame of the impact was made unreadable."""
    return any(
        spoiled.device == fall.device
        and spoiled.stream == "motion"
        and spoiled.at_ms - 1000 <= fall.impact_ms < spoiled.at_ms
        for spoiled in truth.spoiled
    ) or any(
        fault.device == fall.device
        and fault.kind in DEFECTIVE
        and fault.detail not in ("temperature", "glucose")
        and fault.at_ms <= fall.impact_ms + HIT_MS
        for fault in truth.faults
    )


@pytest.mark.heavy
@pytest.mark.timeout(200)
def test_with_every_fault_at_once_calls_and_falls_are_found_and_nothing_is_made_up(
    tmp_path: Path, guarded: Guarded, sink: Sink
) -> None:
    """The scenario in the box, live, against a broker with an ACL, which is restarted on the way."""
    address = guarded.address

    async def restart() -> None:
        await asyncio.to_thread(guarded.server.restart)

    with System(
        tmp_path, members(SCENARIO), broker_url=guarded.server.url, webhook_url=sink.url("notify"),
        environment=guarded.environment,
    ) as system:  # fmt: skip
        processes = system.supervisor.process_ids()
        fleet = Fleet(SCENARIO, address, source="synthetic", on_broker_restart=restart)
        truth = asyncio.run(fleet.run(None))
        truth.save(tmp_path / "truth.json")
        wait_until(lambda: system.lag("raw", "processor") == 0, 30, "the processor is done")
        time.sleep(1.0)
        wait_until(lambda: system.lag("detections", "alerts") == 0, 20, "the alerts are done")
        left = next(fault.device for fault in truth.faults if fault.kind == "retained_sos")
        sha256 = replay(guarded, system, left)
        wait_until(lambda: system.lag("raw", "processor") == 0, 20, "the processor is done again")
        time.sleep(1.0)
        kept = quarantined(system.settings.quarantine_dir, truth)
        found = reported(system.engine, truth)
        score = match(truth, found, kept)
        restarted = {role for role, pid in system.supervisor.process_ids().items() if pid != processes[role]}
        undisturbed = without_faults(SCENARIO, system, truth)
        incidents = system.incidents()

    happened = Counter(fault.kind for fault in truth.faults)
    asked = {str(one.__struct_config__.tag) for one in SCENARIO.faults}
    assert set(happened) >= asked, "every fault of the scenario has struck"
    assert not restarted

    assert score.sos_injected == 4
    assert score.sos_missed == []
    assert [press.acked_ms is not None for press in truth.sos] == [True] * 4, "each was told that help is coming"
    sound = [fall for fall in undisturbed if not measures_wrongly(truth, fall)]
    missed = [fall for fall in sound if fall in score.falls_missed]
    assert len(sound) >= 7, "most fallers have a sound sensor, else this shows nothing"
    assert len(missed) <= 0.05 * len(sound), missed
    assert [one for one in score.false_alarms if one.kind == "sos"] == []
    assert sum(incident.kind == "sos" for incident in incidents) == 4, "nor by the retained and the forged ones"

    assert score.quarantine is not None
    assert score.quarantine.missing == []
    assert score.quarantine.wrong == []
    assert score.quarantine.right == len(truth.spoiled) > 10
    # once for each time that the gateway subscribed anew: it and the client that takes its session may take turns
    again = {(entry.device, entry.reason, entry.sha256) for entry in score.quarantine.unexplained}
    assert again == {(left, "retained", sha256)}, "and nothing else"
    forged = [fault for fault in truth.faults if fault.kind == "stolen_credential"]
    assert len(forged) == 2
    assert all("let nothing through" in fault.detail or "did not take it" in fault.detail for fault in forged), forged
    assert score.others_missed == [], "findings about devices"
