"""Where rows lie, and whom they name: for who may write in some areas only. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from registry.checking import Tables
from registry.entries import (
    AreaEntry,
    ContactEntry,
    DeviceEntry,
    Entry,
    EntryKey,
    OnCallEntry,
    OverrideEntry,
    PersonEntry,
    PolicyEntry,
    ResponderEntry,
    RosterEntry,
    SilenceEntry,
    VisitEntry,
)
from registry.rosters.compiling import members_of

#: Says (table, key, field, message) of a row.
Blame = Callable[[str, EntryKey, str | None, str], None]
#: Looks at (before, after, given, blame): the registry as it is and as it would be, and the rows that were given.
Judge = Callable[[Tables, Tables, Tables, Blame], None]


def places_of(entry: Entry, tables: Tables) -> list[str | None]:
    """The areas in which a row is; None for one that lies nowhere, or with somebody who is not there."""
    match entry:
        case AreaEntry():
            return [entry.path]
        case DeviceEntry():
            owner = [_area(tables["people"], entry.person)] if entry.person is not None else []
            return [*owner, *([entry.area] if entry.area is not None else [])] or [None]
        case ContactEntry() | VisitEntry():
            return [_area(tables["people"], entry.person)]
        case OverrideEntry():
            return [_area(tables["rosters"], entry.roster)]
        case SilenceEntry():
            return _of_silence(entry, tables)
        case _:
            return [entry.area]


def _of_silence(entry: SilenceEntry, tables: Tables) -> list[str | None]:
    found: list[str | None] = [entry.area] if entry.area is not None else []
    if entry.person is not None:
        found.append(_area(tables["people"], entry.person))
    if entry.device is not None:
        device = tables["devices"].get(entry.device)
        found += [None] if device is None else places_of(device, tables)
    return found or [None]


def responders_named(entry: Entry) -> Iterator[tuple[str, str]]:
    """(field, id) of each responder that a row has called or told."""
    match entry:
        case ContactEntry() | OnCallEntry():
            yield "responder", entry.responder
        case VisitEntry() if entry.responder:
            yield "responder", entry.responder
        case OverrideEntry():
            yield from (("responders", one) for one in entry.responders)
            yield from (("swap", one) for one in entry.swap)
        case RosterEntry():
            yield from (("turns", one) for turn in entry.turns for one in members_of(turn))
        case PolicyEntry():
            yield from (("steps", one) for step in entry.steps for one in step.responders)


def responder_area(tables: Tables, responder: str) -> str | None:
    """Where a responder belongs; None for one that is not there."""
    return _area(tables["responders"], responder)


def _area(table: Mapping[Any, Entry], key: str) -> str | None:
    found = table.get(key)
    return found.area if isinstance(found, (PersonEntry, ResponderEntry, RosterEntry)) else None
