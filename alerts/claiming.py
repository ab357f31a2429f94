"""Claim what is due in the outbox: each send is entered as an attempt of this process before it begins."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.channels import channels_of, limit_of, target_of, type_of
from alerts.courier import Job
from alerts.database import to_incident
from alerts.delivery import Purpose, Status, notification_id
from alerts.failover import held_until_ms, hold, join_next
from alerts.follow_ups import last_outcome, said_by_detector, with_words
from alerts.gathering import kept
from alerts.guarding import guarded
from alerts.lifecycle import Incident, What
from alerts.links import short_code
from alerts.messages import Envelope, claims_of, text_message, webhook_body
from alerts.outbox import SIREN, give_up, is_waiting, write_note
from alerts.reasons import Reason
from alerts.referral import referral_message
from alerts.settings import AlertSettings
from alerts.short_links import keep_code
from alerts.stand_down_texts import stand_down_body, stand_down_text
from alerts.standing_down import END_MS, SIREN_MS
from alerts.texts import TextMessage
from alerts.told import reply_code
from alerts.workers import is_shared, try_locks
from alerts.writing import end_pending, queue_record
from registry import ChannelEntry, Directory, ResponderEntry
from telemetry.commands import Outgoing, pack_command
from telemetry.messages import Command

_rows = models.notification
_attempts = models.attempt
#: Claimed in one transaction; more follow in the next.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Claimed:
    """The sends that may begin once the transaction is committed, and how many notifications were dealt with."""

    jobs: list[Job]
    count: int


def claim(
    connection: Connection,
    directory: Directory,
    settings: AlertSettings,
    worker: str,
    now_ms: int,
    *,
    room: int,
    head_start_ms: int = 0,
) -> Claimed:
    """Claim for ``worker`` what may be sent now, ``room`` messages at most, and of that only what nobody has claimed
    for ``head_start_ms``.

    One at a time per responder, whichever process sends: the more urgent first, then in the order of creation. What
    another transaction has is left to it.
    """
    rows = _lock(connection, _first_of_each(connection, min(room, _AT_ONCE), now_ms - head_start_ms, now_ms), now_ms)
    if not rows:
        return Claimed([], 0)
    incidents = _incidents(connection, {row["incident"] for row in rows})
    saying = with_words(connection, incidents)

    def begin(row: RowMapping) -> Job | None:
        incident = incidents[row["incident"]]
        says = incident.id in saying
        return _begin(connection, row, incident, directory, settings, worker, now_ms, says=says)

    if len(rows) > 1:
        with guarded(connection, f"{len(rows)} notifications together") as outcome:
            begun = [begin(row) for row in rows]
        if outcome.error is None:
            return Claimed([job for job in begun if job is not None], len(rows))
    jobs = []
    for row in rows:
        job = None
        with guarded(connection, f"notification {row['id']}") as outcome:
            job = begin(row)
        if outcome.error is not None:
            give_up(connection, row, directory, Status.FAILED, Reason.INTERNAL, now_ms)
        elif job is not None:
            jobs.append(job)
    return Claimed(jobs, len(rows))


_order = (_rows.c.urgency.desc(), _rows.c.created_ms, _rows.c.round, _rows.c.step, _rows.c.channel)


def _first_of_each(connection: Connection, count: int, due_by_ms: int, now_ms: int) -> list[RowMapping]:
    """Each responder's next notification, and sirens' too, in order; those of them that were due by then."""
    place = func.row_number().over(partition_by=(_rows.c.responder, SIREN), order_by=_order).label("place")
    ranked = select(_rows.c.id, place).where(is_waiting(), _rows.c.due_ms <= now_ms).subquery()
    first = (ranked.c.place == 1) & (_rows.c.due_ms <= due_by_ms)
    query = select(_rows).join(ranked, ranked.c.id == _rows.c.id).where(first).order_by(*_order)
    return list(connection.execute(query.limit(max(count, 0))).mappings())


def _lock(connection: Connection, rows: list[RowMapping], now_ms: int) -> list[RowMapping]:
    """Those of ``rows`` that are ours until the end of the transaction, looked at again: what was sent between the look
    and the lock is seen by the second statement only. Waits for nobody."""
    if not rows or not is_shared(connection):
        return rows
    responders = try_locks(connection, sorted({row["responder"] for row in rows}))
    ids = [row["id"] for row in rows if row["responder"] in responders]
    query = (
        select(_rows)
        .join(models.incident, models.incident.c.id == _rows.c.incident)
        .where(_rows.c.id.in_(ids), is_waiting(), _rows.c.due_ms <= now_ms)
        .order_by(*_order)
        .with_for_update(of=[_rows, models.incident], skip_locked=True)
    )
    return list(connection.execute(query).mappings())


def _incidents(connection: Connection, ids: set[str]) -> dict[str, Incident]:
    table = models.incident
    query = select(table).where(table.c.id.in_(ids))
    return {row["id"]: to_incident(row) for row in connection.execute(query).mappings()}


def _begin(
    connection: Connection,
    row: RowMapping,
    incident: Incident,
    directory: Directory,
    settings: AlertSettings,
    worker: str,
    now_ms: int,
    *,
    says: bool,
) -> Job | None:
    if row["purpose"] == Purpose.STAND_DOWN.value and incident.wants_calls:
        end_pending(connection, incident.id, _rows.c.id == row["id"], Reason.CALLED_AGAIN, now_ms)
        return None
    responder = directory.responder(row["responder"])
    channel = channels_of(responder).get(row["channel"]) if responder is not None else None
    if responder is None or channel is None:
        give_up(connection, row, directory, Status.NOT_SENT, Reason.RESPONDER_GONE, now_ms)
        return None
    target = None if limit_of(channel) is None else target_of(channel)
    if target is not None and not try_locks(connection, [target]):
        return None  # another process is counting what this address may still have
    calls_nobody = row["purpose"] == Purpose.STAND_DOWN.value
    until_ms = held_until_ms(connection, channel, now_ms, leaves_half=calls_nobody)
    if until_ms is not None:
        hold(connection, row, until_ms, now_ms)
        if not calls_nobody:
            join_next(connection, row, responder, Reason.RATE_LIMITED, now_ms)
        return None
    attempt = row["attempts"] + 1
    started = {"notification": row["id"], "number": attempt, "started_ms": now_ms, "target": target, "worker": worker}
    with kept(connection) as rows:
        rows.begin(row["id"], started)
    if type_of(row["channel"]) == "siren":
        _command(connection, row, channel, attempt, now_ms)
        return None
    envelope = Envelope(
        row["id"], row["step"], row["round"], attempt,
        follow_up=last_outcome(connection, incident.id) if says else "",
        said=said_by_detector(connection, incident) if says else {},
        purpose=Purpose(row["purpose"]),
    )  # fmt: skip
    if row["purpose"] == Purpose.STAND_DOWN.value:
        message = _stand_down(channel, incident, responder, envelope, directory, settings, now_ms)
    elif row["purpose"] == Purpose.REFERRAL.value:
        message = referral_message(connection, row, channel, incident, responder, envelope, directory, settings, now_ms)
    else:
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

    if not is_short(channel.url):
        return text_message(incident, responder, envelope, directory, settings, now_ms, short=False)
    code = short_code(settings.link_key, envelope.notification)
    keep_code(connection, code, claims_of(incident, responder, envelope, settings, now_ms))
    answer = reply_code(connection, incident.id, responder.id, now_ms) if settings.replies else ""
    return text_message(incident, responder, envelope, directory, settings, now_ms, short=True, reply_code=answer)


def _stand_down(
    channel: ChannelEntry,
    incident: Incident,
    responder: ResponderEntry,
    envelope: Envelope,
    directory: Directory,
    settings: AlertSettings,
    now_ms: int,
) -> bytes | TextMessage:
    if channel.type != "apprise":
        return stand_down_body(
            incident, responder, envelope.notification, envelope.attempt, directory, settings, now_ms
        )
    from alerts.apprise_channel import is_short  # many imports, for those who use it

    return stand_down_text(incident, responder, envelope.attempt, directory, short=is_short(channel.url))


def _command(connection: Connection, row: RowMapping, channel: ChannelEntry, attempt: int, now_ms: int) -> None:
    """A siren is told through the journal, in this transaction; the command has the id of the call's notification. The
    same with an earlier end makes it stop."""
    alarm, good_ms = row["id"], SIREN_MS
    if row["purpose"] == Purpose.STAND_DOWN.value:
        alarm = notification_id(row["incident"], row["step"], row["round"], row["responder"], row["channel"])
        good_ms = END_MS
    command = Command(id=alarm, type="alarm", expires_ms=now_ms + good_ms)
    queue_record(connection, "commands", pack_command(Outgoing(device=channel.url, command=command)))
    reason = Reason.COMMANDED
    this = (_attempts.c.notification == row["id"]) & (_attempts.c.number == attempt)
    connection.execute(update(_attempts).where(this).values(ended_ms=now_ms, reason=reason.value))
    values = {"status": Status.SENT.value, "reason": reason.value, "done_ms": now_ms}
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
    write_note(connection, What.SENT, row, reason, now_ms)
