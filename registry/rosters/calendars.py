"""iCalendar (RFC 5545): whom the events of a calendar put on call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from registry.errors import CalendarError
from registry.rosters.hours import instant_ms
from registry.rosters.values import CalendarEvent

#: A calendar is a few shifts and their exceptions. More than this is a mistake, and would hold up every import.
MAX_CHARACTERS = 1 << 20
#: Rules that repeat within a day would be expanded to thousands of events.
_FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
#: Between people in a summary.
_BETWEEN = re.compile(r"[,;+&/、，；]")
#: Whole days and times without a zone may lie this far from what UTC has.
_MARGIN = timedelta(days=2)


def events_between(
    text: str, names: Mapping[str, str], zone: ZoneInfo, hand_over: timedelta, from_ms: int, to_ms: int
) -> list[CalendarEvent]:
    """The events that meet a span, in order; recurrences, exceptions and moved ones as their rules say.

    Whole days go from ``hand_over`` after midnight to the same time after their last day. Times without a zone are in
    ``zone``. Cancelled events, and those that name nobody, are none.

    Raises:
        CalendarError: this is no calendar. :func:`check_calendar` tells so before.
    """
    try:
        return _expanded(_query(text), names, zone, hand_over, from_ms, to_ms)
    except CalendarError:
        raise
    except Exception as error:  # the library lets through what its parts raise
        raise CalendarError(text[:40], f"cannot be expanded: {error!r}", 0) from error


def _expanded(
    query: Any, names: Mapping[str, str], zone: ZoneInfo, hand_over: timedelta, from_ms: int, to_ms: int
) -> list[CalendarEvent]:
    first = datetime.fromtimestamp(from_ms / 1000, tz=UTC) - _MARGIN
    last = datetime.fromtimestamp(to_ms / 1000, tz=UTC) + _MARGIN
    found = []
    for event in query.between(first, last):
        people, _ = people_of(event, names)
        begin_ms, end_ms = (_instant(moment, zone, hand_over) for moment in (event.start, event.end))
        if people and not _cancelled(event) and begin_ms < end_ms and begin_ms < to_ms and end_ms > from_ms:
            found.append(CalendarEvent(begin_ms, end_ms, people))
    return sorted(found, key=lambda event: (event.begin_ms, event.end_ms, event.responders))


def known_names(people: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What a calendar may call each (id, name): its id, and its name where nobody else has it. Case does not count."""
    pairs = list(people)
    counts: dict[str, int] = {}
    for _, name in pairs:
        counts[name.strip().lower()] = counts.get(name.strip().lower(), 0) + 1
    named = {name.strip().lower(): one for one, name in pairs if counts[name.strip().lower()] == 1}
    return {**named, **{one.lower(): one for one, _ in pairs}}


def people_of(event: Any, names: Mapping[str, str]) -> tuple[tuple[str, ...], list[str]]:
    """The responders that an event names, and the words of its summary that nobody is called by.

    Attendees by their common name or what stands before the @; where none of them is known, the summary.
    """
    attendees = event.get("ATTENDEE", [])
    attendees = attendees if isinstance(attendees, list) else [attendees]
    known = [names[word] for attendee in attendees for word in _words_of(attendee) if word in names]
    if known:
        return tuple(dict.fromkeys(known)), []
    summary = str(event.get("SUMMARY", "")).rpartition(":")[2].strip()
    if summary.lower() in names:
        return (names[summary.lower()],), []
    words = [word.strip() for word in _BETWEEN.split(summary) if word.strip()]
    people = tuple(dict.fromkeys(names[word.lower()] for word in words if word.lower() in names))
    return people, [word for word in words if word.lower() not in names]


def _words_of(attendee: Any) -> Iterator[str]:
    common = getattr(attendee, "params", {}).get("CN")
    if common:
        yield str(common).strip().lower()
    yield re.sub(r"^mailto:", "", str(attendee), flags=re.IGNORECASE).partition("@")[0].strip().lower()


