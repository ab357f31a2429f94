"""Sessions of browsers, and API tokens of programs: both lead to a :class:`Viewer`.

A session ends at a set time after the login, when it was not used for a while, by logging out, or by its user from
another one (OWASP Session Management Cheat Sheet). Only hashes are stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from console.access import audit
from console.access.models import session, token
from console.access.models import user as users
from console.access.rules import Role, Scope, permissions_of
from console.access.secret import digest, draw, form_token
from console.access.users import User, roles_of
from console.access.viewer import Viewer

#: Begins every API token, so that one is known where it lies around.
TOKEN_PREFIX = "cc_"
_HOUR_MS = 3_600_000
#: A session that was used since is not written again.
TOUCH_MS = 60_000
_MAX_AGENT = 300
MAX_TOKEN_DAYS = 730


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lasts: from the login, unused, and on the phone of a responder who wants to be remembered."""

    absolute_ms: int = 12 * _HOUR_MS
    idle_ms: int = 2 * _HOUR_MS
    remembered_ms: int = 30 * 24 * _HOUR_MS
    remembered_idle_ms: int = 7 * 24 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as its user sees it."""

    id: str
    created_ms: int
    seen_ms: int
    expires_ms: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """An API token as its user sees it."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_ms: int
    expires_ms: int
    used_ms: int | None


def may_be_remembered(one: User) -> bool:
    """Whether a phone may stay logged in: those of responders, who see least."""
    return one.roles == {Role.RESPONDER}


def start(
    connection: Connection,
    one: User,
    *,
    stage: str,
    remember: bool,
    now_ms: int,
    address: str,
    agent: str,
    lifetimes: Lifetimes,
) -> str:
    """Begin a session; returns the secret for the browser, which is new each time."""
    secret = draw()
    remember = remember and may_be_remembered(one)
    lasts_ms = lifetimes.remembered_ms if remember else lifetimes.absolute_ms
    idle_ms = lifetimes.remembered_idle_ms if remember else lifetimes.idle_ms
    connection.execute(delete(session).where(session.c.expires_ms <= now_ms))
    row = {
        "id": digest(secret), "user": one.id, "stage": stage, "remember": remember, "created_ms": now_ms,
        "seen_ms": now_ms, "idle_ms": idle_ms, "expires_ms": now_ms + lasts_ms, "address": address[:64],
        "agent": agent[:_MAX_AGENT],
    }  # fmt: skip
    connection.execute(insert(session).values(row))
    return secret


def find(connection: Connection, secret: str, now_ms: int) -> tuple[Viewer, bool] | None:
    """Whose session it is, and whether it should be touched; None when there is no such, or it is over."""
    row = connection.execute(
        select(*_USER, *_SESSION)
        .join(users, users.c.id == session.c.user)
        .where(
            session.c.id == digest(secret),
            session.c.expires_ms > now_ms,
            session.c.seen_ms + session.c.idle_ms > now_ms,
            users.c.disabled.is_(False),
        )
    ).first()
    if row is None:
        return None
    viewer = _viewer(
        row, session=row.session_id, csrf=form_token(secret), stage=row.stage, remember=row.remember,
        expires_ms=row.expires_ms,
    )  # fmt: skip
    return viewer, row.seen_ms + TOUCH_MS <= now_ms


_USER = (
    users.c.id.label("user_id"), users.c.name, users.c.full_name, users.c.roles, users.c.areas, users.c.responder,
    users.c.totp_ready, users.c.issuer,
)  # fmt: skip
_SESSION = (
    session.c.id.label("session_id"), session.c.stage, session.c.remember, session.c.expires_ms, session.c.seen_ms,
)  # fmt: skip


def _viewer(row: Any, scopes: frozenset[Scope] | None = None, **values: Any) -> Viewer:
    roles = roles_of(row.roles)
    return Viewer(
        user=row.user_id,
        name=row.name,
        full_name=row.full_name or row.name,
        roles=roles,
        areas=tuple(row.areas),
        permissions=permissions_of(roles, scopes),
        responder=row.responder,
        second_factor=row.totp_ready,
        external=row.issuer is not None,
        **values,
    )


def touch(connection: Connection, session_id: str, now_ms: int) -> None:
    """Say that a session is in use."""
    connection.execute(update(session).where(session.c.id == session_id).values(seen_ms=now_ms))


