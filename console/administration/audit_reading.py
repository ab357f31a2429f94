"""The audits of console, alerts and thresholds as one list, the newest first."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, func, or_, select

from alerts import models as alert_tables
from console.access.models import audit as console_audit
from console.access.viewer import Viewer
from registry import models as registry_tables

#: The lists, in the order of a place in them.
SOURCES = ("console", "alerts", "thresholds")
_PLACE = re.compile(r"(\d{1,18}|-)\.(\d{1,18}|-)\.(\d{1,18}|-)")


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that somebody did. ``subject`` of ``kind`` is what it was about, ``person`` whom."""

    source: str
    id: int
    at_ms: int
    what: str
    who: str
    kind: str
    subject: str
    person: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for: in who, what it was about and whom; what was done; between which instants."""

    who: str = ""
    about: str = ""
    what: str = ""
    source: str = ""
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where each list was shown: rows with smaller ids follow; None: from the newest."""

    ids: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Place:
        """A place as it stands in an address; the beginning for one that is none."""
        found = _PLACE.fullmatch(text)
        if not found:
            return cls()
        return cls({name: None if id_ == "-" else int(id_) for name, id_ in zip(SOURCES, found.groups(), strict=True)})

    def __str__(self) -> str:
        return ".".join("-" if self.ids.get(name) is None else str(self.ids[name]) for name in SOURCES)


def read_page(
    connection: Connection, viewer: Viewer, asked: Asked, place: Place, count: int
) -> tuple[list[Entry], Place | None]:
    """So many rows from a place on, and the place after them; None at the end. Only what lies in the viewer's areas."""
    rows = list(_merged(connection, viewer, asked, place, count + 1))
    ids = dict(place.ids)
    for one in rows[:count]:
        ids[one.source] = one.id
    return rows[:count], Place(ids) if len(rows) > count else None


def _merged(connection: Connection, viewer: Viewer, asked: Asked, place: Place, count: int) -> Iterator[Entry]:
    lists: list[Iterable[Entry]] = []
    for name, reader in (("console", _console), ("alerts", _alerts), ("thresholds", _thresholds)):
        if asked.source in ("", name):
            lists.append(list(reader(connection, viewer, asked, place.ids.get(name), count)))
    merged = heapq.merge(*lists, key=lambda one: -one.at_ms)
    for number, one in enumerate(merged):
        if number == count:
            return
        yield one


def _has(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    return func.lower(column).contains(text.lower(), autoescape=True)


def _between(query: Select[Any], table: Table, asked: Asked, before: int | None, count: int) -> Select[Any]:
    if before is not None:
        query = query.where(table.c.id < before)
    if asked.from_ms is not None:
        query = query.where(table.c.at_ms >= asked.from_ms)
    if asked.to_ms is not None:
        query = query.where(table.c.at_ms < asked.to_ms)
    if asked.who:
        query = query.where(_has(table.c.who, asked.who))
    return query.order_by(table.c.id.desc()).limit(count)


def _console(connection: Connection, viewer: Viewer, asked: Asked, before: int | None, count: int) -> Iterator[Entry]:
    c = console_audit.c
    query = select(console_audit).where(viewer.area_filter(c.area))
    if asked.what:
        query = query.where(c.what == asked.what)
    if asked.about:
        query = query.where(_has(c.subject, asked.about))
    for row in connection.execute(_between(query, console_audit, asked, before, count)).mappings():
        person = row["subject"] if row["kind"] in ("person", "people", "vitals", "readings") else ""
        yield Entry(
            "console", row["id"], row["at_ms"], row["what"], row["who"], row["kind"], row["subject"], person,
            row["data"],
        )  # fmt: skip


def _alerts(connection: Connection, viewer: Viewer, asked: Asked, before: int | None, count: int) -> Iterator[Entry]:
    table, incident = alert_tables.audit, alert_tables.incident
    query = select(table, incident.c.person.label("person")).outerjoin(incident, incident.c.id == table.c.incident)
    query = query.where(viewer.area_filter(incident.c.area))
    if asked.what:
        query = query.where(table.c.what == asked.what)
    if asked.about:
        query = query.where(or_(_has(incident.c.person, asked.about), _has(table.c.incident, asked.about)))
    for row in connection.execute(_between(query, table, asked, before, count)).mappings():
        subject = row["incident"] or ""
        yield Entry(
            "alerts", row["id"], row["at_ms"], row["what"], row["who"], "incident" if subject else "", subject,
            row["person"] or "", row["data"],
        )  # fmt: skip


def _thresholds(
    connection: Connection, viewer: Viewer, asked: Asked, before: int | None, count: int
) -> Iterator[Entry]:
    table, person = registry_tables.threshold_change, registry_tables.person
    query = select(table).outerjoin(person, person.c.key == table.c.person).where(viewer.area_filter(person.c.area))
    if asked.what and asked.what != "threshold":
        return
    if asked.about:
        query = query.where(_has(table.c.person, asked.about))
    for row in connection.execute(_between(query, table, asked, before, count)).mappings():
        data = {"fields": {row["field"]: [row["before"], row["after"]]}}
        yield Entry(
            "thresholds", row["id"], row["at_ms"], "threshold", row["who"], "people", row["person"], row["person"],
            data,
        )  # fmt: skip
