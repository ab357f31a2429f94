"""Where responders said that they are, and whether they can come. It changes often and is no part of the directory."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from registry.models import presence as table
from registry.reach.arrival import FRESH_MS, Presence


def report_presence(connection: Connection, responder: str, presence: Presence) -> None:
    """Write what a responder reported. An older report than the one that is there changes nothing.

    Raises:
        sqlalchemy.exc.IntegrityError: there is no such responder.
    """
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {
        "at_ms": presence.at_ms,
        "lat": presence.lat,
        "lon": presence.lon,
        "available": presence.available,
    }
    statement = insert(table).values(responder=responder, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.responder], set_=values, where=table.c.at_ms <= statement.excluded.at_ms
        )
    )


def presences(connection: Connection, responders: Iterable[str]) -> dict[str, Presence]:
    """The last report of each of some responders; without those who have made none."""
    return _read(connection, table.c.responder.in_(list(responders)))


def presences_now(connection: Connection, now_ms: int) -> dict[str, Presence]:
    """What still holds at ``now_ms`` of everybody's last reports: where they are, and that they cannot come."""
    holds = (table.c.at_ms >= now_ms - FRESH_MS) | table.c.available.is_(False)
    return _read(connection, holds)


def _read(connection: Connection, wanted: ColumnElement[bool]) -> dict[str, Presence]:
    query = select(table.c.responder, table.c.at_ms, table.c.lat, table.c.lon, table.c.available).where(wanted)
    return {name: Presence(at_ms, lat, lon, can) for name, at_ms, lat, lon, can in connection.execute(query)}
