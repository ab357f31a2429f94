"""From the journals `points` and `reports` to the store, and from there the roll-ups.

An offset is committed only after the store took everything before it and the windows that need a new roll-up are on
disk. Whatever kills this process, the next one writes some points again, which changes nothing.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ingest.coalesce import concatenate
from ingest.durable import DurableValue
from ingest.rollups import DirtyWindows
from ingest.writer_state import STAGE, Counters, Meter, WriterSettings, WriterState
from journal import JournalError, JournalReader
from journal.quarantine import Quarantine
from store import Rejected, SchemaError, Store, StoreError, StoreUnavailable
from store.lines import describe
from store.prepare import check
from telemetry.errors import Reason
from telemetry.records import Flag, PointBatch, RawMessage, unpack_points

log = logging.getLogger(__name__)

CONSUMER = "writer"
JOURNALS = ("points", "reports")

_READ_BYTES = 1 << 20
#: A server that asks for more patience than this is asked again anyway.
_MAX_RETRY_AFTER_S = 300.0
_EXPIRE_EVERY_MS = 3_600_000
#: How long `run` sleeps at most, so that stopping is prompt.
_NAP_S = 0.1


@dataclass(slots=True)
class _Pending:
    """What was read and is not yet in the store, by measurement, and where each journal stands behind it."""

    batches: dict[str, list[PointBatch]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    points: int = 0
    since_ms: int = 0
    closed: bool = False  # a flush has begun: nothing is added until all of it is in


class Writer:
    """One consumer of the journals; see :meth:`step`. For one thread."""

    def __init__(
        self,
        store: Store,
        readers: Sequence[JournalReader],
        quarantine: Quarantine,
        state_file: Path,
        *,
        host: str,
        settings: WriterSettings | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        """Read the saved windows. ``host`` is the tag of our own `pipeline` points. Raises OSError.

        ``readers`` and ``quarantine`` are closed with the writer, the store is not.
        """
        self.state = WriterState.STARTING
        self.detail = ""
        self.counters = Counters()
        self._store = store
        self._readers = tuple(readers)
        self._quarantine = quarantine
        self._settings = settings or WriterSettings()
        self._jitter = jitter or random.Random()
        self._pending = _Pending()
        self._checked = False
        self._failures = 0
        self._retry_at_ms = 0
        self._rollup_retry_at_ms = 0
        self._expired_at_ms: int | None = None
        self._meter = Meter(host)
        self._saved = DurableValue(state_file)
        self._dirty = DirtyWindows(grace_s=self._settings.grace_s, late_grace_s=self._settings.late_grace_s)
        self._saved_windows = self._saved.load()

    def lag_bytes(self) -> int:
        """What stands in the journals and is not yet committed."""
        return sum(reader.lag_bytes() + reader.position - reader.committed for reader in self._readers)

    def step(self, now_ms: int) -> bool:
        """Do one piece of work, if there is any and it is time: read, write, or roll up. Whether something was done.

        Never raises for what the store, the disk or a record does; :attr:`state` and :attr:`detail` say what is wrong.
        """
        wait_ms = self._retry_at_ms - now_ms
        if 0 < wait_ms <= _MAX_RETRY_AFTER_S * 1000:  # more: the clock was set back, not that long was agreed
            return False
        try:
            done = self._work(now_ms)
        except StoreUnavailable as error:
            self._back_off(now_ms, WriterState.WAITING, error, error.retry_after_s)
        except (StoreError, JournalError, OSError) as error:
            self._back_off(now_ms, WriterState.BLOCKED, error)
        except Exception as error:  # a defect of ours must neither lose points nor end the process
            log.exception("writer: unexpected error, trying again")
            self._back_off(now_ms, WriterState.FAILED, error)
        else:
            if self._failures:
                log.warning("writer: writing again after %d attempts", self._failures)
            self._failures = 0
            self.state, self.detail = WriterState.WRITING, ""
            return done
        return False

    def _back_off(self, now_ms: int, state: WriterState, error: Exception, retry_after_s: float | None = None) -> None:
        longest_s = min(self._settings.max_retry_s, self._settings.first_retry_s * 2 ** min(self._failures, 16))
        wait_s = max(self._jitter.uniform(0.5, 1.0) * longest_s, min(retry_after_s or 0.0, _MAX_RETRY_AFTER_S))
        self._retry_at_ms = now_ms + int(wait_s * 1000)
        self._failures += 1
        self._checked = self._checked and state is WriterState.WAITING
        self.counters.retries += 1
        level = logging.WARNING if state is WriterState.WAITING else logging.ERROR
        if state is not self.state or level == logging.ERROR or wait_s >= self._settings.max_retry_s / 2:
            log.log(level, "writer: %s; %d bytes wait, next attempt in %.1f s", error, self.lag_bytes(), wait_s)
        self.state, self.detail = state, str(error)

    def _work(self, now_ms: int) -> bool:
        if not self._checked:
            self._store.check()
            self._checked = True
        if self._saved_windows is not None:
            self._restore(self._saved_windows, now_ms)
        done = False
        if not self._pending.closed:
            self._add_metrics(now_ms)
            done = self._read(now_ms)
        if self._is_due(now_ms):
            self._flush(now_ms)
            done = True
        return self._roll_up(now_ms) or self._expire(now_ms) or done

    def _is_due(self, now_ms: int) -> bool:
        pending = self._pending
        waited_s = abs(now_ms - pending.since_ms) / 1000
        something = bool(pending.points or pending.ends)
        enough = pending.points >= self._settings.max_points or waited_s >= self._settings.max_wait_s
        return pending.closed or (something and enough)

    def _restore(self, encoded: bytes, now_ms: int) -> None:
        try:
            self._dirty.restore(encoded, now_ms)
        except msgspec.DecodeError as error:
            log.error("writer: the saved roll-up windows cannot be read, some may stay as they are: %s", error)
        self._saved_windows = None

    def _read(self, now_ms: int) -> bool:
        pending = self._pending
        any_read = False
        for number, reader in enumerate(self._readers):
            if pending.points >= self._settings.max_points:
                break
            for batch in reader.read(_READ_BYTES):
                if not pending.points and not pending.ends:
                    pending.since_ms = now_ms
                for record in batch.records:
                    self._take(reader, record, now_ms)
                pending.ends[number] = batch.end
                any_read = True
        return any_read

    def _take(self, reader: JournalReader, record: bytes | memoryview, now_ms: int) -> None:
        try:
            points = unpack_points(record)
            check(points)
        except (msgspec.DecodeError, ValueError) as error:
            self.counters.undecodable += 1
            reason = Reason.INVALID if isinstance(error, SchemaError) else Reason.UNDECODABLE
            message = RawMessage(now_ms, Flag.NONE, reader.directory.name.encode(), bytes(record))
            self._quarantine.put(reason, str(error), message, None)
        else:
            self._add(points)

    def _add(self, points: PointBatch) -> None:
        self._pending.batches.setdefault(points.measurement, []).append(points)
        self._pending.points += len(points)

    def _flush(self, now_ms: int) -> None:
        """Everything pending into the store, then what goes with it; on an error the next call goes on from there."""
        pending = self._pending
        pending.closed = True
        for measurement in list(pending.batches):
            points = concatenate(pending.batches[measurement])
            begin = time.perf_counter()
            rejected = self._store.write(points)
            self.counters.write_s += time.perf_counter() - begin
            self.counters.writes += 1
            self.counters.points += len(points) - len(rejected)
            self._put_aside(points, rejected, now_ms)
            self._dirty.mark(points, now_ms)
            del pending.batches[measurement]
        self._quarantine.commit()  # on a full disk entries wait: draining is what makes room
        if self._dirty.unsaved:
            self._save_windows()
        for number, end in pending.ends.items():
            self._readers[number].commit(end)
        self._pending = _Pending()

    def _put_aside(self, points: PointBatch, rejected: Sequence[Rejected], now_ms: int) -> None:
        self.counters.rejected += len(rejected)
        for row, detail in rejected:
            topic = f"points/{points.measurement}".encode()
            message = RawMessage(now_ms, Flag.NONE, topic, describe(points, row).encode("utf-8", "replace"))
            device = points.tags["device"][row] if "device" in points.tags else ""
            self._quarantine.put(Reason.STORE_REJECTED, detail, message, device or None)

    def _save_windows(self) -> None:
        encoded = self._dirty.encode()
        try:
            self._saved.save(encoded)
        except OSError:
            self._dirty.unsaved = True
            raise

    def _roll_up(self, now_ms: int) -> bool:
        """One run of windows. A failure here must not hold up the writing of points: it has a time of its own."""
        if 0 < self._rollup_retry_at_ms - now_ms <= _MAX_RETRY_AFTER_S * 1000:
            return False
        run = self._dirty.due(now_ms)
        if run is None:
            return False
        try:
            self.counters.rollups += self._store.rollup(
                run.measurement,
                start_ms=run.start_ms,
                end_ms=run.end_ms,
                step_s=run.step_s,
                source_bucket=run.source.name,
                target_bucket=run.bucket.name,
                devices=run.devices,
            )
        except StoreError as error:
            log.warning("writer: no roll-up of %s into %s yet: %s", run.measurement, run.bucket.name, error)
            asked_s = error.retry_after_s if isinstance(error, StoreUnavailable) else None
            wait_s = max(self._settings.max_retry_s, min(asked_s or 0.0, _MAX_RETRY_AFTER_S))
            self._rollup_retry_at_ms = now_ms + int(wait_s * 1000)
            return False
        self._dirty.done(run)
        return True

    def _expire(self, now_ms: int) -> bool:
        if self._expired_at_ms is not None and abs(now_ms - self._expired_at_ms) < _EXPIRE_EVERY_MS:
            return False
        self._expired_at_ms = now_ms
        self.counters.expired += self._store.expire(now_ms)
        return True

    def _add_metrics(self, now_ms: int) -> None:
        """Our own `pipeline` point. It is not journaled: what it says is about us and now."""
        point = self._meter.point(self.counters, now_ms, lag_bytes=self.lag_bytes, dirty_windows=len(self._dirty))
        if point is not None:
            if not self._pending.points and not self._pending.ends:
                self._pending.since_ms = now_ms
            self._add(point)

    def run(self, stop: threading.Event, clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        """Work until ``stop`` is set, then write what has been read, if the store takes it at once."""
        while not stop.is_set():
            now_ms = clock()
            if self.step(now_ms):
                continue
            if self.state is WriterState.WRITING:
                self._readers[0].wait(_NAP_S)
            else:
                stop.wait(min(_NAP_S, max(self._retry_at_ms - now_ms, 1) / 1000))
        try:
            self._flush(clock())
        except (StoreError, JournalError, OSError) as error:
            log.warning("writer: stopped with points in the journal that the store has not: %s", error)

    def close(self) -> None:
        """Close the journals, the quarantine and the state file. What was not committed is read again next time."""
        for reader in self._readers:
            reader.close()
        self._quarantine.close()
        self._saved.close()


def open_writer(store: Store, data_dir: Path, *, host: str, settings: WriterSettings | None = None) -> Writer:
    """The writer of a running system whose files are under ``data_dir``.

    Raises:
        journal.JournalLocked: another writer is running there.
        OSError: the folder cannot be written.
    """
    readers = [JournalReader(data_dir / "journal" / name, CONSUMER) for name in JOURNALS]
    quarantine = Quarantine(data_dir / "quarantine", STAGE)
    return Writer(store, readers, quarantine, data_dir / "state" / "rollup-windows", host=host, settings=settings)
