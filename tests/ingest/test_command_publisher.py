"""The publishing connection for commands, at a broker that says exactly what a test wants it to say."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Self

import pytest
from paho.mqtt.packettypes import PacketTypes

from ingest.gateway_commands import CommandPublisher
from ingest.gateway_settings import GatewaySettings
from ingest.mqtt.errors import NotConnectedError
from tests.ingest.mqtt import broker_packets as packets
from tests.servers.gateway import wait_until

TOPIC = "care/v1/w-1/cmd"


class Client:
    """One accepted connection as the broker sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def packet(self) -> tuple[int, bytes]:
        """Type and body of the next packet (none here is longer than 127 bytes)."""
        first, length = await self.reader.readexactly(2)
        return first >> 4, await self.reader.readexactly(length)

    async def published(self, count: int) -> list[tuple[int, bytes]]:
        """Packet identifier and payload of the next ``count``, which are PUBLISH of MQTT 5 without properties."""
        found = []
        for _ in range(count):
            kind, body = await self.packet()
            assert kind == PacketTypes.PUBLISH
            head = 2 + len(TOPIC)
            assert (body[2:head], body[head + 2]) == (TOPIC.encode(), 0)
            found.append((int.from_bytes(body[head : head + 2], "big"), body[head + 3 :]))
        return found

    async def silent(self) -> bool:
        """Whether nothing comes for a moment."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.reader.readexactly(1), 0.2)
            return False
        return True

    def say(self, *answer: bytes) -> None:
        """Send."""
        self.writer.write(b"".join(answer))

    async def left(self) -> bytes:
        """What still comes until the other side hangs up."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), 10)
        return b""


