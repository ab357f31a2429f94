"""The processor's state on disk: one file, replaced atomically, that belongs to positions in its input journals."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_log = logging.getLogger(__name__)

#: Rises whenever the state's shape changes, a bank's included; a checkpoint of another version is not read.
VERSION = 7
_MAGIC = b"CCCP"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after everything before ``positions`` (journal name -> position) was processed."""

    positions: dict[str, int]
    state: dict[str, Any]


class _Summed:
    """Writes on, and keeps the checksum of what it wrote."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.checksum = 0

    def write(self, content: bytes) -> int:
        self.checksum = zlib.crc32(content, self.checksum)
        return self._file.write(content)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint; durable on return.

    Raises:
        OSError: the disk is full or fails; the checkpoint before is still whole.
    """
    temporary = path.with_suffix(".new")
    try:
        with temporary.open("wb") as file:
            file.write(_MAGIC + bytes(4))
            summed = _Summed(file)
            # Straight into the file: a district's state is 160 MB, and would be there twice more.
            pickle.dump((VERSION, checkpoint.positions, checkpoint.state), summed, protocol=5)
            file.seek(len(_MAGIC))
            file.write(summed.checksum.to_bytes(4, "little"))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def load(path: Path) -> Checkpoint | None:
    """The last checkpoint; None (with a warning in the log) where it is missing or damaged. One of another version has
    no positions: only what says itself that it can be read may be taken from its state.

    The file is ours, in a folder that only our user writes: it is unpickled.
    """
    try:
        raw = memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    if raw[:4] != _MAGIC or zlib.crc32(raw[8:]) != int.from_bytes(raw[4:8], "little"):
        _log.error("%s is damaged: starting from the saved offset without the state before it", path)
        return None
    try:
        version, positions, state = pickle.loads(raw[8:])
    except Exception as error:  # a class has moved since
        _log.warning("%s was written by another release (%s): starting without it", path, error)
        return None
    if version != VERSION:
        _log.warning("%s has version %s, this release writes %s: starting without it", path, version, VERSION)
        return Checkpoint({}, state)
    return Checkpoint(positions, state)
