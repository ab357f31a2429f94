"""The page of who is on call: now, one's own shifts, and the plan of the whole team."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine, select

from console.access.audit import Event
from console.access.gate import CurrentViewer
from console.access.models import audit
from console.access.rules import Permission, allow, listed, of_responder, placed
from console.access.viewer import Viewer
from console.area_filter import area_choice
from console.duty.changing import may_change, may_write
from console.duty.knowing import Book, BookKeeper
from console.duty.planning import monday_of, now_of, rosters_in, time_of_day, week_of
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.entries import OverrideEntry
from registry.feeds import feed_made_ms
from registry.presence import presences, presences_now
from registry.reach import FRESH_MS, Presence
from registry.rosters import Roster, Rosters, Shift, responder_feed
from registry.rosters.duty import duty_of
from registry.rosters.hours import local_time
from registry.rosters.values import DAY_MS

#: The plan has so many rosters at most, and what is on now so many areas; the others by choosing an area.
_LINES = {"week": 30, "month": 18}
_AREAS = 40
_OWN_MS = 28 * DAY_MS
_OWN_SHOWN = 14
_FEED_MS = 90 * DAY_MS
_SAID = frozenset({"saved", "taken_back", "here", "away", "placed", "feed_ended", "bad_place"})
VIEWS = {"week": 1, "month": 5}
#: What the audit calls a change of a roster.
KIND = "roster_override"


def duty_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, keeper: BookKeeper) -> APIRouter:
    """``/on-call``, and the shifts of a responder as a file."""
    router = APIRouter()

    @router.get("/on-call")
    @allow(listed(Permission.ROSTERS_READ))
    def on_call(
        request: Request,
        viewer: CurrentViewer,
        area: Annotated[str, Query(max_length=255)] = "",
        view: Annotated[str, Query(max_length=8)] = "week",
        start: Annotated[str, Query(alias="from", max_length=16)] = "",
        said: Annotated[str, Query(max_length=16)] = "",
    ) -> Response:
        now_ms = renderer.now_ms()
        zone = settings.zone
        book = keeper.book()
        view = view if view in VIEWS else "week"
        first = monday_of(_day(start) or local_time(now_ms, zone).date())
        names = {path: entry.name for path, entry in book.areas.items() if viewer.sees(path)}
        kept = [("view", view)] if view != "week" else []
        choice = area_choice(names, area, [*kept, *([("from", first.isoformat())] if start else [])])
        visible = [path for path in names if not choice.path or f"{path}.".startswith(f"{choice.path}.")]
        ordered = sorted(path for path in visible if book.rosters.has_order(path))
        rosters = rosters_in(book, viewer.sees, choice.path)
        weeks = [
            week_of(
                book, rosters[: _LINES[view]], first + timedelta(weeks=n), zone, now_ms, choice.path or _top(visible)
            )
            for n in range(VIEWS[view])
        ]
        end = first + timedelta(weeks=VIEWS[view])
        with engine.connect() as connection:
            reported = presences_now(connection, now_ms)
            own_presence = presences(connection, [viewer.responder]).get(viewer.responder)
            changes = _upcoming(book, visible, now_ms)
            makers = makers_of(connection, [one.id for one in changes])
            feed_ms = feed_made_ms(connection, viewer.responder)

        def address(**other: str) -> str:
            parts = {"area": choice.path, "view": view, "from": first.isoformat(), **other}
            return "?" + urlencode([(name, value) for name, value in parts.items() if value])

        return renderer.page(
            request, "on_call.html", now_ms=now_ms, book=book, choice=choice, view=view, weeks=weeks, first=first,
            last=end - timedelta(days=1), rosters=rosters, shown=_LINES[view],
            now_areas=now_of(book, ordered[:_AREAS], now_ms),
            more_areas=len(ordered) - _AREAS,
            earlier=address(**{"from": (first - timedelta(weeks=VIEWS[view])).isoformat()}),
            later=address(**{"from": end.isoformat()}), today=address(**{"from": ""}),
            view_choices=[(renderer.texts(request).of("view", name), address(view=name) + "#plan", name == view)
                          for name in VIEWS],
            own=_own(book, viewer, now_ms), own_id=viewer.responder, presence=own_presence,
            holds=_holds(own_presence, now_ms),
            fresh_ms=FRESH_MS, is_responder=viewer.responder in book.responders, feed_ms=feed_ms,
            away={name for name, one in reported.items() if not one.available},
            changes=[(one, makers.get(one.id, ""), _may_take_back(viewer, book, one, makers.get(one.id, ""), now_ms))
                     for one in changes],
            span_of=book.span_ms, changeable_ids={one for one in book.entries if may_change(viewer, book, one)},
            writable_ids={one.id for one in rosters if viewer.may(Permission.ROSTERS_WRITE, one.area)},
            said=said if said in _SAID else "", day_of=lambda at_ms: local_time(at_ms, zone).date(),
            hm=lambda at_ms: time_of_day(at_ms, zone), zone_name=settings.time_zone,
        )  # fmt: skip

    @router.get("/on-call/responders/{responder_id}.ics")
    @allow(placed(Permission.ROSTERS_READ, of_responder))
    def shifts_file(viewer: CurrentViewer, responder_id: str) -> Response:
        book = keeper.book()
        if responder_id not in book.responders:
            raise HTTPException(404)
        return calendar_file(_visible(book, viewer), responder_id, renderer.now_ms())

    return router


def calendar_file(book: Book, responder: str, now_ms: int) -> Response:
    """The shifts of a responder, of the last week too, as iCalendar."""
    text = responder_feed(
        book.rosters, responder, now_ms - 7 * DAY_MS, now_ms + _FEED_MS, now_ms=now_ms,
        title=f"On call: {book.name(responder)[:120]}",
        area_names={path: entry.name for path, entry in book.areas.items()},
    )  # fmt: skip
    name = "".join(mark if mark.isalnum() and mark.isascii() else "-" for mark in responder)
    headers = {"content-disposition": f'attachment; filename="{name}.ics"'}
    return Response(text, media_type="text/calendar; charset=utf-8", headers=headers)


def makers_of(connection: Connection, overrides: list[str]) -> dict[str, str]:
    """Who made each of some changes, where the console made it."""
    query = select(audit.c.subject, audit.c.who).where(
        audit.c.what == Event.ROSTER.value, audit.c.kind == KIND, audit.c.subject.in_(overrides)
    )
    return {row.subject: row.who for row in connection.execute(query.order_by(audit.c.id.desc()))}


def _may_take_back(viewer: Viewer, book: Book, one: OverrideEntry, maker: str, now_ms: int) -> bool:
    """Who writes rosters, any; a responder what one of the two made before it begins."""
    roster = book.entries.get(one.roster)
    if roster is None or not may_write(viewer, book, one):
        return False
    if viewer.may(Permission.ROSTERS_WRITE, roster.area):
        return True
    return maker in {*one.swap, one.instead_of, viewer.responder} - {""} and book.span_ms(one)[0] > now_ms


def take_back_allowed(connection: Connection, viewer: Viewer, book: Book, one: OverrideEntry, now_ms: int) -> bool:
    """Whether ``viewer`` may take back a change now."""
    return _may_take_back(viewer, book, one, makers_of(connection, [one.id]).get(one.id, ""), now_ms)


def _upcoming(book: Book, visible: list[str], now_ms: int) -> list[OverrideEntry]:
    """The changes that are not over, of rosters that are shown, in order."""
    areas = set(visible)
    found = [
        one
        for one in book.overrides.values()
        if one.roster in book.entries and book.entries[one.roster].area in areas and book.span_ms(one)[1] > now_ms
    ]
    return sorted(found, key=lambda one: (book.span_ms(one), one.id))[:40]


def _own(book: Book, viewer: Viewer, now_ms: int) -> list[tuple[Roster, Shift]]:
    if not viewer.responder:
        return []
    return list(duty_of(book.rosters, viewer.responder, now_ms, now_ms + _OWN_MS))[:_OWN_SHOWN]


def _holds(presence: Presence | None, now_ms: int) -> bool:
    """Whether the place that somebody reported still counts."""
    return presence is not None and presence.lat is not None and 0 <= now_ms - presence.at_ms <= FRESH_MS


def _visible(book: Book, viewer: Viewer) -> Book:
    """The book with the orders of the viewer's areas only."""
    own = Rosters(
        {path: rosters for path, rosters in book.rosters.by_area.items() if viewer.sees(path)},
        {path: order for path, order in book.rosters.standing.items() if viewer.sees(path)},
    )
    return Book(
        revision=book.revision, areas=book.areas, responders=book.responders, on_call=book.on_call,
        entries=book.entries, overrides=book.overrides, holidays=book.holidays, rosters=own,
    )  # fmt: skip


def _top(visible: list[str]) -> str:
    """The area that all the others lie in; "" where there is none."""
    top = min(visible, key=len, default="")
    return top if all(f"{path}.".startswith(f"{top}.") for path in visible) else ""


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1971 <= day.year <= 9000 else None
