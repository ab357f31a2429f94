"""Tables of the embedded store: one for the series (the tags), one for each measurement in each bucket.

A point's key is (series, time); ``WITHOUT ROWID`` keeps a series' points side by side in the order of time, which is
what every read wants. Internal columns start with ``_``, which no field does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import cache

from store import schema
from store.errors import StoreMisconfigured

#: Goes up when the layout changes in a way that older code cannot read. New columns are simply added.
LAYOUT = 1


def table(bucket: schema.Bucket, spec: schema.Measurement) -> str:
    """The table of a measurement in a bucket."""
    return f"{bucket.name}__{spec.name}"


def places() -> list[tuple[schema.Bucket, schema.Measurement]]:
    """Every (bucket, measurement) that has a table."""
    return [(bucket, spec) for spec in schema.MEASUREMENTS.values() for bucket in schema.buckets_of(spec)]


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether every table and column is there, so that opening need not write. Raises StoreMisconfigured."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, LAYOUT):
        raise StoreMisconfigured(f"the store has layout {found}, this version reads {LAYOUT}: use the newer CareCircle")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return found == LAYOUT and all(
        table(*place) in tables and columns_of(connection, table(*place)).issuperset(_names(*place))
        for place in places()
    )


def _names(bucket: schema.Bucket, spec: schema.Measurement) -> list[str]:
    return [*schema.number_fields(spec, bucket), *schema.string_fields(spec, bucket)]


def create(connection: sqlite3.Connection) -> None:
    """Make what is missing, and columns that a newer schema has."""
    tag_columns = ", ".join(f"{tag} TEXT NOT NULL DEFAULT ''" for tag in schema.TAGS)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS series (_id INTEGER PRIMARY KEY AUTOINCREMENT, _measurement TEXT NOT NULL, "
        f"{tag_columns}, UNIQUE (_measurement, {', '.join(schema.TAGS)}))"
    )
    for tag in ("device", "person"):
        connection.execute(f"CREATE INDEX IF NOT EXISTS series_{tag} ON series (_measurement, {tag})")
    for bucket, spec in places():
        name = table(bucket, spec)
        columns = "".join(f", {definition}" for definition in _definitions(bucket, spec))
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {name} (_series INTEGER NOT NULL, _t_ns INTEGER NOT NULL{columns}, "
            "PRIMARY KEY (_series, _t_ns)) WITHOUT ROWID"
        )
        there = columns_of(connection, name)
        for definition in _definitions(bucket, spec):
            if definition.split()[0] not in there:
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {definition}")
    connection.execute(f"PRAGMA user_version = {LAYOUT}")


def _definitions(bucket: schema.Bucket, spec: schema.Measurement) -> list[str]:
    return [f"{name} REAL" for name in schema.number_fields(spec, bucket)] + [
        f"{name} TEXT" for name in schema.string_fields(spec, bucket)
    ]


def columns_of(connection: sqlite3.Connection, name: str) -> set[str]:
    """The field columns that a table has now."""
    return {row[1] for row in connection.execute(f"PRAGMA table_info({name})") if not row[1].startswith("_")}


def add_columns(connection: sqlite3.Connection, name: str, fields: Iterable[str]) -> None:
    """Number columns for the fields of an open measurement that are seen for the first time."""
    there = columns_of(connection, name)
    for field in fields:
        if field not in there:
            connection.execute(f"ALTER TABLE {name} ADD COLUMN {field} REAL")


@cache
def upsert(name: str, fields: tuple[str, ...]) -> str:
    """SQL that writes a point, keeping the fields of an older one that the new one has not."""
    merged = ", ".join(f"{field} = coalesce(excluded.{field}, {field})" for field in fields)
    return (
        f"INSERT INTO {name} (_series, _t_ns, {', '.join(fields)}) VALUES (?, ?{', ?' * len(fields)}) "
        f"ON CONFLICT (_series, _t_ns) DO UPDATE SET {merged}"
    )


@cache
def rollup(source: str, target: str, fields: tuple[str, ...]) -> str:
    """SQL that aggregates ``source`` into ``target``; parameters by name.

    ``step_ns``, ``start_ns``, ``end_ns``, ``measurement``, and ``devices``, a JSON list or NULL for all.
    """
    targets = [f"{field}_{statistic}" for field in fields for statistic in schema.STATISTICS]
    aggregates = ", ".join(
        f"min(d.{field}), max(d.{field}), avg(d.{field}), nullif(count(d.{field}), 0)" for field in fields
    )
    any_field = " OR ".join(f"d.{field} IS NOT NULL" for field in fields)
    merged = ", ".join(f"{field} = excluded.{field}" for field in targets)
    # CROSS JOIN is SQLite's way to fix the order: per series one seek into its range, never a scan of the table.
    return (
        f"INSERT INTO {target} (_series, _t_ns, {', '.join(targets)}) "
        "SELECT s._id, d._t_ns - (d._t_ns - :start_ns) % :step_ns AS w, "
        f"{aggregates} FROM series s CROSS JOIN {source} d "
        "WHERE s._measurement = :measurement "
        "AND (:devices IS NULL OR s.device IN (SELECT value FROM json_each(:devices))) "
        "AND d._series = s._id AND d._t_ns >= :start_ns AND d._t_ns < :end_ns "
        f"AND ({any_field}) GROUP BY s._id, w "
        f"ON CONFLICT (_series, _t_ns) DO UPDATE SET {merged}"
    )
