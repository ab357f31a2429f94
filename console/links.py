"""The page behind an acknowledgement link. Looking changes nothing, since mail scanners and chat previews look at every
link they see; the button acknowledges as the responder that the link is for."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine

from alerts import actions
from alerts.errors import LinkError, LinkFault
from alerts.lifecycle import Answer
from alerts.links import ACK_PATH, SHORT_PATH, LinkClaims, make_token, read_link
from alerts.short_links import read_code
from console.reading import read_page, responder_name
from console.render import Renderer
from console.settings import ConsoleSettings

_STATUS = {LinkFault.EXPIRED: 410, LinkFault.FORGED: 404}
#: outcome of a press -> status: a program that presses can tell without reading the page
_PRESSED = {"mine": 200, "other": 409, "resolved": 410}


def link_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer) -> APIRouter:
    """What may be reached from outside through a reverse proxy."""
    router = APIRouter()

    @router.api_route(ACK_PATH + "{token}", methods=["GET", "HEAD"])
    def look(request: Request, token: str) -> Response:
        try:
            claims = read_link(token, settings.link_key, renderer.now_ms())
        except LinkError as error:
            return _refused(request, error)
        return _page(request, claims, fresh=False)

    @router.api_route(SHORT_PATH + "{code}", methods=["GET", "HEAD"])
    def lead_on(request: Request, code: str) -> Response:
        """From the short link of a text message to the page of the long one."""
        try:
            claims = read_code(engine, code, renderer.now_ms())
        except LinkError as error:
            return _refused(request, error)
        return RedirectResponse(ACK_PATH + make_token(settings.link_key, claims), status_code=303)

    @router.post(ACK_PATH + "{token}")
    def press(request: Request, token: str) -> Response:
        now_ms = renderer.now_ms()
        try:
            claims = read_link(token, settings.link_key, now_ms)
        except LinkError as error:
            return _refused(request, error)
        result = actions.acknowledge(engine, claims.incident, claims.responder, now_ms, via="link")
        if result.answer is Answer.UNKNOWN:
            return _gone(request)
        return _page(request, claims, fresh=result.done, pressed=True)

    def _page(request: Request, claims: LinkClaims, *, fresh: bool, pressed: bool = False) -> Response:
        page = read_page(engine, settings, claims.incident)
        if page is None:
            return _gone(request)
        if page.card.resolved:
            outcome = "resolved"
        elif not page.card.taken:
            outcome = "open"
        else:
            outcome = "mine" if page.card.view.acknowledged_by == claims.responder else "other"
        return renderer.page(
            request,
            "link.html",
            status=_PRESSED.get(outcome, 200) if pressed else 200,
            card=page.card,
            outcome=outcome,
            fresh=fresh,
            responder=responder_name(engine, claims.responder) or claims.responder,
        )

    def _refused(request: Request, error: LinkError) -> Response:
        return _message(request, f"ack.{error.fault.value}", _STATUS[error.fault])

    def _gone(request: Request) -> Response:
        return _message(request, "ack.gone", 404)

    def _message(request: Request, text_id: str, status: int) -> Response:
        texts = renderer.texts(request)
        heading, text = texts(text_id), texts(f"{text_id}_next")
        return renderer.page(request, "error.html", status=status, heading=heading, text=text)

    return router
