"""Numbers, strings and properties as MQTT writes them. Section numbers are those of MQTT 5.0 (OASIS, 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from ingest.mqtt.errors import ProtocolError
from ingest.mqtt.reasons import Code

Buffer = bytes | bytearray | memoryview

#: Four bytes of seven bits (1.5.5).
MAX_VARINT = (1 << 28) - 1
_MAX_VARINT_BYTES = 4


class Prop(IntEnum):
    """The properties that this side sends or reads (2.2.2.2)."""

    SESSION_EXPIRY = 0x11
    SERVER_KEEP_ALIVE = 0x13
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27


_SUBSCRIPTION_ID = 0x0B
_REPEATABLE = frozenset((Prop.USER_PROPERTY, _SUBSCRIPTION_ID))
_BYTES_OF = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_STRINGS_OF = {**dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), 1), 0x26: 2}

#: Which properties each packet from a broker may have.
IN_PUBLISH = frozenset((0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26))
IN_CONNACK = frozenset(
    (0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A)
)
IN_ACK = frozenset((0x1F, 0x26))
IN_DISCONNECT = frozenset((0x1C, 0x1F, 0x26))


class Properties(NamedTuple):
    """``numbers`` and ``texts`` by property id, as far as they occur; ``end`` is one past the last byte."""

    numbers: dict[int, int]
    texts: dict[int, bytes]
    end: int


def varint(number: int) -> bytes:
    """A variable byte integer (1.5.5). Raises ValueError beyond :data:`MAX_VARINT`."""
    if not 0 <= number <= MAX_VARINT:
        raise ValueError(f"{number} does not fit a variable byte integer: 0 to {MAX_VARINT}")
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        if not number:
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def read_varint(data: Buffer, at: int, end: int) -> tuple[int, int] | None:
    """``(number, one past it)``; None where ``data[:end]`` ends within it.

    Raises:
        ProtocolError: longer than four bytes, or than its number needs.
    """
    number = 0
    for k in range(_MAX_VARINT_BYTES):
        if at + k >= end:
            return None
        byte = data[at + k]
        number |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            if not byte and k:
                raise ProtocolError(Code.MALFORMED_PACKET, f"a length of {k + 1} bytes that needs fewer")
            return number, at + k + 1
    raise ProtocolError(Code.MALFORMED_PACKET, "a length of more than four bytes")


def text(value: str | bytes) -> bytes:
    """A string or binary data with its length (1.5.4, 1.5.6). Raises ValueError beyond 65,535 bytes."""
    raw = value.encode() if isinstance(value, str) else value
    if len(raw) > 0xFFFF:
        raise ValueError(f"{len(raw)} bytes do not fit a string of MQTT: 65535 at most")
    return len(raw).to_bytes(2, "big") + raw


def properties(values: Mapping[int, int]) -> bytes:
    """A packet's properties; numbers only, which is all that this side sends."""
    body = b"".join(bytes((name,)) + value.to_bytes(_BYTES_OF[name], "big") for name, value in values.items())
    return varint(len(body)) + body


def read_properties(data: Buffer, at: int, end: int, allowed: frozenset[int]) -> Properties:
    """The properties that begin at ``at``. Strings are not looked into: they are the sender's affair.

    Raises:
        ProtocolError: they run over ``end``, occur twice, or are not ``allowed`` in this packet.
    """
    length = read_varint(data, at, end)
    if length is None or length[1] + length[0] > end:
        raise ProtocolError(Code.MALFORMED_PACKET, "properties that run over the end of their packet")
    at = length[1]
    stop = at + length[0]
    numbers: dict[int, int] = {}
    texts: dict[int, bytes] = {}
    while at < stop:
        name = data[at]
        at += 1
        if name not in allowed:
            raise ProtocolError(Code.PROTOCOL_ERROR, f"property 0x{name:02x} in a packet that has none of the kind")
        if name not in _REPEATABLE and (name in numbers or name in texts):
            raise ProtocolError(Code.PROTOCOL_ERROR, f"property 0x{name:02x} twice in one packet")
        if name in _BYTES_OF:
            after = at + _BYTES_OF[name]
            numbers[name] = int.from_bytes(data[at:after], "big")
        elif name in _STRINGS_OF:
            after = at
            for _ in range(_STRINGS_OF[name]):
                at = after + 2
                after = at + int.from_bytes(data[after:at], "big")
            texts[name] = bytes(data[at:after])
        else:  # the subscription identifier
            found = read_varint(data, at, stop)
            after = stop + 1 if found is None else found[1]
        if after > stop:
            raise ProtocolError(Code.MALFORMED_PACKET, f"property 0x{name:02x} runs over the end of the properties")
        at = after
    return Properties(numbers, texts, stop)
