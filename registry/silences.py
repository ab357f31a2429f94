"""Silences: for what nobody is called from one instant to another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from registry.entries import SilenceEntry
from registry.errors import RosterError
from registry.rosters.compiling import zone_of
from registry.rosters.hours import parse_local

#: What no silence holds back.
NEVER_SILENT = frozenset({"sos"})
#: Longer than this nothing is silent by mistake: it is written anew.
_LONGEST_MS = 92 * 86_400_000


def silence_of(
    silences: Iterable[SilenceEntry], *, area: str, person: str | None, device: str, kind: str, at_ms: int
) -> SilenceEntry | None:
    """The silence that holds for a finding at an instant; None: it is told. An area's holds for all below it."""
    if kind in NEVER_SILENT:
        return None
    for entry in silences:
        here = entry.area is not None and (area == entry.area or area.startswith(entry.area + "."))
        who = entry.person is not None and person == entry.person
        if (here or who or device == entry.device) and (not entry.kinds or kind in entry.kinds):
            zone = ZoneInfo(entry.zone)
            if parse_local(entry.begin, zone) <= at_ms < parse_local(entry.end, zone):
                return entry
    return None


def silence_mistakes(entry: SilenceEntry) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) for each mistake that the types cannot see."""
    if sum(one is not None for one in (entry.area, entry.person, entry.device)) != 1:
        yield "id", "a silence is for one of area, person and device: name exactly one"
    for kind in sorted(NEVER_SILENT & set(entry.kinds)):
        yield "kinds", f"kinds: {kind!r} is never silent"
    times: dict[str, int] = {}
    try:
        zone = zone_of(entry.zone)
    except RosterError as error:
        yield "zone", f"zone: {error}"
        return
    for name, text in (("begin", entry.begin), ("end", entry.end)):
        try:
            times[name] = parse_local(text, zone)
        except RosterError as error:
            yield name, f"{name}: {error}"
    if len(times) == 2 and not times["begin"] < times["end"] <= times["begin"] + _LONGEST_MS:
        yield "end", f"end: {entry.end} is not within the 92 days after {entry.begin}"
