"""Records that know whether they are whole, and the short ways to write and read them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from journal import JournalReader, JournalWriter

_NUMBER = struct.Struct("<II")


def make_record(run: int, number: int, size: int = 700) -> bytes:
    """A record of ``size`` bytes whose content follows from ``run`` and ``number``."""
    head = _NUMBER.pack(run, number)
    filler = hashlib.sha256(head).digest()
    return head + (filler * (size // len(filler) + 1))[: size - len(head)]


def read_record(record: bytes | memoryview) -> tuple[int, int]:
    """``(run, number)`` of a record, which must be whole to the last byte."""
    run, number = _NUMBER.unpack_from(record)
    assert bytes(record) == make_record(run, number, len(record)), f"record {number} of run {run} is not whole"
    return run, number


def open_writer(directory: Path, consumers: Sequence[str] = ("c",), **options: Any) -> JournalWriter:
    """A writer without a reserve, unless ``options`` say so."""
    return JournalWriter(directory, consumers=consumers, **({"reserve_bytes": 0} | options))


def write(directory: Path, *batches: Sequence[bytes], **options: Any) -> list[int]:
    """Append and commit ``batches`` with a writer of their own; the end position of each."""
    with open_writer(directory, **options) as writer:
        ends = []
        for batch in batches:
            ends.append(writer.append(batch))
            writer.commit()
        return ends


def drain(reader: JournalReader, max_bytes: int = 1 << 20) -> list[bytes]:
    """All records that can be read now."""
    records: list[bytes] = []
    while batches := reader.read(max_bytes):
        records.extend(bytes(record) for batch in batches for record in batch)
    return records


def read_all(directory: Path, consumer: str = "c") -> list[bytes]:
    """All records from where ``consumer`` stands, read by a reader of its own."""
    with JournalReader(directory, consumer) as reader:
        return drain(reader)


def segment_names(directory: Path) -> list[str]:
    """The segment files of a journal, in order."""
    return sorted(path.name for path in directory.glob("*.seg"))
