"""The alerts process: detections in, incidents and messages out, everything kept in the database."""

from __future__ import annotations

import logging
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from alerts import models
from alerts.backlog import Backlog
from alerts.claiming import claim
from alerts.counting import Counted, Meter, count_reasons, keep_counted, load_counted
from alerts.courier import Courier, Job
from alerts.database import raise_change
from alerts.delivery import SendResult
from alerts.errors import OneProcessError
from alerts.gathering import gathering
from alerts.guarding import guarded
from alerts.handover import claim_notices, is_notice, queue_notices, record_notices, recover_notices
from alerts.intake import refuse, take_detections
from alerts.lifecycle import State
from alerts.moving import Mover
from alerts.outbox import next_send_ms, record, recover
from alerts.reasons import Reason
from alerts.reports import AreaWatch
from alerts.settings import AlertSettings
from alerts.steady_clock import SteadyClock
from alerts.timers import fire_timers, next_timer_ms
from alerts.visits import VisitWatch
from alerts.workers import BEAT_MS, beat, leave, new_worker_id, place_of
from alerts.writing import queue_record
from journal import JournalLocked, JournalReader
from registry import Directory, SealedError, current_revision, directory, is_retryable
from registry.database import writing
from registry.presence import presences_now
from telemetry.records import pack_points

__all__ = ["AlertService", "AlertSettings"]

_log = logging.getLogger(__name__)

#: How often the database is looked at when nothing is known to be due: another process may have changed something.
_LOOK_S = 0.5
#: The same without the journals, whose bell rings when there is something new.
_LOOK_WITHOUT_JOURNALS_S = 0.05
#: How often it is looked whether sends have come back.
_IN_FLIGHT_LOOK_S = 0.02
#: Where something is due that another process has: it takes no longer than this to be through with it.
_SHORTEST_S = 0.005
_RETRY_S = 0.5
#: How soon it is tried again to read a registry that needs a key which is not there.
_UNREAD_MS = 10_000
#: So many calls on their way at once; what waits beyond stays in the database, in order, for whoever is free first.
_MAX_ON_THEIR_WAY = 400
#: Timers fired in one step, and while there are detections to take.
_TIMERS = 500
_TIMERS_BESIDE = 32
#: The process with the journals leaves it to others to send what they can begin within this time.
_HEAD_START_MS = 250
#: How long a stopping service waits for the answers of what is on its way.
_LAST_ANSWERS_S = 3.0


