"""A Zigbee2MQTT hub on a real mosquitto, the real gateway, and the pipeline over its journal.

The hub is `firmware_sim.zigbee2mqtt`, which does as `lib/controller.ts` and `lib/mqtt.ts` of Koenkk/zigbee2mqtt do.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from detectors.fall.bank import FallBank
from firmware_sim.zigbee2mqtt import Zigbee2MqttHub
from firmware_sim.zigbee2mqtt_state import HubHabits, ZigbeeDevice
from ingest.adapters.zigbee2mqtt import Zigbee2Mqtt
from ingest.devices import Owner
from ingest.gateway_settings import GatewaySettings
from ingest.mqtt.session import Session
from ingest.pipeline import Output, Pipeline
from journal.quarantine import list_entries
from tests.servers.gateway import GatewayThread, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice

BASE = "zigbee2mqtt/home-1"
SOS = ZigbeeDevice("0x00124b0000000001", "卧室/SOS 按钮", "TS0215A_sos", attributes={"battery": 100})
DOOR = ZigbeeDevice("0x00158d0000000002", "front door", "MCCGQ11LM", attributes={"contact": True, "battery": 80})
RADAR = ZigbeeDevice("0x00158d0000000003", "bath/radar", "FDS315", attributes={"status": "sitting"})
STRANGER = ZigbeeDevice("0x00158d0000000009", "stranger", "BT400B")
DEVICES = (SOS, DOOR, RADAR, STRANGER)
OWNERS = {device.ieee: Owner("p-1", "city.street", None, kind="sensor") for device in (SOS, DOOR, RADAR)}


def settings(broker: Mosquitto) -> GatewaySettings:
    """A gateway that listens to the hubs of all homes."""
    return GatewaySettings(port=broker.port, username="carecircle", zigbee_bases=("zigbee2mqtt/+",))


def hub(broker: Mosquitto, *devices: ZigbeeDevice, habits: HubHabits | None = None) -> Zigbee2MqttHub:
    """The hub of one home."""
    return Zigbee2MqttHub("127.0.0.1", broker.port, BASE, devices=devices or DEVICES, habits=habits)


def pipeline_over(directory: Path) -> Output:
    """Everything in the journal, through a new pipeline."""
    pipeline = Pipeline(FallBank(), FallBank(), zigbee=Zigbee2Mqtt(("zigbee2mqtt/+",)))
    pipeline.update_owners(OWNERS)
    pipeline.feed(raw_messages(directory, markers=True))
    return pipeline.advance()


def found(directory: Path) -> list[tuple[str, str]]:
    """(device, kind) of all detections."""
    return [(d.device, d.kind) for d in pipeline_over(directory).detections]


def readings(out: Output) -> list[tuple[str, str, float]]:
    """(device, kind, value) of the home points."""
    return [
        (device, kind, float(value))
        for batch in out.points if batch.measurement == "home"
        for device, kind, value in zip(batch.tags["device"], batch.tags["kind"], batch.fields["value"], strict=True)
    ]  # fmt: skip


def settled(home: Zigbee2MqttHub, gateway: GatewayThread) -> None:
    """Until the gateway has dealt with everything that the hub has published: its last word is not wanted."""
    before = gateway.stats()["unwanted"]
    home.flush()
    gateway.wait("unwanted", before + 1)
    wait_until(lambda: gateway.stats()["pending_bytes"] == 0)


def test_a_home_is_heard_from_its_first_word_to_its_last_will(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Names in Chinese, a press, a fall, an open door, then the hub dies; its logs are not even kept."""
    with GatewayThread(settings(mosquitto), tmp_path) as gateway:
        home = hub(mosquitto).start()
        home.report(DOOR.ieee, contact=False)
        home.report(SOS.ieee, action="emergency")
        home.report(RADAR.ieee, status="falling", breathing_rate=11)
        home.raw("bridge/logging", '{"level": "info", "message": "hello"}')
        settled(home, gateway)
        assert not [m for m in raw_messages(tmp_path) if m.topic.endswith((b"/logging", b"/info", b"/health"))]
        home.crash()
        wait_until(lambda: raw_messages(tmp_path)[-1].payload == b'{"state": "offline"}')
    out = pipeline_over(tmp_path)
    assert [(d.device, d.kind) for d in out.detections] == [(SOS.ieee, "sos"), (RADAR.ieee, "fall")]
    assert readings(out) == [
        (DOOR.ieee, "contact", 0.0), (RADAR.ieee, "presence", 1.0), (RADAR.ieee, "bed", 0.0),
        (DOOR.ieee, "contact", 1.0),
    ]  # fmt: skip
    online = [
        (device, float(value))
        for batch in out.points if batch.measurement == "device"
        for device, value in zip(batch.tags["device"], batch.fields["online"], strict=True)
    ]  # fmt: skip
    assert dict(online) == {device.ieee: 0.0 for device in (SOS, DOOR, RADAR)}
    assert out.refused == []


