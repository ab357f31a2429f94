"""Where responders said that they are, and whether they can come. It changes often and is no part of the directory."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from sqlalchemy import ColumnElement, Connection, Engine, select

from registry.database import writing
from registry.errors import RegistryError
from registry.models import presence as table
from registry.models import responder as responders_table
from registry.reach.arrival import FRESH_MS, Presence


class PresenceError(RegistryError):
    """A report that cannot be taken: of whom, and what to do."""

    def __init__(self, responder: str, reason: str) -> None:
        super().__init__(f"{responder}: {reason}")
        self.responder = responder
        self.reason = reason


def tell_presence(
    engine: Engine,
    responder: str,
    now_ms: int,
    *,
    at_ms: int | None = None,
    lat: float | None = None,
    lon: float | None = None,
    available: bool = True,
) -> Presence:
    """A responder says where they are (none: at their base), or that they cannot come; what holds from now on.

    A place counts for half an hour (``FRESH_MS``); that somebody cannot come, until they report otherwise. ``at_ms`` is
    when it was so by the clock of a phone, now unless given; a clock that is ahead counts as now. When a newer report
    is there, that one is returned.

    Raises:
        PresenceError: no such responder, or no place on earth.
    """
    if (lat is None) != (lon is None):
        raise PresenceError(responder, "a place has a latitude and a longitude: give both")
    if lat is not None and lon is not None and not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise PresenceError(responder, f"{lat}, {lon} is no place in degrees: -90 to 90 north, -180 to 180 east")
    presence = Presence(now_ms if at_ms is None else min(at_ms, now_ms), lat, lon, available)
    with writing(engine) as connection:
        known = select(responders_table.c.id).where(responders_table.c.id == responder)
        if connection.execute(known).first() is None:
            raise PresenceError(responder, "there is no such responder in the registry")
        report_presence(connection, responder, presence)
        return presences(connection, [responder])[responder]


def report_presence(connection: Connection, responder: str, presence: Presence) -> None:
    """Write what a responder reported. An older report than the one that is there changes nothing.

    Raises:
        sqlalchemy.exc.IntegrityError: there is no such responder.
    """
    insert = import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert  # the other's would be 2 MB
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
