"""The outbox of notifications: claim what is due, and record what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Connection, func, insert, select, update
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.channels import channels_of, is_time_to_join, limit_of, target_of, type_of
from alerts.courier import Job
from alerts.database import load_incident
from alerts.delivery import SendResult, Status, settle
from alerts.drills import TEST_KIND, is_test_channel
from alerts.failover import drop_others, held_until_ms, hold, join_next, of_call
from alerts.follow_ups import last_outcome, said_by_detector
from alerts.guarding import guarded
from alerts.intake import calls_of
from alerts.lifecycle import Incident, Note, Outcome, State, TimerKind, What, resolve
from alerts.links import short_code
from alerts.messages import Envelope, claims_of, text_message, webhook_body
from alerts.reasons import Reason
from alerts.settings import AlertSettings
from alerts.short_links import keep_code
from alerts.texts import TextMessage
from alerts.writing import queue_record, write_audit, write_change
from registry import ChannelEntry, Directory, ResponderEntry
from telemetry.commands import Outgoing, pack_command
from telemetry.messages import Command

_rows = models.notification
_attempts = models.attempt
#: A command to a siren waits for nobody's answer, and so for no other message either.
_siren = _rows.c.channel.like("siren%")
#: Claimed in one transaction; more follow in the next.
_AT_ONCE = 200
#: A siren that gets its command later than this stays silent: those who were called know by then.
_SIREN_MS = 60_000


def recover(connection: Connection, now_ms: int) -> int:
    """At the start of the service: attempts without an end belong to a process that died. They may have arrived, so
    they go out again, marked as a repeat. Returns how many."""
    open_attempts = _attempts.c.ended_ms.is_(None)
    ids = list(connection.execute(select(_attempts.c.notification).where(open_attempts)).scalars())
    if ids:
        connection.execute(update(_attempts).where(open_attempts).values(ended_ms=now_ms, reason=Reason.CRASHED.value))
        for start in range(0, len(ids), 500):
            pending = _rows.c.id.in_(ids[start : start + 500]) & (_rows.c.status == Status.PENDING.value)
            connection.execute(update(_rows).where(pending).values(due_ms=now_ms, reason=Reason.CRASHED.value))
    return len(ids)


def claim(
    connection: Connection, directory: Directory, settings: AlertSettings, now_ms: int, busy: Collection[str]
) -> list[Job]:
    """The sends that may begin now, each entered as an attempt before it does.

    One at a time per responder (``busy`` have one on its way): the more urgent first, then in the order of creation. A
    message that waits for another attempt does not hold up the next.
    """
    first = (_rows.c.urgency.desc(), _rows.c.created_ms, _rows.c.round, _rows.c.step, _rows.c.channel)
    place = func.row_number().over(partition_by=(_rows.c.responder, _siren), order_by=first).label("place")
    due = _waiting(busy) & (_rows.c.due_ms <= now_ms)
    ranked = select(_rows.c.id, place).where(due).subquery()
    query = (
        select(_rows)
        .join(ranked, ranked.c.id == _rows.c.id)
        .where(ranked.c.place == 1)
        .order_by(*first)
        .limit(_AT_ONCE)
    )
    jobs = []
    for row in connection.execute(query).mappings().all():
        job = None
        with guarded(connection, f"notification {row['id']}") as outcome:
            job = _begin(connection, row, directory, settings, now_ms)
        if outcome.error is not None:
            _give_up(connection, row, directory, Status.FAILED, Reason.INTERNAL, now_ms)
        elif job is not None:
            jobs.append(job)
    return jobs


def _begin(
    connection: Connection, row: RowMapping, directory: Directory, settings: AlertSettings, now_ms: int
) -> Job | None:
    incident = load_incident(connection, row["incident"])
    assert incident is not None  # the foreign key says so
    responder = directory.responder(row["responder"])
    channel = channels_of(responder).get(row["channel"]) if responder is not None else None
    if responder is None or channel is None:
        _give_up(connection, row, directory, Status.NOT_SENT, Reason.RESPONDER_GONE, now_ms)
        return None
    until_ms = held_until_ms(connection, channel, now_ms)
    if until_ms is not None:
        hold(connection, row, until_ms, now_ms)
        join_next(connection, row, responder, Reason.RATE_LIMITED, now_ms)
        return None
    attempt = row["attempts"] + 1
    target = None if limit_of(channel) is None else target_of(channel)
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(attempts=attempt))
    started = {"notification": row["id"], "number": attempt, "started_ms": now_ms, "target": target}
    connection.execute(insert(_attempts), started)
    if type_of(row["channel"]) == "siren":
        _command(connection, row, channel, attempt, now_ms)
        return None
    envelope = Envelope(
        row["id"], row["step"], row["round"], attempt,
        follow_up=last_outcome(connection, incident.id), said=said_by_detector(connection, incident),
    )  # fmt: skip
    message = _message(connection, channel, incident, responder, envelope, directory, settings, now_ms)
    return Job(row["id"], responder.id, attempt, channel, message, now_ms)


def _message(
    connection: Connection,
    channel: ChannelEntry,
    incident: Incident,
    responder: ResponderEntry,
    envelope: Envelope,
    directory: Directory,
    settings: AlertSettings,
    now_ms: int,
) -> bytes | TextMessage:
    if channel.type != "apprise":
        return webhook_body(incident, responder, envelope, directory, settings, now_ms)
    from alerts.apprise_channel import is_short  # many imports, for those who use it

    short = is_short(channel.url)
    if short:
        code = short_code(settings.link_key, envelope.notification)
        keep_code(connection, code, claims_of(incident, responder, envelope, settings, now_ms))
    return text_message(incident, responder, envelope, directory, settings, now_ms, short=short)


def _command(connection: Connection, row: RowMapping, channel: ChannelEntry, attempt: int, now_ms: int) -> None:
    """A siren is told through the journal, in this transaction; the command has the notification's id."""
    command = Command(id=row["id"], type="alarm", expires_ms=now_ms + _SIREN_MS)
    queue_record(connection, "commands", pack_command(Outgoing(device=channel.url, command=command)))
    reason = Reason.COMMANDED
    this = (_attempts.c.notification == row["id"]) & (_attempts.c.number == attempt)
    connection.execute(update(_attempts).where(this).values(ended_ms=now_ms, reason=reason.value))
    values = {"status": Status.SENT.value, "reason": reason.value, "done_ms": now_ms}
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
    _note(connection, What.SENT, row, reason, now_ms)


