"""From a roster to its shifts. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from registry.errors import CalendarError
from registry.rosters.calendars import events_between
from registry.rosters.hours import Interval, instant_ms, local_time, open_intervals
from registry.rosters.values import DAY_MS, How, Idle, Override, Roster, Shift

#: Shifts are worked out in pieces of this length and kept: an incident asks for one instant, a thousand in a storm.
_PIECE_MS = 14 * DAY_MS
#: How many pieces of one roster at most.
_KEPT = 64


def shifts(roster: Roster, from_ms: int, to_ms: int) -> list[Shift]:
    """The shifts of a roster between two instants: in order, without a hole, the first and the last cut to the span.

    Neighbours differ in who is on, why, or in the turn. [] when ``to_ms`` is not after ``from_ms``.
    """
    found: list[Shift] = []
    for piece in range(from_ms // _PIECE_MS, -(-to_ms // _PIECE_MS)):
        for shift in _piece(roster, piece):
            begin_ms, end_ms = max(shift.begin_ms, from_ms), min(shift.end_ms, to_ms)
            if begin_ms < end_ms:
                _append(found, replace(shift, begin_ms=begin_ms, end_ms=end_ms))
    return found


def shift_at(roster: Roster, at_ms: int) -> Shift:
    """The shift of an instant, cut to a piece of two weeks."""
    piece = _piece(roster, at_ms // _PIECE_MS)
    return piece[bisect_right(piece, at_ms, key=lambda shift: shift.begin_ms) - 1]


def until_ms(roster: Roster, responder: str, at_ms: int, limit_ms: int) -> int:
    """From when on somebody who is on call at ``at_ms`` is not, as far as ``limit_ms``."""
    for number in range(at_ms // _PIECE_MS, -(-limit_ms // _PIECE_MS)):
        for shift in _piece(roster, number):
            if shift.end_ms > at_ms and responder not in shift.responders:
                return min(shift.begin_ms, limit_ms)
    return limit_ms


def _piece(roster: Roster, number: int) -> tuple[Shift, ...]:
    kept = roster.pieces.get(number)
    if kept is None:
        if len(roster.pieces) >= _KEPT:
            roster.pieces.clear()
        kept = roster.pieces[number] = _worked_out(roster, number)
    return kept


def _worked_out(roster: Roster, number: int) -> tuple[Shift, ...]:
    from_ms, to_ms = number * _PIECE_MS, (number + 1) * _PIECE_MS
    overrides = [override for override in roster.overrides if _meets(override, from_ms, to_ms)]
    planned = _from_calendar(roster, from_ms, to_ms) if roster.calendar else _from_turns(roster, from_ms, to_ms)
    cuts = {ms for override in overrides for ms in (override.begin_ms, override.end_ms)}
    found: list[Shift] = []
    for shift in _cut(planned, cuts):
        _append(found, _overridden(shift, overrides))
    return tuple(found)


def _meets(override: Override, from_ms: int, to_ms: int) -> bool:
    return override.begin_ms < to_ms and override.end_ms > from_ms


def _append(found: list[Shift], shift: Shift) -> None:
    if found and replace(found[-1], begin_ms=shift.begin_ms, end_ms=shift.end_ms) == shift:
        found[-1] = replace(found[-1], end_ms=shift.end_ms)
    else:
        found.append(shift)


def _cut(planned: Iterable[Shift], cuts: set[int]) -> Iterable[Shift]:
    for shift in planned:
        inside = sorted(ms for ms in cuts if shift.begin_ms < ms < shift.end_ms)
        for begin_ms, end_ms in zip([shift.begin_ms, *inside], [*inside, shift.end_ms], strict=True):
            yield replace(shift, begin_ms=begin_ms, end_ms=end_ms)


def turn_start_ms(roster: Roster, number: int) -> int:
    """When turn ``number`` (from 0) begins: always at the same local time of day."""
    return instant_ms(roster.start + timedelta(days=number * roster.turn_days), roster.zone)


def turn_at(roster: Roster, at_ms: int) -> int:
    """The number of the turn of an instant; negative before the first."""
    number = (local_time(at_ms, roster.zone).date() - roster.start.date()).days // roster.turn_days
    while turn_start_ms(roster, number) > at_ms:
        number -= 1
    while turn_start_ms(roster, number + 1) <= at_ms:
        number += 1
    return number


def _life(roster: Roster) -> tuple[int, int | None]:
    return instant_ms(roster.start, roster.zone), None if roster.end is None else instant_ms(roster.end, roster.zone)


def _from_turns(roster: Roster, from_ms: int, to_ms: int) -> Iterable[Shift]:
    starts_ms, ends_ms = _life(roster)
    numbers = range(turn_at(roster, from_ms), turn_at(roster, to_ms - 1) + 1)
    begins = [turn_start_ms(roster, number) for number in numbers]
    opened = open_intervals(roster.hours, roster.workdays, roster.zone, from_ms, to_ms)
    cuts = {from_ms, to_ms, *begins, *(ms for span in opened for ms in span), starts_ms}
    if ends_ms is not None:
        cuts.add(ends_ms)
    inside = sorted(ms for ms in cuts if from_ms <= ms <= to_ms)
    for begin_ms, end_ms in pairwise(inside):
        idle = _idle(begin_ms, starts_ms, ends_ms)
        if idle is None and not _covers(opened, begin_ms):
            idle = Idle.OUTSIDE_HOURS
        if idle is not None:
            yield Shift(begin_ms, end_ms, idle=idle)
            continue
        at = bisect_right(begins, begin_ms) - 1
        members = roster.turns[numbers[at] % len(roster.turns)]
        yield Shift(begin_ms, end_ms, members, turn_ms=begins[at])


def _idle(at_ms: int, starts_ms: int, ends_ms: int | None) -> Idle | None:
    if at_ms < starts_ms:
        return Idle.NOT_BEGUN
    return Idle.ENDED if ends_ms is not None and at_ms >= ends_ms else None


def _covers(intervals: Sequence[Interval], at_ms: int) -> bool:
    at = bisect_right(intervals, at_ms, key=lambda span: span[0]) - 1
    return at >= 0 and at_ms < intervals[at][1]


def _from_calendar(roster: Roster, from_ms: int, to_ms: int) -> Iterable[Shift]:
    starts_ms, ends_ms = _life(roster)
    hand_over = roster.start - datetime.combine(roster.start.date(), datetime.min.time())
    try:
        events = events_between(roster.calendar, roster.names, roster.zone, hand_over, from_ms, to_ms)
    except CalendarError:  # nobody, with a name, so that the next tier is called
        yield Shift(from_ms, to_ms, how=How.CALENDAR, idle=Idle.UNREADABLE)
        return
    cuts = {from_ms, to_ms, starts_ms, *(ms for event in events for ms in (event.begin_ms, event.end_ms))}
    if ends_ms is not None:
        cuts.add(ends_ms)
    inside = sorted(ms for ms in cuts if from_ms <= ms <= to_ms)
    for begin_ms, end_ms in pairwise(inside):
        idle = _idle(begin_ms, starts_ms, ends_ms)
        here = [event for event in events if event.begin_ms <= begin_ms < event.end_ms] if idle is None else []
        members = tuple(dict.fromkeys(name for event in here for name in event.responders))
        if members:
            yield Shift(begin_ms, end_ms, members, How.CALENDAR, turn_ms=max(event.begin_ms for event in here))
        else:
            yield Shift(begin_ms, end_ms, how=How.CALENDAR, idle=idle or Idle.NO_EVENT)


def _overridden(shift: Shift, overrides: Iterable[Override]) -> Shift:
    here = [override for override in overrides if override.begin_ms <= shift.begin_ms < override.end_ms]
    for override in here:
        if override.swap is not None and not set(override.swap).isdisjoint(shift.responders):
            one, other = override.swap
            exchanged = {one: other, other: one}
            members = tuple(exchanged.get(name, name) for name in shift.responders)
            shift = replace(shift, responders=members, how=How.SWAP, by=override.id)
    for override in here:
        if override.swap is None and override.instead_of and override.instead_of in shift.responders:
            at = shift.responders.index(override.instead_of)
            members = (*shift.responders[:at], *override.responders, *shift.responders[at + 1 :])
            shift = _manned(replace(shift, how=How.COVER, by=override.id), members)
    for override in here:
        if override.swap is None and not override.instead_of:
            shift = _manned(replace(shift, how=How.REPLACED, by=override.id), override.responders)
    return shift


def _manned(shift: Shift, members: tuple[str, ...]) -> Shift:
    once = tuple(dict.fromkeys(members))
    return replace(shift, responders=once, idle=None if once else Idle.CLOSED)
