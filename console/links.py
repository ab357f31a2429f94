"""The page behind a link of a message. Looking changes nothing, since mail scanners and chat previews look at every
link they see; its buttons act as the responder that the link is for, from "I'll go" to "I am here", without an account.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine

from alerts.errors import LinkError, LinkFault
from alerts.lifecycle import Answer, State
from alerts.links import ACK_PATH, SHORT_PATH, LinkClaims, make_token, read_link
from alerts.replies import carry_out
from alerts.short_links import read_code
from alerts.standing import Meaning, Stand, offers
from alerts.told import read_stand
from console.access.rules import OPEN, allow
from console.reading import read_page, responder_name
from console.render import Renderer
from console.settings import ConsoleSettings

_REFUSED = {LinkFault.EXPIRED: 410, LinkFault.FORGED: 404}
#: What became of a press, for a program that presses: it can tell without reading the page.
_OTHERS, _OVER = 409, 410


def link_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer) -> APIRouter:
    """What may be reached from outside through a reverse proxy. A link may end with what its reader is likely to press
    (``/cannot_come``): a look shows that button first, a POST without a page does it."""
    router = APIRouter()

    @router.api_route(ACK_PATH + "{token}", methods=["GET", "HEAD"])
    @router.api_route(ACK_PATH + "{token}/{action}", methods=["GET", "HEAD"])
    @allow(OPEN)
    def look(request: Request, token: str, action: str = Meaning.ACKNOWLEDGE.value) -> Response:
        meaning = _meaning(action)
        try:
            claims = read_link(token, settings.link_key, renderer.now_ms())
        except LinkError as error:
            return _refused(request, error)
        return _page(request, token, claims, meaning)

    @router.api_route(SHORT_PATH + "{code}", methods=["GET", "HEAD"])
    @allow(OPEN)
    def lead_on(request: Request, code: str) -> Response:
        """From the short link of a text message to the page of the long one."""
        try:
            claims = read_code(engine, code, renderer.now_ms())
        except LinkError as error:
            return _refused(request, error)
        return RedirectResponse(ACK_PATH + make_token(settings.link_key, claims), status_code=303)

    @router.post(ACK_PATH + "{token}")
    @router.post(ACK_PATH + "{token}/{action}")
    @allow(OPEN)
    def press(request: Request, token: str, action: str = Meaning.ACKNOWLEDGE.value) -> Response:
        meaning = _meaning(action)
        now_ms = renderer.now_ms()
        try:
            claims = read_link(token, settings.link_key, now_ms)
        except LinkError as error:
            return _refused(request, error)
        result = carry_out(engine, meaning, claims.incident, claims.responder, now_ms, via="link")
        if result.answer is Answer.UNKNOWN:
            return _gone(request)
        return _page(request, token, claims, meaning, pressed=True, fresh=result.done)

    def _page(
        request: Request,
        token: str,
        claims: LinkClaims,
        meaning: Meaning,
        *,
        pressed: bool = False,
        fresh: bool = False,
    ) -> Response:
        page = read_page(engine, settings, claims.incident)
        stand = read_stand(engine, claims.incident, claims.responder)
        if page is None or stand is None:
            return _gone(request)
        joins = stand.mine and page.card.view.acknowledged_by != claims.responder
        buttons = sorted(offers(stand), key=meaning.__ne__)  # what the link ends with goes first
        return renderer.page(
            request,
            "link.html",
            status=_status(meaning, stand) if pressed else 200,
            card=page.card,
            stand=stand,
            said=_said(meaning if pressed else None, stand, fresh=fresh, joins=joins),
            buttons=[(button.value, f"{ACK_PATH}{token}/{button.value}") for button in buttons],
            responder=responder_name(engine, claims.responder) or claims.responder,
        )

    def _refused(request: Request, error: LinkError) -> Response:
        return _message(request, f"ack.{error.fault.value}", _REFUSED[error.fault])

    def _gone(request: Request) -> Response:
        return _message(request, "ack.gone", 404)

    def _message(request: Request, text_id: str, status: int) -> Response:
        texts = renderer.texts(request)
        heading, text = texts(text_id), texts(f"{text_id}_next")
        return renderer.page(request, "error.html", status=status, heading=heading, text=text)

    return router


def _meaning(action: str) -> Meaning:
    try:
        return Meaning(action)
    except ValueError:
        raise HTTPException(404) from None


def _status(meaning: Meaning, stand: Stand) -> int:
    """Of the answer to a press: 200 when the responder stands where they said."""
    if stand.over:
        return _OVER
    if stand.beside:
        return 200
    right = not stand.mine and stand.declined if meaning is Meaning.CANNOT_COME else stand.mine
    return 200 if right else _OTHERS


def _said(pressed: Meaning | None, stand: Stand, *, fresh: bool, joins: bool) -> str:
    """Which text says how it stands, and what became of a press."""
    if stand.over:
        return "resolved"
    if stand.beside and pressed:
        return "noted"
    if not stand.mine:
        if stand.declined and pressed in (None, Meaning.CANNOT_COME):
            return "not_coming"
        return "" if stand.wanted else "other"
    if pressed is Meaning.CANNOT_COME:
        return "at_door"
    if joins:
        return "with"
    if stand.state in (State.EN_ROUTE, State.ON_SCENE):
        return stand.state.value
    return "done" if pressed is Meaning.ACKNOWLEDGE and fresh else "mine"
