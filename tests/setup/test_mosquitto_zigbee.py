"""A Zigbee2MQTT on a broker as `carecircle setup mosquitto` makes it: its own base topic, and nothing else."""

from __future__ import annotations

import csv
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carecircle.cli import app
from carecircle.settings import load
from carecircle.setup_mosquitto import BrokerOptions, Listener, SetupError, apply, plan, read_present
from carecircle.setup_zigbee import parse_zigbee, zigbee_bases
from firmware_sim.zigbee2mqtt import Zigbee2MqttHub
from firmware_sim.zigbee2mqtt_state import ZigbeeDevice
from ingest.gateway_settings import GatewaySettings
from tests.servers.gateway import GatewayThread, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.ports import free_port
from tests.servers.require import require

DEVICE = ZigbeeDevice("0x00124b0000000001", "浴室/按钮", qos=1)


class SetUpBroker:
    """A running mosquitto on a generated configuration, and the passwords that were generated with it."""

    def __init__(self, mosquitto: Mosquitto, out: Path) -> None:
        self.mosquitto, self.out = mosquitto, out

    def password(self, user: str) -> str:
        """The generated password of ``user``."""
        own = self.out / f"{user}.password"
        if own.exists():
            return own.read_text().strip()
        return dict(csv.reader((self.out / "devices.csv").read_text().splitlines()))[user]

    def login(self, user: str, **options: object) -> MqttDevice:
        """Logged in as ``user`` with its own password."""
        return MqttDevice(self.mosquitto.port, user, password=self.password(user), **options)

    def hub(self, user: str) -> Zigbee2MqttHub:
        """The Zigbee2MQTT of one home."""
        return Zigbee2MqttHub(
            "127.0.0.1", self.mosquitto.port, f"zigbee2mqtt/{user}", devices=(DEVICE,), username=user,
            password=self.password(user),
        )  # fmt: skip

    def gateway(self, directory: Path) -> GatewayThread:
        """The real gateway with both of its logins, for the hubs of all homes."""
        return GatewayThread(
            GatewaySettings(
                port=self.mosquitto.port, username="carecircle", password=self.password("carecircle"),
                command_username="carecircle-cmd", command_password=self.password("carecircle-cmd"),
                zigbee_bases=("zigbee2mqtt/+",),
            ),
            directory,
        )  # fmt: skip


def set_up(options: BrokerOptions) -> None:
    apply(options.out, plan(options, read_present(options.out)))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SetUpBroker]:
    """A wearable and the hubs of two homes."""
    require("mosquitto")
    out, port = tmp_path / "broker", free_port()
    zigbee = dict(map(parse_zigbee, ("home-1", "home-2")))
    set_up(BrokerOptions(out, devices=("w-1",), zigbee=zigbee, listener=Listener(port=port)))
    if os.geteuid() == 0:  # else mosquitto becomes its own user, who may not look into this folder
        with (out / "mosquitto.conf").open("a") as config:
            config.write("user root\n")
    with Mosquitto(tmp_path / "run", config=out / "mosquitto.conf", port=port) as mosquitto:
        yield SetUpBroker(mosquitto, out)


def topics(directory: Path) -> list[str]:
    return [message.topic.decode() for message in raw_messages(directory)]


def test_hubs_are_heard_under_their_own_base_topics_also_after_an_absence(broker: SetUpBroker, tmp_path: Path) -> None:
    """With everything locked down; QoS 0 waits for the gateway too."""
    with broker.hub("home-1") as one, broker.hub("home-2") as two:
        with broker.gateway(tmp_path):
            wait_until(lambda: "zigbee2mqtt/home-2/bridge/devices" in topics(tmp_path))
        one.report(DEVICE.ieee, action="emergency")
        two.raw("lamp", "{}")  # QoS 0
        one.flush()
        two.flush()
        with broker.gateway(tmp_path):
            wait_until(lambda: {"zigbee2mqtt/home-1/浴室/按钮", "zigbee2mqtt/home-2/lamp"} <= set(topics(tmp_path)))
    heard = topics(tmp_path)
    assert (heard.count("zigbee2mqtt/home-1/浴室/按钮"), heard.count("zigbee2mqtt/home-2/lamp")) == (1, 1)


@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize(
    "topic",
    [
        "zigbee2mqtt/home-2/x", "zigbee2mqtt/x", "zigbee2mqtt/home-2/bridge/devices", "care/v1/w-1/event",
        "care/v1/w-1/cmd",
    ],
)  # fmt: skip
def test_a_hub_cannot_publish_for_another_home_nor_as_a_wearable(
    broker: SetUpBroker, tmp_path: Path, topic: str, retain: bool
) -> None:
    """Its own next message is the first that arrives; nothing is left behind for whoever connects later."""
    with (
        broker.gateway(tmp_path) as gateway, broker.login("home-1", listen="none") as hub, broker.login("w-1") as w1,
    ):  # fmt: skip
        hub.publish(topic, "forged", retain=retain)
        hub.publish("zigbee2mqtt/home-1/own", "{}")
        gateway.wait("journaled", 2)  # the mark of the connection, and it
        assert topics(tmp_path) == ["zigbee2mqtt/home-1/own"]
    with broker.gateway(tmp_path) as gateway:
        gateway.wait("journaled", 1)
        with broker.login("w-1") as again:
            time.sleep(0.1)
            assert (w1.commands, again.commands) == ([], [])
        assert topics(tmp_path) == ["zigbee2mqtt/home-1/own"]


