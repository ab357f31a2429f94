"""The routes of silences."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection, select
from starlette.concurrency import run_in_threadpool

from console.access.gate import CurrentViewer
from console.access.rules import EVERYWHERE, Permission, allow, listed, of_device, of_person, placed
from console.access.viewer import Viewer
from console.administration.desk import SUGGESTED, Desk, area_name
from console.administration.editor import StaleError, of_row
from console.administration.fields import FORMS, texts_of
from console.administration.rows import back, typed
from console.administration.saying import mistake
from registry import models
from registry.editing import read_entry
from registry.entries import SilenceEntry
from registry.rosters.compiling import zone_of
from registry.rosters.hours import parse_local


def silence_routes(desk: Desk) -> APIRouter:
    """``/administration/silences``."""
    router = APIRouter()

    @router.get("/administration/silences")
    @allow(listed(Permission.POLICIES_WRITE))
    def silences(request: Request, viewer: CurrentViewer, said: Annotated[str, Query(max_length=16)] = "") -> Response:
        return _silences_page(desk, request, viewer, {}, {}, [], said=said, status=200)

    @router.post("/administration/silences")
    @allow(listed(Permission.POLICIES_WRITE))
    async def silence(request: Request, viewer: CurrentViewer) -> Response:
        form = await typed(request)
        return await run_in_threadpool(_add_silence, desk, request, viewer, form)

    @router.post("/administration/silences/{row}/end")
    @allow(placed(Permission.POLICIES_WRITE, of_silence))
    def end(viewer: CurrentViewer, row: str) -> Response:
        return _end_silence(desk, viewer, row)

    return router


def of_silence(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """The area of the silence ``{row}``, or that of whom it is about."""
    table = models.silence
    row = connection.execute(
        select(table.c.area, table.c.person, table.c.device).where(table.c.id == str(path["row"]))
    ).first()
    if row is None:
        return None
    if row.person is not None:
        return of_person(connection, {"person_key": row.person})
    return of_device(connection, {"device_id": row.device}) if row.device is not None else row.area


def _silences_page(
    desk: Desk, request: Request, viewer: Viewer, values: Mapping[str, str], errors: Mapping[str, str],
    others: list[str], *, said: str, status: int,
) -> Response:  # fmt: skip
    directory = desk.known.now().directory
    now_ms = desk.now_ms()
    rows = []
    for one in directory.silences:
        person = directory.people.get(one.person or "")
        device = directory.devices.get(one.device or "")
        area = one.area or (person.area if person else None) or (device.area if device else None) or EVERYWHERE
        if not viewer.sees(area):
            continue
        zone = zone_of(one.zone)
        begin_ms, end_ms = parse_local(one.begin, zone), parse_local(one.end, zone)
        state = "over" if end_ms <= now_ms else "active" if begin_ms <= now_ms else "coming"
        about = person.name if person else one.device or area_name(desk, area)
        rows.append((state, one, about, begin_ms, end_ms))
    order = {"active": 0, "coming": 1, "over": 2}
    rows.sort(key=lambda row: (order[row[0]], -row[4] if row[0] == "over" else row[4]))
    areas = [(path, one.name) for path, one in directory.areas.items() if viewer.sees(path)][:SUGGESTED]
    return desk.page(
        request, viewer, "silences", "silences.html", status=status, rows=rows[:200], values=values, errors=errors,
        others=others, said=said, fields=FORMS["silences"], areas=areas, table="silences",
    )  # fmt: skip


def _local(desk: Desk, at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(desk.settings.zone)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _add_silence(desk: Desk, request: Request, viewer: Viewer, form: dict[str, str]) -> Response:
    now_ms = desk.now_ms()
    values = texts_of("silences", form, None, phones=False)
    values |= {"id": f"s-{secrets.token_hex(5)}", "begin": _local(desk, now_ms), "zone": desk.settings.time_zone}
    entry, mistakes = read_entry("silences", values)
    if entry is not None:
        edit = desk.editor.save(viewer, [("silences", entry)], (), now_ms)
        if not edit.mistakes:
            return back("silences", "saved")
        mistakes = list(edit.mistakes)
    texts = desk.renderer.texts(request)
    by_field, others = of_row(mistakes, (one.name for one in FORMS["silences"]))
    errors = {name: mistake(texts, text) for name, text in by_field.items()}
    return _silences_page(
        desk, request, viewer, form, errors, [mistake(texts, one.message) for one in others], said="", status=422
    )


def _end_silence(desk: Desk, viewer: Viewer, row: str) -> Response:
    """It holds until now; one that has not begun is taken out."""
    was = desk.load("silences", row)
    if not isinstance(was, SilenceEntry):
        raise HTTPException(404)
    now_ms, zone = desk.now_ms(), zone_of(was.zone)
    moment = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")
    if parse_local(was.end, zone) <= now_ms:
        return back("silences", "same")
    seen = desk.editor.seen(was)
    try:
        if parse_local(was.begin, zone) >= now_ms - 1000:
            edit = desk.editor.save(viewer, (), [("silences", row)], now_ms, was=("silences", row), seen=seen)
        else:
            ended = msgspec.structs.replace(was, end=moment)
            edit = desk.editor.save(viewer, [("silences", ended)], (), now_ms, was=("silences", row), seen=seen)
    except StaleError:
        return back("silences", "stale")
    return RedirectResponse(f"/administration/silences?said={'stale' if edit.mistakes else 'ended'}", status_code=303)
