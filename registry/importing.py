"""Import a folder: read, check, compare with what is there, and write the difference in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec
from sqlalchemy import Connection, Engine, select

from registry.changing import Change, apply, changed_people, compare
from registry.checking import NO_DOOR_CODE, Tables, check_references, check_secrets, to_entries
from registry.contacts import Home, contact_notices, split_contacts
from registry.database import writing
from registry.entries import TYPES, ContactEntry, Entry, EntryKey, OnCallEntry, PersonEntry, ResponderEntry
from registry.errors import OutdatedError
from registry.models import person as people
from registry.placing import Judge
from registry.reading import CONTACTS, Problem, Row, Rows, read_folder
from registry.rows import load_table, raise_revision, read_revision
from registry.sealing import keys_of
from registry.thresholds import BY_IMPORT, keep_set_by_hand, record_changes


@dataclass(frozen=True, slots=True)
class Diff:
    """What an import would do (dry run) or did. Nothing was written when there are ``problems``.

    ``kept`` counts, by table, the rows that the folder does not have and that stay because ``remove`` was not asked
    for. ``revision`` is the registry's after the import. ``notices`` are no mistakes, but should be known.
    """

    changes: list[Change]
    problems: list[Problem]
    kept: dict[str, int]
    revision: int
    applied: bool
    notices: list[str] = field(default_factory=list)

    def count(self, table: str, what: str) -> int:
        """How many rows of a table were added, changed or removed."""
        return sum(1 for change in self.changes if change.table == table and change.what == what)


class _NothingWrittenError(Exception):
    """Leave the transaction without writing."""


def import_folder(engine: Engine, folder: Path, *, dry_run: bool = False, remove: bool = False) -> Diff:
    """Bring the registry to what the folder says. Importing the same folder again changes nothing.

    A table without a file is left as it is. Rows that a file no longer has stay unless ``remove``; the on-call order
    of an area is always replaced as a whole; a person keeps their door code where the file says none. Everything is
    written in one transaction or nothing is.

    Raises:
        NoFolderError: no such folder, or nothing to import in it.
        SealedError: what is there cannot be opened to compare with it: the key is missing, or another.
    """
    return import_rows(engine, read_folder(Path(folder)), dry_run=dry_run, remove=remove)


def import_rows(
    engine: Engine,
    read: Rows,
    *,
    dry_run: bool = False,
    remove: bool = False,
    judge: Judge | None = None,
    revision: int | None = None,
    then: Callable[[Connection, Diff, Tables, Tables], None] | None = None,
) -> Diff:
    """As :func:`import_folder`, of rows that were read already, for somebody who may not write everything.

    ``judge`` blames rows that they may not write, before anything else is said of them. ``revision``: only while the
    registry is at this one. ``then`` is called with the connection, what was done, and
    the tables before and after, when all is written, in the same transaction.

    Raises:
        SealedError: as there.
        OutdatedError: the registry is at another revision; nothing was written.
    """
    parsed: Tables = {}
    origin: dict[str, dict[EntryKey, Row]] = {}
    problems = list(read.problems)
    tables = dict(read.tables)
    if CONTACTS in tables:
        links, made, wrong = split_contacts(tables[CONTACTS], _homes(engine, tables.get("people", [])))
        tables[CONTACTS] = links
        if made:
            tables["responders"] = [*tables.get("responders", []), *made]
        problems += wrong
    for name, rows in tables.items():
        parsed[name], origin[name], wrong = to_entries(name, rows)
        problems += wrong

    outcome: list[Diff] = []
    try:
        with writing(engine) as connection:
            there = read_revision(connection, lock=True)
            if revision is not None and there != revision:
                raise OutdatedError(revision, there)
            before = {name: load_table(connection, name) for name in TYPES}
            after = {
                name: _merge(name, before[name], parsed.get(name), remove and name in read.tables) for name in TYPES
            }
            after["people"] = {**after["people"], **keep_set_by_hand(connection, before["people"], after["people"])}
            if remove:
                _follow_contacts(before, after, parsed)
            notices = []
            blame = _blamer(origin, problems)
            if judge is not None:
                judge(before, after, parsed, blame)
            if not problems:
                _check_made(before, parsed, blame)
                check_references(after, blame)
                check_secrets(after, blame, sealing=keys_of(connection) is not None)
                notices = _notices(after)
            changes = [] if problems else compare(before, after)
            kept = {
                name: count
                for name in parsed
                if name in read.tables and (count := sum(1 for key in after[name] if key not in parsed[name]))
            }
            write = bool(changes) and not problems and not dry_run
            if write:
                apply(connection, changes, after)
                record_changes(connection, changed_people(changes, before, after), BY_IMPORT, _now_ms())
                there = raise_revision(connection)
            problems.sort(key=lambda problem: (problem.file, problem.line))
            outcome.append(Diff(changes, problems, kept, there, write, notices))
            if not write:
                raise _NothingWrittenError
            if then is not None:
                then(connection, outcome[0], before, after)
    except _NothingWrittenError:
        pass
    return outcome[0]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _homes(engine: Engine, rows: list[Row]) -> dict[str, Home]:
    """The area and language of each person: those of the file, of the others what is there."""
    with engine.connect() as connection:
        known = connection.execute(select(people.c.key, people.c.area, people.c.language))
        homes = {key: Home(area, language) for key, area, language in known}
    for row in rows:
        key, area = row.values.get("key"), row.values.get("area")
        if isinstance(key, str) and isinstance(area, str):
            homes[key] = Home(area, str(row.values.get("language", "en")))
    return homes


def _follow_contacts(before: Tables, after: Tables, parsed: Tables) -> None:
    """When rows are removed: contacts go with their person, and who was made for a contact stays as long as it does."""
    contacts = cast("dict[EntryKey, ContactEntry]", after[CONTACTS])
    given = parsed.get(CONTACTS, {})
    kept = {key: one for key, one in contacts.items() if key in given or one.person in after["people"]}
    named = {one.responder for one in kept.values()}
    responders = dict(after["responders"])
    for key, entry in cast("dict[str, ResponderEntry]", before["responders"]).items():
        if entry.contact_of and key in named:
            responders.setdefault(key, entry)
        elif entry.contact_of and key not in parsed.get("responders", {}):
            responders.pop(key, None)
    after[CONTACTS] = dict(kept)
    after["responders"] = responders


def _check_made(before: Tables, parsed: Tables, blame: Callable[..., None]) -> None:
    """A row of contacts must not take the place of somebody who is a responder of their own."""
    for key, entry in cast("dict[str, ResponderEntry]", parsed.get("responders", {})).items():
        was = before["responders"].get(key)
        if entry.contact_of and isinstance(was, ResponderEntry) and was.contact_of != entry.contact_of:
            blame(
                "responders", key, "responder", f"{key!r} is a responder already: leave out the name, or change the id"
            )


def _notices(after: Tables) -> list[str]:
    contacts: dict[str, list[ContactEntry]] = {}
    for one in cast("dict[EntryKey, ContactEntry]", after[CONTACTS]).values():
        contacts.setdefault(one.person, []).append(one)
    known = cast("dict[str, PersonEntry]", after["people"]), cast("dict[str, ResponderEntry]", after["responders"])
    return list(contact_notices(*known, contacts))


def _merge(
    name: str, before: dict[EntryKey, Entry], given: dict[EntryKey, Entry] | None, remove: bool
) -> dict[EntryKey, Entry]:
    if given is None:
        return before
    if name == "people":
        given = {key: _with_code(entry, before.get(key)) for key, entry in given.items()}
    if remove:
        return given
    if name == "on_call":
        named = {entry.area for entry in given.values() if isinstance(entry, OnCallEntry)}
        before = {k: e for k, e in before.items() if not (isinstance(e, OnCallEntry) and e.area in named)}
    return {**before, **given}


def _with_code(entry: Entry, was: Entry | None) -> Entry:
    """The person with the door code that they had, where the file says none: most files of people have none."""
    assert isinstance(entry, PersonEntry)
    if entry.door_code == NO_DOOR_CODE:
        return msgspec.structs.replace(entry, door_code="")
    if entry.door_code or not isinstance(was, PersonEntry) or not was.door_code:
        return entry
    return msgspec.structs.replace(entry, door_code=was.door_code)


def _blamer(origin: dict[str, dict[EntryKey, Row]], problems: list[Problem]) -> Callable[..., None]:
    def blame(table: str, key: EntryKey, field_name: str | None, message: str) -> None:
        row = origin.get(table, {}).get(key)
        if row is not None:
            problems.append(row.problem(message, field_name))
        else:  # a row that stays in the registry but lost what it refers to
            problems.append(Problem("registry", 0, f"{table} {key!r}: {message}"))

    return blame
