"""From a run of received messages to the journal: what is kept, what is refused, in which order, with which flags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.mqtt.packets import Connect
from ingest.mqtt.session import Session
from ingest.mqtt_inbox import EventKey, Inbox, Load
from journal import JournalReader, JournalWriter
from journal.quarantine import Quarantine, list_entries
from telemetry.blocks import is_block, may_hold_events, may_hold_hubs, messages_of
from telemetry.records import LISTENING, Flag
from telemetry.zigbee2mqtt.topics import BaseTopics
from tests.ingest.mqtt import broker_packets as broker

_NOW_MS = 1_700_000_000_123


class Bench:
    """A connected session, an inbox and a journal; the clock stands still."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.inbox = Inbox(lambda: _NOW_MS, BaseTopics(["zigbee2mqtt"]))
        self.session = Session(Connect("x", topic_alias_maximum=5))
        self.session.open()
        self.hear(broker.connack())
        self.journal = JournalWriter(directory / "raw", consumers=("processor",), reserve_bytes=0)
        self.quarantine = Quarantine(directory / "quarantine", "gateway")

    def hear(self, *what: bytes) -> None:
        """These bytes arrive."""
        data = b"".join(what)
        self.session.room()[: len(data)] = data
        self.session.received(len(data))

    def take(self) -> None:
        """What has come is the inbox's now."""
        publishes = self.session.take()
        assert publishes is not None
        self.inbox.receive(publishes)

    def commit(self) -> Load:
        """What the inbox has is safe now."""
        load = self.inbox.gather()
        load.write(self.journal, self.quarantine)
        self.inbox.written(load)
        return load

    def records(self) -> list[bytes]:
        """The journal's records."""
        with JournalReader(self.directory / "raw", "test") as reader:
            return [bytes(record) for batch in reader.read() for record in batch.records]

    def journaled(self) -> list[tuple[bytes, bytes, Flag]]:
        """Topic, payload and flags of every message in the journal."""
        messages = [message for record in self.records() for message in messages_of(record)]
        assert {message.recv_ms for message in messages} <= {_NOW_MS}
        return [(message.topic, message.payload, message.flags) for message in messages]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Everything between socket and disk but the socket."""
    one = Bench(tmp_path)
    yield one
    one.journal.close()
    one.quarantine.close()


VITALS, EVENT = b"care/v1/w-1/vitals", b"care/v1/w-1/event"


def test_a_run_becomes_one_block_with_everything_as_it_came(bench: Bench) -> None:
    """QoS 0 to 2, retained, repeated, with properties, by alias, empty: topic, payload, flags and order."""
    bench.hear(
        broker.publish(VITALS, b"a", qos=0),
        broker.publish(b"care/v1/w-2/motion", bytes(range(256)) * 80, 1, dup=True, TopicAlias=2, ContentType="x" * 200),
        broker.publish(b"", b"by alias", 2, TopicAlias=2),
        broker.PINGRESP,
        broker.publish(EVENT, b"", 3, qos=2, retain=True),
        broker.publish(b"zigbee2mqtt/b\xc3\xbcro/x", b"{}", 4, dup=True, retain=True),
    )
    bench.take()
    bench.commit()
    assert bench.journaled() == [
        (VITALS, b"a", Flag.NONE),
        (b"care/v1/w-2/motion", bytes(range(256)) * 80, Flag.DUP),
        (b"care/v1/w-2/motion", b"by alias", Flag.NONE),
        (EVENT, b"", Flag.RETAIN),
        (b"zigbee2mqtt/b\xc3\xbcro/x", b"{}", Flag.DUP | Flag.RETAIN),
    ]
    assert [is_block(record) for record in bench.records()] == [True]
    assert (bench.inbox.received, bench.inbox.journaled, bench.inbox.pending_bytes) == (5, 5, 0)
    assert bench.inbox.is_empty


def test_what_is_refused_or_unwanted_leaves_the_others_as_they_are(bench: Bench) -> None:
    """Too large, no topic of ours, not UTF-8, a hub's log: the rest is in the journal, and takes no room for them."""
    bench.hear(
        broker.publish(VITALS, b"1", 1),
        broker.publish(VITALS, b"x" * 4_097, 2),
        broker.publish(b"care/v1/no such device/vitals", b"?", 3),
        broker.publish(b"care/v1/\xff/vitals", b"??", 4),
        broker.publish(b"zigbee2mqtt/bridge/logging", b"y" * 50_000, 5),
        broker.publish(b"zigbee2mqtt/" + b"z" * 250, b"???", 6),
        broker.publish(VITALS, b"2", 7),
    )
    bench.take()
    load = bench.commit()
    assert bench.journaled() == [(VITALS, b"1", Flag.NONE), (VITALS, b"2", Flag.NONE)]
    assert sum(map(len, bench.records())) < 200
    entries = {entry.payload[:3]: entry for entry in list_entries(bench.directory / "quarantine")}
    assert {payload: str(entry.reason) for payload, entry in entries.items()} == {
        b"xxx": "too_large", b"?": "bad_topic", b"??": "bad_topic", b"???": "bad_topic",
    }  # fmt: skip
    assert (entries[b"xxx"].device, entries[b"xxx"].size) == ("w-1", 4_097)
    assert (bench.inbox.received, bench.inbox.journaled, bench.inbox.unwanted) == (7, 2, 1)
    assert [mid for publishes in load.publishes for mid in publishes.mid] == list(range(1, 8)), "all are acknowledged"
    bench.hear(broker.publish(b"care/v1/no such device/vitals", b"?", 3))
    bench.take()
    bench.commit()
    assert len(bench.journaled()) == 2, "a bad topic stays one"


