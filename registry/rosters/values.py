"""What a roster is made of, and what it answers. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from registry.rosters.hours import ALWAYS, Hours

DAY_MS = 86_400_000


class How(StrEnum):
    """Why somebody is on call."""

    STANDING = "standing"  # the plain order of the area: always
    ROTATION = "rotation"  # it is their turn
    CALENDAR = "calendar"  # an event of the roster's iCalendar file
    SWAP = "swap"  # two have exchanged their turns
    COVER = "cover"  # in the place of somebody
    REPLACED = "replaced"  # in the place of the whole shift


class Idle(StrEnum):
    """Why a roster has nobody."""

    NO_ORDER = "no_order"  # the area has neither a roster nor a plain order
    NOT_BEGUN = "not_begun"
    ENDED = "ended"
    OUTSIDE_HOURS = "outside_hours"
    NO_EVENT = "no_event"  # the calendar has nobody then
    CLOSED = "closed"  # an override says that nobody is
    UNREADABLE = "unreadable"  # the calendar cannot be expanded
    NO_CHANNEL = "no_channel"  # somebody is on call, and no message can reach them


@dataclass(frozen=True, slots=True)
class Override:
    """What differs from the plan from ``begin_ms`` to ``end_ms``. One of three:

    ``swap``: where one of the two stands the other does. ``instead_of``: in their place ``responders`` stand, while
    they are on. Neither: ``responders`` stand in the place of the whole shift, outside its hours too; none of them
    means that nobody does. Swaps come first, then those who stand in for somebody, then those who replace the shift.
    """

    id: str
    begin_ms: int
    end_ms: int
    responders: tuple[str, ...] = ()
    instead_of: str = ""
    swap: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One event of a calendar, recurrences expanded."""

    begin_ms: int
    end_ms: int
    responders: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Roster:
    """Who is on call by turns.

    Attributes:
        area: whose on-call order it is part of.
        layer: its place in that order; 1 is called first. Of one layer, the id decides.
        zone: in which its local times are.
        start: local, without zone: the first turn begins; the time of day is that of every hand-over.
        end: local; None goes on for ever.
        turn_days: how long a turn is.
        turns: who is on in each turn, first called first; after the last the first follows.
        hours: when somebody is on at all.
        workdays: exceptions from Monday to Friday: False for a holiday, True for a working day at a weekend.
        overrides: in the order in which they are applied within their kind.
        calendar: an iCalendar text in the place of turns and hours; ``names`` says whom its words mean.
        pieces: what was worked out of the rest, by number; it changes no answer.
    """

    id: str
    area: str
    zone: ZoneInfo
    layer: int = 1
    start: datetime = datetime(2000, 1, 3)  # noqa: DTZ001 - local; a Monday
    end: datetime | None = None
    turn_days: int = 7
    turns: tuple[tuple[str, ...], ...] = ()
    hours: Hours = ALWAYS
    workdays: Mapping[date, bool] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()
    calendar: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    pieces: dict[int, tuple[Shift, ...]] = field(default_factory=dict, init=False, repr=False)


@dataclass(frozen=True, slots=True)
class Shift:
    """From ``begin_ms`` to ``end_ms`` (not included) the same people are on, or nobody (``idle`` says why).

    ``by`` is the id of the override that made it so; ``turn_ms`` tells neighbouring turns of the same people apart.
    """

    begin_ms: int
    end_ms: int
    responders: tuple[str, ...] = ()
    how: How = How.ROTATION
    by: str = ""
    idle: Idle | None = None
    turn_ms: int = 0


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Somebody who is on call at an instant.

    ``roster`` is "" and ``layer`` 0 for the plain order of the area, which is called after its rosters. ``until_ms``
    is when they are off in this roster, as far as it was looked ahead; None for the plain order.
    """

    responder: str
    area: str
    layer: int
    roster: str
    how: How
    by: str
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody of the area's own order is on call. ``reasons`` has for each of its rosters (id, why); ``held_by`` is the
    nearest area above that has somebody all this time, "" when none has."""

    area: str
    begin_ms: int
    end_ms: int
    reasons: tuple[tuple[str, Idle], ...]
    held_by: str


@dataclass(frozen=True, slots=True)
class HandOver:
    """At ``at_ms`` other people are on: who went, who came. Neither has who stays."""

    at_ms: int
    area: str
    roster: str
    layer: int
    gone: tuple[str, ...]
    come: tuple[str, ...]