@pytest.mark.parametrize("listen", ["zigbee2mqtt/home-2/#", "zigbee2mqtt/#", "#", "care/v1/+/vitals", "care/v1/+/cmd"])
def test_a_hub_cannot_read_what_others_say(broker: SetUpBroker, listen: str) -> None:
    """It hears what is set below its own base topic, and no other's."""
    with broker.login("home-1", listen=listen) as nosy, broker.hub("home-2") as other, broker.login("w-1") as w1:
        other.report(DEVICE.ieee, action="emergency")
        w1.publish("vitals", "private")
        other.flush()
        w1.flush()
        time.sleep(0.2)
        assert nosy.received == []


def test_a_wearable_cannot_speak_as_a_hub_nor_listen_to_one(broker: SetUpBroker, tmp_path: Path) -> None:
    """Neither under a base topic of its own name."""
    with (
        broker.gateway(tmp_path), broker.hub("home-1") as hub,
        broker.login("w-1", listen="zigbee2mqtt/#") as w1,
    ):  # fmt: skip
        w1.publish("zigbee2mqtt/home-1/forged", "{}")
        w1.publish("zigbee2mqtt/w-1/forged", "{}")
        w1.publish("vitals", "own")
        hub.report(DEVICE.ieee, action="emergency")
        wait_until(lambda: "care/v1/w-1/vitals" in topics(tmp_path))
        wait_until(lambda: "zigbee2mqtt/home-1/浴室/按钮" in topics(tmp_path))
        assert not [topic for topic in topics(tmp_path) if topic.endswith("/forged")]
        assert w1.received == []


def test_running_it_again_keeps_the_hubs_and_ends_the_one_that_is_named(tmp_path: Path) -> None:
    """Users and passwords stay as they are."""
    out = tmp_path / "broker"
    set_up(BrokerOptions(out, zigbee={"home-1": "zigbee2mqtt/home-1", "home-2": "other/topic"}))
    before = read_present(out)
    assert {file.change for file in plan(BrokerOptions(out), before).files} == {"unchanged"}
    set_up(BrokerOptions(out, zigbee={"home-1": ""}))
    after = read_present(out)
    assert "home-1" not in after["acl"]
    assert "topic readwrite other/topic/#" in after["acl"]
    assert after["passwords"] == before["passwords"]


@pytest.mark.parametrize(
    ("zigbee", "said"),
    [
        ({"home-1": "#"}, "give levels"),
        ({"home-1": "zigbee2mqtt/+"}, "could write for others"),
        ({"home-1": "care/v1"}, "the devices' own topics"),
        ({"home-1": "care"}, "the devices' own topics"),
        ({"home-1": "z", "home-2": "z/home-2"}, "overlap"),
        ({"home-1": "a b"}, "give levels"),
        ({"a/b": "z"}, "cannot be a device id"),
        ({"carecircle": "z"}, "rename the device"),
    ],
)
def test_base_topics_that_would_open_a_hole_are_refused(tmp_path: Path, zigbee: dict[str, str], said: str) -> None:
    """They would read or write for other homes, or as every device."""
    with pytest.raises(SetupError, match=re.escape(said)):
        plan(BrokerOptions(tmp_path, zigbee=zigbee), {})


@pytest.mark.parametrize(
    ("options", "bases"),
    [
        (("home-1", "home-2"), ("zigbee2mqtt/+",)),
        (("home-1=zigbee2mqtt",), ("zigbee2mqtt",)),
        (("home-1=a/b", "home-2=a/c/d"), ("a/b", "a/c/d")),
        ((), ()),
    ],
)
def test_the_command_prints_the_settings_that_hear_its_hubs(
    tmp_path: Path, options: tuple[str, ...], bases: tuple[str, ...]
) -> None:
    """One base topic with + for all homes where that can be."""
    typed = [part for option in options for part in ("--zigbee2mqtt", option)]
    done = CliRunner().invoke(app, ["setup", "mosquitto", "--out", str(tmp_path / "broker"), *typed])
    assert done.exit_code == 0, done.output
    block = done.output[done.output.index("[broker]") : done.output.index("The devices'")]
    (tmp_path / "settings.toml").write_text(block)
    assert load(tmp_path / "settings.toml").zigbee2mqtt.base_topics == bases
    assert zigbee_bases((tmp_path / "broker" / "acl").read_text()) == bases
