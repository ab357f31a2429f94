"""Local times: hours such as ``mon-fri 08:00-18:00``, and what instants they are on which day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from registry.errors import RosterError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ALL = frozenset(range(7))
_FORM = re.compile(r"(?P<days>[a-z,\- ]*?)\s*(?P<begin>\d\d?:\d\d)\s*-\s*(?P<end>\d\d?:\d\d)")
_DAY_MINUTES = 24 * 60
Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """The same hours of some days. ``end_min`` beyond 1440 lies on the next day.

    ``workday``: True for working days only, False for days off only, None for the ``weekdays`` whatever they are.
    """

    weekdays: frozenset[int]
    begin_min: int
    end_min: int
    workday: bool | None = None

    def holds(self, day: date, workdays: Mapping[date, bool]) -> bool:
        """Whether the window begins on ``day``."""
        if self.workday is None:
            return day.weekday() in self.weekdays
        return is_workday(day, workdays) is self.workday


@dataclass(frozen=True, slots=True)
class Hours:
    """All windows together; none at all means always."""

    windows: tuple[Window, ...]


ALWAYS = Hours(())


def is_workday(day: date, exceptions: Mapping[date, bool]) -> bool:
    """Monday to Friday, unless the exceptions say otherwise."""
    return exceptions.get(day, day.weekday() < 5)


def parse_hours(texts: Iterable[str]) -> Hours:
    """Texts such as ``mon-fri 08:00-18:00``, ``sat,sun 00:00-24:00``, ``workday 22:00-06:00``, or ``20:00-08:00``.

    Hours that end no later than they begin end on the next day. They belong to the day on which they begin.

    Raises:
        RosterError: with the text that is none.
    """
    return Hours(tuple(_window(text) for text in texts))


def _window(text: str) -> Window:
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise RosterError(
            text, "is no hours: write them like 'mon-fri 08:00-18:00', in quotes where a comma stands in them"
        )
    begin, end = _minute(found["begin"], text), _minute(found["end"], text)
    if end <= begin:
        end += _DAY_MINUTES
    if begin >= _DAY_MINUTES:
        raise RosterError(text, "begins at 24:00: write 00:00 of the next day")
    days = found["days"].replace(" ", "")
    if days in ("workday", "workdays"):
        return Window(frozenset(), begin, end, workday=True)
    if days in ("restday", "restdays"):
        return Window(frozenset(), begin, end, workday=False)
    if days in ("", "daily"):
        return Window(_ALL, begin, end)
    return Window(_weekdays(days, text), begin, end)


def _weekdays(days: str, text: str) -> frozenset[int]:
    chosen: set[int] = set()
    for part in days.split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise RosterError(text, f"names the day {part!r}: there are {', '.join(_DAYS)}, daily, workday, restday")
        at, end = _DAYS.index(first), _DAYS.index(last or first)
        chosen.update((at + step) % 7 for step in range((end - at) % 7 + 1))
    return frozenset(chosen)


def _minute(clock: str, text: str) -> int:
    hour, minute = (int(part) for part in clock.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY_MINUTES:
        raise RosterError(text, f"has no time of day {clock}: they go from 00:00 to 24:00")
    return hour * 60 + minute


def instant_ms(local: datetime, zone: ZoneInfo) -> int:
    """The instant of a local time, as RFC 5545 (3.3.5) has it: one that comes twice is the first; one that is skipped
    counts as if the clock had not been changed yet (02:30 is 03:30)."""
    return round(local.replace(tzinfo=zone, fold=0).timestamp() * 1000)


def local_time(at_ms: int, zone: ZoneInfo) -> datetime:
    """The local time of an instant, without zone."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(zone).replace(tzinfo=None)


def parse_local(text: str, zone: ZoneInfo) -> int:
    """The instant of ``2026-03-02T08:00``, local in ``zone`` unless an offset stands with it, or of a day (00:00).

    Raises:
        RosterError: with the text that is none.
    """
    try:
        said = datetime.fromisoformat(text)
        return instant_ms(said, zone) if said.tzinfo is None else round(said.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise RosterError(text, "is no time: write it like 2026-03-02T08:00") from None


def open_intervals(
    hours: Hours, workdays: Mapping[date, bool], zone: ZoneInfo, from_ms: int, to_ms: int
) -> list[Interval]:
    """When the hours hold between two instants: in order, none touching the next."""
    if not hours.windows:
        return [(from_ms, to_ms)]
    # a window of the day before may reach in, and clocks may be moved back over midnight
    day = local_time(from_ms, zone).date() - timedelta(days=2)
    last = local_time(to_ms, zone).date() + timedelta(days=1)
    found: list[Interval] = []
    while day <= last:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - local
        for window in hours.windows:
            if window.holds(day, workdays):
                begin_ms = instant_ms(midnight + timedelta(minutes=window.begin_min), zone)
                end_ms = instant_ms(midnight + timedelta(minutes=window.end_min), zone)
                found.append((begin_ms, end_ms))
        day += timedelta(days=1)
    return clip(found, from_ms, to_ms)


def clip(intervals: Iterable[Interval], from_ms: int, to_ms: int) -> list[Interval]:
    """The intervals joined where they touch, and cut to a span."""
    joined: list[Interval] = []
    for begin_ms, end_ms in sorted((max(begin, from_ms), min(end, to_ms)) for begin, end in intervals):
        if begin_ms >= end_ms:
            continue
        if joined and begin_ms <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_ms))
        else:
            joined.append((begin_ms, end_ms))
    return joined


def without(intervals: Iterable[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """What of the intervals is not ``taken``. Both in order."""
    left: list[Interval] = []
    taken = list(taken)
    for begin_ms, end_ms in intervals:
        at_ms = begin_ms
        for taken_from, taken_to in taken:
            if taken_to <= at_ms or taken_from >= end_ms:
                continue
            if taken_from > at_ms:
                left.append((at_ms, taken_from))
            at_ms = max(at_ms, taken_to)
        if at_ms < end_ms:
            left.append((at_ms, end_ms))
    return left
