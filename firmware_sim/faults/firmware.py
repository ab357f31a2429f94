"""A firmware bug: messages that no decoder can take, each broken in a way whose reason in the quarantine is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from firmware_sim.faults.afflicted import Afflicted, Span
from firmware_sim.faults.payloads import fields_of
from firmware_sim.faults.settings import BadMessages, BadWay
from firmware_sim.session import Message
from telemetry.diagnosis import is_msgpack
from telemetry.errors import Reason
from telemetry.topics import Stream

#: A number of each stream that the contract asks for or knows, and a value of the wrong type for it.
_FIELD: dict[Stream, tuple[str, str]] = {
    Stream.MOTION: ("fs", "50 Hz"),
    Stream.VITALS: ("hr", "seventy"),
    Stream.STATUS: ("battery", "half"),
}
#: The byte that MessagePack never uses, and no JSON begins with.
_NEVER = b"\xc1"
#: A packed array of one sample has six bytes; of fewer the type of the message says that it is too short.
_SAMPLE_BYTES = 6


def break_messages(to: Afflicted, fault: BadMessages, rng: np.random.Generator, span: Span) -> None:
    """A share of the messages goes out broken, in the place of the good one."""
    streams = {Stream(name) for name in fault.streams}

    def spoil(message: Message, at_ms: int) -> None:
        if at_ms not in span or message.stream not in streams or rng.random() >= fault.of_messages:
            return
        ways = [way for way in fault.ways if way != "wrong_length" or message.stream is Stream.MOTION]
        if not ways:
            return
        boot, seq = to.device.boot, message.seq
        way = ways[int(rng.integers(len(ways)))]
        message.payload, reason, has_key = broken(message.stream, message.payload, way, rng)
        message.outbox = to.aside
        message.sealed = True
        to.record.spoiled(
            message,
            lambda: message in to.aside.messages_taken,
            device=to.id,
            at_ms=at_ms,
            reason=reason.value,
            fault=f"bad_messages: {way}",
            boot=boot if has_key else None,
            seq=seq if has_key else None,
        )

    to.spoils.append(spoil)
    to.record.fault("bad_messages", to.id, span.begin_ms, f"{fault.of_messages:.0%} of {', '.join(sorted(streams))}")


def broken(stream: Stream, payload: bytes, way: BadWay, rng: np.random.Generator) -> tuple[bytes, Reason, bool]:
    """A good ``payload`` broken in one way, why it will be refused, and whether its boot and seq can still be read."""
    return _WAYS[way](stream, payload, rng)


_Broken = tuple[bytes, Reason, bool]


def _truncated(_stream: Stream, payload: bytes, rng: np.random.Generator) -> _Broken:
    return payload[: max(1, int(len(payload) * rng.uniform(0.3, 0.95)))], Reason.UNDECODABLE, False


def _garbage(_stream: Stream, _payload: bytes, rng: np.random.Generator) -> _Broken:
    return _NEVER + rng.bytes(int(rng.integers(8, 200))), Reason.UNDECODABLE, False


def _wrong_type(stream: Stream, payload: bytes, _rng: np.random.Generator) -> _Broken:
    name, wrong = _FIELD[stream]
    return _encoded(payload, fields_of(payload) | {name: wrong}), Reason.INVALID, True


def _nan(stream: Stream, payload: bytes, _rng: np.random.Generator) -> _Broken:
    # JSON has no NaN: this firmware speaks MessagePack
    fields = fields_of(payload) | {_FIELD[stream][0]: math.nan}
    return msgspec.msgpack.encode(fields), Reason.NOT_FINITE, True


def _missing_field(_stream: Stream, payload: bytes, _rng: np.random.Generator) -> _Broken:
    fields = {name: value for name, value in fields_of(payload).items() if name != "t"}
    return _encoded(payload, fields), Reason.INVALID, True


def _wrong_length(_stream: Stream, payload: bytes, _rng: np.random.Generator) -> _Broken:
    fields = fields_of(payload)
    samples: bytes = fields["acc"]
    return _encoded(payload, fields | {"acc": samples + bytes(_SAMPLE_BYTES // 2)}), Reason.WRONG_LENGTH, True


_WAYS: dict[BadWay, Callable[[Stream, bytes, np.random.Generator], _Broken]] = {
    "truncated": _truncated,
    "garbage": _garbage,
    "wrong_type": _wrong_type,
    "nan": _nan,
    "missing_field": _missing_field,
    "wrong_length": _wrong_length,
}


def _encoded(like: bytes, fields: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode(fields) if is_msgpack(like) else msgspec.json.encode(fields)
