"""What the page of coverage says of each area, as far as its reader may see. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np

from console.coverage.mapping import Map, Mark, draw
from console.coverage.state import AreaState, State
from registry.rosters import Gap
from registry.rosters.hours import instant_ms, local_time

HOUR_MS = 3_600_000
DAYS = 7
#: As many people that nobody reaches are named.
NAMED = 30


@dataclass(frozen=True)
class Node:
    """An area with everything below it that its reader may see; ``state`` is of the area alone.

    ``holder`` is the area in whose hands it is where that is not itself and the reader may see it, else "".
    ``on_names`` are those on call in its own order now; ``own_gaps``: when nobody of it is; () where it has none.
    """

    path: str
    name: str
    state: AreaState
    people: int
    placed: int
    uncovered: int
    holder: str
    on_names: tuple[str, ...]
    own_gaps: tuple[Gap, ...]
    children: tuple[Node, ...]

    @property
    def has_order(self) -> bool:
        """Whether the area has an order of its own."""
        return self.state.holder == self.path

    @property
    def share_pct(self) -> float | None:
        """Of 100 people with a place, how many are reached; None without any. Never 100 while one is not."""
        if not self.placed:
            return None
        share = 100 * (self.placed - self.uncovered) / self.placed
        return share if not self.uncovered else min(share, 99.9)

    @property
    def lost_h(self) -> float:
        """Hours of the coming week in which nobody is on call up to the top."""
        return hours(gap for gap in self.own_gaps if not gap.held_by)

    @property
    def held_h(self) -> float:
        """Hours of the coming week in which somebody above stands in."""
        return hours(gap for gap in self.own_gaps if gap.held_by)

    @property
    def trouble(self) -> bool:
        """Whether there is something to do here or below."""
        return bool(self.uncovered or self.own_gaps) or any(child.trouble for child in self.children)

    def each(self) -> list[Node]:
        """This area and all below it, in the order of the tree."""
        return [self, *(node for child in self.children for node in child.each())]


def hours(gaps: Iterable[Gap]) -> float:
    """Of gaps, together."""
    return sum((gap.end_ms - gap.begin_ms) / HOUR_MS for gap in gaps)


def tops(state: State, sees: Callable[[str], bool], chosen: str = "") -> list[Node]:
    """The areas that the reader may see, as trees; only ``chosen`` and what lies below it unless that is ""."""
    visible = {path for path in state.areas if sees(path) and (not chosen or f"{path}.".startswith(f"{chosen}."))}
    below: dict[str, list[str]] = {}
    for path in visible:
        above = state.book.parent(path)
        below.setdefault(above if above is not None and above in visible else "", []).append(path)

    def node(path: str) -> Node:
        children = tuple(map(node, sorted(below.get(path, ()), key=lambda one: (state.book.area_name(one), one))))
        own = state.areas[path]
        return Node(
            path=path, name=state.book.area_name(path), state=own,
            people=own.people + sum(child.people for child in children),
            placed=own.placed + sum(child.placed for child in children),
            uncovered=own.uncovered + sum(child.uncovered for child in children),
            on_names=tuple(state.book.name(duty.responder) for duty in own.on),
            holder=own.holder if own.holder not in ("", path) and sees(own.holder) else "",
            own_gaps=own.gaps if own.holder == path or (not own.holder and state.book.parent(path) is None) else (),
            children=children,
        )  # fmt: skip

    return [node(path) for path in sorted(below.get("", ()), key=lambda one: (state.book.area_name(one), one))]


def alone_people(state: State, nodes: Sequence[Node], limit: int = NAMED) -> list[tuple[str, str, str]]:
    """(key, name, path of the area) of people whom nobody reaches now, by area."""
    found: list[tuple[str, str, str]] = []
    for node in nodes:
        for path in (one.path for one in node.each()):
            if path in state.alone and len(found) < limit:
                keys = state.population.keys[path]
                found += [(keys[at], state.population.names[keys[at]], path) for at in np.nonzero(state.alone[path])[0]]
    return found[:limit]


def map_of(state: State, nodes: Sequence[Node]) -> Map | None:
    """The map of these areas: their people, and who is on call there. None when nothing has a place."""
    paths = [one.path for node in nodes for one in node.each()]
    here = [path for path in paths if path in state.population.places]
    within = set(paths)
    places = [state.population.places[path] for path in here]
    alone = [state.alone[path] for path in here]
    responders = [
        Mark(state.book.name(name), one.candidate.lat, one.candidate.lon, able=one.able and not one.candidate.busy)
        for name, one in sorted(state.standing.items())
        if one.candidate.lat is not None and one.candidate.lon is not None and within.intersection(one.areas)
    ]
    named = [child for node in nodes for child in (node.children or (node,))]
    return draw(
        np.concatenate(places) if places else np.zeros((0, 2)),
        np.concatenate(alone) if alone else np.zeros(0, np.bool_),
        responders,
        [mark for node in named if (mark := _middle(state, node)) is not None],
    )


def _middle(state: State, node: Node) -> Mark | None:
    places = [state.population.places[one.path] for one in node.each() if one.path in state.population.places]
    if not places:
        return None
    lat, lon = np.median(np.concatenate(places), axis=0).tolist()
    return Mark(node.name, lat, lon)


class Cover(StrEnum):
    """Of an hour of an area."""

    COVERED = "covered"
    HELD = "held"  # somebody above stands in
    LOST = "lost"  # nobody up to the top
    NONE = "none"  # it is over, or there is no such hour: clocks are put forward


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of a day: what is worst in it, and when that begins."""

    cover: Cover
    at_ms: int


@dataclass(frozen=True, slots=True)
class GapWeek:
    """Seven local days by 24 hours: ``rows`` has for each hour of the clock a cell for each of ``days``."""

    days: tuple[date, ...]
    rows: tuple[tuple[Cell, ...], ...]


def gap_week(gaps: Sequence[Gap], now_ms: int, zone: ZoneInfo) -> GapWeek:
    """The gaps of one area over the seven days from today on."""
    today = local_time(now_ms, zone).date()
    days = tuple(today + timedelta(days=n) for n in range(DAYS))
    return GapWeek(days, tuple(tuple(_cell(gaps, day, hour, zone, now_ms) for day in days) for hour in range(24)))


def _cell(gaps: Sequence[Gap], day: date, hour: int, zone: ZoneInfo, now_ms: int) -> Cell:
    begin = datetime.combine(day, time(hour))
    begin_ms, end_ms = instant_ms(begin, zone), instant_ms(begin + timedelta(hours=1), zone)
    if begin_ms >= end_ms or end_ms <= now_ms:
        return Cell(Cover.NONE, begin_ms)
    here = [gap for gap in gaps if gap.begin_ms < end_ms and gap.end_ms > begin_ms]
    if not here:
        return Cell(Cover.COVERED, begin_ms)
    lost = [gap for gap in here if not gap.held_by]
    first = min(lost or here, key=lambda gap: gap.begin_ms)
    return Cell(Cover.LOST if lost else Cover.HELD, max(first.begin_ms, begin_ms))


def names_of(state: State, sees: Callable[[str], bool]) -> Mapping[str, str]:
    """Name by path of the areas that the reader may see."""
    return {path: entry.name for path, entry in state.book.areas.items() if sees(path)}
