"""Users: who they are, added and changed. Nothing here asks who may do so."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, exists, func, insert, select, update

from console.access import audit
from console.access.errors import BadUserError, UnknownUserError
from console.access.models import invitation, session, token
from console.access.models import user as table
from console.access.passwords import check_password, hash_password
from console.access.rules import EVERYWHERE, Role
from console.access.secret import digest
from registry.models import area as known_area
from registry.models import responder as known_responder

_NAME = re.compile(r"[a-z0-9][a-z0-9_.@+-]{0,63}")
_MAX_FULL_NAME = 200
_INVITED_S = 3 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in. See :class:`console.access.viewer.Viewer` for what the attributes mean.

    ``disabled`` ones cannot; ``password`` is whether there is one; ``issuer`` is that of OpenID Connect or "".
    """

    id: int
    name: str
    full_name: str
    roles: frozenset[Role]
    areas: tuple[str, ...]
    responder: str
    issuer: str
    password: bool
    second_factor: bool
    disabled: bool
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a provider of logins (OpenID Connect) vouches for, in our words. ``strong``: with a second factor there."""

    issuer: str
    subject: str
    name: str
    full_name: str
    roles: frozenset[Role]
    areas: tuple[str, ...]
    responder: str = ""
    strong: bool = False


def login_name(text: str) -> str:
    """A login name as it is kept: without spaces around it, in lower case. Raises BadUserError for one that is none."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise BadUserError("name", text[:64], "no login name: letters, digits and _ . @ + -, at most 64")
    return name


def add_user(
    connection: Connection,
    name: str,
    *,
    roles: Iterable[Role],
    areas: Iterable[str],
    now_ms: int,
    by: str,
    full_name: str = "",
    responder: str = "",
    password: str = "",
    issuer: str | None = None,
    subject: str | None = None,
) -> User:
    """Add somebody; without a password they get an :func:`invite`. ``by`` is who adds them, for the audit.

    Raises:
        BadUserError: the name is taken or none, no role, an unknown area or responder.
        BadPasswordError: the password will not do.
    """
    name = login_name(name)
    values = _checked(connection, {"roles": roles, "areas": areas, "responder": responder, "full_name": full_name})
    if connection.execute(select(exists().where(table.c.name == name))).scalar():
        raise BadUserError("taken", name, "somebody has that login name: take another")
    if password:
        check_password(password, name, full_name)
    row = {
        **values, "name": name, "password": hash_password(password) if password else "", "issuer": issuer,
        "subject": subject, "totp_secret": "", "totp_ready": False, "totp_step": 0, "disabled": False,
        "created_ms": now_ms,
    }  # fmt: skip
    (number,) = connection.execute(insert(table).values(row)).inserted_primary_key or (0,)
    audit.record(
        connection, audit.Event.USER_ADDED, who=by, now_ms=now_ms, kind="user", subject=name,
        data={key: values[key] for key in ("roles", "areas", "responder")},
    )  # fmt: skip
    return get_user(connection, number)


def change_user(connection: Connection, number: int, *, now_ms: int, by: str, **changes: Any) -> User:
    """Change ``roles``, ``areas``, ``responder``, ``full_name`` or ``disabled`` of a user.

    Who is disabled is logged out everywhere, and their API tokens are at an end. Who becomes an administrator logs in
    anew: that takes a second factor.

    Raises:
        UnknownUserError, BadUserError: as in :func:`add_user`.
    """
    before = get_user(connection, number)
    values = _checked(connection, changes)
    if Role.ADMINISTRATOR in before.roles and (
        values.get("disabled") or Role.ADMINISTRATOR.value not in values.get("roles", [Role.ADMINISTRATOR.value])
    ):
        others = [one for one in list_users(connection) if one.id != number and not one.disabled]
        if not any(Role.ADMINISTRATOR in one.roles for one in others):
            raise BadUserError("last", before.name, "the last administrator: make another one first")
    connection.execute(update(table).where(table.c.id == number).values(values))
    if Role.ADMINISTRATOR.value in values.get("roles", ()) and Role.ADMINISTRATOR not in before.roles:
        connection.execute(delete(session).where(session.c.user == number))
    if values.get("disabled"):
        connection.execute(delete(session).where(session.c.user == number))
        connection.execute(delete(token).where(token.c.user == number))
        connection.execute(delete(invitation).where(invitation.c.user == number))
    audit.record(
        connection, audit.Event.USER_CHANGED, who=by, now_ms=now_ms, kind="user", subject=before.name, data=values
    )
    return get_user(connection, number)


def known_identity(connection: Connection, identity: Identity) -> Identity:
    """The identity without areas and a responder that the registry does not have."""
    known = select(known_area.c.path).where(known_area.c.path.in_(identity.areas))
    paths = {EVERYWHERE, *connection.execute(known).scalars()}
    exists_there = select(exists().where(known_responder.c.id == identity.responder))
    responder = identity.responder if connection.execute(exists_there).scalar() else ""
    return replace(identity, areas=tuple(path for path in identity.areas if path in paths), responder=responder)


