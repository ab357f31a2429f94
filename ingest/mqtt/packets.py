"""The control packets: those that go out as bytes, those that come in as values.

A ``level`` is MQTT's protocol level: 5, or 4 for MQTT 3.1.1, which has neither properties nor most reason codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.mqtt.errors import ProtocolError
from ingest.mqtt.reasons import Code, from_3_1_1
from ingest.mqtt.wire import (
    IN_ACK,
    IN_CONNACK,
    IN_DISCONNECT,
    Prop,
    properties,
    read_properties,
    text,
    varint,
)

MQTT_5 = 5
MQTT_3_1_1 = 4

PINGREQ = b"\xc0\x00"
_NO_PROPERTIES = b"\x00"
_PUBACK = 0x4002  # packet type and remaining length


class Type(IntEnum):
    """The upper half of a packet's first byte (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


@dataclass(frozen=True)
class Connect:
    """Who we are, and what the broker is told of us.

    Attributes:
        clean_start: the broker forgets what it has kept under ``client_id``.
        session_expiry_s: it keeps subscriptions and queue for so long after the connection has ended; 0xFFFFFFFF is
            for ever. MQTT 3.1.1 knows for ever (0 unless ``clean_start``) only.
        receive_maximum: so many QoS 1 and 2 messages it may have under way; ``topic_alias_maximum``, so many aliases
            it may use; ``maximum_packet_bytes``, larger packets it must not send.
    """

    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30
    clean_start: bool = False
    session_expiry_s: int = 0xFFFFFFFF
    receive_maximum: int = 0xFFFF
    topic_alias_maximum: int = 0
    maximum_packet_bytes: int = 16 << 20


class Connack(NamedTuple):
    """The broker's answer to CONNECT; what it did not say has the standard's default."""

    session_present: bool
    code: int
    reason: str
    keepalive_s: int | None = None
    receive_maximum: int = 0xFFFF


class Answer(NamedTuple):
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    mid: int
    code: int


class Granted(NamedTuple):
    """SUBACK or UNSUBACK: a code for each filter."""

    mid: int
    codes: tuple[int, ...]


class Goodbye(NamedTuple):
    """DISCONNECT by the broker."""

    code: int
    reason: str


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + varint(len(body)) + body


def connect(what: Connect, level: int) -> bytes:
    """CONNECT."""
    flags = (0x02 if what.clean_start else 0) | (0x80 if what.username is not None else 0)
    # MQTT 3.1.1 allows no password without a user name (3.1.2.9 there).
    with_password = what.password is not None and (level == MQTT_5 or what.username is not None)
    flags |= 0x40 if with_password else 0
    body = text("MQTT") + bytes((level, flags)) + what.keepalive_s.to_bytes(2, "big")
    if level == MQTT_5:
        body += properties(
            {
                Prop.SESSION_EXPIRY: what.session_expiry_s,
                Prop.RECEIVE_MAXIMUM: what.receive_maximum,
                Prop.TOPIC_ALIAS_MAXIMUM: what.topic_alias_maximum,
                Prop.MAXIMUM_PACKET_SIZE: what.maximum_packet_bytes,
            }
        )
    body += text(what.client_id)
    if what.username is not None:
        body += text(what.username)
    if with_password:
        body += text(what.password or "")
    return _packet(Type.CONNECT << 4, body)


def subscribe(mid: int, filters: Sequence[str], qos: int, level: int) -> bytes:
    """SUBSCRIBE to all ``filters`` with one QoS."""
    body = mid.to_bytes(2, "big") + (_NO_PROPERTIES if level == MQTT_5 else b"")
    return _packet(Type.SUBSCRIBE << 4 | 2, body + b"".join(text(one) + bytes((qos,)) for one in filters))


def unsubscribe(mid: int, filters: Sequence[str], level: int) -> bytes:
    """UNSUBSCRIBE from all ``filters``."""
    body = mid.to_bytes(2, "big") + (_NO_PROPERTIES if level == MQTT_5 else b"")
    return _packet(Type.UNSUBSCRIBE << 4 | 2, body + b"".join(map(text, filters)))


def publish(mid: int, topic: str, payload: bytes, level: int) -> bytes:
    """PUBLISH with QoS 1, not retained."""
    body = text(topic) + mid.to_bytes(2, "big") + (_NO_PROPERTIES if level == MQTT_5 else b"") + payload
    return _packet(Type.PUBLISH << 4 | 2, body)


