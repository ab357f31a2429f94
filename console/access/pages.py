"""The pages on which somebody logs in: password, second factor, invitation, and logging out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup
from sqlalchemy import Engine

from console.access import audit, second, sessions, users
from console.access.errors import BadPasswordError, BadUserError, ProviderError
from console.access.gate import (
    STAGES,
    CurrentViewer,
    client_address,
    give_session,
    is_secure,
    local_path,
    take_session,
)
from console.access.login import Browser, Door, Fault, LoggedIn, NotLoggedIn
from console.access.oidc import TRIP_S, Provider
from console.access.passwords import MIN_LENGTH
from console.access.rules import HALF, OPEN, OWN, allow
from console.access.secret import draw, form_token, same
from console.access.sessions import Lifetimes
from console.render import Renderer
from console.settings import ConsoleSettings
from registry.database import writing

_log = logging.getLogger(__name__)
#: Ties the form of somebody who is not logged in to the browser that it was given to.
_GUEST = "guest"
_GUEST_S = 3600
#: What is remembered of somebody who is at the provider.
_TRIP = "trip"
_RETURN = "/login/provider/return"
_STATUS = {Fault.WRONG: 401, Fault.WAIT: 429, Fault.VOID: 404, Fault.AGAIN: 400}


def lifetimes_of(settings: ConsoleSettings) -> Lifetimes:
    """How long sessions last, by the settings."""
    return Lifetimes(
        absolute_ms=round(settings.session_h * 3_600_000),
        idle_ms=round(settings.idle_h * 3_600_000),
        remembered_ms=round(settings.remember_d * 86_400_000),
    )


def browser_of(request: Request, settings: ConsoleSettings, *, remember: bool = False) -> Browser:
    """Where a request comes from."""
    return Browser(client_address(request, settings), request.headers.get("user-agent", ""), remember)


def announcer(engine: Engine, settings: ConsoleSettings, now_ms: Callable[[], int]) -> Callable[[str], None]:
    """A function that writes the link of the first administrator into the log, where there is no user yet; it takes
    the address that the console is served at."""

    def announce(url: str) -> None:
        if not settings.login:
            return
        with writing(engine) as connection:
            secret = "" if users.any_user(connection) else users.invite(connection, None, now_ms())
        if secret:
            _log.warning(
                "nobody can log in to the console yet; make the first administrator within three days: %s/welcome/%s",
                settings.public_url.rstrip("/") or url, secret,
            )  # fmt: skip

    return announce


def login_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer, provider: Provider | None) -> APIRouter:
    """Logging in and out."""
    router = APIRouter()
    door = Door(engine, lifetimes_of(settings))

    @router.get("/login")
    @allow(OPEN)
    def login(request: Request, next: str = "/", said: str = "") -> Response:
        return _login_page(request, next, said=said if said in ("out", "provider", "no_role") else "")

    @router.post("/login")
    @allow(OPEN)
    def enter(
        request: Request,
        name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        remember: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "/",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        if not _is_guests(request, csrf):
            return _login_page(request, next, name=name, result=NotLoggedIn(Fault.AGAIN))
        browser = browser_of(request, settings, remember=bool(remember))
        result = door.with_password(name, password, browser, renderer.now_ms())
        if isinstance(result, NotLoggedIn):
            return _login_page(request, next, name=name, result=result)
        return _entered(request, result, next)

    def _login_page(
        request: Request, back: str, *, name: str = "", result: NotLoggedIn | None = None, said: str = ""
    ) -> Response:
        return _guest_page(
            request, "access/login.html", status=_STATUS[result.fault] if result else 200, fault=_fault(result),
            said=said, name=name, next=local_path(back), provider=provider.label if provider else None,
        )  # fmt: skip

    @router.get("/login/code")
    @allow(HALF)
    def ask_code(request: Request, viewer: CurrentViewer, next: str = "/") -> Response:
        return _code_page(request, viewer.stage == "code", next)

    @router.post("/login/code")
    @allow(HALF)
    def give_code(
        request: Request,
        viewer: CurrentViewer,
        code: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "/",
    ) -> Response:
        if viewer.stage != "code":
            return RedirectResponse("/", 303)
        result = door.with_code(viewer, code[:64], browser_of(request, settings), renderer.now_ms())
        if isinstance(result, NotLoggedIn):
            return _code_page(request, True, next, result)
        return _entered(request, result, next)

    def _code_page(request: Request, asked: bool, back: str, result: NotLoggedIn | None = None) -> Response:
        if not asked:
            return RedirectResponse("/", 303)
        status = _STATUS[result.fault] if result else 200
        return renderer.page(
            request, "access/code.html", status=status, fault=_fault(result, "code.wrong"), next=local_path(back)
        )

    @router.get("/login/second")
    @allow(HALF)
    def show_second(request: Request, viewer: CurrentViewer, next: str = "/") -> Response:
        return _second_page(request, viewer.user, next)

    @router.post("/login/second")
    @allow(HALF)
    def enrol(
        request: Request,
        viewer: CurrentViewer,
        code: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "/",
    ) -> Response:
        result, codes = door.enrol(viewer, code[:64], browser_of(request, settings), renderer.now_ms())
        if isinstance(result, NotLoggedIn):
            return _second_page(request, viewer.user, next, result)
        request.state.csrf = form_token(result.secret)
        response = renderer.page(request, "access/recovery.html", codes=codes, next=local_path(next))
        give_session(request, response, settings, result.secret, keep_s=result.keep_s)
        return response

    def _second_page(request: Request, user: int, back: str, result: NotLoggedIn | None = None) -> Response:
        with writing(engine) as connection:
            one = users.get_user(connection, user)
            if one.second_factor:
                return RedirectResponse("/account", 303)
            secret = second.prepare(connection, one)
        address = second.address_of(secret, one.name)
        title = renderer.texts(request)("second.qr")
        fours = [secret[at : at + 4] for at in range(0, len(secret), 4)]
        return renderer.page(
            request, "access/second.html", status=_STATUS[result.fault] if result else 200,
            fault=_fault(result, "code.wrong"), qr=Markup(second.qr_svg(address, title)), secret=" ".join(fours),
            next=local_path(back),
            required=second.is_required(one.roles),
        )  # fmt: skip

    @router.get("/welcome/{secret}")
    @allow(OPEN)
    def welcome(request: Request, secret: str) -> Response:
        return _welcome_page(request, secret)

    @router.post("/welcome/{secret}")
    @allow(OPEN)
    def settle(
        request: Request,
        secret: str,
        name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        again: Annotated[str, Form()] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        if not _is_guests(request, csrf):
            return _welcome_page(request, secret, name=name, faults={"password": "login.again"})
        if password != again:
            return _welcome_page(request, secret, name=name, faults={"again": "password.differ"})
        try:
            result = door.with_invitation(secret, name, password, browser_of(request, settings), renderer.now_ms())
        except BadPasswordError as error:
            return _welcome_page(request, secret, name=name, faults={"password": f"password.{error.fault}"})
        except BadUserError as error:
            return _welcome_page(request, secret, name=name, faults={"name": f"user.{error.fault}"})
        if isinstance(result, NotLoggedIn):
            return _welcome_page(request, secret)
        return _entered(request, result, "/")

    def _welcome_page(
        request: Request, secret: str, *, name: str = "", faults: dict[str, str] | None = None
    ) -> Response:
        with engine.connect() as connection:
            holds, one = users.invited(connection, secret, renderer.now_ms())
        if not holds or (one is not None and one.disabled):
            texts = renderer.texts(request)
            return renderer.page(
                request, "error.html", status=404, heading=texts("welcome.void"), text=texts("welcome.void_next")
            )
        return _guest_page(
            request, "access/welcome.html", status=400 if faults else 200, user=one, name=name, faults=faults or {},
            min_length=MIN_LENGTH,
        )  # fmt: skip

    @router.get("/session")
    @allow(OWN)
    def is_there() -> Response:
        """For scripts that lost their stream: 401 where the session is over."""
        return Response(status_code=204)

    @router.post("/logout")
    @allow(HALF)
    def leave(request: Request, viewer: CurrentViewer, everywhere: Annotated[str, Form()] = "") -> Response:
        with writing(engine) as connection:
            if everywhere:
                sessions.end_all(connection, viewer.user)
            else:
                sessions.end(connection, viewer.user, viewer.session)
            audit.record(
                connection, audit.Event.LOGOUT, who=viewer.name, user=viewer.user, now_ms=renderer.now_ms(),
                address=client_address(request, settings), data={"everywhere": bool(everywhere)},
            )  # fmt: skip
        response = RedirectResponse("/login?said=out", 303)
        take_session(request, response, settings)
        response.headers["clear-site-data"] = '"cache"'
        return response

    @router.get("/login/provider")
    @allow(OPEN)
    def leave_for_provider(request: Request, next: str = "/") -> Response:
        if provider is None:
            raise HTTPException(404)
        try:
            address, kept = provider.begin(_return_address(request), local_path(next))
        except ProviderError as error:
            _log.error("%s", error)
            return RedirectResponse("/login?said=provider", 303)
        response = RedirectResponse(address, 303)
        secure = is_secure(request, settings)
        response.set_cookie(_TRIP, kept, max_age=TRIP_S, httponly=True, secure=secure, samesite="lax")
        return response

    @router.get(_RETURN)
    @allow(OPEN)
    def return_from_provider(request: Request) -> Response:
        if provider is None:
            raise HTTPException(404)
        try:
            identity, back = provider.finish(
                _return_address(request), request.url.query, request.cookies.get(_TRIP, ""), renderer.now_ms()
            )
        except ProviderError as error:
            _log.warning("%s", error)
            return RedirectResponse("/login?said=provider", 303)
        try:
            result = door.with_identity(identity, browser_of(request, settings), renderer.now_ms())
        except BadUserError as error:  # the last administrator is one no more over there
            _log.error("the provider's word on %r is not taken: %s", identity.name, error)
            return RedirectResponse("/login?said=no_role", 303)
        if isinstance(result, NotLoggedIn):
            return RedirectResponse("/login?said=no_role", 303)
        response = _entered(request, result, back)
        response.delete_cookie(_TRIP)
        return response

    def _return_address(request: Request) -> str:
        own = f"{request.url.scheme}://{request.url.netloc}"
        public = request.url.hostname == settings.public_host or is_secure(request, settings)
        return (settings.public_url.rstrip("/") if public and settings.public_url else own) + _RETURN

    def _entered(request: Request, result: LoggedIn, back: str) -> Response:
        where = STAGES.get(result.stage, "")
        back = local_path(back)
        address = f"{where}?next={quote(back, safe='')}" if where else back
        response = RedirectResponse(address, 303)
        give_session(request, response, settings, result.secret, keep_s=result.keep_s)
        response.delete_cookie(_GUEST)
        return response

    def _guest_page(request: Request, template: str, **values: Any) -> Response:
        """A page with a form for somebody who is not logged in."""
        guest = request.cookies.get(_GUEST) or draw()
        request.state.csrf = form_token(guest)
        response = renderer.page(request, template, **values)
        secure = is_secure(request, settings)
        response.set_cookie(_GUEST, guest, max_age=_GUEST_S, httponly=True, secure=secure, samesite="lax")
        return response

    def _fault(result: NotLoggedIn | None, wrong: str = "login.wrong") -> tuple[str, int] | None:
        """The id of the text, and minutes to wait."""
        if result is None:
            return None
        return wrong if result.fault is Fault.WRONG else f"login.{result.fault.value}", -(-result.wait_s // 60)

    return router


def _is_guests(request: Request, sent: str) -> bool:
    """Whether a form was given to this very browser."""
    guest = request.cookies.get(_GUEST, "")
    return bool(guest) and same(sent, form_token(guest))
