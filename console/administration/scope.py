"""What of the registry somebody may write: in their areas, by their permissions, naming whom they know. Pure."""

from __future__ import annotations

from console.access.rules import Permission
from console.access.viewer import Viewer
from registry.changing import compare
from registry.checking import Tables
from registry.entries import Entry, EntryKey, PersonEntry
from registry.placing import Blame, Judge, places_of, responder_area, responders_named

#: What writing a table needs; the others need REGISTRY_WRITE.
_NEEDS = {
    "policies": Permission.POLICIES_WRITE,
    "silences": Permission.POLICIES_WRITE,
    "on_call": Permission.ROSTERS_WRITE,
    "holidays": Permission.ROSTERS_WRITE,
    "rosters": Permission.ROSTERS_WRITE,
    "roster_overrides": Permission.ROSTERS_WRITE,
}
_THRESHOLDS = ("fall_point", "spo2_scale", "limits")
NOT_YOURS = "is not in your areas: leave it out, or ask somebody who has them"
NOT_ALLOWED = "may be written by another role only: leave it out"
BY_CLINICIANS = "is set by clinicians: leave it as it is"


def needed_for(table: str) -> Permission:
    """What somebody needs who writes a table."""
    return _NEEDS.get(table, Permission.REGISTRY_WRITE)


def sees_row(viewer: Viewer, entry: Entry, tables: Tables) -> bool:
    """Whether a row lies in their areas, with all that it lies in."""
    return viewer.everywhere or all(viewer.sees(area) for area in places_of(entry, tables))


def judge_of(viewer: Viewer) -> Judge:
    """Blames what ``viewer`` may not write. What lies elsewhere is not there: who is named from there is unknown."""

    def judge(before: Tables, after: Tables, given: Tables, blame: Blame) -> None:
        for table, entries in given.items():
            for key, entry in entries.items():
                _judge_row(table, key, entry, before, after, blame)
        if viewer.everywhere:
            return
        for change in compare(before, after):
            if change.key in given.get(change.table, {}):
                continue
            was = before[change.table].get(change.key)
            if was is not None and not sees_row(viewer, was, before):
                blame(change.table, change.key, None, NOT_YOURS)

    def _judge_row(table: str, key: EntryKey, entry: Entry, before: Tables, after: Tables, blame: Blame) -> None:
        was = before[table].get(key)
        if not viewer.may(needed_for(table)):
            blame(table, key, None, NOT_ALLOWED)
            return
        if isinstance(entry, PersonEntry) and not viewer.may(Permission.PEOPLE_THRESHOLDS):
            usual = (
                was if isinstance(was, PersonEntry) else PersonEntry(key=entry.key, name=entry.name, area=entry.area)
            )
            for name in _THRESHOLDS:
                if getattr(entry, name) != getattr(usual, name):
                    blame(table, key, name, f"{name} {BY_CLINICIANS}")
        if viewer.everywhere:
            return
        if not sees_row(viewer, entry, after) or (was is not None and not sees_row(viewer, was, before)):
            field = next((name for name in ("area", "person", "device", "roster") if getattr(entry, name, None)), None)
            blame(table, key, field, NOT_YOURS)
            return
        places = [area for area in places_of(entry, after) if area is not None]
        for name, responder in responders_named(entry):
            home = responder_area(after, responder)
            above = home is not None and any(place == home or place.startswith(f"{home}.") for place in places)
            if not above and not viewer.sees(home):
                blame(table, key, name, f"there is no responder {responder!r}: add them to responders")

    return judge
