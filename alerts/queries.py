"""What the console shows, read from the database of registry and alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, select

from alerts import models
from alerts.database import to_incident, unpack_window
from alerts.delivery import Purpose, Status
from alerts.drills import TEST_KIND
from alerts.lifecycle import TAKEN, Outcome, State
from detectors.detection import SEVERITY_ORDER, Severity, Stage, Window
from registry import SealedError
from registry import models as people
from registry.sealing import phone_of

__all__ = [
    "AttemptView",
    "CallSent",
    "EvidenceView",
    "IncidentDetail",
    "IncidentView",
    "NotificationView",
    "Stage",
    "Standing",
    "TimelineEntry",
    "Window",
    "calls_sent",
    "changes_since",
    "current_change",
    "incident_detail",
    "notification_counts",
    "open_incidents",
]


class CallSent(NamedTuple):
    """A call that went out; ``name`` is None of a responder whom the registry has no more."""

    incident: str
    round: int
    responder: str
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    """A detection of an incident at one stage, with the numbers that made the decision."""

    detection: str
    stage: str
    verdict: str
    kind: str
    detector: str
    version: str
    params_hash: str
    device: str
    severity: str
    score: float
    historical: bool
    onset_ms: int
    decided_ms: int
    recv_ms: int
    features: dict[str, float]
    notes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A responder who comes beside the one who has it, and since when."""

    responder: str
    name: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """An incident as the board shows it.

    ``person_key`` is None and the names are "" at the district desk (unknown or unassigned device). ``notifying`` are
    the names of those called in the present round, while the calls go on. ``next_call_ms`` is when the next one
    will be called. ``said_ms`` is what the device says of the onset where that is implausible. ``also_by`` are who
    comes beside ``acknowledged_by``, ``needed`` how many have to in all. ``offered_to`` was asked to take it over.
    """

    id: str
    kind: str
    severity: Severity
    state: State
    outcome: Outcome | None
    historical: bool
    desk: bool
    device: str
    person_key: str | None
    person_name: str
    person_language: str
    person_phone: str
    person_risks: tuple[str, ...]
    address: str
    area: str
    area_name: str
    onset_ms: int
    said_ms: int | None
    opened_ms: int
    acknowledged_ms: int | None
    acknowledged_by: str | None
    acknowledged_by_name: str
    also_by: tuple[Standing, ...] = ()
    offered_to: str | None = None
    offered_to_name: str = ""
    needed: int = 1
    en_route_ms: int | None
    on_scene_ms: int | None
    resolved_ms: int | None
    resolved_by: str | None
    round: int
    notifying: tuple[str, ...]
    next_call_ms: int | None
    evidence: tuple[EvidenceView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One send. ``ended_ms`` None: it is on its way, or its fate is unknown."""

    number: int
    started_ms: int
    ended_ms: int | None
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationView:
    """A message to one responder on one channel; ``purpose`` as :class:`alerts.delivery.Purpose` has it."""

    id: str
    purpose: str
    step: int
    round: int
    responder: str
    responder_name: str
    channel: str
    status: Status
    reason: str | None
    detail: str | None
    created_ms: int
    due_ms: int
    done_ms: int | None
    attempts: tuple[AttemptView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """An audit row: who did what, when; ``before`` and ``after`` hold what changed of the incident."""

    at_ms: int
    what: str
    who: str
    who_name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentDetail:
    """Everything about one incident. ``window`` is the motion around the first evidence that has any."""

    incident: IncidentView
    timeline: tuple[TimelineEntry, ...]
    notifications: tuple[NotificationView, ...]
    window: Window | None


def open_incidents(engine: Engine, *, resolved_since_ms: int | None = None) -> list[IncidentView]:
    """The incidents that are not resolved, and those resolved at or after ``resolved_since_ms`` if given.

    The most urgent first: not yet taken before taken before resolved, then by severity, then the oldest first.
    """
    wanted: ColumnElement[bool] = models.incident.c.state != State.RESOLVED.value
    if resolved_since_ms is not None:
        wanted = wanted | (models.incident.c.resolved_ms >= resolved_since_ms)
    with engine.connect() as connection:
        views = _views(connection, wanted)
    return sorted(views, key=_board_order)


def _board_order(view: IncidentView) -> tuple[int, int, int, str]:
    rank = 2 if view.state is State.RESOLVED else 1 if view.state in TAKEN else 0
    return rank, -SEVERITY_ORDER.index(view.severity.value), view.opened_ms, view.id


def incident_detail(engine: Engine, incident_id: str) -> IncidentDetail | None:
    """One incident with its time line, messages and motion; None when there is none of this id."""
    with engine.connect() as connection:
        views = _views(connection, models.incident.c.id == incident_id)
        if not views:
            return None
        return IncidentDetail(
            incident=views[0],
            timeline=_timeline(connection, incident_id),
            notifications=_notifications(connection, incident_id),
            window=_window(connection, incident_id),
        )


def changes_since(engine: Engine, revision: int) -> int | None:
    """The present revision when anything changed since ``revision``, else None: one small read."""
    now = current_change(engine)
    return now if now != revision else None


def current_change(engine: Engine) -> int:
    """A number that rises whenever an incident, its calls or its time line change."""
    with engine.connect() as connection:
        return int(connection.execute(select(models.change.c.revision)).scalar_one())


def notification_counts(engine: Engine) -> dict[tuple[str, str], int]:
    """How many notifications there are by (status, reason), for metrics. A reason not yet known is ``""``."""
    rows = models.notification
    query = select(rows.c.status, rows.c.reason, func.count()).group_by(rows.c.status, rows.c.reason)
    with engine.connect() as connection:
        return {(status, reason or ""): count for status, reason, count in connection.execute(query)}


def _views(connection: Connection, wanted: ColumnElement[bool]) -> list[IncidentView]:
    person, area, responder = people.person, people.area, people.responder
    query = (
        select(
            models.incident,
            person.c.name.label("person_name"),
            person.c.language.label("person_language"),
            person.c.phone.label("person_phone"),
            person.c.risks.label("person_risks"),
            person.c.address.label("person_address"),
            area.c.name.label("area_name"),
            responder.c.name.label("by_name"),
            models.timer.c.due_ms.label("next_call_ms"),
        )
        .outerjoin(person, person.c.key == models.incident.c.person)
        .outerjoin(area, area.c.path == models.incident.c.area)
        .outerjoin(responder, responder.c.id == models.incident.c.acknowledged_by)
        .outerjoin(models.timer, (models.timer.c.incident == models.incident.c.id) & (models.timer.c.kind == "call"))
        .where(wanted)
    )
    rows = connection.execute(query).mappings().all()
    ids = [row["id"] for row in rows]
    evidence = _evidence(connection, ids)
    called = _called(connection, ids)
    asked = {row["offered_to"] for row in rows if row["offered_to"]}
    names = _names(connection, asked | {one for row in rows for one in row["also_by"]})
    views = []
    for row in rows:
        incident = to_incident(row)
        views.append(
            IncidentView(
                id=incident.id,
                kind=incident.kind,
                severity=incident.severity,
                state=incident.state,
                outcome=incident.outcome,
                historical=incident.historical,
                desk=incident.person is None and incident.kind != TEST_KIND,
                device=incident.device,
                person_key=incident.person,
                person_name=row["person_name"] or "",
                person_language=row["person_language"] or "",
                person_phone=_phone(connection, incident.person, row["person_phone"] or ""),
                person_risks=tuple(row["person_risks"] or ()),
                address=row["person_address"] or "",
                area=incident.area,
                area_name=row["area_name"] or incident.area,
                onset_ms=incident.onset_ms,
                said_ms=incident.said_ms,
                opened_ms=incident.opened_ms,
                acknowledged_ms=incident.acknowledged_ms,
                acknowledged_by=incident.acknowledged_by,
                acknowledged_by_name=row["by_name"] or incident.acknowledged_by or "",
                also_by=tuple(
                    Standing(responder=one, name=names.get(one, one), at_ms=at_ms)
                    for one, at_ms in incident.also_by.items()
                ),
                offered_to=incident.offered_to,
                offered_to_name=names.get(incident.offered_to or "", incident.offered_to or ""),
                needed=incident.needed,
                en_route_ms=incident.en_route_ms,
                on_scene_ms=incident.on_scene_ms,
                resolved_ms=incident.resolved_ms,
                resolved_by=incident.resolved_by,
                round=incident.round,
                notifying=tuple(called[incident.id, incident.round]) if incident.wants_calls else (),
                next_call_ms=row["next_call_ms"],
                evidence=tuple(evidence[incident.id]),
            )
        )
    return views


def _phone(connection: Connection, person: str | None, phone: str) -> str:
    try:
        return phone_of(connection, person, phone) if person is not None else ""
    except SealedError:
        return ""  # the board must be there all the same; the doctor names the key that is missing


def _evidence(connection: Connection, ids: Sequence[str]) -> dict[str, list[EvidenceView]]:
    table = models.evidence
    names = list(EvidenceView.__dataclass_fields__)
    found: dict[str, list[EvidenceView]] = defaultdict(list)
    columns = [table.c[name] for name in names]
    for some in _chunks(ids):
        query = select(table.c.incident, *columns).where(table.c.incident.in_(some))
        for incident, *values in connection.execute(query.order_by(table.c.taken_ms, table.c.onset_ms)):
            found[incident].append(EvidenceView(**dict(zip(names, values, strict=True))))
    return found


def calls_sent(connection: Connection, ids: Sequence[str]) -> Iterator[CallSent]:
    """The calls of some incidents that went out, in order."""
    rows, responder = models.notification, people.responder
    for some in _chunks(ids):
        query = (
            select(rows.c.incident, rows.c.round, rows.c.responder, responder.c.name)
            .outerjoin(responder, responder.c.id == rows.c.responder)
            .where(
                rows.c.incident.in_(some),
                rows.c.status != Status.NOT_SENT.value,
                rows.c.purpose == Purpose.CALL.value,
            )
            .order_by(rows.c.created_ms, rows.c.step)
        )
        yield from (CallSent(*row) for row in connection.execute(query))


def _called(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, int], dict[str, None]]:
    """(incident, round) -> names of those called, each once, in the order of the calls."""
    found: dict[tuple[str, int], dict[str, None]] = defaultdict(dict)
    for call in calls_sent(connection, ids):
        found[call.incident, call.round][call.name or call.responder] = None
    return found


def _names(connection: Connection, ids: set[str]) -> dict[str, str]:
    if not ids:
        return {}
    responder = people.responder
    query = select(responder.c.id, responder.c.name).where(responder.c.id.in_(ids))
    return {row.id: row.name for row in connection.execute(query)}


def _chunks(ids: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _timeline(connection: Connection, incident_id: str) -> tuple[TimelineEntry, ...]:
    table, responder = models.audit, people.responder
    query = (
        select(table, responder.c.name.label("who_name"))
        .outerjoin(responder, responder.c.id == table.c.who)
        .where(table.c.incident == incident_id)
        .order_by(table.c.id)
    )
    return tuple(
        TimelineEntry(
            at_ms=row["at_ms"],
            what=row["what"],
            who=row["who"],
            who_name=row["who_name"] or row["who"],
            before=row["before"],
            after=row["after"],
            data=row["data"],
        )
        for row in connection.execute(query).mappings()
    )


def _notifications(connection: Connection, incident_id: str) -> tuple[NotificationView, ...]:
    rows, attempt, responder = models.notification, models.attempt, people.responder
    attempts: dict[str, list[AttemptView]] = defaultdict(list)
    of_incident = select(rows.c.id).where(rows.c.incident == incident_id)
    for entry in connection.execute(
        select(attempt).where(attempt.c.notification.in_(of_incident)).order_by(attempt.c.number)
    ):
        attempts[entry.notification].append(_attempt(entry))
    query = (
        select(rows, responder.c.name.label("responder_name"))
        .outerjoin(responder, responder.c.id == rows.c.responder)
        .where(rows.c.incident == incident_id)
        .order_by(rows.c.created_ms, rows.c.round, rows.c.step, rows.c.channel)
    )
    return tuple(
        NotificationView(
            id=row["id"],
            purpose=row["purpose"],
            step=row["step"],
            round=row["round"],
            responder=row["responder"],
            responder_name=row["responder_name"] or row["responder"],
            channel=row["channel"],
            status=Status(row["status"]),
            reason=row["reason"],
            detail=row["detail"],
            created_ms=row["created_ms"],
            due_ms=row["due_ms"],
            done_ms=row["done_ms"],
            attempts=tuple(attempts[row["id"]]),
        )
        for row in connection.execute(query).mappings()
    )


def _attempt(row: Row[Any]) -> AttemptView:
    return AttemptView(
        number=row.number, started_ms=row.started_ms, ended_ms=row.ended_ms, reason=row.reason, detail=row.detail
    )


def _window(connection: Connection, incident_id: str) -> Window | None:
    table = models.evidence
    query = (
        select(table.c.window)
        .where(table.c.incident == incident_id, table.c.window.is_not(None))
        .order_by(table.c.taken_ms, table.c.onset_ms)
        .limit(1)
    )
    blob = connection.execute(query).scalar()
    return None if blob is None else unpack_window(blob)
