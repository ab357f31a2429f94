"""The board, the incident page, their actions, the drawing, the stream and the JSON of the board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from alerts import actions
from alerts.actions import ActionResult
from alerts.lifecycle import Answer, Outcome
from console.access.gate import CurrentViewer, until_logged_out
from console.access.rules import OPEN, Permission, allow, listed, of_incident, placed
from console.access.viewer import Viewer
from console.feed import Feed
from console.plot import SIZES, PlotWords, motion_svg
from console.reading import (
    CONSOLE,
    Board,
    Card,
    is_key,
    read_board,
    read_motion,
    read_page,
    read_revision,
    responder_name,
)
from console.render import Renderer
from console.settings import ConsoleSettings

_MAX_NOTE = 2000
_OUTCOMES = tuple(outcome.value for outcome in Outcome if outcome is not Outcome.CANCELLED)
_DONE = ("acknowledge", "en_route", "on_scene", "resolve")
_SAID = frozenset({"already", "resolved", "no_outcome", *(f"done.{name}" for name in _DONE)})
#: The drawing styles itself, and is never anything but an image.
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_ACTIONS: dict[str, Callable[[Engine, str, str, int], ActionResult]] = {
    "acknowledge": actions.acknowledge,
    "en_route": actions.en_route,
    "on_scene": actions.on_scene,
}


def incident_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, feed: Feed) -> APIRouter:
    """What is shown of incidents, and done about them."""
    router = APIRouter()

    @router.api_route("/", methods=["GET", "HEAD"])
    @allow(listed(Permission.INCIDENTS_READ))
    def board(request: Request, viewer: CurrentViewer) -> Response:
        now_ms = renderer.now_ms()
        shown = _seen_by(viewer, read_board(engine, settings, now_ms))
        about = _find(request, [*shown.waiting, *shown.taken, *shown.recent])
        return renderer.page(
            request, "board.html", now_ms=now_ms, revision=shown.revision, board=shown, said=_said(request),
            about=about, reload_s=5,
        )  # fmt: skip

    @router.get("/incidents/{incident_id}")
    @allow(placed(Permission.INCIDENTS_READ, of_incident))
    def incident(request: Request, incident_id: str) -> Response:
        page = read_page(engine, settings, incident_id)
        if page is None:
            raise HTTPException(404)
        return renderer.page(
            request, "incident.html", revision=page.revision, card=page.card, detail=page.detail, names=page.names,
            actors=page.actors, outcomes=_OUTCOMES, said=_said(request), reload_s=30,
        )  # fmt: skip

    @router.get("/incidents/{incident_id}/motion.svg")
    @allow(placed(Permission.INCIDENTS_READ, of_incident))
    def drawing(request: Request, incident_id: str, size: str = "narrow") -> Response:
        motion = read_motion(engine, incident_id)
        if motion is None or size not in SIZES:
            raise HTTPException(404)
        window, onset_ms = motion
        t = renderer.texts(request)
        words = PlotWords(
            magnitude=t("plot.magnitude"),
            turning=t("plot.turning"),
            impact=t("plot.impact"),
            falling=t("plot.falling"),
            gap=t("plot.gap"),
            nothing=t("plot.nothing"),
        )
        svg = motion_svg(window, onset_ms=onset_ms, size=SIZES[size], words=words)
        headers = {"content-security-policy": _DRAWING_POLICY, "cache-control": "private, max-age=86400"}
        return Response(svg, media_type="image/svg+xml", headers=headers)

    @router.post("/incidents/{incident_id}/resolve")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def resolve(
        viewer: CurrentViewer,
        incident_id: str,
        actor: Annotated[str, Form(alias="as")] = CONSOLE,
        back: Annotated[str, Form()] = "incident",
        outcome: Annotated[str, Form()] = "",
        note: Annotated[str, Form()] = "",
    ) -> Response:
        actor = _actor(engine, viewer, incident_id, actor)
        if outcome not in _OUTCOMES:
            return _back(incident_id, back, "no_outcome")
        result = actions.resolve(
            engine, incident_id, actor, renderer.now_ms(), outcome=Outcome(outcome), note=note.strip()[:_MAX_NOTE]
        )
        return _answered(incident_id, back, "resolve", result)

    @router.post("/incidents/{incident_id}/{action}")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def act(
        viewer: CurrentViewer,
        incident_id: str,
        action: str,
        actor: Annotated[str, Form(alias="as")] = CONSOLE,
        back: Annotated[str, Form()] = "incident",
    ) -> Response:
        if action not in _ACTIONS:
            raise HTTPException(404)
        actor = _actor(engine, viewer, incident_id, actor)
        result = _ACTIONS[action](engine, incident_id, actor, renderer.now_ms())
        return _answered(incident_id, back, action, result)

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


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if said in _SAID else ""


def _actor(engine: Engine, viewer: Viewer, incident_id: str, asked: str) -> str:
    """In whose name something is done: who may act for others says so, everybody else does it in their own."""
    if not is_key(incident_id):
        raise HTTPException(404)
    actor = asked if viewer.may(Permission.INCIDENTS_ACT_FOR) else viewer.responder or CONSOLE
    if actor != CONSOLE and responder_name(engine, actor) is None:
        raise HTTPException(400)
    return actor


def _answered(incident_id: str, back: str, action: str, result: ActionResult) -> Response:
    if result.answer is Answer.UNKNOWN:
        raise HTTPException(404)
    return _back(incident_id, back, f"done.{action}" if result.done else result.answer.value)


def _back(incident_id: str, back: str, said: str) -> Response:
    name = quote(incident_id, safe="")
    address = f"/?said={said}&about={name}" if back == "board" else f"/incidents/{name}?said={said}"
    return RedirectResponse(address, status_code=303)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
