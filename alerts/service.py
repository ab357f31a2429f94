"""The alerts process: detections in, incidents and messages out, everything kept in the database."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from alerts import models
from alerts.counting import count_reasons, newest_row
from alerts.courier import Courier, Job
from alerts.database import raise_change
from alerts.delivery import SendResult
from alerts.handover import is_notice, recover_notices, tell_hand_overs
from alerts.intake import refuse, take_detections
from alerts.lifecycle import State
from alerts.moving import Mover
from alerts.outbox import claim, next_send_ms, record, recover
from alerts.reasons import Reason
from alerts.reports import AreaWatch
from alerts.settings import AlertSettings
from alerts.timers import fire_timers, next_timer_ms
from alerts.visits import VisitWatch
from alerts.writing import queue_record
from detectors.detection import Detection, unpack_detection
from journal import Batch, JournalReader
from registry import Directory, SealedError, current_revision, directory, is_retryable
from registry.database import writing
from registry.presence import presences_now
from telemetry.records import pack_points

__all__ = ["AlertService", "AlertSettings"]

_log = logging.getLogger(__name__)

#: How often the database is looked at when nothing is known to be due: another process may have changed something.
_LOOK_S = 0.5
#: How often it is looked whether sends have come back.
_IN_FLIGHT_LOOK_S = 0.02
_RETRY_S = 0.5
#: How soon it is tried again to read a registry that needs a key which is not there.
_UNREAD_MS = 10_000
#: At most about so much of the journal in one transaction, as others wait for the database meanwhile.
_READ_BYTES = 64 << 10
#: How long a stopping service waits for the answers of what is on its way.
_LAST_ANSWERS_S = 3.0


class Stop(Protocol):
    """What ends :meth:`AlertService.run`: a threading.Event."""

    def is_set(self) -> bool: ...


def wall_clock_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Done:
    """What one transaction came to; it holds once the transaction is committed."""

    busy: dict[str, str]
    jobs: list[Job]
    not_before_ms: int
    counts: Counter[str]
    audited: int
    something: bool


def _busy_with(job: Job) -> str:
    """What a send keeps busy: the responder; a notice of a hand-over only itself, so that no call waits for it."""
    return job.notification if is_notice(job) else job.responder


class AlertService:
    """Consumes the journal `detections` as consumer ``alerts``. For one thread; one process per database.

    Each :meth:`step` is one transaction: results of sends, new detections, due timers, and the claim of the sends that
    follow. The journal's offset moves on after the commit; what a crash delivers again is known by its key.
    ``counts`` counts detections by verdict and by the reason why nobody was told, attempts by reason, and what the
    time lines say of messages as ``sent:delivered``, ``not_sent:acknowledged``, ``failed_over:timeout`` ...
    """

    def __init__(
        self,
        engine: Engine,
        journal_dir: Path,
        settings: AlertSettings,
        clock: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Take up where the last process stood. The tables of registry and alerts must exist (``upgrade``).

        Raises:
            JournalLocked: another alerts process is running on these journals.
        """
        self.counts: Counter[str] = Counter()
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._directory = Directory(revision=-1)
        self._unread_until_ms = 0
        self._recovered = False
        self._audited: int | None = None  # the newest audit row that is in the counts
        self._closed = False
        self._not_before_ms = 0
        self._area_period = -1
        self._areas = AreaWatch()
        self._visits = VisitWatch()
        self._returned: list[tuple[Job, SendResult]] = []
        self._busy: dict[str, str] = {}  # responder -> notification on its way
        self._mover = Mover(engine, journal_dir)
        self._mover.open(clock())
        self._reader = JournalReader(journal_dir / "detections", "alerts")
        self._courier = Courier(settings.webhook_timeout_s)

    @property
    def in_flight(self) -> int:
        """How many messages are on their way."""
        return len(self._busy)

    def step(self, now_ms: int) -> bool:
        """Do what there is to do at ``now_ms``; whether there was anything.

        Raises:
            sqlalchemy.exc.DBAPIError: the database refused; nothing was lost, call it again.
        """
        self._returned += self._courier.results()
        batches = self._reader.read(_READ_BYTES)
        period = int(now_ms // (self._settings.area_state_s * 1000))
        idle = not (self._returned or batches or now_ms >= self._not_before_ms or period != self._area_period)
        if idle:
            return False
        try:
            with writing(self._engine) as connection:
                done = self._transact(connection, batches, period, now_ms)
        except DBAPIError:
            self._reader.seek(self._reader.committed)
            self._visits = VisitWatch()  # what it had found is not written
            raise
        self._returned.clear()
        self._area_period = period
        self._recovered = True
        self._audited = done.audited
        self._busy = done.busy
        self._not_before_ms = done.not_before_ms
        self.counts += done.counts
        for job in done.jobs:
            self._courier.submit(job)
        if batches:
            self._reader.commit(batches[-1].end)
        moved = self._mover.move(now_ms)
        return done.something or moved > 0

    def _transact(self, connection: Connection, batches: list[Batch], period: int, now_ms: int) -> _Done:
        self._refresh(connection, now_ms)
        known = self._directory
        counts: Counter[str] = Counter()
        if self._audited is None:
            self._audited = newest_row(connection)
        if not self._recovered:
            counts[Reason.CRASHED.value] += recover(connection, now_ms)
            recover_notices(connection, now_ms)
        busy = dict(self._busy)
        for job, result in self._returned:
            busy.pop(_busy_with(job), None)
            counts[result.reason.value] += 1
        record(connection, [one for one in self._returned if not is_notice(one[0])], known, now_ms)
        detections = self._unpack(connection, batches, counts, now_ms)
        if detections:
            counts += take_detections(connection, detections, known, self._settings.rules, now_ms)
        fired = fire_timers(connection, known, now_ms)
        if period != self._area_period:
            self._report_areas(connection, round(period * self._settings.area_state_s * 1000))
            counts += self._visits.look(connection, known, self._settings.rules, now_ms)
        jobs = claim(connection, known, self._settings, now_ms, busy)
        jobs += tell_hand_overs(connection, known, self._settings, self._returned, now_ms)
        busy |= {_busy_with(job): job.notification for job in jobs}
        due = [ms for ms in (next_timer_ms(connection), next_send_ms(connection, busy)) if ms is not None]
        not_before_ms = min([*due, now_ms + round(_LOOK_S * 1000)])
        audited, told = count_reasons(connection, self._audited)
        counts += told
        something = bool(self._returned or detections or fired or jobs or not_before_ms <= now_ms)
        if something:
            raise_change(connection)
        return _Done(busy, jobs, not_before_ms, counts, audited, something)

    def _refresh(self, connection: Connection, now_ms: int) -> None:
        if current_revision(connection) == self._directory.revision or now_ms < self._unread_until_ms:
            return
        try:
            self._directory = directory(connection)
        except SealedError as error:  # calls go on with whom we know
            if self._directory.revision < 0:
                raise
            _log.error("the registry has changed and cannot be read: %s", error)
            self._unread_until_ms = now_ms + _UNREAD_MS

    def _unpack(
        self, connection: Connection, batches: list[Batch], counts: Counter[str], now_ms: int
    ) -> list[Detection]:
        detections = []
        for batch in batches:
            for packed in batch.records:
                try:
                    detections.append(unpack_detection(packed))
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    _log.error("a record of `detections` before position %d is none: %s", batch.end, error)
                    refuse(connection, f"before position {batch.end}: {error}", now_ms, bytes(packed))
                    counts["refused"] += 1
        return detections

    def _report_areas(self, connection: Connection, at_ms: int) -> None:
        table = models.incident
        query = (
            select(table.c.area, func.count().label("open"))
            .where(table.c.state != State.RESOLVED.value)
            .group_by(table.c.area)
        )
        open_by_area = {row.area: row.open for row in connection.execute(query)}
        reported = presences_now(connection, at_ms)
        points = self._areas.points(self._directory, open_by_area, reported, at_ms)
        if len(points):
            queue_record(connection, "reports", pack_points(points))

    def run(self, stop: Stop) -> None:
        """Go on until ``stop`` is set, then wait a moment for what is on its way, and close."""
        try:
            while not stop.is_set():
                if not self._try_step():
                    self._reader.wait(self._pause_s())
            self._collect()
        finally:
            self.close()

    def _try_step(self) -> bool:
        try:
            return self.step(self._clock())
        except DBAPIError as error:
            if not is_retryable(error):
                raise
            _log.warning("the database cannot take it (%s): trying again", error.orig)
            self.counts["database_retry"] += 1
            time.sleep(_RETRY_S)
            return True

    def _pause_s(self) -> float:
        if self._busy:
            return _IN_FLIGHT_LOOK_S
        return max(0.0, min(_LOOK_S, (self._not_before_ms - self._clock()) / 1000))

    def _collect(self) -> None:
        deadline = time.monotonic() + _LAST_ANSWERS_S
        while self._busy and time.monotonic() < deadline:
            time.sleep(_IN_FLIGHT_LOOK_S)
            self._try_step()

    def close(self) -> None:
        """Let go of journals and connections; once more does nothing. What is on its way is found at the next start."""
        if self._closed:
            return
        self._closed = True
        self._courier.close()
        self._reader.close()
        self._mover.close()
