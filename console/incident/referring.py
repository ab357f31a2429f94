"""Referring an incident to the family doctor or a hospital team: what they will read is shown before it is sent."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine

from alerts.referral import ReferralAnswer, preview, refer
from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, of_incident, placed
from console.access.viewer import Viewer
from console.incident.knowing import Around, May, may_of, read_around
from console.incident.measured import read_measured
from console.incident.showing import vitals_line
from console.points import Points
from console.reading import Page, read_page
from console.render import Renderer
from console.settings import ConsoleSettings
from console.texts import LANGUAGES, TEXTS

_MAX_NOTE = 1000
_SAID = {
    ReferralAnswer.DONE: "done.refer",
    ReferralAnswer.ALREADY: "again.refer",
    ReferralAnswer.NO_CHANNEL: "no_channel",
    ReferralAnswer.NOBODY: "nobody",
}


def referral_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, points: Points) -> APIRouter:
    """``/incidents/{incident_id}/refer``: choose, look, send."""
    router = APIRouter()

    def known(viewer: Viewer, incident_id: str) -> tuple[Page, Around, May]:
        page = read_page(engine, settings, incident_id)
        if page is None:
            raise HTTPException(404)
        with engine.connect() as connection:
            around = read_around(connection, page.card.view, renderer.now_ms())
        return page, around, may_of(viewer, page.card.view)

    def vitals_for(page: Page, around: Around, may: May, language: str) -> str:
        """The vital signs then, for who may see them: nobody passes on what they may not read."""
        if not may.health or around.profile is None:
            return ""
        onset_ms = page.card.view.onset_ms
        measured = read_measured(points, around.profile, onset_ms, renderer.now_ms(), settings.zone)
        return vitals_line(TEXTS[language if language in LANGUAGES else "en"], measured, onset_ms)

    @router.get("/incidents/{incident_id}/refer")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def form(request: Request, viewer: CurrentViewer, incident_id: str, to: str = "") -> Response:
        page, around, _ = known(viewer, incident_id)
        return renderer.page(
            request, "incident_refer.html", card=page.card, around=around, to=to, note="", shown=None, vitals=""
        )

    @router.post("/incidents/{incident_id}/refer")
    @allow(placed(Permission.INCIDENTS_ACT, of_incident))
    def send(
        request: Request,
        viewer: CurrentViewer,
        incident_id: str,
        to: Annotated[str, Form(max_length=64)] = "",
        note: Annotated[str, Form()] = "",
        go: Annotated[str, Form(max_length=8)] = "",
        vitals: Annotated[str, Form(max_length=_MAX_NOTE)] = "",
    ) -> Response:
        """Without ``go`` = ``send`` only what would be sent."""
        page, around, may = known(viewer, incident_id)
        if not any(one.responder == to for one in around.addressees):
            raise HTTPException(400)
        note, now_ms = note.strip()[:_MAX_NOTE], renderer.now_ms()
        who = viewer.responder or viewer.full_name or viewer.who
        if go == "send":
            result = refer(engine, incident_id, who, to, now_ms, note=note, vitals=vitals if may.health else "")
            address = f"/incidents/{quote(incident_id, safe='')}?said={_SAID.get(result.answer, 'nobody')}"
            return RedirectResponse(address, status_code=303)
        found = preview(engine, incident_id, who, to, now_ms, zone=settings.zone, note=note)
        measured = vitals_for(page, around, may, found.language)
        shown = preview(engine, incident_id, who, to, now_ms, zone=settings.zone, note=note, vitals=measured)
        return renderer.page(
            request, "incident_refer.html", card=page.card, around=around, to=to, note=note, shown=shown,
            vitals=measured,
        )  # fmt: skip

    return router
