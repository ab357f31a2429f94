"""Entries to database rows and back."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select, update

from registry import models
from registry.entries import TYPES, Entry, EntryKey, key_of

TABLES: dict[str, Table] = {
    "areas": models.area,
    "people": models.person,
    "responders": models.responder,
    "devices": models.device,
    "on_call": models.on_call,
    "holidays": models.holiday,
    "rosters": models.roster,
    "roster_overrides": models.roster_override,
}


def to_row(entry: Entry) -> dict[str, Any]:
    """The column values of an entry."""
    row: dict[str, Any] = msgspec.to_builtins(entry)
    return row


def load_table(connection: Connection, name: str) -> dict[EntryKey, Entry]:
    """Every entry of one table, by its key, in the order of the key."""
    table, kind = TABLES[name], TYPES[name]
    columns = kind.__struct_fields__
    rows = connection.execute(select(*(table.c[column] for column in columns)).order_by(*table.primary_key.columns))
    entries = (msgspec.convert(dict(zip(columns, row, strict=True)), kind) for row in rows)
    return {key_of(entry): entry for entry in entries}


def read_revision(connection: Connection) -> int:
    """The number that rises with each change of the registry."""
    return int(connection.execute(select(models.revision.c.revision)).scalar_one())


def raise_revision(connection: Connection) -> int:
    """Say that something changed; returns the new number. Call it first in a transaction: it is the writers' lock."""
    connection.execute(update(models.revision).values(revision=models.revision.c.revision + 1))
    return read_revision(connection)
