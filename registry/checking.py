"""Turn rows of text into entries and check what they say about each other. Pure: rows in, entries and problems out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, cast, get_args, get_origin, get_type_hints

import msgspec

from registry.channels import channel_problem
from registry.contacts import contact_mistakes
from registry.entries import (
    LIMITS,
    RELATIONS,
    TYPES,
    ContactEntry,
    DeviceEntry,
    Entry,
    EntryKey,
    HolidayEntry,
    OnCallEntry,
    OverrideEntry,
    PersonEntry,
    PolicyEntry,
    ResponderEntry,
    RosterEntry,
    SilenceEntry,
    VisitEntry,
    key_of,
    parent_of,
)
from registry.keys import PREFIX, is_sealed
from registry.policies import policy_mistakes
from registry.reading import LISTS, Problem, Row
from registry.rosters.compiling import holiday_mistakes, override_mistakes, roster_mistakes
from registry.silences import silence_mistakes
from registry.visits import visit_mistakes

Tables = dict[str, dict[EntryKey, Entry]]

#: In a file: the person has no door code any more.
NO_DOOR_CODE = "-"
#: What is not repeated where it is wrong.
_HIDDEN = frozenset({"door_code", "phone", "channels"})
_NO_KEY = (
    "door_code: door codes are kept encrypted only, and there is no key: name a file in registry.key_file"
    " (CARECIRCLE_REGISTRY__KEY_FILE), let `carecircle registry rotate-key` make the key, and import again"
)
_PLACE = re.compile(r" - at `\$\.?(?P<field>\w*)")


def to_entries(name: str, rows: list[Row]) -> tuple[dict[EntryKey, Entry], dict[EntryKey, Row], list[Problem]]:
    """The entries of one table by key, the row each came from, and what was wrong with the others."""
    kind = TYPES[name]
    entries: dict[EntryKey, Entry] = {}
    origin: dict[EntryKey, Row] = {}
    problems: list[Problem] = []
    for row in rows:
        values = {k: [v] if k in LISTS and isinstance(v, str) else v for k, v in row.values.items()}
        try:
            entry: Entry = msgspec.convert(values, kind, strict=False)
        except msgspec.ValidationError as error:
            problems.append(_in_words(kind, row, str(error)))
            continue
        key = key_of(entry)
        if key in entries:
            first = origin[key]
            problems.append(row.problem(f"{key!r} stands in {first.file}:{first.line} already"))
            continue
        entries[key] = entry
        origin[key] = row
    if name == "on_call":
        return *_renumbered(entries, origin), problems
    return entries, origin, problems


def _renumbered(
    entries: dict[EntryKey, Entry], origin: dict[EntryKey, Row]
) -> tuple[dict[EntryKey, Entry], dict[EntryKey, Row]]:
    """Positions as 1, 2, 3 in each area: only the order counts, so that 10, 20, 30 is the same as it."""
    counts: dict[str, int] = {}
    numbered: dict[EntryKey, Entry] = {}
    lines: dict[EntryKey, Row] = {}
    for key in sorted(entries, key=lambda key: (key[0], int(key[1]))):
        entry = entries[key]
        assert isinstance(entry, OnCallEntry)
        counts[entry.area] = position = counts.get(entry.area, 0) + 1
        numbered[entry.area, position] = msgspec.structs.replace(entry, position=position)
        lines[entry.area, position] = origin[key]
    return numbered, lines


def _in_words(kind: type[Entry], row: Row, text: str) -> Problem:
    place = _PLACE.search(text)
    field_name = place["field"] if place else None
    message = text[: place.start()] if place else text
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown and not field_name:
        return row.problem(f"there is no field {unknown[1]!r}", unknown[1])
    missing = re.fullmatch(r"Object missing required field `(.*)`", message)
    if missing and not field_name:
        return row.problem(f"{missing[1]} is missing", missing[1])
    value = row.values.get(field_name or "")
    of = get_type_hints(kind).get(field_name or "")
    if get_origin(of) is Literal and message.startswith("Invalid enum value"):
        names = ", ".join(str(name) for name in get_args(of) if name)
        return row.problem(f"{field_name}: {value!r} is none of {names}", field_name)
    said = f" (it is {value!r})" if isinstance(value, str) and field_name not in _HIDDEN else ""
    return row.problem(f"{field_name}: {message}{said}" if field_name else message, field_name)


def check_references(tables: Tables, blame: Callable[[str, EntryKey, str | None, str], None]) -> None:
    """Call ``blame(table, key, field, message)`` for each entry that names something that is not there."""
    areas: Mapping[EntryKey, Entry] = tables["areas"]
    people, responders = tables["people"], tables["responders"]
    root, *others = sorted(
        (str(path) for path in areas if parent_of(str(path)) not in areas), key=lambda top: (top.count("."), top)
    ) or [""]
    for path in others:
        up = parent_of(path)
        advice = f"has no parent: add {up!r}" if up else f"stands beside {root!r}: put one area above all others"
        blame("areas", path, "path", f"{path!r} {advice}")

    def known_area(name: str, key: EntryKey, path: str | None) -> None:
        if path is not None and path not in areas:
            blame(name, key, "area", f"there is no area {path!r}: add it to areas, or correct the path")

    for key, entry in people.items():
        assert isinstance(entry, PersonEntry)
        known_area("people", key, entry.area)
        for name in entry.limits:
            if name not in LIMITS:
                blame("people", key, "limits", f"limits: there is no limit {name!r}, only {', '.join(LIMITS)}")
    for key, entry in responders.items():
        assert isinstance(entry, ResponderEntry)
        known_area("responders", key, entry.area)
        for channel in entry.channels:
            wrong = channel_problem(channel)
            if wrong is None and channel.type == "siren" and channel.url not in tables["devices"]:
                wrong = f"there is no device {channel.url!r}: add the siren to devices"
            if wrong:
                blame("responders", key, "channels", wrong)
    for key, contact in cast("dict[EntryKey, ContactEntry]", tables["contacts"]).items():
        for field_name, message in contact_mistakes(contact, people, responders):
            blame("contacts", key, field_name, message)
    for key, entry in tables["devices"].items():
        assert isinstance(entry, DeviceEntry)
        known_area("devices", key, entry.area)
        if entry.person is not None and entry.person not in people:
            blame("devices", key, "person", f"there is no person {entry.person!r}: add them, or leave person empty")
    called: set[tuple[str, str]] = set()
    for key, entry in tables["on_call"].items():
        assert isinstance(entry, OnCallEntry)
        known_area("on_call", key, entry.area)
        if entry.responder not in responders:
            blame("on_call", key, "responder", f"there is no responder {entry.responder!r}: add them to responders")
        if (entry.area, entry.responder) in called:
            blame("on_call", key, "responder", f"{entry.responder!r} stands twice in the order of {entry.area!r}")
        called.add((entry.area, entry.responder))
    _check_rosters(tables, known_area, blame)
    policies = cast("dict[str, PolicyEntry]", tables["policies"])
    contacts = cast("dict[EntryKey, ContactEntry]", tables["contacts"])
    relations = {*RELATIONS, *(contact.relation for contact in contacts.values())}
    for name, policy in policies.items():
        known_area("policies", name, policy.area)
        known = cast("dict[str, ResponderEntry]", responders)
        for field_name, message in policy_mistakes(policy, policies.values(), known, relations):
            blame("policies", name, field_name, message)
    for name, silence in cast("dict[str, SilenceEntry]", tables["silences"]).items():
        known_area("silences", name, silence.area)
        if silence.person is not None and silence.person not in people:
            blame("silences", name, "person", f"there is no person {silence.person!r}: correct the key")
        if silence.device is not None and silence.device not in tables["devices"]:
            blame("silences", name, "device", f"there is no device {silence.device!r}: correct the id")
        for field_name, message in silence_mistakes(silence):
            blame("silences", name, field_name, message)
    for name, plan in cast("dict[str, VisitEntry]", tables["visits"]).items():
        for field_name, message in visit_mistakes(plan):
            blame("visits", name, field_name, message)
        if plan.person not in people:
            blame("visits", name, "person", f"there is no person {plan.person!r}: add them to people")
        if plan.responder and plan.responder not in responders:
            blame("visits", name, "responder", f"there is no responder {plan.responder!r}: add them, or leave it empty")


def check_secrets(tables: Tables, blame: Callable[[str, EntryKey, str | None, str], None], *, sealing: bool) -> None:
    """Call ``blame`` for door codes that would lie open in the database, and for texts that look like sealed ones."""
    for name in ("people", "responders"):
        for key, entry in tables[name].items():
            assert isinstance(entry, (PersonEntry, ResponderEntry))
            code = entry.door_code if isinstance(entry, PersonEntry) else ""
            if code and not sealing:
                blame(name, key, "door_code", _NO_KEY)
            for field_name, text in (("phone", entry.phone), ("door_code", code)):
                if is_sealed(text):
                    blame(name, key, field_name, f"{field_name}: it cannot begin with {PREFIX!r}")


def _check_rosters(
    tables: Tables,
    known_area: Callable[[str, EntryKey, str | None], None],
    blame: Callable[[str, EntryKey, str | None, str], None],
) -> None:
    responders = cast("dict[str, ResponderEntry]", tables["responders"])
    rosters = cast("dict[str, RosterEntry]", tables["rosters"])
    for key, holiday in cast("dict[EntryKey, HolidayEntry]", tables["holidays"]).items():
        known_area("holidays", key, holiday.area)
        for field_name, message in holiday_mistakes(holiday):
            blame("holidays", key, field_name, message)
    for name, roster in rosters.items():
        known_area("rosters", name, roster.area)
        for field_name, message in roster_mistakes(roster, responders):
            blame("rosters", name, field_name, message)
    for name, override in cast("dict[str, OverrideEntry]", tables["roster_overrides"]).items():
        for field_name, message in override_mistakes(override, rosters, responders):
            blame("roster_overrides", name, field_name, message)
