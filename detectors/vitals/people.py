"""Who is watched: keys, conditions, limits, place on the clock; in columns for the rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from detectors.errors import DetectorError
from detectors.vitals.batch import Flags, Floats, Rows
from detectors.vitals.columns import Columns
from detectors.vitals.limits import NAMES, limits_of


class Person(NamedTuple):
    """A row of the bank. ``person`` is None where a device belongs to nobody; ``limits`` are own ones."""

    key: str
    person: str | None
    conditions: tuple[str, ...]
    scale_2: bool
    limits: tuple[tuple[str, float], ...]
    utc_offset_s: int


def person_of(
    key: str,
    *,
    person: str | None,
    conditions: Iterable[str],
    spo2_scale: int,
    limits: Mapping[str, float],
    utc_offset_s: int,
) -> Person:
    """A person, checked.

    Raises:
        DetectorError: no such scale or limit.
    """
    if spo2_scale not in (1, 2):
        raise DetectorError(f"SpO2 scale {spo2_scale!r} of {key!r}: NEWS2 has scale 1 and 2")
    entry = Person(
        key, person, tuple(sorted(conditions)), spo2_scale == 2, tuple(sorted(limits.items())), int(utc_offset_s)
    )
    limits_of(entry.conditions, limits)
    return entry


class People:
    """Everybody, by row."""

    def __init__(self) -> None:
        self._people: list[Person] = []
        self._rows: dict[str, int] = {}
        self._columns = Columns(
            {"scale_2": ((), np.bool_, 0), "offset_ms": ((), np.int64, 0), "limits": ((len(NAMES),), np.float32, 0.0)}
        )

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, row: int) -> Person:
        return self._people[row]

    def put(self, person: Person) -> int:
        """The row of a person, made when the key is new; a known one is replaced."""
        row = self._rows.setdefault(person.key, len(self._people))
        if row == len(self._people):
            self._people.append(person)
            self._columns.grow(row + 1)
        elif self._people[row] == person:
            return row
        self._people[row] = person
        self._serve(row)
        return row

    def _serve(self, row: int) -> None:
        person = self._people[row]
        limits = dataclasses.asdict(limits_of(person.conditions, dict(person.limits)))
        self._columns["limits"][:, row] = [limits[name] for name in NAMES]
        self._columns["scale_2"][row] = person.scale_2
        self._columns["offset_ms"][row] = person.utc_offset_s * 1000

    def scale_2(self, rows: Rows) -> Flags:
        """Whose saturation is scored on scale 2."""
        return np.asarray(self._columns["scale_2"][rows])

    def local_ms(self, rows: Rows, t_ms: Any) -> Any:
        """The instants on each person's own clock."""
        return t_ms + self._columns["offset_ms"][rows]

    def limits(self, rows: Rows) -> dict[str, Floats]:
        """The limits of some people, by name."""
        return dict(zip(NAMES, self._columns["limits"][:, rows], strict=True))

    def limits_of(self, row: int) -> dict[str, float]:
        """The limits of one person."""
        return {name: float(value) for name, value in zip(NAMES, self._columns["limits"][:, row], strict=True)}

    def keys(self, rows: Rows) -> list[str]:
        """The keys of some people, "" where nobody is known."""
        return [self._people[row].person or "" for row in rows.tolist()]

    def state(self) -> list[tuple[Any, ...]]:
        """Plain values."""
        return [tuple(person) for person in self._people]

    def restore(self, state: list[tuple[Any, ...]]) -> None:
        """Take over what :meth:`state` gave."""
        self._people = [Person(*entry) for entry in state]
        self._rows = {person.key: row for row, person in enumerate(self._people)}
        self._columns.grow(len(self._people))
        for row in range(len(self._people)):
            self._serve(row)
