"""A consumer of a journal, in whatever process."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from journal.batch import HEADER_BYTES, Batch, Verdict, parse
from journal.doorbell import Ear
from journal.offsets import OffsetFile, load_offset, offset_path
from journal.segments import Segment, find_next, list_segments

_log = logging.getLogger(__name__)

_POLL_S = 0.02
#: How long bytes at the growing end may make no batch before they count as damage. A write takes milliseconds.
_DAMAGED_AFTER_S = 1.0


@dataclass(slots=True)
class _Stall:
    """Bytes at the reader's position that make no batch (yet)."""

    size: int  # of the segment file, when it was looked at
    since_s: float
    damaged: bool  # rather than incomplete
    searched: bool  # for a whole batch behind the damage, in vain


class JournalReader:
    """Follows a journal from the position that ``consumer`` saved last. For one thread.

    ``damaged_bytes`` counts what was skipped because its checksum did not fit; ``gap_bytes`` what was not there any
    more. Both are logged when they happen.
    """

    def __init__(self, directory: Path, consumer: str) -> None:
        """Open at the saved position. The journal need not exist yet."""
        self.directory = directory
        self.consumer = consumer
        self.committed = load_offset(offset_path(directory, consumer)) or 0
        self.position = self.committed
        self.damaged_bytes = 0
        self.gap_bytes = 0
        self._offset_file: OffsetFile | None = None
        self._ear: Ear | None = None
        self._segment: Segment | None = None
        self._fd = -1
        self._final = False
        self._stall: _Stall | None = None

    def read(self, max_bytes: int = 1 << 20) -> list[Batch]:
        """The next whole batches, about ``max_bytes`` of them but at least one; [] when there is nothing new.

        Never blocks. The same batches are not given again unless :meth:`seek` goes back.
        """
        while True:
            if self._fd >= 0:
                batches, verdict = self._read_here(max_bytes)
                if batches:
                    self._stall = None
                    return batches
            else:
                verdict = Verdict.INCOMPLETE
            if not self._advance(verdict):
                return []

    def _read_here(self, max_bytes: int) -> tuple[list[Batch], Verdict]:
        """Whole batches of the open segment, and what stands behind them."""
        assert self._segment is not None
        offset = self.position - self._segment.start
        # not more than there is: room for all that might be costs more than to read the little that came
        there = max(os.fstat(self._fd).st_size - offset, HEADER_BYTES)
        buffer = os.pread(self._fd, min(max(max_bytes, HEADER_BYTES), there), offset)
        parsed = parse(buffer, 0, self.position)
        if parsed.verdict is Verdict.INCOMPLETE and parsed.size > max_bytes:
            buffer = os.pread(self._fd, parsed.size, offset)
            parsed = parse(buffer, 0, self.position)
        batches: list[Batch] = []
        at = 0
        while parsed.batch is not None:
            batches.append(parsed.batch)
            at += parsed.size
            self.position += parsed.size
            parsed = parse(buffer, at, self.position)
        return batches, parsed.verdict

    def _advance(self, verdict: Verdict) -> bool:
        """Find where to go on when no whole batch stands at the position; whether to read again at once."""
        segments = list_segments(self.directory)
        if self._segment is None:
            return self._open(segments)
        later = [segment for segment in segments if segment.start > self._segment.start]
        if later and not self._final:
            self._final = True  # the writer may have appended between our read and the new segment
            return True
        size = os.fstat(self._fd).st_size
        here = self.position - self._segment.start
        if later:
            if here < size and self._skip_damage(size):
                return True
            self._leave(later[0].start)
            return self._open(segments)
        if here >= size:
            self._stall = None
            return False
        return self._note_stall(size, verdict)

    def _note_stall(self, size: int, verdict: Verdict) -> bool:
        damaged = verdict is not Verdict.INCOMPLETE
        now = time.monotonic()
        if self._stall is None or self._stall.damaged != damaged:
            self._stall = _Stall(size, now, damaged, searched=False)
        if self._stall.size != size:
            self._stall.size, self._stall.searched = size, False
        if damaged and not self._stall.searched and now - self._stall.since_s >= _DAMAGED_AFTER_S:
            self._stall.searched = True
            return self._skip_damage(None)
        return False

    def _skip_damage(self, size: int | None) -> bool:
        """Go to the next whole batch of this segment, if there is one; to its end (``size``) otherwise."""
        assert self._segment is not None
        found = find_next(self._fd, self._segment.start, self.position + 1)
        if found is None and size is None:
            return False
        to = found if found is not None else self._segment.start + (size or 0)
        self.damaged_bytes += to - self.position
        _log.error(
            "%s: %d damaged bytes at position %d of %s are skipped; check the disk",
            self.directory,
            to - self.position,
            self.position,
            self._segment.path.name,
        )
        self.position = to
        self._stall = None
        return found is not None

    def _leave(self, start: int) -> None:
        if start > self.position:
            self._count_gap(start)
        self._close_segment()

    def _count_gap(self, start: int) -> None:
        self.gap_bytes += start - self.position
        _log.warning(
            "%s: %s stood at %d, the journal goes on at %d",
            self.directory,
            self.consumer,
            self.position,
            start,
        )
        self.position = start

    def _open(self, segments: list[Segment]) -> bool:
        """Open the segment that has the position, or the oldest one when that was dropped."""
        if not segments:
            return False
        if segments[0].start > self.position:
            self._count_gap(segments[0].start)
        segment = max(segment for segment in segments if segment.start <= self.position)
        try:
            self._fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # dropped since it was listed
            return True
        self._segment = segment
        self._final = False
        self._stall = None
        return True

    def _close_segment(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._segment = None

    def wait(self, timeout_s: float) -> bool:
        """Block until there is something to read, at most ``timeout_s``; whether there is.

        A datagram from the writer wakes it within a millisecond; where none comes it looks every 20 ms.
        """
        if self._ear is None:
            self._ear = Ear(self.directory, self.consumer)
        deadline = time.monotonic() + timeout_s
        while not self.has_news():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._ear.listen(min(_POLL_S, left)) and self._stall is not None:
                self._stall.size = -1  # look again even if the size should be the same
        return True

    def has_news(self) -> bool:
        """Whether :meth:`read` is worth a try: bytes stand at the position that it has not seen yet."""
        if self._segment is None:
            return any(segment.start + segment.size() > self.position for segment in self._listed())
        size = os.fstat(self._fd).st_size
        if self.position - self._segment.start < size:
            stall = self._stall
            if stall is None or stall.size != size:
                return True
            if stall.damaged and not stall.searched and time.monotonic() - stall.since_s >= _DAMAGED_AFTER_S:
                return True
        last = self._listed()[-1:]
        return bool(last) and last[0].start > self._segment.start

    def _listed(self) -> list[Segment]:
        return list_segments(self.directory)

    def seek(self, position: int) -> None:
        """Read on from ``position``, which must be the start or end of a batch."""
        self._close_segment()
        self._stall = None
        self.position = position

    def commit(self, position: int) -> None:
        """Save ``position``, durably: from there this consumer goes on after a restart. Needs no room on the disk.

        Raises:
            OSError: the consumer is not one of the writer's, and its offset file cannot be made.
        """
        if self._offset_file is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._offset_file = OffsetFile(offset_path(self.directory, self.consumer))
        self._offset_file.save(position)
        self.committed = position

    def lag_bytes(self) -> int:
        """What has been written and not been read."""
        last = self._listed()[-1:]
        return max(last[0].start + last[0].size() - self.position, 0) if last else 0

    def close(self) -> None:
        """Give the files back. The saved position stays."""
        self._close_segment()
        if self._offset_file is not None:
            self._offset_file.close()
            self._offset_file = None
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
