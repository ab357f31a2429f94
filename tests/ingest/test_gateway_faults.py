"""The gateway on a full disk, with a broker that hangs, and with somebody who wants its session."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from ingest.gateway_outage import Drain
from ingest.gateway_settings import GatewaySettings
from journal import JournalReader
from telemetry.blocks import messages_of
from tests.servers.gateway import GatewayProcess, GatewayThread, markers, raw_messages, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.mqtt_tap import PINGREQ, PINGRESP, PUBACK, MqttTap


def test_a_full_disk_holds_the_socket_and_loses_nothing(
    mosquitto: Mosquitto, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker keeps the session and what comes; nothing is acknowledged; with room again all of it arrives."""
    caplog.set_level(logging.WARNING, "ingest")
    count, keepalive_s = 500, 1.0
    with (
        MqttTap(mosquitto.port) as tap,
        GatewayThread(
            GatewaySettings(port=tap.port, keepalive_s=keepalive_s, segment_bytes=1 << 20, reserve_bytes=2 << 20),
            small_disk,
        ) as gateway,
        MqttDevice(mosquitto.port, "w-1") as w1,
    ):
        for seq in range(count):
            w1.publish("motion", seq.to_bytes(4, "big") + os.urandom(60_000))
        w1.flush()
        gateway.wait("held", 1)
        held_at = len(tap.packets)
        acked, safe = len(tap.of(PUBACK, from_client=True)), len(raw_messages(small_disk))
        time.sleep(4 * keepalive_s)
        assert acked <= safe < count
        assert len(tap.of(PUBACK, from_client=True)) <= safe
        assert [p for p in tap.packets[held_at:] if p.kind == PINGREQ], "it goes on pinging"
        stats = gateway.stats()
        assert (stats["connected"], stats["reconnects"], stats["held"]) == (1, 0, 1)
        assert stats["held_s"] > 3 * keepalive_s

        arrived = []
        with JournalReader(small_disk / "journal" / "raw", "processor") as processor:

            def drain() -> bool:
                for batch in processor.read():
                    arrived.extend(message for record in batch.records for message in messages_of(record))
                processor.commit(processor.position)
                return len([m for m in arrived if not m.topic.startswith(b"$gateway")]) >= count

            wait_until(drain, 30, what="everything arrives")
        wait_until(lambda: not gateway.stats()["held"])
        gateway.wait("acked", count)
        wait_until(lambda: tap.of(PINGRESP, from_client=False)[-1].at_s > time.monotonic() - keepalive_s)
        assert gateway.stats()["reconnects"] == 0
    payloads = [message.payload for message in arrived if message.topic == b"care/v1/w-1/motion"]
    assert [int.from_bytes(payload[:4], "big") for payload in payloads] == list(range(count))
    lines = [r.getMessage().split(":")[0] for r in caplog.records if r.name == "ingest.gateway_commits"]
    assert lines[0] == "holding"
    assert "resumed after holding" in lines[1]
    assert any(b'"cause": "resumed"' in message.payload for message in arrived)


def test_a_broker_that_hangs_is_left_and_found_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A connection that is open and dead is noticed by its silence, 1.5 keep-alives long."""
    settings = GatewaySettings(port=mosquitto.port, keepalive_s=1, backoff_min_s=0.1, connect_timeout_s=1)
    with GatewayThread(settings, tmp_path) as gateway:
        time.sleep(2.5)
        assert gateway.stats()["reconnects"] == 0, "an idle connection is not a dead one"
        os.kill(mosquitto.pid, signal.SIGSTOP)
        wait_until(lambda: not gateway.stats()["connected"], 4)
        os.kill(mosquitto.pid, signal.SIGCONT)
        gateway.wait("connected", 1)
        with MqttDevice(mosquitto.port, "w-1") as w1:
            w1.vitals(3)
            gateway.wait("acked", 3)


def test_whoever_takes_the_session_is_named_and_nothing_is_lost(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the broker allows two clients of one id, the gateway comes back each time and says what to do."""
    settings = GatewaySettings(port=mosquitto.port, backoff_min_s=0.05, backoff_max_s=0.1)
    with GatewayThread(settings, tmp_path) as gateway, MqttDevice(mosquitto.port, "w-1") as w1:
        for taken in range(3):
            # what it acknowledged would be its own: nobody could bring that back
            thief = MqttDevice(
                mosquitto.port, "carecircle", listen="nothing/of/use", clean_session=False, acknowledges=False
            )
            w1.vitals(10, first=10 * taken)
            thief.close()
            gateway.wait("reconnects", taken + 1)
            gateway.wait("subscribed", 1)
        w1.flush()
        wait_until(lambda: len({json.loads(m.payload)["seq"] for m in raw_messages(tmp_path)}) == 30)
    assert any("is another client using the id 'carecircle'" in r.getMessage() for r in caplog.records)


def test_after_kill_9_the_journal_tells_since_when_messages_may_have_waited(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The heartbeat file stands in for the memory of the process that died; here a minute ago."""
    with GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path):
        pass
    minute_ago_ns = time.time_ns() - 60_000_000_000
    os.utime(tmp_path / "state" / "gateway.alive", ns=(minute_ago_ns, minute_ago_ns))
    with GatewayThread(GatewaySettings(port=mosquitto.port), tmp_path):
        wait_until(lambda: len(markers(tmp_path)) == 2)
    assert markers(tmp_path)[1] == {
        "down_since_ms": minute_ago_ns // 1_000_000,
        "session_present": True,
        "cause": "connected",
    }


def test_a_queue_counts_as_delivered_after_a_pause_or_a_minute() -> None:
    """A crash in the middle of it must not make the rest of the queue look newer than it is."""
    drain = Drain()
    drain.begin(100.0)
    drain.look(100.05)
    assert not drain.done
    for tick in range(1, 590):
        drain.message(100.0 + tick / 10)
        drain.look(100.05 + tick / 10)
    assert not drain.done, "it never paused"
    drain.look(160.1)
    assert drain.done
    drain.begin(200.0)
    drain.message(200.2)
    drain.look(200.25)
    assert not drain.done
    drain.look(200.31)
    assert drain.done
    drain.begin(300.0, empty=True)
    assert drain.done


def test_a_crash_while_the_queue_is_delivered_keeps_the_time_since_which_it_waited(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The second process dies before the queue has paused; the third still knows of the minute."""
    settings = GatewaySettings(port=mosquitto.port)
    with GatewayThread(settings, tmp_path):
        pass
    minute_ago_ns = time.time_ns() - 60_000_000_000
    os.utime(tmp_path / "state" / "gateway.alive", ns=(minute_ago_ns, minute_ago_ns))
    over = threading.Event()
    with MqttDevice(mosquitto.port, "w-1") as w1, GatewayProcess(settings, tmp_path) as gateway:

        def publish() -> None:
            while not over.wait(0.005):
                w1.vitals(5)

        publisher = threading.Thread(target=publish)
        publisher.start()
        wait_until(lambda: len(markers(tmp_path)) == 2)
        time.sleep(1.3)  # longer than from one heartbeat to the next
        gateway.end(signal.SIGKILL)
        over.set()
        publisher.join()
    with GatewayThread(settings, tmp_path):
        wait_until(lambda: len(markers(tmp_path)) == 3)
    assert [m["down_since_ms"] for m in markers(tmp_path)[1:]] == [minute_ago_ns // 1_000_000] * 2
