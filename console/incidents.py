"""The board, the incident page, their actions, the drawing, the stream and the JSON of the board."""

from __future__ import annotations

from collections.abc import Callable
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
from console.feed import Feed
from console.plot import SIZES, PlotWords, motion_svg
from console.reading import CONSOLE, Card, is_key, read_board, read_motion, read_page, read_revision, responder_name
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
    """Everything that only this machine may see while the console has no users."""
    router = APIRouter()

    @router.api_route("/", methods=["GET", "HEAD"])
    def board(request: Request) -> Response:
        now_ms = renderer.now_ms()
        shown = read_board(engine, settings, now_ms)
        about = _find(request, [*shown.waiting, *shown.taken, *shown.recent])
        return renderer.page(
            request, "board.html", now_ms=now_ms, revision=shown.revision, board=shown, said=_said(request),
            about=about, reload_s=5,
        )  # fmt: skip

    @router.get("/incidents/{incident_id}")
    def incident(request: Request, incident_id: str) -> Response:
        page = read_page(engine, settings, incident_id)
        if page is None:
            raise HTTPException(404)
        return renderer.page(
            request, "incident.html", revision=page.revision, card=page.card, detail=page.detail, names=page.names,
            actors=page.actors, outcomes=_OUTCOMES, said=_said(request), reload_s=30,
        )  # fmt: skip

    @router.get("/incidents/{incident_id}/motion.svg")
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
    def resolve(
        incident_id: str,
        actor: Annotated[str, Form(alias="as")] = CONSOLE,
        back: Annotated[str, Form()] = "incident",
        outcome: Annotated[str, Form()] = "",
        note: Annotated[str, Form()] = "",
    ) -> Response:
        _check(engine, incident_id, actor)
        if outcome not in _OUTCOMES:
            return _back(incident_id, back, "no_outcome")
        result = actions.resolve(
            engine, incident_id, actor, renderer.now_ms(), outcome=Outcome(outcome), note=note.strip()[:_MAX_NOTE]
        )
        return _answered(incident_id, back, "resolve", result)

    @router.post("/incidents/{incident_id}/{action}")
    def act(
        incident_id: str,
        action: str,
        actor: Annotated[str, Form(alias="as")] = CONSOLE,
        back: Annotated[str, Form()] = "incident",
    ) -> Response:
        if action not in _ACTIONS:
            raise HTTPException(404)
        _check(engine, incident_id, actor)
        result = _ACTIONS[action](engine, incident_id, actor, renderer.now_ms())
        return _answered(incident_id, back, action, result)

    @router.get("/api/incidents")
    def incidents() -> Response:
        now_ms = renderer.now_ms()
        shown = read_board(engine, settings, now_ms)
        body = {
            "now_ms": now_ms,
            "revision": shown.revision,
            "incidents": [card.view for card in (*shown.waiting, *shown.taken, *shown.recent)],
        }
        return Response(msgspec.json.encode(body), media_type="application/json")

    @router.get("/healthz")
    def health() -> Response:
        try:
            read_revision(engine)
        except DBAPIError as error:
            return _json({"status": "failing", "database": repr(error.orig)}, 503)
        return _json({"status": "ok", "database": "ok", "streams": feed.listeners}, 200)

    @router.get("/events")
    async def events(request: Request) -> Response:
        stream = feed.stream(request.headers.get("last-event-id"), heartbeat_s=settings.heartbeat_s)
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    return router


def _find(request: Request, cards: list[Card]) -> Card | None:
    wanted = request.query_params.get("about")
    return next((card for card in cards if card.view.id == wanted), None)


def _said(request: Request) -> str:
    said = request.query_params.get("said", "")
    return said if said in _SAID else ""


def _check(engine: Engine, incident_id: str, actor: str) -> None:
    if not is_key(incident_id):
        raise HTTPException(404)
    if actor != CONSOLE and responder_name(engine, actor) is None:
        raise HTTPException(400)


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
