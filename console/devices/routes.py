"""The routes of devices: the list and its file, one device, its drawings, and having it make itself found."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from urllib.parse import parse_qsl, quote

import msgspec
from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from sqlalchemy import Engine

from console.access.audit import record_view
from console.access.gate import CurrentViewer
from console.access.rules import EVERYWHERE, Permission, allow, listed, of_device, placed
from console.access.viewer import Viewer
from console.area_filter import AreaChoice, area_choice
from console.devices.commands import Call, call_device
from console.devices.course import drawing, read_course, rows_of
from console.devices.csv_file import csv_rows
from console.devices.faults import BACK_MS, history_of
from console.devices.finding import Counts, Fleet, Order, Question, count, find, page_of, within
from console.devices.index import DeviceIndex
from console.devices.showing import BELOW_PCT, SILENT_H, advice, list_words, page_words, tiles, written
from console.people.series import SPANS
from console.points import Points
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.database import writing
from store import StoreError

_log = logging.getLogger(__name__)

_LONGEST_FIELD = 200
_DEFAULT_SPAN = "7d"
_SAID = frozenset(call.value for call in Call)
#: Areas of the table; the area filter leads to the others.
_AREAS_SHOWN = 60
_KEPT = ("q", "area", "kind", "only", "below", "silent", "sort")

SpanName = Annotated[str, Query(alias="range", max_length=8)]
Short = Annotated[str, Query(max_length=64)]


def device_routes(
    engine: Engine, settings: ConsoleSettings, renderer: Renderer, points: Points, index: DeviceIndex
) -> APIRouter:
    """Everything below ``/devices``."""
    router = APIRouter()

    @router.get("/devices")
    @allow(listed(Permission.DEVICES_READ))
    def devices(
        request: Request,
        viewer: CurrentViewer,
        q: Annotated[str, Query(max_length=_LONGEST_FIELD)] = "",
        area: Annotated[str, Query(max_length=255)] = "",
        kind: Short = "",
        only: Short = "",
        below: Short = "",
        silent: Short = "",
        sort: Short = "",
        page: Short = "1",
    ) -> Response:
        now_ms = renderer.now_ms()
        fleet = index.fleet()
        choice, asked = _asked(request, fleet, viewer, q, area, kind, only, below, silent, sort, page)
        kept = _kept(request, choice)
        names = viewer.may(Permission.PEOPLE_READ)
        found = page_of(find(fleet, asked, viewer.sees, now_ms, names=names), asked.page)
        counts = count(fleet, asked.area, viewer.sees)
        places = [place for place in fleet.places if viewer.sees(place.area) and within(place.area, asked.area)]
        return renderer.page(
            request, "devices.html", now_ms=now_ms, found=found, asked=asked, choice=choice, counts=counts,
            areas=_by_area(fleet, viewer, choice), places=places, fleet=fleet, names=names, trouble=index.trouble,
            tiles=tiles(counts, asked, kept), may_quarantine=viewer.may(Permission.QUARANTINE),
            **list_words(renderer.texts(request), fleet, asked, kept, names=names),
        )  # fmt: skip

    @router.get("/devices.csv")
    @allow(listed(Permission.DEVICES_READ))
    def file(
        request: Request,
        viewer: CurrentViewer,
        q: Annotated[str, Query(max_length=_LONGEST_FIELD)] = "",
        area: Annotated[str, Query(max_length=255)] = "",
        kind: Short = "",
        only: Short = "",
        below: Short = "",
        silent: Short = "",
        sort: Short = "",
    ) -> Response:
        now_ms = renderer.now_ms()
        fleet = index.fleet()
        choice, asked = _asked(request, fleet, viewer, q, area, kind, only, below, silent, sort, "1")
        names = viewer.may(Permission.PEOPLE_READ)
        with writing(engine) as connection:
            record_view(connection, viewer, "export", "devices", now_ms, area=choice.path)
        found = find(fleet, asked, viewer.sees, now_ms, names=names)
        return StreamingResponse(
            csv_rows(found, renderer.texts(request), now_ms, settings.zone, names=names),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": 'attachment; filename="devices.csv"'},
        )

    @router.get("/devices/{device_id}")
    @allow(placed(Permission.DEVICES_READ, of_device))
    def device(
        request: Request,
        viewer: CurrentViewer,
        device_id: str,
        span: SpanName = _DEFAULT_SPAN,
        said: Annotated[str, Query(max_length=16)] = "",
    ) -> Response:
        now_ms = renderer.now_ms()
        one = index.fleet().by_id.get(device_id)
        if one is None:
            raise HTTPException(404)
        span = span if span in SPANS else _DEFAULT_SPAN
        with engine.connect() as connection:
            findings = history_of(connection, device_id, now_ms - BACK_MS)
        rows, trouble = [], index.trouble
        if (store := points.store()) is not None:
            try:
                rows = rows_of(read_course(store, device_id, span, now_ms), span, settings.zone)
            except StoreError as error:
                _log.warning("the page of a device goes on without the store: %s", error)
                trouble = "away"
        texts = renderer.texts(request)
        area = one.entry.area
        return renderer.page(
            request, "device.html", now_ms=now_ms, device=one, findings=findings, rows=rows, span=span,
            trouble=trouble, own=f"/devices/{quote(device_id, safe='')}",
            names=viewer.may(Permission.PEOPLE_READ, area), written=written,
            may_call=viewer.may(Permission.DEVICES_CALL, area), said=said if said in _SAID else "",
            advice=lambda kind: advice(texts, kind), everywhere=EVERYWHERE, **page_words(texts, span),
        )  # fmt: skip

    @router.get("/devices/{device_id}/series")
    @allow(placed(Permission.DEVICES_READ, of_device))
    def series(request: Request, device_id: str, span: SpanName = _DEFAULT_SPAN) -> Response:
        if span not in SPANS:
            raise HTTPException(400)
        now_ms = renderer.now_ms()
        store = points.store()
        if store is None:
            return _json({"trouble": "none"}, 503)
        try:
            course = read_course(store, device_id, span, now_ms)
        except StoreError:
            return _json({"trouble": "away"}, 503)
        with engine.connect() as connection:
            findings = history_of(connection, device_id, now_ms - BACK_MS)
        return _json(drawing(course, findings, renderer.texts(request)), 200)

    @router.post("/devices/{device_id}/call")
    @allow(placed(Permission.DEVICES_CALL, of_device))
    def call(viewer: CurrentViewer, device_id: str, what: Annotated[str, Form(max_length=16)] = "") -> Response:
        if what not in _SAID:
            raise HTTPException(400)
        one = index.fleet().by_id.get(device_id)
        with writing(engine) as connection:
            area = one.entry.area if one is not None else ""
            call_device(connection, viewer, device_id, Call(what), renderer.now_ms(), area=area)
        return RedirectResponse(f"/devices/{quote(device_id, safe='')}?said={what}", 303)

    return router


def _asked(
    request: Request, fleet: Fleet, viewer: Viewer, q: str, area: str, kind: str, only: str, below: str, silent: str,
    sort: str, page: str,
) -> tuple[AreaChoice, Question]:  # fmt: skip
    """What an address asks for; what it cannot mean is left out."""
    visible = {path: name for path, name in fleet.areas.items() if viewer.sees(path)}
    query = [(name, value) for name, value in request.query_params.multi_items() if name in _KEPT and value]
    choice = area_choice(visible, area, query)
    return choice, Question(
        words=q, area=choice.path, kind=kind, only=only,
        battery_below=int(below) if below.isdecimal() and int(below) in BELOW_PCT else None,
        silent_h=int(silent) if silent.isdecimal() and int(silent) in SILENT_H else None,
        order=Order(sort) if sort in tuple(Order) else Order.WORST,
        page=int(page) if page.isdecimal() else 1,
    )  # fmt: skip


def _kept(request: Request, choice: AreaChoice) -> list[tuple[str, str]]:
    """What an address asks for, as the links of the page go on asking for it."""
    query = [(name, request.query_params.get(name, "")) for name in _KEPT if name != "area"]
    kept = [(name, value[:_LONGEST_FIELD]) for name, value in query if value]
    return [*kept, ("area", choice.path)] if choice.path else kept


def _by_area(fleet: Fleet, viewer: Viewer, choice: AreaChoice) -> list[tuple[str, str, Counts]]:
    """(name, address, counts) of the areas right below the chosen one, each with all below it."""
    below = {dict(parse_qsl(step.address[1:]))["area"]: (step, Counts()) for step in choice.within}
    for path, counts in fleet.counts.items():
        at = path
        while at and at not in below:
            at = at.rpartition(".")[0]
        if at and viewer.sees(path):
            below[at][1].add(counts)
    return [(step.name, step.address, counts) for step, counts in below.values()][:_AREAS_SHOWN]


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
