"""A message that the broker refuses is given up, and holds up none of the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from paho.mqtt.packettypes import PacketTypes

from ingest.gateway import wall_clock_ms
from ingest.gateway_commands import CommandPublisher
from ingest.gateway_settings import GatewaySettings
from ingest.mqtt_inbox import EventKey
from ingest.mqtt_outbox import Outbox
from ingest.refusals import GIVEN_UP_AFTER, Refusals
from journal import JournalReader, JournalWriter
from telemetry.commands import Outgoing, pack_command
from telemetry.messages import Command
from tests.ingest.mqtt import broker_packets as packets
from tests.ingest.test_command_publisher import Broker, Client
from tests.servers.gateway import GatewayThread, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice

FORBIDDEN = "x-9"


def order(writer: JournalWriter, *devices: str) -> None:
    """One batch with a command for each; their ids count up."""
    until_ms = wall_clock_ms() + 60_000
    writer.append(
        [
            pack_command(Outgoing(device=device, command=Command(id=f"c-{n}", type="prompt", expires_ms=until_ms)))
            for n, device in enumerate(devices)
        ]
    )
    writer.commit()


def saved(journal: Path) -> int:
    """Where the gateway would go on after a restart."""
    with JournalReader(journal, "gateway") as reader:
        return reader.committed


@pytest.mark.parametrize("publisher", ["carecircle", "carecircle-cmd"], ids=["the same login", "a login of its own"])
def test_a_refused_command_amid_others_of_its_batch_does_not_stop_them(
    publisher: str, start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    """mosquitto hangs up over it, and its word on it is lost with the packets behind it."""
    acl = f"user {publisher}\ntopic read care/v1/#\ntopic write care/v1/w-1/cmd\nuser w-1\ntopic read care/v1/w-1/cmd\n"
    if publisher != "carecircle":
        acl += "user carecircle\ntopic read care/v1/#\n"
    where = start_mosquitto(passwords={"carecircle": "a", "carecircle-cmd": "c", "w-1": "b"}, acl=acl)
    own = {} if publisher == "carecircle" else {"command_username": publisher, "command_password": "c"}
    settings = GatewaySettings(
        port=where.port, username="carecircle", password="a", backoff_min_s=0.05, backoff_max_s=0.1, **own
    )
    with (
        JournalWriter(tmp_path / "journal" / "commands", consumers=("gateway",)) as writer,
        MqttDevice(where.port, "w-1", password="b") as w1,
    ):
        order(writer, "w-1", FORBIDDEN, FORBIDDEN, "w-1")
        with GatewayThread(settings, tmp_path) as gateway:
            wait_until(lambda: {command.id for command in w1.commands} == {"c-0", "c-3"})
            wait_until(lambda: saved(tmp_path / "journal" / "commands") == writer.position)
            assert gateway.stats()["commands_refused"] == 2


async def refusing(client: Client, seen: list[str]) -> None:
    """Acknowledge what comes for anybody but one, over whom it hangs up; in MQTT 3.1.1."""
    while True:
        kind, body = await client.packet()
        if kind != PacketTypes.PUBLISH:
            continue
        end = 2 + int.from_bytes(body[:2], "big")
        seen.append(body[2:end].decode().split("/")[2])
        if seen[-1] == FORBIDDEN:
            client.writer.transport.abort()
            return
        client.say(packets.answer(PacketTypes.PUBACK, int.from_bytes(body[end : end + 2], "big"), level=4))


def test_what_a_broker_of_the_older_version_hangs_up_over_is_given_up_after_a_few_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It has no word for a refusal: a command and an acknowledgement are, and what is around them arrives."""
    seen: list[str] = []
    with JournalWriter(tmp_path / "commands", consumers=("gateway",)) as writer:
        order(writer, "w-1", FORBIDDEN, "w-2", "w-3")
        outbox = Outbox(JournalReader(tmp_path / "commands", "gateway"), wall_clock_ms, 60.0)
        outbox.answer([EventKey(FORBIDDEN, 1, 1), EventKey("w-4", 1, 1)])

        async def serve(broker: Broker) -> None:
            while True:
                old, _ = await broker.accept()
                old.writer.close()  # it does not know MQTT 5
                client, version = await broker.accept(packets.connack(level=4))
                assert version == 4
                await refusing(client, seen)

        async def test() -> None:
            async with Broker() as broker:
                settings = GatewaySettings(port=broker.port, backoff_min_s=0.02, backoff_max_s=0.05)
                publisher = CommandPublisher(
                    settings,
                    "carecircle-cmd",
                    lambda: outbox.lost(in_silence=publisher.ended_in_silence),
                    lambda number, _: outbox.published(number),
                )
                serving, running = asyncio.create_task(serve(broker)), asyncio.create_task(publisher.run())
                outbox.pump(publisher)
                async with asyncio.timeout(20):
                    while (outbox.given_up, outbox.events_acked, outbox.commands_published) != (2, 1, 3):
                        assert not serving.done(), serving.exception()
                        outbox.pump(publisher)
                        await asyncio.sleep(0.01)
                running.cancel()
                await publisher.close()
                serving.cancel()

        with caplog.at_level(logging.ERROR, "ingest.mqtt_outbox"):
            asyncio.run(test())
        outbox.close()
        assert saved(tmp_path / "commands") == writer.position
    assert set(seen) == {"w-1", "w-2", "w-3", "w-4", FORBIDDEN}
    said = [record.getMessage() for record in caplog.records if record.name == "ingest.mqtt_outbox"]
    assert len(said) == 2
    assert all(f"a message to care/v1/{FORBIDDEN}/cmd is given up" in one for one in said)


def test_only_what_is_alone_under_way_again_and_again_is_given_up() -> None:
    """What goes down with others, or with words, or once, may be all right."""
    refusals = Refusals()
    for _ in range(10):
        assert not refusals.lost([], in_silence=True)
        assert not refusals.lost(["a", "b"], in_silence=True)
        assert not refusals.lost(["a"], in_silence=False)
    ends = [refusals.lost(["a"], in_silence=True) for _ in range(GIVEN_UP_AFTER)]
    assert ends == [False] * (GIVEN_UP_AFTER - 1) + [True]
    refusals.settled("a")
    assert not refusals.lost(["a"], in_silence=True)


def test_messages_go_one_at_a_time_until_all_that_were_doubtful_are_settled() -> None:
    """One lost connection is no reason to, and what comes new does not prolong it."""
    refusals = Refusals()
    many = refusals.window
    assert not refusals.lost(["a", "b"], in_silence=False)
    assert refusals.window == many > 1
    assert not refusals.lost(["a", "b"], in_silence=False)
    assert refusals.window == 1
    for settled, window in (("a", 1), ("c", 1), ("b", many)):
        refusals.settled(settled)
        assert refusals.window == window