class Broker:
    """Waits for connections, and says nothing by itself."""

    async def __aenter__(self) -> Self:
        self._came: asyncio.Queue[Client] = asyncio.Queue()
        self._server = await asyncio.start_server(lambda r, w: self._came.put_nowait(Client(r, w)), "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def accept(self, *answer: bytes) -> tuple[Client, int]:
        """The next connection, and the version of MQTT of its CONNECT, which is answered."""
        client = await asyncio.wait_for(self._came.get(), 10)
        kind, body = await client.packet()
        assert kind == PacketTypes.CONNECT
        client.say(*answer)
        return client, body[6]


class Publishing:
    """A publisher that runs, and what it told."""

    def __init__(self, port: int, **settings: Any) -> None:
        self.lost = 0
        self.acknowledged: list[tuple[int, int]] = []
        quick = {"backoff_min_s": 0.02, "backoff_max_s": 0.05} | settings
        self.publisher = CommandPublisher(
            GatewaySettings(port=port, command_password="secret", **quick),
            "carecircle-cmd",
            self._on_lost,
            lambda mid, code: self.acknowledged.append((mid, code)),
        )

    def _on_lost(self) -> None:
        self.lost += 1

    async def until(self, wanted: str) -> None:
        """Until the attribute or method of that name is true, of this or of the publisher."""
        async with asyncio.timeout(10):
            while not getattr(self, wanted, None) and not getattr(self.publisher, wanted, None):
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def publishing(port: int, **settings: Any) -> AsyncIterator[Publishing]:
    """A running one, closed at the end."""
    one = Publishing(port, **settings)
    running = asyncio.create_task(one.publisher.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await one.publisher.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    """The test to its end; and no thread stays."""
    asyncio.run(asyncio.wait_for(test, 30))
    wait_until(lambda: not threads(), 3, what="the thread has ended")


def threads() -> list[threading.Thread]:
    """Those of publishers."""
    return [one for one in threading.enumerate() if one.name == CommandPublisher.name]


def test_what_was_not_acknowledged_is_not_repeated_but_by_whoever_publishes() -> None:
    """The outbox does it; the same by paho would send each command twice."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port) as one:
            first, version = await broker.accept(packets.connack())
            assert version == 5
            await one.until("is_up")
            numbers = [one.publisher.publish(TOPIC, payload) for payload in (b"a", b"b")]
            (mid, _), _ = await first.published(2)
            first.say(packets.answer(PacketTypes.PUBACK, mid))
            await one.until("acknowledged")
            first.writer.close()
            await one.until("lost")
            second, _ = await broker.accept(packets.connack())
            await one.until("is_up")
            assert await second.silent()
            assert (one.acknowledged, one.lost) == ([(numbers[0], 0)], 1)
            number = one.publisher.publish(TOPIC, b"b")
            ((mid, payload),) = await second.published(1)
            second.say(packets.answer(PacketTypes.PUBACK, mid, 0x87))
            async with asyncio.timeout(10):
                while len(one.acknowledged) < 2:
                    await asyncio.sleep(0.005)
            assert (payload, one.acknowledged[1]) == (b"b", (number, 0x87))

    run(test())


def test_nothing_is_taken_between_two_connections() -> None:
    """It would go to a client that is gone, and nobody would hear of its loss."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port, backoff_min_s=20, backoff_max_s=20) as one:
            client, _ = await broker.accept(packets.connack())
            await one.until("is_up")
            client.writer.close()
            await one.until("lost")
            assert not one.publisher.is_up
            with pytest.raises(NotConnectedError):
                one.publisher.publish(TOPIC, b"a")

    run(test())


def test_no_more_is_under_way_than_the_broker_allows() -> None:
    """The rest follows in order as it acknowledges."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port) as one:
            client, _ = await broker.accept(packets.connack(ReceiveMaximum=2))
            await one.until("is_up")
            numbers = [one.publisher.publish(TOPIC, b"%d" % n) for n in range(5)]
            seen = await client.published(2)
            assert await client.silent()
            while len(seen) < 5:
                client.say(packets.answer(PacketTypes.PUBACK, seen[-2][0]))
                seen += await client.published(1)
            client.say(*(packets.answer(PacketTypes.PUBACK, mid) for mid, _ in seen[-2:]))
            async with asyncio.timeout(10):
                while len(one.acknowledged) < 5:
                    await asyncio.sleep(0.005)
            assert [payload for _, payload in seen] == [b"%d" % n for n in range(5)]
            assert one.acknowledged == [(number, 0) for number in numbers]

    run(test())


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", packets.connack(code=0x84), b""], ids=["3", "5", "hangs up"])
def test_a_broker_that_does_not_know_mqtt_5_is_asked_again_at_once_in_the_older_version(answer: bytes) -> None:
    """Whether it says so in its own words, in those of MQTT 5, or hangs up; and each connection begins with MQTT 5."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port, backoff_min_s=20, backoff_max_s=20) as one:
            client, version = await broker.accept(answer)
            client.writer.close()
            again, older = await broker.accept(packets.connack(level=3))
            assert (version, older) == (5, 4)
            await one.until("is_up")
            number = one.publisher.publish(TOPIC, b"a")
            kind, body = await again.packet()
            assert kind == PacketTypes.PUBLISH
            assert body.endswith(b"a")
            again.say(packets.answer(PacketTypes.PUBACK, int.from_bytes(body[-3:-1], "big"), level=4))
            await one.until("acknowledged")
            assert one.acknowledged == [(number, 0)]

    run(test())


def test_mqtt_5_is_asked_for_again_when_the_older_version_was_refused_too(caplog: pytest.LogCaptureFixture) -> None:
    """A broker that hangs up on everything is asked with a pause after every second attempt."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port):
            versions = []
            for _ in range(4):
                client, version = await broker.accept()
                client.writer.close()
                versions.append(version)
            assert versions == [5, 4, 5, 4]

    run(test())
    assert any("cannot connect" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_broker_that_accepts_and_says_nothing_is_left_and_asked_again(
    tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it is the handshake of TLS that it does not answer."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port, connect_timeout_s=0.2, tls=tls):
            for _ in range(2):
                silent = await asyncio.wait_for(broker._came.get(), 10)
                said = await silent.left()
                assert said[0] == (0x16 if tls else 0x10)

    run(test())
    assert not any(record.levelno >= logging.ERROR for record in caplog.records)
    assert any(("timed out" if tls else "no CONNACK in time") in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("noise", [b"\x00\x00", b"\x40\x00", b"\x40\x03\x00\x01\x01", b"\xff" * 9], ids=str)
def test_a_packet_that_is_none_ends_the_connection_and_another_is_made(noise: bytes) -> None:
    """Nothing that a broker sends leaves the publisher without a thread and believing that it is up."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port) as one:
            client, _ = await broker.accept(packets.connack())
            await one.until("is_up")
            one.publisher.publish(TOPIC, b"a")
            await client.published(1)
            client.say(noise)
            await client.left()
            await broker.accept(packets.connack())
            await one.until("is_up")
            assert one.lost == 1

    run(test())


def test_the_words_of_a_broker_that_sends_us_away_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """As those of one that ends us again and again."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port) as one:
            for _ in range(3):
                client, _ = await broker.accept(packets.connack(), packets.disconnect(0x8E))
                await client.left()
            await broker.accept(packets.connack())
            await one.until("is_up")

    run(test())
    said = [record.getMessage() for record in caplog.records]
    assert sum("the broker says: Session taken over" in one for one in said) == 3
    assert any("is another client using the id 'carecircle-cmd'" in one for one in said)


def test_an_attempt_that_failed_leaves_no_sockets_until_the_next_collection_of_garbage() -> None:
    """Attempts may follow one another for days, and each has a pair of sockets by which its thread is woken."""

    async def test() -> None:
        async with Broker() as broker, publishing(broker.port) as one:
            client, _ = await broker.accept(packets.connack(code=0x87))
            assert one.publisher._connection is not None
            first = weakref.ref(one.publisher._connection._client)
            await client.left()
            await broker.accept(packets.connack())
            await one.until("is_up")
            assert first() is None

    gc.disable()
    try:
        run(test())
    finally:
        gc.enable()


def test_leaving_waits_for_what_is_under_way_and_says_so() -> None:
    """The acknowledgement that comes meanwhile counts; DISCONNECT is the last word."""

    async def test() -> None:
        async with Broker() as broker:
            async with publishing(broker.port) as one:
                client, _ = await broker.accept(packets.connack())
                await one.until("is_up")
                one.publisher.publish(TOPIC, b"a")
                ((mid, _),) = await client.published(1)
                asyncio.get_running_loop().call_later(0.1, client.say, packets.answer(PacketTypes.PUBACK, mid))
            assert len(one.acknowledged) == 1
            assert (await client.left())[0] == 0xE0

    run(test())


def test_leaving_a_broker_that_has_stopped_to_answer_leaves_no_thread(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not acknowledge, and does not even read; and the thread would sleep for long."""
    monkeypatch.setattr("ingest.gateway_commands._LOOK_S", 20.0)

    async def test() -> None:
        async with Broker() as broker:
            async with publishing(broker.port, keepalive_s=100) as one:
                client, _ = await broker.accept(packets.connack())
                await one.until("is_up")
                client.writer.transport.pause_reading()
                for _ in range(40):
                    one.publisher.publish(TOPIC, bytes(1 << 18))
            for thread in threads():
                thread.join(0.5)
            assert not threads()

    run(test())
    assert not caplog.records


def test_a_loop_that_is_closed_without_leaving_takes_the_thread_with_it() -> None:
    """As after a failure of the gateway; nothing is said to a loop that is none any more."""
    uncaught = []

    async def test() -> None:
        async with Broker() as broker:
            one = Publishing(broker.port)
            running = asyncio.create_task(one.publisher.run())
            await broker.accept(packets.connack())
            await one.until("is_up")
            running.cancel()

    hook, threading.excepthook = threading.excepthook, uncaught.append
    try:
        run(test())
    finally:
        threading.excepthook = hook
    assert not uncaught
