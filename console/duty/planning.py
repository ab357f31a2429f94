"""The plan of rosters as a page shows it: who is on now and who is next, and the days of weeks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from console.duty.knowing import Book
from registry.rosters import How, Idle, Roster, Shift, shifts
from registry.rosters.hours import instant_ms, local_time
from registry.rosters.shifts import shift_at
from registry.rosters.values import DAY_MS

#: How far ahead it is looked for who is next.
_AHEAD_MS = 21 * DAY_MS
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is on in one roster now. ``until_ms``: when that changes, None when not within three weeks; ``then``: who is
    on after that, () for nobody."""

    roster: Roster
    shift: Shift
    until_ms: int | None
    then: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AreaNow:
    """An area with an order of its own: its rosters, and who is always on call."""

    path: str
    turns: tuple[Turn, ...]
    standing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A shift on one day. ``begin`` and ``end`` are local times of day (``08:00``), "" where it goes on beyond the day;
    ``span_ms`` is the whole shift, as far as it was looked for."""

    begin: str
    end: str
    responders: tuple[str, ...]
    how: How
    by: str
    idle: Idle | None
    span_ms: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Day:
    """A local day: what is written of it as a holiday, whether it is a working day, and how many hours it has."""

    date: date
    names: tuple[str, ...]
    holiday: bool
    workday: bool
    hours: int
    today: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One roster over the days of a week."""

    roster: Roster
    cells: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True, slots=True)
class Week:
    """Monday to Sunday."""

    days: tuple[Day, ...]
    lines: tuple[Line, ...]


def now_of(book: Book, areas: Iterable[str], at_ms: int) -> list[AreaNow]:
    """Who is on call in each of ``areas`` that has an order, in the order of the tree."""
    found = []
    for path in sorted(areas):
        rosters, standing = book.rosters.by_area.get(path, ()), book.rosters.standing.get(path, ())
        if rosters or standing:
            found.append(AreaNow(path, tuple(_turn(roster, at_ms) for roster in rosters), standing))
    return found


def _turn(roster: Roster, at_ms: int) -> Turn:
    now = shift_at(roster, at_ms)
    for shift in shifts(roster, at_ms, at_ms + _AHEAD_MS):
        if shift.responders != now.responders:
            return Turn(roster, now, shift.begin_ms, shift.responders)
    return Turn(roster, now, None, ())


def monday_of(day: date) -> date:
    """The Monday of its week."""
    return day - timedelta(days=day.weekday())


def midnight_ms(day: date, zone: ZoneInfo) -> int:
    """When a local day begins."""
    return instant_ms(datetime.combine(day, time.min), zone)


def week_of(book: Book, rosters: Sequence[Roster], monday: date, zone: ZoneInfo, now_ms: int, area: str) -> Week:
    """The plan of ``rosters`` from Monday to Sunday; holidays are those that hold in ``area`` or somewhere below it."""
    dates = [monday + timedelta(days=n) for n in range(_WEEK)]
    edges = [midnight_ms(day, zone) for day in (*dates, monday + timedelta(days=_WEEK))]
    today = local_time(now_ms, zone).date()
    days = tuple(
        _day(book, day, today, area, round((end_ms - begin_ms) / 3_600_000))
        for day, (begin_ms, end_ms) in zip(dates, pairwise(edges), strict=True)
    )
    return Week(days, tuple(_line(roster, edges, zone) for roster in rosters))


def _day(book: Book, day: date, today: date, area: str, hours: int) -> Day:
    here = [one for one in book.holidays if one.date == day.isoformat() and _meets(one.area, area)]
    workdays = book.days(area) if area else {date.fromisoformat(one.date): one.workday for one in here}
    return Day(
        date=day, names=tuple(dict.fromkeys(one.name for one in here)), holiday=any(not one.workday for one in here),
        workday=workdays.get(day, day.weekday() < 5), hours=hours, today=day == today,
    )  # fmt: skip


def _meets(one: str, other: str) -> bool:
    """Whether one of two areas lies in the other; "" is everything."""
    return not other or f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _line(roster: Roster, edges: Sequence[int], zone: ZoneInfo) -> Line:
    plan = shifts(roster, edges[0] - DAY_MS, edges[-1] + DAY_MS)
    cells = []
    for begin_ms, end_ms in pairwise(edges):
        here = [shift for shift in plan if shift.begin_ms < end_ms and shift.end_ms > begin_ms]
        cells.append(tuple(_entry(shift, begin_ms, end_ms, zone) for shift in here))
    return Line(roster, tuple(cells))


def _entry(shift: Shift, begin_ms: int, end_ms: int, zone: ZoneInfo) -> Entry:
    return Entry(
        begin=time_of_day(shift.begin_ms, zone) if shift.begin_ms > begin_ms else "",
        end=time_of_day(shift.end_ms, zone) if shift.end_ms < end_ms else "",
        responders=shift.responders, how=shift.how, by=shift.by, idle=shift.idle,
        span_ms=(shift.begin_ms, shift.end_ms),
    )  # fmt: skip


def time_of_day(at_ms: int, zone: ZoneInfo) -> str:
    """``08:00``; with the offset where the same time comes twice that day."""
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    twice = local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset()
    return local.strftime("%H:%M") + (f" ({local.strftime('%z')[:3]})" if twice else "")


def rosters_in(book: Book, sees: Callable[[str], bool], area: str = "") -> list[Roster]:
    """The rosters of ``area`` and below that a reader may see, by area and layer."""
    return [
        roster
        for path in sorted(book.rosters.by_area)
        if sees(path) and (not area or f"{path}.".startswith(f"{area}."))
        for roster in book.rosters.by_area[path]
    ]
