"""The broker as `carecircle setup mosquitto` makes it: what a device must not be able to do, each thing tried."""

from __future__ import annotations

import csv
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from carecircle.setup_mosquitto import (
    BrokerOptions,
    Listener,
    SetupError,
    address,
    apply,
    parse_hub,
    plan,
    read_device_list,
    read_present,
)
from ingest.gateway_settings import GatewaySettings
from telemetry.topics import UPWARD
from tests.servers.gateway import GatewayThread, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto, make_tls
from tests.servers.mqtt_device import MqttDevice
from tests.servers.ports import free_port
from tests.servers.require import require


@dataclass
class SetUpBroker:
    """A running mosquitto on a generated configuration, and the passwords that were generated with it."""

    mosquitto: Mosquitto
    out: Path

    def password(self, user: str) -> str:
        """The generated password of ``user``."""
        own = self.out / f"{user}.password"
        if own.exists():
            return own.read_text().strip()
        with (self.out / "devices.csv").open() as table:
            return dict(csv.reader(table))[user]

    def login(self, user: str, **options: object) -> MqttDevice:
        """Logged in as ``user`` with its own password."""
        return MqttDevice(self.mosquitto.port, user, password=self.password(user), **options)

    def gateway(self, directory: Path) -> GatewayThread:
        """The real gateway with both of its logins."""
        return GatewayThread(
            GatewaySettings(
                port=self.mosquitto.port,
                username="carecircle",
                password=self.password("carecircle"),
                command_username="carecircle-cmd",
                command_password=self.password("carecircle-cmd"),
            ),
            directory,
        )


def set_up(options: BrokerOptions) -> None:
    apply(options.out, plan(options, read_present(options.out)))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[SetUpBroker]:
    """Two devices and a hub for two more, listening without TLS."""
    require("mosquitto")
    out, port = tmp_path / "broker", free_port()
    hubs = {"hub-1": ("z-1", "z-2")}
    set_up(BrokerOptions(out, devices=("w-1", "w-2"), hubs=hubs, listener=Listener(port=port)))
    if os.geteuid() == 0:  # else mosquitto becomes its own user, who may not look into this folder
        with (out / "mosquitto.conf").open("a") as config:
            config.write("user root\n")
    with Mosquitto(tmp_path / "run", config=out / "mosquitto.conf", port=port) as mosquitto:
        yield SetUpBroker(mosquitto, out)


def topics(directory: Path) -> list[str]:
    return [message.topic.decode() for message in raw_messages(directory)]


def test_a_device_publishes_its_own_five_streams_and_hears_its_own_commands(
    broker: SetUpBroker, tmp_path: Path
) -> None:
    """What must work with everything locked down, the event acknowledgement included."""
    with broker.gateway(tmp_path) as gateway, broker.login("w-1") as w1:
        for stream in UPWARD:
            w1.publish(stream.value, '{"t":1,"boot":1,"seq":1,"type":"sos"}')
        gateway.wait("acked", 5)
        wait_until(lambda: w1.commands)
    assert topics(tmp_path) == [f"care/v1/w-1/{stream.value}" for stream in UPWARD]


@pytest.mark.parametrize("retain", [False, True])
def test_a_device_cannot_publish_for_another(broker: SetUpBroker, tmp_path: Path, retain: bool) -> None:
    """Nor under a stream that does not exist; its own next message is the first that arrives."""
    with broker.gateway(tmp_path) as gateway, broker.login("w-1") as w1:
        for stream in UPWARD:
            w1.publish(f"care/v1/w-2/{stream.value}", "forged", retain=retain)
        w1.publish("care/v1/w-1/other", "forged", retain=retain)
        w1.publish("vitals", "own")
        gateway.wait("journaled", 2)
        assert topics(tmp_path) == ["care/v1/w-1/vitals"]


def test_a_device_cannot_write_its_own_commands_nor_leave_one_there(broker: SetUpBroker) -> None:
    """A retained command on it would come back at each of its connections."""
    with broker.login("w-1") as w1:
        w1.publish("cmd", '{"id":"x","type":"config","expires_ms":9}')
        w1.publish("cmd", '{"id":"x","type":"config","expires_ms":9}', retain=True)
        w1.flush()
        time.sleep(0.2)
        assert w1.received == []
    with broker.login("w-1") as w1, broker.login("carecircle-cmd", listen="none") as ours:
        ours.publish("care/v1/w-1/cmd", '{"id":"true","type":"prompt","expires_ms":9}')
        wait_until(lambda: w1.commands)
        assert [command.id for command in w1.commands] == ["true"]


