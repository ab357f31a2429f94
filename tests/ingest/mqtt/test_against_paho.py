"""The same bytes to our session and to paho: the same messages, events and answers, however the bytes are cut."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.mqtt.events import Connected, Dismissed, Published, Subscribed
from ingest.mqtt.packets import Connect
from ingest.mqtt.session import Session
from tests.ingest.mqtt import broker_packets as broker
from tests.ingest.mqtt.paho_oracle import Heard, paho_hears

_TOPICS = [b"care/v1/w-1/vitals", b"care/v1/w-1/motion", b"x", "care/v1/\u540d/event".encode(), b"z/" + b"y" * 300]
_SIZES = [0, 1, 60, 105, 127, 128, 700, 16_200, 16_400, 40_000]


def session_hears(stream: bytes, level: int, cuts: random.Random) -> Heard:
    """As :func:`tests.ingest.mqtt.paho_oracle.paho_hears`, with the stream in pieces of random size."""
    heard = Heard()
    session = Session(Connect("oracle", topic_alias_maximum=10), level=level, capacity=1 << 16)
    session.open()
    session.output()
    begun = False
    at = 0
    while at < len(stream):
        if session.is_full or cuts.random() < 0.2:
            take(session, heard)
        room = session.room()
        # we ask for nothing before the broker has answered, so it cannot answer what comes then in the same breath
        size = 1 if not begun else min(len(room), cuts.choice([1, 2, 3, 7, 50, 1_000, 100_000]))
        piece = stream[at : at + size]
        room[: len(piece)] = piece
        at += len(piece)
        for event in session.received(len(piece)):
            match event:
                case Connected(present, _):
                    heard.connected.append((present, 0))
                case Subscribed(codes):
                    heard.subscribed.append(codes)
                case Published(mid, code):
                    heard.published.append((mid, code))
                case Dismissed(code, _):
                    take(session, heard)
                    heard.dismissed.append(code)
        if heard.connected and not begun:
            begun = True
            session.subscribe(["care/#"])
            session.publish("care/x", b"own")
            session.output()
    take(session, heard)
    heard.sent += session.output()
    return heard


def take(session: Session, heard: Heard) -> None:
    """Take and acknowledge what there is."""
    publishes = session.take()
    if publishes is None:
        return
    for row in range(len(publishes)):
        if row not in publishes.repeated:
            first = int(publishes.first[row])
            qos = first >> 1 & 3
            message = (publishes.topic(row), publishes.payload(row), qos, bool(first & 1), bool(first & 8))
            heard.messages.append((*message, int(publishes.mid[row])))
    session.acknowledge(publishes)


@dataclass
class Story:
    """A stream, and what of it paho does not resolve: the topics of messages that have an alias only."""

    stream: bytes
    level: int
    aliased: dict[int, bytes] = field(default_factory=dict)


def tell(rng: random.Random) -> Story:
    """Everything that a broker may send, in an order in which it may."""
    level, present = rng.choice([5, 4]), rng.random() < 0.5
    limits = {"ReceiveMaximum": 7, "ServerKeepAlive": 11, "ReasonString": "x"} if rng.random() < 0.5 else {}
    parts = [broker.connack(level, present=present, **limits)]
    due = [
        broker.granted(PacketTypes.SUBACK, 1, bytes([rng.choice([1, 0x80])]), level),
        broker.answer(PacketTypes.PUBACK, 2, rng.choice([0, 0x10, 0x87]) if level == 5 else 0, level),
        broker.granted(PacketTypes.UNSUBACK, 9, b"\x00", level),
    ]
    story = Story(b"", level)
    aliases: dict[int, bytes] = {}
    unreleased: dict[int, bytes] = {}
    for mid in range(100, 100 + rng.randint(0, 40)):
        kind = rng.random()
        if kind < 0.05:
            parts.append(broker.PINGRESP)
        elif kind < 0.1 and due:
            parts.append(due.pop())
        elif kind < 0.25 and unreleased:
            again, sent = unreleased.popitem()
            if rng.random() < 0.3:
                parts.append(bytes([sent[0] | 8]) + sent[1:])  # repeated before it is released
            parts.append(broker.answer(PacketTypes.PUBREL, again, 0, level))
        elif kind < 0.28:
            parts.append(broker.answer(PacketTypes.PUBREL, mid, 0, level))  # not known here
        else:
            parts.append(_message(rng, story, mid, aliases, unreleased))
    parts += [broker.answer(PacketTypes.PUBREL, mid, 0, level) for mid in unreleased]
    parts += due
    if level == 5 and rng.random() < 0.5:
        parts.append(broker.disconnect(rng.choice([0x8B, 0x8E]), ReasonString="bye"))
    story.stream = b"".join(parts)
    return story


def _message(
    rng: random.Random, story: Story, mid: int, aliases: dict[int, bytes], unreleased: dict[int, bytes]
) -> bytes:
    topic, qos = rng.choice(_TOPICS), rng.choice([0, 1, 1, 1, 2])
    payload = mid.to_bytes(2, "big") + rng.randbytes(rng.choice(_SIZES))
    values: dict[str, object] = {}
    if story.level == 5 and rng.random() < 0.4:
        values = rng.choice(
            [
                {"ContentType": "t", "MessageExpiryInterval": 70_000},
                {"UserProperty": [("a", "b" * 200), ("a", "c")], "PayloadFormatIndicator": 1},
                {"CorrelationData": b"\x00\x01", "ResponseTopic": "r", "SubscriptionIdentifier": 300},
            ]
        )
        if rng.random() < 0.5 and qos < 2:  # what is repeated would set the alias back
            values = dict(values) | {"TopicAlias": (alias := rng.randint(1, 3))}
            if alias in aliases and rng.random() < 0.6:
                story.aliased[mid] = aliases[alias]
                topic = b""
            else:
                aliases[alias] = topic
    sent = broker.publish(
        topic, payload, mid if qos else 0, qos=qos, retain=rng.random() < 0.2, dup=qos > 0 and rng.random() < 0.2,
        level=story.level, **values,
    )  # fmt: skip
    if qos == 2:
        unreleased[mid] = sent
    return sent


def _resolved(heard: Heard, story: Story) -> list[tuple[object, ...]]:
    return [
        (topic or story.aliased[int.from_bytes(payload[:2], "big")], payload, *rest)
        for topic, payload, *rest in heard.messages
    ]


def _answers(sent: bytes) -> dict[int, list[bytes]]:
    """What was sent, by packet type, in order; packets are shorter than 128 bytes."""
    out: dict[int, list[bytes]] = {}
    while sent:
        end = 2 + sent[1]
        out.setdefault(sent[0] >> 4, []).append(sent[2:end])
        sent = sent[end:]
    return out


@settings(max_examples=250, deadline=None)
@given(seed=st.integers(0, 1 << 40))
def test_our_session_hears_what_paho_hears(seed: int) -> None:
    """Every packet type; QoS 0 and 1 in the same order, QoS 2 once each, every alias resolved, the same answers."""
    cuts = random.Random(seed)
    story = tell(cuts)
    oracle, ours = paho_hears(story.stream, story.level), session_hears(story.stream, story.level, cuts)
    expected, got = _resolved(oracle, story), ours.messages
    assert [m for m in got if m[2] < 2] == [m for m in expected if m[2] < 2]
    # paho holds these back until they are released
    assert sorted(m[:4] for m in got if m[2] == 2) == sorted(m[:4] for m in expected if m[2] == 2)
    assert (ours.connected, ours.subscribed, ours.dismissed) == (oracle.connected, oracle.subscribed, oracle.dismissed)
    assert ours.published == oracle.published
    if not ours.dismissed:
        theirs, sent = _answers(oracle.sent), _answers(ours.sent)
        assert sent.get(PacketTypes.PUBACK, []) == theirs.get(PacketTypes.PUBACK, [])
        assert {mid[:2] for mid in sent.get(PacketTypes.PUBREC, [])} == {
            mid[:2] for mid in theirs.get(PacketTypes.PUBREC, [])
        }


@settings(max_examples=50, deadline=None)
@given(
    name=st.sampled_from(["SessionExpiryInterval", "ReceiveMaximum", "TopicAliasMaximum", "MaximumPacketSize"]),
    value=st.integers(1, 0xFFFF),
)
def test_what_connect_says_is_what_paho_reads(name: str, value: int) -> None:
    """The properties of our CONNECT by paho's reader."""
    field_of = {
        "SessionExpiryInterval": "session_expiry_s",
        "ReceiveMaximum": "receive_maximum",
        "TopicAliasMaximum": "topic_alias_maximum",
        "MaximumPacketSize": "maximum_packet_bytes",
    }
    session = Session(Connect("me", "user", "secret", **{field_of[name]: value}))
    session.open()
    sent = session.output()
    read = Properties(PacketTypes.CONNECT)
    read.unpack(sent[2 + 10 :])
    assert getattr(read, name) == value
    assert sent.endswith(b"\x00\x02me\x00\x04user\x00\x06secret")
