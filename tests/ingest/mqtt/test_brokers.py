"""The receiving connection at real brokers, and at one that says exactly what a test wants it to say."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import paho.mqtt.client as paho
import pytest

import ingest.gateway
from ingest.gateway_settings import GatewaySettings
from journal import JournalFull, JournalWriter
from journal.batch import Record
from tests.ingest.mqtt import broker_packets as broker
from tests.ingest.slow_disk import slow_disk
from tests.servers.gateway import GatewayThread, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto, make_tls
from tests.servers.mqtt_device import MqttDevice
from tests.servers.ports import free_port

_RUMQTTD = """
id = 0
[router]
id = 0
max_connections = 10
max_outgoing_packet_count = 200
max_segment_size = 10485760
max_segment_count = 10
[{kind}.1]
name = "one"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
    [{kind}.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = 1048576
    max_inflight_count = 100
    dynamic_filters = true
"""


def payloads(directory: Path) -> list[bytes]:
    """Those in the journal."""
    return [message.payload for message in raw_messages(directory)]


@pytest.mark.parametrize(("kind", "spoken"), [("v5", "MQTT 5"), ("v4", "MQTT 3.1.1")])
def test_iotcore_is_spoken_to_in_the_version_that_it_knows(
    kind: str, spoken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its listener for MQTT 3.1.1 hangs up on MQTT 5; the gateway then asks again in the other version."""
    iotcore = pytest.importorskip("iotcore")
    caplog.set_level(logging.INFO, "ingest.mqtt")
    config = tmp_path / "rumqttd.toml"
    port = free_port()
    config.write_text(_RUMQTTD.format(kind=kind, port=port))
    version = paho.MQTTv5 if kind == "v5" else paho.MQTTv311
    with iotcore.Broker(config_path=str(config)), GatewayThread(GatewaySettings(port=port), tmp_path) as gateway:
        device = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="w-1", protocol=version)
        device.connect("127.0.0.1", port)
        device.loop_start()
        for n in range(90):
            device.publish("care/v1/w-1/vitals", f"{n}", qos=1)
        gateway.wait("acked", 90)
        device.disconnect()
        device.loop_stop()
    assert payloads(tmp_path) == [b"%d" % n for n in range(90)]
    assert any(f"with {spoken}, " in record.getMessage() for record in caplog.records)