def end(connection: Connection, user: int, session_id: str) -> bool:
    """End a session of a user; whether there was one."""
    where = (session.c.id == session_id, session.c.user == user)
    return connection.execute(delete(session).where(*where)).rowcount == 1


def end_all(connection: Connection, user: int, *, but: str = "") -> int:
    """End all sessions of a user, except ``but``; how many there were."""
    return connection.execute(delete(session).where(session.c.user == user, session.c.id != but)).rowcount


def list_sessions(connection: Connection, user: int, now_ms: int) -> list[SessionView]:
    """The running sessions of a user, the newest first."""
    query = select(
        session.c.id, session.c.created_ms, session.c.seen_ms, session.c.expires_ms, session.c.address, session.c.agent
    ).where(
        session.c.user == user,
        session.c.expires_ms > now_ms,
        session.c.seen_ms + session.c.idle_ms > now_ms,
        session.c.stage == "full",
    )
    return [SessionView(*row) for row in connection.execute(query.order_by(session.c.created_ms.desc()))]


def make_token(
    connection: Connection, one: User | Viewer, name: str, scopes: Iterable[Scope], *, days: int, now_ms: int
) -> str:
    """A new API token; the text returned is shown once and kept by nobody here.

    ``days`` are cut to two years.
    """
    secret = TOKEN_PREFIX + draw()
    number = one.id if isinstance(one, User) else one.user
    words = sorted({Scope(scope).value for scope in scopes})
    name = name.strip()[:100]
    row = {
        "user": number, "name": name, "hash": digest(secret), "scopes": words, "created_ms": now_ms,
        "expires_ms": now_ms + min(max(days, 1), MAX_TOKEN_DAYS) * 24 * _HOUR_MS,
    }  # fmt: skip
    connection.execute(insert(token).values(row))
    audit.record(
        connection, audit.Event.TOKEN_MADE, who=one.name, user=number, now_ms=now_ms, kind="token",
        subject=name, data={"scopes": words, "days": days},
    )  # fmt: skip
    return secret


def find_by_token(connection: Connection, secret: str, now_ms: int) -> tuple[Viewer, bool] | None:
    """Whose API token it is, and whether its use should be written down; None when there is no such, or it is over."""
    row = connection.execute(
        select(*_USER, token.c.id, token.c.scopes, token.c.expires_ms, token.c.used_ms)
        .join(users, users.c.id == token.c.user)
        .where(token.c.hash == digest(secret), token.c.expires_ms > now_ms, users.c.disabled.is_(False))
    ).first()
    if row is None:
        return None
    scopes = frozenset(Scope(word) for word in row.scopes if word in set(Scope))
    viewer = _viewer(row, scopes, token=row.id, expires_ms=row.expires_ms)
    return viewer, (row.used_ms or 0) + TOUCH_MS <= now_ms


def touch_token(connection: Connection, token_id: int, now_ms: int) -> None:
    """Say that a token is in use."""
    connection.execute(update(token).where(token.c.id == token_id).values(used_ms=now_ms))


def end_token(connection: Connection, one: Viewer | User, token_id: int, now_ms: int) -> bool:
    """Take a token back; whether there was one of this user."""
    number = one.id if isinstance(one, User) else one.user
    found = connection.execute(delete(token).where(token.c.id == token_id, token.c.user == number)).rowcount == 1
    if found:
        audit.record(
            connection, audit.Event.TOKEN_ENDED, who=one.name, user=number, now_ms=now_ms, kind="token",
            subject=str(token_id),
        )  # fmt: skip
    return found


def list_tokens(connection: Connection, user: int, now_ms: int) -> list[TokenView]:
    """The tokens of a user that hold, the newest first."""
    columns = (token.c.id, token.c.name, token.c.scopes, token.c.created_ms, token.c.expires_ms, token.c.used_ms)
    query = select(*columns).where(token.c.user == user, token.c.expires_ms > now_ms).order_by(token.c.id.desc())
    return [
        TokenView(row.id, row.name, tuple(row.scopes), row.created_ms, row.expires_ms, row.used_ms)
        for row in connection.execute(query)
    ]


def scopes_for(viewer: Viewer) -> list[Scope]:
    """The scopes that would give this user anything."""
    return [scope for scope in Scope if permissions_of(viewer.roles, frozenset({scope}))]
