"""A small value on disk that can be replaced on a full disk."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import google_crc32c

#: magic, checksum of the rest, length of the value, generation
_HEADER = struct.Struct("<4sIQQ")
_MAGIC = b"CCV1"
_SLOT_BYTES = 1 << 16


class DurableValue:
    """Bytes in one file of two slots, written in turn and in place.

    A rename needs room for the new file, which a full disk has not; and a writer that cannot save cannot move its
    offset either, so that its journal would never give room back. Only a value over 64 KiB makes the file grow.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, made where it is missing (128 KiB). Raises OSError."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._slot_bytes = max(os.fstat(self._fd).st_size // 2, _SLOT_BYTES)
        self._generation = 0
        try:
            if os.fstat(self._fd).st_size < 2 * self._slot_bytes:
                self._extend(0, 2 * self._slot_bytes)
        except OSError:
            os.close(self._fd)
            raise

    def _extend(self, start: int, end: int) -> None:
        """Real bytes, not a hole: a hole needs room when it is written."""
        before = os.fstat(self._fd).st_size
        try:
            _write_all(self._fd, bytes(end - start), start)
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, before)  # the size says where the second slot begins
            raise
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def load(self) -> bytes | None:
        """The value saved last, None where there is none or both slots are damaged."""
        found = [slot for slot in map(self._read, (0, 1)) if slot is not None]
        if not found:
            return None
        self._generation, value = max(found)
        return value

    def _read(self, slot: int) -> tuple[int, bytes] | None:
        raw = os.pread(self._fd, self._slot_bytes, slot * self._slot_bytes)
        if len(raw) < _HEADER.size:
            return None
        magic, checksum, length, generation = _HEADER.unpack_from(raw)
        value = raw[_HEADER.size : _HEADER.size + length]
        if magic != _MAGIC or len(value) != length or checksum != _checksum(value, generation):
            return None
        return generation, value

    def save(self, value: bytes) -> None:
        """Replace the value; durable on return. The one before survives a failure. Raises OSError."""
        if _HEADER.size + len(value) > self._slot_bytes:
            self._grow(_HEADER.size + len(value))
        generation = self._generation + 1
        header = _HEADER.pack(_MAGIC, _checksum(value, generation), len(value), generation)
        _write_all(self._fd, header + value, generation % 2 * self._slot_bytes)
        os.fdatasync(self._fd)
        self._generation = generation

    def _grow(self, needed: int) -> None:
        """Larger slots. The second slot moves, so the value is first saved in the one that stays where it is."""
        value = self.load()
        if value is not None and self._generation % 2 == 1:
            self.save(value)
        size = 1 << (needed - 1).bit_length()
        self._extend(self._slot_bytes, 2 * size)
        self._slot_bytes = size

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _write_all(fd: int, content: bytes, offset: int) -> None:
    """A nearly full disk takes a part and says so only at the next write."""
    while content:
        written = os.pwrite(fd, content, offset)
        content, offset = content[written:], offset + written


def _checksum(value: bytes, generation: int) -> int:
    checksum: int = google_crc32c.extend(google_crc32c.value(generation.to_bytes(8, "little")), value)
    return checksum
