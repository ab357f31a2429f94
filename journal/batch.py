"""The format of a batch in a segment file, little-endian::

    magic 4s | payload length u32 | records u32 | payload crc u32 | position u64 | header crc u32
    payload: record length u32 x records | the records' bytes, back to back

Both checksums are CRC-32C. The header's covers the payload's and the position, so a batch is valid only where it was
written: neither an old block of the disk nor a payload that looks like a batch can be taken for one. Because the header
has its own checksum its length can be trusted when the payload is damaged, and only that batch is lost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from journal.errors import BatchTooLargeError

MAGIC = b"CjB1"
_HEADER = struct.Struct("<4sIIIQI")
_BEFORE_CRC = struct.Struct("<4sIIIQ")
HEADER_BYTES = _HEADER.size
_LENGTH = np.dtype("<u4")

#: A record is what one append is given: its bytes, or the pieces that they are made of.
Record = bytes | tuple[bytes, ...]
#: A piece of this size is written from where it is; smaller ones are put together first.
_WORTH_A_PIECE = 16 << 10

#: The longest payload of one batch. A reader must hold a batch whole, and a damaged length must not ask for gigabytes.
MAX_PAYLOAD_BYTES = 256 << 20


class Batch:
    """What one append wrote: ``start`` and ``end`` are positions, ``lengths`` and ``data`` the records in bulk.

    ``lengths`` is ``(n,)`` uint32, in bytes; ``data`` the records' bytes back to back. ``records`` gives them one by
    one, as views of ``data``. All of them keep the read buffer alive: copy what is to be kept for long.
    """

    def __init__(self, start: int, end: int, lengths: NDArray[np.uint32], data: memoryview) -> None:
        self.start = start
        self.end = end
        self.lengths = lengths
        self.data = data
        self._records = [data] if len(lengths) == 1 else None

    @property
    def records(self) -> list[memoryview]:
        """The records in the order in which they were appended."""
        if self._records is None:
            data = self.data
            self._records = [data[a:b] for a, b in pairwise(accumulate(self.lengths.tolist(), initial=0))]
        return self._records

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[memoryview]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"Batch(start={self.start}, end={self.end}, records={len(self.lengths)})"


class Verdict(Enum):
    """What stands at a place of a segment."""

    VALID = "valid"
    INCOMPLETE = "incomplete"  # what is there may be the beginning of a batch
    DAMAGED_HEADER = "damaged header"  # no batch begins here
    DAMAGED_PAYLOAD = "damaged payload"  # the header is good, so the next batch's place is known


class Parsed(NamedTuple):
    """``size`` is of the whole batch, header included; 0 where it is not known."""

    verdict: Verdict
    size: int
    batch: Batch | None


def size_of(record: Record) -> int:
    """Its bytes."""
    return sum(map(len, record)) if isinstance(record, tuple) else len(record)


def encode(records: Sequence[Record], position: int) -> list[bytes]:
    """A batch that will stand at ``position``: its header, and what follows in as few pieces as need no copy.

    Raises:
        BatchTooLargeError: more than :data:`MAX_PAYLOAD_BYTES`.
    """
    lengths = np.fromiter(map(size_of, records), dtype=_LENGTH, count=len(records))
    length = 4 * len(records) + int(lengths.sum(dtype=np.int64))
    if length > MAX_PAYLOAD_BYTES:
        raise BatchTooLargeError(length, MAX_PAYLOAD_BYTES)
    pieces: list[bytes] = []
    small: list[bytes] = [lengths.tobytes()]
    for record in records:
        for piece in record if isinstance(record, tuple) else (record,):
            if len(piece) < _WORTH_A_PIECE:
                small.append(piece)
            else:
                pieces += (b"".join(small), piece)
                small = []
    pieces.append(b"".join(small))
    crc = 0
    for piece in pieces:
        crc = google_crc32c.extend(crc, piece)
    before = _BEFORE_CRC.pack(MAGIC, length, len(records), crc, position)
    return [before + google_crc32c.value(before).to_bytes(4, "little"), *pieces]


def parse(buffer: bytes, offset: int, position: int) -> Parsed:
    """What stands at ``buffer[offset:]``, which was read at the journal's ``position``."""
    available = len(buffer) - offset
    if available < HEADER_BYTES:
        return Parsed(Verdict.INCOMPLETE, 0, None)
    magic, length, count, payload_crc, written_at, header_crc = _HEADER.unpack_from(buffer, offset)
    if (
        magic != MAGIC
        or written_at != position
        or length > MAX_PAYLOAD_BYTES
        or google_crc32c.value(buffer[offset : offset + _BEFORE_CRC.size]) != header_crc
    ):
        return Parsed(Verdict.DAMAGED_HEADER, 0, None)
    size = HEADER_BYTES + length
    if available < size:
        return Parsed(Verdict.INCOMPLETE, size, None)
    # The extension takes no memoryview; a numpy view spares the copy.
    payload: Any = np.frombuffer(buffer, dtype=np.uint8, count=length, offset=offset + HEADER_BYTES)
    if google_crc32c.value(payload) != payload_crc or length < 4 * count:
        return Parsed(Verdict.DAMAGED_PAYLOAD, size, None)
    lengths = np.frombuffer(buffer, dtype=_LENGTH, count=count, offset=offset + HEADER_BYTES)
    if sum(lengths.tolist()) != length - 4 * count:
        return Parsed(Verdict.DAMAGED_PAYLOAD, size, None)
    data = memoryview(buffer)[offset + HEADER_BYTES + 4 * count : offset + size]
    return Parsed(Verdict.VALID, size, Batch(position, position + size, lengths, data))
