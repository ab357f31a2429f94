"""The gateway between a real mosquitto and a real journal: what is acknowledged is kept, in order, and nothing else."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import ingest.gateway
from ingest.gateway import Gateway
from ingest.gateway_settings import GatewaySettings
from journal import JournalLocked, JournalWriter
from journal.quarantine import list_entries
from telemetry.records import Flag
from tests.ingest.slow_disk import slow_disk
from tests.servers.gateway import GatewayProcess, GatewayThread, markers, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.mqtt_tap import PUBACK, PUBLISH, MqttTap


def seqs(directory: Path) -> list[int]:
    """The ``seq`` of the vitals in the journal, in its order."""
    return [json.loads(m.payload)["seq"] for m in raw_messages(directory) if m.topic.endswith(b"/vitals")]


def test_what_is_published_stands_in_the_journal_as_it_came(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Topic, payload, order and the gateway's own clock, for all five streams and for QoS 0 too."""
    settings = GatewaySettings(port=mosquitto.port)
    with (
        GatewayThread(settings, tmp_path, clock=lambda: 1_700_000_000_123) as gateway,
        MqttDevice(mosquitto.port, "w-1") as w1,
    ):
        for stream in ("motion", "vitals", "home", "event", "status"):
            w1.publish(stream, b"\x81" + stream.encode())
        w1.publish("vitals", b"unreliable", qos=0)
        w1.flush()
        gateway.wait("journaled", 7)
        got = raw_messages(tmp_path)
    assert [m.topic for m in got[:5]] == [
        f"care/v1/w-1/{s}".encode() for s in ("motion", "vitals", "home", "event", "status")
    ]
    assert [m.payload for m in got[4:]] == [b"\x81status", b"unreliable"]
    assert {(m.recv_ms, m.flags) for m in got} == {(1_700_000_000_123, Flag.NONE)}


