"""The coverage of the whole district at one minute: people, who is on call, whom nobody reaches, gaps to come. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from console.duty.knowing import Book
from registry.entries import PersonEntry
from registry.reach import Candidate, Homes, Presence, candidate_of
from registry.rosters import Gap, OnDuty, gaps, on_call
from registry.rosters.duty import holder

DAY_MS = 86_400_000
AHEAD_MS = 7 * DAY_MS


@dataclass(frozen=True)
class Population:
    """Everybody with their place, at one revision of the registry.

    ``keys`` and ``places`` have those with coordinates by area, in the same order: keys, and (n, 2) float64 of latitude
    and longitude in degrees; ``unplaced`` counts the others; ``names`` are those of all.
    """

    revision: int = -1
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    unplaced: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    homes: Homes = field(default_factory=Homes)


@dataclass(frozen=True, slots=True)
class Standing:
    """One responder who is on call somewhere now: for which areas, and from where they would set out."""

    candidate: Candidate
    areas: tuple[str, ...]
    able: bool


@dataclass(frozen=True)
class AreaState:
    """An area without those below it.

    ``on`` is its own order now; ``holder`` the area in whose hands it is: itself or the nearest above with an order, ""
    for none. ``gaps`` are those of the holder, of the top of the tree where there is none.
    """

    path: str
    people: int
    placed: int
    uncovered: int
    on: tuple[OnDuty, ...]
    holder: str
    gaps: tuple[Gap, ...]


@dataclass(frozen=True)
class State:
    """The district at ``at_ms``. ``alone``: for each area, which of its people in ``population`` nobody reaches."""

    at_ms: int
    book: Book
    population: Population
    areas: Mapping[str, AreaState]
    alone: Mapping[str, NDArray[np.bool_]]
    standing: Mapping[str, Standing]


def population_of(revision: int, people: Iterable[tuple[str, str, str, float | None, float | None]]) -> Population:
    """From (key, name, area, latitude, longitude) of each person."""
    keys: dict[str, list[str]] = {}
    places: dict[str, list[tuple[float, float]]] = {}
    unplaced: dict[str, int] = {}
    names: dict[str, str] = {}
    entries: list[PersonEntry] = []
    for key, name, area, lat, lon in people:
        names[key] = name
        if lat is None or lon is None:
            unplaced[area] = unplaced.get(area, 0) + 1
            continue
        keys.setdefault(area, []).append(key)
        places.setdefault(area, []).append((lat, lon))
        entries.append(PersonEntry(key=key, name=name, area=area, lat=lat, lon=lon))
    return Population(
        revision=revision,
        keys={area: tuple(own) for area, own in keys.items()},
        places={area: np.array(own, np.float64) for area, own in places.items()},
        unplaced=unplaced,
        names=names,
        homes=Homes(entries),
    )


def district(book: Book, population: Population, reported: Mapping[str, Presence], at_ms: int) -> State:
    """The state of everything at ``at_ms``, by where responders reported to be."""
    able = book.able()
    on = {area: on_call(book.rosters, area, at_ms) for area in book.areas}
    standing: dict[str, Standing] = {}
    for area, duties in on.items():
        for duty in duties:
            entry = book.responders.get(duty.responder)
            if entry is None:
                continue
            known = standing.get(entry.id)
            candidate = known.candidate if known else candidate_of(entry, reported.get(entry.id), at_ms)
            areas = (*known.areas, area) if known else (area,)
            standing[entry.id] = Standing(candidate, areas, entry.id in able)
    can = {
        area: [
            standing[duty.responder].candidate
            for duty in duties
            if duty.responder in standing and standing[duty.responder].able
        ]
        for area, duties in on.items()
    }
    alone = population.homes.alone(can)
    to_come: dict[str, list[Gap]] = {}
    for gap in gaps(book.rosters, book.areas, at_ms, at_ms + AHEAD_MS, able=able):
        to_come.setdefault(gap.area, []).append(gap)
    areas_now = {}
    for area in book.areas:
        placed = len(population.keys.get(area, ()))
        tiers = _tiers(book, area)
        held = holder(book.rosters, tiers) or ""
        areas_now[area] = AreaState(
            path=area, people=placed + population.unplaced.get(area, 0), placed=placed,
            uncovered=int(alone[area].sum()) if area in alone else 0, on=on[area], holder=held,
            gaps=tuple(to_come.get(held or tiers[-1], ())),
        )  # fmt: skip
    return State(at_ms, book, population, areas_now, alone, standing)


def _tiers(book: Book, area: str) -> list[str]:
    tiers = [area]
    while (above := book.parent(tiers[-1])) is not None:
        tiers.append(above)
    return tiers
