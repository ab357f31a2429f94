"""Ways from responders' bases to people's doors, asked of a server of routes beforehand and kept.

A call must not wait for a server. Ways are kept by where they lead from and to, so that one is not used any more when
somebody moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select

from registry.database import writing
from registry.models import route as table
from registry.reach.arrival import Candidate, candidate_of
from registry.reach.osrm import Osrm
from registry.reach.travel import means_of
from registry.rosters.duty import Rosters
from registry.snapshot import Directory

#: So many people in one transaction.
_AT_ONCE = 200
#: So many keys in one statement.
_KEYS = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: ways that are new, that are gone, and whether the server answered to the end."""

    added: int
    removed: int
    finished: bool


def way_of(one: Candidate, lat: float, lon: float) -> str:
    """The key of a way: means and both ends, to about a metre. The candidate's place must be known."""
    return f"{means_of(one.travel).profile};{one.lat:.5f},{one.lon:.5f};{lat:.5f},{lon:.5f}"


def kept_ways(connection: Connection, ways: Iterable[str]) -> dict[str, float]:
    """Seconds on the way by its key (:func:`way_of`), for those that are kept."""
    found: dict[str, float] = {}
    keys = list(ways)
    for start in range(0, len(keys), _KEYS):
        some = select(table.c.way, table.c.seconds).where(table.c.way.in_(keys[start : start + _KEYS]))
        found |= {row.way: row.seconds for row in connection.execute(some)}
    return found


def ask_ways(engine: Engine, known: Directory, osrm: Osrm, tick: Callable[[int], None]) -> Asked:
    """Ask for every way that may be needed and is not kept; forget those that nobody needs any more.

    Needed are the ways to each person from the bases of all in the orders of their area and the areas above. ``tick``
    is called with how many people are done. Nothing is lost when the server stops answering: call it again.
    """
    with engine.connect() as connection:
        kept = set(connection.execute(select(table.c.way)).scalars())
    people = [one for one in known.people.values() if one.lat is not None and one.lon is not None]
    needed: set[str] = set()
    added = 0
    for start in range(0, len(people), _AT_ONCE):
        rows: list[dict[str, object]] = []
        for person in people[start : start + _AT_ONCE]:
            assert person.lat is not None
            assert person.lon is not None
            candidates = _at_base(known, person.area)
            ways = {one.responder: way_of(one, person.lat, person.lon) for one in candidates}
            needed.update(ways.values())
            missing = [one for one in candidates if ways[one.responder] not in kept]
            found = osrm.all_seconds(missing, person.lat, person.lon)
            new = {ways[name]: seconds for name, seconds in found.items()}
            rows += [{"way": way, "seconds": seconds} for way, seconds in new.items()]
            kept.update(new)
            if not osrm.answers:
                break
        if rows:
            with writing(engine) as connection:
                connection.execute(insert(table), rows)
        added += len(rows)
        if not osrm.answers:
            return Asked(added, 0, False)
        tick(min(start + _AT_ONCE, len(people)))
    gone = sorted(kept - needed)
    with writing(engine) as connection:
        for start in range(0, len(gone), _KEYS):
            connection.execute(delete(table).where(table.c.way.in_(gone[start : start + _KEYS])))
    return Asked(added, len(gone), True)


def _at_base(known: Directory, area: str) -> Sequence[Candidate]:
    names = {name for tier in known.tiers(area) for name in _members(known.rosters, tier)}
    candidates = (candidate_of(known.responders[name], None, 0) for name in sorted(names) if name in known.responders)
    return [one for one in candidates if one.lat is not None and one.lon is not None]


def _members(rosters: Rosters, area: str) -> Iterable[str]:
    """Everybody who may be on call in an area's own order."""
    yield from rosters.standing.get(area, ())
    for roster in rosters.by_area.get(area, ()):
        for turn in roster.turns:
            yield from turn
        for override in roster.overrides:
            yield from override.responders
            yield from override.swap or ()
        if roster.calendar:
            yield from roster.names.values()
