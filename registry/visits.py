"""When recurring visits and calls are due, in local time. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from registry.entries import VisitEntry

_DAYS = {"day": 1, "week": 7}


def visit_mistakes(entry: VisitEntry) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) of a plan."""
    try:
        ZoneInfo(entry.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "zone", f"there is no time zone {entry.zone!r}: give an IANA name such as Asia/Shanghai"
    starts, ends = (_local(text) for text in (entry.start, entry.end))
    if starts is None:
        yield "start", f"start {entry.start!r} is no local time: write 2026-03-02T10:00, without an offset"
    if entry.end and ends is None:
        yield "end", f"end {entry.end!r} is no local time: write 2026-03-02T10:00, without an offset"
    if starts is not None and ends is not None and ends < starts:
        yield "end", f"end {entry.end} lies before start {entry.start}"


def due_ms(plan: VisitEntry, number: int) -> int:
    """When a plan is due for the ``number``-th time, from 0.

    The hour on the wall stays the same over changes of the clocks; one that the change leaves out moves on by as much,
    one that comes twice is the first. A month without the day has its last: from the 31st on, the 28th in February.
    """
    start = _local(plan.start)
    assert start is not None  # the import has checked it
    return round(_nth(plan, start, number).replace(tzinfo=ZoneInfo(plan.zone)).timestamp() * 1000)


def last_due(plan: VisitEntry, at_ms: int) -> int | None:
    """The number of the last time that a plan was due at or before an instant; None when it was not yet."""
    start, end = _local(plan.start), _local(plan.end)
    assert start is not None
    if end is not None:
        at_ms = min(at_ms, round(end.replace(tzinfo=ZoneInfo(plan.zone)).timestamp() * 1000) - 1)
    number = _guess(plan, start, at_ms)
    while due_ms(plan, number + 1) <= at_ms:
        number += 1
    while number >= 0 and due_ms(plan, number) > at_ms:
        number -= 1
    return number if number >= 0 else None


def next_due(plan: VisitEntry, after_ms: int) -> int | None:
    """The number of the first time that it is due after an instant; None when it has ended."""
    last = last_due(plan, after_ms)
    number = 0 if last is None else last + 1
    start, end = _local(plan.start), _local(plan.end)
    assert start is not None
    return None if end is not None and _nth(plan, start, number) >= end else number


def deadline_ms(plan: VisitEntry, number: int) -> int:
    """From when on it is missed."""
    return due_ms(plan, number) + round(plan.within_h * 3_600_000)


def _nth(plan: VisitEntry, start: datetime, number: int) -> datetime:
    steps = number * plan.every
    if plan.unit in _DAYS:
        return start + timedelta(days=steps * _DAYS[plan.unit])
    year, month = divmod(start.year * 12 + start.month - 1 + steps, 12)
    return start.replace(year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1]))


def _guess(plan: VisitEntry, start: datetime, at_ms: int) -> int:
    """The right number, or one or two below it."""
    at = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(plan.zone)).replace(tzinfo=None)
    if plan.unit in _DAYS:
        return max(-1, (at - start).days // (plan.every * _DAYS[plan.unit]) - 1)
    return max(-1, ((at.year - start.year) * 12 + at.month - start.month) // plan.every - 1)


def _local(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is None and found.year < 3000 else None
