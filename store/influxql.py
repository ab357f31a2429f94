"""The InfluxQL that the store asks. Names come from the schema, values are bound parameters (``$name``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from store import schema
from store.prepare import RangeQuery

#: 1.x only; 2.x has a call of its own for deleting.
DROP_PERSON = 'DROP SERIES FROM /.*/ WHERE "person" = $person'


def _where(query: RangeQuery) -> str:
    conditions = [f"time >= {query.start_ms}ms", f"time < {query.end_ms}ms"]
    conditions += [f'"{tag}" = ${tag}' for tag in query.tags]
    return " AND ".join(conditions)


def _steps(query: RangeQuery) -> str:
    """Steps that begin at the range's start."""
    return f"GROUP BY time({query.step_ms}ms, {query.start_ms % query.step_ms}ms) fill(none)"


def as_stored(query: RangeQuery) -> str:
    """The points themselves, one more than asked for, so that the caller sees whether there are more."""
    suffixes = ("_mean", "_min", "_max") if query.is_rollup else ("",)
    columns = ", ".join(f'"{field}{suffix}"' for field in query.fields for suffix in suffixes)
    return f'SELECT {columns} FROM "{query.measurement.name}" WHERE {_where(query)} LIMIT {query.points + 1}'


def downsampled(query: RangeQuery) -> str:
    """Mean, min and max per step. Of roll-ups the mean is weighted by their counts."""
    name, where = query.measurement.name, _where(query)
    if not query.is_rollup:
        columns = ", ".join(f'mean("{f}"), min("{f}"), max("{f}")' for f in query.fields)
        return f'SELECT {columns} FROM "{name}" WHERE {where} {_steps(query)}'
    inner = ", ".join(
        f'"{f}_mean" * "{f}_count" AS "sum{i}", "{f}_count" AS "count{i}", "{f}_min" AS "min{i}", "{f}_max" AS "max{i}"'
        for i, f in enumerate(query.fields)
    )
    outer = ", ".join(
        f'sum("sum{i}") / sum("count{i}"), min("min{i}"), max("max{i}")' for i in range(len(query.fields))
    )
    times = f"time >= {query.start_ms}ms AND time < {query.end_ms}ms"
    return f'SELECT {outer} FROM (SELECT {inner} FROM "{name}" WHERE {where}) WHERE {times} {_steps(query)}'


def latest(spec: schema.Measurement, field_names: Sequence[str], by: str, params: Mapping[str, str]) -> str:
    """The newest point with any of the fields, per value of the tag ``by``."""
    columns = ", ".join(f'"{field}"' for field in field_names)
    where = _any_of(by, params) or f"\"{by}\" != ''"
    return f'SELECT {columns} FROM "{spec.name}" WHERE {where} GROUP BY "{by}" ORDER BY time DESC LIMIT 1'


def points(
    spec: schema.Measurement, fields: Sequence[str], start_ms: int, end_ms: int, devices: Mapping[str, str]
) -> str:
    """The points of each series (of these devices, all where there are none), one series after the other."""
    columns = ", ".join(f'"{field}"' for field in fields)
    where = f"time >= {start_ms}ms AND time < {end_ms}ms"
    if devices:
        where += f" AND ({_any_of('device', devices)})"
    return f'SELECT {columns} FROM "{spec.name}" WHERE {where} GROUP BY *'


def _any_of(tag: str, params: Mapping[str, str]) -> str:
    return " OR ".join(f'"{tag}" = ${name}' for name in params)


def field_keys(spec: schema.Measurement) -> str:
    """Which fields an open measurement has."""
    return f'SHOW FIELD KEYS FROM "{spec.name}"'