@pytest.mark.parametrize("listen", ["care/v1/+/vitals", "care/v1/w-2/vitals", "care/v1/w-2/cmd", "care/v1/+/cmd", "#"])
def test_a_device_cannot_read_what_others_send_or_are_sent(broker: SetUpBroker, listen: str) -> None:
    """Whatever filter it subscribes to, only its own commands pass."""
    with (
        broker.login("w-1", listen=listen) as nosy,
        broker.login("w-2") as w2,
        broker.login("carecircle-cmd", listen="none") as ours,
    ):
        w2.publish("vitals", "private")
        w2.flush()
        ours.publish("care/v1/w-2/cmd", '{"id":"private","type":"prompt","expires_ms":9}')
        ours.flush()
        wait_until(lambda: w2.commands)
        time.sleep(0.2)
        assert nosy.received == []


@pytest.mark.parametrize("stream", ["status", "event"])
def test_what_is_retained_is_not_shown_to_another_device(broker: SetUpBroker, stream: str) -> None:
    """A subscriber that comes later is checked as well."""
    with broker.login("w-2") as w2:
        w2.publish(stream, "private", retain=True)
        w2.flush()
    with broker.login("w-1", listen=f"care/v1/+/{stream}") as nosy:
        time.sleep(0.2)
        assert nosy.received == []


def test_a_device_cannot_take_the_gateways_session(broker: SetUpBroker, tmp_path: Path) -> None:
    """With the gateway's client id it neither throws the gateway out nor empties what waits for it."""
    with broker.gateway(tmp_path) as gateway:
        with broker.login("w-1", client_id="carecircle") as thief:
            thief.vitals(1)
            gateway.wait("acked", 1)
        assert gateway.stats()["reconnects"] == 0
    with broker.login("w-2") as w2:
        w2.vitals(100)
        w2.flush()
    broker.login("w-1", client_id="carecircle").close()
    with broker.gateway(tmp_path) as gateway:
        gateway.wait("acked", 100)
    assert topics(tmp_path).count("care/v1/w-2/vitals") == 100


def test_a_device_cannot_log_in_as_another_or_without_a_password(broker: SetUpBroker) -> None:
    """Its password is its own, also when it names the gateway as its user."""
    for user, password in (("carecircle", "w-1"), ("w-2", "w-1"), ("w-1", None)):
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="x")
        answers: list[str] = []
        client.on_connect = lambda *_, answers=answers: answers.append(str(_[3]))
        if password is not None:
            client.username_pw_set(user, broker.password(password))
        client.reconnect_delay_set(0.02, 1)
        client.connect("127.0.0.1", broker.mosquitto.port)
        client.loop_start()
        wait_until(lambda answers=answers: answers)
        client.loop_stop()
        assert answers[0] == "Not authorized"


def test_a_hub_speaks_for_its_devices_and_for_no_other(broker: SetUpBroker, tmp_path: Path) -> None:
    """It publishes for them, hears their commands, and has the rights of any device beside."""
    with broker.gateway(tmp_path) as gateway, broker.login("hub-1", listen="care/v1/+/cmd") as hub:
        hub.publish("care/v1/w-1/home", "forged")
        hub.publish("care/v1/z-1/cmd", "forged")
        hub.publish("care/v1/z-1/home", "true")
        hub.publish("care/v1/z-2/event", '{"t":1,"boot":1,"seq":1,"type":"sos"}')
        hub.publish("status", "own")
        gateway.wait("acked", 3)
        wait_until(lambda: hub.received)
        assert topics(tmp_path) == ["care/v1/z-1/home", "care/v1/z-2/event", "care/v1/hub-1/status"]
        assert [topic for topic, _, _ in hub.received] == ["care/v1/z-2/cmd"]


@pytest.mark.parametrize("user", ["carecircle", "carecircle-cmd"])
def test_our_own_logins_have_no_more_than_they_need(broker: SetUpBroker, tmp_path: Path, user: str) -> None:
    """Neither publishes as a device, and the publisher of commands reads nothing that devices send."""
    with broker.gateway(tmp_path) as gateway:
        if user == "carecircle-cmd":
            with broker.login("w-1") as w1, broker.login(user, listen="care/v1/+/vitals") as ours:
                w1.vitals(1)
                gateway.wait("acked", 1)
                time.sleep(0.1)
                assert ours.received == []
    with broker.login(user, listen="none", clean_session=False) as ours:
        ours.publish("care/v1/w-1/event", "forged")
        ours.flush()
    with broker.login("w-2") as w2:
        w2.vitals(1)
        w2.flush()
    with broker.gateway(tmp_path) as gateway:
        gateway.wait("received", 1)
    assert "care/v1/w-1/event" not in topics(tmp_path)


