"""The form in which turns are changed: filled in, looked at before it is saved, taken back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection, Engine, select
from starlette.concurrency import run_in_threadpool

from console.access.audit import Event, record
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed, placed
from console.access.viewer import Viewer
from console.duty.changing import (
    Fault,
    Kind,
    Preview,
    Wanted,
    entry_of,
    faults,
    may_change,
    people_for,
    preview,
    typed_ms,
)
from console.duty.knowing import Book, BookKeeper, read_book
from console.duty.planning import time_of_day
from console.duty.routes import KIND, take_back_allowed
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.database import writing
from registry.entries import OverrideEntry
from registry.models import roster as roster_table
from registry.models import roster_override as override_table
from registry.overrides import add_override, remove_override
from registry.rosters.hours import local_time
from registry.rows import raise_revision

_LONGEST = 300
_MINUTE_MS = 60_000
#: What was right when it was looked at, and is wrong because the plan has changed.
_OF_THE_PLAN = frozenset({Fault.NOT_ON, Fault.NO_EFFECT})
_FIELDS = ("kind", "roster", "begin", "end", "one", "other", "note")


class _MovedError(Exception):
    """The plan is not as it was shown: nothing is written."""


def of_override(connection: Connection, path: Mapping[str, Any]) -> str | None:
    """Where the roster of the change ``{override_id}`` is."""
    key = str(path["override_id"])[:64]
    query = select(roster_table.c.area).join(override_table, override_table.c.roster == roster_table.c.id)
    return connection.execute(query.where(override_table.c.id == key)).scalar() if key.isprintable() else None


def change_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, keeper: BookKeeper) -> APIRouter:
    """Below ``/on-call/change``: ask, preview, save, take back."""
    router = APIRouter()
    zone = settings.zone

    def checked(viewer: Viewer, roster_id: str) -> Book:
        book = keeper.book()
        entry = book.entries.get(roster_id)
        if entry is None or not viewer.sees(entry.area):
            raise HTTPException(404)
        if not may_change(viewer, book, roster_id):
            raise HTTPException(403)
        return book

    def form_page(
        request: Request, viewer: Viewer, book: Book, values: Mapping[str, str], wrong: Mapping[str, Fault],
        *, shown: Preview | None = None, said: str = "", status: int = 200,
    ) -> Response:  # fmt: skip
        entry = book.entries[values["roster"]]
        writes = viewer.may(Permission.ROSTERS_WRITE, entry.area)
        texts = renderer.texts(request)
        people = [("", texts("change.choose")), *((key, name[:60]) for key, name in people_for(viewer, book, entry.id))]
        own = [(viewer.responder, book.name(viewer.responder)[:60])]
        kinds = [kind for kind in Kind if writes or kind in (Kind.COVER, Kind.SWAP)]
        return renderer.page(
            request, "on_call_change.html", status=status, book=book, entry=entry, values=values,
            wrong={name: texts.of("fault", one.value) for name, one in wrong.items()}, preview=shown, said=said,
            kinds=[(kind.value, texts.of("change", kind.value)) for kind in kinds], people=people,
            givers=people if writes else own, writes=writes, sees=viewer.sees, fields=_FIELDS,
            zone_name=settings.time_zone,
            stamp=lambda at_ms: local_time(at_ms, zone).strftime("%Y-%m-%d ") + time_of_day(at_ms, zone),
            back=_plan(entry.area, local_time(_instant(values, "begin", renderer.now_ms()), zone).date().isoformat()),
        )  # fmt: skip

    def _instant(values: Mapping[str, str], name: str, otherwise: int) -> int:
        typed = typed_ms(values.get(name, ""), zone)
        return otherwise if typed is None else typed

    def wanted_of(values: Mapping[str, str]) -> tuple[Wanted | None, dict[str, Fault]]:
        times = {name: typed_ms(values.get(name, ""), zone) for name in ("begin", "end")}
        wrong = {name: Fault.BAD_TIME for name, at_ms in times.items() if at_ms is None}
        if values.get("kind") not in list(Kind):
            wrong["kind"] = Fault.UNKNOWN
        if wrong or times["begin"] is None or times["end"] is None:
            return None, wrong
        return Wanted(
            kind=Kind(values["kind"]), roster=values["roster"], begin_ms=times["begin"], end_ms=times["end"],
            one=values.get("one", ""), other=values.get("other", ""), note=values.get("note", "")[:_LONGEST],
        ), {}  # fmt: skip

    @router.get("/on-call/change")
    @allow(listed(Permission.ROSTERS_SWAP))
    def ask(
        request: Request,
        viewer: CurrentViewer,
        roster: Annotated[str, Query(max_length=64)] = "",
        begin: Annotated[str, Query(max_length=20)] = "",
        end: Annotated[str, Query(max_length=20)] = "",
        one: Annotated[str, Query(max_length=64)] = "",
    ) -> Response:
        book = checked(viewer, roster)
        now_ms = renderer.now_ms()
        first = int(begin) if begin.isdecimal() and len(begin) < 15 else now_ms
        first = max(first, -(-now_ms // _MINUTE_MS) * _MINUTE_MS)
        last = int(end) if end.isdecimal() and len(end) < 15 else first + 8 * 3_600_000
        writes = viewer.may(Permission.ROSTERS_WRITE, book.entries[roster].area)
        values = {
            "kind": Kind.COVER.value, "roster": roster, "one": one if writes else viewer.responder, "other": "",
            "note": "",
            "begin": local_time(first, zone).strftime("%Y-%m-%dT%H:%M"),
            "end": local_time(min(last, first + 366 * 86_400_000), zone).strftime("%Y-%m-%dT%H:%M"),
        }  # fmt: skip
        return form_page(request, viewer, book, values, {})

    @router.post("/on-call/change")
    @allow(listed(Permission.ROSTERS_SWAP))
    async def change(request: Request, viewer: CurrentViewer) -> Response:
        form = await request.form()
        values = {name: value[:_LONGEST] for name, value in form.items() if isinstance(value, str)}
        return await run_in_threadpool(saved_or_shown, request, viewer, {**dict.fromkeys(_FIELDS, ""), **values})

    def saved_or_shown(request: Request, viewer: Viewer, values: Mapping[str, str]) -> Response:
        book = checked(viewer, values["roster"])
        wanted, wrong = wanted_of(values)
        now_ms = renderer.now_ms()
        shown = Preview((), (), "")
        if wanted is not None:
            shown, wrong = looked_at(book, viewer, wanted, now_ms)
        if wanted is None or wrong:
            moved = values.get("step") == "save" and _OF_THE_PLAN.issuperset(wrong.values())
            said, status = ("moved", 409) if moved else ("wrong", 422)
            return form_page(request, viewer, book, values, wrong, said=said, status=status)
        if values.get("step") != "save":
            return form_page(request, viewer, book, values, {}, shown=shown)
        try:
            save(viewer, wanted, values.get("seen", ""), now_ms)
        except _MovedError:
            book = keeper.book()
            again, wrong = looked_at(book, viewer, wanted, now_ms)
            shown_again = None if wrong else again
            return form_page(request, viewer, book, values, wrong, shown=shown_again, said="moved", status=409)
        day = local_time(wanted.begin_ms, zone).date().isoformat()
        return RedirectResponse(_plan(book.entries[wanted.roster].area, day, "saved"), status_code=303)

    def looked_at(book: Book, viewer: Viewer, wanted: Wanted, now_ms: int) -> tuple[Preview, dict[str, Fault]]:
        """What the change would do, or what is wrong with it."""
        wrong = faults(book, viewer, wanted, now_ms)
        shown = Preview((), (), "") if wrong else preview(book, wanted, zone)
        return shown, wrong if wrong or shown.differences else {"kind": Fault.NO_EFFECT}

    def save(viewer: Viewer, wanted: Wanted, seen: str, now_ms: int) -> None:
        """Raises _MovedError when the plan is not the one that was looked at."""
        with writing(engine) as connection:
            raise_revision(connection)  # the lock, before the plan is read
            book = read_book(connection)
            shown, wrong = looked_at(book, viewer, wanted, now_ms)
            if wrong or shown.seen != seen:
                raise _MovedError
            entry = entry_of(wanted, f"web-{secrets.token_hex(8)}", zone)
            add_override(connection, entry)
            _record(connection, viewer, book, entry, "added", now_ms)

    @router.post("/on-call/changes/{override_id}/remove")
    @allow(placed(Permission.ROSTERS_SWAP, of_override))
    def take_back(viewer: CurrentViewer, override_id: str) -> Response:
        now_ms = renderer.now_ms()
        with writing(engine) as connection:
            raise_revision(connection)
            book = read_book(connection)
            entry = book.overrides.get(override_id)
            if entry is None:
                raise HTTPException(404)
            if not take_back_allowed(connection, viewer, book, entry, now_ms):
                raise HTTPException(403)
            remove_override(connection, override_id)
            _record(connection, viewer, book, entry, "removed", now_ms)
            begin_ms = max(book.span_ms(entry)[0], now_ms)
        day = local_time(begin_ms, zone).date().isoformat()
        return RedirectResponse(_plan(book.entries[entry.roster].area, day, "taken_back"), status_code=303)

    return router


def _plan(area: str, day: str, said: str = "") -> str:
    """The address of the plan of an area around a day."""
    parts = [("area", area), ("from", day), *([("said", said)] if said else [])]
    return f"/on-call?{urlencode(parts)}#plan"


def _record(connection: Connection, viewer: Viewer, book: Book, entry: OverrideEntry, what: str, now_ms: int) -> None:
    data = {
        "change": what, "roster": entry.roster, "begin": entry.begin, "end": entry.end,
        "responders": list(entry.responders), "instead_of": entry.instead_of, "swap": list(entry.swap),
        "note": entry.note,
    }  # fmt: skip
    record(
        connection, Event.ROSTER, who=viewer.who, user=viewer.user, now_ms=now_ms, kind=KIND, subject=entry.id,
        area=book.entries[entry.roster].area, data=data,
    )  # fmt: skip
