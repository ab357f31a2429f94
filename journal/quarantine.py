"""The quarantine: what could not be taken, kept with its reason, in segment files of its own per stage.

``Quarantine`` is the writing side of one stage. The functions below it read, from any process: the command line and the
console use them. Putting entries back is in :mod:`journal.replay`.
"""

from __future__ import annotations

import heapq
import logging
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from journal.batch import Batch
from journal.entry import (
    Entry,
    EntryNotFoundError,
    Stored,
    Tally,
    pack_entry,
    pack_tally,
    parse_id,
    require_stage,
    to_entry,
    unpack,
)
from journal.errors import JournalFull
from journal.quota import DeviceQuota
from journal.segments import batch_at, list_segments, whole_batches
from journal.writer import JournalWriter
from telemetry.errors import Reason
from telemetry.records import RawMessage

_log = logging.getLogger(__name__)

#: Under which name messages without a known device share one quota.
_NO_DEVICE = ""
_QUOTA_WINDOW_S = 86_400.0
#: Entries held back while the disk is full, in bytes; more are only counted.
_MAX_HELD_BYTES = 1 << 20
#: At most this often are the counts alone written, in ms of the messages' receive time.
_TALLY_EVERY_MS = 10_000
_SEGMENTS = 16
#: A full journal looks for room every 50 ms: the last entries get a few chances.
_TRIES_AT_CLOSE = 3
_BETWEEN_TRIES_S = 0.06
_REPLAYED = "replayed.json"


