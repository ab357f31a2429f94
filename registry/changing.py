"""The difference between two states of the registry, and writing it down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, bindparam, delete, insert, update

from registry.checking import Tables
from registry.entries import TYPES, EntryKey, PersonEntry
from registry.rows import TABLES, to_row
from registry.sealing import keys_of

#: Fields that hold secrets, or pages of text: a change says that they changed, not to what.
NOT_SAID = frozenset({"channels", "calendar", "phone", "door_code"})


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one row. ``fields`` has (before, after) of each field that differs."""

    table: str
    key: EntryKey
    what: str  # added, changed, removed
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        key = self.key if isinstance(self.key, str) else _pair(self.key)
        sign = {"added": "+", "changed": "~", "removed": "-"}[self.what]
        details = [
            f"{name} changed" if name in NOT_SAID else f"{name} {before!r} -> {after!r}"
            for name, (before, after) in self.fields.items()
        ]
        return f"{sign} {self.table} {key}" + (": " + ", ".join(details) if details else "")


def _pair(key: tuple[str, int | str]) -> str:
    return f"{key[0]} #{key[1]}" if isinstance(key[1], int) else f"{key[0]} {key[1]}"


def compare(before: Tables, after: Tables) -> list[Change]:
    """What leads from one to the other, table by table."""
    return [change for name in TYPES for change in _compare(name, before, after)]


def _compare(name: str, before: Tables, after: Tables) -> list[Change]:
    old, new = before[name], after[name]
    changes = [Change(name, key, "removed") for key in old if key not in new]
    for key, entry in new.items():
        if key not in old:
            changes.append(Change(name, key, "added"))
        elif old[key] != entry:
            was = old[key]
            fields = {
                f: (getattr(was, f), getattr(entry, f))
                for f in entry.__struct_fields__
                if getattr(was, f) != getattr(entry, f)
            }
            changes.append(Change(name, key, "changed", fields))
    return changes


def changed_people(
    changes: Sequence[Change], before: Tables, after: Tables
) -> Iterator[tuple[PersonEntry | None, PersonEntry]]:
    """Before and after of everybody who was added or changed."""
    for change in changes:
        if change.table == "people" and change.what != "removed":
            was, now = before["people"].get(change.key), after["people"][change.key]
            yield cast("PersonEntry | None", was), cast("PersonEntry", now)


def apply(connection: Connection, changes: Sequence[Change], after: Tables) -> None:
    """Write the changes: parents first, and what is removed children first."""
    ring = keys_of(connection)

    def rows(name: str, what: str) -> list[dict[str, Any]]:
        return [to_row(name, after[name][c.key], ring) for c in changes if c.table == name and c.what == what]

    for name in TYPES:  # parents first
        table = TABLES[name]
        added = rows(name, "added")
        if added:
            connection.execute(insert(table), added)
        changed = rows(name, "changed")
        if changed:
            keys = [column.name for column in table.primary_key.columns]
            where = [table.c[key] == bindparam(f"key_{key}") for key in keys]
            values: dict[str, Any] = {
                column.name: bindparam(column.name) for column in table.columns if column.name not in keys
            }
            connection.execute(
                update(table).where(*where).values(values),
                [{(f"key_{k}" if k in keys else k): v for k, v in row.items()} for row in changed],
            )
    for name in reversed(TYPES):  # children first
        table = TABLES[name]
        keys = [column.name for column in table.primary_key.columns]
        gone = [
            c.key if isinstance(c.key, tuple) else (c.key,) for c in changes if c.table == name and c.what == "removed"
        ]
        if gone:
            where = [table.c[key] == bindparam(f"key_{key}") for key in keys]
            connection.execute(
                delete(table).where(*where), [{f"key_{k}": v for k, v in zip(keys, key, strict=True)} for key in gone]
            )
