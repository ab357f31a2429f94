"""The page of one's own account: password, second factor, sessions, API tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine, select

from console.access import attempts, audit, second, sessions, users
from console.access.errors import BadPasswordError
from console.access.gate import CurrentViewer, client_address, give_session
from console.access.login import Door
from console.access.models import user as table
from console.access.pages import browser_of, lifetimes_of
from console.access.passwords import MIN_LENGTH, is_password
from console.access.rules import OWN, Scope, allow
from console.access.viewer import Viewer
from console.render import Renderer
from console.settings import ConsoleSettings
from registry import models as registry_models
from registry.database import writing

_DAYS = (30, 90, 365)
#: The first that is found: most call themselves others too.
_BROWSERS = (
    ("MicroMessenger/", "WeChat"), ("DingTalk/", "DingTalk"), ("Edg", "Edge"), ("OPR/", "Opera"),
    ("HuaweiBrowser/", "Huawei"), ("MiuiBrowser/", "Xiaomi"), ("SamsungBrowser/", "Samsung"), ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("HarmonyOS", "HarmonyOS"), ("OpenHarmony", "HarmonyOS"),
    ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
_SAID = frozenset({"password", "session", "sessions", "token"})


def account_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer) -> APIRouter:
    """What somebody may see and change of themselves."""
    router = APIRouter(prefix="/account")
    door = Door(engine, lifetimes_of(settings))

    @router.get("")
    @allow(OWN)
    def account(request: Request, viewer: CurrentViewer, said: str = "") -> Response:
        return _page(request, viewer, said=said if said in _SAID else "")

    def _page(
        request: Request, viewer: Viewer, *, status: int = 200, faults: dict[str, str] | None = None, said: str = ""
    ) -> Response:
        if not viewer.session:  # nobody has to log in
            raise HTTPException(404)
        now_ms = renderer.now_ms()
        area = registry_models.area
        with engine.connect() as connection:
            running = sessions.list_sessions(connection, viewer.user, now_ms)
            tokens = sessions.list_tokens(connection, viewer.user, now_ms)
            left = second.recovery_left(connection, viewer.user)
            named = connection.execute(select(area.c.path, area.c.name).where(area.c.path.in_(viewer.areas))).all()
        names = {one.path: one.name for one in named}
        return renderer.page(
            request, "access/account.html", status=status, now_ms=now_ms, viewer=viewer, sessions=running,
            tokens=tokens, recovery_left=left, scopes=sessions.scopes_for(viewer), faults=faults or {},
            days_choices=[(str(n), renderer.texts(request)("token.day", n=n)) for n in _DAYS],
            said=said, min_length=MIN_LENGTH, area_names=[names.get(path, path) for path in viewer.areas],
            required=second.is_required(viewer.roles), device=device_of,
        )  # fmt: skip

    @router.post("/password")
    @allow(OWN)
    def password(
        request: Request,
        viewer: CurrentViewer,
        old: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        again: Annotated[str, Form()] = "",
    ) -> Response:
        if password != again:
            return _page(request, viewer, status=400, faults={"again": "password.differ"})
        if fault := _wrong_password(request, viewer, old):
            return _page(request, viewer, status=400, faults={"old": fault})
        browser, now_ms = browser_of(request, settings, remember=viewer.remember), renderer.now_ms()
        try:
            with writing(engine) as connection:
                users.set_password(connection, viewer.user, password, now_ms=now_ms, by=viewer.name)
                one = users.get_user(connection, viewer.user)
                begun = door.begin(connection, one, browser, now_ms, how="password", second_done=True)
        except BadPasswordError as error:
            return _page(request, viewer, status=400, faults={"password": f"password.{error.fault}"})
        response = _back("password", "password-title")
        give_session(request, response, settings, begun.secret, keep_s=begun.keep_s)
        return response

    def _wrong_password(request: Request, viewer: Viewer, given: str) -> str:
        """ "" where it is right, else the id of what is wrong; tries are counted like those of a login."""
        now_ms, address = renderer.now_ms(), client_address(request, settings)
        with writing(engine) as connection:
            attempt = attempts.begin(connection, viewer.name, address, now_ms)
            kept = connection.execute(select(table.c.password).where(table.c.id == viewer.user)).scalar() or ""
        if not attempt.id:
            return "login.wait"
        right = is_password(kept, given)
        with writing(engine) as connection:
            if right:
                attempts.forgive(connection, attempt)
                return ""
            audit.record(
                connection, audit.Event.LOCKED if attempt.locks else audit.Event.LOGIN_FAILED, who=viewer.name,
                user=viewer.user, now_ms=now_ms, kind="user", subject=viewer.name, address=address,
                data={"how": "account"},
            )  # fmt: skip
        return "password.wrong"

    @router.post("/sessions")
    @allow(OWN)
    def end_others(viewer: CurrentViewer) -> Response:
        """Log out everywhere but here."""
        with writing(engine) as connection:
            count = sessions.end_all(connection, viewer.user, but=viewer.session)
            audit.record(
                connection, audit.Event.SESSION_ENDED, who=viewer.name, user=viewer.user, now_ms=renderer.now_ms(),
                data={"count": count},
            )  # fmt: skip
        return _back("sessions", "sessions")

    @router.post("/sessions/{session_id}/end")
    @allow(OWN)
    def end_one(viewer: CurrentViewer, session_id: str) -> Response:
        with writing(engine) as connection:
            if not sessions.end(connection, viewer.user, session_id):
                raise HTTPException(404)
            audit.record(
                connection, audit.Event.SESSION_ENDED, who=viewer.name, user=viewer.user, now_ms=renderer.now_ms(),
                data={"count": 1},
            )  # fmt: skip
        return _back("session", "sessions")

    @router.post("/tokens")
    @allow(OWN)
    def make_token(
        request: Request,
        viewer: CurrentViewer,
        name: Annotated[str, Form(alias="token_name")] = "",
        scope: Annotated[list[str] | None, Form()] = None,
        days: Annotated[int, Form()] = 90,
    ) -> Response:
        possible = {one.value for one in sessions.scopes_for(viewer)}
        scopes = [Scope(word) for word in scope or [] if word in possible]
        faults = {} if name.strip() else {"token_name": "token.no_name"}
        if not scopes:
            faults["scope"] = "token.no_scope"
        if faults:
            return _page(request, viewer, status=400, faults=faults)
        with writing(engine) as connection:
            secret = sessions.make_token(connection, viewer, name, scopes, days=days, now_ms=renderer.now_ms())
        return renderer.page(request, "access/token.html", secret=secret, name=name.strip()[:100])

    @router.post("/tokens/{token_id}/end")
    @allow(OWN)
    def end_token(viewer: CurrentViewer, token_id: int) -> Response:
        with writing(engine) as connection:
            if not sessions.end_token(connection, viewer, token_id, renderer.now_ms()):
                raise HTTPException(404)
        return _back("token", "tokens")

    @router.post("/second/off")
    @allow(OWN)
    def second_off(
        request: Request, viewer: CurrentViewer, old: Annotated[str, Form(alias="second_password")] = ""
    ) -> Response:
        """Take the second factor off, to set up another phone; an administrator must do so at once."""
        if not viewer.external and (fault := _wrong_password(request, viewer, old)):
            return _page(request, viewer, status=400, faults={"second_password": fault})
        with writing(engine) as connection:
            second.take_off(connection, viewer.user)
            audit.record(
                connection, audit.Event.SECOND_FACTOR, who=viewer.name, user=viewer.user, now_ms=renderer.now_ms(),
                data={"on": False},
            )  # fmt: skip
        return RedirectResponse("/login/second?next=/account", 303)

    @router.post("/second/recovery")
    @allow(OWN)
    def new_recovery(
        request: Request, viewer: CurrentViewer, old: Annotated[str, Form(alias="second_password")] = ""
    ) -> Response:
        if not viewer.second_factor:
            raise HTTPException(404)
        if not viewer.external and (fault := _wrong_password(request, viewer, old)):
            return _page(request, viewer, status=400, faults={"second_password": fault})
        with writing(engine) as connection:
            codes = second.renew_recovery(connection, viewer.user)
        return renderer.page(request, "access/recovery.html", codes=codes, next="/account")

    return router


def device_of(agent: str) -> str:
    """What a browser and its machine are called, of what it calls itself; "" for none that is known. Pure."""
    known = (next((name for mark, name in marks if mark in agent), "") for marks in (_BROWSERS, _SYSTEMS))
    return " · ".join(filter(None, known))


def _back(said: str, place: str) -> Response:
    return RedirectResponse(f"/account?said={said}#{place}", 303)
