"""From a Zigbee button to an incident, through all the processes, with one of them killed on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

import registry
from firmware_sim.scenario import Member
from firmware_sim.zigbee2mqtt import Zigbee2MqttHub
from firmware_sim.zigbee2mqtt_state import HubHabits, ZigbeeDevice
from journal.quarantine import Filter, list_entries
from tests.e2e.system import System, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.sink import Sink

BUTTON = ZigbeeDevice("0x00158d0000000001", "卧室/按钮", "WXKG11LM", qos=1)
RADAR = ZigbeeDevice("0x00158d0000000002", "浴室/雷达", "FDS315", qos=1, attributes={"status": "occupied"})
STRANGER = ZigbeeDevice("0x00158d0000000009", "new button", "BT400B", qos=1)


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_calls_of_zigbee_devices_become_one_incident_each_and_reach_a_person(
    tmp_path: Path, mosquitto: Mosquitto, sink: Sink
) -> None:
    """A button and a radar of two people; a button nobody has entered, for the district desk; the processor killed."""
    members = [
        Member("wrist-00001", "p-00001", "wearable", "wrist"),
        Member("wrist-00002", "p-00002", "wearable", "wrist"),
    ]
    environment = {
        "CARECIRCLE_ZIGBEE2MQTT__BASE_TOPICS": '["zigbee2mqtt/+"]',
        "CARECIRCLE_ALERTS__STEP_S": "3600",
        "CARECIRCLE_JOURNAL__CHECKPOINT_S": "1",
    }
    sensors = tmp_path / "sensors"
    sensors.mkdir()
    (sensors / "devices.yaml").write_text(
        f"- {{id: '{BUTTON.ieee}', person: p-00001, kind: button}}\n"
        f"- {{id: '{RADAR.ieee}', person: p-00002, kind: radar}}\n"
    )
    system = System(
        tmp_path, members, broker_url=mosquitto.url, webhook_url=sink.url("notify"), environment=environment
    )
    assert registry.import_folder(system.engine, sensors).applied
    habits = HubHabits(legacy_action=True, device_triggers=True)
    hub = Zigbee2MqttHub(
        "127.0.0.1", mosquitto.port, "zigbee2mqtt/home-1", devices=(BUTTON, RADAR, STRANGER), habits=habits
    )
    with system, hub:
        hub.report(BUTTON.ieee, action="single")
        wait_until(lambda: len(system.incidents()) == 1, 30, f"the first incident\n{system.log('processor')}")
        system.kill("processor")
        hub.report(RADAR.ieee, status="falling")
        hub.report(STRANGER.ieee, action="emergency")
        wait_until(lambda: len(system.incidents()) == 3, 30, f"three incidents\n{system.log('processor')}")
        hub.stop()
        hub.start()  # says it all again, and dies
        hub.crash()
        offline = b'{"state": "offline"}'
        wait_until(lambda: any(message.payload == offline for message in system.raw[-5:]), 10, "the last will")
        wait_until(lambda: system.lag("raw", "processor") == 0, 30, "the processor has taken it all")
        wait_until(lambda: system.lag("detections", "alerts") == 0, 30, "alerts has taken it all")
        incidents = {incident.device: incident for incident in system.incidents()}
        sink.wait_for(3)  # somebody is told of each
        entries = list_entries(system.settings.quarantine_dir, Filter(reason="unknown_device"))
    assert {device: (one.kind, one.person_key, one.desk) for device, one in incidents.items()} == {
        BUTTON.ieee: ("sos", "p-00001", False),
        RADAR.ieee: ("fall", "p-00002", False),
        STRANGER.ieee: ("sos", None, True),
    }
    assert {entry.device for entry in entries} == {STRANGER.ieee}