@pytest.mark.parametrize("last_seen", ["disable", "ISO_8601", "epoch"])
@pytest.mark.parametrize("qos", [0, 1])
def test_every_press_is_one_sos_whatever_else_the_hub_publishes(
    mosquitto: Mosquitto, tmp_path: Path, last_seen: str, qos: int
) -> None:
    """The empty action, the action under its own topic, every attribute under its own, the last state at the start."""
    habits = HubHabits(
        last_seen=last_seen, legacy_action=True, device_triggers=True, attributes=True, device_information=True
    )
    with (
        GatewayThread(settings(mosquitto), tmp_path) as gateway,
        hub(mosquitto, replace(SOS, qos=qos), habits=habits) as home,
    ):
        for battery in (100, 100, 99):
            home.report(SOS.ieee, action="emergency")
            home.report(SOS.ieee, battery=battery)
        settled(home, gateway)
        home.stop()
        home.start()
        settled(home, gateway)
    assert found(tmp_path) == [(SOS.ieee, "sos")] * 3


@pytest.mark.parametrize("qos", [0, 1])
def test_a_press_while_the_gateway_is_away_is_an_sos_when_it_is_back(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, qos: int
) -> None:
    """With the broker as `carecircle setup mosquitto` makes it even QoS 0 waits."""
    broker = start_mosquitto(options=["queue_qos0_messages true"])
    with hub(broker, replace(SOS, qos=qos)) as home:
        with GatewayThread(settings(broker), tmp_path) as gateway:
            settled(home, gateway)
        home.report(SOS.ieee, action="emergency")
        home.flush()
        with GatewayThread(settings(broker), tmp_path) as gateway:
            wait_until(lambda: (SOS.ieee, "sos") in found(tmp_path))
            settled(home, gateway)
    (detection,) = pipeline_over(tmp_path).detections
    assert not detection.historical
    assert "waited at the broker" in detection.notes["sent"]


