"""Write what the core decided: the one place where a change of an incident reaches the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from alerts import models
from alerts.channels import type_of
from alerts.database import from_incident
from alerts.delivery import Status, notification_id
from alerts.lifecycle import Call, Change, ClearTimer, DropPending, Effect, Incident, Note, SetTimer, What
from alerts.reasons import Reason
from alerts.reports import incident_points
from detectors.detection import SEVERITY_ORDER
from telemetry.records import pack_points

#: What an audit row tells of an incident before and after.
_AUDITED = ("state", "severity", "kind", "outcome", "acknowledged_by", "round")
CONSOLE = "console"
#: Stands for the channel of a responder who has none.
NO_CHANNEL = "none"


def write_change(connection: Connection, change: Change, now_ms: int) -> None:
    """Write an incident, its audit, timers, notifications and report, in the caller's transaction."""
    before, after = change.before, change.after
    if before is None:
        connection.execute(insert(models.incident), from_incident(after))
    elif before != after:
        connection.execute(update(models.incident).where(models.incident.c.id == after.id).values(from_incident(after)))
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
    timers = models.timer
    match effect:
        case Note():
            write_audit(connection, effect, now_ms, incident=incident.id, before=noted[0], after=noted[1])
        case SetTimer():
            connection.execute(
                delete(timers).where(timers.c.incident == incident.id, timers.c.kind == effect.kind.value)
            )
            connection.execute(
                insert(timers), {"incident": incident.id, "kind": effect.kind.value, "due_ms": effect.due_ms}
            )
        case ClearTimer():
            connection.execute(
                delete(timers).where(timers.c.incident == incident.id, timers.c.kind == effect.kind.value)
            )
        case Call():
            _queue_notifications(connection, effect, incident, now_ms)
        case DropPending():
            _drop_pending(connection, incident, effect.reason, now_ms)


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
    connection.execute(insert(models.audit), {**row, "before": before, "after": after, "data": note.data})


def queue_record(connection: Connection, journal: str, record: bytes) -> None:
    """Have ``record`` appended to a journal once this transaction is committed."""
    connection.execute(insert(models.journal_outbox), {"journal": journal, "record": record})


def _difference(before: Incident | None, after: Incident) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    new = {name: value for name, value in from_incident(after).items() if name in _AUDITED}
    if before is None:
        return None, new
    old = {name: value for name, value in from_incident(before).items() if name in _AUDITED}
    changed = [name for name in _AUDITED if old[name] != new[name]]
    if not changed:
        return None, None
    return {name: old[name] for name in changed}, {name: new[name] for name in changed}


def _queue_notifications(connection: Connection, call: Call, incident: Incident, now_ms: int) -> None:
    for channel in call.channels or (NO_CHANNEL,):
        if call.reason is not None:
            status, reason = Status.NOT_SENT, call.reason
        elif type_of(channel) == CONSOLE:
            status, reason = Status.SENT, Reason.SHOWN
        else:
            status, reason = Status.PENDING, None
        queue_notification(
            connection, incident, call.step, call.round, call.responder, channel, now_ms, status=status, reason=reason
        )


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
) -> None:
    """Put a notification into the outbox, due now."""
    row = {
        "id": notification_id(incident.id, step, round_, responder, channel),
        "incident": incident.id,
        "step": step,
        "round": round_,
        "responder": responder,
        "channel": channel,
        "status": status.value,
        "reason": None if reason is None else reason.value,
        "urgency": SEVERITY_ORDER.index(incident.severity.value),
        "attempts": 0,
        "created_ms": now_ms,
        "due_ms": now_ms,
        "done_ms": None if status is Status.PENDING else now_ms,
    }
    connection.execute(insert(models.notification), row)


def _drop_pending(connection: Connection, incident: Incident, reason: Reason, now_ms: int) -> None:
    rows = models.notification
    pending = (rows.c.incident == incident.id) & (rows.c.status == Status.PENDING.value)
    ids = list(connection.execute(select(rows.c.id).where(pending)).scalars())
    if not ids:
        return
    connection.execute(
        update(rows).where(pending).values(status=Status.NOT_SENT.value, reason=reason.value, done_ms=now_ms)
    )
    note = Note(What.NOT_SENT, "system", {"reason": reason.value, "notifications": ids})
    write_audit(connection, note, now_ms, incident=incident.id)
