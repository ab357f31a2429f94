"""Visits that are due, and silences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, Engine, insert, select, update

from alerts.errors import VisitError
from alerts.known import Rules
from alerts.visits import VisitView, visit_done, visit_missed, visits
from console.access.audit import Event, record
from console.access.gate import CurrentViewer
from console.access.rules import EVERYWHERE, Permission, allow, listed, of_device, placed
from console.access.viewer import Viewer
from console.api.models import NewSilence, Silence, SilenceList, TellVisit, Visit, VisitList
from console.api.problems import Problem
from console.api.repeats import IdempotencyKey, once
from console.api.tagging import Tagged
from registry import RegistryError, models
from registry.database import writing
from registry.entries import SilenceEntry
from registry.rosters.hours import parse_local
from registry.rows import load_table, raise_revision, to_row
from registry.sealing import keys_of
from registry.silences import silence_mistakes

_LONGEST_MS = 62 * 86_400_000
_DAY_MS = 86_400_000
At = Annotated[int | None, Query(ge=0, le=253_402_300_799_000, description="epoch ms")]


def of_visit(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the person of the plan ``{plan_id}`` lives."""
    query = select(models.person.c.area).join(models.visit, models.visit.c.person == models.person.c.key)
    return connection.execute(query.where(models.visit.c.id == _key(path["plan_id"]))).scalar()


