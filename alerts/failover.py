"""When a channel does not deliver, the responder's next one joins; when one has delivered, the others need not."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, func, select, update
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.channels import WINDOW_MS, limit_of, next_channel, target_of
from alerts.database import load_incident
from alerts.delivery import Purpose, Status, notification_id
from alerts.lifecycle import Note, What
from alerts.reasons import Reason
from alerts.writing import queue_notification, write_audit
from registry import ChannelEntry, ResponderEntry

_rows = models.notification
_attempts = models.attempt
_notices = models.handover_notice


def join_next(
    connection: Connection, row: RowMapping, responder: ResponderEntry | None, reason: Reason, now_ms: int
) -> bool:
    """Queue the notification of the channel after that of ``row``, once; whether there is one that has not been given
    up. ``reason`` is why the first does not deliver."""
    channel = next_channel(responder, row["channel"]) if responder is not None else None
    if responder is None or channel is None:
        return False
    purpose = Purpose(row["purpose"])
    key = notification_id(row["incident"], row["step"], row["round"], row["responder"], channel, purpose)
    status = connection.execute(select(_rows.c.status).where(_rows.c.id == key)).scalar()
    if status is not None:
        return status in (Status.PENDING.value, Status.SENT.value)
    incident = load_incident(connection, row["incident"])
    assert incident is not None  # the foreign key says so
    queue_notification(
        connection, incident, row["step"], row["round"], row["responder"], channel, now_ms, purpose=purpose
    )
    data = {"notification": row["id"], "responder": row["responder"], "channel": row["channel"], "next": channel}
    note = Note(What.FAILED_OVER, "system", data | {"reason": reason.value})
    write_audit(connection, note, now_ms, incident=row["incident"])
    return True


def with_several(connection: Connection, notifications: list[str]) -> set[str]:
    """The incidents of ``notifications`` that have more than one pending: the others have none to drop."""
    mine = _rows.alias("mine")
    incidents = select(mine.c.incident).where(mine.c.id.in_(notifications))
    pending = _rows.c.incident.in_(incidents) & (_rows.c.status == Status.PENDING.value)
    query = select(_rows.c.incident).where(pending).group_by(_rows.c.incident).having(func.count() > 1)
    return set(connection.execute(query).scalars())


def drop_others(connection: Connection, row: RowMapping, now_ms: int) -> None:
    """One channel of a call has delivered: what the others still would is not to be sent."""
    others = of_call(row) & (_rows.c.responder == row["responder"]) & (_rows.c.id != row["id"])
    pending = others & (_rows.c.status == Status.PENDING.value)
    ids = list(connection.execute(select(_rows.c.id).where(pending)).scalars())
    if ids:
        values = {"status": Status.NOT_SENT.value, "reason": Reason.OTHER_CHANNEL.value, "done_ms": now_ms}
        connection.execute(update(_rows).where(pending).values(values))
        note = Note(What.NOT_SENT, "system", {"reason": Reason.OTHER_CHANNEL.value, "notifications": ids})
        write_audit(connection, note, now_ms, incident=row["incident"])


def of_call(row: RowMapping) -> ColumnElement[bool]:
    """The notifications of the same call of an incident."""
    same = (_rows.c[name] == row[name] for name in ("incident", "round", "step", "purpose"))
    return and_(*same)


def held_until_ms(
    connection: Connection, channel: ChannelEntry, now_ms: int, *, leaves_half: bool = False
) -> int | None:
    """When a channel that had its messages of this minute may have the next; None when it may now. What is not urgent
    ``leaves_half`` of the limit to calls."""
    limit = limit_of(channel)
    if limit is None:
        return None
    limit = max(1, limit // 2) if leaves_half else limit
    target, since_ms = target_of(channel), now_ms - WINDOW_MS
    calls = select(_attempts.c.started_ms).where(_attempts.c.target == target, _attempts.c.started_ms > since_ms)
    notices = select(_notices.c.last_ms).where(_notices.c.target == target, _notices.c.last_ms > since_ms)
    begun = sorted((*connection.execute(calls).scalars(), *connection.execute(notices).scalars()), reverse=True)
    return int(begun[limit - 1]) + WINDOW_MS if len(begun) >= limit else None


def hold(connection: Connection, row: RowMapping, until_ms: int, now_ms: int) -> None:
    """Put a notification off, as its channel is at its limit; written down the first time."""
    values = {"due_ms": until_ms, "reason": Reason.RATE_LIMITED.value}
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
    if row["reason"] != Reason.RATE_LIMITED.value:
        data = {"notification": row["id"], "responder": row["responder"], "channel": row["channel"]}
        note = Note(What.HELD, "system", data | {"reason": Reason.RATE_LIMITED.value, "until_ms": until_ms})
        write_audit(connection, note, now_ms, incident=row["incident"])