def test_a_repeated_qos_2_message_is_not_journaled_again(bench: Bench) -> None:
    """Exactly once, while the session lasts."""
    bench.hear(broker.publish(VITALS, b"1", 1, qos=2))
    bench.take()
    bench.session.lost()
    bench.session.open()
    bench.hear(
        broker.connack(present=True), broker.publish(VITALS, b"1", 1, qos=2, dup=True), broker.publish(VITALS, b"2", 2)
    )
    bench.take()
    bench.commit()
    assert [payload for _, payload, _ in bench.journaled()] == [b"1", b"2"]
    assert (bench.inbox.received, bench.inbox.journaled) == (2, 2)


def test_a_block_says_whether_events_and_messages_of_hubs_are_in_it(bench: Bench) -> None:
    """The processor looks for calls in no others, and only events hurry it."""
    vitals, event = broker.publish(VITALS, b"{}", 1), broker.publish(EVENT, b"{}", 2)
    hub, log = broker.publish(b"zigbee2mqtt/sos", b"{}", 3), broker.publish(b"zigbee2mqtt/bridge/logging", b"{}", 4)
    for run in ((vitals,), (vitals, event), (vitals, hub), (vitals, log), (event, hub)):
        bench.hear(*run)
        bench.take()
        bench.commit()
    said = [(may_hold_events(record), may_hold_hubs(record)) for record in bench.records()]
    assert [events for events, _ in said] == [False, True, False, False, True]
    assert [hubs for _, hubs in said] == [False, True, True, False, True]  # where events are, nobody says so of hubs


def test_events_are_answered_in_order_but_for_those_that_the_broker_had_retained(bench: Bench) -> None:
    """Each repetition again; what cannot be read has no answer."""
    sos = b'{"t":1,"boot":7,"seq":%d,"type":"sos"}'
    bench.hear(
        broker.publish(EVENT, sos % 1, 1),
        broker.publish(EVENT, sos % 2, 2, retain=True),
        broker.publish(EVENT, b"\xc1", 3),
        broker.publish(VITALS, sos % 3, 4),
        broker.publish(EVENT, sos % 1, 5, dup=True),
    )
    bench.take()
    assert bench.commit().events() == [EventKey("w-1", 7, 1), EventKey("w-1", 7, 1)]


def test_a_mark_stands_where_it_was_made(bench: Bench) -> None:
    """Between the messages before it and those after it."""
    bench.hear(broker.publish(VITALS, b"1", 1))
    bench.take()
    bench.inbox.mark(LISTENING, b"")
    bench.hear(broker.publish(VITALS, b"2", 2))
    bench.take()
    bench.commit()
    assert [topic for topic, _, _ in bench.journaled()] == [VITALS, LISTENING, VITALS]


def test_what_is_under_way_to_the_disk_counts_as_waiting(bench: Bench) -> None:
    """More may come meanwhile; nothing is empty before the last of it is safe."""
    bench.hear(broker.publish(VITALS, b"1", 1))
    bench.take()
    load = bench.inbox.gather()
    assert not bench.inbox.is_empty
    bench.hear(broker.publish(VITALS, b"2", 2))
    bench.take()
    bench.inbox.written(load)
    assert (bench.inbox.is_empty, bench.inbox.pending_bytes > 0) == (False, True)
    bench.commit()
    assert (bench.inbox.is_empty, bench.inbox.pending_bytes) == (True, 0)
