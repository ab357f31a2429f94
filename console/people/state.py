"""How a person is now: the newest value of each sign with its age, and the newest score with its parts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from console.people.signs import PARTS, SCORE_VALID_S, SIGNS, points_of
from store import Series, Store

_HOUR_MS = 3_600_000
#: Read as measured; what is older is found in the roll-ups by the hour first.
_RECENT_MS = 3 * _HOUR_MS
_BACK_MS = 90 * 24 * _HOUR_MS
#: Readings of three hours every five seconds.
_MOST = 2_200


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest value of a sign. ``counts``: it is young enough to speak for the person now."""

    name: str
    value: float
    t_ms: int
    counts: bool
    points: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """NEWS2 as it was made at ``t_ms``: what it is at least, and at most where something was not measured."""

    t_ms: int
    lower: int
    upper: int
    parts: dict[str, int | None]
    counts: bool

    @property
    def missing(self) -> list[str]:
        """The parts that were not measured."""
        return [name for name, points in self.parts.items() if points is None]


@dataclass(frozen=True, slots=True)
class State:
    """Readings in the order of the signs; those never measured are not there."""

    readings: list[Reading] = field(default_factory=list)
    score: Score | None = None

    def reading(self, name: str) -> Reading | None:
        """Of that sign, None without."""
        return next((one for one in self.readings if one.name == name), None)


def read_state(store: Store, person: str, now_ms: int, spo2_scale: int) -> State:
    """The newest of everything. A clock that runs ahead by less than an hour is believed. Raises StoreError."""
    end_ms = now_ms + _HOUR_MS
    tags = {"person": person}
    names = list(SIGNS)
    found = _newest(store.range("vitals", names, tags=tags, start_ms=now_ms - _RECENT_MS, end_ms=end_ms, points=_MOST))
    missing = [name for name in names if name not in found]
    if missing:
        by_hour = store.range(
            "vitals", missing, tags=tags, start_ms=now_ms - _BACK_MS, end_ms=end_ms, points=2_400, bucket="telem_1h"
        )
        hours: dict[int, list[str]] = {}
        for name, (t_ms, _) in _newest(by_hour).items():
            hours.setdefault(t_ms, []).append(name)
        for t_ms, some in hours.items():
            within = store.range("vitals", some, tags=tags, start_ms=t_ms, end_ms=t_ms + _HOUR_MS, points=_MOST)
            found |= _newest(within)
    readings = [
        Reading(
            name, value, t_ms, now_ms - t_ms <= SIGNS[name].valid_s * 1000, points_of(name, value, spo2_scale)
        )
        for name in names
        if name in found
        for t_ms, value in (found[name],)
    ]  # fmt: skip
    return State(readings, read_score(store, person, now_ms))


def read_score(store: Store, person: str, now_ms: int) -> Score | None:
    """The newest score; None where none was ever made. Raises StoreError."""
    wanted = ["value", "lower", "upper", *PARTS]
    point = store.latest("score", wanted, by="person", keys=[person]).get(person)
    if point is None or "value" not in point:
        return None
    t_ms, lower = int(point["t_ms"]), float(point["value"])
    parts = {name: int(float(point[name])) if name in point else None for name in PARTS}
    upper = float(point.get("upper", lower))
    return Score(t_ms, round(lower), round(upper), parts, now_ms - t_ms <= SCORE_VALID_S * 1000)


def _newest(read: Series) -> dict[str, tuple[int, float]]:
    newest: dict[str, tuple[int, float]] = {}
    for name, values in read.columns.items():
        (there,) = np.nonzero(np.isfinite(values))
        if len(there):
            newest[name] = int(read.t_ms[there[-1]]), float(values[there[-1]])
    return newest
