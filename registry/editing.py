"""Change a row at a time, by the same rules as an import: what goes with it, what is wrong, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, select

from registry.changing import Change, apply, changed_people, compare
from registry.checking import Tables, check_references, check_secrets, to_entries
from registry.contacts import Home, split_contacts
from registry.entries import (
    TYPES,
    ContactEntry,
    DeviceEntry,
    Entry,
    EntryKey,
    OnCallEntry,
    PersonEntry,
    ResponderEntry,
    SilenceEntry,
    VisitEntry,
    key_of,
)
from registry.placing import Judge
from registry.reading import Row
from registry.rows import TABLES, load_table, raise_revision, read_revision
from registry.sealing import keys_of, open_row
from registry.thresholds import record_changes


@dataclass(frozen=True, slots=True)
class Mistake:
    """What keeps a row from being written: which, in which field ("" for the row), and why."""

    table: str
    key: EntryKey
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What a change of rows does or did. With ``mistakes`` nothing was written."""

    changes: list[Change]
    mistakes: list[Mistake]
    before: Tables
    after: Tables
    revision: int
    applied: bool


def read_entry(table: str, values: Mapping[str, Any]) -> tuple[Entry | None, list[Mistake]]:
    """A row as an import would take it, from texts; or what is wrong with it."""
    names = list(values)
    row = Row("", 0, dict(values), {name: number for number, name in enumerate(names, start=1)})
    entries, _, problems = to_entries(table, [row])
    if not problems:
        return next(iter(entries.values())), []
    return None, [
        Mistake(table, "", names[one.line - 1] if one.line else one.message.partition(" ")[0], one.message)
        for one in problems
    ]


def read_contact(values: Mapping[str, Any], homes: Mapping[str, Home]) -> tuple[list[tuple[str, Entry]], list[Mistake]]:
    """A contact from texts; with a ``name`` also the responder that it makes. The position stays as it is given."""
    row = Row("", 0, dict(values))
    links, made, problems = split_contacts([row], homes)
    if problems:
        field = "person" if "person" in problems[0].message else "name"
        return [], [Mistake("contacts", "", field, problems[0].message)]
    found: list[tuple[str, Entry]] = []
    mistakes: list[Mistake] = []
    for table, rows in (("responders", made), ("contacts", links)):
        for one in rows:
            if table == "contacts" and "position" in values:
                one.values["position"] = values["position"]
            entry, wrong = read_entry(table, one.values)
            mistakes += wrong
            found += [(table, entry)] if entry is not None else []
    return found, mistakes


def load_entry(connection: Connection, table: str, key: EntryKey) -> Entry | None:
    """One row with its secrets; None where there is none.

    Raises:
        SealedError: a secret cannot be opened.
    """
    kind, columns = TYPES[table], TABLES[table]
    keys = key if isinstance(key, tuple) else (key,)
    where = [column == one for column, one in zip(columns.primary_key.columns, keys, strict=True)]
    found = connection.execute(select(*(columns.c[name] for name in kind.__struct_fields__)).where(*where)).first()
    if found is None:
        return None
    row = dict(zip(kind.__struct_fields__, found, strict=True))
    entry: Entry = msgspec.convert(open_row(keys_of(connection), table, str(keys[0]), row), kind)
    return entry


def edit_rows(
    connection: Connection,
    rows: Sequence[tuple[str, Entry]],
    gone: Sequence[tuple[str, EntryKey]] = (),
    *,
    write: bool,
    who: str,
    now_ms: int,
    judge: Judge | None = None,
) -> Edit:
    """Put ``rows`` into their tables and take those ``gone`` out, with what cannot stay without them.

    The contacts, visits and silences of somebody go with them, and their devices stay in the area; contacts and places
    in on-call orders go with a responder, and who was made for a contact goes with the last of it. The connection is
    one of :func:`registry.writing` where it writes.

    Raises:
        SealedError: what is there cannot be opened to compare with it.
    """
    revision = read_revision(connection, lock=write)
    before: Tables = {name: load_table(connection, name) for name in TYPES}
    after: Tables = {name: dict(entries) for name, entries in before.items()}
    given: Tables = {}
    for table, entry in rows:
        after[table][key_of(entry)] = entry
        given.setdefault(table, {})[key_of(entry)] = entry
    for table, key in gone:
        if key in after[table]:
            _follow(key, after[table].pop(key), after)
    mistakes: list[Mistake] = []

    def blame(table: str, key: EntryKey, field: str | None, message: str) -> None:
        mistakes.append(Mistake(table, key, field or "", message))

    if judge is not None:
        judge(before, after, given, blame)
    if not mistakes:
        check_references(after, blame)
        check_secrets(after, blame, sealing=keys_of(connection) is not None)
    changes = [] if mistakes else compare(before, after)
    write = write and bool(changes)
    if write:
        apply(connection, changes, after)
        record_changes(connection, changed_people(changes, before, after), who, now_ms)
        revision = raise_revision(connection)
    return Edit(changes, mistakes, before, after, revision, write)


def _follow(key: EntryKey, entry: Entry, after: Tables) -> None:
    """Take out, or let go, what names a row that is gone."""
    match entry:
        case PersonEntry():
            for device_key, device in after["devices"].items():
                if isinstance(device, DeviceEntry) and device.person == key:
                    area = device.area or entry.area
                    after["devices"][device_key] = msgspec.structs.replace(device, person=None, area=area)
            _drop(after, "visits", lambda one: isinstance(one, VisitEntry) and one.person == key)
            _drop(after, "silences", lambda one: isinstance(one, SilenceEntry) and one.person == key)
            _drop_contacts(after, lambda one: one.person == key)
        case ContactEntry():
            _without_contact(after, entry)
        case ResponderEntry():
            _drop_contacts(after, lambda one: one.responder == key)
            _leave_orders(after, str(key))
        case DeviceEntry():
            _drop(after, "silences", lambda one: isinstance(one, SilenceEntry) and one.device == key)
        case _:
            pass


def _drop(after: Tables, table: str, goes: Any) -> None:
    after[table] = {key: one for key, one in after[table].items() if not goes(one)}


def _drop_contacts(after: Tables, goes: Any) -> None:
    contacts = cast("dict[EntryKey, ContactEntry]", after["contacts"])
    for key, one in list(contacts.items()):
        if goes(one):
            del contacts[key]
            _without_contact(after, one)


def _without_contact(after: Tables, contact: ContactEntry) -> None:
    """Who was made for contacts of a person goes with the last of them."""
    made = after["responders"].get(contact.responder)
    contacts = cast("dict[EntryKey, ContactEntry]", after["contacts"])
    if (
        isinstance(made, ResponderEntry)
        and made.contact_of
        and all(one.responder != contact.responder for one in contacts.values())
    ):
        del after["responders"][contact.responder]
        _leave_orders(after, contact.responder)


def _leave_orders(after: Tables, responder: str) -> None:
    """The on-call orders without somebody; who stood behind them moves up."""
    rows = cast("list[OnCallEntry]", list(after["on_call"].values()))
    areas = {one.area for one in rows if one.responder == responder}
    kept: dict[EntryKey, Entry] = {key_of(one): one for one in rows if one.area not in areas}
    for area in areas:
        order = sorted((one for one in rows if one.area == area), key=lambda one: one.position)
        for position, one in enumerate((one for one in order if one.responder != responder), start=1):
            kept[area, position] = msgspec.structs.replace(one, position=position)
    after["on_call"] = kept
