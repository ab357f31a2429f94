"""The board, the stream and the JSON of the board."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from markupsafe import Markup
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from console.access.gate import CurrentViewer, until_logged_out
from console.access.rules import OPEN, Permission, allow, listed
from console.access.viewer import Viewer
from console.area_filter import area_choice
from console.boards import TOKEN, Boards, Kept, Sight, seen_in, sight_of
from console.feed import Feed
from console.incident.referring import referral_routes
from console.incident.routes import page_routes, said_of
from console.points import Points
from console.reading import Board, Card, area_names, read_revision
from console.render import Renderer
from console.settings import ConsoleSettings
from console.texts import TEXTS, Texts

#: The header with which an open page asks for its cards alone.
_PART = "x-part"
_LONGEST_PATH = 255
#: Cards come by a stream for so long: areas that somebody has lost are looked at anew then.
_REVIEW_S = 60.0
#: So many events are kept for those who are still to be told.
_TOLD_KEPT = 256


def incident_routes(
    engine: Engine, settings: ConsoleSettings, renderer: Renderer, feed: Feed, points: Points
) -> list[APIRouter]:
    """What is shown of incidents, and done about them."""
    router = APIRouter()
    boards = Boards(engine, settings)

    telling: dict[tuple[str, Sight], asyncio.Future[bytes]] = {}

    def cards_of(viewer: Viewer, sight: Sight, board: Board, now_ms: int) -> str:
        def make() -> str:
            shown = seen_in(board, sight, viewer.sees)
            return str(renderer.board_cards(TEXTS[sight.language], boards, shown, sight, now_ms))

        return boards.page(board.revision, now_ms, sight, make, kind="cards").text

    def part_of(viewer: Viewer, sight: Sight, board: Board, now_ms: int) -> Kept:
        def make() -> str:
            shown, cards = seen_in(board, sight, viewer.sees), Markup(cards_of(viewer, sight, board, now_ms))
            return renderer.board_part(TEXTS[sight.language], board.revision, shown, cards, sight, now_ms)

        return boards.page(board.revision, now_ms, sight, make, kind="part")

    def look(request: Request, viewer: Viewer, *, wall: bool) -> Response:
        now_ms, texts, query = renderer.now_ms(), renderer.texts(request), request.query_params
        area, severity = query.get("area", "")[:_LONGEST_PATH], query.get("severity", "")
        sight = sight_of(viewer, texts.language, area, severity, wall=wall)
        board = boards.read(now_ms)

        if request.headers.get(_PART) == "1":  # an open page, which has everything but the cards
            page = part_of(viewer, sight, board, now_ms)
            return _packed(request, boards.packed(page), page.text)
        text = cards_of(viewer, sight, board, now_ms)
        names = {path: name for path, name in area_names(engine).items() if viewer.sees(path)}
        kept = [(name, value) for name, value in (("severity", sight.severity), ("wall", "1" if wall else "")) if value]
        choice = area_choice(names, area, kept)
        seen = seen_in(board, sight, viewer.sees)
        return renderer.page(
            request, "board.html", now_ms=now_ms, revision=board.revision, board=seen, said=said_of(request),
            about=_find(request, [*seen.waiting, *seen.taken, *seen.recent]), reload_s=5, sight=sight, choice=choice,
            cards=Markup(text.replace(TOKEN, viewer.csrf)), severities=_severities(texts, choice.path, sight),
            wall_address="/board?" + urlencode([("wall", "1"), *_chosen(choice.path, sight.severity)]),
            desk_address="/?" + urlencode(_chosen(choice.path, sight.severity)),
        )  # fmt: skip

    def teller(request: Request, viewer: Viewer) -> Callable[[str], Awaitable[bytes]]:
        """What a stream says of a revision to who looks at the board as the address asks."""
        query, language = request.query_params, renderer.texts(request).language
        sight = sight_of(
            viewer, language, query.get("area", "")[:_LONGEST_PATH], query.get("severity", ""),
            wall=query.get("wall") == "1",
        )  # fmt: skip

        async def tell(revision: str) -> bytes:
            key = revision, sight
            if key not in telling:
                if len(telling) > _TOLD_KEPT:
                    telling.clear()
                telling[key] = asyncio.ensure_future(run_in_threadpool(event, viewer, sight))
            try:
                return await asyncio.shield(telling[key])
            except DBAPIError:
                telling.pop(key, None)
                return b""  # the page asks, and is told what is wrong

        return tell

    def event(viewer: Viewer, sight: Sight) -> bytes:
        now_ms = renderer.now_ms()
        board = boards.read(now_ms)
        packed = base64.b64encode(boards.packed(part_of(viewer, sight, board, now_ms)))
        return b"id: %s\nevent: board\ndata: %s\n\n" % (board.revision.encode(), packed)

    async def quick(request: Request, viewer: Viewer, *, wall: bool) -> Response:
        """After a change all open boards come at once: what was made for another of them is handed on right here, at
        the revision of which the stream has told them."""
        if request.headers.get(_PART) == "1" and "gzip" in request.headers.get("accept-encoding", ""):
            query = request.query_params
            area, severity = query.get("area", "")[:_LONGEST_PATH], query.get("severity", "")
            sight = sight_of(viewer, renderer.texts(request).language, area, severity, wall=wall)
            packed = boards.ready(feed.news.revision, renderer.now_ms(), sight)
            if packed is not None:
                return _packed(request, packed, "")
        return await run_in_threadpool(look, request, viewer, wall=wall)

    @router.api_route("/", methods=["GET", "HEAD"])
    @allow(listed(Permission.INCIDENTS_READ))
    async def board(request: Request, viewer: CurrentViewer) -> Response:
        return await quick(request, viewer, wall=False)

    @router.get("/board")
    @allow(listed(Permission.INCIDENTS_READ))
    async def named(request: Request, viewer: CurrentViewer, wall: str = "") -> Response:
        """The same; with ``wall=1`` for a screen that everybody in the room sees and nobody presses."""
        return await quick(request, viewer, wall=wall == "1")

    @router.get("/api/incidents")
    @allow(listed(Permission.INCIDENTS_READ))
    def incidents(viewer: CurrentViewer) -> Response:
        now_ms = renderer.now_ms()
        board = boards.read(now_ms)
        every = [card.view for card in (*board.waiting, *board.taken, *board.recent) if viewer.sees(card.view.area)]
        return _json({"now_ms": now_ms, "revision": board.revision, "incidents": every}, 200)

    @router.get("/healthz")
    @allow(OPEN)
    def health() -> Response:
        try:
            read_revision(engine)
        except DBAPIError as error:
            return _json({"status": "failing", "database": f"does not answer ({type(error.orig).__name__})"}, 503)
        return _json({"status": "ok", "database": "ok", "streams": feed.listeners}, 200)

    @router.get("/events")
    @allow(listed(Permission.INCIDENTS_READ))
    async def events(request: Request, viewer: CurrentViewer, board: str = "") -> Response:
        """With ``board`` the cards come with the event: 500 open boards then ask for nothing."""
        tell = teller(request, viewer) if board else None
        stream = feed.stream(request.headers.get("last-event-id"), heartbeat_s=settings.heartbeat_s, tell=tell)
        headers = {"x-accel-buffering": "no"}
        watched = until_logged_out(_for_a_while(stream) if board else stream, request)
        return StreamingResponse(watched, media_type="text/event-stream", headers=headers)

    page = (engine, settings, renderer, points)
    return [referral_routes(*page), page_routes(*page), router]


async def _for_a_while(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream, and then ``event: again``: who comes again may see what they may see by then."""
    until_s = time.monotonic() + _REVIEW_S
    async for chunk in stream:
        yield chunk
        if time.monotonic() >= until_s:
            yield b"event: again\ndata: 1\n\n"
            return


def _chosen(area: str, severity: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (("area", area), ("severity", severity)) if value]


def _severities(texts: Texts, area: str, sight: Sight) -> list[tuple[str, str, bool]]:
    """The choice of how severe at least: text, address, whether it is chosen."""
    wall = [("wall", "1")] if sight.wall else []
    return [
        (texts(text), "?" + urlencode([*wall, *_chosen(area, value)]), value == sight.severity)
        for value, text in (("", "board.all"), ("urgent", "board.urgent"), ("critical", "board.critical"))
    ]


def _packed(request: Request, packed: bytes, text: str) -> Response:
    """A part that is kept packed; unpacked for whom that is too much."""
    headers = {"vary": "accept-language, cookie, accept-encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return HTMLResponse(text.replace(TOKEN, ""), headers=headers)
    return HTMLResponse(packed, headers={**headers, "content-encoding": "gzip"})


def _find(request: Request, cards: list[Card]) -> Card | None:
    wanted = request.query_params.get("about")
    return next((card for card in cards if card.view.id == wanted), None)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
