"""Incidents: read, and acted on, as programs do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, Engine, Row, and_, func, or_, select

from alerts import actions, models
from alerts.actions import ActionResult
from alerts.lifecycle import Answer, Outcome, State
from alerts.queries import incident_detail
from alerts.referral import ReferralAnswer, refer
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed, of_incident, placed
from console.access.viewer import Viewer
from console.api.models import (
    Act,
    Done,
    Incident,
    IncidentList,
    Message,
    PersonRef,
    Refer,
    Referred,
    Resolve,
    Timeline,
    TimelineEntry,
)
from console.api.paging import Cursor, Limit, pack, unpack
from console.api.problems import Problem
from console.api.repeats import IdempotencyKey, once
from console.api.tagging import Tagged
from console.reading import CONSOLE, read_revision
from console.standing_for import is_within_reach, may_stand_for
from registry import models as people

_VIA = "api"
_Decide = Callable[[str, str, int, str], ActionResult]


def incident_routes(engine: Engine, now_ms: Callable[[], int]) -> APIRouter:
    """``/incidents`` and what is below."""
    router = APIRouter(prefix="/incidents", tags=["incidents"], route_class=Tagged)

    @router.get("")
    @allow(listed(Permission.INCIDENTS_READ))
    def list_incidents(
        viewer: CurrentViewer,
        state: Annotated[Literal["open", "resolved", "all"], Query(description="open: not resolved")] = "open",
        area: Annotated[str, Query(max_length=255, description="this one and all below")] = "",
        person: Annotated[str, Query(max_length=64)] = "",
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> IncidentList:
        """Incidents of the user's areas, those opened last first."""
        place = unpack(cursor, int, str)
        revision = read_revision(engine)
        c = models.incident.c
        query = _select().where(viewer.area_filter(c.area))
        if state != "all":
            resolved = c.state == State.RESOLVED.value
            query = query.where(resolved if state == "resolved" else ~resolved)
        if area:
            query = query.where(below(c.area, area))
        if person:
            query = query.where(c.person == plain(person))
        if place is not None:
            query = query.where(or_(c.opened_ms < place[0], and_(c.opened_ms == place[0], c.id < place[1])))
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(c.opened_ms.desc(), c.id.desc()).limit(limit + 1)).all()
        shown = rows[:limit]
        following = pack(shown[-1].opened_ms, shown[-1].id) if len(rows) > limit else ""
        return IncidentList(now_ms=now_ms(), revision=revision, incidents=[_incident(r) for r in shown], next=following)

    @router.get("/{incident_id}")
    @allow(placed(Permission.INCIDENTS_READ, of_incident))
    def get_incident(incident_id: str) -> Incident:
        """One incident."""
        with engine.connect() as connection:
            return _read(connection, incident_id)

    @router.get("/{incident_id}/timeline")
    @allow(placed(Permission.INCIDENTS_READ, of_incident))
    def get_timeline(incident_id: str) -> Timeline:
        """Every step, and every message with its reason."""
        detail = incident_detail(engine, incident_id)
        if detail is None:
            raise Problem("not-found")
        entries = [
            TimelineEntry(at_ms=one.at_ms, what=one.what, who=one.who, who_name=one.who_name, data=one.data)
            for one in detail.timeline
        ]
        messages = [
            Message(
                responder=one.responder, responder_name=one.responder_name, channel=one.channel, purpose=one.purpose,
                status=one.status.value, reason=one.reason, created_ms=one.created_ms, done_ms=one.done_ms,
                attempts=len(one.attempts),
            )
            for one in detail.notifications
        ]  # fmt: skip
        return Timeline(incident=incident_id, entries=entries, messages=messages)

    def act(name: str, told: str, decide: _Decide) -> None:
        @allow(placed(Permission.INCIDENTS_ACT, of_incident))
        def endpoint(viewer: CurrentViewer, incident_id: str, body: Act | None = None, key: IdempotencyKey = "") -> Any:
            given = body or Act()
            at_ms, actor = now_ms(), _actor(engine, viewer, incident_id, given.actor)

            def do() -> Done:
                return _done(decide(incident_id, actor, at_ms, given.note))

            return once(engine, viewer, key, (name, incident_id, given.model_dump()), at_ms, do)

        router.add_api_route(
            f"/{{incident_id}}/{name}", endpoint, methods=["POST"], name=name, operation_id=f"incident_{name}",
            summary=told, response_model=Done,
        )  # fmt: skip

    act("acknowledge", "Take it", lambda i, who, at, _: actions.acknowledge(engine, i, who, at, via=_VIA))
    act("en_route", "On the way", lambda i, who, at, _: actions.en_route(engine, i, who, at, via=_VIA))
    act("on_scene", "At the door", lambda i, who, at, _: actions.on_scene(engine, i, who, at, via=_VIA))
    act("cannot_come", "Cannot come", lambda i, who, at, _: actions.cannot_come(engine, i, who, at, via=_VIA))
    act(
        "need_help", "More people are needed",
        lambda i, who, at, note: actions.need_help(engine, i, who, at, via=_VIA, note=note),
    )  # fmt: skip

    @router.post("/{incident_id}/resolve", response_model=Done)
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def resolve(viewer: CurrentViewer, incident_id: str, body: Resolve, key: IdempotencyKey = "") -> JSONResponse:
        """Close it with what it was."""
        at_ms, actor = now_ms(), _actor(engine, viewer, incident_id, body.actor)

        def do() -> Done:
            outcome = Outcome(body.outcome)
            return _done(
                actions.resolve(engine, incident_id, actor, at_ms, outcome=outcome, note=body.note.strip(), via=_VIA)
            )

        return once(engine, viewer, key, ("resolve", incident_id, body.model_dump()), at_ms, do)

    @router.post("/{incident_id}/refer", response_model=Referred)
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def refer_it(viewer: CurrentViewer, incident_id: str, body: Refer, key: IdempotencyKey = "") -> JSONResponse:
        """Tell the family doctor, a hospital team or anybody else of it."""
        at_ms, actor = now_ms(), _actor(engine, viewer, incident_id, body.actor)

        def do() -> Referred:
            _check_addressee(engine, viewer, body.to)
            result = refer(engine, incident_id, actor, body.to, at_ms, note=body.note.strip(), via=_VIA)
            if result.answer is ReferralAnswer.UNKNOWN:
                raise Problem("not-found")
            return Referred(answer=result.answer.value, done=result.done, responder=result.responder, name=result.name)

        return once(engine, viewer, key, ("refer", incident_id, body.model_dump()), at_ms, do)

    return router


