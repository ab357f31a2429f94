"""The one process that appends to a journal."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from journal.batch import Record, encode, size_of
from journal.disk import Reserve, WriterLock, free_bytes, is_full
from journal.doorbell import Doorbell
from journal.errors import CommitFailedError, JournalError, JournalFull
from journal.offsets import SUFFIX, OffsetFile, load_offset, offset_path, sync_directory
from journal.segments import list_segments, segment_path, whole_end

_log = logging.getLogger(__name__)

#: Room beyond the reserve before a full journal takes records again, so that it does not flutter at the edge.
_MARGIN_BYTES = 1 << 20
#: How often a full journal looks whether there is room. In between, append refuses without a system call.
_LOOK_AGAIN_S = 0.05
#: The kernel takes no more at once (IOV_MAX of Linux).
_MOST_PIECES = 1024


class JournalWriter:
    """Appends batches of records, makes them durable, and drops what every consumer has passed.

    For one thread. Opening cuts a torn tail off and begins a new segment behind everything that any consumer has read.
    """

    def __init__(
        self,
        directory: Path,
        *,
        consumers: Sequence[str],
        segment_bytes: int = 256 << 20,
        segment_age_s: float = 600.0,
        reserve_bytes: int = 64 << 20,
    ) -> None:
        """Open the journal for writing, making it where there is none.

        Args:
            consumers: who reads it. Nothing that one of these has not passed is dropped; each begins at the oldest
                record that there is when it is first named.
            segment_bytes: a new segment begins before one grows over this; only whole segments are dropped.
            segment_age_s: ... and at the first append after this, so that a slow journal gives its room back too.
            reserve_bytes: room kept on the disk and given up when it is full, for the journals and offsets *behind*
                this one, so that the consumers can drain it. 0 for a journal that others need not wait for.

        Raises:
            JournalLocked: another process writes it.
            JournalFull: the disk has no room even for the consumers' offsets.
        """
        self.directory = directory
        self._consumers = tuple(consumers)
        self._segment_bytes = segment_bytes
        self._segment_age_s = segment_age_s
        self._reserve = Reserve(directory, reserve_bytes)
        self._look_again_at = 0.0
        self._free = 0
        self._failed: CommitFailedError | None = None
        self._dirty = False
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = WriterLock(directory)
        try:
            self._end = self._recover()
            self._fd = -1
            self._begin_segment()
            self._full = not self._reserve.hold()
        except OSError as error:
            self._lock.release()
            if is_full(error):
                raise JournalFull(directory, free_bytes(directory), _MARGIN_BYTES) from None
            raise
        self._doorbell = Doorbell(directory, self._consumers)

    def _recover(self) -> int:
        """Cut the torn tail, register the consumers; the position at which this writer begins."""
        segments = list_segments(self.directory)
        end = 0
        if segments:
            last = segments[-1]
            end = whole_end(last)
            torn = last.size() - (end - last.start)
            if torn:
                _log.warning("%s: cut %d torn bytes off %s", self.directory, torn, last.path.name)
                with last.path.open("r+b") as file:
                    file.truncate(end - last.start)
                    os.fsync(file.fileno())
        first = segments[0].start if segments else 0
        for consumer in self._consumers:
            OffsetFile(offset_path(self.directory, consumer), first=first).close()
        saved = (load_offset(path) for path in self.directory.glob(f"*{SUFFIX}"))
        # A consumer may have read what a power cut then took away: behind it nothing new may stand.
        return max(end, *(position for position in saved if position is not None), 0)

    def _begin_segment(self) -> None:
        path = segment_path(self.directory, self._end)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        sync_directory(self.directory)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._start = self._end
        self._begun_at = time.monotonic()

    @property
    def position(self) -> int:
        """The end of what has been appended."""
        return self._end

    @property
    def full(self) -> bool:
        """Whether the disk was full at the last append and no room has been found since."""
        return self._full

    def append(self, records: Sequence[Record]) -> int:
        """Write ``records`` as one batch and return its end position. Durable after :meth:`commit`.

        A record may be given as the pieces that it is made of: large ones are written without being copied.

        Raises:
            JournalFull: the disk is full; none of ``records`` was kept. Cheap while it stays so.
            BatchTooLargeError: more than one batch can hold; none was kept.
            CommitFailedError: the disk fails.
        """
        self._require_usable()
        if not records:
            return self._end
        if self._full:
            self._find_room(sum(map(size_of, records)))
        pieces = encode(records, self._end)
        size = sum(map(len, pieces))
        held = self._end - self._start
        try:
            if held and (held + size > self._segment_bytes or time.monotonic() - self._begun_at > self._segment_age_s):
                self._roll()
            self._write(pieces, size)
        except OSError as error:
            os.ftruncate(self._fd, self._end - self._start)
            if not is_full(error):
                raise self._fail(error) from error
            self._reserve.release()
            self._full = True
            self._look_again_at = time.monotonic() + _LOOK_AGAIN_S
            self._free = free_bytes(self.directory)
            _log.warning("%s: the disk is full; released the reserve of %d bytes", self.directory, self._reserve.size)
            raise self._full_error(size) from None
        self._end += size
        self._dirty = True
        return self._end

    def _write(self, pieces: list[bytes], size: int) -> None:
        offset = self._end - self._start
        written = os.pwritev(self._fd, pieces[:_MOST_PIECES], offset)
        while written < size:
            written += os.pwrite(self._fd, b"".join(pieces)[written:], offset + written)

    def _roll(self) -> None:
        if self._dirty:
            os.fdatasync(self._fd)
        self._begin_segment()

    def commit(self) -> None:
        """Make everything appended so far durable, then wake the readers.

        Raises:
            CommitFailedError: the disk refused; this writer takes nothing more.
        """
        self._require_usable()
        if not self._dirty:
            return
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise self._fail(error) from error
        self._dirty = False
        self._doorbell.ring()

    def announce(self) -> None:
        """Wake the readers for what was appended, which a power cut may take away again before :meth:`commit`.

        For records that are then made anew: a reader that was ahead goes on behind where it stood.
        """
        if self._dirty:
            self._doorbell.ring()

    def drop_consumed(self) -> int:
        """Unlink the segments that every consumer has passed; how many. Never the one being written."""
        if not self._consumers:
            return 0
        segments = list_segments(self.directory)
        passed = min(self._passed(consumer, segments[0].start) for consumer in self._consumers)
        dropped = 0
        for segment in segments:
            if segment.start == self._start or segment.start + segment.size() > passed:
                break
            segment.path.unlink()
            dropped += 1
        return dropped

    def drop_oldest(self, keep_bytes: int) -> int:
        """Unlink the oldest segments until the rest has at most ``keep_bytes``, read or not; how many."""
        sized = [(segment, segment.size()) for segment in list_segments(self.directory)]
        total = sum(size for _, size in sized)
        dropped = 0
        for segment, size in sized:
            if total <= keep_bytes or segment.start == self._start:
                break
            segment.path.unlink()
            total -= size
            dropped += 1
        return dropped

    def _passed(self, consumer: str, first: int) -> int:
        saved = load_offset(offset_path(self.directory, consumer))
        return first if saved is None else saved

    def _find_room(self, size: int) -> None:
        """Leave the full state where there is room for the reserve, a margin and ``size``; raise JournalFull else."""
        now = time.monotonic()
        if now < self._look_again_at:
            raise self._full_error(size)
        self._look_again_at = now + _LOOK_AGAIN_S
        try:
            if self._end > self._start and all(self._passed(name, 0) >= self._end for name in self._consumers):
                self._roll()  # all is read, and only a segment that is not written can be dropped
        except OSError as error:
            if not is_full(error):
                raise self._fail(error) from error
        self.drop_consumed()
        self._free = free_bytes(self.directory)
        if self._free < self._needed(size) or not self._reserve.hold():
            raise self._full_error(size)
        self._full = False
        _log.warning("%s: there is room again", self.directory)

    def _needed(self, size: int) -> int:
        return self._reserve.size + min(_MARGIN_BYTES, self._segment_bytes) + size

    def _full_error(self, size: int) -> JournalFull:
        return JournalFull(self.directory, self._free, self._needed(size))

    def _fail(self, error: OSError) -> CommitFailedError:
        self._failed = CommitFailedError(self.directory, error)
        return self._failed

    def _require_usable(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._fd < 0:
            raise JournalError(f"the journal {self.directory} was closed by this process; open it again to append")

    def close(self) -> None:
        """Commit, and let the next writer in."""
        if self._fd < 0:
            return
        try:
            if self._failed is None:
                self.commit()
        finally:
            os.close(self._fd)
            self._fd = -1
            self._doorbell.close()
            self._lock.release()

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
