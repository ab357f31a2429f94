"""The routes of people: the list, one person, the drawing of vitals and their file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Connection, Engine, select

from console.access.audit import Event, record_view
from console.access.gate import CurrentViewer
from console.access.models import audit
from console.access.rules import Permission, allow, listed, of_person, placed
from console.access.viewer import Viewer
from console.area_filter import area_choice
from console.people.drawing import drawing
from console.people.finding import Order, Question, find, standing_score
from console.people.index import PeopleIndex
from console.people.limits import holding
from console.people.page import Courses, read_measured
from console.people.profile import read_entry, read_marks, read_profile
from console.people.routine import DAYS
from console.people.series import SPANS, csv_rows
from console.people.showing import bidi, change_line, list_words, page_words
from console.people.signs import PARTS, SIGNS
from console.points import Points
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.database import writing
from registry.thresholds import read_thresholds
from store import StoreError

_DEFAULT_SPAN = "24h"
_LONGEST_FIELD = 200
_ONE_LOOK_MS = 60_000
_SAID = frozenset({"saved", "same"})
_ORDERS = tuple(order.value for order in Order)

SpanName = Annotated[str, Query(alias="range", max_length=8)]


def people_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, points: Points) -> APIRouter:
    """Everything below ``/people``."""
    router = APIRouter()
    index = PeopleIndex(engine, points.store)
    courses = Courses()

    def seen(viewer: Viewer, kind: str, profile_area: str, key: str) -> None:
        with writing(engine) as connection:
            record_view(connection, viewer, kind, key, renderer.now_ms(), area=profile_area)

    def area_of(key: str) -> str:
        with engine.connect() as connection:
            return of_person(connection, {"person_key": key}) or ""

    @router.get("/people")
    @allow(listed(Permission.PEOPLE_READ))
    def people(
        request: Request,
        viewer: CurrentViewer,
        q: Annotated[str, Query(max_length=_LONGEST_FIELD)] = "",
        area: Annotated[str, Query(max_length=255)] = "",
        risk: Annotated[str, Query(max_length=64)] = "",
        sort: Annotated[str, Query(max_length=16)] = "",
        page: Annotated[str, Query(max_length=16)] = "1",
    ) -> Response:
        now_ms = renderer.now_ms()
        health = viewer.may(Permission.PEOPLE_HEALTH)
        orders = [order for order in _ORDERS if health or order != Order.NEWS2.value]
        order = Order(sort) if sort in orders else Order(orders[0])
        everybody = index.everybody()
        visible = {path: name for path, name in everybody.areas.items() if viewer.sees(path)}
        kept = [(name, value) for name, value in (("q", q), ("risk", risk), ("sort", sort)) if value]
        choice = area_choice(visible, area, kept)
        asked = Question(q, choice.path, risk, order, int(page) if page.isdecimal() else 1)
        found = find(everybody.people, index.known(), asked, viewer.sees, now_ms)
        sorted_address = {
            name: "?" + urlencode([*((k, v) for k, v in kept if k != "sort"), *_area_of(choice.path), ("sort", name)])
            for name in orders
        }
        kept_page = [*kept, *_area_of(choice.path), ("page", "")]
        return renderer.page(
            request, "people.html", now_ms=now_ms, found=found, asked=asked, choice=choice,
            risks=everybody.risks_of(viewer.sees), health=health, store=points.store() is not None,
            standing_score=standing_score,
            page_address="?" + urlencode(kept_page),
            **list_words(renderer.texts(request), asked, orders, sorted_address, health=health),
        )  # fmt: skip

    @router.get("/people/{person_key}")
    @allow(placed(Permission.PEOPLE_READ, of_person))
    def person(
        request: Request,
        viewer: CurrentViewer,
        person_key: str,
        span: SpanName = _DEFAULT_SPAN,
        days: Annotated[str, Query(max_length=8)] = str(DAYS[0]),
        said: Annotated[str, Query(max_length=16)] = "",
    ) -> Response:
        now_ms = renderer.now_ms()
        with engine.connect() as connection:
            profile = read_profile(connection, person_key, now_ms)
        if profile is None:
            raise HTTPException(404)
        seen(viewer, "person", profile.entry.area, person_key)
        span = span if span in SPANS else _DEFAULT_SPAN
        chosen = next((one for one in DAYS if str(one) == days), DAYS[0])
        area = profile.entry.area
        health = viewer.may(Permission.PEOPLE_HEALTH, area)
        measured = read_measured(
            points, courses, profile, health=health, span=span, days=chosen, now_ms=now_ms, zone=settings.zone
        )
        own = f"/people/{quote(person_key, safe='')}"
        texts = renderer.texts(request)
        return renderer.page(
            request, "person.html", now_ms=now_ms, profile=profile, person=profile.entry, measured=measured, own=own,
            health=health, may_change=viewer.may(Permission.PEOPLE_THRESHOLDS, area), span=span,
            said=said if said in _SAID else "", signs=SIGNS, parts=PARTS,
            change_line=change_line(texts, bidi), **page_words(texts, span, chosen),
            limits=holding(profile.entry.conditions, profile.entry.limits),
        )  # fmt: skip

    @router.get("/people/{person_key}/series")
    @allow(placed(Permission.PEOPLE_HEALTH, of_person))
    def series(request: Request, viewer: CurrentViewer, person_key: str, span: SpanName = _DEFAULT_SPAN) -> Response:
        if span not in SPANS:
            raise HTTPException(400)
        now_ms = renderer.now_ms()
        store = points.store()
        with engine.connect() as connection:
            thresholds = read_thresholds(connection, person_key)
            of_a_page = _has_just_looked(connection, viewer, person_key, now_ms)
        if thresholds is None:
            raise HTTPException(404)
        if not of_a_page:  # a program, or a page that was left open
            seen(viewer, "vitals", area_of(person_key), person_key)
        if store is None:
            return _json({"trouble": "none"}, 503)
        try:
            course = courses.read(store, person_key, span, now_ms)
        except StoreError:
            return _json({"trouble": "away"}, 503)
        with engine.connect() as connection:
            marks = read_marks(connection, person_key, course.start_ms, course.end_ms)
        body = drawing(
            course, marks, renderer.texts(request), spo2_scale=thresholds.spo2_scale,
            address=lambda incident: f"/incidents/{quote(incident, safe='')}",
        )  # fmt: skip
        return _json(body, 200)

    @router.get("/people/{person_key}/readings.csv")
    @allow(placed(Permission.PEOPLE_HEALTH, of_person))
    def readings(viewer: CurrentViewer, person_key: str, span: SpanName = _DEFAULT_SPAN) -> Response:
        if span not in SPANS:
            raise HTTPException(400)
        store = points.store()
        with engine.connect() as connection:
            entry = read_entry(connection, person_key)
        if entry is None:
            raise HTTPException(404)
        if store is None:
            raise HTTPException(503)
        seen(viewer, "readings", entry.area, person_key)
        rows = csv_rows(store, person_key, SPANS[span], renderer.now_ms(), settings.zone)
        try:
            first = next(rows)
        except StoreError as error:
            raise HTTPException(503) from error
        name = "".join(mark if mark.isalnum() and mark.isascii() else "-" for mark in f"{person_key}-{span}")
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return StreamingResponse(_with(first, rows), media_type="text/csv; charset=utf-8", headers=headers)

    return router


def _area_of(path: str) -> list[tuple[str, str]]:
    """The area as it stands in an address."""
    return [("area", path)] if path else []


def _has_just_looked(connection: Connection, viewer: Viewer, key: str, now_ms: int) -> bool:
    """Whether the audit says already that they look at this person: the script of a page asks once for its drawing."""
    c = audit.c
    query = select(c.id).where(
        c.kind.in_(("person", "vitals")), c.subject == key, c.what == Event.VIEW.value, c.who == viewer.who,
        c.at_ms >= now_ms - _ONE_LOOK_MS,
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def _with(first: str, rows: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rows


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
