"""What the gateway sends down: the acknowledgement of each event, and what stands in the journal `commands`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.gateway import wall_clock_ms
from ingest.gateway_settings import GatewaySettings
from journal import JournalReader, JournalWriter
from telemetry.commands import Outgoing, pack_command
from telemetry.messages import Command
from telemetry.records import Flag
from tests.servers.gateway import GatewayThread, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.mqtt_tap import MqttTap

SOS = '{"t":1,"boot":%d,"seq":%d,"type":"sos"}'


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[JournalWriter]:
    """The journal that the alerts room writes."""
    with JournalWriter(tmp_path / "journal" / "commands", consumers=("gateway",)) as writer:
        yield writer


#: Commands go out through the receiving session, or under a login of their own.
OWN = {"command_username": "carecircle-cmd", "command_password": "c"}
both_ways = pytest.mark.parametrize("login", [{}, OWN], ids=["the same login", "a login of its own"])


def order(writer: JournalWriter, *ids: str, device: str = "w-1", expires_ms: int | None = None) -> None:
    """One batch of `prompt` commands."""
    until_ms = wall_clock_ms() + 60_000 if expires_ms is None else expires_ms
    writer.append(
        [pack_command(Outgoing(device=device, command=Command(id=i, type="prompt", expires_ms=until_ms))) for i in ids]
    )
    writer.commit()


def saved(directory: Path) -> int:
    """Where the gateway would go on in `commands` after a restart."""
    with JournalReader(directory / "journal" / "commands", "gateway") as reader:
        return reader.committed


def test_an_event_is_answered_with_its_boot_and_seq_each_time_it_comes(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The device repeats until it hears so; an answer that was lost is made good by the next one."""
    with GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path), MqttDevice(mosquitto.port, "w-1") as w1:
        for boot, seq in ((4_294_967_295, 0), (7, 1), (7, 1)):
            w1.publish("event", SOS % (boot, seq))
        wait_until(lambda: len(w1.commands) == 3)
        assert [(c.type, c.boot, c.seq) for c in w1.commands] == [
            ("ack", 4_294_967_295, 0),
            ("ack", 7, 1),
            ("ack", 7, 1),
        ]
        assert all(0 < c.expires_ms - wall_clock_ms() <= 60_000 for c in w1.commands)


def test_an_event_that_breaks_the_contract_is_answered_as_far_as_it_can_be_read(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """A button whose clock is below zero must not ring for ever; noise has nothing that could be answered."""
    with (
        GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path) as gateway,
        MqttDevice(mosquitto.port, "w-1") as w1,
    ):
        w1.publish("event", '{"t":-5,"boot":3,"seq":9,"type":"sos"}')
        w1.publish("event", b"\xc1\xc1")
        w1.publish("event", SOS % (3, 10))
        wait_until(lambda: len(w1.commands) == 2)
        assert [(c.boot, c.seq) for c in w1.commands] == [(3, 9), (3, 10)]
        gateway.wait("journaled", 4)


def test_a_retained_event_is_journaled_with_its_flag_and_not_answered(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """What the broker replays from its store does not happen now."""
    with MqttDevice(mosquitto.port, "w-1") as w1:
        w1.publish("event", SOS % (1, 1), retain=True)
        w1.flush()
        with GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path) as gateway:
            gateway.wait("acked", 1)
            w1.publish("event", SOS % (1, 2))
            wait_until(lambda: w1.commands)
        assert [c.seq for c in w1.commands] == [2]
    assert [m.flags for m in raw_messages(tmp_path)] == [Flag.RETAIN, Flag.NONE]


