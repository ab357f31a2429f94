"""Segment files: their names, their order, what is whole in them, and where the next whole batch begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from journal.batch import HEADER_BYTES, MAGIC, MAX_PAYLOAD_BYTES, Verdict, parse

_SUFFIX = ".seg"
_DIGITS = 20
_SCAN_BYTES = 4 << 20


class Segment(NamedTuple):
    """One file; ``start`` is the position of its first byte."""

    start: int
    path: Path


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
        if len(name) == _DIGITS + len(_SUFFIX) and name.endswith(_SUFFIX) and name[:_DIGITS].isdigit()
    )


def find_next(fd: int, segment_start: int, position: int) -> int | None:
    """The position of the first whole batch at or after ``position``, or None where the rest has none."""
    size = os.fstat(fd).st_size
    offset = position - segment_start
    while offset < size:
        chunk = os.pread(fd, _SCAN_BYTES, offset)
        found = chunk.find(MAGIC)
        while found >= 0:
            if is_whole(fd, segment_start, segment_start + offset + found):
                return segment_start + offset + found
            found = chunk.find(MAGIC, found + 1)
        # A magic may lie across the border of two chunks.
        offset += len(chunk) - (len(MAGIC) - 1) if len(chunk) == _SCAN_BYTES else max(len(chunk), 1)
    return None


def is_whole(fd: int, segment_start: int, position: int) -> bool:
    """Whether a valid batch stands at ``position``."""
    offset = position - segment_start
    parsed = parse(os.pread(fd, HEADER_BYTES, offset), 0, position)
    if parsed.verdict is not Verdict.INCOMPLETE or not parsed.size:
        return parsed.verdict is Verdict.VALID
    return parse(os.pread(fd, parsed.size, offset), 0, position).verdict is Verdict.VALID


def whole_batches(fd: int, segment_start: int) -> Iterator[tuple[int, int]]:
    """``(start, end)`` of each valid batch of a segment, whatever is damaged between them."""
    position: int | None = segment_start
    while position is not None:
        offset = position - segment_start
        header = parse(os.pread(fd, HEADER_BYTES, offset), 0, position)
        size = header.size or HEADER_BYTES
        if size <= HEADER_BYTES + MAX_PAYLOAD_BYTES:
            verdict = parse(os.pread(fd, size, offset), 0, position).verdict
            if verdict is Verdict.VALID:
                yield position, position + size
                position += size
                continue
        position = find_next(fd, segment_start, position + 1)


def whole_end(segment: Segment) -> int:
    """The end of the last valid batch of a segment; its start where it has none. What follows is a torn tail."""
    fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = segment.start
        for _, end in whole_batches(fd, segment.start):  # noqa: B007 - only the last one matters
            pass
        return end
    finally:
        os.close(fd)
