"""Who logged in, who changed what of users, who looked at whom: rows that nobody can change."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert

from console.access.models import audit
from console.access.viewer import Viewer


class Event(StrEnum):
    """What is written down, beside views."""

    LOGIN = "login"
    LOGIN_FAILED = "login_failed"
    LOCKED = "locked"
    LOGOUT = "logout"
    PASSWORD = "password"
    SECOND_FACTOR = "second_factor"
    RECOVERY_USED = "recovery_used"
    TOKEN_MADE = "token_made"
    TOKEN_ENDED = "token_ended"
    SESSION_ENDED = "session_ended"
    USER_ADDED = "user_added"
    USER_CHANGED = "user_changed"
    VIEW = "view"
    THRESHOLDS = "thresholds"
    DEVICE_CALLED = "device_called"
    REPLAY = "replay"
    ROSTER = "roster"
    REGISTRY = "registry"
    IMPORT = "import"
    TEST_SENT = "test_sent"
    FEED = "feed"
    SILENCE = "silence"


def record(
    connection: Connection,
    event: Event,
    *,
    who: str,
    now_ms: int,
    user: int | None = None,
    kind: str = "",
    subject: str = "",
    area: str = "",
    address: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Write a row. ``who`` is a login name or a responder's id; ``kind`` and ``subject`` are what it was about."""
    values = {
        "at_ms": now_ms, "what": event.value, "who": who[:64], "user": user, "kind": kind, "subject": subject[:255],
        "area": area, "address": address[:64], "data": data or {},
    }  # fmt: skip
    connection.execute(insert(audit).values(values))


def record_view(
    connection: Connection, viewer: Viewer, kind: str, subject: str, now_ms: int, *, area: str = ""
) -> None:
    """Write that ``viewer`` has looked at something: ``kind`` is ``person``, ``incident``, ``export`` ...

    The connection must be one of :func:`registry.writing`.
    """
    record(
        connection, Event.VIEW, who=viewer.who, user=viewer.user, now_ms=now_ms, kind=kind, subject=subject, area=area,
        data={"token": viewer.token} if viewer.token else None,
    )  # fmt: skip
