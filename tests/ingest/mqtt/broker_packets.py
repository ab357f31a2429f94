"""What a broker sends, packed without the code under test: paho's properties and a few lines of our own."""

from __future__ import annotations

from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def length(n: int) -> bytes:
    """A remaining length."""
    out = []
    while True:
        n, low = divmod(n, 128)
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def packet(first: int, body: bytes) -> bytes:
    """Any packet."""
    return bytes([first]) + length(len(body)) + body


def props(level: int, kind: int, **values: Any) -> bytes:
    """A packet's properties by paho's names; nothing for MQTT 3.1.1."""
    if level != 5:
        return b""
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return bytes(made.pack())


def connack(level: int = 5, code: int = 0, *, present: bool = False, **values: Any) -> bytes:
    """CONNACK."""
    return packet(0x20, bytes([present, code]) + props(level, PacketTypes.CONNACK, **values))


def publish(
    topic: bytes,
    payload: bytes = b"",
    mid: int = 0,
    *,
    qos: int = 1,
    retain: bool = False,
    dup: bool = False,
    level: int = 5,
    **values: Any,
) -> bytes:
    """PUBLISH."""
    first = 0x30 | dup << 3 | qos << 1 | retain
    head = len(topic).to_bytes(2, "big") + topic + (mid.to_bytes(2, "big") if qos else b"")
    return packet(first, head + props(level, PacketTypes.PUBLISH, **values) + payload)


def answer(kind: int, mid: int, code: int = 0, level: int = 5, **values: Any) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP (``kind`` is paho's); as short as it may be."""
    body = mid.to_bytes(2, "big")
    if level == 5 and (code or values):
        body += bytes([code]) + (props(level, kind, **values) if values else b"")
    return packet(kind << 4 | (2 if kind == PacketTypes.PUBREL else 0), body)


def granted(kind: int, mid: int, codes: bytes, level: int = 5, **values: Any) -> bytes:
    """SUBACK or UNSUBACK."""
    if level != 5 and kind == PacketTypes.UNSUBACK:
        codes = b""
    return packet(kind << 4, mid.to_bytes(2, "big") + props(level, kind, **values) + codes)


def disconnect(code: int, **values: Any) -> bytes:
    """DISCONNECT by the broker; MQTT 5 only."""
    return packet(0xE0, bytes([code]) + props(5, PacketTypes.DISCONNECT, **values))


PINGRESP = packet(0xD0, b"")
