"""The vitals of a person over a span of time, as lines that can be drawn, and as rows of a table or a file. Pure, but
for the reads of the store.

A line is broken where nothing was measured for longer than a value counts: nobody knows what it was in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from console.people.signs import SCORE_GAP_S, SIGNS, WITH_BASELINE
from store import Series, Store

HOUR_S = 3600
DAY_S = 24 * HOUR_S
#: Steps of a drawing: as many as a wide screen has pixels to tell them apart.
STEPS = 720
#: A file holds what was stored, up to so many readings.
MOST_ROWS = 400_000
_SCORE_DETECTOR = "vitals.news2"
#: What is usual is written when a part of the day ends; it stands until then, and is looked for so far back.
_USUAL_HOLDS_S = 30 * HOUR_S


class Span(NamedTuple):
    """How far back, where from (None: as measured), and the rows of its table."""

    length_s: int
    bucket: str | None
    row_s: int


SPANS: dict[str, Span] = {
    "24h": Span(DAY_S, None, HOUR_S),
    "7d": Span(7 * DAY_S, None, DAY_S),
    "90d": Span(90 * DAY_S, "telem_1h", 7 * DAY_S),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One sign over time: ``(n,)`` instants in epoch ms, and of each step the mean, the least and the most. NaN is
    where the line is broken; the ends are the mean where the points are as measured."""

    name: str
    t_ms: NDArray[np.int64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Usual:
    """What was usual for a sign: from each instant on the middle and the ends of its band."""

    t_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """The vitals from ``start_ms`` to ``end_ms``; ``step_ms`` is None where the points are as stored. Signs that were
    never measured in it are not there."""

    start_ms: int
    end_ms: int
    step_ms: int | None
    lines: dict[str, Line] = field(default_factory=dict)
    usual: dict[str, Usual] = field(default_factory=dict)


def window(span: Span, now_ms: int) -> tuple[int, int]:
    """From when to when: whole steps of our clock, so that a page a moment later has the same ones."""
    step_ms = span.length_s * 1000 // STEPS
    end_ms = (now_ms // step_ms + 1) * step_ms
    return end_ms - STEPS * step_ms, end_ms


def read_course(store: Store, person: str, span: Span, now_ms: int) -> Course:
    """What is drawn: at most :data:`STEPS` steps of each sign, the score, and what was usual. Raises StoreError."""
    start_ms, end_ms = window(span, now_ms)
    tags = {"person": person}
    read = store.range(
        "vitals", list(SIGNS), tags=tags, start_ms=start_ms, end_ms=end_ms, points=STEPS, bucket=span.bucket
    )
    scores = store.range(
        "score", ["value", "lower", "upper"], tags={**tags, "detector": _SCORE_DETECTOR}, start_ms=start_ms,
        end_ms=end_ms, points=STEPS, bucket=span.bucket,
    )  # fmt: skip
    step_ms = read.step_ms or (HOUR_S * 1000 if span.bucket and len(read) else None)
    course = Course(start_ms, end_ms, step_ms)
    for name, sign in SIGNS.items():
        line = line_of(name, read, sign.valid_s * 1000, step_ms)
        if line is not None:
            course.lines[name] = line
    score = _score_line(scores, HOUR_S * 1000 if span.bucket else None)
    if score is not None:
        course.lines["score"] = score
    for name in WITH_BASELINE:
        if name in course.lines:
            usual = _read_usual(store, tags, name, start_ms, end_ms)
            if usual is not None:
                course.usual[name] = usual
    return course


def line_of(name: str, read: Series, valid_ms: int, step_ms: int | None) -> Line | None:
    """The line of one field of what was read, broken at its gaps; None without a value."""
    values = read.columns[name]
    there = np.flatnonzero(np.isfinite(values))
    if not len(there):
        return None
    mean = values[there]
    low = read.minimum[name][there] if name in read.minimum else mean
    high = read.maximum[name][there] if name in read.maximum else mean
    return with_gaps(Line(name, read.t_ms[there], mean, low, high), valid_ms + 2 * (step_ms or 0))


def with_gaps(line: Line, longest_ms: int) -> Line:
    """The line with a break wherever two points lie further apart than ``longest_ms``."""
    (ends,) = np.nonzero(np.diff(line.t_ms) > longest_ms)
    if not len(ends):
        return line
    at = ends + 1
    nothing = np.full(len(at), np.nan)
    t_ms = np.insert(line.t_ms, at, line.t_ms[ends] + 1)
    return Line(line.name, t_ms, *(np.insert(v, at, nothing) for v in (line.mean, line.low, line.high)))


def _score_line(read: Series, rolled_ms: int | None) -> Line | None:
    there = np.flatnonzero(np.isfinite(read.columns["value"]))
    if not len(there):
        return None
    low, high = read.columns["lower"], read.columns["upper"]
    line = Line("score", read.t_ms[there], read.columns["value"][there], low[there], high[there])
    return with_gaps(line, SCORE_GAP_S * 1000 + 2 * (read.step_ms or rolled_ms or 0))


def _read_usual(store: Store, tags: dict[str, str], name: str, start_ms: int, end_ms: int) -> Usual | None:
    read = store.range(
        "baseline", ["value", "lower", "upper"], tags={**tags, "detector": f"vitals.{name}"},
        start_ms=start_ms - _USUAL_HOLDS_S * 1000, end_ms=end_ms, points=STEPS,
    )  # fmt: skip
    there = np.flatnonzero(np.all([np.isfinite(read.columns[c]) for c in ("value", "lower", "upper")], axis=0))
    if not len(there):
        return None
    return Usual(read.t_ms[there], *(read.columns[c][there] for c in ("value", "lower", "upper")))


class Row(NamedTuple):
    """A row of the table: from when, and by sign the mean, the least and the most of it."""

    start_ms: int
    values: dict[str, tuple[float, float, float]]


def table(course: Course, row_s: int, zone: ZoneInfo) -> list[Row]:
    """The course by hours, or by local days or so many of them; newest first. What was not measured is not there. Of a
    step that is longer than a row's the mean is that of the steps, each counting as one."""
    edges = _edges(course.start_ms, course.end_ms, row_s, zone)
    rows: dict[int, dict[str, tuple[float, float, float]]] = {}
    for name, line in course.lines.items():
        there = np.isfinite(line.mean)
        t_ms = line.t_ms[there]
        mean, low, high = line.mean[there], line.low[there], line.high[there]
        place = np.searchsorted(edges, t_ms, side="right") - 1
        for at in np.unique(place).tolist():
            of = place == at
            values = (float(mean[of].mean()), float(np.nanmin(low[of])), float(np.nanmax(high[of])))
            rows.setdefault(int(edges[at]), {})[name] = values
    return [Row(start_ms, rows[start_ms]) for start_ms in sorted(rows, reverse=True)]


def _edges(start_ms: int, end_ms: int, row_s: int, zone: ZoneInfo) -> NDArray[np.int64]:
    """Where rows begin: on the local clock, however long the days of the change of clocks are."""
    first = datetime.fromtimestamp(start_ms / 1000, zone)
    if row_s < DAY_S:
        begin = first.replace(minute=0, second=0, microsecond=0)
        begin_ms = round(begin.timestamp() * 1000)
        return np.arange(begin_ms, end_ms, row_s * 1000, dtype=np.int64)
    edges = []
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while (at_ms := round(day.timestamp() * 1000)) < end_ms:
        edges.append(at_ms)
        day += timedelta(seconds=row_s)  # of the wall clock: a zone-aware datetime adds local time
    return np.array(edges, dtype=np.int64)


def csv_rows(store: Store, person: str, span: Span, now_ms: int, zone: ZoneInfo) -> Iterator[str]:
    """The readings as lines of CSV: as measured, or by the hour (mean, least, most) where only that is kept."""
    start_ms = now_ms - span.length_s * 1000
    names = list(SIGNS)
    read = store.range(
        "vitals", names, tags={"person": person}, start_ms=start_ms, end_ms=now_ms + 1, points=MOST_ROWS,
        bucket=span.bucket,
    )  # fmt: skip
    columns: list[tuple[str, NDArray[np.float64], int]] = []
    for name in names:
        title = f"{name} [{SIGNS[name].unit}]"
        columns.append((f"{title} mean" if read.minimum else title, read.columns[name], SIGNS[name].digits + 1))
        if read.minimum:
            columns.append((f"{title} min", read.minimum[name], SIGNS[name].digits + 1))
            columns.append((f"{title} max", read.maximum[name], SIGNS[name].digits + 1))
    yield ",".join(("time", "epoch_ms", *(title for title, _, _ in columns))) + "\r\n"
    for row, t_ms in enumerate(read.t_ms.tolist()):
        cells = [_number(values[row], digits) for _, values, digits in columns]
        if any(cells):
            time = datetime.fromtimestamp(t_ms / 1000, zone).isoformat(timespec="seconds")
            yield ",".join((time, str(t_ms), *cells)) + "\r\n"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if np.isfinite(value) else ""


def as_numbers(values: Sequence[float] | NDArray[np.float64], digits: int) -> list[Any]:
    """For JSON: rounded, None for what is not there."""
    rounded: list[Any] = np.round(np.asarray(values, np.float64), digits).tolist()
    return [value if np.isfinite(value) else None for value in rounded]
