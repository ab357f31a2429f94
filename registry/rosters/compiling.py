"""From the entries of the registry to rosters, and what is wrong with the entries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from registry.entries import HolidayEntry, OnCallEntry, OverrideEntry, ResponderEntry, RosterEntry, parent_of
from registry.errors import RosterError
from registry.rosters.calendars import check_calendar, known_names
from registry.rosters.duty import Rosters
from registry.rosters.hours import local_time, parse_hours, parse_local
from registry.rosters.values import Override, Roster

_log = logging.getLogger(__name__)

#: A calendar without ``start`` holds from long ago on; whole days in it go from midnight to midnight.
_LONG_AGO = datetime(2000, 1, 3)  # noqa: DTZ001 - local


def compile_rosters(
    *,
    responders: Mapping[str, ResponderEntry],
    on_call: Iterable[OnCallEntry],
    rosters: Iterable[RosterEntry],
    overrides: Iterable[OverrideEntry],
    holidays: Iterable[HolidayEntry],
) -> Rosters:
    """All on-call orders as they are asked. One that cannot be used is logged and has nobody: a gap of its area."""
    names = known_names((responder.id, responder.name) for responder in responders.values())
    by_roster: dict[str, list[OverrideEntry]] = {}
    for override in overrides:
        by_roster.setdefault(override.roster, []).append(override)
    days = days_by_area(holidays)
    by_area: dict[str, list[Roster]] = {}
    for entry in rosters:
        try:
            roster = _roster(entry, by_roster.get(entry.id, []), days_of(days, entry.area), names)
        except RosterError as error:
            _log.error("roster %s has nobody: %s", entry.id, error)
            roster = Roster(entry.id, entry.area, ZoneInfo("UTC"), entry.layer, calendar="unreadable")
        by_area.setdefault(roster.area, []).append(roster)
    standing: dict[str, list[OnCallEntry]] = {}
    for row in on_call:
        standing.setdefault(row.area, []).append(row)
    return Rosters(
        {area: tuple(sorted(own, key=lambda roster: (roster.layer, roster.id))) for area, own in by_area.items()},
        {
            area: tuple(row.responder for row in sorted(rows, key=lambda row: row.position))
            for area, rows in standing.items()
        },
    )


def _roster(
    entry: RosterEntry, overrides: Iterable[OverrideEntry], workdays: dict[date, bool], names: Mapping[str, str]
) -> Roster:
    zone = zone_of(entry.zone)
    return Roster(
        id=entry.id,
        area=entry.area,
        zone=zone,
        layer=entry.layer,
        start=_local(entry.start, zone) if entry.start else _LONG_AGO,
        end=_local(entry.end, zone) if entry.end else None,
        turn_days=entry.turn_days,
        turns=tuple(members_of(turn) for turn in entry.turns),
        hours=parse_hours(entry.hours),
        workdays=workdays,
        overrides=tuple(sorted((_override(one, zone) for one in overrides), key=lambda one: (one.begin_ms, one.id))),
        calendar=entry.calendar,
        names=names if entry.calendar else {},
    )


def _override(entry: OverrideEntry, zone: ZoneInfo) -> Override:
    return Override(
        entry.id,
        parse_local(entry.begin, zone),
        parse_local(entry.end, zone),
        entry.responders,
        entry.instead_of,
        (entry.swap[0], entry.swap[1]) if entry.swap else None,
    )


def _local(text: str, zone: ZoneInfo) -> datetime:
    return local_time(parse_local(text, zone), zone)


def days_by_area(holidays: Iterable[HolidayEntry]) -> dict[str, dict[date, bool]]:
    """What each area says of days: whether they are working days."""
    days: dict[str, dict[date, bool]] = {}
    for holiday in holidays:
        days.setdefault(holiday.area, {})[date.fromisoformat(holiday.date)] = holiday.workday
    return days


def days_of(days: Mapping[str, Mapping[date, bool]], area: str) -> dict[date, bool]:
    """The exceptions that hold in an area: its own, and those of the areas above where it says nothing."""
    found: dict[date, bool] = {}
    above: str | None = area
    while above is not None:
        found = {**days.get(above, {}), **found}
        above = parent_of(above)
    return found


def members_of(turn: str) -> tuple[str, ...]:
    """Who is on in a turn, written ``li`` or ``li + wang``."""
    return tuple(dict.fromkeys(name.strip() for name in turn.split("+") if name.strip()))


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        RosterError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RosterError(name, "is no time zone: give an IANA name such as Asia/Shanghai") from None


def roster_mistakes(entry: RosterEntry, responders: Mapping[str, ResponderEntry]) -> Iterator[tuple[str, str]]:
    """What is wrong with a roster: (field, in words)."""
    zone = ZoneInfo("UTC")
    for field, check in (
        ("zone", lambda: zone_of(entry.zone)),
        ("start", lambda: parse_local(entry.start, zone) if entry.start else None),
        ("end", lambda: parse_local(entry.end, zone) if entry.end else None),
        ("hours", lambda: parse_hours(entry.hours)),
    ):
        wrong = _said(check)
        if wrong:
            yield field, f"{field}: {wrong}"
    if entry.calendar:
        if entry.turns or entry.hours:
            yield "calendar", "a roster has a calendar, or turns and hours: keep one of the two"
        names = known_names((responder.id, responder.name) for responder in responders.values())
        for line, wrong in check_calendar(entry.calendar, names):
            yield "calendar", f"calendar: line {line}: {wrong}" if line else f"calendar: {wrong}"
        return
    if not entry.start:
        yield "start", "start is missing: when does the first turn begin, such as 2026-03-02T08:00"
    if not entry.turns:
        yield "turns", "turns are missing: who is on call, such as [li, wang + zhao]; or a calendar"
    for turn in entry.turns:
        if not members_of(turn):
            yield "turns", f"turns: {turn!r} names nobody"
        for name in members_of(turn):
            if name not in responders:
                yield "turns", f"turns: there is no responder {name!r}: add them to responders"


def override_mistakes(
    entry: OverrideEntry, rosters: Mapping[str, RosterEntry], responders: Mapping[str, ResponderEntry]
) -> Iterator[tuple[str, str]]:
    """What is wrong with an override: (field, in words)."""
    roster = rosters.get(entry.roster)
    if roster is None:
        yield "roster", f"there is no roster {entry.roster!r}: add it to rosters, or correct the id"
    try:
        zone = ZoneInfo("UTC") if roster is None else zone_of(roster.zone)
        if parse_local(entry.begin, zone) >= parse_local(entry.end, zone):
            yield "end", f"ends ({entry.end}) no later than it begins ({entry.begin})"
    except RosterError as error:
        yield "begin", str(error)
    if entry.swap and (len(set(entry.swap)) != 2 or len(entry.swap) != 2):
        yield "swap", f"swap names {len(set(entry.swap))} of the two who change places"
    if entry.swap and (entry.responders or entry.instead_of):
        yield "swap", "a swap has neither responders nor instead_of: make two overrides of it"
    named = (("responders", entry.responders), ("swap", entry.swap), ("instead_of", (entry.instead_of,)))
    for field, names in named:
        for name in names:
            if name and name not in responders:
                yield field, f"{field}: there is no responder {name!r}: add them to responders"


def holiday_mistakes(entry: HolidayEntry) -> Iterator[tuple[str, str]]:
    """What is wrong with a holiday: (field, in words)."""
    try:
        date.fromisoformat(entry.date)
    except ValueError:
        yield "date", f"date: there is no day {entry.date}"


def _said(check: Callable[[], object]) -> str:
    try:
        check()
    except RosterError as error:
        return str(error)
    return ""
