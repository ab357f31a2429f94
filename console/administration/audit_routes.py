"""The routes of the audit: who did what, of whom, when; as a page and as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from alerts.lifecycle import What
from console.access.audit import Event, record_view
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed
from console.access.viewer import Viewer
from console.administration.audit_reading import SOURCES, Asked, Entry, Place, read_page
from console.administration.desk import Desk
from console.texts import Texts
from console.times import iso_time
from registry.database import writing

_PAGE = 100
_AT_ONCE = 1000
_SHORT = 200
#: A cell that begins so would be a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Words = Annotated[str, Query(max_length=200)]


def audit_routes(desk: Desk) -> APIRouter:
    """``/administration/audit`` and ``/administration/audit.csv``."""
    router = APIRouter()

    def asked_of(who: str, about: str, what: str, source: str, since: str, until: str) -> Asked:
        end_ms = _day_ms(desk, until, 1)
        return Asked(
            who.strip(), about.strip(), what, source if source in SOURCES else "", _day_ms(desk, since, 0), end_ms
        )

    @router.get("/administration/audit")
    @allow(listed(Permission.AUDIT_READ))
    def page(
        request: Request,
        viewer: CurrentViewer,
        who: Words = "",
        about: Words = "",
        what: Words = "",
        source: Words = "",
        since: Words = "",
        until: Words = "",
        after: Words = "",
    ) -> Response:
        asked = asked_of(who, about, what, source, since, until)
        with desk.engine.connect() as connection:
            rows, further = read_page(connection, viewer, asked, Place.read(after), _PAGE)
        values = {"who": who, "about": about, "what": what, "source": source, "since": since, "until": until}
        kept = urlencode({name: value for name, value in values.items() if value})
        texts = desk.renderer.texts(request)
        events = sorted({*(one.value for one in Event), *(one.value for one in What)})
        people = desk.known.now().directory.people
        return desk.page(
            request, viewer, "audit", "audit.html", rows=rows, values=values, first=not after,
            further="" if further is None else f"?{kept}&after={further}",
            csv_address=f"/administration/audit.csv?{kept}",
            sources=[("", texts("audit.every_source")), *((one, texts.of("origin", one)) for one in SOURCES)],
            events=[("", texts("audit.everything")), *((one, said_of(texts, one)) for one in events)],
            said_of=lambda one: said_of(texts, one), details=lambda one: details(texts, one), link=link,
            person_name=lambda key: people[key].name if key in people and viewer.sees(people[key].area) else key,
        )  # fmt: skip

    @router.get("/administration/audit.csv")
    @allow(listed(Permission.AUDIT_READ))
    def download(
        viewer: CurrentViewer,
        who: Words = "",
        about: Words = "",
        what: Words = "",
        source: Words = "",
        since: Words = "",
        until: Words = "",
    ) -> Response:
        asked = asked_of(who, about, what, source, since, until)
        with writing(desk.engine) as connection:
            record_view(
                connection, viewer, "export", "audit", desk.now_ms(), area="*" if viewer.everywhere else viewer.areas[0]
            )
        headers = {"content-disposition": 'attachment; filename="audit.csv"'}
        rows = _csv(desk, viewer, asked)
        return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)

    return router


def said_of(texts: Texts, what: str) -> str:
    """What was done, in words: those of the console, else those of alerts."""
    said = texts.of("did", what)
    return said if said != what else texts.of("what", what)


def details(texts: Texts, one: Entry) -> str:
    """What a row says beside, in one line."""
    fields = one.data.get("fields")
    parts: list[str] = []
    if isinstance(fields, Mapping):
        for name, change in fields.items():
            known = texts.of("label", name)
            label = known if known != name else texts.of("limit", name)
            if isinstance(change, (list, tuple)) and len(change) == 2:
                parts.append(
                    texts("audit.change", what=label, before=_plain(texts, change[0]), after=_plain(texts, change[1]))
                )
            else:
                parts.append(texts("audit.secret", what=label))
    for name, value in one.data.items():
        label = texts.of("detail", name)
        if label != name and isinstance(value, (str, int, float)) and value != "":  # the file has everything
            said_value = texts.of(name, value) if isinstance(value, str) else str(value)
            parts.append(texts("audit.detail", what=label, value=_short(said_value)))
    said = one.data.get("what")
    if isinstance(said, str):
        parts.insert(0, texts.of("row", said))
    return texts("list.comma").join(parts)


def link(one: Entry) -> str:
    """Where what it was about is looked at; "" where there is no page."""
    if one.kind == "incident":
        return f"/incidents/{quote(one.subject, safe='')}"
    if one.kind in ("person", "people", "vitals", "readings"):
        return f"/people/{quote(one.subject, safe='')}"
    return ""


def _plain(texts: Texts, value: Any) -> str:
    if value in (None, "", [], {}):
        return str(texts("change.none"))
    return _short(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else text[:_SHORT] + "…"


def _day_ms(desk: Desk, text: str, days: int) -> int | None:
    """The beginning of a local day, or of one some days later; None for what is no date."""
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
        return round(datetime.combine(day, time(), desk.settings.zone).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _csv(desk: Desk, viewer: Viewer, asked: Asked) -> Iterator[str]:
    yield _line(["time", "source", "what", "who", "kind", "subject", "person", "data"])
    place: Place | None = Place()
    while place is not None:
        with desk.engine.connect() as connection:
            rows, place = read_page(connection, viewer, asked, place, _AT_ONCE)
        for one in rows:
            data = msgspec.json.encode(one.data).decode() if one.data else ""
            at = iso_time(one.at_ms, desk.settings.zone)
            yield _line([at, one.source, one.what, one.who, one.kind, one.subject, one.person, data])


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)
    return out.getvalue()