def take_identity(connection: Connection, identity: Identity, now_ms: int) -> User:
    """The user of a :func:`known_identity`, as the provider describes them now; a new one where there is none.

    Nobody is found by a name: whoever may choose names at the provider must not become somebody else here.
    """
    wanted: dict[str, Any] = {
        "full_name": identity.full_name.strip()[:_MAX_FULL_NAME],
        "roles": sorted(role.value for role in identity.roles),
        "areas": sorted(identity.areas),
        "responder": identity.responder,
    }
    where = (table.c.issuer == identity.issuer, table.c.subject == identity.subject)
    row = connection.execute(select(table).where(*where)).mappings().first()
    if row is None:
        return add_user(
            connection, _free_name(connection, identity.name), **wanted, now_ms=now_ms, by="provider",
            issuer=identity.issuer, subject=identity.subject,
        )  # fmt: skip
    changed = {key: value for key, value in wanted.items() if row[key] != value}
    return change_user(connection, row["id"], now_ms=now_ms, by="provider", **changed) if changed else _to_user(row)


def _free_name(connection: Connection, wished: str) -> str:
    plain = re.sub(r"[^a-z0-9_.@+-]", "", wished.strip().lower()).lstrip("_.@+-")[:50] or "user"
    like = table.c.name.startswith(plain, autoescape=True)
    names = set(connection.execute(select(table.c.name).where(like)).scalars())
    return next(name for name in (plain, *(f"{plain}-{n}" for n in range(2, len(names) + 3))) if name not in names)


def set_password(connection: Connection, number: int, password: str, *, now_ms: int, by: str) -> None:
    """A new password, which ends all sessions and invitations of the user.

    Raises:
        UnknownUserError, BadPasswordError.
    """
    one = get_user(connection, number)
    check_password(password, one.name, one.full_name)
    connection.execute(update(table).where(table.c.id == number).values(password=hash_password(password)))
    connection.execute(delete(session).where(session.c.user == number))
    connection.execute(delete(invitation).where(invitation.c.user == number))
    audit.record(connection, audit.Event.PASSWORD, who=by, now_ms=now_ms, kind="user", subject=one.name)


def invite(connection: Connection, number: int | None, now_ms: int) -> str:
    """The secret of a link with which a user gives themselves a password within three days, or (without a user) the
    first administrator is made. An earlier one of the same user is void."""
    secret = secrets.token_urlsafe(32)
    if number is not None:
        connection.execute(delete(invitation).where(invitation.c.user == number))
    connection.execute(delete(invitation).where(invitation.c.expires_ms <= now_ms))
    expires_ms = now_ms + _INVITED_S * 1000
    connection.execute(insert(invitation).values(hash=digest(secret), user=number, expires_ms=expires_ms))
    return secret


def invited(connection: Connection, secret: str, now_ms: int) -> tuple[bool, User | None]:
    """Whether a link holds, and for whom; for nobody yet where it makes the first administrator."""
    row = connection.execute(
        select(invitation.c.user).where(invitation.c.hash == digest(secret), invitation.c.expires_ms > now_ms)
    ).first()
    if row is None or (row[0] is None and any_user(connection)):
        return False, None
    return True, None if row[0] is None else get_user(connection, row[0])


def use_invitation(connection: Connection, secret: str) -> bool:
    """Take an invitation back because it was used; False when it was already."""
    return connection.execute(delete(invitation).where(invitation.c.hash == digest(secret))).rowcount == 1


def any_user(connection: Connection) -> bool:
    """Whether there is a user at all."""
    return bool(connection.execute(select(func.count()).select_from(table)).scalar())


def list_users(connection: Connection) -> list[User]:
    """Everybody, by name."""
    return [_to_user(row) for row in connection.execute(select(table).order_by(table.c.name)).mappings()]


def find_user(connection: Connection, name: str) -> User:
    """The user of a login name. Raises UnknownUserError."""
    row = connection.execute(select(table).where(table.c.name == name.strip().lower())).mappings().first()
    if row is None:
        raise UnknownUserError(name)
    return _to_user(row)


def get_user(connection: Connection, number: int) -> User:
    """The user of a number. Raises UnknownUserError."""
    row = connection.execute(select(table).where(table.c.id == number)).mappings().first()
    if row is None:
        raise UnknownUserError(str(number))
    return _to_user(row)


def roles_of(words: Iterable[str]) -> frozenset[Role]:
    """The roles of a row; one that a newer version has given is passed over."""
    return frozenset(Role(word) for word in words if word in set(Role))


def _to_user(row: RowMapping) -> User:
    return User(
        id=row["id"],
        name=row["name"],
        full_name=row["full_name"] or row["name"],
        roles=roles_of(row["roles"]),
        areas=tuple(row["areas"]),
        responder=row["responder"],
        issuer=row["issuer"] or "",
        password=bool(row["password"]),
        second_factor=row["totp_ready"],
        disabled=row["disabled"],
        created_ms=row["created_ms"],
    )


def _checked(connection: Connection, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Column values of what is to be changed."""
    values = dict(changes)
    if "roles" in values:
        values["roles"] = sorted(Role(role).value for role in values["roles"])
        if not values["roles"]:
            raise BadUserError("roles", "", f"no role: give one of {', '.join(Role)}")
    if "areas" in values:
        values["areas"] = sorted(set(values["areas"]))
        if not values["areas"]:
            raise BadUserError("areas", "", f"no area: give a dotted path, or {EVERYWHERE} for everything")
        known = select(known_area.c.path).where(known_area.c.path.in_(values["areas"]))
        found = set(connection.execute(known).scalars())
        for path in values["areas"]:
            if path != EVERYWHERE and path not in found:
                raise BadUserError("area", path, "the registry has no such area")
    name = values.get("responder")
    if name and not connection.execute(select(exists().where(known_responder.c.id == name))).scalar():
        raise BadUserError("responder", name, "the registry has no such responder")
    if "full_name" in values:
        values["full_name"] = values["full_name"].strip()[:_MAX_FULL_NAME]
    return values
