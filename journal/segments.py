"""Segment files: their names, their order, what is whole in them, and where the next whole batch begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from journal.batch import HEADER_BYTES, MAGIC, Batch, Parsed, Verdict, parse

_SUFFIX = ".seg"
_DIGITS = 20
_SCAN_BYTES = 4 << 20


class Segment(NamedTuple):
    """One file; ``start`` is the position of its first byte."""

    start: int
    path: Path

    def size(self) -> int:
        """Bytes in the file; 0 when it has been dropped."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def segment_path(directory: Path, start: int) -> Path:
    """The file whose first byte stands at ``start``."""
    return directory / f"{start:0{_DIGITS}d}{_SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """The segments in order; none where the folder does not exist yet."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(
        Segment(int(name[:_DIGITS]), directory / name)
        for name in names
        if len(name) == _DIGITS + len(_SUFFIX) and name.endswith(_SUFFIX) and name[:_DIGITS].isdecimal()
    )


def batch_at(fd: int, segment_start: int, position: int) -> Parsed:
    """What stands at ``position`` of an open segment."""
    offset = position - segment_start
    header = parse(os.pread(fd, HEADER_BYTES, offset), 0, position)
    return parse(os.pread(fd, header.size, offset), 0, position) if header.size else header


def find_next(fd: int, segment_start: int, position: int) -> int | None:
    """The position of the first whole batch at or after ``position``, or None where the rest has none."""
    size = os.fstat(fd).st_size
    offset = position - segment_start
    while offset + HEADER_BYTES <= size:
        chunk = os.pread(fd, _SCAN_BYTES, offset)
        found = chunk.find(MAGIC)
        while found >= 0:
            candidate = segment_start + offset + found
            if batch_at(fd, segment_start, candidate).verdict is Verdict.VALID:
                return candidate
            found = chunk.find(MAGIC, found + 1)
        offset += max(len(chunk) - len(MAGIC) + 1, 1)  # a magic may lie across the border of two chunks
    return None


def whole_batches(segment: Segment) -> Iterator[Batch]:
    """The valid batches of a segment file, whatever is damaged between them. None where it has been dropped."""
    try:
        fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        position: int | None = segment.start
        while position is not None:
            batch = batch_at(fd, segment.start, position).batch
            if batch is not None:
                yield batch
                position = batch.end
            else:
                position = find_next(fd, segment.start, position + 1)
    finally:
        os.close(fd)


def whole_end(segment: Segment) -> int:
    """The end of the last valid batch of a segment; its start where it has none. What follows is a torn tail."""
    end = segment.start
    for batch in whole_batches(segment):
        end = batch.end
    return end
