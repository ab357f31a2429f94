"""What is too much for one person: changed one at a time, and every change kept with who made it and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from registry import models
from registry.entries import LIMITS, Entry, EntryKey, PersonEntry
from registry.errors import ThresholdError
from registry.rows import raise_revision

#: Who is said to have changed what came with a file.
BY_IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of one person: the operating point of the fall detector ("" is that of the settings), the NEWS2 scale of the
    saturation, and own limits by the names of ``LIMITS``."""

    fall_point: str = ""
    spo2_scale: int = 1
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ThresholdChange:
    """One of them changed. ``name`` is fall_point, spo2_scale, conditions or that of a limit; "" is none."""

    name: str
    before: str
    after: str
    who: str
    at_ms: int


def read_thresholds(connection: Connection, person: str) -> Thresholds | None:
    """What is set for a person; None when there is none of this key."""
    table = models.person
    query = select(table.c.fall_point, table.c.spo2_scale, table.c.limits).where(table.c.key == person)
    row = connection.execute(query).first()
    return None if row is None else Thresholds(row.fall_point, row.spo2_scale, dict(row.limits))


def set_thresholds(
    connection: Connection, person: str, wanted: Thresholds, *, seen: Thresholds, who: str, now_ms: int
) -> list[ThresholdChange]:
    """Set what is too much for a person; what changed. The connection is one of :func:`registry.writing`.

    ``seen`` is what whoever wants this believed to be set: when somebody has changed it since, nothing is written.

    Raises:
        ThresholdError: a value that none can be, an unknown person, or it is not as ``seen``.
    """
    _check(wanted)
    raise_revision(connection)  # first: it is the lock
    before = read_thresholds(connection, person)
    if before is None:
        raise ThresholdError("person", person, "is not in the registry")
    if before != seen:
        raise ThresholdError("seen", person, "has been changed meanwhile: look again, then change it", changed=True)
    changes = _changes(_flat(before), _flat(wanted), who, now_ms)
    if changes:
        values = {"fall_point": wanted.fall_point, "spo2_scale": wanted.spo2_scale, "limits": dict(wanted.limits)}
        connection.execute(update(models.person).where(models.person.c.key == person).values(values))
        _record(connection, person, changes)
    return changes


def threshold_changes(connection: Connection, person: str, *, limit: int = 50) -> list[ThresholdChange]:
    """What was changed of a person, newest first."""
    table = models.threshold_change
    columns = (table.c.field, table.c.before, table.c.after, table.c.who, table.c.at_ms)
    query = select(*columns).where(table.c.person == person).order_by(table.c.id.desc()).limit(limit)
    return [ThresholdChange(*row) for row in connection.execute(query)]


def record_changes(
    connection: Connection, people: Iterable[tuple[PersonEntry | None, PersonEntry]], who: str, now_ms: int
) -> None:
    """Keep what ``who`` or a file changed: (before, after) of each person that was added or changed."""
    for before, after in people:
        changes = _changes(_of_entry(before), _of_entry(after), who, now_ms)
        _record(connection, after.key, changes)


def keep_set_by_hand(
    connection: Connection, before: Mapping[EntryKey, Entry], after: Mapping[EntryKey, Entry]
) -> dict[EntryKey, Entry]:
    """Of an import's people (``after``) those whose file says nothing of a threshold that somebody, not an import, has
    set: with what was set. A file that is sent every night must not undo what a clinician has decided.
    """
    table = models.threshold_change
    query = select(table.c.person, table.c.field, table.c.who).order_by(table.c.id)
    newest = {(person, name): who for person, name, who in connection.execute(query)}
    by_hand: dict[str, list[str]] = {}
    for (person, name), who in newest.items():
        if who != BY_IMPORT:
            by_hand.setdefault(person, []).append(name)
    kept: dict[EntryKey, Entry] = {}
    for person, names in by_hand.items():
        was, now = before.get(person), after.get(person)
        if isinstance(was, PersonEntry) and isinstance(now, PersonEntry) and now is not was:
            changes: dict[str, Any] = {}
            if "fall_point" in names and not now.fall_point:
                changes["fall_point"] = was.fall_point
            if "spo2_scale" in names and now.spo2_scale == 1:
                changes["spo2_scale"] = was.spo2_scale
            own = {name: value for name, value in was.limits.items() if name in names and name not in now.limits}
            kept[person] = msgspec.structs.replace(now, limits={**own, **now.limits}, **changes)
    return kept


def _check(wanted: Thresholds) -> None:
    try:
        msgspec.convert(
            {"key": "x", "name": "x", "area": "x", "fall_point": wanted.fall_point, "spo2_scale": wanted.spo2_scale},
            PersonEntry,
        )
    except msgspec.ValidationError as error:
        raise ThresholdError("thresholds", wanted.fall_point or str(wanted.spo2_scale), str(error)) from error
    for name, value in wanted.limits.items():
        if name not in LIMITS:
            raise ThresholdError(name, str(value), f"is no limit of a person: there are {', '.join(LIMITS)}")
        if not 0 < value <= 1000:
            raise ThresholdError(name, str(value), "must be above 0 and at most 1000")


def _of_entry(entry: PersonEntry | None) -> dict[str, str]:
    if entry is None:
        return _flat(Thresholds())
    flat = _flat(Thresholds(entry.fall_point, entry.spo2_scale, entry.limits))
    return {**flat, "conditions": ", ".join(entry.conditions)}


def _flat(one: Thresholds) -> dict[str, str]:
    limits = {name: _text(value) for name, value in one.limits.items()}
    return {"fall_point": one.fall_point, "spo2_scale": str(one.spo2_scale), **limits}


def _text(value: Any) -> str:
    return json.dumps(value).removesuffix(".0")


def _changes(before: Mapping[str, str], after: Mapping[str, str], who: str, now_ms: int) -> list[ThresholdChange]:
    names = [*after, *(name for name in before if name not in after)]
    return [
        ThresholdChange(name, before.get(name, ""), after.get(name, ""), who, now_ms)
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]


def _record(connection: Connection, person: str, changes: Iterable[ThresholdChange]) -> None:
    rows = [
        {"person": person, "field": one.name, "before": one.before, "after": one.after, "who": one.who[:64],
         "at_ms": one.at_ms}
        for one in changes
    ]  # fmt: skip
    if rows:
        connection.execute(insert(models.threshold_change), rows)
