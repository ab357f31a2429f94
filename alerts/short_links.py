"""The codes of short links, kept with what they stand for."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, insert, select

from alerts import models
from alerts.errors import LinkError, LinkFault
from alerts.links import LinkClaims


def keep_code(connection: Connection, code: str, claims: LinkClaims) -> None:
    """Have a code stand for ``claims``; one that is kept already stays as it is."""
    table = models.short_link
    if connection.execute(select(table.c.code).where(table.c.code == code)).first() is None:
        row = {
            "code": code,
            "incident": claims.incident,
            "responder": claims.responder,
            "notification": claims.notification,
            "expires_ms": claims.expires_ms,
        }
        connection.execute(insert(table), row)


def read_code(engine: Engine, code: str, now_ms: int) -> LinkClaims:
    """What a code stands for.

    Raises:
        LinkError: there is no such code, or it has expired.
    """
    table = models.short_link
    with engine.connect() as connection:
        row = connection.execute(select(table).where(table.c.code == code)).first()
    if row is None:
        raise LinkError(LinkFault.FORGED)
    if now_ms >= row.expires_ms:
        raise LinkError(LinkFault.EXPIRED)
    return LinkClaims(row.incident, row.responder, row.notification, row.expires_ms)
