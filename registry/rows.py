"""Entries to database rows and back."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, select, update

from registry import models
from registry.entries import TYPES, Entry, EntryKey, key_of
from registry.keys import Keys
from registry.sealing import SEALED, keys_of, open_row, seal_row, without_secrets

TABLES: dict[str, Table] = {
    "areas": models.area,
    "people": models.person,
    "responders": models.responder,
    "contacts": models.contact,
    "devices": models.device,
    "on_call": models.on_call,
    "holidays": models.holiday,
    "rosters": models.roster,
    "roster_overrides": models.roster_override,
    "visits": models.visit,
    "policies": models.policy,
    "silences": models.silence,
}


def to_row(name: str, entry: Entry, keys: Keys | None) -> dict[str, Any]:
    """The column values of an entry of one table, what is secret sealed where there are keys."""
    row: dict[str, Any] = msgspec.to_builtins(entry)
    return seal_row(keys, name, str(key_of(entry)), row)


def load_table(
    connection: Connection, name: str, *, without: Container[str] = (), secrets: bool = True
) -> dict[EntryKey, Entry]:
    """Every entry of one table, by its key, in the order of the key; fields in ``without`` have their defaults.

    Without ``secrets`` no key is needed: sealed fields are absent, and channels have their type only.

    Raises:
        SealedError: a secret cannot be opened.
    """
    seen: dict[Any, Any] = {}
    entries = read_table(connection, name, without=without, secrets=secrets, each=lambda value: _shared(value, seen))
    return {key_of(entry): entry for entry in entries}


def read_table(
    connection: Connection,
    name: str,
    *,
    without: Container[str] = (),
    secrets: bool = True,
    each: Callable[[Any], Any] = lambda value: value,
) -> Iterator[Entry]:
    """The entries of :func:`load_table` one after another, made of what ``each`` gives for the values of a row."""
    table, kind = TABLES[name], TYPES[name]
    hidden = () if secrets else SEALED.get(name, ())
    columns = [column for column in kind.__struct_fields__ if column not in without and column not in hidden]
    (primary, *_) = table.primary_key.columns
    keys = keys_of(connection)
    query = select(*(table.c[column] for column in columns)).order_by(*table.primary_key.columns)
    for values in connection.execute(query):
        row = dict(zip(columns, values, strict=True))
        if name in SEALED:
            row = open_row(keys, name, row[primary.name], row) if secrets else without_secrets(name, row)
        yield msgspec.convert({field: each(value) for field, value in row.items()}, kind)


def _shared(value: Any, seen: dict[Any, Any]) -> Any:
    """``value``, texts of it that were there before as the same objects: areas, kinds, languages, secrets repeat."""
    if isinstance(value, str):
        return seen.setdefault(value, value)
    if isinstance(value, list):
        return [_shared(one, seen) for one in value]
    if isinstance(value, dict):
        return {_shared(key, seen): _shared(one, seen) for key, one in value.items()}
    return value


def read_revision(connection: Connection, *, lock: bool = False) -> int:
    """The number that rises with each change of the registry; with ``lock`` nobody else raises it before the end of
    the transaction."""
    query = select(models.revision.c.revision)
    return int(connection.execute(query.with_for_update() if lock else query).scalar_one())


def current_revision(source: Engine | Connection) -> int:
    """The revision of the registry now: cheap, to see whether a snapshot is still good."""
    if isinstance(source, Connection):
        return read_revision(source)
    with source.connect() as connection:
        return read_revision(connection)


def raise_revision(connection: Connection) -> int:
    """Say that something changed; returns the new number. Call it first in a transaction: it is the writers' lock."""
    connection.execute(update(models.revision).values(revision=models.revision.c.revision + 1))
    return read_revision(connection)