def _give_up(
    connection: Connection, row: RowMapping, directory: Directory, status: Status, reason: Reason, now_ms: int
) -> None:
    """A notification that cannot even be tried: say so, and call the next one."""
    values = {"status": status.value, "reason": reason.value, "done_ms": now_ms}
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
    _note(connection, What.NOT_SENT, row, reason, now_ms)
    if not join_next(connection, row, directory.responder(row["responder"]), reason, now_ms):
        _hurry(connection, row, directory, now_ms)


def record(
    connection: Connection, results: Iterable[tuple[Job, SendResult]], directory: Directory, now_ms: int
) -> None:
    """Write down what came of sends."""
    for job, result in results:
        settled = settle(job.notification, job.attempt, result, now_ms)
        this = _rows.c.id == job.notification
        row = connection.execute(select(_rows).where(this).with_for_update()).mappings().one()
        ended = (_attempts.c.notification == job.notification) & (_attempts.c.number == job.attempt)
        connection.execute(
            update(_attempts)
            .where(ended)
            .values(ended_ms=now_ms, reason=result.reason.value, detail=_short(result.error))
        )
        if row["status"] != Status.PENDING.value and settled.status is not Status.SENT:
            continue  # nobody needs it any more, and it was not sent
        values: dict[str, str | int | None] = {
            "status": settled.status.value,
            "reason": settled.reason.value,
            "detail": _short(settled.detail),
        }
        if settled.due_ms is not None:
            values["due_ms"] = settled.due_ms
        else:
            values["done_ms"] = now_ms
        connection.execute(update(_rows).where(this).values(values))
        joined = False
        if is_time_to_join(settled, job.attempt):
            joined = join_next(connection, row, directory.responder(row["responder"]), settled.reason, now_ms)
        if settled.status is Status.PENDING:
            continue
        what = What.SENT if settled.status is Status.SENT else What.NOT_SENT
        _note(connection, what, row, settled.reason, now_ms)
        if settled.status is Status.FAILED:
            if not joined:
                _hurry(connection, row, directory, now_ms)
            continue
        drop_others(connection, row, now_ms)
        if is_test_channel(directory.responder(row["responder"])):
            _end_test(connection, row["incident"], now_ms)


def _end_test(connection: Connection, incident_id: str, now_ms: int) -> None:
    """A test that was received is over."""
    incident = load_incident(connection, incident_id)
    if incident is not None and incident.kind == TEST_KIND:
        _, change = resolve(incident, "system", now_ms, outcome=Outcome.TEST, via="delivered")
        if change is not None:
            write_change(connection, change, now_ms)


def _hurry(connection: Connection, row: RowMapping, directory: Directory, now_ms: int) -> None:
    """A responder cannot be reached at all: call the next one now, where there is one in this round."""
    incident = load_incident(connection, row["incident"])
    assert incident is not None  # the foreign key says so
    if incident.state is not State.NOTIFYING or (row["round"], row["step"]) != (incident.round, incident.step - 1):
        return
    hopeful = _rows.c.status.in_([Status.PENDING.value, Status.SENT.value])
    if connection.execute(select(func.count()).where(of_call(row) & hopeful)).scalar_one():
        return
    calls = calls_of(connection, incident, directory, now_ms)
    if any(responder.channels and responder.id not in calls.told for responder in calls.order):
        timers = models.timer
        call = (timers.c.incident == incident.id) & (timers.c.kind == TimerKind.CALL.value)
        connection.execute(update(timers).where(call).values(due_ms=now_ms))


def _note(connection: Connection, what: What, row: RowMapping, reason: Reason, now_ms: int) -> None:
    data = {"notification": row["id"], "responder": row["responder"], "channel": row["channel"]}
    note = Note(what, "system", {**data, "reason": reason.value})
    write_audit(connection, note, now_ms, incident=row["incident"])


def _short(text: str | None) -> str | None:
    return None if text is None else text[:500]


def next_send_ms(connection: Connection, busy: Collection[str]) -> int | None:
    """When the next send is due among responders that are not ``busy``; None when none waits."""
    due: int | None = connection.execute(select(func.min(_rows.c.due_ms)).where(_waiting(busy))).scalar()
    return due


def _waiting(busy: Collection[str]) -> ColumnElement[bool]:
    return (_rows.c.status == Status.PENDING.value) & (_rows.c.responder.not_in(busy) | _siren)