class Quarantine:
    """Where one stage puts what it cannot take. For one thread.

    Never raises for what a message holds, nor on a full disk: then entries wait in memory, and beyond 1 MiB they are
    only counted.
    """

    def __init__(
        self,
        directory: Path,
        stage: str,
        *,
        device_quota_bytes: int = 1 << 20,
        total_bytes: int = 256 << 20,
    ) -> None:
        """Open ``directory/<stage>`` for writing.

        Args:
            device_quota_bytes: kept per device and day, given back evenly; beyond it messages are only counted.
            total_bytes: over this the oldest entries go.

        Raises:
            JournalLocked: another process of this stage is running.
        """
        self.stage = require_stage(stage)
        self._total_bytes = total_bytes
        self._quota = DeviceQuota(device_quota_bytes, _QUOTA_WINDOW_S)
        self._writer = JournalWriter(
            directory / stage,
            consumers=(),
            segment_bytes=max(total_bytes // _SEGMENTS, 1),
            segment_age_s=math.inf,  # a trickle of bad input must not become thousands of small files
            reserve_bytes=0,
        )
        self._tally = Tally()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._full: JournalFull | None = None  # why entries are held
        self._tally_dirty = False
        self._now_ms = self._tallied_ms = 0
        for segment in list_segments(directory / stage):
            for batch in whole_batches(segment):
                self._remember(batch)

    def _remember(self, batch: Batch) -> None:
        for record in batch:
            held = unpack(record)
            if isinstance(held, Tally):
                self._tally = held
            elif held is not None:
                self._quota.take(held.device or _NO_DEVICE, len(record), held.recv_ms)

    def put(self, reason: Reason, detail: str, message: RawMessage, device: str | None) -> None:
        """Keep ``message``, or only count it where ``device`` is over its quota. Durable after :meth:`commit`.

        ``detail`` is what a device maker needs to know; ``device`` is None where the topic does not tell.
        """
        record = pack_entry(reason, detail, message, device)
        self._now_ms = message.recv_ms
        fits = self._held_bytes + len(record) <= _MAX_HELD_BYTES or not self._held or self._flush()
        if fits and self._quota.take(device or _NO_DEVICE, len(record), message.recv_ms):
            self._held.append(record)
            self._held_bytes += len(record)
            counts = self._tally.kept
        else:
            counts = self._tally.counted
        counts[reason.value] = counts.get(reason.value, 0) + 1
        self._tally_dirty = True

    def commit(self) -> bool:
        """Make what was put durable, with one sync. Cheap where there is nothing.

        False while the disk is full and entries wait in memory.

        Raises:
            CommitFailedError: the disk fails.
        """
        if self._held or (self._tally_dirty and abs(self._now_ms - self._tallied_ms) >= _TALLY_EVERY_MS):
            self._flush()
        self._writer.commit()
        return not self._held

    def ensure(self) -> None:
        """:meth:`commit` for a stage that must not acknowledge or pass a message before it is kept.

        Raises:
            JournalFull: entries wait in memory; hold, and call it again.
            CommitFailedError: the disk fails.
        """
        if not self.commit():
            assert self._full is not None
            raise self._full

    def _flush(self) -> bool:
        try:
            self._writer.append([*self._held, pack_tally(self._tally)])
        except JournalFull as error:  # the writer has logged it, once
            self._full = error
            return False
        self._held.clear()
        self._held_bytes = 0
        self._tally_dirty = False
        self._tallied_ms = self._now_ms
        self._writer.drop_oldest(self._total_bytes)
        return True

    def counts(self) -> dict[str, int]:
        """Messages by reason over all time, restarts included, whether kept or only counted."""
        return self._tally.total()

    def close(self) -> None:
        """Make everything durable and let the next process of this stage in."""
        tries = _TRIES_AT_CLOSE
        while self._tally_dirty and not self._flush() and tries:
            tries -= 1
            time.sleep(_BETWEEN_TRIES_S)
        if self._held:
            _log.error("quarantine %s: the disk is full and %d entries are lost", self.stage, len(self._held))
        self._writer.close()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries: all that fit every field that is not None. ``since_ms`` compares with the receive time."""

    stage: str | None = None
    reason: str | None = None
    device: str | None = None
    since_ms: int | None = None

    def fits(self, stored: Stored) -> bool:
        """Whether an entry is meant; the stage is not looked at."""
        return (
            (self.reason is None or stored.reason == self.reason)
            and (self.device is None or stored.device == self.device)
            and (self.since_ms is None or stored.recv_ms >= self.since_ms)
        )


def stages(directory: Path) -> list[str]:
    """The stages that have a quarantine."""
    return sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []


def iter_entries(directory: Path, wanted: Filter, *, newest_first: bool) -> Iterator[Entry]:
    """The entries that ``wanted`` means, over all stages by receive time. Reads while the stages write."""
    replayed = load_replayed(directory)
    names = stages(directory) if wanted.stage is None else [require_stage(wanted.stage)]
    per_stage = [_stage_entries(directory, stage, wanted, replayed, newest_first) for stage in names]
    return heapq.merge(*per_stage, key=lambda entry: entry.recv_ms, reverse=newest_first)


def _stage_entries(
    directory: Path, stage: str, wanted: Filter, replayed: dict[str, int], newest_first: bool
) -> Iterator[Entry]:
    step = -1 if newest_first else 1
    for segment in list_segments(directory / stage)[::step]:
        batches = list(whole_batches(segment))[::-1] if newest_first else whole_batches(segment)
        for batch in batches:
            for index, record in list(enumerate(batch))[::step]:
                stored = unpack(record)
                if isinstance(stored, Stored) and wanted.fits(stored):
                    yield to_entry(stored, stage, batch.start, index, replayed)


def list_entries(directory: Path, wanted: Filter | None = None, *, limit: int = 100) -> list[Entry]:
    """At most ``limit`` entries, the newest first."""
    return list(islice(iter_entries(directory, wanted or Filter(), newest_first=True), limit))


def get_entry(directory: Path, entry_id: str) -> Entry:
    """The entry with this id.

    Raises:
        BadEntryIdError: no entry can have that id.
        EntryNotFoundError: it was dropped, or never was.
    """
    stage, position, index = parse_id(entry_id)
    homes = [segment for segment in list_segments(directory / stage) if segment.start <= position]
    if not homes:
        raise EntryNotFoundError(entry_id)
    fd = os.open(homes[-1].path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        batch = batch_at(fd, homes[-1].start, position).batch
    finally:
        os.close(fd)
    stored = unpack(batch.records[index]) if batch is not None and index < len(batch) else None
    if not isinstance(stored, Stored):
        raise EntryNotFoundError(entry_id)
    return to_entry(stored, stage, position, index, load_replayed(directory))


def read_tally(directory: Path, stage: str) -> Tally:
    """The counts of a stage as it last wrote them (every 10 s, and with every entry)."""
    for segment in reversed(list_segments(directory / stage)):
        for batch in reversed(list(whole_batches(segment))):
            for record in reversed(batch.records):
                held = unpack(record)
                if isinstance(held, Tally):
                    return held
    return Tally()


def replayed_path(directory: Path) -> Path:
    """The file that remembers what was put back."""
    return directory / _REPLAYED


def load_replayed(directory: Path) -> dict[str, int]:
    """Entry id -> when it was last put back, epoch ms."""
    try:
        return msgspec.json.decode(replayed_path(directory).read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return {}
