"""From InfluxDB's answers to series and tables, with the transformations that the dashboards use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

Row = dict[str, Any]


class Answer(Protocol):
    """One series as InfluxDB hands it out: rows of ``values`` in the order of ``columns``, the first being epoch ms."""

    columns: list[str]
    tags: dict[str, str]
    values: list[list[Any]]


#: Asks InfluxDB one statement.
Ask = Callable[[str], Sequence[Answer]]


@dataclass(frozen=True, slots=True)
class Line:
    """A series to be drawn: instants in epoch ms and values, none of them None."""

    ref: str
    name: str
    t_ms: list[int]
    values: list[float]
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Table:
    """Rows by the names of their columns, which are in order."""

    ref: str
    columns: list[str]
    rows: list[Row]


def lines_of(target: Mapping[str, Any], answers: Iterable[Answer]) -> list[Line]:
    """Each column of each series that has a value, named as the alias says."""
    found = []
    for answer in answers:
        for at, column in enumerate(answer.columns[1:], start=1):
            pairs = [(row[0], row[at]) for row in answer.values if isinstance(row[at], int | float)]
            if pairs:
                t_ms, values = (list(part) for part in zip(*pairs, strict=True))
                name = _named(target.get("alias", ""), column, answer.tags)
                found.append(Line(target["refId"], name, t_ms, [float(v) for v in values], dict(answer.tags)))
    return found


def _named(alias: str, column: str, tags: Mapping[str, str]) -> str:
    if not alias:
        return ", ".join(tags.values()) or column
    named = alias.replace("$col", column)
    for tag, value in tags.items():
        named = named.replace(f"$tag_{tag}", value)
    return named


def table_of(target: Mapping[str, Any], answers: Sequence[Answer]) -> Table:
    """All series below each other, their tags as columns after the time."""
    rows: list[Row] = []
    columns: list[str] = ["Time"]
    for answer in answers:
        columns += [name for name in (*answer.tags, *answer.columns[1:]) if name not in columns]
        rows += [
            {"Time": values[0], **answer.tags, **dict(zip(answer.columns[1:], values[1:], strict=True))}
            for values in answer.values
        ]
    return Table(target["refId"], columns, rows)


def transformed(
    tables: list[Table], lines: list[Line], transformations: Iterable[Mapping[str, Any]], zone: ZoneInfo
) -> Table:
    """One table of all, as the panel's transformations make it. Raises KeyError for one that is not known here."""
    for one in transformations:
        options = one["options"]
        match one["id"]:
            case "timeSeriesTable":
                tables = [*_sparklines(lines), *tables]
            case "joinByField":
                joined = tables or [Table(line.ref, ["Time", line.name], _points(line)) for line in lines]
                tables = [_joined(joined, options["byField"])]
            case "formatTime":
                for row in tables[0].rows:
                    if row.get(options["timeField"]) is not None:
                        row[options["timeField"]] = datetime.fromtimestamp(row["Time"] / 1000, zone).strftime("%H")
            case "groupBy":
                tables = [_grouped(tables[0], options["fields"])]
            case "organize":
                first = options["indexByName"]
                tables = [_joined(tables, "") if len(tables) > 1 else tables[0]] if tables else []
                for table in tables:
                    table.columns.sort(key=lambda name: first.get(name, len(first)))
            case "sortBy":
                name = options["sort"][0]["field"]
                tables[0].rows.sort(key=lambda row: str(row.get(name)))
            case unknown:
                raise KeyError(unknown)
    return tables[0] if tables else Table("", [], [])


def renamed(lines: list[Line], transformations: Iterable[Mapping[str, Any]]) -> list[Line]:
    """The lines under the names that `renameByRegex` gives."""
    for one in transformations:
        if one["id"] == "renameByRegex":
            pattern = re.compile(one["options"]["regex"])
            to = one["options"]["renamePattern"].replace("$", "\\")
            lines = [Line(x.ref, pattern.sub(to, x.name), x.t_ms, x.values, x.tags) for x in lines]
    return lines


def _points(line: Line) -> list[Row]:
    return [{"Time": t, line.name: v} for t, v in zip(line.t_ms, line.values, strict=True)]


def _sparklines(lines: list[Line]) -> Iterable[Table]:
    for ref in dict.fromkeys(line.ref for line in lines):
        mine = [line for line in lines if line.ref == ref]
        rows = [{**line.tags, f"Trend #{ref}": line} for line in mine]
        yield Table(ref, [*mine[0].tags, f"Trend #{ref}"], rows)


def _joined(tables: list[Table], by: str) -> Table:
    counts: dict[str, int] = {}
    for table in tables:
        for name in table.columns:
            counts[name] = counts.get(name, 0) + 1
    seen: dict[str, int] = {}
    columns = [by]
    rows: dict[Any, Row] = {}
    for table in tables:
        names = {}
        for name in table.columns:
            if name != by:
                seen[name] = seen.get(name, 0) + 1
                names[name] = f"{name} {seen[name]}" if counts[name] > 1 else name
        columns += names.values()
        for row in table.rows:
            whole = rows.setdefault(row.get(by), {by: row.get(by)})
            whole.update({names[name]: value for name, value in row.items() if name != by})
    return Table("", columns, [rows[key] for key in sorted(rows, key=str)])


def _grouped(table: Table, fields: Mapping[str, Any]) -> Table:
    by = [name for name, how in fields.items() if how["operation"] == "groupby"]
    aggregated = {name: how["aggregations"][0] for name, how in fields.items() if how["operation"] == "aggregate"}
    made = {name: aggregated[name] for name in table.columns if name in aggregated}
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in table.rows:
        groups.setdefault(tuple(row.get(name) for name in by), []).append(row)
    rows = []
    for key, members in groups.items():
        row = dict(zip(by, key, strict=True))
        for name, how in made.items():
            values = [member[name] for member in members if member.get(name) is not None]
            row[f"{name} ({how})"] = len(values) if how == "count" else sum(values)
        rows.append(row)
    return Table("", [*by, *(f"{name} ({how})" for name, how in made.items())], rows)
