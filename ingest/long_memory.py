"""What is learnt of homes, on disk: a snapshot now and then, and a log of everything that the bank was told since.

The checkpoint of the processor names the snapshot and how far the logs count. So the bank stands exactly where all else
stands when the processor was killed, and a hundred megabytes are written every ten minutes only, beside the work.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from ingest.banks import UNREADABLE
from ingest.routine_lane import RoutineLane, Told

_log = logging.getLogger(__name__)

#: Rises whenever the shape of a snapshot or of what is told changes; those of another version are not read.
VERSION = 1
_MAGIC = b"CCLM"
_FRAME = 8  # length and checksum
_WHOLE = -1  # all of a log
SNAPSHOT_EVERY_S = 600.0


class Mark(NamedTuple):
    """Where the memory stands: the snapshot to begin with (0: none), and how many bytes of each log count."""

    snapshot: int
    logs: dict[int, int]


class LongMemory:
    """The files of one :class:`RoutineLane` in ``folder``. Snapshots and logs are numbered; log n is told after
    snapshot n."""

    def __init__(self, folder: Path, every_s: float = SNAPSHOT_EVERY_S) -> None:
        self._folder = folder
        self._every_s = every_s
        self._next_s: float | None = None
        self._mark = Mark(0, {0: 0})
        self._number = 0  # of the log that is written
        self._writing: threading.Thread | None = None
        self._written = 0  # the newest snapshot that is durable

    def recall(self, lane: RoutineLane, mark: Mark | None) -> bool:
        """Bring ``lane`` to where ``mark`` says; with None (no checkpoint can be read) to the newest that there is,
        after which something may be missing. True where something is known. Never raises for what is in the files."""
        exact = mark is not None
        if mark is None:
            newest = max(self._numbers("snapshot"), default=0)
            logs = dict.fromkeys(sorted(number for number in self._numbers("log") if number >= newest), _WHOLE)
            mark = Mark(newest, logs or {newest: 0})
        try:
            snapshot = self._read_snapshot(mark.snapshot) if mark.snapshot else None
            told: list[Told] = []
            for number, size in sorted(mark.logs.items()):
                some, mark.logs[number] = self._read_log(number, size)
                told += some
            lane.recall(snapshot, told, exact=exact)
        except (OSError, EOFError, pickle.UnpicklingError, ImportError, *UNREADABLE) as error:
            _log.error("processor: what was learnt of homes cannot be read (%s): it is learnt anew", error)
            lane.forget()
            number = max((*self._numbers("snapshot"), *self._numbers("log"), 0)) + 1
            mark = Mark(0, {number: 0})
        self._mark, self._number, self._written = mark, max(mark.logs), mark.snapshot
        return bool(mark.snapshot or any(mark.logs.values()))

    def save(self, lane: RoutineLane, now_s: float) -> Mark:
        """Make durable what the lane was told since the last call; to be kept in the checkpoint.

        Args:
            lane: whose.
            now_s: of a monotonic clock: another snapshot is begun when it is time.

        Raises:
            OSError: the disk is full or fails; nothing is lost, call again.
        """
        if self._next_s is None:
            self._next_s = now_s + self._every_s
        if lane.told:
            self._append(lane.told)
            lane.told = []
        if self._writing is not None and not self._writing.is_alive():
            self._writing = None
            if self._written > self._mark.snapshot:
                logs = {number: size for number, size in self._mark.logs.items() if number >= self._written}
                self._mark = Mark(self._written, logs)
        if now_s >= self._next_s and self._writing is None:
            self._next_s = now_s + self._every_s
            self._number += 1
            self._mark.logs[self._number] = 0
            self._path("log", self._number).write_bytes(b"")
            self._writing = threading.Thread(target=self._write_snapshot, args=(self._number, lane.snapshot()))
            self._writing.start()
        return Mark(self._mark.snapshot, dict(self._mark.logs))

    def settle(self, mark: Mark) -> None:
        """The checkpoint that holds ``mark`` is durable: what only older ones need is removed."""
        for kind, keep in (("snapshot", {mark.snapshot}), ("log", set(mark.logs))):
            for number in self._numbers(kind):
                if number < min(keep):
                    self._path(kind, number).unlink(missing_ok=True)

    def close(self) -> None:
        """Wait for a snapshot that is being written."""
        if self._writing is not None:
            self._writing.join()

    def _path(self, kind: str, number: int) -> Path:
        return self._folder / f"routine.{number}.{kind}"

    def _numbers(self, kind: str) -> list[int]:
        names = (path.name.split(".")[1] for path in self._folder.glob(f"routine.*.{kind}"))
        return [int(name) for name in names if name.isdecimal()]

    def _append(self, told: list[Told]) -> None:
        body = pickle.dumps((VERSION, told), protocol=5)
        size = self._mark.logs[self._number]
        path = self._path("log", self._number)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(size)  # what a crash, or a full disk, has left of a frame
            file.seek(size)
            file.write(len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body)
            file.flush()
            os.fsync(file.fileno())
        self._mark.logs[self._number] = size + _FRAME + len(body)

    def _read_log(self, number: int, size: int) -> tuple[list[Told], int]:
        """What stands in ``size`` bytes of a log, and how many they are."""
        path = self._path("log", number)
        if size == 0:
            return [], 0
        raw = path.read_bytes()
        whole = len(raw) if size == _WHOLE else size
        told: list[Told] = []
        at = 0
        while at < whole:
            length, crc = (int.from_bytes(raw[at + k : at + k + 4], "little") for k in (0, 4))
            body = raw[at + _FRAME : at + _FRAME + length]
            if len(body) != length or zlib.crc32(body) != crc:
                if size == _WHOLE:
                    break  # of a commit that was cut off
                raise ValueError(f"{path} is damaged at byte {at}")
            version, some = pickle.loads(body)
            if version != VERSION:
                raise ValueError(f"{path} has version {version}, this release writes {VERSION}")
            told += some
            at += _FRAME + length
        return told, at

    def _read_snapshot(self, number: int) -> dict[str, Any]:
        path = self._path("snapshot", number)
        raw = path.read_bytes()
        if raw[:4] != _MAGIC or zlib.crc32(raw[8:]) != int.from_bytes(raw[4:8], "little"):
            raise ValueError(f"{path} is damaged")
        version, snapshot = pickle.loads(raw[8:])
        if version != VERSION:
            raise ValueError(f"{path} has version {version}, this release writes {VERSION}")
        known: dict[str, Any] = snapshot
        return known

    def _write_snapshot(self, number: int, snapshot: dict[str, Any]) -> None:
        path = self._path("snapshot", number)
        temporary = path.with_suffix(".new")
        try:
            body = pickle.dumps((VERSION, snapshot), protocol=5)
            with temporary.open("wb") as file:
                file.write(_MAGIC + zlib.crc32(body).to_bytes(4, "little"))
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            _log.warning("processor: no snapshot of what is learnt of homes (%s); trying again later", error)
            temporary.unlink(missing_ok=True)
            return
        self._written = number