def pubacks(mids: NDArray[np.uint16]) -> bytes:
    """PUBACK for each of ``mids``, ``(n,)``, in this order; four bytes each."""
    packets = np.empty((len(mids), 2), dtype=">u2")
    packets[:, 0] = _PUBACK
    packets[:, 1] = mids
    return packets.tobytes()


def pubrec(mid: int) -> bytes:
    """PUBREC: the message is taken."""
    return _packet(Type.PUBREC << 4, mid.to_bytes(2, "big"))


def pubcomp(mid: int, level: int, *, known: bool) -> bytes:
    """PUBCOMP: ``mid`` may be used again. Not ``known``: there was no such message here."""
    code = b"" if known or level != MQTT_5 else bytes((Code.PACKET_ID_NOT_FOUND,))
    return _packet(Type.PUBCOMP << 4, mid.to_bytes(2, "big") + code)


def disconnect(code: int, level: int) -> bytes:
    """DISCONNECT; MQTT 3.1.1 has no word for why."""
    return _packet(Type.DISCONNECT << 4, bytes((code,)) if code and level == MQTT_5 else b"")


def _require(enough: bool, body: bytes, what: str) -> None:
    if not enough:
        raise ProtocolError(Code.MALFORMED_PACKET, f"{what} of {len(body)} bytes: {body[:32].hex(' ')}")


def read_connack(body: bytes, level: int) -> Connack:
    """CONNACK. A broker that does not speak MQTT 5 says so in the form of MQTT 3.1.1, which is understood too.

    Raises:
        ProtocolError: it is none.
    """
    _require(len(body) >= 2 and body[0] <= 1, body, "a CONNACK")
    present = bool(body[0])
    if level != MQTT_5 or len(body) == 2:
        return Connack(present, from_3_1_1(body[1]), "")
    found = read_properties(body, 2, len(body), IN_CONNACK)
    _require(found.end == len(body), body, "a CONNACK")
    numbers = found.numbers
    receive_maximum = numbers.get(Prop.RECEIVE_MAXIMUM, 0xFFFF)
    if not receive_maximum or not numbers.get(Prop.MAXIMUM_PACKET_SIZE, 1):
        raise ProtocolError(Code.PROTOCOL_ERROR, "a CONNACK that allows nothing to be sent (a maximum of 0)")
    return Connack(
        present,
        body[1],
        found.texts.get(Prop.REASON_STRING, b"").decode(errors="replace"),
        numbers.get(Prop.SERVER_KEEP_ALIVE),
        receive_maximum,
    )


def read_answer(body: bytes, level: int) -> Answer:
    """PUBACK, PUBREC, PUBREL or PUBCOMP. Raises ProtocolError."""
    _require(len(body) == 2 or (level == MQTT_5 and len(body) > 2), body, "an acknowledgement")
    mid = int.from_bytes(body[:2], "big")
    if not mid:
        raise ProtocolError(Code.PROTOCOL_ERROR, "an acknowledgement of packet identifier 0")
    if len(body) > 3:
        found = read_properties(body, 3, len(body), IN_ACK)
        _require(found.end == len(body), body, "an acknowledgement")
    return Answer(mid, body[2] if len(body) > 2 else Code.SUCCESS)


def read_granted(body: bytes, level: int, *, codes: bool = True) -> Granted:
    """SUBACK, or UNSUBACK (which has no ``codes`` in MQTT 3.1.1). Raises ProtocolError."""
    _require(len(body) >= 2, body, "a SUBACK")
    at = read_properties(body, 2, len(body), IN_ACK).end if level == MQTT_5 else 2
    expected = codes or level == MQTT_5
    _require((len(body) > at) is expected, body, "a SUBACK")
    return Granted(int.from_bytes(body[:2], "big"), tuple(body[at:]))


def read_disconnect(body: bytes, level: int) -> Goodbye:
    """DISCONNECT, which only MQTT 5 lets a broker send. Raises ProtocolError."""
    _require(level == MQTT_5, body, "a DISCONNECT in MQTT 3.1.1")
    reason = b""
    if len(body) > 1:
        found = read_properties(body, 1, len(body), IN_DISCONNECT)
        _require(found.end == len(body), body, "a DISCONNECT")
        reason = found.texts.get(Prop.REASON_STRING, b"")
    return Goodbye(body[0] if body else Code.SUCCESS, reason.decode(errors="replace"))
