"""What was measured around an incident: vital signs and score from two hours before to one hour after, and what moved
in which room of the home. What is decided is pure."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from console.people.profile import Profile
from console.people.routine import KINDS, HomeSensor, home_sensor
from console.people.series import Course, Row, Span, read_course, table
from console.people.signs import PARTS, SCORE_VALID_S
from console.people.state import Score
from console.points import Points
from store import Store, StoreError

_log = logging.getLogger(__name__)
_MIN_MS = 60_000
BEFORE_MS, AFTER_MS = 120 * _MIN_MS, 60 * _MIN_MS
#: The rows of the table beside the drawing.
_ROW_S = 1800
#: A sensor that says on and nothing more was noticed for so long.
_MOMENT_MS = 2 * _MIN_MS
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Room:
    """When somebody was noticed in a room: instants (from, to) in epoch ms, in order, none touching the next."""

    name: str
    times: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """What the store has around an incident. ``trouble``: "" where it answered, ``none`` without a store, ``away``."""

    trouble: str = ""
    signs: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    score: Score | None = None
    rooms: tuple[Room, ...] = ()
    start_ms: int = 0
    end_ms: int = 0


def course_around(store: Store, person: str, onset_ms: int, now_ms: int) -> Course:
    """The vital signs from two hours before an instant to one after it, or to now. Raises StoreError."""
    end_ms = min(onset_ms + AFTER_MS, max(now_ms, onset_ms))
    return read_course(store, person, Span((end_ms - onset_ms + BEFORE_MS) // 1000, None, _ROW_S), end_ms)


def read_measured(points: Points, profile: Profile, onset_ms: int, now_ms: int, zone: ZoneInfo) -> Measured:
    """Everything around an incident; a store that is away leaves a note and no more."""
    store = points.store()
    if store is None:
        return Measured("none")
    start_ms, end_ms = onset_ms - BEFORE_MS, min(onset_ms + AFTER_MS, max(now_ms, onset_ms + 1))
    key = profile.entry.key
    try:
        course = course_around(store, key, onset_ms, now_ms)
        sensors = [home_sensor(device.id, device.kind, device.placement) for device in profile.devices]
        return Measured(
            signs=list(course.lines),
            rows=table(course, _ROW_S, zone),
            score=score_then(store, key, onset_ms),
            rooms=rooms_around(store, [one for one in sensors if one is not None], start_ms, end_ms),
            start_ms=start_ms,
            end_ms=end_ms,
        )
    except StoreError as error:
        _log.warning("the page of an incident goes on without the store: %s", error)
        return Measured("away")


def score_then(store: Store, person: str, onset_ms: int) -> Score | None:
    """The score as it stood at an instant; None where none was made in the two hours before. Raises StoreError."""
    read = store.range(
        "score", ["value", "upper", *PARTS], tags={"person": person, "detector": "vitals.news2"},
        start_ms=onset_ms - BEFORE_MS, end_ms=onset_ms + 1, points=_MOST,
    )  # fmt: skip
    there = np.flatnonzero(np.isfinite(read.columns["value"]))
    if not len(there):
        return None
    at = int(there[-1])
    values = {name: float(read.columns[name][at]) for name in ("value", "upper", *PARTS)}
    parts = {name: round(values[name]) if np.isfinite(values[name]) else None for name in PARTS}
    upper = values["upper"] if np.isfinite(values["upper"]) else values["value"]
    t_ms = int(read.t_ms[at])
    return Score(t_ms, round(values["value"]), round(upper), parts, onset_ms - t_ms <= SCORE_VALID_S * 1000)


def rooms_around(store: Store, sensors: Sequence[HomeSensor], start_ms: int, end_ms: int) -> tuple[Room, ...]:
    """When each room noticed somebody; what began before and still lasts counts. Raises StoreError."""
    found: dict[str, list[tuple[int, int]]] = {}
    for sensor in sensors:
        for kind in sensor.kinds:
            lasting = KINDS[kind]
            read = store.range(
                "home", ["value"], tags={"device": sensor.device, "kind": kind},
                start_ms=start_ms - (14 * 60 * _MIN_MS if lasting else 0), end_ms=end_ms, points=_MOST,
            )  # fmt: skip
            times = noticed(read.t_ms, read.columns["value"], start_ms, end_ms, lasting=lasting)
            if times:
                found.setdefault("bed" if kind == "bed" else sensor.place, []).extend(times)
    return tuple(Room(name, joined(times)) for name, times in sorted(found.items()))


def noticed(
    t_ms: NDArray[np.int64], values: NDArray[np.float64], start_ms: int, end_ms: int, *, lasting: bool
) -> list[tuple[int, int]]:
    """The times of one sensor within a span. ``lasting``: a value above 0 holds until the next one; else a moment."""
    there = np.isfinite(values)
    instants, on = t_ms[there].tolist(), (values[there] > 0).tolist()
    times = []
    for place, (at_ms, is_on) in enumerate(zip(instants, on, strict=True)):
        if not is_on:
            continue
        following = instants[place + 1] if place + 1 < len(instants) else end_ms
        until_ms = following if lasting else at_ms + _MOMENT_MS
        first, last = max(at_ms, start_ms), min(until_ms, end_ms)
        if first < last:
            times.append((first, last))
    return times


def joined(times: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same times without overlaps: those that touch, or lie a moment apart, are one."""
    whole: list[tuple[int, int]] = []
    for first, last in sorted(times):
        if whole and first - whole[-1][1] <= _MOMENT_MS:
            whole[-1] = (whole[-1][0], max(last, whole[-1][1]))
        else:
            whole.append((first, last))
    return tuple(whole)