def test_with_a_broker_that_keeps_no_qos_0_only_qos_1_arrives_after_an_absence(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The trap: mosquitto's default and Zigbee2MQTT's default together lose an SOS."""
    other = ZigbeeDevice("0x00124b0000000004", "second", qos=1)
    with hub(mosquitto, SOS, other) as home:
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
        home.report(SOS.ieee, action="emergency")
        home.report(other.ieee, action="emergency")
        home.flush()
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            wait_until(lambda: found(tmp_path))
            settled(home, gateway)
    assert found(tmp_path) == [(other.ieee, "sos")]


def test_what_the_broker_keeps_is_no_second_sos_at_any_connection(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A button with `retain: true`: its press stands at the broker until the button says something else."""
    with hub(mosquitto, replace(SOS, retain=True)) as home:
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
            home.report(SOS.ieee, action="emergency")
            settled(home, gateway)
        for _ in range(2):
            with GatewayThread(settings(mosquitto), tmp_path) as gateway:
                settled(home, gateway)
    out = pipeline_over(tmp_path)
    assert [(d.device, d.kind) for d in out.detections] == [(SOS.ieee, "sos")]
    assert Counter(refused.reason.value for refused in out.refused) == {"retained": 2}


def test_what_a_hub_publishes_again_after_it_lost_the_broker_is_no_second_sos(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """It comes without the retain flag, to us who have been listening all the time."""
    with hub(mosquitto, replace(SOS, retain=True)) as home:
        home.report(SOS.ieee, action="emergency", linkquality=1)
        home.flush()
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
            home.report(SOS.ieee, action="emergency", linkquality=2)
            settled(home, gateway)
            home.reconnect()
            settled(home, gateway)
    out = pipeline_over(tmp_path)
    assert [(d.device, d.kind) for d in out.detections] == [(SOS.ieee, "sos")]
    assert [refused.reason.value for refused in out.refused] == ["retained", "retained"]


def test_a_press_that_the_broker_delivers_twice_is_one_sos(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was on our disk, and its acknowledgement never left: the next connection has it again, marked DUP."""
    with hub(mosquitto, replace(SOS, qos=1)) as home:
        with monkeypatch.context() as patched, GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
            patched.setattr(Session, "acknowledge", lambda *_: 0)
            home.report(SOS.ieee, action="emergency")
            wait_until(lambda: found(tmp_path))
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
    presses = [m for m in raw_messages(tmp_path) if b"emergency" in m.payload]
    assert len(presses) == 2
    assert found(tmp_path) == [(SOS.ieee, "sos")]


def test_a_press_that_was_delivered_to_a_gateway_that_died_is_an_sos(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """It never came to our disk; what is marked DUP is not a repetition to us."""
    with hub(mosquitto, replace(SOS, qos=1)) as home:
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
        heard = threading.Event()
        dying = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="carecircle", clean_session=False, manual_ack=True
        )
        dying.on_message = lambda _client, _data, message: heard.set() if b"emergency" in message.payload else None
        dying.connect("127.0.0.1", mosquitto.port)
        dying.loop_start()
        home.report(SOS.ieee, action="emergency")
        assert heard.wait(10)
        dying.disconnect()
        dying.loop_stop()
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
    assert found(tmp_path) == [(SOS.ieee, "sos")]


def test_a_device_that_was_renamed_while_the_gateway_was_away_is_known_by_its_new_name(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The list of devices has QoS 0 and waits for nobody: it is asked for at each connection."""
    with hub(mosquitto) as home:
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
        home.rename(DOOR.ieee, "客厅的门")
        home.flush()
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
            home.report(DOOR.ieee, contact=False)
            settled(home, gateway)
    assert readings(pipeline_over(tmp_path))[-1] == (DOOR.ieee, "contact", 1.0)


def test_a_call_from_a_button_that_nobody_has_entered_reaches_the_desk_and_is_kept(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """No person on it: alerts takes such a finding to the district desk."""
    with GatewayThread(settings(mosquitto), tmp_path) as gateway, hub(mosquitto) as home:
        home.report(STRANGER.ieee, action="emergency")
        settled(home, gateway)
    out = pipeline_over(tmp_path)
    (detection,) = out.detections
    assert (detection.device, detection.kind, detection.person) == (STRANGER.ieee, "sos", None)
    assert [refused.reason.value for refused in out.refused] == ["unknown_device"]


def test_what_no_gateway_can_keep_is_quarantined_and_the_next_message_is_read(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """A topic too long for the journal's record, a state larger than any device has."""
    with GatewayThread(settings(mosquitto), tmp_path) as gateway, hub(mosquitto) as home:
        home.raw("长" * 90, '{"contact": true}', qos=1)
        home.raw(DOOR.name, '{"x": "' + "x" * (65 << 10) + '"}', qos=1)
        home.report(DOOR.ieee, contact=False)
        settled(home, gateway)
        assert (gateway.stats()["quarantined_bad_topic"], gateway.stats()["quarantined_too_large"]) == (1, 1)
    assert {(entry.reason, entry.size) for entry in list_entries(tmp_path / "quarantine")} == {
        ("bad_topic", 17), ("too_large", (65 << 10) + 9),
    }  # fmt: skip
    assert readings(pipeline_over(tmp_path))[-1] == (DOOR.ieee, "contact", 1.0)


def test_hubs_are_not_listened_to_unless_they_are_named(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Off by default."""
    with GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path) as gateway, hub(mosquitto) as home:
        home.report(SOS.ieee, action="emergency")
        home.flush()
        with MqttDevice(mosquitto.port, "w-1") as w1:
            w1.publish("vitals", "{}")
            gateway.wait("received", 1)
    assert [m.topic for m in raw_messages(tmp_path)] == [b"care/v1/w-1/vitals"]


def test_hubs_that_are_not_named_any_more_are_not_listened_to_any_more(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The broker's session would go on with them, and each message would go to the quarantine."""
    with hub(mosquitto) as home:
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
        with GatewayThread(replace(settings(mosquitto), zigbee_bases=()), tmp_path) as gateway:
            wait_until(lambda: gateway.stats()["subscribed"])
        before = len(raw_messages(tmp_path))
        home.report(SOS.ieee, action="emergency")
        home.flush()
        deaf = GatewayThread(replace(settings(mosquitto), zigbee_bases=()), tmp_path)
        with deaf as gateway, MqttDevice(mosquitto.port, "w-1") as w1:
            w1.publish("vitals", "{}")
            gateway.wait("received", 1)
        assert [m.topic for m in raw_messages(tmp_path)[before:]] == [b"care/v1/w-1/vitals"]
        assert list_entries(tmp_path / "quarantine") == []
        with GatewayThread(settings(mosquitto), tmp_path) as gateway:
            settled(home, gateway)
            home.report(SOS.ieee, action="emergency")
            settled(home, gateway)
    assert found(tmp_path) == [(SOS.ieee, "sos")]
