"""The board, the stream and the JSON of the board."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from console.access.gate import CurrentViewer, until_logged_out
from console.access.rules import OPEN, Permission, allow, listed
from console.access.viewer import Viewer
from console.feed import Feed
from console.incident.routes import page_routes, said_of
from console.points import Points
from console.reading import Board, Card, read_board, read_revision
from console.render import Renderer
from console.settings import ConsoleSettings


def incident_routes(
    engine: Engine, settings: ConsoleSettings, renderer: Renderer, feed: Feed, points: Points
) -> APIRouter:
    """What is shown of incidents, and done about them."""
    router = APIRouter()
    router.include_router(page_routes(engine, settings, renderer, points))

    @router.api_route("/", methods=["GET", "HEAD"])
    @allow(listed(Permission.INCIDENTS_READ))
    def board(request: Request, viewer: CurrentViewer) -> Response:
        now_ms = renderer.now_ms()
        shown = _seen_by(viewer, read_board(engine, settings, now_ms))
        about = _find(request, [*shown.waiting, *shown.taken, *shown.recent])
        return renderer.page(
            request, "board.html", now_ms=now_ms, revision=shown.revision, board=shown, said=said_of(request),
            about=about, reload_s=5,
        )  # fmt: skip

    @router.get("/api/incidents")
    @allow(listed(Permission.INCIDENTS_READ))
    def incidents(viewer: CurrentViewer) -> Response:
        now_ms = renderer.now_ms()
        shown = _seen_by(viewer, read_board(engine, settings, now_ms))
        body = {
            "now_ms": now_ms,
            "revision": shown.revision,
            "incidents": [card.view for card in (*shown.waiting, *shown.taken, *shown.recent)],
        }
        return Response(msgspec.json.encode(body), media_type="application/json")

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


def _seen_by(viewer: Viewer, board: Board) -> Board:
    """What of a board lies in the areas of who looks at it."""

    def seen(cards: list[Card]) -> list[Card]:
        return [card for card in cards if viewer.sees(card.view.area)]

    return replace(board, waiting=seen(board.waiting), taken=seen(board.taken), recent=seen(board.recent))


def _find(request: Request, cards: list[Card]) -> Card | None:
    wanted = request.query_params.get("about")
    return next((card for card in cards if card.view.id == wanted), None)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
