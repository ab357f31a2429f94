"""The routes of people, responders, contacts and devices: lists, and forms for one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from alerts.trying import try_responder
from console.access.audit import Event, record, record_view
from console.access.gate import CurrentViewer
from console.access.rules import FindArea, Permission, allow, listed, of_device, of_person, placed
from console.access.rules import of_responder as area_of_responder
from console.access.viewer import Viewer
from console.administration.desk import Desk
from console.administration.editor import StaleError, of_row
from console.administration.fields import (
    FORMS,
    MOST_CHANNELS,
    channel_count,
    fresh,
    shown,
    texts_of,
)
from console.administration.known import BETWEEN, find
from console.administration.row_pages import Form, form_page, own_address, phones_shown, remove_page
from console.administration.saying import mistake
from console.area_filter import area_choice
from registry.contacts import Home
from registry.database import writing
from registry.editing import Mistake, read_contact, read_entry
from registry.entries import (
    DeviceEntry,
    Entry,
    EntryKey,
    PersonEntry,
    ResponderEntry,
    key_of,
)

TABLES = ("people", "responders", "contacts", "devices")
_LONGEST_FIELD = 2000
_MOST_FIELDS = 200
_TAKEN = "there is a row of this key already"


def of_contact(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the person lives whose contact ``{row}`` is."""
    person = str(path["row"]).partition(BETWEEN)[0]
    return of_person(connection, {"person_key": person})


def _of(find_area: FindArea, name: str) -> FindArea:
    def area(connection: Connection, path: Mapping[str, Any]) -> str | None:
        return find_area(connection, {name: path["row"]})

    return area


_PLACES: Mapping[str, FindArea] = {
    "people": _of(of_person, "person_key"),
    "responders": _of(area_of_responder, "responder_id"),
    "devices": _of(of_device, "device_id"),
    "contacts": of_contact,
}


def row_routes(desk: Desk) -> APIRouter:
    """``/administration/<table>``: the list, ``/new``, and ``/<row>`` with ``/remove``."""
    router = APIRouter()
    for table in TABLES:
        _table_routes(router, desk, table)

    @router.post("/administration/responders/{row}/test")
    @allow(placed(Permission.REGISTRY_WRITE, _PLACES["responders"]))
    def test(viewer: CurrentViewer, row: str) -> Response:
        """Send a test message, by the way that alarms go."""
        responder = _there(desk, viewer, "responders", row)
        assert isinstance(responder, ResponderEntry)
        now_ms = desk.now_ms()
        with writing(desk.engine) as connection:
            sent = responder.channels and try_responder(connection, responder, viewer.who, now_ms)
            if sent:
                record(
                    connection, Event.TEST_SENT, who=viewer.who, user=viewer.user, now_ms=now_ms, kind="responders",
                    subject=responder.id, area=responder.area, data={"incident": sent},
                )  # fmt: skip
        return RedirectResponse(f"{own_address('responders', row)}?said={'sent' if sent else 'wait'}", status_code=303)

    return router


def _table_routes(router: APIRouter, desk: Desk, table: str) -> None:
    place, address = _PLACES[table], f"/administration/{table}"

    @router.get(address)
    @allow(listed(Permission.REGISTRY_READ))
    def rows(
        request: Request,
        viewer: CurrentViewer,
        q: Annotated[str, Query(max_length=200)] = "",
        area: Annotated[str, Query(max_length=255)] = "",
        page: Annotated[str, Query(max_length=16)] = "1",
        said: Annotated[str, Query(max_length=16)] = "",
    ) -> Response:
        names = {
            path: one.name for path, one in desk.known.now().directory.areas.items() if viewer.sees(path)
        }  # fmt: skip
        choice = area_choice(names, area, [("q", q)] if q else [])
        found = find(desk.known.lines(table), q, choice.path, viewer.sees, int(page) if page.isdecimal() else 1)
        kept = [(name, value) for name, value in (("q", q), ("area", choice.path)) if value]
        return desk.page(
            request, viewer, table, "rows.html", table=table, found=found, q=q, choice=choice, said=said,
            page_address="?" + urlencode([*kept, ("page", "")]), may_write=viewer.may(Permission.REGISTRY_WRITE),
        )  # fmt: skip

    @router.get(f"{address}/new")
    @allow(listed(Permission.REGISTRY_WRITE))
    def new(request: Request, viewer: CurrentViewer) -> Response:
        asked = {name: value[:200] for name, value in request.query_params.items()}
        return form_page(desk, request, viewer, table, "", Form(fresh(table, asked)))

    @router.post(f"{address}/new")
    @allow(listed(Permission.REGISTRY_WRITE))
    async def add(request: Request, viewer: CurrentViewer) -> Response:
        form = await typed(request)
        return await run_in_threadpool(_change, desk, request, viewer, table, "", form)

    @router.get(f"{address}/{{row}}")
    @allow(placed(Permission.REGISTRY_WRITE, place))
    def look(
        request: Request, viewer: CurrentViewer, row: str, said: Annotated[str, Query(max_length=16)] = ""
    ) -> Response:
        entry = _there(desk, viewer, table, row)
        if isinstance(entry, PersonEntry):
            with writing(desk.engine) as connection:
                record_view(connection, viewer, "person", entry.key, desk.now_ms(), area=entry.area)
        return form_page(desk, request, viewer, table, row, Form(_shown(desk, viewer, table, entry), entry, said=said))

    @router.post(f"{address}/{{row}}")
    @allow(placed(Permission.REGISTRY_WRITE, place))
    async def change(request: Request, viewer: CurrentViewer, row: str) -> Response:
        form = await typed(request)
        return await run_in_threadpool(_change, desk, request, viewer, table, row, form)

    @router.post(f"{address}/{{row}}/remove")
    @allow(placed(Permission.REGISTRY_WRITE, place))
    async def remove(request: Request, viewer: CurrentViewer, row: str) -> Response:
        form = await typed(request)
        return await run_in_threadpool(_remove, desk, request, viewer, table, row, form)


