"""Who is looking, and what they may see. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, false, func, or_, true

from console.access.rules import EVERYWHERE, Permission, Role, permissions_of

#: Who acts where nobody has to log in: the console of this machine.
MACHINE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Somebody who is logged in, a program with a token, or this machine where no login is asked for.

    Attributes:
        user: the number of the user; 0 for this machine.
        name: the login name.
        full_name: as others read it.
        roles: what they are here for.
        areas: dotted paths; each is seen with everything below. ``*`` is everything.
        permissions: what the roles give, of it what the token gives.
        responder: the id in the registry, "" for who is no responder.
        session: the stored id of the session, "" with a token and for this machine.
        csrf: what each form of this session must carry; "" where none is needed.
        token: the id of the API token, 0 without one.
        second_factor: whether one is set up.
        external: whether another organisation's login says who this is, so that there is no password here.
        expires_ms: when the session ends at the latest.
        stage: ``full``; ``code``, ``enrol`` before the second factor.
        remember: whether the browser stays logged in.
    """

    user: int
    name: str
    full_name: str
    roles: frozenset[Role]
    areas: tuple[str, ...]
    permissions: frozenset[Permission]
    responder: str = ""
    session: str = ""
    csrf: str = ""
    token: int = 0
    second_factor: bool = False
    external: bool = False
    expires_ms: int = 0
    stage: str = "full"
    remember: bool = False

    @property
    def who(self) -> str:
        """How the audit calls them: the responder's id, or the login name."""
        return self.responder or self.name

    @property
    def everywhere(self) -> bool:
        """Whether everything is theirs to see."""
        return EVERYWHERE in self.areas

    def sees(self, area: str | None) -> bool:
        """Whether ``area`` is one of theirs or below one. None and ``*`` are for those who see everything."""
        if self.everywhere:
            return True
        return area is not None and any(area == one or area.startswith(f"{one}.") for one in self.areas)

    def may(self, permission: Permission, area: str | None = None) -> bool:
        """Whether they may at all; with an ``area``, whether they may there."""
        return permission in self.permissions and (area is None or self.sees(area))

    def area_filter(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """The condition under which a row whose area stands in ``column`` is theirs to see.

        Letters count as they are on every database, which ``LIKE`` does not promise.
        """
        if self.everywhere:
            return true()
        if not self.areas:
            return false()
        return or_(*(or_(column == one, func.substr(column, 1, len(one) + 1) == f"{one}.") for one in self.areas))


def this_machine() -> Viewer:
    """Whoever reaches a console that asks for no login: everything."""
    roles = frozenset(Role)
    return Viewer(
        user=0, name=MACHINE, full_name="", roles=roles, areas=(EVERYWHERE,), permissions=permissions_of(roles)
    )