class Stop(Protocol):
    """What ends :meth:`AlertService.run`: a threading.Event."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Turn:
    """What the last transaction of a step came to; it holds once that is committed."""

    jobs: list[Job]
    not_before_ms: int
    counts: Counter[str]
    counted: Counted | None
    told_ms: int | None
    something: bool


class AlertService:
    """Consumes the journal `detections` as consumer ``alerts``, fires timers, sends. For one thread.

    On PostgreSQL several may run: the one that has the journals takes detections and moves the outbox to the journals,
    the others fire timers and send; when it dies, one that has the same folder takes its place.

    Each :meth:`step` is at most three transactions, each of which leaves something whole behind: results of sends; new
    detections; due timers and the claim of the sends that follow. The journal's offset moves on after the commit; what
    a crash delivers again is known by its key.
    ``counts`` counts detections by verdict and by the reason why nobody was told, attempts by reason, and, where the
    journals are, what the time lines say of messages as ``sent:delivered``, ``not_sent:acknowledged``,
    ``failed_over:timeout`` ...; every 10 s they are told as a point `pipeline` of the stage ``alerts``.
    """

    def __init__(
        self,
        engine: Engine,
        journal_dir: Path | None,
        settings: AlertSettings,
        clock: Callable[[], int] | None = None,
    ) -> None:
        """Take up where the last process stood. The tables of registry and alerts must exist (``upgrade``).

        Args:
            journal_dir: where the journals are; None for a process that only fires timers and sends.

        Raises:
            JournalLocked: another alerts process is running on these journals, and the database takes only one.
            OneProcessError: no journals, and the database takes only one process.
        """
        self.counts: Counter[str] = Counter()
        self._engine = engine
        self._settings = settings
        self._clock = clock = clock or SteadyClock()
        self._directory = Directory(revision=-1)
        self._unread_until_ms = 0
        self._counted: Counted | None = None
        self._closed = False
        self._not_before_ms = 0
        self._area_period = -1
        self._areas = AreaWatch()
        self._visits = VisitWatch()
        self._returned: list[tuple[Job, SendResult]] = []
        self._on_their_way: set[str] = set()
        host = socket.gethostname()
        self._worker = new_worker_id(host)
        self._meter = Meter(host, self._worker)
        self._beaten_ms: int | None = None
        self._alone = True
        self._journal_dir = journal_dir
        self._mover: Mover | None = None
        self._reader: JournalReader | None = None
        self._backlog: Backlog | None = None
        self._shared = engine.dialect.name == "postgresql"
        if journal_dir is None and not self._shared:
            raise OneProcessError(engine.url.render_as_string())
        if not self._try_to_hold(clock()):
            _log.info("timers and messages only: another process has the journals")
        self._courier = Courier(settings.webhook_timeout_s)

    @property
    def in_flight(self) -> int:
        """How many messages are on their way."""
        return len(self._on_their_way)

    @property
    def has_journals(self) -> bool:
        """Whether this process is the one that takes detections."""
        return self._reader is not None

    def _try_to_hold(self, now_ms: int) -> bool:
        """Take the journals where nobody has them; whether they are ours."""
        if self._journal_dir is None or self._mover is not None:
            return self._mover is not None
        mover = Mover(self._engine, self._journal_dir)
        try:
            mover.open(now_ms)
        except JournalLocked:
            mover.close()
            if not self._shared:
                raise
            return False
        self._mover = mover
        self._reader = JournalReader(self._journal_dir / "detections", "alerts")
        self._backlog = Backlog(self._reader)
        return True

    def step(self, now_ms: int) -> bool:
        """Do what there is to do at ``now_ms``; whether there was anything.

        Raises:
            sqlalchemy.exc.DBAPIError: the database refused; nothing was lost, call it again.
            JournalsElsewhereError: another process that lives has other journals.
        """
        self._beat(now_ms)
        self._returned += self._courier.results()
        if self._backlog is not None:
            self._backlog.fill()
        period = int(now_ms // (self._settings.area_state_s * 1000))
        idle = not (self._returned or self._backlog or now_ms >= self._not_before_ms or period != self._area_period)
        if idle:
            return False
        something = bool(self._returned)
        if self._returned:
            self._record(now_ms)
        if self._backlog:
            self._take(self._backlog, now_ms)
            something = True
        something = self._turn(period, now_ms) or something
        moved = self._mover.move(now_ms) if self._mover is not None else 0
        return something or moved > 0

    def _beat(self, now_ms: int) -> None:
        """Say that we live, begin again what the dead had begun, take the journals when nobody has them."""
        if self._beaten_ms is not None and 0 <= now_ms - self._beaten_ms < BEAT_MS:
            return
        held = self._try_to_hold(now_ms)
        journals = place_of(self._journal_dir) if held and self._journal_dir is not None else None
        with writing(self._engine) as connection:
            living = beat(connection, self._worker, journals, now_ms)
            crashed = recover(connection, now_ms)
            crashed_notices = recover_notices(connection, now_ms)
        if crashed or crashed_notices:
            self.counts[Reason.CRASHED.value] += crashed
            self._not_before_ms = now_ms
        self._beaten_ms = now_ms
        self._alone = living == 1

    def _record(self, now_ms: int) -> None:
        """Write down what came of sends."""
        with writing(self._engine) as connection, gathering(connection):
            self._refresh(connection, now_ms)
            calls = [(job, result) for job, result in self._returned if not is_notice(job)]
            notices = [(job, result) for job, result in self._returned if is_notice(job)]
            record(connection, calls, self._directory, now_ms)
            record_notices(connection, notices, self._directory, now_ms)
            raise_change(connection)
        for job, result in self._returned:
            self._on_their_way.discard(job.notification)
            self.counts[result.reason.value] += 1
        self._returned = []

    def _take(self, backlog: Backlog, now_ms: int) -> None:
        """Take the next detections."""
        detections, refused = backlog.next()
        counts = Counter({"refused": len(refused)} if refused else {})
        with writing(self._engine) as connection, gathering(connection):
            self._refresh(connection, now_ms)
            for one in refused:
                refuse(connection, one.why, now_ms, one.record)
            counts += take_detections(connection, detections, self._directory, self._settings.rules, now_ms)
            raise_change(connection)
        self.counts += counts
        backlog.taken()

    def _turn(self, period: int, now_ms: int) -> bool:
        """Fire timers, claim what may be sent and send it; whether there was anything."""
        try:
            with writing(self._engine) as connection, gathering(connection):
                self._refresh(connection, now_ms)
                done = self._transact(connection, period, now_ms)
        except DBAPIError:
            self._visits = VisitWatch()  # what it had found is not written
            raise
        self._area_period = period
        self._counted = done.counted
        self._not_before_ms = done.not_before_ms
        self.counts += done.counts
        if done.told_ms is not None:
            self._meter.told(self.counts, done.told_ms)
        for job in done.jobs:
            self._on_their_way.add(job.notification)
            self._courier.submit(job)
        return done.something

    def _transact(self, connection: Connection, period: int, now_ms: int) -> _Turn:
        known, settings, worker = self._directory, self._settings, self._worker
        counts: Counter[str] = Counter()
        # who was never told is not to wait for who was told before
        fired = fire_timers(connection, known, now_ms, at_most=_TIMERS_BESIDE if self._backlog else _TIMERS)
        if self.has_journals:
            if period != self._area_period:
                self._report_areas(connection, round(period * settings.area_state_s * 1000))
                counts += self._visits.look(connection, known, settings.rules, now_ms)
            with guarded(connection, "hand-overs"):
                queue_notices(connection, known, now_ms)
        room = _MAX_ON_THEIR_WAY - self.in_flight
        head_start_ms = 0 if self._alone or not self.has_journals else _HEAD_START_MS
        claimed = claim(connection, known, settings, worker, now_ms, room=room, head_start_ms=head_start_ms)
        notices = claim_notices(connection, known, settings, worker, now_ms)
        send_ms = next_send_ms(connection)
        if send_ms is not None:
            # what nobody could begin now waits for one that is on its way, here or elsewhere
            soonest_ms = now_ms if claimed.count else now_ms + round(_IN_FLIGHT_LOOK_S * 1000)
            send_ms = max(send_ms + head_start_ms, soonest_ms)
        due = [next_timer_ms(connection), send_ms]
        look_s = _LOOK_S if self.has_journals else _LOOK_WITHOUT_JOURNALS_S
        not_before_ms = min([*(ms for ms in due if ms is not None), now_ms + round(look_s * 1000)])
        counted = self._counted
        if self.has_journals:
            counted, told = count_reasons(connection, counted or load_counted(connection), now_ms)
            counts += told
        told_ms = self._tell_counts(connection, self.counts + counts, counted, now_ms)
        something = bool(fired or claimed.count or notices)
        if something:
            raise_change(connection)
        return _Turn([*claimed.jobs, *notices], not_before_ms, counts, counted, told_ms, something)

    def _tell_counts(
        self, connection: Connection, counts: Counter[str], counted: Counted | None, now_ms: int
    ) -> int | None:
        """Queue the point of what was counted, every 10 s; when it was, None when it is not time."""
        if not self._meter.is_due(now_ms):
            return None
        gauges = {"in_flight": float(self.in_flight)}
        if self._reader is not None:
            gauges["lag_bytes"] = float(self._reader.lag_bytes())
        queue_record(connection, "reports", pack_points(self._meter.point(counts, now_ms, **gauges)))
        if counted is not None:
            keep_counted(connection, counted)
        return now_ms

    def _refresh(self, connection: Connection, now_ms: int) -> None:
        if current_revision(connection) == self._directory.revision or now_ms < self._unread_until_ms:
            return
        try:
            self._directory = directory(connection, packed=True)
        except SealedError as error:  # calls go on with whom we know
            if self._directory.revision < 0:
                raise
            _log.error("the registry has changed and cannot be read: %s", error)
            self._unread_until_ms = now_ms + _UNREAD_MS

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
                    self._pause()
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

    def _pause(self) -> None:
        """Wait for the next detection, or until something is due."""
        pause_s = _LOOK_S if self._reader is not None else _LOOK_WITHOUT_JOURNALS_S
        pause_s = min(pause_s, (self._not_before_ms - self._clock()) / 1000)
        if self._on_their_way:
            pause_s = min(pause_s, _IN_FLIGHT_LOOK_S)
        pause_s = max(pause_s, _SHORTEST_S)
        if self._reader is not None:
            self._reader.wait(pause_s)
        else:
            time.sleep(pause_s)

    def _collect(self) -> None:
        deadline = time.monotonic() + _LAST_ANSWERS_S
        while self._on_their_way and time.monotonic() < deadline:
            time.sleep(_IN_FLIGHT_LOOK_S)
            self._try_step()

    def close(self) -> None:
        """Let go of journals and connections; once more does nothing. What is on its way others begin again, or the
        next start does."""
        if self._closed:
            return
        self._closed = True
        self._courier.close()
        if self._reader is not None:
            self._reader.close()
        if self._mover is not None:
            self._mover.close()
        try:
            with writing(self._engine) as connection:
                leave(connection, self._worker)
        except DBAPIError as error:
            _log.warning("the database does not take our leave (%s): others wait for it", error.orig)