def check_calendar(text: str, names: Mapping[str, str]) -> list[tuple[int, str]]:
    """What is wrong with a calendar: (line, in words). [] when nothing is."""
    try:
        calendar = _parsed(text)
    except CalendarError as error:
        return [(error.line, str(error))]
    events = calendar.walk("VEVENT")
    wrong = [] if events else [(0, "has no events")]
    for event, lines in zip(events, _lines_of_events(text), strict=False):
        wrong += [(lines.get(name, lines[""]), message) for name, message in _all_mistakes(event, names)]
    if not wrong:
        try:
            _query(text).at((2026, 1, 1))  # rules are read only here
        except Exception as error:  # the library lets through what its parts raise
            wrong.append((0, f"is no usable calendar: {error}"))
    return sorted(wrong)


def _all_mistakes(event: Any, names: Mapping[str, str]) -> list[tuple[str, str]]:
    try:
        return list(_mistakes(event, names))
    except Exception as error:  # twice what must stand there once, a begin without and an end with a zone ...
        return [("", f"the event cannot be used: {error}")]


def _mistakes(event: Any, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((str(name), f"{name}: {message}") for name, message in event.errors)
    if event.errors or _cancelled(event):
        return
    if "DTSTART" not in event:
        yield "", "the event has no DTSTART"
        return
    rules = event.get("RRULE", [])
    for rule in rules if isinstance(rules, list) else [rules]:
        for frequency in rule.get("FREQ", []):
            if str(frequency) not in _FREQUENCIES:
                yield "RRULE", f"repeats {frequency}: a shift repeats daily, weekly, monthly or yearly"
    if "DTEND" not in event and "DURATION" not in event and isinstance(event["DTSTART"].dt, datetime):
        yield "DTSTART", "the event has no end: it puts nobody on call"
    elif event.end <= event.start:
        yield "DTEND", "the event ends before it begins"
    people, unknown = people_of(event, names)
    said = str(event.get("SUMMARY", ""))
    if unknown:
        yield "SUMMARY", f"the event {said!r} names {unknown[0]!r}: there is no responder of this id or name"
    elif not people:
        yield "SUMMARY", f"the event {said!r} names no responder: write their ids or names into its summary"


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    if len(text) > MAX_CHARACTERS:
        raise CalendarError(f"{len(text)} characters", f"are too many: a calendar has at most {MAX_CHARACTERS}", 0)
    import icalendar  # here and below: every process imports the registry, few meet a calendar

    try:
        return icalendar.Calendar.from_ical(text)
    except Exception as error:  # the library lets through what its parts raise
        message = " ".join(str(error).split())
        raise CalendarError(text[:40], f"is no calendar: {message}", _line_named(text, message)) from None


@lru_cache(maxsize=64)
def _query(text: str) -> Any:
    import recurring_ical_events

    return recurring_ical_events.of(_parsed(text))


def _line_named(text: str, message: str) -> int:
    """The line that a message of the library quotes, or 0."""
    quoted = re.search(r"'(.+?)'", message)
    lines = text.splitlines()
    return next((at for at, line in enumerate(lines, start=1) if quoted and line.startswith(quoted[1])), 0)


def _lines_of_events(text: str) -> list[dict[str, int]]:
    """For each event, in order, the line of each property ("" is the line where it begins)."""
    found: list[dict[str, int]] = []
    inside = False
    for at, line in enumerate(text.splitlines(), start=1):
        word = line.strip().upper()
        if word == "BEGIN:VEVENT":
            found.append({"": at})
            inside = True
        elif word == "END:VEVENT":
            inside = False
        elif inside and not line.startswith((" ", "\t")):
            found[-1].setdefault(re.split("[:;]", word, maxsplit=1)[0], at)
    return found


def _instant(moment: date | datetime, zone: ZoneInfo, hand_over: timedelta) -> int:
    if not isinstance(moment, datetime):
        return instant_ms(datetime(moment.year, moment.month, moment.day) + hand_over, zone)  # noqa: DTZ001 - local
    return instant_ms(moment, zone) if moment.tzinfo is None else round(moment.timestamp() * 1000)


def _cancelled(event: Any) -> bool:
    return str(event.get("STATUS", "")).upper() == "CANCELLED"
