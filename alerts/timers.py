"""Timers are rows with a due time, so that a restart goes on where it stood."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select, tuple_, update
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.calling import Round, call_anew, call_next
from alerts.database import load_incident, to_incident
from alerts.drills import TEST_KIND
from alerts.guarding import guarded
from alerts.intake import calls_of
from alerts.lifecycle import TAKEN, Change, Incident, Outcome, State, TimerKind, not_arrived, not_resolved, resolve
from alerts.nearest import look_around
from alerts.surroundings import Surroundings
from alerts.writing import write_change
from registry import Directory

_timers = models.timer
_AT_ONCE = 500
#: A timer that we failed to handle is tried again then.
_AFTER_DEFECT_MS = 10_000


def fire_timers(connection: Connection, directory: Directory, now_ms: int, *, at_most: int = _AT_ONCE) -> int:
    """Do what is due at ``now_ms``, ``at_most`` so many; returns how many timers were. Those of incidents that another
    transaction has are left to it, or to the next look."""
    due = list(
        connection.execute(
            select(models.incident, _timers.c.kind.label("timer"))
            .join(models.incident, models.incident.c.id == _timers.c.incident)
            .where(_timers.c.due_ms <= now_ms)
            .order_by(_timers.c.due_ms)
            .limit(at_most)
            .with_for_update(of=models.incident, skip_locked=True)
        ).mappings()
    )
    if len(due) > 1:
        with guarded(connection, f"{len(due)} timers together") as outcome:
            _fire_together(connection, due, directory, now_ms)
        if outcome.error is None:
            return len(due)
    for row in due:
        with guarded(connection, f"timer {row['timer']} of {row['id']}") as outcome:
            around = Surroundings(connection, directory, now_ms)
            _fire(connection, row["id"], row["timer"], directory, now_ms, around)
        if outcome.error is not None:
            this = (_timers.c.incident == row["id"]) & (_timers.c.kind == row["timer"])
            connection.execute(update(_timers).where(this).values(due_ms=now_ms + _AFTER_DEFECT_MS))
    return len(due)


def _fire_together(connection: Connection, due: Sequence[RowMapping], directory: Directory, now_ms: int) -> None:
    """Of each incident the first timer is read and deleted with the others'; what its change leaves of a second one is
    looked at afterwards."""
    first = {row["id"]: row for row in reversed(due)}
    keys = [(row["id"], row["timer"]) for row in first.values()]
    these = tuple_(_timers.c.incident, _timers.c.kind).in_(keys) & (_timers.c.due_ms <= now_ms)
    gone = connection.execute(delete(_timers).where(these).returning(_timers.c.incident, _timers.c.kind))
    fired = {(incident, kind) for incident, kind in gone}
    around = Surroundings(connection, directory, now_ms)
    incidents = {one: to_incident(row) for one, row in first.items() if (one, row["timer"]) in fired}
    calls = [one for one in incidents.values() if one.kind != TEST_KIND]
    around.look_at(one.id for one in calls)
    look_around(around, directory, [(one.area, one.person, one.policy) for one in calls], now_ms)
    for row in due:
        if row is not first[row["id"]]:
            _fire(connection, row["id"], row["timer"], directory, now_ms, around)
        elif row["id"] in incidents:  # else somebody took the incident between the two statements
            _change(connection, incidents[row["id"]], row["timer"], directory, now_ms, around)


def _fire(
    connection: Connection, incident_id: str, kind: str, directory: Directory, now_ms: int, around: Surroundings
) -> None:
    incident = load_incident(connection, incident_id)
    this = (_timers.c.incident == incident_id) & (_timers.c.kind == kind)
    fired = connection.execute(delete(_timers).where(this, _timers.c.due_ms <= now_ms)).rowcount
    if fired and incident is not None:  # nobody took it between the two statements
        _change(connection, incident, kind, directory, now_ms, around)


def _change(
    connection: Connection, incident: Incident, kind: str, directory: Directory, now_ms: int, around: Surroundings
) -> None:
    change = _fired(connection, incident, TimerKind(kind), directory, now_ms, around)
    if change is not None:
        write_change(connection, change, now_ms)
        around.changed(change)


def _fired(
    connection: Connection,
    incident: Incident,
    kind: TimerKind,
    directory: Directory,
    now_ms: int,
    around: Surroundings,
) -> Change | None:
    if kind is TimerKind.CALL and incident.wants_calls:
        calls = calls_of(connection, incident, directory, now_ms, around)
        if incident.kind == TEST_KIND and all(one.id in calls.told or not one.channels for one in calls.order):
            return resolve(incident, "system", now_ms, outcome=Outcome.TEST, note="nobody received it", via="timer")[1]
        return call_next(incident, calls, now_ms)
    if kind is TimerKind.ARRIVAL and incident.state in (State.ACKNOWLEDGED, State.EN_ROUTE):
        again = not_arrived(incident)
        return again.then(call_next(again.after, calls_of(connection, again.after, directory, now_ms, around), now_ms))
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
