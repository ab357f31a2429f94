"""Many received messages as one record of the journal `raw`, and the records of both kinds as messages.

A block is little-endian and columnar, so that a reader takes all of it apart at once::

    recv_ms int64 | 0x80 uint8 | calls uint8 | n uint32
    topic_start, topic_end, payload_start, end: uint32 x n each | flags uint8 x n
    data: the bytes that the columns point into

``calls`` is 1 where all messages are of devices and none is an event, 2 where one is an event, 3 where none is and some
are of hubs, 0 where nobody has looked. (Before there was a 3, there was a 1 in its place.)

A record of one message (:func:`telemetry.records.pack_raw`) has its flags where a block has 0x80, which no message has.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.records import Flag, RawMessage, unpack_raw

_HEADER = struct.Struct("<qBBI")
_MARK = 0x80
_MARK_AT = 8
_UNSEEN, _NO_EVENTS, _EVENTS, _HUBS = range(4)
_EVENT = re.compile(rb"/event")
_INDEX = np.dtype("<u4")
_COLUMNS = 4

Bytes = NDArray[np.uint8]
Index = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class RawBlock:
    """n messages that were received together; message ``i`` has its topic and its payload in ``data``.

    Attributes:
        recv_ms: of all of them, epoch milliseconds of the gateway's clock.
        topic_start: ``(n,)`` where each topic begins in ``data``.
        topic_end: ``(n,)`` one past its last byte.
        payload_start: ``(n,)`` where each payload begins.
        end: ``(n,)`` one past its last byte.
        flags: ``(n,)`` bits of :class:`telemetry.records.Flag`.
        data: ``(m,)``; what lies between topics and payloads has no meaning.
    """

    recv_ms: int
    topic_start: Index
    topic_end: Index
    payload_start: Index
    end: Index
    flags: Bytes
    data: Bytes

    def __len__(self) -> int:
        return len(self.flags)

    def message(self, at: int) -> RawMessage:
        """Message ``at``, copied."""
        topic = self.data[self.topic_start[at] : self.topic_end[at]].tobytes()
        payload = self.data[self.payload_start[at] : self.end[at]].tobytes()
        return RawMessage(self.recv_ms, Flag(int(self.flags[at])), topic, payload)

    def messages(self) -> Iterator[RawMessage]:
        """All of them, one by one, in the order of their arrival."""
        return (self.message(at) for at in range(len(self)))


def pack_columns(block: RawBlock, *, events: bool | None = None, hubs: bool = False) -> bytes:
    """The journal record of ``block`` without its ``data``, which follows.

    ``events``: whether there are some in it; where that is known, ``hubs``: whether any message is of a hub.
    """
    calls = _UNSEEN if events is None else _EVENTS if events else _HUBS if hubs else _NO_EVENTS
    columns = (block.topic_start, block.topic_end, block.payload_start, block.end)
    return b"".join(
        (
            _HEADER.pack(block.recv_ms, _MARK, calls, len(block)),
            *(column.astype(_INDEX, copy=False).tobytes() for column in columns),
            block.flags.tobytes(),
        )
    )


def pack_block(block: RawBlock) -> bytes:
    """The journal record of ``block``."""
    return pack_columns(block) + block.data.tobytes()


def is_block(record: bytes | memoryview) -> bool:
    """Whether a raw record holds many messages."""
    return len(record) > _MARK_AT and record[_MARK_AT] == _MARK


def may_hold_events(record: bytes | memoryview) -> bool:
    """Whether there may be an event in a raw record of either kind; cheap, and wrong only where it says that."""
    said = _said(record)
    return said == _EVENTS or (said == _UNSEEN and _EVENT.search(record) is not None)


def may_hold_hubs(record: bytes | memoryview) -> bool:
    """Whether there may be a message of a hub, or of the gateway itself, in a raw record; wrong only where it says
    that."""
    return _said(record) != _NO_EVENTS


def _said(record: bytes | memoryview) -> int:
    return record[_MARK_AT + 1] if is_block(record) and len(record) > _MARK_AT + 1 else _UNSEEN


def unpack_block(record: bytes | memoryview) -> RawBlock:
    """The block of a record; its arrays are views of ``record``.

    Raises:
        ValueError: it is none, or its columns point outside of it.
    """
    if not is_block(record) or len(record) < _HEADER.size:
        raise ValueError(f"raw record of {len(record)} bytes is no block")
    recv_ms, _, _, n = _HEADER.unpack_from(record)
    flags_at = _HEADER.size + _COLUMNS * 4 * n
    data_at = flags_at + n
    if len(record) < data_at:
        raise ValueError(f"raw block of {len(record)} bytes is shorter than the columns of its {n} messages")
    columns = np.frombuffer(record, _INDEX, _COLUMNS * n, _HEADER.size)
    octets = np.frombuffer(record, np.uint8)
    flags, data = octets[flags_at:data_at], octets[data_at:]
    # as bytes: a little district has small blocks, of which each costs more than the messages in it
    if b"\1" in (columns[n:] < columns[:-n]).tobytes() or b"\1" in (columns[-n:] > len(data)).tobytes():
        raise ValueError(f"raw block of {len(record)} bytes has topics or payloads that lie outside of it")
    topic_start, topic_end, payload_start, end = columns.reshape(_COLUMNS, n)
    return RawBlock(recv_ms, topic_start, topic_end, payload_start, end, flags, data)


def messages_of(record: bytes | memoryview) -> Iterator[RawMessage]:
    """The messages of a raw record, of either kind, one by one.

    Raises:
        ValueError: the record is damaged.
    """
    if is_block(record):
        yield from unpack_block(record).messages()
    else:
        yield unpack_raw(record)
