"""The session's rules over several connections, without a socket."""

from __future__ import annotations

import pytest
from paho.mqtt.packettypes import PacketTypes

from ingest.mqtt import packets
from ingest.mqtt.errors import NotConnectedError, ProtocolError
from ingest.mqtt.events import Connected, Dismissed, Event, Published, Refused, Subscribed
from ingest.mqtt.packets import Connect
from ingest.mqtt.publishes import Publishes
from ingest.mqtt.session import Session, State
from tests.ingest.mqtt import broker_packets as broker


def hear(session: Session, *what: bytes) -> list[Event]:
    """The session receives these bytes at once."""
    data = b"".join(what)
    session.room()[: len(data)] = data
    return session.received(len(data))


def connected(session: Session, *, present: bool = False, **limits: int) -> Session:
    """A new connection that the broker accepts; what was sent so far is forgotten."""
    session.open()
    hear(session, broker.connack(session.level, present=present, **limits))
    session.output()
    return session


def new(**options: int) -> Session:
    """A session that is connected for the first time."""
    return connected(Session(Connect("me", topic_alias_maximum=10), **options))


def taken(session: Session) -> Publishes:
    """What has come; there must be something."""
    publishes = session.take()
    assert publishes is not None
    return publishes


def topics(publishes: Publishes) -> list[bytes]:
    """The topics of all messages."""
    return [publishes.topic(row) for row in range(len(publishes))]


def test_a_topic_alias_dies_with_its_connection() -> None:
    """Receivers that kept the table, or forgot it within a connection, looped for ever on what came again."""
    session = new()
    hear(
        session, broker.publish(b"care/v1/w/vitals", b"1", 1, TopicAlias=3), broker.publish(b"", b"2", 2, TopicAlias=3)
    )
    first = taken(session)
    hear(session, broker.publish(b"", b"3", 3, TopicAlias=3))
    assert topics(first) + topics(taken(session)) == [b"care/v1/w/vitals"] * 3
    session.lost()
    connected(session, present=True)
    hear(session, broker.publish(b"care/v1/v/vitals", b"1", 1, dup=True, TopicAlias=3))
    hear(session, broker.publish(b"", b"2", 2, dup=True, TopicAlias=3))
    assert topics(taken(session)) == [b"care/v1/v/vitals"] * 2
    session.lost()
    connected(session, present=True)
    hear(session, broker.publish(b"", b"2", 2, dup=True, TopicAlias=3))
    with pytest.raises(ProtocolError, match="never set"):
        session.take()


def test_acknowledgements_leave_in_order_and_only_on_the_connection_of_their_messages() -> None:
    """A packet identifier of the last connection may mean another message on this one."""
    session = new()
    hear(session, *(broker.publish(b"t", b"", mid) for mid in (7, 3, 65_535)), broker.publish(b"t", qos=0))
    before = taken(session)
    assert session.output() == b""
    assert session.acknowledge(before) == 3
    assert session.output() == b"\x40\x02\x00\x07\x40\x02\x00\x03\x40\x02\xff\xff"
    session.lost()
    connected(session, present=True)
    assert session.acknowledge(before) == 0
    assert session.output() == b""


def test_a_qos_2_message_that_is_repeated_on_the_next_connection_is_received_once() -> None:
    """Its PUBREC was never sent; the repetition is answered and is no news."""
    session = new()
    hear(session, broker.publish(b"t", b"x", 5, qos=2))
    assert not taken(session).repeated
    session.lost()
    connected(session, present=True)
    hear(session, broker.publish(b"t", b"x", 5, qos=2, dup=True), broker.publish(b"t", b"y", 6, qos=2))
    again = taken(session)
    assert again.repeated == {0}
    assert session.acknowledge(again) == 2
    assert session.output() == b"\x50\x02\x00\x05\x50\x02\x00\x06"
    hear(session, broker.answer(PacketTypes.PUBREL, 5))
    assert session.output() == b"\x70\x02\x00\x05"
    hear(session, broker.publish(b"t", b"z", 5, qos=2))
    assert not taken(session).repeated, "released: the number is free for another message"
    hear(session, broker.answer(PacketTypes.PUBREL, 9))
    assert session.output() == b"\x70\x03\x00\x09\x92"


