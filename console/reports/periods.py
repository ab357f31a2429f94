"""Which days a report is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from alerts.reporting import instants_of

#: Longer ones are for the command line.
MOST_DAYS = 800


class Span(StrEnum):
    """What can be chosen."""

    TODAY = "today"
    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "quarter"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole local days, the last included. ``wrong``: why what was asked for is not it (``day``, ``order``, ``long``);
    "" where it is."""

    span: Span
    first: date
    last: date
    from_ms: int
    to_ms: int
    wrong: str = ""


def period_of(span: str, since: str, until: str, now_ms: int, zone: ZoneInfo) -> Period:
    """The period asked for; the last 30 days where it cannot be."""
    today = datetime.fromtimestamp(now_ms / 1000, zone).date()
    chosen = Span(span) if span in tuple(Span) else Span.CUSTOM if since or until else Span.MONTH
    if chosen is not Span.CUSTOM:
        return _days(chosen, _FIRST[chosen](today), today, zone)
    try:
        last = date.fromisoformat(until) if until else today
        first = date.fromisoformat(since) if since else last - timedelta(days=29)
    except (ValueError, OverflowError):
        return _instead(today, zone, "day")
    if not date(1970, 1, 2) <= first <= last <= date(9990, 1, 1):
        return _instead(today, zone, "order")
    if (last - first).days >= MOST_DAYS:
        return _instead(today, zone, "long")
    return _days(chosen, first, last, zone)


_FIRST = {
    Span.TODAY: lambda today: today,
    Span.WEEK: lambda today: today - timedelta(days=6),
    Span.MONTH: lambda today: today - timedelta(days=29),
    Span.QUARTER: lambda today: today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1),
}


def _days(span: Span, first: date, last: date, zone: ZoneInfo, wrong: str = "") -> Period:
    return Period(span, first, last, *instants_of(first, last, zone), wrong)


def _instead(today: date, zone: ZoneInfo, wrong: str) -> Period:
    return _days(Span.CUSTOM, today - timedelta(days=29), today, zone, wrong)