def below(column: Any, area: str) -> Any:
    """The condition that a path is ``area`` or below it."""
    path = plain(area)
    return or_(column == path, func.substr(column, 1, len(path) + 1) == f"{path}.")


def plain(text: str) -> str:
    """A text that a database bears; "" for another, which nothing is called."""
    return text if text.isprintable() else ""


def _select() -> Any:
    incident, person, area, responder = models.incident, people.person, people.area, people.responder
    return (
        select(
            incident, person.c.key.label("person_key"), person.c.name.label("person_name"), person.c.address,
            person.c.risks, area.c.name.label("area_name"), responder.c.name.label("by_name"),
        )
        .outerjoin(person, person.c.key == incident.c.person)
        .outerjoin(area, area.c.path == incident.c.area)
        .outerjoin(responder, responder.c.id == incident.c.acknowledged_by)
    )  # fmt: skip


def _read(connection: Connection, incident_id: str) -> Incident:
    row = connection.execute(_select().where(models.incident.c.id == incident_id)).first()
    if row is None:
        raise Problem("not-found")
    return _incident(row)


def _incident(row: Row[Any]) -> Incident:
    person = None
    if row.person is not None:
        person = PersonRef(
            key=row.person, name=row.person_name or "", address=row.address or "", risks=list(row.risks or ())
        )
    return Incident(
        id=row.id, kind=row.kind, severity=row.severity, state=row.state, outcome=row.outcome, area=row.area,
        area_name=row.area_name or row.area, device=row.device, person=person, historical=row.historical,
        onset_ms=row.onset_ms, opened_ms=row.opened_ms, acknowledged_ms=row.acknowledged_ms,
        acknowledged_by=row.acknowledged_by, acknowledged_by_name=row.by_name, en_route_ms=row.en_route_ms,
        on_scene_ms=row.on_scene_ms, resolved_ms=row.resolved_ms, resolved_by=row.resolved_by, needed=row.needed,
        also_by=list(row.also_by or ()), round=row.round, revision=row.transitions,
    )  # fmt: skip


def _actor(engine: Engine, viewer: Viewer, incident_id: str, asked: str | None) -> str:
    """In whose name something is done."""
    own = viewer.responder or CONSOLE
    if asked is None or asked == own:
        return own
    if not viewer.may(Permission.INCIDENTS_ACT_FOR):
        raise Problem("not-allowed", "`as` names somebody else: leave it out, or ask for the right to act for others.")
    if not may_stand_for(engine, viewer, incident_id, asked):
        raise Problem("invalid", "`as` is nobody who was called, nor a responder of the user's areas or above them.")
    return asked


def _check_addressee(engine: Engine, viewer: Viewer, to: str) -> None:
    """A responder who lies elsewhere is not there; a relation is of the person."""
    responder = people.responder
    with engine.connect() as connection:
        row = connection.execute(select(responder.c.area).where(responder.c.id == to)).first()
    if row is not None and not is_within_reach(viewer, row.area):
        raise Problem("not-found", f"{to!r} is no responder of the user's areas or of those above them.")


def _done(result: ActionResult) -> Done:
    if result.answer is Answer.UNKNOWN:
        raise Problem("not-found")
    return Done(
        answer=result.answer.value, done=result.done, state=result.state.value if result.state else None,
        by=result.by, by_name=result.by_name, at_ms=result.at_ms,
    )  # fmt: skip