def test_running_it_again_changes_no_password_and_adds_who_is_new(tmp_path: Path) -> None:
    """Devices, hubs and a hand-made configuration stay; a renewed user alone gets another password."""
    out = tmp_path / "broker"
    set_up(BrokerOptions(out, devices=("w-1",), hubs={"hub-1": ("z-1",), "hub-2": ("z-2",)}))
    (out / "mosquitto.conf").write_text("listener 1234 0.0.0.0\ncertfile x\n")
    (out / "carecircle.password").unlink()
    before = read_present(out)
    again = plan(BrokerOptions(out), before)
    assert again.new_users == ()
    assert {file.name: file.change for file in again.files} == dict.fromkeys(before, "unchanged")

    set_up(BrokerOptions(out, devices=("w-1", "w-3"), hubs={"hub-2": ()}, renew=("w-1",)))
    after = read_present(out)
    old, new = (dict(line.split(":", 1) for line in text["passwords"].splitlines()) for text in (before, after))
    assert {user for user in new if new[user] != old.get(user)} == {"w-1", "w-3"}
    assert "user hub-1" in after["acl"]
    assert "user hub-2" not in after["acl"]
    assert after["mosquitto.conf"] == before["mosquitto.conf"]
    assert address(after["mosquitto.conf"]) == "mqtts://127.0.0.1:1234"


def test_passwords_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """Also in the moment in which they are written; the hashes by the broker's group too."""
    old = os.umask(0)
    try:
        set_up(BrokerOptions(tmp_path / "broker", devices=("w-1",)))
    finally:
        os.umask(old)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "broker").iterdir() if p.is_file()}
    assert modes == {
        "mosquitto.conf": 0o644,
        "acl": 0o640,
        "passwords": 0o640,
        "devices.csv": 0o600,
        "carecircle.password": 0o600,
        "carecircle-cmd.password": 0o600,
    }


def test_a_password_made_by_mosquitto_itself_is_kept(tmp_path: Path) -> None:
    """Operators may use mosquitto_passwd beside us."""
    tool = require("mosquitto_passwd")
    out = tmp_path / "broker"
    set_up(BrokerOptions(out))
    subprocess.run([tool, "-b", out / "passwords", "by-hand", "secret"], check=True)
    line = (out / "passwords").read_text().splitlines()[-1]
    set_up(BrokerOptions(out, devices=("by-hand", "w-1")))
    assert line in (out / "passwords").read_text().splitlines()


def test_a_tls_listener_is_generated(tmp_path: Path) -> None:
    """A client certificate is asked for, and the passwords count all the same."""
    require("mosquitto")
    tls, out, port = make_tls(tmp_path / "tls"), tmp_path / "broker", free_port()
    listener = Listener(port=port, cert=tls.cert, key=tls.key, ca=tls.ca, require_certificate=True)
    set_up(BrokerOptions(out, devices=("w-1",), listener=listener))
    if os.geteuid() == 0:
        with (out / "mosquitto.conf").open("a") as config:
            config.write("user root\n")
    assert address((out / "mosquitto.conf").read_text()) == f"mqtts://127.0.0.1:{port}"
    with Mosquitto(tmp_path / "run", config=out / "mosquitto.conf", port=port) as mosquitto:
        SetUpBroker(mosquitto, out).login("w-1", tls=tls).close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"devices": ("a/b",)}, "cannot be a device id"),
        ({"devices": ("+",)}, "cannot be a device id"),
        ({"devices": ("carecircle",)}, "rename the device"),
        ({"hubs": {"hub": ("carecircle-cmd",)}}, "rename the device"),
    ],
)
def test_names_that_would_open_a_hole_are_refused(tmp_path: Path, options: dict[str, object], said: str) -> None:
    """A wildcard or one of our own names as a user would read or write for everybody."""
    with pytest.raises(SetupError, match=said):
        BrokerOptions(tmp_path, **options)


def test_a_device_list_is_read_from_lines_or_csv(tmp_path: Path) -> None:
    """Errors name the line."""
    path = tmp_path / "devices.csv"
    path.write_text("id,person\nw-1,p-1\n\n# a comment\nw-2 # spare\n")
    assert read_device_list(path) == ("w-1", "w-2")
    path.write_text("w-1\nw 2\n")
    with pytest.raises(SetupError, match=r"devices\.csv:2: 'w 2'"):
        read_device_list(path)


def test_a_hub_is_written_with_a_colon_or_an_equals_sign() -> None:
    """Ids may be MAC addresses, with colons of their own."""
    assert parse_hub("hub-1:a,b") == ("hub-1", ("a", "b"))
    assert parse_hub("00:11:22=aa:bb,cc:dd") == ("00:11:22", ("aa:bb", "cc:dd"))
    assert parse_hub("hub-1:") == ("hub-1", ())
    with pytest.raises(SetupError, match="give HUB"):
        parse_hub("hub-1")
