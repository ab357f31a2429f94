"""Timers are rows with a due time, so that a restart goes on where it stood."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, select, update

from alerts import models
from alerts.calling import Round, call_anew, call_next
from alerts.database import load_incident
from alerts.drills import TEST_KIND
from alerts.guarding import guarded
from alerts.intake import calls_of
from alerts.lifecycle import TAKEN, Change, Incident, Outcome, State, TimerKind, not_arrived, not_resolved, resolve
from alerts.writing import write_change
from registry import Directory

_AT_ONCE = 500
#: A timer that we failed to handle is tried again then.
_AFTER_DEFECT_MS = 10_000


def fire_timers(connection: Connection, directory: Directory, now_ms: int, *, at_most: int = _AT_ONCE) -> int:
    """Do what is due at ``now_ms``, ``at_most`` so many; returns how many timers were. Those of incidents that another
    transaction has are left to it, or to the next look."""
    timers = models.timer
    due = connection.execute(
        select(timers.c.incident, timers.c.kind)
        .join(models.incident, models.incident.c.id == timers.c.incident)
        .where(timers.c.due_ms <= now_ms)
        .order_by(timers.c.due_ms)
        .limit(at_most)
        .with_for_update(of=models.incident, skip_locked=True)
    ).all()
    for incident_id, kind in due:
        this = (timers.c.incident == incident_id) & (timers.c.kind == kind)
        with guarded(connection, f"timer {kind} of {incident_id}") as outcome:
            incident = load_incident(connection, incident_id)
            fired = connection.execute(delete(timers).where(this, timers.c.due_ms <= now_ms)).rowcount
            if fired == 0 or incident is None:
                continue  # somebody took the incident between the two statements
            change = _fired(connection, incident, TimerKind(kind), directory, now_ms)
            if change is not None:
                write_change(connection, change, now_ms)
        if outcome.error is not None:
            connection.execute(update(timers).where(this).values(due_ms=now_ms + _AFTER_DEFECT_MS))
    return len(due)


def _fired(
    connection: Connection, incident: Incident, kind: TimerKind, directory: Directory, now_ms: int
) -> Change | None:
    if kind is TimerKind.CALL and incident.wants_calls:
        calls = calls_of(connection, incident, directory, now_ms)
        if incident.kind == TEST_KIND and all(one.id in calls.told or not one.channels for one in calls.order):
            return resolve(incident, "system", now_ms, outcome=Outcome.TEST, note="nobody received it", via="timer")[1]
        return call_next(incident, calls, now_ms)
    if kind is TimerKind.ARRIVAL and incident.state in (State.ACKNOWLEDGED, State.EN_ROUTE):
        again = not_arrived(incident)
        return again.then(call_next(again.after, calls_of(connection, again.after, directory, now_ms), now_ms))
    if kind is TimerKind.RESOLVE and incident.state is not State.RESOLVED:
        late = not_resolved(incident, now_ms)
        if incident.state not in TAKEN:  # the calls go on
            return late
        desk = Round([responder for responder in directory.desk(now_ms) if responder.channels])
        return late.then(call_anew(late.after, desk, now_ms))
    return None


def next_timer_ms(connection: Connection) -> int | None:
    """When the next timer is due; None without timers."""
    due: int | None = connection.execute(select(func.min(models.timer.c.due_ms))).scalar()
    return due
