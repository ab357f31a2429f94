"""The outbox of notifications: what is due, and what came of what was sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, update
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.channels import is_time_to_join
from alerts.courier import Job
from alerts.database import load_incident
from alerts.delivery import Purpose, SendResult, Status, settle
from alerts.drills import TEST_KIND, is_test_channel
from alerts.failover import drop_others, join_next, of_call, with_several
from alerts.intake import calls_of
from alerts.lifecycle import Note, Outcome, TimerKind, What, resolve
from alerts.reasons import Reason
from alerts.workers import is_of_the_dead, is_shared
from alerts.writing import stand_down, write_audit, write_audits, write_change
from registry import Directory

_rows = models.notification
_attempts = models.attempt
#: A command to a siren waits for nobody's answer, and so for no other message either.
SIREN = _rows.c.channel.like("siren%")


def recover(connection: Connection, now_ms: int) -> int:
    """Attempts without an end that are of no worker that lives: the messages may have arrived, so they go out again,
    marked as a repeat. Returns how many."""
    ended = update(_attempts).where(_attempts.c.ended_ms.is_(None), is_of_the_dead(_attempts.c.worker))
    values = {"ended_ms": now_ms, "reason": Reason.CRASHED.value}
    ids = list(connection.execute(ended.values(values).returning(_attempts.c.notification)).scalars())
    for start in range(0, len(ids), 500):
        pending = _rows.c.id.in_(ids[start : start + 500]) & (_rows.c.status == Status.PENDING.value)
        connection.execute(update(_rows).where(pending).values(due_ms=now_ms, reason=Reason.CRASHED.value))
    return len(ids)


def give_up(
    connection: Connection, row: RowMapping, directory: Directory, status: Status, reason: Reason, now_ms: int
) -> None:
    """A notification that cannot even be tried: say so, and call the next one."""
    values = {"status": status.value, "reason": reason.value, "done_ms": now_ms}
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
    write_note(connection, What.NOT_SENT, row, reason, now_ms)
    if not join_next(connection, row, directory.responder(row["responder"]), reason, now_ms):
        _hurry(connection, row, directory, now_ms)


def record(
    connection: Connection, results: Sequence[tuple[Job, SendResult]], directory: Directory, now_ms: int
) -> None:
    """Write down what came of sends."""
    notifications = [job.notification for job, _ in results]
    _lock_incidents(connection, notifications)
    several = with_several(connection, notifications)
    plain = _record_plain(connection, results, several, directory, now_ms)
    for job, result in results:
        if job.notification in plain:
            continue
        settled = settle(job.notification, job.attempt, result, now_ms)
        this = _rows.c.id == job.notification
        row = connection.execute(select(_rows).where(this).with_for_update()).mappings().one()
        still_ours = (
            (_attempts.c.notification == job.notification)
            & (_attempts.c.number == job.attempt)
            & _attempts.c.ended_ms.is_(None)
        )
        values = {"ended_ms": now_ms, "reason": result.reason.value, "detail": _short(result.error)}
        ended = connection.execute(update(_attempts).where(still_ours).values(values)).rowcount
        if not ended and settled.status is not Status.SENT:
            continue  # we were taken for dead, and it goes out again
        if row["status"] != Status.PENDING.value and settled.status is not Status.SENT:
            continue  # nobody needs it any more, and it was not sent
        changed: dict[str, str | int | None] = {
            "status": settled.status.value,
            "reason": settled.reason.value,
            "detail": _short(settled.detail),
        }
        if settled.due_ms is not None:
            changed["due_ms"] = settled.due_ms
        else:
            changed["done_ms"] = now_ms
        connection.execute(update(_rows).where(this).values(changed))
        joined = False
        if is_time_to_join(settled, job.attempt):
            joined = join_next(connection, row, directory.responder(row["responder"]), settled.reason, now_ms)
        if settled.status is Status.PENDING:
            continue
        what = What.SENT if settled.status is Status.SENT else What.NOT_SENT
        write_note(connection, what, row, settled.reason, now_ms)
        if settled.status is Status.FAILED:
            if not joined:
                _hurry(connection, row, directory, now_ms)
            continue
        if row["incident"] in several or row["status"] != Status.PENDING.value:
            drop_others(connection, row, now_ms)
        if row["status"] != Status.PENDING.value:
            _told_too_late(connection, row, now_ms)
        if is_test_channel(directory.responder(row["responder"])):
            _end_test(connection, row["incident"], now_ms)


def _record_plain(
    connection: Connection,
    results: Sequence[tuple[Job, SendResult]],
    several: Collection[str],
    directory: Directory,
    now_ms: int,
) -> set[str]:
    """Of the results those that change nothing else, which are nearly all: delivered, awaited, no other channel, no
    test. Written together, as a storm has hundreds; returns their notifications."""
    jobs = {job.notification: (job, result) for job, result in results if result.error is None}
    begun = (_attempts.c.notification == _rows.c.id) & (_attempts.c.number == _rows.c.attempts)
    query = (
        select(_rows)
        .join(_attempts, begun)
        .where(_rows.c.id.in_(list(jobs)), _rows.c.status == Status.PENDING.value, _attempts.c.ended_ms.is_(None))
        .order_by(_rows.c.id)
        .with_for_update(of=_rows)
    )
    plain = [
        row
        for row in connection.execute(query).mappings()
        if row["attempts"] == jobs[row["id"]][0].attempt
        and row["incident"] not in several
        and not is_test_channel(directory.responder(row["responder"]))
    ]
    if not plain:
        return set()
    reasons = {row["id"]: jobs[row["id"]][1].reason for row in plain}
    connection.execute(
        _end_attempt,
        [{"of": row["id"], "at": row["attempts"], "when_ms": now_ms, "why": reasons[row["id"]].value} for row in plain],
    )
    connection.execute(
        _end_notification,
        [{"of": one, "why": reason.value, "when_ms": now_ms} for one, reason in reasons.items()],
    )
    notes = [(_note(What.SENT, row, reasons[row["id"]]), row["incident"]) for row in plain]
    write_audits(connection, notes, now_ms)
    return set(reasons)


_end_attempt = (
    update(_attempts)
    .where(_attempts.c.notification == bindparam("of"), _attempts.c.number == bindparam("at"))
    .values(ended_ms=bindparam("when_ms"), reason=bindparam("why"))
)
_end_notification = (
    update(_rows)
    .where(_rows.c.id == bindparam("of"))
    .values(status=Status.SENT.value, reason=bindparam("why"), detail=None, done_ms=bindparam("when_ms"))
)


def _lock_incidents(connection: Connection, notifications: list[str]) -> None:
    """Whoever changes an incident or its notifications locks the incident first, and several in one order: so nobody
    waits in a circle."""
    if is_shared(connection):
        wanted = select(_rows.c.incident).where(_rows.c.id.in_(notifications))
        query = select(models.incident.c.id).where(models.incident.c.id.in_(wanted)).order_by(models.incident.c.id)
        connection.execute(query.with_for_update())


def _end_test(connection: Connection, incident_id: str, now_ms: int) -> None:
    """A test that was received is over."""
    incident = load_incident(connection, incident_id)
    if incident is not None and incident.kind == TEST_KIND:
        _, change = resolve(incident, "system", now_ms, outcome=Outcome.TEST, via="delivered")
        if change is not None:
            write_change(connection, change, now_ms)


def _told_too_late(connection: Connection, row: RowMapping, now_ms: int) -> None:
    """A call arrived that nobody needed any more: it was on its way when somebody acknowledged."""
    incident = load_incident(connection, row["incident"])
    if row["purpose"] == Purpose.CALL.value and incident is not None and not incident.wants_calls:
        stand_down(connection, incident, now_ms)


def _hurry(connection: Connection, row: RowMapping, directory: Directory, now_ms: int) -> None:
    """A responder cannot be reached at all: call the next one now, where there is one in this round."""
    incident = load_incident(connection, row["incident"])
    assert incident is not None  # the foreign key says so
    latest = (row["round"], row["step"]) == (incident.round, incident.step - 1)
    if row["purpose"] != Purpose.CALL.value or not incident.wants_calls or not latest:
        return
    hopeful = _rows.c.status.in_([Status.PENDING.value, Status.SENT.value])
    if connection.execute(select(func.count()).where(of_call(row) & hopeful)).scalar_one():
        return
    calls = calls_of(connection, incident, directory, now_ms)
    if any(responder.channels and responder.id not in calls.told for responder in calls.order):
        timers = models.timer
        call = (timers.c.incident == incident.id) & (timers.c.kind == TimerKind.CALL.value)
        connection.execute(update(timers).where(call).values(due_ms=now_ms))


def write_note(connection: Connection, what: What, row: RowMapping, reason: Reason, now_ms: int) -> None:
    write_audit(connection, _note(what, row, reason), now_ms, incident=row["incident"])


def _note(what: What, row: RowMapping, reason: Reason) -> Note:
    data = {"notification": row["id"], "responder": row["responder"], "channel": row["channel"]}
    return Note(what, "system", {**data, "reason": reason.value})


def _short(text: str | None) -> str | None:
    return None if text is None else text[:500]


def next_send_ms(connection: Connection) -> int | None:
    """When the next send is due among responders who have none on its way; None when none waits."""
    due: int | None = connection.execute(select(func.min(_rows.c.due_ms)).where(is_waiting())).scalar()
    return due


def is_waiting() -> ColumnElement[bool]:
    """Of notifications: to be sent, and its responder has none on its way. One that waits for another attempt does not
    hold up the next."""
    return (_rows.c.status == Status.PENDING.value) & (_rows.c.responder.not_in(on_their_way()) | SIREN)


def on_their_way() -> Select[tuple[str]]:
    """The responders who have a message on its way, from whichever process."""
    begun = _rows.alias("begun")
    query = select(begun.c.responder).join(_attempts, _attempts.c.notification == begun.c.id)
    return query.where(_attempts.c.ended_ms.is_(None))
