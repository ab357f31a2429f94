"""The routes of users: who may log in, with which roles, where. For administrators of everything."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from console.access import audit, second, sessions, users
from console.access.errors import BadUserError, UnknownUserError
from console.access.gate import CurrentViewer
from console.access.rules import EVERYWHERE, Permission, Role, allow, whole
from console.access.users import User
from console.access.viewer import Viewer
from console.administration.desk import SUGGESTED, Desk
from console.administration.fields import split_words
from registry.database import writing

#: What a fault of a user belongs to.
_FIELD_OF = {"name": "login", "taken": "login", "roles": "roles", "last": "roles", "areas": "areas", "area": "areas",
             "responder": "responder"}  # fmt: skip
_SAID = frozenset({"saved", "disabled", "enabled", "out", "second", "token"})
_RULE = whole(Permission.USERS_WRITE)

Text = Annotated[str, Form(max_length=2000)]


def user_routes(desk: Desk) -> APIRouter:
    """``/administration/users``."""
    router = APIRouter(prefix="/administration/users")

    @router.get("")
    @allow(_RULE)
    def everybody(request: Request, viewer: CurrentViewer, q: Annotated[str, Query(max_length=200)] = "") -> Response:
        return _list(request, viewer, q, {}, {}, 200)

    @router.post("")
    @allow(_RULE)
    def invite(
        request: Request,
        viewer: CurrentViewer,
        login: Text = "",
        full_name: Text = "",
        areas: Text = "",
        responder: Text = "",
        roles: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        values = {"login": login, "full_name": full_name, "areas": areas, "responder": responder}
        chosen = users.roles_of(roles or [])
        now_ms = desk.now_ms()
        try:
            with writing(desk.engine) as connection:
                one = users.add_user(
                    connection, login, roles=chosen, areas=split_words(areas), now_ms=now_ms, by=viewer.name,
                    full_name=full_name, responder=responder.strip(),
                )  # fmt: skip
                secret = users.invite(connection, one.id, now_ms)
        except BadUserError as error:
            fault = {_FIELD_OF.get(error.fault, "login"): _said(request, error)}
            return _list(request, viewer, "", {**values, "roles": chosen}, fault, 422)
        return _user(request, viewer, one, link=_link(request, secret))

    @router.get("/{user_id}")
    @allow(_RULE)
    def look(
        request: Request, viewer: CurrentViewer, user_id: int, said: Annotated[str, Query(max_length=16)] = ""
    ) -> Response:
        return _user(request, viewer, _known(user_id), said=said if said in _SAID else "")

    @router.post("/{user_id}")
    @allow(_RULE)
    def change(
        request: Request,
        viewer: CurrentViewer,
        user_id: int,
        full_name: Text = "",
        areas: Text = "",
        responder: Text = "",
        roles: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        one, chosen = _known(user_id), users.roles_of(roles or [])
        try:
            with writing(desk.engine) as connection:
                users.change_user(
                    connection, user_id, now_ms=desk.now_ms(), by=viewer.name, roles=chosen,
                    areas=split_words(areas), responder=responder.strip(), full_name=full_name,
                )  # fmt: skip
        except BadUserError as error:
            fault = {_FIELD_OF.get(error.fault, "roles"): _said(request, error)}
            values = {"full_name": full_name, "areas": areas, "responder": responder, "roles": chosen}
            return _user(request, viewer, one, values=values, errors=fault, status=422)
        return _back(user_id, "saved")

    @router.post("/{user_id}/{what}")
    @allow(_RULE)
    def act(
        request: Request, viewer: CurrentViewer, user_id: int, what: str, token: Annotated[int, Form()] = 0
    ) -> Response:
        one, now_ms = _known(user_id), desk.now_ms()
        link = ""
        try:
            with writing(desk.engine) as connection:
                match what:
                    case "disable" | "enable":
                        users.change_user(
                            connection, user_id, now_ms=now_ms, by=viewer.name, disabled=what == "disable"
                        )
                    case "out":
                        sessions.end_all(connection, user_id)
                        _record(connection, viewer, one, audit.Event.SESSION_ENDED, now_ms)
                    case "second":
                        second.take_off(connection, user_id)
                        sessions.end_all(connection, user_id)
                        _record(connection, viewer, one, audit.Event.SECOND_FACTOR, now_ms)
                    case "invite" if not one.disabled and not one.issuer:
                        link = _link(request, users.invite(connection, user_id, now_ms))
                        _record(connection, viewer, one, audit.Event.USER_CHANGED, now_ms)
                    case "token":
                        sessions.end_token(connection, one, token, now_ms)
                        _record(connection, viewer, one, audit.Event.TOKEN_ENDED, now_ms, token=token)
                    case _:
                        raise HTTPException(404)
        except BadUserError as error:
            return _user(request, viewer, one, errors={"roles": _said(request, error)}, status=422)
        if link:
            return _user(request, viewer, one, link=link)
        return _back(user_id, {"disable": "disabled", "enable": "enabled"}.get(what, what))

    def _known(user_id: int) -> User:
        try:
            with desk.engine.connect() as connection:
                return users.get_user(connection, user_id)
        except UnknownUserError as error:
            raise HTTPException(404) from error

    def _record(connection: Any, viewer: Viewer, one: User, event: audit.Event, now_ms: int, **data: Any) -> None:
        audit.record(
            connection, event, who=viewer.name, user=viewer.user, now_ms=now_ms, kind="user", subject=one.name,
            data={"by": viewer.name, **data},
        )  # fmt: skip

    def _said(request: Request, error: BadUserError) -> str:
        return desk.renderer.texts(request)(f"userfault.{error.fault}", value=error.value)

    def _link(request: Request, secret: str) -> str:
        own = f"{request.url.scheme}://{request.url.netloc}"
        return f"{desk.settings.public_url.rstrip('/') or own}/welcome/{secret}"

    def _choices() -> dict[str, Any]:
        directory = desk.known.now().directory
        return {
            "all_roles": [*Role],
            "areas": [(EVERYWHERE, ""), *((path, one.name) for path, one in directory.areas.items())][:SUGGESTED],
            "responders": list(directory.responders.values())[:SUGGESTED],
        }  # fmt: skip

    def _list(
        request: Request, viewer: Viewer, q: str, values: dict[str, Any], errors: dict[str, str], status: int
    ) -> Response:
        with desk.engine.connect() as connection:
            every = users.list_users(connection)
        words = q.casefold().split()
        found = [one for one in every if all(word in _text(one) for word in words)]
        return desk.page(
            request, viewer, "users", "users.html", status=status, found=found, q=q, values=values, errors=errors,
            total=len(every), **_choices(),
        )  # fmt: skip

    def _user(
        request: Request, viewer: Viewer, one: User, *, values: dict[str, Any] | None = None,
        errors: dict[str, str] | None = None, said: str = "", link: str = "", status: int = 200,
    ) -> Response:  # fmt: skip
        now_ms = desk.now_ms()
        with desk.engine.connect() as connection:
            tokens = sessions.list_tokens(connection, one.id, now_ms)
            running = sessions.list_sessions(connection, one.id, now_ms)
        shown = values or {
            "full_name": one.full_name, "areas": ", ".join(one.areas), "responder": one.responder, "roles": one.roles
        }  # fmt: skip
        return desk.page(
            request, viewer, "users", "user.html", status=status, now_ms=now_ms, one=one, values=shown,
            errors=errors or {}, said=said, link=link, tokens=tokens, running=running, **_choices(),
        )  # fmt: skip

    return router


def _back(user_id: int, what: str) -> Response:
    return RedirectResponse(f"/administration/users/{user_id}?said={what}", status_code=303)


def _text(one: User) -> str:
    """What is looked in."""
    return f"{one.name} {one.full_name} {one.responder} {' '.join(one.areas)}".casefold()
