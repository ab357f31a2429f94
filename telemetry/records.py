"""The records in the journals: one received message (`raw`, `replayed`) and one columnar batch of points (`points`).

The header of a raw record is fixed and small so that a reader can take it apart without a parser:
``recv_ms int64 | flags uint8 | topic length uint8 | topic | payload``, little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntFlag
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<qBB")
#: Records of our own in `raw` have topics that no device can have.
OWN_PREFIX = b"$"
#: Written by the gateway whenever messages may have waited at the broker. The payload is JSON: ``down_since_ms`` (they
#: may be as old as that), ``session_present`` and ``cause`` (connected, resumed).
CONNECTED = b"$gateway/connected"
#: Written by the gateway every few seconds in which no message came while it was listening: who is silent then is
#: silent. No payload.
LISTENING = b"$gateway/listening"
#: ``care/v1/`` + 64 characters of device + ``/motion`` are 79; longer topics cannot be ours and are cut.
MAX_TOPIC = 255


class Flag(IntFlag):
    """What the broker, or we, said about the delivery of a message."""

    NONE = 0
    RETAIN = 1  # delivered from the broker's retain store: not something that happens now
    DUP = 2  # the broker had sent it before
    REPLAY = 4  # put back from the quarantine: handled as history


class RawMessage(NamedTuple):
    """One message as it arrived. ``recv_ms`` is the gateway's clock, epoch milliseconds."""

    recv_ms: int
    flags: Flag
    topic: bytes
    payload: bytes


def pack_raw(recv_ms: int, flags: int, topic: bytes, payload: bytes) -> bytes:
    """The journal record of one received message."""
    topic = topic[:MAX_TOPIC]
    return _HEADER.pack(recv_ms, flags, len(topic)) + topic + payload


def unpack_raw(record: bytes | memoryview) -> RawMessage:
    """The message of a journal record.

    Raises:
        ValueError: the record is shorter than its own header says.
    """
    if len(record) < _HEADER.size:
        raise ValueError(f"raw record of {len(record)} bytes is shorter than its header")
    recv_ms, flags, topic_length = _HEADER.unpack_from(record)
    start = _HEADER.size + topic_length
    if len(record) < start:
        raise ValueError(f"raw record of {len(record)} bytes ends within its topic")
    return RawMessage(recv_ms, Flag(flags), bytes(record[_HEADER.size : start]), bytes(record[start:]))


Column = NDArray[np.float64] | list[str] | list[str | None]


@dataclass(frozen=True, slots=True)
class PointBatch:
    """Points of one measurement, by column.

    ``t_ns`` is ``(n,)`` int64, epoch nanoseconds. Each tag column has n strings ("" = the point has not that tag).
    Each field column is ``(n,)`` float64 where NaN means absent, or a list of n strings where None means absent. A
    point's identity is (measurement, tags, t_ns): written again it replaces itself.
    """

    measurement: str
    t_ns: NDArray[np.int64]
    tags: dict[str, list[str]] = field(default_factory=dict)
    fields: dict[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.t_ns)
        for kind, columns in (("tag", self.tags), ("field", self.fields)):
            for name, column in columns.items():
                if len(column) != n:
                    raise ValueError(f"{self.measurement}: {kind} {name!r} has {len(column)} values for {n} points")

    def __len__(self) -> int:
        return len(self.t_ns)

    def take(self, rows: NDArray[np.intp] | list[int]) -> PointBatch:
        """The points at ``rows``, in that order."""
        index = [int(i) for i in rows]
        return PointBatch(
            self.measurement,
            self.t_ns[index],
            {name: [column[i] for i in index] for name, column in self.tags.items()},
            {
                name: column[index] if isinstance(column, np.ndarray) else [column[i] for i in index]
                for name, column in self.fields.items()
            },
        )


class _WireBatch(msgspec.Struct, array_like=True):
    measurement: str
    t_ns: bytes
    tags: dict[str, list[str]]
    numbers: dict[str, bytes]
    strings: dict[str, list[str | None]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_WireBatch)


def pack_points(batch: PointBatch) -> bytes:
    """The journal record of one batch."""
    numbers: dict[str, bytes] = {}
    strings: dict[str, list[str | None]] = {}
    for name, column in batch.fields.items():
        if isinstance(column, np.ndarray):
            numbers[name] = column.astype("<f8", copy=False).tobytes()
        else:
            strings[name] = list(column)
    wire = _WireBatch(batch.measurement, batch.t_ns.astype("<i8", copy=False).tobytes(), batch.tags, numbers, strings)
    return _encoder.encode(wire)


def unpack_points(record: bytes | memoryview) -> PointBatch:
    """The batch of a journal record. Raises msgspec.DecodeError or ValueError when it is none."""
    wire = _decoder.decode(record)
    fields: dict[str, Column] = {name: np.frombuffer(raw, dtype="<f8") for name, raw in wire.numbers.items()}
    fields.update(wire.strings)
    return PointBatch(wire.measurement, np.frombuffer(wire.t_ns, dtype="<i8"), wire.tags, fields)
