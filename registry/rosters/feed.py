"""A responder's duty as iCalendar text, for the calendar on their phone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from registry.rosters.duty import Rosters, duty_of
from registry.rosters.values import How

#: How often a calendar program is asked to look again (RFC 7986, 5.7).
_REFRESH = timedelta(hours=1)
_WHY = {How.SWAP: "exchanged", How.COVER: "standing in", How.REPLACED: "by override"}


def responder_feed(
    rosters: Rosters,
    responder: str,
    from_ms: int,
    to_ms: int,
    *,
    now_ms: int,
    title: str,
    area_names: Mapping[str, str],
) -> str:
    """The shifts of ``responder`` that meet the span. Times are in UTC, so that no program can misread a zone.

    A shift keeps its UID from one call to the next, so that a program that looks again replaces it. What somebody has
    of a plain order is not in it: they are always on call there.
    """
    import icalendar  # here: every process imports the registry, few make a feed

    calendar = icalendar.Calendar()
    calendar.add("PRODID", "-//CareCircle//on call//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("X-WR-CALNAME", title)
    calendar.add("NAME", title)
    calendar.add("REFRESH-INTERVAL", _REFRESH, parameters={"VALUE": "DURATION"})
    for roster, shift in duty_of(rosters, responder, from_ms, to_ms):
        event = icalendar.Event()
        key = f"{roster.id}\0{responder}\0{shift.begin_ms}"
        event.add("UID", f"{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}@carecircle")
        event.add("DTSTAMP", _utc(now_ms))
        event.add("DTSTART", _utc(shift.begin_ms))
        event.add("DTEND", _utc(shift.end_ms))
        event.add("SUMMARY", f"On call: {area_names.get(roster.area, roster.area)}")
        others = [name for name in shift.responders if name != responder]
        why = _WHY.get(shift.how)
        lines = [f"{roster.id}, layer {roster.layer}" + (f", {why} ({shift.by})" if why else "")]
        lines += [f"with {', '.join(others)}"] if others else []
        event.add("DESCRIPTION", "\n".join(lines))
        event.add("TRANSP", "TRANSPARENT")  # being on call is not being busy
        calendar.add_component(event)
    return str(calendar.to_ical().decode())


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC)
