"""Whatever bytes come, the session ends with a protocol error or goes on, and holds no more than it may."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes

from ingest.mqtt.errors import ProtocolError
from ingest.mqtt.events import Connected
from ingest.mqtt.packets import Connect
from ingest.mqtt.reasons import Code
from ingest.mqtt.session import Session
from tests.ingest.mqtt import broker_packets as broker

_MAX_PACKET = 3_000
_CAPACITY = 2_000

Outcome = tuple[list[object], int | None]


def feed(stream: bytes, sizes: random.Random, *, level: int = 5, connected: bool = True) -> Outcome:
    """Events and messages until the end or the error, and the error's code; the bound on memory is checked."""
    session = Session(
        Connect("x", maximum_packet_bytes=_MAX_PACKET, topic_alias_maximum=5), level=level, capacity=_CAPACITY
    )
    session.open()
    heard: list[object] = []
    if connected:
        stream = broker.connack(level) + stream
    at = 0
    try:
        while at < len(stream):
            if session.is_full:
                heard += messages(session)
            room = session.room()
            piece = stream[at : at + min(len(room), sizes.choice([1, 1, 2, 3, 10, 200, 5_000]))]
            room[: len(piece)] = piece
            at += len(piece)
            heard += session.received(len(piece))
            assert session.pending_bytes <= max(_MAX_PACKET, _CAPACITY)
        heard += messages(session)
    except ProtocolError as error:
        with contextlib.suppress(ProtocolError):
            messages(session)  # what came before it, as at the end of a connection
        session.lost()
        return heard, error.code
    return heard, None


def messages(session: Session) -> list[object]:
    """What can be taken now."""
    publishes = session.take()
    if publishes is None:
        return []
    assert len(publishes.data) <= max(_MAX_PACKET, _CAPACITY)
    return [(publishes.topic(row), publishes.payload(row)) for row in range(len(publishes))]


def bodies(heard: list[object]) -> list[tuple[bytes, bytes]]:
    """Topic and payload of the messages among what was heard."""
    return [one for one in heard if type(one) is tuple]


def sound(rng: random.Random, level: int) -> bytes:
    """A stream of packets that are as they should be."""
    out = b""
    for mid in range(1, rng.randint(2, 25)):
        out += rng.choice(
            [
                broker.publish(b"a/b", bytes(rng.randint(0, 300)), mid, qos=rng.choice([0, 1, 2]), level=level),
                broker.publish(b"care/v1/w/motion", bytes(700), mid, level=level),
                broker.PINGRESP,
                broker.answer(PacketTypes.PUBREL, mid, 0, level),
                broker.answer(PacketTypes.PUBACK, mid, 0x10 if level == 5 else 0, level),
                broker.granted(PacketTypes.UNSUBACK, mid, b"\x00", level),
            ]
        )
    return out


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=4_000), level=st.sampled_from([5, 4]), connected=st.booleans(), seed=st.integers())
def test_noise_is_no_more_than_a_protocol_error(noise: bytes, level: int, connected: bool, seed: int) -> None:
    """Not a single other exception, before or after CONNACK; and no more is heard than was said."""
    heard, code = feed(noise, random.Random(seed), level=level, connected=connected)
    assert code is None or code >= Code.FAILURE
    if connected and code is None:
        assert isinstance(heard[0], Connected)
    assert sum(len(payload) for _, payload in bodies(heard)) <= len(noise)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 1 << 40), level=st.sampled_from([5, 4]))
def test_a_damaged_stream_is_no_more_than_a_protocol_error(seed: int, level: int) -> None:
    """Bits turned, bytes lost, bytes too many: in the middle of packets that are sound. Those before are heard as they
    were, though a break of the rules takes along what nobody had taken yet."""
    rng = random.Random(seed)
    stream = bytearray(sound(rng, level))
    sound_until, whole = len(stream), bytes(stream)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(stream))
        sound_until = min(sound_until, at)
        match rng.randrange(3):
            case 0:
                stream[at] ^= 1 << rng.randrange(8)
            case 1:
                del stream[at : at + rng.randint(1, 4)]
            case _:
                stream[at:at] = rng.randbytes(rng.randint(1, 4))
        if not stream:
            return
    heard, code = feed(bytes(stream), rng, level=level)
    assert code is None or code >= Code.FAILURE
    before, _ = feed(whole[:sound_until], rng, level=level)
    compared = min(len(bodies(heard)), len(bodies(before))) if code is not None else len(bodies(before))
    assert bodies(heard)[:compared] == bodies(before)[:compared]


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 1 << 40), damage=st.booleans())
def test_how_the_stream_is_cut_changes_nothing(seed: int, damage: bool) -> None:
    """Byte by byte or all at once: the same messages in the same order, and the same error where there is one."""
    rng = random.Random(seed)
    stream = bytearray(sound(rng, 5))
    if damage:
        stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    heard = [feed(bytes(stream), random.Random(seed + n)) for n in range(3)]
    assert len({outcome[1] is None for outcome in heard}) == 1
    if heard[0][1] is None:
        for other in heard[1:]:
            assert bodies(other[0]) == bodies(heard[0][0])