def of_silence(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where what the silence ``{silence_id}`` is about lies."""
    row = connection.execute(select(models.silence).where(models.silence.c.id == _key(path["silence_id"]))).first()
    return None if row is None else _area_of(connection, row.area, row.person, row.device)


def plan_routes(engine: Engine, rules: Rules, zone: ZoneInfo, now_ms: Callable[[], int]) -> APIRouter:
    """``/visits`` and ``/silences``."""
    router = APIRouter(route_class=Tagged)

    @router.get("/visits", tags=["visits"])
    @allow(listed(Permission.PEOPLE_READ))
    def list_visits(viewer: CurrentViewer, from_ms: At = None, to_ms: At = None) -> VisitList:
        """What was due and is due; from a day ago until a day ahead unless asked otherwise, 62 days at most."""
        at_ms = now_ms()
        start_ms = at_ms - _DAY_MS if from_ms is None else from_ms
        end_ms = start_ms + 2 * _DAY_MS if to_ms is None else to_ms
        if not start_ms < end_ms <= start_ms + _LONGEST_MS:
            raise Problem("invalid", "`from_ms` must lie before `to_ms`, by 62 days at most.")
        person = models.person.c
        with engine.connect() as connection:
            theirs = set(connection.execute(select(person.key).where(viewer.area_filter(person.area))).scalars())
        found = [_visit(one) for one in visits(engine, start_ms, end_ms) if one.plan.person in theirs]
        return VisitList(visits=found)

    @router.post("/visits/{plan_id}/done", tags=["visits"], response_model=Visit)
    @allow(placed(Permission.INCIDENTS_ACT, of_visit))
    def done(
        viewer: CurrentViewer, plan_id: str, body: TellVisit | None = None, key: IdempotencyKey = ""
    ) -> JSONResponse:
        """Made: the last that was due, else the next one."""
        given, at_ms = body or TellVisit(), now_ms()

        def do() -> Visit:
            return _told(lambda: visit_done(engine, plan_id, viewer.who, at_ms, on=given.on, note=given.note))

        return once(engine, viewer, key, ("done", plan_id, given.model_dump()), at_ms, do)

    @router.post("/visits/{plan_id}/missed", tags=["visits"], response_model=Visit)
    @allow(placed(Permission.INCIDENTS_ACT, of_visit))
    def missed(
        viewer: CurrentViewer, plan_id: str, body: TellVisit | None = None, key: IdempotencyKey = ""
    ) -> JSONResponse:
        """Nobody was met: its incident is opened now."""
        given, at_ms = body or TellVisit(), now_ms()

        def do() -> Visit:
            return _told(lambda: visit_missed(engine, plan_id, viewer.who, at_ms, rules, on=given.on, note=given.note))

        return once(engine, viewer, key, ("missed", plan_id, given.model_dump()), at_ms, do)

    @router.get("/silences", tags=["silences"])
    @allow(listed(Permission.POLICIES_WRITE))
    def list_silences(viewer: CurrentViewer) -> SilenceList:
        """Those that hold or are to come."""
        at_ms = now_ms()
        found = []
        with engine.connect() as connection:
            for entry in load_table(connection, "silences").values():
                assert isinstance(entry, SilenceEntry)
                one = _silence(entry)
                area = _area_of(connection, entry.area, entry.person, entry.device)
                if one.end_ms > at_ms and area is not None and viewer.sees(area):
                    found.append(one)
        return SilenceList(silences=found)

    @router.post("/silences", tags=["silences"], response_model=Silence)
    @allow(listed(Permission.POLICIES_WRITE))
    def create(viewer: CurrentViewer, body: NewSilence, key: IdempotencyKey = "") -> JSONResponse:
        """Call nobody for findings about an area, a person or a device for a while."""
        at_ms = now_ms()
        return once(engine, viewer, key, ("silence", body.model_dump()), at_ms, lambda: _create(viewer, body, at_ms))

    def _create(viewer: Viewer, body: NewSilence, at_ms: int) -> Silence:
        if sum(one is not None for one in (body.area, body.person, body.device)) != 1:
            raise Problem("invalid", "A silence is for one of area, person and device: name exactly one.")
        entry = SilenceEntry(
            id=body.id, area=body.area, person=body.person, device=body.device, kinds=tuple(body.kinds),
            zone=zone.key, begin=_moment(at_ms if body.begin_ms is None else body.begin_ms), end=_moment(body.end_ms),
            reason=body.reason,
        )  # fmt: skip
        with writing(engine) as connection:
            raise_revision(connection)  # first: it is the lock
            area = _area_of(connection, body.area, body.person, body.device)
            if area is None or not viewer.may(Permission.POLICIES_WRITE, area):
                raise Problem("not-found", "What it is for is not there: check area, person or device.")
            _check(entry)
            if connection.execute(select(models.silence.c.id).where(models.silence.c.id == entry.id)).first():
                raise Problem("conflict", "There is a silence of this id: give it another.")
            connection.execute(insert(models.silence).values(to_row("silences", entry, keys_of(connection))))
            _note(connection, viewer, entry, area, at_ms, "begun")
        return _silence(entry)

    @router.post("/silences/{silence_id}/end", tags=["silences"], response_model=Silence)
    @allow(placed(Permission.POLICIES_WRITE, of_silence))
    def end(viewer: CurrentViewer, silence_id: str) -> Silence:
        """End one now; what has ended before stays as it is."""
        at_ms = now_ms()
        with writing(engine) as connection:
            raise_revision(connection)
            entry = load_table(connection, "silences").get(silence_id)
            if not isinstance(entry, SilenceEntry):
                raise Problem("not-found")
            one = _silence(entry)
            if one.end_ms > at_ms:
                begin = entry.begin if one.begin_ms < at_ms - 1000 else _moment(at_ms - 1000)
                entry = msgspec.structs.replace(entry, begin=begin, end=_moment(at_ms))
                values = {"begin": entry.begin, "end": entry.end}
                connection.execute(update(models.silence).where(models.silence.c.id == silence_id).values(values))
                area = _area_of(connection, entry.area, entry.person, entry.device)
                _note(connection, viewer, entry, area or "", at_ms, "ended")
        return _silence(entry)

    return router


def _area_of(connection: Connection, area: str | None, person: str | None, device: str | None) -> str | None:
    """Where what a silence is about lies; None where there is no such thing."""
    if area is not None:
        return connection.execute(select(models.area.c.path).where(models.area.c.path == _key(area))).scalar()
    if person is not None:
        return connection.execute(select(models.person.c.area).where(models.person.c.key == _key(person))).scalar()
    return of_device(connection, {"device_id": device or ""})


def _check(entry: SilenceEntry) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(entry), SilenceEntry)
    except msgspec.ValidationError as error:
        raise Problem("invalid", str(error)) from error
    for _, reason in silence_mistakes(entry):
        raise Problem("invalid", reason)


def _note(connection: Connection, viewer: Viewer, entry: SilenceEntry, area: str, at_ms: int, what: str) -> None:
    data = {"silence": what, "begin": entry.begin, "end": entry.end, "reason": entry.reason}
    record(
        connection, Event.SILENCE, who=viewer.who, user=viewer.user, now_ms=at_ms, kind="silence", subject=entry.id,
        area="" if area == EVERYWHERE else area, data=data,
    )  # fmt: skip


def _told(write: Callable[[], VisitView]) -> Visit:
    try:
        return _visit(write())
    except VisitError as error:
        raise Problem("conflict", str(error)) from error


def _visit(one: VisitView) -> Visit:
    return Visit(
        plan=one.plan.id, person=one.plan.person, kind=one.plan.kind, due_ms=one.due_ms, deadline_ms=one.deadline_ms,
        state=one.state.value if one.state else None, who=one.who, at_ms=one.at_ms, note=one.note,
    )  # fmt: skip


def _silence(entry: SilenceEntry) -> Silence:
    try:
        zone = ZoneInfo(entry.zone)
        begin_ms, end_ms = parse_local(entry.begin, zone), parse_local(entry.end, zone)
    except (RegistryError, ValueError, OSError) as error:
        raise Problem("internal", f"The silence {entry.id!r} has no times: run `carecircle registry check`.") from error
    return Silence(
        id=entry.id, area=entry.area, person=entry.person, device=entry.device, kinds=list(entry.kinds),
        begin_ms=begin_ms, end_ms=end_ms, reason=entry.reason,
    )  # fmt: skip


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}Z"


def _key(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() and len(text) <= 255 else ""