@both_ways
def test_commands_go_out_in_order_and_are_remembered_as_sent(
    login: dict[str, str], mosquitto: Mosquitto, commands: JournalWriter, tmp_path: Path
) -> None:
    """The offset moves once the broker has them, so the next gateway does not repeat them."""
    ids = [f"c-{n}" for n in range(700)]
    with MqttDevice(mosquitto.port, "w-1") as w1:
        with GatewayThread(GatewaySettings(port=mosquitto.port, **login), tmp_path) as gateway:
            for n in range(0, 700, 7):
                order(commands, *ids[n : n + 7])
            gateway.wait("commands_published", 700)
        assert saved(tmp_path) == commands.position
        with GatewayThread(GatewaySettings(port=mosquitto.port, **login), tmp_path) as gateway:
            order(commands, "last")
            gateway.wait("commands_published", 1)
        wait_until(lambda: len(w1.commands) >= 701)
        assert [c.id for c in w1.commands] == [*ids, "last"]


@both_ways
def test_commands_wait_for_the_broker(
    login: dict[str, str], mosquitto: Mosquitto, commands: JournalWriter, tmp_path: Path
) -> None:
    """Ordered while the broker is away, they go out when it is back."""
    settings = GatewaySettings(port=mosquitto.port, backoff_min_s=0.1, **login)
    with GatewayThread(settings, tmp_path) as gateway:
        mosquitto.stop()
        wait_until(lambda: not gateway.stats()["publisher_connected"])
        order(commands, "a", "b")
        order(commands, "c")
        mosquitto.start()
        with MqttDevice(mosquitto.port, "w-1") as w1:
            order(commands, "d")
            gateway.wait("commands_published", 4)
            wait_until(lambda: "d" in [command.id for command in w1.commands])
            ids = [command.id for command in w1.commands]
            assert ids == sorted(ids)
    assert saved(tmp_path) == commands.position


@both_ways
def test_a_broken_connection_repeats_what_the_broker_had_not_acknowledged(
    login: dict[str, str], mosquitto: Mosquitto, commands: JournalWriter, tmp_path: Path
) -> None:
    """At least once: with the connection cut again and again every command arrives, first arrivals in order."""
    ids = [f"c-{n}" for n in range(600)]
    with (
        MqttTap(mosquitto.port) as tap,
        MqttDevice(mosquitto.port, "w-1") as w1,
        GatewayThread(
            GatewaySettings(port=tap.port, backoff_min_s=0.05, backoff_max_s=0.1, **login), tmp_path
        ) as gateway,
    ):
        for cut, n in enumerate(range(0, 600, 60), 1):
            order(commands, *ids[n : n + 60])
            tap.cut()
            gateway.wait("reconnects", cut)
            gateway.wait("connected", 1)
            gateway.wait("publisher_connected", 1)
        wait_until(lambda: len({c.id for c in w1.commands}) == 600)
        assert list(dict.fromkeys(c.id for c in w1.commands)) == ids
        wait_until(lambda: saved(tmp_path) == commands.position)


def test_an_expired_or_impossible_command_is_left_out_and_counted(
    mosquitto: Mosquitto, commands: JournalWriter, tmp_path: Path
) -> None:
    """A prompt from before an outage must not ring an hour later, and a defect must not stop the queue."""
    with (
        MqttDevice(mosquitto.port, "w-1") as w1,
        GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path) as gateway,
    ):
        order(commands, "old", expires_ms=wall_clock_ms() - 1)
        order(commands, "odd", device="no/such/device")
        commands.append([b"{not json"])
        order(commands, "good")
        wait_until(lambda: w1.commands)
        stats = gateway.stats()
    assert [c.id for c in w1.commands] == ["good"]
    assert (stats["commands_expired"], stats["commands_bad"]) == (1, 2)
    assert saved(tmp_path) == commands.position


def test_commands_go_out_through_their_own_login_where_there_is_one(
    mosquitto: Mosquitto, commands: JournalWriter, tmp_path: Path
) -> None:
    """The receiving session then publishes nothing at all."""
    settings = GatewaySettings(port=mosquitto.port, username="carecircle", command_username="carecircle-cmd")
    with GatewayThread(settings, tmp_path) as gateway, MqttDevice(mosquitto.port, "w-1") as w1:
        assert "as carecircle-cmd" in mosquitto.log()
        order(commands, "one")
        w1.publish("event", SOS % (1, 1))
        wait_until(lambda: len(w1.commands) == 2)
        gateway.wait("events_acked", 1)
        gateway.wait("commands_published", 1)
