"""The board, the stream and the JSON of the board."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from markupsafe import Markup
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from console.access.gate import CurrentViewer, until_logged_out
from console.access.rules import OPEN, Permission, allow, listed
from console.access.viewer import Viewer
from console.area_filter import area_choice
from console.boards import TOKEN, Boards, Sight, seen_in, sight_of
from console.feed import Feed
from console.incident.routes import page_routes, said_of
from console.points import Points
from console.reading import Board, Card, area_names, read_revision
from console.render import Renderer
from console.settings import ConsoleSettings
from console.texts import Texts

#: The header with which an open page asks for its cards alone.
_PART = "x-part"
_LONGEST_PATH = 255


def incident_routes(
    engine: Engine, settings: ConsoleSettings, renderer: Renderer, feed: Feed, points: Points
) -> APIRouter:
    """What is shown of incidents, and done about them."""
    router = APIRouter()
    router.include_router(page_routes(engine, settings, renderer, points))
    boards = Boards(engine, settings)

    def look(request: Request, viewer: Viewer, *, wall: bool) -> Response:
        now_ms, texts, query = renderer.now_ms(), renderer.texts(request), request.query_params
        area, severity = query.get("area", "")[:_LONGEST_PATH], query.get("severity", "")
        sight = sight_of(viewer, texts.language, area, severity, wall=wall)
        board = boards.read(now_ms)

        def cards() -> str:
            return str(renderer.board_cards(texts, boards, shown(), sight, now_ms))

        def shown() -> Board:
            return seen_in(board, sight, viewer.sees)

        if request.headers.get(_PART) == "1":  # an open page, which has everything but the cards

            def part() -> str:
                made = Markup(boards.page(board.revision, now_ms, sight, cards, kind="cards").text)
                return renderer.board_part(texts, board.revision, shown(), made, sight, now_ms)

            page = boards.page(board.revision, now_ms, sight, part, kind="part")
            return _packed(request, boards.packed(page), page.text)
        text = boards.page(board.revision, now_ms, sight, cards, kind="cards").text
        names = {path: name for path, name in area_names(engine).items() if viewer.sees(path)}
        kept = [(name, value) for name, value in (("severity", sight.severity), ("wall", "1" if wall else "")) if value]
        choice = area_choice(names, area, kept)
        seen = shown()
        return renderer.page(
            request, "board.html", now_ms=now_ms, revision=board.revision, board=seen, said=said_of(request),
            about=_find(request, [*seen.waiting, *seen.taken, *seen.recent]), reload_s=5, sight=sight, choice=choice,
            cards=Markup(text.replace(TOKEN, viewer.csrf)), severities=_severities(texts, choice.path, sight),
            wall_address="/board?" + urlencode([("wall", "1"), *_chosen(choice.path, sight.severity)]),
            desk_address="/?" + urlencode(_chosen(choice.path, sight.severity)),
        )  # fmt: skip

    @router.api_route("/", methods=["GET", "HEAD"])
    @allow(listed(Permission.INCIDENTS_READ))
    def board(request: Request, viewer: CurrentViewer) -> Response:
        return look(request, viewer, wall=False)

    @router.get("/board")
    @allow(listed(Permission.INCIDENTS_READ))
    def named(request: Request, viewer: CurrentViewer, wall: str = "") -> Response:
        """The same; with ``wall=1`` for a screen that everybody in the room sees and nobody presses."""
        return look(request, viewer, wall=wall == "1")

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
            return _json({"status": "failing", "database": repr(error.orig)}, 503)
        return _json({"status": "ok", "database": "ok", "streams": feed.listeners}, 200)

    @router.get("/events")
    @allow(listed(Permission.INCIDENTS_READ))
    async def events(request: Request) -> Response:
        stream = feed.stream(request.headers.get("last-event-id"), heartbeat_s=settings.heartbeat_s)
        headers = {"x-accel-buffering": "no"}
        watched = until_logged_out(stream, request)
        return StreamingResponse(watched, media_type="text/event-stream", headers=headers)

    return router


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