def test_mosquitto_keeps_the_session_under_mqtt_5(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Not a clean start, and the expiry that was asked for; what came meanwhile is delivered once."""
    settings = GatewaySettings(port=mosquitto.port, keepalive_s=17)
    with MqttDevice(mosquitto.port, "w-1") as w1:
        with GatewayThread(settings, tmp_path):
            pass
        w1.vitals(300)
        w1.flush()
        with GatewayThread(settings, tmp_path) as gateway:
            gateway.wait("acked", 300)
    assert len(payloads(tmp_path)) == 300
    assert mosquitto.log().count("as carecircle (p5, c0, k17)") == 2


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "tls"])
def test_a_burst_is_taken_while_the_disk_hangs_and_no_more_than_the_buffer(
    with_tls: bool, start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at the bound; pings go out meanwhile, and their missing answers are nobody's death."""
    disk = slow_disk(monkeypatch)
    tls = make_tls(tmp_path / "tls") if with_tls else None
    where = start_mosquitto(tls=tls, require_client_certificate=with_tls)
    access = {"tls": True, "ca": tls.ca, "cert": tls.client_cert, "key": tls.client_key} if tls else {}
    settings = GatewaySettings(port=where.port, keepalive_s=1, commit_bytes=1 << 16, **access)
    with GatewayThread(settings, tmp_path) as gateway, MqttDevice(where.port, "w-1", tls=tls) as w1:
        gateway.wait("journaled", 1)
        disk.clear()
        for n in range(3_000):
            w1.publish("motion", n.to_bytes(4, "big") * 500)
        w1.flush()
        most = 0.0
        until_s = time.monotonic() + 1.8  # longer than until a silent broker is given up
        while time.monotonic() < until_s:
            most = max(most, gateway.stats()["pending_bytes"])
            time.sleep(0.05)
        assert 1 << 16 < most < 5 * (1 << 16)
        assert gateway.stats()["acked"] == 0
        disk.set()
        gateway.wait("acked", 3_000, 20)
        assert gateway.stats()["reconnects"] == 0
    assert [int.from_bytes(payload[:4], "big") for payload in payloads(tmp_path)] == list(range(3_000))


class Scripted:
    """A broker with one connection at a time, which accepts it and then does what the test says; ``sent`` is ours."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.sent = b""
        self.client: socket.socket | None = None

    def accept(self, *answer: bytes, present: bool = False) -> None:
        """Take the next connection, say CONNACK and ``answer``, and go on noting what comes."""
        self._listener.settimeout(10)
        self.client, _ = self._listener.accept()
        self.connections += 1
        self.sent = b""
        self.client.recv(1_000)
        self.client.sendall(b"".join((broker.connack(present=present), *answer)))
        threading.Thread(target=self._note, args=(self.client,), daemon=True).start()

    def _note(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                self.sent += data
        client.close()

    def close(self) -> None:
        """Hang up."""
        self._listener.close()
        if self.client is not None:
            self.client.close()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    """A broker without a will of its own."""
    one = Scripted()
    yield one
    one.close()


def test_a_broker_that_breaks_the_rules_is_told_so_and_left(scripted: Scripted, tmp_path: Path) -> None:
    """What came before the bad packet is acknowledged by none; on the next connection it is taken."""
    settings = GatewaySettings(port=scripted.port, backoff_min_s=0.05, backoff_max_s=0.1)
    good = broker.publish(b"care/v1/w-1/vitals", b"good", 1)
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    try:
        scripted.accept(broker.publish(b"", b"alias", 1, TopicAlias=1), good)
        wait_until(lambda: scripted.sent.endswith(b"\xe0\x01\x82"), what="DISCONNECT says: protocol error")
        scripted.accept(good)
        wait_until(lambda: b"\x40\x02\x00\x01" in scripted.sent, what="the message is acknowledged")
    finally:
        gateway.stop()
    assert payloads(tmp_path) == [b"good"]


def test_a_packet_that_is_none_behind_messages_ends_the_connection_and_no_more(
    scripted: Scripted, tmp_path: Path
) -> None:
    """In one read with them: they come again on the next connection."""
    settings = GatewaySettings(port=scripted.port, backoff_min_s=0.05, backoff_max_s=0.1)
    messages = [broker.publish(b"care/v1/w-1/vitals", b"%d" % mid, mid) for mid in (1, 2)]
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    try:
        scripted.accept()
        gateway.wait("connected", 1)
        assert scripted.client is not None
        scripted.client.sendall(b"".join(messages) + b"\x00\x00")
        wait_until(lambda: scripted.sent.endswith(b"\xe0\x01\x81"), what="DISCONNECT says: malformed packet")
        scripted.accept(*messages)
        wait_until(lambda: b"\x40\x02\x00\x01\x40\x02\x00\x02" in scripted.sent, what="acknowledgements")
    finally:
        gateway.stop()
    assert payloads(tmp_path) == [b"1", b"2"]


def test_a_dismissal_by_the_broker_is_in_the_log_and_the_gateway_comes_back(
    scripted: Scripted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the broker's words; also where it follows CONNACK in the same breath."""
    settings = GatewaySettings(port=scripted.port, backoff_min_s=0.05, backoff_max_s=0.1)
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    try:
        scripted.accept(broker.disconnect(0x8E, ReasonString="another client"))
        scripted.accept()
        gateway.wait("reconnects", 1)
    finally:
        gateway.stop()
    assert any("says: Session taken over another client" in record.getMessage() for record in caplog.records)


def test_a_loop_of_reconnects_with_topic_aliases_ends(scripted: Scripted, tmp_path: Path) -> None:
    """The broker cuts the connection with aliased QoS 1 messages under way, and sets the alias anew on the next."""
    settings = GatewaySettings(port=scripted.port, backoff_min_s=0.05, backoff_max_s=0.1)
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    one, two = b"care/v1/w-1/vitals", b"care/v1/w-2/vitals"
    try:
        for topic in (one, two):
            messages = (broker.publish(topic, topic, 1, TopicAlias=1), broker.publish(b"", topic, 2, TopicAlias=1))
            scripted.accept(*messages, present=True)
            wait_until(lambda: b"\x40\x02\x00\x01\x40\x02\x00\x02" in scripted.sent)
            assert scripted.client is not None
            scripted.client.shutdown(socket.SHUT_RDWR)
    finally:
        scripted.close()
        gateway.stop()
    assert (
        [m.topic for m in raw_messages(tmp_path)] == [m.payload for m in raw_messages(tmp_path)] == [one, one, two, two]
    )


def test_a_broker_that_comes_and_goes_while_the_journal_is_full_fills_no_memory(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection brings something with CONNACK before it is held; what is too much is given up and comes again."""
    room = threading.Event()

    class FullDisk(JournalWriter):
        def append(self, records: Sequence[Record]) -> int:
            if not room.is_set():
                raise JournalFull(self.directory, 0, 1)
            return super().append(records)

    monkeypatch.setattr(ingest.gateway, "JournalWriter", FullDisk)
    monkeypatch.setattr(ingest.gateway, "_MOST_WAITING", 1)
    settings = GatewaySettings(
        port=scripted.port, commit_bytes=1 << 14, backoff_min_s=0.02, backoff_max_s=0.05, keepalive_s=1
    )
    messages = [broker.publish(b"care/v1/w-1/motion", bytes([mid]) * 2_400, mid) for mid in range(1, 6)]
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    try:
        for again in range(5):
            scripted.accept(*messages, present=True)
            gateway.wait("reconnects", again)
            gateway.wait("held", 1)
            assert scripted.client is not None
            scripted.client.shutdown(socket.SHUT_RDWR)
        scripted.accept(*messages, present=True)
        gateway.wait("reconnects", 5)
        assert gateway.stats()["pending_bytes"] < 4 * (1 << 14)
        assert gateway.stats()["acked"] == 0
        room.set()
        gateway.wait("acked", 5)
    finally:
        scripted.close()
        gateway.stop()
    assert [payload[0] for payload in payloads(tmp_path)][-5:] == [1, 2, 3, 4, 5]


def test_a_broker_that_accepts_and_says_nothing_is_left(scripted: Scripted, tmp_path: Path) -> None:
    """CONNACK has to come within the time that is set; else the gateway hangs up, and tries again."""
    settings = GatewaySettings(port=scripted.port, connect_timeout_s=0.3, backoff_min_s=0.05, backoff_max_s=0.1)
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    try:
        silent, _ = scripted._listener.accept()
        with silent:
            silent.settimeout(10)
            assert silent.recv(1_000)[:1] == b"\x10", "CONNECT"
            assert silent.recv(1_000) == b"", "it hangs up, and said nothing more"
            assert gateway.stats()["connected"] == 0
            scripted.accept()
        gateway.wait("connected", 1)
    finally:
        gateway.stop()


@pytest.mark.parametrize("publisher", ["carecircle", "carecircle-cmd"], ids=["the same login", "a login of its own"])
def test_commands_that_the_broker_refuses_are_counted_and_do_not_stop_the_others(
    publisher: str, start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which right is missing; mosquitto hangs up on it, and what was refused is not tried for ever."""
    acl = "user carecircle\ntopic read care/v1/#\nuser w-1\ntopic readwrite care/v1/w-1/#\n"
    where = start_mosquitto(passwords={"carecircle": "a", "carecircle-cmd": "c", "w-1": "b"}, acl=acl)
    own = {} if publisher == "carecircle" else {"command_username": publisher, "command_password": "c"}
    settings = GatewaySettings(port=where.port, username="carecircle", password="a", **own)
    with GatewayThread(settings, tmp_path) as gateway, MqttDevice(where.port, "w-1", password="b") as w1:
        w1.publish("event", '{"t":1,"boot":1,"seq":1,"type":"sos"}')
        gateway.wait("commands_refused", 1)
        w1.vitals(5)
        gateway.wait("acked", 6)
        assert gateway.stats()["outbox_waiting"] == 0
    assert any(f"give user {publisher!r} write access to care/v1/+/cmd" in one.getMessage() for one in caplog.records)
