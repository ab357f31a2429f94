"""A consumer's saved position, kept so that it can be moved on a full disk.

A rename needs room for the new file, and a full disk has none. The file therefore has two slots, a block apart, both
written when it is made. A save overwrites the older slot in place, so the disk need not find room; whichever of the two
a power cut damages, the other one still holds the position before.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import google_crc32c

_SLOT_BYTES = 4096  # a block of its own, so that tearing one slot's write cannot touch the other
_RECORD = struct.Struct("<4sIQQ")
_MAGIC = b"CjO1"
SUFFIX = ".offset"


def offset_path(directory: Path, consumer: str) -> Path:
    """Where ``consumer`` keeps its position."""
    return directory / f"{consumer}{SUFFIX}"


def _pack(generation: int, position: int) -> bytes:
    record = _RECORD.pack(_MAGIC, 0, generation, position)
    crc: int = google_crc32c.value(record)
    return record + crc.to_bytes(4, "little")


def _unpack(slot: bytes) -> tuple[int, int] | None:
    """``(generation, position)``, or None where the slot is damaged."""
    record = slot[: _RECORD.size]
    crc = int.from_bytes(slot[_RECORD.size : _RECORD.size + 4], "little")
    if len(record) < _RECORD.size or not record.startswith(_MAGIC) or google_crc32c.value(record) != crc:
        return None
    _, _, generation, position = _RECORD.unpack(record)
    return generation, position


def _newest(content: bytes) -> tuple[int, int] | None:
    slots = [_unpack(content[start : start + _SLOT_BYTES]) for start in (0, _SLOT_BYTES)]
    return max((slot for slot in slots if slot is not None), default=None)


def load_offset(path: Path) -> int | None:
    """The saved position; None where there is no file or neither slot is whole."""
    try:
        newest = _newest(path.read_bytes())
    except FileNotFoundError:
        return None
    return None if newest is None else newest[1]


class OffsetFile:
    """One consumer's position on the disk."""

    def __init__(self, path: Path, *, first: int = 0) -> None:
        """Open the file, making it with the position ``first`` where there is none.

        Raises:
            OSError: the file cannot be made, for instance because the disk is full.
        """
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            newest = _newest(os.pread(self._fd, 2 * _SLOT_BYTES, 0))
            self._generation, self.position = newest if newest is not None else (0, first)
            if newest is None or os.fstat(self._fd).st_size < 2 * _SLOT_BYTES:
                self._format()
        except OSError:
            os.close(self._fd)
            raise

    def _format(self) -> None:
        os.posix_fallocate(self._fd, 0, 2 * _SLOT_BYTES)
        for generation in (self._generation + 1, self._generation + 2):
            self._write(generation, self.position)
        self._generation += 2
        sync_directory(self.path.parent)

    def _write(self, generation: int, position: int) -> None:
        os.pwrite(self._fd, _pack(generation, position), (generation % 2) * _SLOT_BYTES)
        os.fdatasync(self._fd)

    def save(self, position: int) -> None:
        """Make ``position`` the saved one, durably. Needs no room on the disk."""
        self._write(self._generation + 1, position)
        self._generation += 1
        self.position = position

    def close(self) -> None:
        """Give the file back; the saved position stays."""
        os.close(self._fd)


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable: a new file survives a power cut only after this."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
