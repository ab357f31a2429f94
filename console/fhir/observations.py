"""Vitals and scores of a person as they were measured, a page at a time. Pure, but for the reads of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from console.fhir.codes import Coded
from console.fhir.ids import ObservationId
from store import Series, Store

_HOUR_MS = 3_600_000
#: One read is never of more points than that; where there are more, the span is halved.
_POINTS = 4000
_LONGEST_MS = 16 * 24 * _HOUR_MS
_READS = 24


class Measured(NamedTuple):
    """One Observation: what, of whom (the id of the resource), and the value of each field."""

    id: ObservationId
    coded: Coded
    values: dict[str, float]


class Place(NamedTuple):
    """Where a page begins: at ``t_ms``, after ``done`` Observations of that instant."""

    t_ms: int
    done: int = 0


class Page(NamedTuple):
    """Observations in the order of time, and where the next page begins; None at the end."""

    found: list[Measured]
    following: Place | None


def read_page(
    store: Store, person: str, resource_id: str, coded: Sequence[Coded], start: Place, end_ms: int, count: int
) -> Page:
    """At most ``count`` from ``start`` on. A page may be short or empty and yet have a next one: where nothing was
    measured for long, it says how far it has looked. Raises StoreError."""
    found: list[Measured] = []
    at_ms, step_ms, skip = start.t_ms, 6 * _HOUR_MS, start.done
    for _ in range(_READS):
        if at_ms >= end_ms or not coded:
            return Page(found, None)
        over_ms = min(at_ms + step_ms, end_ms)
        read = _read(store, person, coded, at_ms, over_ms)
        if read is None:
            step_ms = max(1, step_ms // 4)
            continue
        for one in _observations(read, resource_id, coded):
            if one.id.t_ms == start.t_ms and skip:
                skip -= 1
                continue
            if len(found) == count:
                same = sum(1 for other in found if other.id.t_ms == one.id.t_ms)
                before = start.done if one.id.t_ms == start.t_ms else 0
                return Page(found, Place(one.id.t_ms, same + before))
            found.append(one)
        at_ms = over_ms
        step_ms = min(step_ms * 2, _LONGEST_MS)
    return Page(found, Place(at_ms) if at_ms < end_ms else None)


def read_one(store: Store, person: str, wanted: ObservationId, coded: Coded) -> Measured | None:
    """The Observation of an id; None without. Raises StoreError."""
    read = _read(store, person, [coded], wanted.t_ms, wanted.t_ms + 1)
    return next(_observations(read or [], wanted.person, [coded]), None)


def _read(
    store: Store, person: str, coded: Sequence[Coded], start_ms: int, end_ms: int
) -> list[tuple[str, Series]] | None:
    """By measurement; None where there is too much for one read."""
    found = []
    for measurement in sorted({one.measurement for one in coded}):
        fields = sorted({name for one in coded if one.measurement == measurement for name in one.fields})
        tags = {"person": person} | ({"detector": "vitals.news2"} if measurement == "score" else {})
        read = store.range(measurement, fields, tags=tags, start_ms=start_ms, end_ms=end_ms, points=_POINTS)
        if read.step_ms is not None and end_ms - start_ms > 1:
            return None
        found.append((measurement, read))
    return found


def _observations(read: Sequence[tuple[str, Series]], resource_id: str, coded: Sequence[Coded]) -> Iterator[Measured]:
    """In the order of time and of the kinds; of two devices that told the same at the same instant the first."""
    rows: dict[tuple[int, int], Measured] = {}
    for measurement, series in read:
        for number, one in enumerate(coded):
            if one.measurement != measurement:
                continue
            columns = {name: series.columns[name] for name in one.fields}
            there = np.flatnonzero(np.any([np.isfinite(values) for values in columns.values()], axis=0))
            for row in there.tolist():
                t_ms = int(series.t_ms[row])
                values = {name: float(v[row]) for name, v in columns.items() if np.isfinite(v[row])}
                key = t_ms, number
                if key in rows:
                    values |= rows[key].values
                rows[key] = Measured(ObservationId(one.name, t_ms, resource_id), one, values)
    return (rows[key] for key in sorted(rows))
