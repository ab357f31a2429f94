"""The processor's state on disk: one file, replaced atomically, that belongs to positions in its input journals."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_log = logging.getLogger(__name__)

#: Rises whenever the state's shape changes, a bank's included; a checkpoint of another version is not read.
VERSION = 12
_MAGIC = b"CCCP"
_HEAD_BYTES = 8  # magic, checksum of the rest
_READ_BYTES = 1 << 20


class Parts(dict[str, Callable[[], Any]]):
    """Values of a state that are made when they are written, each forgotten before the next: a district's state would
    be there twice otherwise. They come back as a dict."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State after everything before ``positions`` (journal name -> position) was processed. Parts share nothing."""

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
            file.write(_MAGIC + bytes(_HEAD_BYTES - len(_MAGIC)))
            summed = _Summed(file)
            parts = {name: part for name, part in checkpoint.state.items() if isinstance(part, Parts)}
            whole = {name: part for name, part in checkpoint.state.items() if name not in parts}
            names = {name: list(part) for name, part in parts.items()}
            pickle.dump((VERSION, checkpoint.positions, whole, names), summed, protocol=5)
            for part in parts.values():
                for make in part.values():
                    pickle.dump(make(), summed, protocol=5)
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
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        head = file.read(_HEAD_BYTES)
        checksum = 0
        while some := file.read(_READ_BYTES):
            checksum = zlib.crc32(some, checksum)
        if head[: len(_MAGIC)] != _MAGIC or checksum != int.from_bytes(head[len(_MAGIC) :], "little"):
            _log.error("%s is damaged: starting from the saved offset without the state before it", path)
            return None
        file.seek(_HEAD_BYTES)
        try:
            version, positions, state, *names = pickle.load(file)  # names: since version 8
            for name, keys in (names[0] if names else {}).items():
                state[name] = {key: pickle.load(file) for key in keys}
        except Exception as error:  # a class has moved since
            _log.warning("%s was written by another release (%s): starting without it", path, error)
            return None
    if version != VERSION:
        _log.warning("%s has version %s, this release writes %s: starting without it", path, version, VERSION)
        return Checkpoint({}, state)
    return Checkpoint(positions, state)
