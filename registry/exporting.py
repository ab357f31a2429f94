"""Write the registry as a folder that can be imported again."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec
import yaml
from sqlalchemy import Engine

from registry.entries import TYPES, Entry, RosterEntry
from registry.reading import LIST_SEPARATOR, YAML_ONLY
from registry.rows import load_table

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def export_folder(
    engine: Engine, folder: Path, *, form: Literal["yaml", "csv"] = "yaml", secrets: bool = False
) -> list[Path]:
    """One file per table, readable by the owner only because it holds names, phones and the keys of webhooks. Returns
    the files. Door codes are in it with ``secrets`` only; without, an import of it leaves them as they are.

    Raises:
        SealedError: something cannot be opened: the key is missing, or another.
    """
    hidden = () if secrets else ("door_code",)
    with engine.connect() as connection:
        tables = {name: list(load_table(connection, name, without=hidden).values()) for name in TYPES}
    return write_folder(tables, folder, form=form)


def write_folder(tables: dict[str, list[Entry]], folder: Path, *, form: Literal["yaml", "csv"] = "yaml") -> list[Path]:
    """One file for each of some tables, as they are; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = _write_calendars(folder, tables.get("rosters", []))
    for name, entries in tables.items():
        kind = "yaml" if name in YAML_ONLY else form
        path = folder / f"{name}.{kind}"
        with _private(path) as out:
            if kind == "csv":
                _write_csv(out, name, entries)
            else:
                yaml.dump(_plain(name, entries), out, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
        written.append(path)
    return written


def _private(path: Path) -> TextIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="")


def _write_calendars(folder: Path, entries: list[Entry]) -> list[Path]:
    """A file for each roster that has a calendar; in the table its name takes the place of the text."""
    written = []
    for at, entry in enumerate(entries):
        if isinstance(entry, RosterEntry) and entry.calendar:
            path = folder / f"{entry.id}.ics"
            with _private(path) as out:
                out.write(entry.calendar)
            entries[at] = msgspec.structs.replace(entry, calendar=path.name)
            written.append(path)
    return written


def _plain(name: str, entries: list[Entry]) -> Any:
    rows: list[dict[str, Any]] = msgspec.to_builtins(entries)
    if name != "on_call":
        return [{k: v for k, v in row.items() if v not in ("", None, [], (), {})} for row in rows]
    orders: dict[str, list[str]] = {}
    for row in rows:
        orders.setdefault(row["area"], []).append(row["responder"])
    return orders


def _write_csv(out: Any, name: str, entries: list[Entry]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    columns = [column.name for column in msgspec.structs.fields(TYPES[name])]
    writer.writerow(columns)
    for row in msgspec.to_builtins(entries):
        writer.writerow([_cell(row[column]) for column in columns])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return LIST_SEPARATOR.join(_cell(item) for item in value)
    if isinstance(value, dict) and "type" not in value:
        return LIST_SEPARATOR.join(f"{name}={amount}" for name, amount in value.items())
    if isinstance(value, dict):
        limit = f"per_minute={value['per_minute']}" if value.get("per_minute") else ""
        return " ".join(text for text in (value["type"], value["url"], value["secret"], limit) if text)
    return str(value)