async def typed(request: Request) -> dict[str, str]:
    """The texts of a form, cut where they are longer than any field."""
    form = await request.form(max_fields=_MOST_FIELDS, max_files=0)
    return {name: value[:_LONGEST_FIELD] for name, value in form.items() if isinstance(value, str)}


def key_in(table: str, row: str) -> EntryKey:
    """The key of a row by its address."""
    if table == "contacts":
        person, _, responder = row.partition(BETWEEN)
        return person, responder
    return row


def _there(desk: Desk, viewer: Viewer, table: str, row: str) -> Entry:
    """A row of which the gate has seen the area; a device lies with its person too."""
    entry = desk.load(table, key_in(table, row))
    if isinstance(entry, DeviceEntry) and entry.person is not None:
        person = desk.known.now().directory.people.get(entry.person)
        if person is None or not viewer.sees(person.area):
            raise HTTPException(404)
    if entry is None:
        raise HTTPException(404)
    return entry


def _shown(_desk: Desk, viewer: Viewer, table: str, entry: Entry) -> dict[str, str]:
    return shown(table, entry, phones=phones_shown(viewer, entry))


def _change(desk: Desk, request: Request, viewer: Viewer, table: str, row: str, form: dict[str, str]) -> Response:
    """Show what a form changes, then, when that was shown, write it."""
    was = _there(desk, viewer, table, row) if row else None
    if form.get("step") == "channel":
        more = {**form, "channel_count": str(min(channel_count(form) + 1, MOST_CHANNELS))}
        return form_page(desk, request, viewer, table, row, Form(more, was))
    if was is not None and form.get("seen") != desk.editor.seen(was):
        now = Form(_shown(desk, viewer, table, was), was, said="stale", status=409)
        return form_page(desk, request, viewer, table, row, now)
    rows, mistakes = _read(desk, viewer, table, form, was)
    if was is not None and not mistakes and key_of(rows[-1][1]) != key_of(was):
        raise HTTPException(400)
    edit = None if mistakes else desk.editor.check(viewer, rows, ())
    if edit is not None:
        mistakes = list(edit.mistakes)
        if was is None and not mistakes:
            mistakes = [
                Mistake(one, key_of(entry), _key_field(table), _TAKEN)
                for one, entry in rows
                if key_of(entry) in edit.before[one]
            ]
    if mistakes or edit is None:
        return form_page(desk, request, viewer, table, row, _wrong(desk, request, table, form, was, mistakes))
    if form.get("step") != "save" or form.get("looked") != desk.editor.looked(form):
        return form_page(desk, request, viewer, table, row, Form(form, was, changes=tuple(edit.changes)))
    main = (table, key_of(rows[-1][1]))
    return _save(desk, viewer, table, rows, (), main, form, was)


def _save(
    desk: Desk, viewer: Viewer, table: str, rows: list[tuple[str, Entry]], gone: tuple[tuple[str, EntryKey], ...],
    main: tuple[str, EntryKey], form: Mapping[str, str], was: Entry | None,
) -> Response:  # fmt: skip
    try:
        edit = desk.editor.save(
            viewer, rows, gone, desk.now_ms(), was=main if was is not None else None, seen=form.get("seen", ""),
            new=main if was is None else None,
        )  # fmt: skip
    except StaleError:
        return back(table, "stale")
    if edit.mistakes:  # somebody changed what it names, right now
        return back(table, "stale")
    return back(table, ("removed" if gone else "saved") if edit.changes else "same")


def back(table: str, what: str) -> Response:
    """To the list, which says what was done."""
    return RedirectResponse(f"/administration/{table}?said={what}", status_code=303)


def _read(
    desk: Desk, viewer: Viewer, table: str, form: Mapping[str, str], was: Entry | None
) -> tuple[list[tuple[str, Entry]], list[Mistake]]:
    values = texts_of(table, form, was, phones=phones_shown(viewer, was))
    if table == "contacts" and was is None:
        if not values.get("name"):
            values.pop("phone", None)
        known = desk.known.now().directory
        person = known.people.get(values.get("person", ""))
        homes = {person.key: Home(person.area, person.language)} if person and viewer.sees(person.area) else {}
        return read_contact(values, homes)
    entry, mistakes = read_entry(table, values)
    return ([(table, entry)] if entry is not None else []), mistakes


def _key_field(table: str) -> str:
    return {"people": "key", "contacts": "responder"}.get(table, "id")


def _remove(desk: Desk, request: Request, viewer: Viewer, table: str, row: str, form: dict[str, str]) -> Response:
    was = _there(desk, viewer, table, row)
    key = key_in(table, row)
    edit = desk.editor.check(viewer, (), [(table, key)])
    shown_now = desk.editor.seen(was)
    sure = form.get("step") == "save" and form.get("seen") == shown_now
    if edit.mistakes or not sure:
        return remove_page(desk, request, viewer, table, row, was, edit)
    return _save(desk, viewer, table, [], ((table, key),), (table, key), form, was)


def _wrong(
    desk: Desk, request: Request, table: str, form: dict[str, str], was: Entry | None, mistakes: list[Mistake]
) -> Form:
    texts = desk.renderer.texts(request)
    by_field, others = of_row(mistakes, (one.name for one in FORMS[table]))
    errors = {
        name: texts("mistake.taken") if message == _TAKEN else mistake(texts, message)
        for name, message in by_field.items()
    }
    return Form(form, was, errors, tuple(mistake(texts, one.message) for one in others), status=422)
