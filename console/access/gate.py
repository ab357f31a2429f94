"""Keeps to the rules: before any route runs it is known who asks, and whether they may.

The gate is a dependency of the whole application. It leaves the :class:`Viewer` in ``request.state.viewer``; a route
takes it as an argument of the type :data:`CurrentViewer`.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, HTTPException, Request
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from console.access import sessions
from console.access.rules import OPEN, Access, Rule, rule_of
from console.access.secret import same
from console.access.viewer import Viewer, this_machine
from console.settings import ConsoleSettings
from registry.database import writing

_SESSION = "session"
#: How often a stream asks whether its session goes on.
_LOOK_S = 20.0
_SAFE = frozenset({"GET", "HEAD"})
#: What a form or a script sends along, so that no other site can.
FORM_FIELD = "csrf"
FORM_HEADER = "x-csrf-token"
#: Where somebody must go who has given a password and not yet the second factor.
STAGES = {"code": "/login/code", "enrol": "/login/second"}


class Refused(HTTPException):
    """An answer of the gate; ``fault`` is the id of the text of the page (``error.<fault>``)."""

    def __init__(self, status: int, fault: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, fault, headers)
        self.fault = fault


def make_gate(
    engine: Engine, settings: ConsoleSettings, now_ms: Callable[[], int]
) -> Callable[[Request], Awaitable[None]]:
    """The dependency of the application."""
    machine = this_machine()

    def look(request: Request) -> Viewer | None:
        """Who asks, by token or session."""
        secret, is_token = _secret_of(request, settings)
        if not secret:
            return None
        at_ms = now_ms()
        with engine.connect() as connection:
            found = (sessions.find_by_token if is_token else sessions.find)(connection, secret, at_ms)
        if found is None:
            return None
        viewer, stale = found
        if stale:
            with writing(engine) as connection:
                if is_token:
                    sessions.touch_token(connection, viewer.token, at_ms)
                else:
                    sessions.touch(connection, viewer.session, at_ms)
        return viewer

    def enter(request: Request, rule: Rule) -> Viewer:
        """Who asks, if they may. Raises Refused."""
        viewer = look(request) if settings.login else machine
        if viewer is None:
            raise _login_first(request)
        if viewer.stage != "full" and rule.access is not Access.HALF:
            raise _away(request, STAGES[viewer.stage])
        request.state.viewer, request.state.csrf = viewer, viewer.csrf
        if rule.access is not Access.PERMITTED:
            if viewer.token:
                raise Refused(403, "role")
            return viewer
        if not is_allowed(rule, viewer):
            raise Refused(403, "role")
        if rule.area is not None:
            with engine.connect() as connection:
                area = rule.area(connection, request.path_params)
            if area is None or not viewer.sees(area):
                raise HTTPException(404)
        return viewer

    async def still_there(request: Request) -> bool:
        """Whether who asked is logged in yet, for answers that last. A page that is open counts as use."""
        return not settings.login or await run_in_threadpool(look, request) is not None

    async def gate(request: Request) -> None:
        request.state.still_there = still_there
        rule = rule_of(getattr(request.scope.get("route"), "endpoint", None))
        if rule is OPEN:
            return
        viewer = await run_in_threadpool(enter, request, rule)
        if viewer.csrf and request.method not in _SAFE:
            await check_form(request, viewer.csrf)

    return gate


def is_allowed(rule: Rule, viewer: Viewer) -> bool:
    """Whether somebody would be let to a route of this rule, wherever what it shows lies."""
    if rule.access is not Access.PERMITTED:
        return True
    return (rule.permission is None or viewer.may(rule.permission)) and (viewer.everywhere or not rule.everywhere)


def viewer_of(request: Request) -> Viewer:
    """Who asks, in a route that is not open."""
    viewer: Viewer = request.state.viewer
    return viewer


async def until_logged_out(stream: AsyncIterator[bytes], request: Request) -> AsyncIterator[bytes]:
    """The stream, until its session or token is over: then ``event: logout``, and its end."""
    looked_s = time.monotonic()
    async for chunk in stream:
        if time.monotonic() - looked_s >= _LOOK_S:
            looked_s = time.monotonic()
            if not await request.state.still_there(request):
                yield b"event: logout\ndata: 1\n\n"
                return
        yield chunk


CurrentViewer = Annotated[Viewer, Depends(viewer_of)]


async def check_form(request: Request, expected: str) -> None:
    """Whether a request carries what our own page gave it. Raises Refused."""
    sent = request.headers.get(FORM_HEADER)
    if sent is None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            field = (await request.form()).get(FORM_FIELD)
            sent = field if isinstance(field, str) else None
    if not expected or sent is None or not same(sent, expected):
        raise Refused(403, "form")


def client_address(request: Request, settings: ConsoleSettings) -> str:
    """The address that a request comes from; what a proxy says is believed of those that are trusted only."""
    address = request.client.host if request.client else ""
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
    while address in settings.trusted_proxies and hops and _is_address(hops[-1]):
        address = hops.pop()
    return address


def is_secure(request: Request, settings: ConsoleSettings) -> bool:
    """Whether the browser came over https, so that cookies may say so."""
    if request.url.scheme == "https":
        return True
    if settings.public_url.startswith("https:") and request.url.hostname == settings.public_host:
        return True
    peer = request.client.host if request.client else ""
    return peer in settings.trusted_proxies and request.headers.get("x-forwarded-proto") == "https"


def give_session(request: Request, response: Response, settings: ConsoleSettings, secret: str, *, keep_s: int) -> None:
    """Put a session's secret into the browser; for ``keep_s``, or with 0 until it is closed."""
    secure = is_secure(request, settings)
    response.set_cookie(
        _cookie_name(secure), secret, max_age=keep_s or None, httponly=True, secure=secure, samesite="lax"
    )


def take_session(request: Request, response: Response, settings: ConsoleSettings) -> None:
    """Take it out again."""
    secure = is_secure(request, settings)
    response.delete_cookie(_cookie_name(secure), httponly=True, secure=secure, samesite="lax")


def local_path(address: str) -> str:
    """``address`` where it is one on this console, else ``/``: a login must not lead elsewhere."""
    if not address.startswith("/") or address.startswith("//") or set(address) & set("\\\r\n\t"):
        return "/"
    parts = urlsplit(address)
    return address if not parts.scheme and not parts.netloc else "/"


def _cookie_name(secure: bool) -> str:
    """``__Host-`` keeps neighbours under the same domain from setting it (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{_SESSION}" if secure else _SESSION


def _secret_of(request: Request, settings: ConsoleSettings) -> tuple[str, bool]:
    """What a request identifies itself with, and whether it is an API token."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip(), True
    return request.cookies.get(_cookie_name(is_secure(request, settings)), ""), False


def _login_first(request: Request) -> HTTPException:
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = "" if here == "/" or request.method not in _SAFE else f"?next={quote(here, safe='')}"
    return _away(request, f"/login{back}")


def _away(request: Request, where: str) -> HTTPException:
    """A person is led to another page; a program or a script is told that it is not logged in."""
    if request.headers.get("hx-request"):
        return Refused(401, "login", {"hx-redirect": where})
    mode = request.headers.get("sec-fetch-mode")
    person = mode == "navigate" if mode else "text/html" in request.headers.get("accept", "")
    if person and not request.url.path.startswith(("/api/", "/fhir/")):
        return HTTPException(303, headers={"location": where})
    return Refused(401, "login", {"www-authenticate": 'Bearer realm="carecircle"'})


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
