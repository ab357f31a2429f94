"""Write what the core decided: the one place where a change of an incident reaches the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select, update

from alerts import models
from alerts.channels import type_of
from alerts.database import column_of, from_incident
from alerts.delivery import Purpose, Status, notification_id
from alerts.drills import TEST_KIND
from alerts.gathering import kept
from alerts.lifecycle import (
    TAKEN,
    Call,
    Change,
    ClearTimer,
    DropPending,
    Effect,
    Incident,
    Note,
    SetTimer,
    StandDown,
    State,
    What,
)
from alerts.reasons import Reason
from alerts.reports import incident_points
from alerts.standing_down import sent_of, to_stand_down
from detectors.detection import SEVERITY_ORDER
from telemetry.records import pack_points

#: What an audit row tells of an incident before and after.
_AUDITED = ("state", "severity", "kind", "outcome", "acknowledged_by", "also_by", "needed", "round")
CONSOLE = "console"
#: Stands for the channel of a responder who has none.
NO_CHANNEL = "none"


def write_change(connection: Connection, change: Change, now_ms: int) -> None:
    """Write an incident, its audit, timers, notifications and report, in the caller's transaction."""
    before, after = change.before, change.after
    if before is None or before != after:
        with kept(connection) as rows:
            rows.add_incident(from_incident(after), new=before is None)
    _write_standing(connection, () if before is None else before.standing, after, now_ms)
    noted = _difference(before, after)
    for effect in change.effects:
        _write_effect(connection, effect, after, noted, now_ms)
        if isinstance(effect, Note):
            noted = (None, None)  # what changed stands in the first row, the others tell why
    if change.path:
        queue_record(connection, "reports", pack_points(incident_points(after, change.path, now_ms)))


def _write_effect(
    connection: Connection,
    effect: Effect,
    incident: Incident,
    noted: tuple[dict[str, Any] | None, dict[str, Any] | None],
    now_ms: int,
) -> None:
    match effect:
        case Note():
            write_audit(connection, effect, now_ms, incident=incident.id, before=noted[0], after=noted[1])
        case SetTimer():
            with kept(connection) as rows:
                rows.set_timer(incident.id, effect.kind.value, effect.due_ms)
        case ClearTimer():
            with kept(connection) as rows:
                rows.set_timer(incident.id, effect.kind.value, None)
        case Call():
            _queue_notifications(connection, effect, incident, now_ms)
        case DropPending():
            _drop_pending(connection, incident, effect, now_ms)
        case StandDown():
            stand_down(connection, incident, now_ms)


