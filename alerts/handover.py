"""Hand-overs: who comes on call is told what is open in their areas, once, also after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.channels import channels_of, first_channels, limit_of, next_channel, target_of, type_of
from alerts.courier import Job
from alerts.delivery import SendResult, Status, settle
from alerts.drills import TEST_KIND, is_test_channel
from alerts.failover import held_until_ms
from alerts.guarding import guarded
from alerts.handover_texts import Notice, OpenIncident, notice_body, notice_text
from alerts.lifecycle import TAKEN, Note, State, What
from alerts.reasons import Reason
from alerts.settings import AlertSettings
from alerts.texts import TextMessage
from alerts.workers import is_of_the_dead, try_locks
from alerts.writing import CONSOLE, NO_CHANNEL, write_audit
from detectors.detection import SEVERITY_ORDER
from registry import ChannelEntry, Directory
from registry.rosters import hand_overs, on_call

_rows = models.handover_notice
_look = models.handover_look
_PREFIX = "h"
#: Who came on call longer ago than this, while we were away, knows what is open.
_BACK_MS = 12 * 3_600_000
#: How far ahead it is looked for the next hand-over.
_AHEAD_MS = 24 * 3_600_000
#: So many on their way at once: there must be room for calls beside them.
_AT_ONCE = 40
_SIREN = "siren"


@dataclass(frozen=True, slots=True)
class Coming:
    """Somebody who has come on call at ``at_ms`` in ``areas``, where they were not just before."""

    responder: str
    at_ms: int
    areas: tuple[str, ...]


def who_comes(known: Directory, from_ms: int, to_ms: int) -> list[Coming]:
    """Who came on call from ``from_ms`` to before ``to_ms`` and still is at its end; each once, in order. Pure.

    Who passes from one roster of an area to another, or is always on call there, does not come.
    """
    at: dict[str, int] = {}
    areas: dict[str, dict[str, None]] = {}
    for one in hand_overs(known.rosters, from_ms, to_ms):
        before = {duty.responder for duty in on_call(known.rosters, one.area, one.at_ms - 1)}
        now = {duty.responder for duty in on_call(known.rosters, one.area, to_ms - 1)}
        for name in one.come:
            if name in now and name not in before and not is_test_channel(known.responder(name)):
                at[name] = max(one.at_ms, at.get(name, 0))
                areas.setdefault(name, {})[one.area] = None
    found = [Coming(name, at_ms, tuple(areas[name])) for name, at_ms in at.items() if name in known.responders]
    return sorted(found, key=lambda coming: (coming.at_ms, coming.responder))


def is_notice(job: Job) -> bool:
    """Whether a send is that of a notice, not of a call."""
    return job.notification.startswith(_PREFIX)


def recover_notices(connection: Connection, now_ms: int) -> int:
    """What no worker that lives has on its way may have arrived, and goes out again as a repeat. Returns how many."""
    begun = _rows.c.started_ms.is_not(None) & (_rows.c.status == Status.PENDING.value)
    lost = begun & is_of_the_dead(_rows.c.worker)
    values = {"started_ms": None, "due_ms": now_ms, "reason": Reason.CRASHED.value}
    return connection.execute(update(_rows).where(lost).values(values)).rowcount


def queue_notices(connection: Connection, known: Directory, now_ms: int) -> int:
    """Queue notices for the hand-overs since the last look; returns how many people have come.

    It is only looked when the registry has changed or the next hand-over is due. The first look of all tells nobody.
    """
    last = connection.execute(select(_look)).mappings().first()
    if last is not None and last["revision"] == known.revision and now_ms < last["next_ms"]:
        return 0
    coming: list[Coming] = []
    if last is not None and now_ms >= last["until_ms"]:
        coming = who_comes(known, max(last["until_ms"], now_ms - _BACK_MS), now_ms + 1)
    for one in coming:
        _queue(connection, one, known, now_ms)
    until_ms = now_ms + 1 if last is None else max(now_ms + 1, last["until_ms"])
    ahead = hand_overs(known.rosters, until_ms, until_ms + _AHEAD_MS)
    next_ms = min((one.at_ms for one in ahead), default=until_ms + _AHEAD_MS)
    values = {"until_ms": until_ms, "next_ms": next_ms, "revision": known.revision}
    connection.execute(insert(_look).values(id=1, **values) if last is None else update(_look).values(values))
    return len(coming)


def _queue(connection: Connection, coming: Coming, known: Directory, now_ms: int) -> None:
    names = [name for name in first_channels(known.responders[coming.responder]) if type_of(name) != _SIREN]
    ids = [_queue_on(connection, coming, name, now_ms) for name in names or [NO_CHANNEL]]
    data = {"responder": coming.responder, "at_ms": coming.at_ms, "areas": list(coming.areas), "notifications": ids}
    write_audit(connection, Note(What.HANDED_OVER, "system", data), now_ms, incident=None)


def _queue_on(connection: Connection, coming: Coming, channel: str, now_ms: int) -> str:
    key = "\0".join((coming.responder, str(coming.at_ms), channel))
    notice = _PREFIX + hashlib.blake2b(key.encode(), digest_size=12).hexdigest()
    if connection.execute(select(_rows.c.id).where(_rows.c.id == notice)).first() is not None:
        return notice
    done = {CONSOLE: (Status.SENT, Reason.SHOWN), NO_CHANNEL: (Status.NOT_SENT, Reason.NO_CHANNEL)}
    status, reason = done.get(type_of(channel), (Status.PENDING, None))
    row = {
        "id": notice,
        "responder": coming.responder,
        "channel": channel,
        "at_ms": coming.at_ms,
        "areas": list(coming.areas),
        "status": status.value,
        "reason": None if reason is None else reason.value,
        "attempts": 0,
        "created_ms": now_ms,
        "due_ms": now_ms,
        "done_ms": None if reason is None else now_ms,
    }
    connection.execute(insert(_rows), row)
    if reason is not None:
        _note(connection, row, status, reason, now_ms)
    return notice


def claim_notices(
    connection: Connection, known: Directory, settings: AlertSettings, worker: str, now_ms: int
) -> list[Job]:
    """The sends that ``worker`` may begin now, each marked as begun before it does. What another transaction has is
    left to it."""
    pending = _rows.c.status == Status.PENDING.value
    begun = connection.execute(select(func.count()).where(pending & _rows.c.started_ms.is_not(None))).scalar_one()
    due = pending & _rows.c.started_ms.is_(None) & (_rows.c.due_ms <= now_ms)
    query = select(_rows).where(due).order_by(_rows.c.due_ms, _rows.c.id).limit(max(0, _AT_ONCE - begun))
    query = query.with_for_update(skip_locked=True)
    rows = connection.execute(query).mappings().all()
    is_open = _open(connection) if rows else []
    jobs = []
    for row in rows:
        job = None
        with guarded(connection, f"hand-over notice {row['id']}") as outcome:
            job = _begin(connection, row, is_open, known, settings, worker, now_ms)
        if outcome.error is not None:
            _end(connection, row, Status.FAILED, Reason.INTERNAL, now_ms)
        elif job is not None:
            jobs.append(job)
    return jobs


def _begin(
    connection: Connection,
    row: RowMapping,
    is_open: list[OpenIncident],
    known: Directory,
    settings: AlertSettings,
    worker: str,
    now_ms: int,
) -> Job | None:
    responder = known.responder(row["responder"])
    channel = channels_of(responder).get(row["channel"]) if responder is not None else None
    if responder is None or channel is None:
        _end(connection, row, Status.NOT_SENT, Reason.RESPONDER_GONE, now_ms)
        return None
    until_ms = _until_ms(known, row["responder"], row["areas"], now_ms)
    if not until_ms:
        _end(connection, row, Status.NOT_SENT, Reason.SHIFT_OVER, now_ms)
        return None
    target = None if limit_of(channel) is None else target_of(channel)
    if target is not None and not try_locks(connection, [target]):
        return None  # another process is counting what this address may still have
    held_ms = held_until_ms(connection, channel, now_ms, leaves_half=True)
    if held_ms is not None:
        values = {"due_ms": held_ms, "reason": Reason.RATE_LIMITED.value}
        connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
        return None
    attempt = row["attempts"] + 1
    begun = {"attempts": attempt, "started_ms": now_ms, "last_ms": now_ms, "target": target, "worker": worker}
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(begun))
    below = [one for one in is_open if any(one.area == area or one.area.startswith(f"{area}.") for area in until_ms)]
    notice = Notice(row["id"], responder, row["at_ms"], until_ms, below, attempt)
    message = _message(channel, notice, known, settings, now_ms)
    return Job(row["id"], responder.id, attempt, channel, message, now_ms)


def _message(
    channel: ChannelEntry, notice: Notice, known: Directory, settings: AlertSettings, now_ms: int
) -> bytes | TextMessage:
    if channel.type != "apprise":
        return notice_body(notice, known, settings, now_ms)
    from alerts.apprise_channel import is_short  # many imports, for those who use it

    return notice_text(notice, known, settings, now_ms, short=is_short(channel.url))


def _until_ms(known: Directory, responder: str, areas: Iterable[str], now_ms: int) -> dict[str, int | None]:
    """Of the areas, those where the responder is on call now, and until when."""
    found: dict[str, int | None] = {}
    for area in areas:
        for duty in on_call(known.rosters, area, now_ms):
            if duty.responder == responder:
                found[area] = duty.until_ms
    return found


def _open(connection: Connection) -> list[OpenIncident]:
    """What is open anywhere: not taken before taken, then the more urgent, then the older."""
    table = models.incident
    query = select(
        table.c.id, table.c.kind, table.c.severity, table.c.state, table.c.person, table.c.device, table.c.area,
        table.c.onset_ms, table.c.opened_ms, table.c.acknowledged_by,
    ).where(table.c.state != State.RESOLVED.value, table.c.kind != TEST_KIND)  # fmt: skip
    found = [
        OpenIncident(
            id=row.id, kind=row.kind, severity=row.severity, state=State(row.state), person=row.person,
            device=row.device, area=row.area, onset_ms=row.onset_ms, opened_ms=row.opened_ms,
            taken_by=row.acknowledged_by,
        )
        for row in connection.execute(query)
    ]  # fmt: skip
    return sorted(
        found, key=lambda one: (one.state in TAKEN, -SEVERITY_ORDER.index(one.severity), one.opened_ms, one.id)
    )


def record_notices(
    connection: Connection, results: Iterable[tuple[Job, SendResult]], known: Directory, now_ms: int
) -> None:
    """Write down what came of sends; where a channel was given up the responder's next one takes over."""
    for job, result in results:
        settled = settle(job.notification, job.attempt, result, now_ms)
        this = select(_rows).where(_rows.c.id == job.notification).with_for_update()
        row = connection.execute(this).mappings().one()
        ours = row["attempts"] == job.attempt and row["started_ms"] is not None
        if not ours and (settled.status is not Status.SENT or row["status"] == Status.SENT.value):
            continue  # we were taken for dead, and it goes out again
        if settled.due_ms is not None:
            values = {"due_ms": settled.due_ms, "started_ms": None, "reason": settled.reason.value}
            connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
            continue
        _end(connection, row, settled.status, settled.reason, now_ms)
        responder = known.responder(job.responder)
        channel = next_channel(responder, row["channel"]) if responder is not None else None
        if settled.status is Status.FAILED and channel is not None:
            _queue_on(connection, Coming(job.responder, row["at_ms"], tuple(row["areas"])), channel, now_ms)


def _end(connection: Connection, row: RowMapping, status: Status, reason: Reason, now_ms: int) -> None:
    values = {"status": status.value, "reason": reason.value, "done_ms": now_ms, "started_ms": None}
    connection.execute(update(_rows).where(_rows.c.id == row["id"]).values(values))
    _note(connection, row, status, reason, now_ms)


def _note(
    connection: Connection, row: RowMapping | dict[str, Any], status: Status, reason: Reason, now_ms: int
) -> None:
    what = What.SENT if status is Status.SENT else What.NOT_SENT
    data = {"notification": row["id"], "responder": row["responder"], "channel": row["channel"]}
    write_audit(connection, Note(what, "system", data | {"reason": reason.value}), now_ms, incident=None)