def test_nothing_is_acknowledged_before_the_commit_and_then_in_the_order_of_arrival(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a disk that hangs in the commit no PUBACK leaves; afterwards they leave as the messages came."""
    disk = slow_disk(monkeypatch)
    with (
        MqttTap(mosquitto.port) as tap,
        MqttDevice(mosquitto.port, "w-1") as w1,
        GatewayThread(GatewaySettings(port=tap.port), tmp_path) as gateway,
    ):
        gateway.wait("journaled", 1)
        disk.clear()
        w1.vitals(200)
        w1.flush()
        wait_until(lambda: len(tap.of(PUBLISH, from_client=False)) == 200)
        time.sleep(0.3)
        assert tap.of(PUBACK, from_client=True) == []
        disk.set()
        wait_until(lambda: len(tap.of(PUBACK, from_client=True)) == 200)
        assert [p.mid for p in tap.of(PUBACK, from_client=True)] == [p.mid for p in tap.of(PUBLISH, from_client=False)]
    assert seqs(tmp_path) == list(range(200))


def test_a_full_in_flight_window_is_acknowledged_by_the_timer(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    """A broker that lets 20 messages out at a time gets them all through: no further arrival triggers the commit."""
    broker = start_mosquitto(options=["max_inflight_messages 20"])
    with GatewayThread(GatewaySettings(port=broker.port), tmp_path) as gateway, MqttDevice(broker.port, "w-1") as w1:
        w1.vitals(310)
        gateway.wait("acked", 310)
    assert seqs(tmp_path) == list(range(310))


def test_kill_9_twice_while_5000_messages_are_published_loses_none(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Whatever the broker was told to forget is in the journal, and the rest it delivers again."""
    count = 5_000
    with (
        MqttDevice(mosquitto.port, "w-1") as w1,
        GatewayProcess(GatewaySettings(port=mosquitto.port), tmp_path) as gateway,
    ):
        wait_until(lambda: markers(tmp_path), what="the gateway has connected")

        def publish() -> None:
            for first in range(0, count, 50):
                w1.vitals(50, first=first)
                time.sleep(0.02)

        publisher = threading.Thread(target=publish)
        publisher.start()
        for kill in (1, 2):
            wait_until(lambda kill=kill: len(markers(tmp_path)) == kill, what="the gateway is at work")
            time.sleep(random.uniform(0.05, 0.5))
            gateway.end(signal.SIGKILL)
            gateway.start()
        publisher.join()
        w1.flush()
        wait_until(lambda: len(set(seqs(tmp_path))) == count, 20, what="all of them are in the journal")
    assert len(markers(tmp_path)) == 3


def test_a_clean_stop_acknowledges_what_it_committed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The next process is sent nothing twice, and what came while nobody was there once."""
    settings = GatewaySettings(port=mosquitto.port)
    with MqttDevice(mosquitto.port, "w-1") as w1:
        with GatewayThread(settings, tmp_path) as gateway:
            w1.vitals(500)
            gateway.wait("received", 100)
        w1.vitals(100, first=500)
        w1.flush()
        with GatewayThread(settings, tmp_path):
            wait_until(lambda: len(set(seqs(tmp_path))) == 600)
    assert seqs(tmp_path) == list(range(600))


def test_a_restart_of_the_broker_is_survived_and_marked(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The session is resumed, and the journal tells since when messages may have waited."""
    settings = GatewaySettings(port=mosquitto.port, backoff_min_s=0.1)
    with GatewayThread(settings, tmp_path) as gateway, MqttDevice(mosquitto.port, "w-1") as w1:
        w1.vitals(10)
        w1.flush()
        gateway.wait("acked", 10)
        before_ms = ingest.gateway.wall_clock_ms()
        mosquitto.restart()
        gateway.wait("reconnects", 1)
        w1.vitals(10, first=10)
        w1.flush()
        gateway.wait("acked", 20)
    assert seqs(tmp_path) == list(range(20))
    first, second = markers(tmp_path)
    assert first["session_present"] is False
    assert second["session_present"] is True
    assert abs(int(str(second["down_since_ms"])) - before_ms) < 2_000


def test_a_broker_that_forgot_the_session_is_subscribed_to_again(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    """After a kill of a broker without a store nothing of the session is left there."""
    broker = start_mosquitto(persistence=False)
    settings = GatewaySettings(port=broker.port, backoff_min_s=0.1)
    with GatewayThread(settings, tmp_path) as gateway:
        broker.kill()
        gateway.wait("held_s", 0)
        wait_until(lambda: not gateway.stats()["connected"])
        broker.start()
        gateway.wait("subscribed", 1)
        with MqttDevice(broker.port, "w-1") as w1:
            w1.vitals(5)
            gateway.wait("acked", 5)
    assert seqs(tmp_path) == list(range(5))
    assert [marker["session_present"] for marker in markers(tmp_path)] == [False, False]


def test_a_session_without_its_subscriptions_is_subscribed_to_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A gateway killed between CONNACK and SUBACK leaves a session to which nothing would ever come."""
    MqttDevice(mosquitto.port, "carecircle", listen="nothing/of/use", clean_session=False).close()
    with (
        GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path) as gateway,
        MqttDevice(mosquitto.port, "w-1") as w1,
    ):
        w1.vitals(5)
        gateway.wait("acked", 5)
    assert [marker["session_present"] for marker in markers(tmp_path)] == [True]
    assert seqs(tmp_path) == list(range(5))


def test_bad_input_goes_to_the_quarantine_and_disturbs_nothing(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """10 MB, topics that are none of the contract's, and between them good messages that must arrive."""
    with (
        GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path) as gateway,
        MqttDevice(mosquitto.port, "w-1") as w1,
    ):
        w1.vitals(10)
        w1.publish("motion", b"\x81" * 10_000_000)
        w1.publish("vitals", b"{" * 4_097)
        w1.publish("care/v1/no such device/vitals", b"{}")
        w1.publish("care/v1/名/event", b"{}")
        w1.publish(f"care/v1/{'x' * 65}/motion", b"")
        w1.vitals(10, first=10)
        w1.flush()
        gateway.wait("acked", 25)
        stats = gateway.stats()
    assert seqs(tmp_path) == list(range(20))
    assert (stats["quarantined_too_large"], stats["quarantined_bad_topic"]) == (2, 3)
    assert stats["pending_bytes"] == 0
    entries = {entry.topic: entry for entry in list_entries(tmp_path / "quarantine")}
    assert entries[b"care/v1/w-1/motion"].size == 10_000_000
    assert len(entries[b"care/v1/w-1/motion"].payload) == 64 << 10


def test_a_second_gateway_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    """Two writers would destroy it; the second one is told who has it."""
    folders = (tmp_path / "journal", tmp_path / "quarantine", tmp_path / "state")
    with JournalWriter(folders[0] / "raw", consumers=()), pytest.raises(JournalLocked):
        Gateway(GatewaySettings(), *folders)


def test_the_counters_are_left_in_a_file_for_the_doctor(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """``gateway.json`` has what :meth:`Gateway.stats` says, also after a clean stop."""
    with (
        GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path) as gateway,
        MqttDevice(mosquitto.port, "w-1") as w1,
    ):
        wait_until(lambda: (tmp_path / "state" / "gateway.json").exists())
        w1.vitals(7)
        gateway.wait("acked", 7)
    stats = json.loads((tmp_path / "state" / "gateway.json").read_text())
    assert (stats["received"], stats["acked"], stats["journaled"]) == (7, 7, 8)
    assert stats["written_ms"] > 1_700_000_000_000