def write_audit(
    connection: Connection,
    note: Note,
    now_ms: int,
    *,
    incident: str | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Append an audit row."""
    row = {"at_ms": now_ms, "incident": incident, "what": note.what.value, "who": note.who}
    with kept(connection) as rows:
        rows.add(models.audit, [{**row, "before": before, "after": after, "data": note.data}])


def write_audits(connection: Connection, notes: Iterable[tuple[Note, str]], now_ms: int) -> None:
    """Append many audit rows at once, each note with its incident."""
    same = {"at_ms": now_ms, "before": None, "after": None}
    rows = [
        same | {"incident": incident, "what": note.what.value, "who": note.who, "data": note.data}
        for note, incident in notes
    ]
    with kept(connection) as gathered:
        gathered.add(models.audit, rows)


def queue_record(connection: Connection, journal: str, record: bytes) -> None:
    """Have ``record`` appended to a journal once this transaction is committed."""
    with kept(connection) as rows:
        rows.add(models.journal_outbox, [{"journal": journal, "record": record}])


def _difference(before: Incident | None, after: Incident) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    new = _audited(after)
    if before is None:
        return None, new
    old = _audited(before)
    changed = [name for name in _AUDITED if old[name] != new[name]]
    if not changed:
        return None, None
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}


def _audited(incident: Incident) -> dict[str, Any]:
    return {name: column_of(getattr(incident, name)) for name in _AUDITED}


def stand_down(connection: Connection, incident: Incident, now_ms: int) -> None:
    """Queue a message for everybody who was told and need not go: not who stands on the incident or has closed it, nor
    who said that they cannot come. Once for each call. Those who are told of tests know what they are."""
    if incident.kind == TEST_KIND:
        return
    spare = {*incident.declined, *(incident.standing if incident.state in TAKEN else (incident.resolved_by or "",))}
    spare |= {incident.offered_to or ""}
    ids = [
        queue_notification(
            connection, incident, one.step, one.round, one.responder, one.channel, now_ms, purpose=Purpose.STAND_DOWN
        )
        for one in to_stand_down(sent_of(connection, incident.id), spare, now_ms, over=incident.state is State.RESOLVED)
    ]
    if ids:
        note = Note(What.STAND_DOWN, "system", {"notifications": ids})
        write_audit(connection, note, now_ms, incident=incident.id)


def _queue_notifications(connection: Connection, call: Call, incident: Incident, now_ms: int) -> None:
    if call.round:  # in the first round nobody was told yet that they need not go
        _drop_stand_downs(connection, incident, call.responder, now_ms)
    for channel in call.channels or (NO_CHANNEL,):
        if call.reason is not None:
            status, reason = Status.NOT_SENT, call.reason
        elif type_of(channel) == CONSOLE:
            status, reason = Status.SENT, Reason.SHOWN
        else:
            status, reason = Status.PENDING, None
        queue_notification(
            connection, incident, call.step, call.round, call.responder, channel, now_ms,
            status=status, reason=reason, purpose=call.purpose,
        )  # fmt: skip


def _drop_stand_downs(connection: Connection, incident: Incident, responder: str, now_ms: int) -> None:
    """Who is called again is not told, with delay, that they need not go."""
    rows = models.notification
    obsolete = (rows.c.incident == incident.id) & (rows.c.status == Status.PENDING.value)
    obsolete &= (rows.c.responder == responder) & (rows.c.purpose == Purpose.STAND_DOWN.value)
    end_pending(connection, incident.id, obsolete, Reason.CALLED_AGAIN, now_ms)


def queue_notification(
    connection: Connection,
    incident: Incident,
    step: int,
    round_: int,
    responder: str,
    channel: str,
    now_ms: int,
    *,
    status: Status = Status.PENDING,
    reason: Reason | None = None,
    purpose: Purpose = Purpose.CALL,
) -> str:
    """Put a notification into the outbox, due now; returns its id."""
    key = notification_id(incident.id, step, round_, responder, channel, purpose)
    row = {
        "id": key,
        "purpose": purpose.value,
        "incident": incident.id,
        "step": step,
        "round": round_,
        "responder": responder,
        "channel": channel,
        "status": status.value,
        "reason": None if reason is None else reason.value,
        "urgency": 0 if purpose is Purpose.STAND_DOWN else SEVERITY_ORDER.index(incident.severity.value),
        "attempts": 0,
        "created_ms": now_ms,
        "due_ms": now_ms,
        "done_ms": None if status is Status.PENDING else now_ms,
    }
    with kept(connection) as rows:
        rows.add(models.notification, [row])
    return key


def _drop_pending(connection: Connection, incident: Incident, drop: DropPending, now_ms: int) -> None:
    rows = models.notification
    pending = (rows.c.incident == incident.id) & (rows.c.status == Status.PENDING.value)
    # who is told beside the calls learns of it also when somebody has it already
    goes_on = drop.reason in (Reason.ACKNOWLEDGED, Reason.CANNOT_COME)
    calls = [Purpose.CALL] if goes_on else [Purpose.CALL, Purpose.BESIDE]
    pending &= rows.c.purpose.in_([purpose.value for purpose in calls])
    if drop.only is not None:
        pending &= rows.c.responder == drop.only
    if drop.spare:
        pending &= rows.c.responder.not_in(drop.spare)
    end_pending(connection, incident.id, pending, drop.reason, now_ms)


def end_pending(connection: Connection, incident: str, which: ColumnElement[bool], reason: Reason, now_ms: int) -> None:
    """Notifications that wait are not to be sent, and why."""
    rows = models.notification
    ids = list(connection.execute(select(rows.c.id).where(which)).scalars())
    if not ids:
        return
    values = {"status": Status.NOT_SENT.value, "reason": reason.value, "done_ms": now_ms}
    connection.execute(update(rows).where(which).values(values))
    note = Note(What.NOT_SENT, "system", {"reason": reason.value, "notifications": ids})
    write_audit(connection, note, now_ms, incident=incident)


def _write_standing(connection: Connection, before: tuple[str, ...], after: Incident, now_ms: int) -> None:
    """Keep the table of who stands on which incident as the incident has it."""
    table = models.acknowledgement
    gone = [one for one in before if one not in after.standing]
    if gone:
        connection.execute(delete(table).where(table.c.incident == after.id, table.c.responder.in_(gone)))
    come = [one for one in after.standing if one not in before]
    if come:
        rows = [{"incident": after.id, "responder": one, "at_ms": now_ms} for one in come]
        with kept(connection) as gathered:
            gathered.add(table, rows)
