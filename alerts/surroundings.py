"""What the order of calls needs to know of responders, read once for all the calls of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from sqlalchemy import Connection, select

from alerts import models
from alerts.beside import BESIDE_STEP
from alerts.delivery import Purpose
from alerts.lifecycle import TAKEN, Change, Incident
from registry import Directory
from registry.presence import presences
from registry.reach import Presence
from registry.rosters import OnDuty
from registry.routes import kept_ways

#: Who took an incident longer ago than this, and never said what became of it, is not busy with it any more.
_BUSY_MS = 2 * 3_600_000
_TOLD = (Purpose.CALL.value, Purpose.BESIDE.value)


class Surroundings:
    """Reads what is asked for and was not read before. Ask for many at once, then for each.

    For one transaction at one instant, ``now_ms``; it must be told of what that changes.
    """

    def __init__(self, connection: Connection, directory: Directory, now_ms: int) -> None:
        self._connection = connection
        self._directory = directory
        self._now_ms = now_ms
        self._duties: dict[str, list[OnDuty]] = {}
        self._busy: dict[str, list[str]] = {}
        self._presences: dict[str, Presence | None] = {}
        self._ways: dict[str, float | None] = {}
        self._told: dict[str, list[tuple[int, int, str]]] = {}

    def duties(self, area: str, read: Callable[[Directory, str, int], list[OnDuty]]) -> list[OnDuty]:
        """Who is on call for an area."""
        if area not in self._duties:
            self._duties[area] = read(self._directory, area, self._now_ms)
        return self._duties[area]

    def busy(self, responders: Collection[str]) -> Mapping[str, list[str]]:
        """The incidents that each of some responders has taken, or comes to as well, and that are not closed."""
        new = [one for one in responders if one not in self._busy]
        if new:
            table, standing = models.incident, models.acknowledgement
            query = (
                select(standing.c.responder, table.c.id)
                .join(table, table.c.id == standing.c.incident)
                .where(
                    table.c.state.in_([state.value for state in TAKEN]),
                    standing.c.responder.in_(new),
                    standing.c.at_ms > self._now_ms - _BUSY_MS,
                )
            )
            self._busy |= {one: [] for one in new}
            for who, taken in self._connection.execute(query):
                self._busy[who].append(taken)
        return self._busy

    def presences(self, responders: Collection[str]) -> Mapping[str, Presence | None]:
        """What each of some responders reported last; None of those who have reported nothing."""
        new = [one for one in responders if one not in self._presences]
        if new:
            found = presences(self._connection, new)
            self._presences |= {one: found.get(one) for one in new}
        return self._presences

    def ways(self, ways: Iterable[str]) -> dict[str, float]:
        """Seconds on each of some ways that is kept (:func:`registry.routes.way_of`)."""
        wanted = set(ways)
        new = wanted - self._ways.keys()
        if new:
            found = kept_ways(self._connection, new)
            self._ways |= {way: found.get(way) for way in new}
        return {way: seconds for way in wanted if (seconds := self._ways[way]) is not None}

    def look_at(self, incidents: Iterable[str]) -> None:
        """Read who was told of some incidents."""
        new = [one for one in dict.fromkeys(incidents) if one not in self._told]
        if new:
            rows = models.notification
            query = select(rows.c.incident, rows.c.round, rows.c.step, rows.c.responder)
            query = query.where(rows.c.incident.in_(new), rows.c.purpose.in_(_TOLD))
            self._told |= {one: [] for one in new}
            for incident, round_, step, responder in self._connection.execute(query):
                self._told[incident].append((round_, step, responder))

    def told(self, incident: str) -> frozenset[str]:
        """Who was ever called for an incident, or told beside the calls."""
        self.look_at([incident])
        return frozenset(responder for _, _, responder in self._told[incident])

    def called(self, incident: Incident) -> frozenset[str]:
        """Who was called in the present round of an incident."""
        self.look_at([incident.id])
        return frozenset(
            responder
            for round_, step, responder in self._told[incident.id]
            if round_ == incident.round and step > BESIDE_STEP
        )

    def changed(self, change: Change) -> None:
        """This was written: what it makes untrue is read anew."""
        self._told.pop(change.after.id, None)
        before = change.before
        if change.after.state in TAKEN or (before is not None and before.state in TAKEN):
            self._busy.clear()
