"""People whom nobody on call can reach in time, by area and hour. Pure; vectorised over people and responders."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from registry.entries import PersonEntry, ResponderEntry, parent_of
from registry.reach.travel import MEANS, UNKNOWN, WITHIN_S, distance_m, travel_s
from registry.rosters.duty import Rosters
from registry.rosters.shifts import shifts

#: People at once: a block of the table of people and responders stays in the processor's cache.
_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Unreached:
    """From ``begin_ms`` to ``end_ms`` nobody who is on call can be with these people of one area in time."""

    area: str
    begin_ms: int
    end_ms: int
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """What came out: who is not reached when, and who cannot be told of: people and responders without coordinates."""

    unreached: tuple[Unreached, ...]
    unplaced_people: tuple[str, ...]
    unplaced_responders: tuple[str, ...]


def within_table(
    people: Iterable[PersonEntry], responders: Iterable[ResponderEntry], within_s: float = WITHIN_S
) -> NDArray[np.bool_]:
    """(people, responders) bool: whether each can be with each in time, from their base. False without coordinates."""
    homes = _places(people)
    bases, travels = _places(entries := list(responders)), [one.travel for one in entries]
    table = np.zeros((len(homes), len(bases)), dtype=np.bool_)
    for name, means in MEANS.items():
        columns = [at for at, travel in enumerate(travels) if (travel or UNKNOWN) == name]
        if not columns:
            continue
        for start in range(0, len(homes), _AT_ONCE):
            rows = homes[start : start + _AT_ONCE]
            metres = distance_m(rows[:, :1], rows[:, 1:], bases[columns, 0], bases[columns, 1])
            table[start : start + _AT_ONCE, columns] = travel_s(metres, means) <= within_s
    return table


def _places(entries: Iterable[PersonEntry | ResponderEntry]) -> NDArray[np.float64]:
    pairs = [(np.nan if e.lat is None else e.lat, np.nan if e.lon is None else e.lon) for e in entries]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def unreached(
    rosters: Rosters,
    people: Mapping[str, PersonEntry],
    responders: Mapping[str, ResponderEntry],
    areas: Iterable[str],
    from_ms: int,
    to_ms: int,
    *,
    within_s: float = WITHIN_S,
    able: Container[str] | None = None,
) -> Reach:
    """Whom nobody on call can reach within ``within_s`` from their base, for each area, whenever that changes.

    On call for a person is who is on call in their area or in one above. Only responders in ``able`` count (who has a
    channel); None counts everybody.
    """
    tree = set(areas)
    by_area: dict[str, list[PersonEntry]] = {}
    for person in people.values():
        if person.lat is not None and person.lon is not None:
            by_area.setdefault(person.area, []).append(person)
    plans = {area: _plan(rosters, area, from_ms, to_ms, able) for area in tree}
    needed: set[str] = set()
    found: list[Unreached] = []
    for area in sorted(by_area):
        spans = _together([plans[tier] for tier in _tiers(area, tree)], from_ms, to_ms)
        names = sorted({name for _, _, on in spans for name in on if name in responders})
        needed.update(names)
        residents = by_area[area]
        table = within_table(residents, [responders[name] for name in names], within_s)
        column = {name: at for at, name in enumerate(names)}
        keys = np.array([person.key for person in residents], dtype=object)
        known: dict[frozenset[str], tuple[str, ...]] = {}
        for begin_ms, end_ms, on in spans:
            if on not in known:
                here = [column[name] for name in on if name in column]
                known[on] = tuple(keys[~table[:, here].any(axis=1)].tolist())
            if known[on]:
                _append(found, Unreached(area, begin_ms, end_ms, known[on]))
    return Reach(
        tuple(found),
        tuple(sorted(key for key, person in people.items() if person.lat is None or person.lon is None)),
        tuple(sorted(name for name in needed if responders[name].lat is None or responders[name].lon is None)),
    )


_Span = tuple[int, int, frozenset[str]]


def _plan(rosters: Rosters, area: str, from_ms: int, to_ms: int, able: Container[str] | None) -> list[_Span]:
    """Who is on call in the area's own order, from when to when."""

    def counted(names: Iterable[str]) -> frozenset[str]:
        return frozenset(name for name in names if able is None or name in able)

    plans = [
        [(shift.begin_ms, shift.end_ms, counted(shift.responders)) for shift in shifts(roster, from_ms, to_ms)]
        for roster in rosters.by_area.get(area, ())
    ]
    return _together([*plans, [(from_ms, to_ms, counted(rosters.standing.get(area, ())))]], from_ms, to_ms)


def _together(plans: list[list[_Span]], from_ms: int, to_ms: int) -> list[_Span]:
    """Who is on in any of the plans. Each fills the span without a hole."""
    cuts = sorted({from_ms, to_ms, *(span[0] for plan in plans for span in plan)})
    places = [0] * len(plans)
    found: list[_Span] = []
    for begin_ms, end_ms in pairwise(cuts):
        on: set[str] = set()
        for at, plan in enumerate(plans):
            while plan[places[at]][1] <= begin_ms:
                places[at] += 1
            on |= plan[places[at]][2]
        found.append((begin_ms, end_ms, frozenset(on)))
    return found


def _tiers(area: str, tree: set[str]) -> Iterable[str]:
    above: str | None = area
    while above is not None:
        if above in tree:
            yield above
        above = parent_of(above)


def _append(found: list[Unreached], one: Unreached) -> None:
    last = found[-1] if found else None
    if last is not None and (last.area, last.end_ms, last.people) == (one.area, one.begin_ms, one.people):
        found[-1] = Unreached(one.area, last.begin_ms, one.end_ms, one.people)
    else:
        found.append(one)