@pytest.mark.parametrize("given_up", ["discarded", "lost", "broken"])
def test_a_qos_2_message_that_was_given_up_is_news_when_it_comes_again(given_up: str) -> None:
    """Nobody has taken it, so it must not count as received."""
    session = new()
    hear(session, broker.publish(b"t", b"x" * 200, 5, qos=2))
    if given_up == "discarded":
        session.discard()
    elif given_up == "broken":
        hear(session, broker.publish(b"", b"", 6))
        with pytest.raises(ProtocolError):
            session.take()
    session.lost()
    connected(session, present=True)
    hear(session, broker.publish(b"t", b"x" * 200, 5, qos=2, dup=True))
    assert taken(session).repeated == frozenset()


@pytest.mark.parametrize(
    "bad", [b"\x00\x00", b"\xf0\x00\x00\x00\x00\x00", b"\x32\xff\xff\xff\x7f"], ids=["reserved", "auth", "too large"]
)
def test_what_came_before_a_bad_packet_can_be_taken_and_nothing_of_its_read(bad: bytes) -> None:
    """Also a QoS 2 message beside the bad packet was not received: it is news on the next connection."""
    session = new()
    hear(session, broker.publish(b"t", b"before", 1))
    with pytest.raises(ProtocolError):
        hear(session, broker.publish(b"t", b"beside", 2), broker.publish(b"t", b"twice", 3, qos=2), bad)
    before = taken(session)
    assert [before.payload(row) for row in range(len(before))] == [b"before"]
    session.lost()
    connected(session, present=True)
    hear(session, broker.publish(b"t", b"beside", 2, dup=True), broker.publish(b"t", b"twice", 3, qos=2, dup=True))
    assert taken(session).repeated == frozenset()


def test_a_broker_that_has_forgotten_the_session_begins_anew() -> None:
    """What it sends under a known number then is another message."""
    session = new()
    hear(session, broker.publish(b"t", b"x", 5, qos=2))
    session.take()
    session.lost()
    connected(session, present=False)
    hear(session, broker.publish(b"t", b"x", 5, qos=2))
    assert taken(session).repeated == frozenset()


def test_no_more_is_published_at_once_than_the_broker_allows() -> None:
    """The rest waits for PUBACK, in order; a refusal counts as an answer."""
    session = connected(Session(Connect("me")), ReceiveMaximum=2)
    mids = [session.publish("t", bytes([n])) for n in range(4)]
    assert mids == [1, 2, 3, 4]
    assert session.output().count(b"\x00\x01t") == 2
    assert hear(session, broker.answer(PacketTypes.PUBACK, 2, 0x87)) == [Published(2, 0x87)]
    assert session.output() == packets.publish(3, "t", b"\x02", 5)
    assert hear(session, broker.answer(PacketTypes.PUBACK, 2)) == [], "nothing of that number is under way"
    hear(session, broker.answer(PacketTypes.PUBACK, 1))
    assert session.output() == packets.publish(4, "t", b"\x03", 5)


def test_numbers_under_way_are_not_given_twice() -> None:
    """After 65,535 the numbers begin again and leave out those that are not answered."""
    session = new()
    session.subscribe(["a"])
    assert session.publish("t", b"") == 2
    for _ in range(65_533):
        hear(session, broker.answer(PacketTypes.PUBACK, session.publish("t", b"")))
        session.output()
    assert session.publish("t", b"") == 3


