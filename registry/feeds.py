"""Addresses at which calendars fetch the shifts of one responder: a secret in each, kept here as its hash only."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import Connection, delete, insert, select

from registry.models import roster_feed as table

#: Where a console serves them: ``/feeds/<secret>.ics``.
FEED_PATH = "/feeds/"
_SECRET_BYTES = 32
_LONGEST = 128


def make_feed(connection: Connection, responder: str, *, who: str, now_ms: int) -> str:
    """A new secret for a responder's calendar; the one from before is void. The connection is one of
    :func:`registry.writing`.

    Raises:
        sqlalchemy.exc.IntegrityError: there is no such responder.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    end_feed(connection, responder)
    values = {"responder": responder, "hash": _hash(secret), "made_ms": now_ms, "made_by": who[:64]}
    connection.execute(insert(table).values(values))
    return secret


def end_feed(connection: Connection, responder: str) -> bool:
    """The address is void from now on; False when there was none."""
    return connection.execute(delete(table).where(table.c.responder == responder)).rowcount > 0


def feed_made_ms(connection: Connection, responder: str) -> int | None:
    """Since when a responder has an address; None when they have none."""
    return connection.execute(select(table.c.made_ms).where(table.c.responder == responder)).scalar()


def feed_of(connection: Connection, secret: str) -> str | None:
    """Whose calendar an address is; None for one that is void or never was."""
    if len(secret) > _LONGEST:
        return None
    return connection.execute(select(table.c.responder).where(table.c.hash == _hash(secret))).scalar()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
