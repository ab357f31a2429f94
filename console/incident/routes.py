"""The page of an incident and what is done on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine, select

from alerts import actions
from alerts.actions import ActionResult
from alerts.door import DoorAnswer, DoorCode, read_door_code
from alerts.lifecycle import Answer, Outcome
from alerts.queries import IncidentView
from alerts.sentences import sentence
from console.access.audit import Event, record_view
from console.access.gate import CurrentViewer
from console.access.models import audit
from console.access.rules import Permission, allow, of_incident, placed
from console.access.viewer import Viewer
from console.incident.knowing import happened, may_of, read_around
from console.incident.measured import Measured, course_around, read_measured
from console.incident.showing import incident_words
from console.people.drawing import drawing
from console.people.profile import IncidentRow
from console.people.signs import PARTS, SIGNS
from console.plot import SIZES, PlotWords, motion_svg
from console.points import Points
from console.reading import CONSOLE, is_key, read_motion, read_page, responder_name
from console.render import Renderer
from console.settings import ConsoleSettings
from console.standing_for import may_stand_for
from registry import SealedError
from registry.database import writing
from store import StoreError

MAX_NOTE = 2000
OUTCOMES = tuple(outcome.value for outcome in Outcome if outcome is not Outcome.CANCELLED)
_DONE = ("acknowledge", "en_route", "on_scene", "cannot_come", "need_help", "hand_over", "resolve", "refer")
_AGAIN = ("cannot_come", "need_help", "hand_over", "refer")
#: What a page may be told to say of a press.
SAID = frozenset(
    {"already", "resolved", "noted", "no_outcome", "nobody", "no_channel", *(f"done.{name}" for name in _DONE),
     *(f"again.{name}" for name in _AGAIN)}
)  # fmt: skip
#: The drawing styles itself, and is never anything but an image.
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
#: One row of the audit for one look: the page fetches itself again whenever anything changes.
_ONE_LOOK_MS = 600_000
_Action = Callable[[Engine, str, str, int, str], ActionResult]
_ACTIONS: dict[str, _Action] = {
    "acknowledge": lambda engine, incident, who, at, _: actions.acknowledge(engine, incident, who, at),
    "en_route": lambda engine, incident, who, at, _: actions.en_route(engine, incident, who, at),
    "on_scene": lambda engine, incident, who, at, _: actions.on_scene(engine, incident, who, at),
    "cannot_come": lambda engine, incident, who, at, _: actions.cannot_come(engine, incident, who, at),
    "need_help": lambda engine, incident, who, at, note: actions.need_help(engine, incident, who, at, note=note),
}


def page_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, points: Points) -> APIRouter:
    """Everything below ``/incidents/{incident_id}``."""
    router = APIRouter()

    def seen(viewer: Viewer, kind: str, subject: str, area: str) -> None:
        now_ms = renderer.now_ms()
        if not _has_looked(engine, viewer, kind, subject, now_ms):
            with writing(engine) as connection:
                record_view(connection, viewer, kind, subject, now_ms, area=area)

    def show(request: Request, viewer: Viewer, incident_id: str, door: DoorCode | None = None) -> Response:
        page = read_page(engine, settings, incident_id)
        if page is None:
            raise HTTPException(404)
        now_ms, view, texts = renderer.now_ms(), page.card.view, renderer.texts(request)
        may = may_of(viewer, view)
        with engine.connect() as connection:
            around = read_around(connection, view, now_ms)
        if around.profile is not None:
            seen(viewer, "incident", incident_id, view.area)
        measured = None
        if may.health and around.profile is not None:
            measured = read_measured(points, around.profile, view.onset_ms, now_ms, settings.zone)
        said = sentence(happened(view, texts.language, now_ms), texts.language, settings.zone)
        return renderer.page(
            request, "incident.html", now_ms=now_ms, revision=page.revision, card=page.card, detail=page.detail,
            names=page.names, actors=page.actors, outcomes=OUTCOMES, said=said_of(request), reload_s=30, may=may,
            around=around, measured=measured, sentence=said, door=door, signs=SIGNS, parts=PARTS,
            **incident_words(texts, settings, view, measured or Measured()),
        )  # fmt: skip

    @router.get("/incidents/{incident_id}")
    @allow(placed(Permission.INCIDENTS_READ, of_incident))
    def incident(request: Request, viewer: CurrentViewer, incident_id: str) -> Response:
        return show(request, viewer, incident_id)

    @router.get("/incidents/{incident_id}/motion.svg")
    @allow(placed(Permission.INCIDENTS_READ, of_incident))
    def motion(request: Request, incident_id: str, size: str = "narrow") -> Response:
        found = read_motion(engine, incident_id)
        if found is None or size not in SIZES:
            raise HTTPException(404)
        window, onset_ms = found
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

    @router.get("/incidents/{incident_id}/series")
    @allow(placed(Permission.INCIDENTS_READ, of_incident))
    def series(request: Request, viewer: CurrentViewer, incident_id: str) -> Response:
        """The vital signs around it as they are drawn: for whom the page shows them."""
        page = read_page(engine, settings, incident_id)
        if page is None or page.card.view.person_key is None:
            raise HTTPException(404)
        view, now_ms = page.card.view, renderer.now_ms()
        if not may_of(viewer, view).health:
            raise HTTPException(403)
        with engine.connect() as connection:
            profile = read_around(connection, view, now_ms).profile
        store = points.store()
        if store is None or profile is None:
            return _json({"trouble": "none"}, 503)
        seen(viewer, "vitals", profile.entry.key, view.area)
        try:
            course = course_around(store, profile.entry.key, view.onset_ms, now_ms)
        except StoreError:
            return _json({"trouble": "away"}, 503)
        mark = IncidentRow(view.id, view.kind, view.severity.value, view.state.value, None, view.onset_ms, None)
        texts = renderer.texts(request)
        return _json(
            drawing(course, [mark], texts, spo2_scale=profile.entry.spo2_scale, address=lambda _: "#why"), 200
        )  # fmt: skip

    @router.post("/incidents/{incident_id}/door")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def door(request: Request, viewer: CurrentViewer, incident_id: str) -> Response:
        """The code of the door, for who has taken the incident; every press is on its time line."""
        who = viewer.responder or (CONSOLE if viewer.may(Permission.INCIDENTS_ACT_FOR) else "")
        if not is_key(incident_id) or not who:
            raise HTTPException(403)
        try:
            code = read_door_code(engine, incident_id, who, renderer.now_ms(), via="console")
        except SealedError:
            raise HTTPException(503) from None
        if code.answer is DoorAnswer.UNKNOWN:
            raise HTTPException(404)
        if request.headers.get("hx-request"):
            return renderer.page(request, "incident_door.html", door=code)
        return show(request, viewer, incident_id, code)

    @router.post("/incidents/{incident_id}/hand_over")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def hand_over(
        viewer: CurrentViewer,
        incident_id: str,
        to: Annotated[str, Form(max_length=64)] = "",
        note: Annotated[str, Form()] = "",
    ) -> Response:
        page = read_page(engine, settings, incident_id)
        if page is None:
            raise HTTPException(404)
        if responder_name(engine, to) is None or not _may_be_asked(engine, page.card.view, to):
            return back(incident_id, "incident", "nobody")
        own = actor_of(engine, viewer, incident_id, viewer.responder or CONSOLE)
        holder = page.card.view.acknowledged_by
        actor = holder if holder and viewer.may(Permission.INCIDENTS_ACT_FOR) else own
        note = note.strip()[:MAX_NOTE]
        result = actions.hand_over(engine, incident_id, actor, to, renderer.now_ms(), note=note)
        return answered(incident_id, "incident", "hand_over", result)

    @router.post("/incidents/{incident_id}/resolve")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def resolve(
        viewer: CurrentViewer,
        incident_id: str,
        actor: Annotated[str, Form(alias="as")] = CONSOLE,
        back_to: Annotated[str, Form(alias="back")] = "incident",
        outcome: Annotated[str, Form()] = "",
        note: Annotated[str, Form()] = "",
    ) -> Response:
        actor = actor_of(engine, viewer, incident_id, actor)
        if outcome not in OUTCOMES:
            return back(incident_id, back_to, "no_outcome")
        result = actions.resolve(
            engine, incident_id, actor, renderer.now_ms(), outcome=Outcome(outcome), note=note.strip()[:MAX_NOTE]
        )
        return answered(incident_id, back_to, "resolve", result)

    @router.post("/incidents/{incident_id}/{action}")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def act(
        viewer: CurrentViewer,
        incident_id: str,
        action: str,
        actor: Annotated[str, Form(alias="as")] = CONSOLE,
        back_to: Annotated[str, Form(alias="back")] = "incident",
        note: Annotated[str, Form()] = "",
    ) -> Response:
        if action not in _ACTIONS:
            raise HTTPException(404)
        actor = actor_of(engine, viewer, incident_id, actor)
        result = _ACTIONS[action](engine, incident_id, actor, renderer.now_ms(), note.strip()[:MAX_NOTE])
        return answered(incident_id, back_to, action, result)

    return router


def said_of(request: Request) -> str:
    """What the page says of the press before it; "" for nothing."""
    said = request.query_params.get("said", "")
    return said if said in SAID else ""


def actor_of(engine: Engine, viewer: Viewer, incident_id: str, asked: str) -> str:
    """In whose name something is done: who may act for others says so, everybody else does it in their own."""
    if not is_key(incident_id):
        raise HTTPException(404)
    actor = asked if viewer.may(Permission.INCIDENTS_ACT_FOR) else viewer.responder or CONSOLE
    if actor not in (CONSOLE, viewer.responder) and not may_stand_for(engine, viewer, incident_id, actor):
        raise HTTPException(400)
    return actor


def answered(incident_id: str, back_to: str, action: str, result: ActionResult) -> Response:
    """Back to where the press was made, with what became of it."""
    if result.answer is Answer.UNKNOWN:
        raise HTTPException(404)
    if result.done:
        return back(incident_id, back_to, f"done.{action}")
    again = result.answer is Answer.ALREADY and action in _AGAIN
    return back(incident_id, back_to, f"again.{action}" if again else result.answer.value)


def back(incident_id: str, back_to: str, said: str) -> Response:
    """To the board, or the page of the incident."""
    name = quote(incident_id, safe="")
    address = f"/?said={said}&about={name}" if back_to == "board" else f"/incidents/{name}?said={said}"
    return RedirectResponse(address, status_code=303)


def _may_be_asked(engine: Engine, view: IncidentView, to: str) -> bool:
    """Only who is offered on the page: responders elsewhere are none of this district's business."""
    with engine.connect() as connection:
        return any(one.id == to for one in read_around(connection, view, 0).others) or view.offered_to == to


def _has_looked(engine: Engine, viewer: Viewer, kind: str, subject: str, now_ms: int) -> bool:
    c = audit.c
    query = select(c.id).where(
        c.kind == kind, c.subject == subject[:255], c.what == Event.VIEW.value, c.who == viewer.who[:64],
        c.at_ms >= now_ms - _ONE_LOOK_MS,
    )  # fmt: skip
    with engine.connect() as connection:
        return connection.execute(query.limit(1)).first() is not None


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