def test_asking_without_a_connection_is_an_error() -> None:
    """Nothing is queued for a connection that may never be."""
    session = Session(Connect("me"))
    for ask in (
        lambda: session.subscribe(["a"]),
        lambda: session.unsubscribe(["a"]),
        lambda: session.publish("a", b""),
    ):
        with pytest.raises(NotConnectedError):
            ask()


@pytest.mark.parametrize(
    ("answer", "level", "event"),
    [
        (broker.connack(5, 0x87, ReasonString="no"), 5, Refused(0x87, "no", 5)),
        (b"\x20\x02\x00\x01", 5, Refused(0x84, "", 5)),
        (b"\x20\x02\x00\x05", 4, Refused(0x87, "", 4)),
        (broker.connack(5, present=True, ServerKeepAlive=7), 5, Connected(True, 7)),
        (b"\x20\x02\x01\x00", 4, Connected(True, 30)),
    ],
)
def test_the_answer_to_connect_is_understood_in_both_versions(answer: bytes, level: int, event: Event) -> None:
    """A broker that knows MQTT 3.1.1 only answers MQTT 5 in its own way."""
    session = Session(Connect("me"), level=level)
    session.open()
    assert hear(session, answer) == [event]
    assert (session.state is State.UP) is isinstance(event, Connected)


def test_a_subscription_is_granted_only_when_every_filter_is() -> None:
    """One refusal among them means that something will not come."""
    session = new()
    session.subscribe(["a", "b"])
    session.subscribe(["c"])
    first, second = hear(
        session,
        broker.granted(PacketTypes.SUBACK, 1, b"\x01\x87"),
        broker.granted(PacketTypes.SUBACK, 2, b"\x01"),
    )
    assert isinstance(first, Subscribed)
    assert isinstance(second, Subscribed)
    assert (first.granted, second.granted) == (False, True)


def test_a_dismissal_names_its_reason() -> None:
    """After it the connection is closed, and what came before it can be taken."""
    session = new()
    events = hear(session, broker.publish(b"t", b"", 1), broker.disconnect(0x8E, ReasonString="another client"))
    assert events == [Dismissed(0x8E, "another client")]
    assert session.state is State.CLOSED
    assert len(taken(session)) == 1


def test_leaving_tells_the_broker_why_in_mqtt_5_only() -> None:
    """MQTT 3.1.1 has a DISCONNECT without words."""
    for level, sent in ((5, b"\xe0\x01\x81"), (4, b"\xe0\x00")):
        session = connected(Session(Connect("me"), level=level))
        session.disconnect(0x81)
        assert session.output() == sent


def test_a_large_message_is_taken_between_small_ones_and_the_buffer_shrinks_again() -> None:
    """The buffer grows for one packet only."""
    session = Session(Connect("me", maximum_packet_bytes=1 << 20), capacity=4_096)
    connected(session)
    sizes = [10, 500_000, 20]
    stream = b"".join(broker.publish(b"t", bytes(size), mid) for mid, size in enumerate(sizes, 1))
    got = []
    while stream:
        room = session.room()
        assert len(room) <= 510_000
        piece, stream = stream[: len(room)], stream[len(room) :]
        room[: len(piece)] = piece
        session.received(len(piece))
        if session.is_full or not stream:
            publishes = taken(session)
            got += [len(publishes.payload(row)) for row in range(len(publishes))]
    assert got == sizes
    assert len(session.room()) == 4_096


def test_other_packets_between_messages_belong_to_none_of_them() -> None:
    """The end of each payload is where the next packet begins, whatever it is."""
    session = new()
    session.publish("own", b"")
    hear(
        session, broker.PINGRESP, broker.publish(b"t", b"first", 1), broker.PINGRESP, broker.PINGRESP,
        broker.publish(b"t", b"second", 2, qos=2), broker.answer(PacketTypes.PUBACK, 1),
        broker.publish(b"t", b"third", 3),
    )  # fmt: skip
    publishes = taken(session)
    assert [publishes.payload(row) for row in range(3)] == [b"first", b"second", b"third"]