def _fed(data: bytes) -> Session:
    session = Session(Connect("x", maximum_packet_bytes=_MAX_PACKET, topic_alias_maximum=5), capacity=_CAPACITY)
    session.open()
    data = broker.connack() + data
    session.room()[: len(data)] = data
    session.received(len(data))
    session.take()
    return session


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (b"\x32" + broker.length(_MAX_PACKET), Code.PACKET_TOO_LARGE),
        (b"\x32\xff\xff\xff\x7f", Code.PACKET_TOO_LARGE),
        (b"\x32\xff\xff\xff\xff", Code.MALFORMED_PACKET),
        (b"\x32\x80\x00", Code.MALFORMED_PACKET),
        (b"\x32\x88\x00" + b"\x00\x01a\x00\x01\x00xy", Code.MALFORMED_PACKET),  # a length longer than it need be
        (b"\x36\x05\x00\x01a\x00\x01", Code.MALFORMED_PACKET),
        (b"\x38\x04\x00\x01a\x00", Code.MALFORMED_PACKET),
        (b"\x00", Code.MALFORMED_PACKET),
        (b"\x10\x00", Code.MALFORMED_PACKET),
        (b"\xd1\x00", Code.MALFORMED_PACKET),
        (b"\xd0\x01x", Code.MALFORMED_PACKET),
        (broker.connack(), Code.PROTOCOL_ERROR),
        (broker.publish(b"a", mid=0), Code.MALFORMED_PACKET),
        (broker.publish(b"", mid=1), Code.PROTOCOL_ERROR),
        (broker.publish(b"", mid=1, TopicAlias=2), Code.PROTOCOL_ERROR),
        (broker.publish(b"a", mid=1, TopicAlias=6), Code.TOPIC_ALIAS_INVALID),
        (broker.packet(0x30, b"\x00\x09a/b"), Code.MALFORMED_PACKET),
        (broker.packet(0x32, b"\x00\x01a\x00"), Code.MALFORMED_PACKET),
        (broker.packet(0x32, b"\x00\x01a\x00\x01"), Code.MALFORMED_PACKET),
        (broker.packet(0x32, b"\x00\x01a\x00\x01\x05\x01\x01"), Code.MALFORMED_PACKET),
        (broker.packet(0x32, b"\x00\x01a\x00\x01\x04\x01\x01\x01\x01"), Code.PROTOCOL_ERROR),
        (broker.packet(0x32, b"\x00\x01a\x00\x01\x02\x24\x01"), Code.PROTOCOL_ERROR),
        (broker.packet(0x32, b"\x00\x01a\x00\x01\x03\x26\x00\x01"), Code.MALFORMED_PACKET),
        (broker.granted(PacketTypes.SUBACK, 1, b"\x01"), Code.PROTOCOL_ERROR),
        (broker.answer(PacketTypes.PUBCOMP, 1), Code.PROTOCOL_ERROR),
        (broker.packet(0x62, b"\x00\x00"), Code.PROTOCOL_ERROR),
        (broker.packet(0x40, b"\x01"), Code.MALFORMED_PACKET),
    ],
    ids=lambda value: value.name if isinstance(value, Code) else value[:12].hex(),
)
def test_what_the_standard_forbids_is_answered_with_its_reason_code(packet: bytes, code: Code) -> None:
    """One packet each, that breaks one rule; the code is what DISCONNECT will say."""
    with pytest.raises(ProtocolError) as raised:
        _fed(packet)
    assert raised.value.code == code


def test_a_packet_that_announces_too_much_is_refused_before_any_of_it_is_kept() -> None:
    """The header alone is enough, and the largest that is allowed is taken."""
    rest = broker.publish(b"a", bytes(_MAX_PACKET - 9), 1)
    assert len(rest) == _MAX_PACKET
    assert feed(rest, random.Random(1)) == ([*feed(b"", random.Random(1))[0], (b"a", bytes(_MAX_PACKET - 9))], None)
    larger = broker.publish(b"a", bytes(_MAX_PACKET - 8), 1)
    assert feed(larger[:3], random.Random(1))[1] == Code.PACKET_TOO_LARGE
