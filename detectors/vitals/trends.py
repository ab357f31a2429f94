"""What changes over days and weeks: weight, blood pressure, the pulse at rest. One number a day, four weeks back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.vitals.batch import DBP, SBP, WEIGHT, Flags, Floats, Instants, Rows
from detectors.vitals.columns import Columns
from detectors.vitals.usual import Folded

DAYS = 28
_DAY_MS = 86_400_000
_PER_UNIT = 100.0
#: No weight, pressure or pulse of a living person, and what is zero takes no memory: a ring fills up in four weeks.
_NOTHING = 0
_NO_DAY = -1
#: The rows of the ring.
DAILY_WEIGHT, DAILY_SBP, DAILY_DBP, DAILY_PULSE = range(4)
_OF_READING = ((DAILY_WEIGHT, WEIGHT), (DAILY_SBP, SBP), (DAILY_DBP, DBP))
#: Against what a change is held: so many days, of so many, have to be there.
_LEAST_DAYS = 3

_COLUMNS: dict[str, tuple[tuple[int, ...], Any, float]] = {
    "ring": ((4, DAYS), np.int16, _NOTHING),  # hundredths; today first
    "day": ((), np.int32, _NO_DAY),  # local days since 1970
    "sum": ((4,), np.float32, 0.0),  # of today
    "count": ((4,), np.int32, 0),
}


class Trend(NamedTuple):
    """Of k people: what they were over the last days against the days before. NaN where too little is known.

    Attributes:
        weight_kg: ``(k,)`` of today, and ``weight_before_kg`` the median of the week before yesterday.
        weight_month_kg: ``(k,)`` median of two to four weeks ago, and ``weight_now_kg`` of the last four days.
        sbp_week_mmhg: ``(k,)`` mean of the last seven days, ``sbp_before_mmhg`` median of the three weeks before.
        dbp_week_mmhg: ``(k,)`` mean of the last seven days.
        pulse_bpm: ``(k,)`` mean resting pulse of the last three days, ``pulse_before_bpm`` median of the time before.
    """

    weight_kg: Floats
    weight_before_kg: Floats
    weight_now_kg: Floats
    weight_month_kg: Floats
    sbp_week_mmhg: Floats
    sbp_before_mmhg: Floats
    dbp_week_mmhg: Floats
    pulse_bpm: Floats
    pulse_before_bpm: Floats


class Trends:
    """One number a day for each person and quantity."""

    def __init__(self) -> None:
        self.columns = Columns(_COLUMNS)

    def take(self, rows: Rows, local_ms: Instants, values: Floats, fresh: Flags) -> Flags:
        """Take ``(10, m)`` readings in; ``(m,)`` for whom there is something new to look at."""
        new: Flags = np.asarray(fresh[[WEIGHT, SBP, DBP]].any(axis=0))
        if not new.any():
            return new
        some = rows[new]
        self._today(some, (local_ms[new] // _DAY_MS).astype(np.int32))
        for daily, sign in _OF_READING:
            measured = fresh[sign, new]
            of = some[measured]
            self.columns["sum"][daily, of] += values[sign, new][measured].astype(np.float32)
            self.columns["count"][daily, of] += 1
            self._write(daily, of)
        return new

    def fold(self, folded: Folded) -> None:
        """A part of the day has ended: the lowest of a day is its resting pulse."""
        known = np.isfinite(folded.pulse_bpm)
        rows, day = folded.rows[known], folded.day[known]
        if not len(rows):
            return
        behind = self.columns["day"][rows] - day  # a weight of the day after may have come before
        ahead = behind < 0
        self._today(rows[ahead], day[ahead])
        place = np.maximum(behind, 0)
        kept = place < DAYS
        rows, place = rows[kept], place[kept].astype(np.intp)
        newest = _hundredths(folded.pulse_bpm[known][kept])
        old = self.columns["ring"][DAILY_PULSE, place, rows]
        self.columns["ring"][DAILY_PULSE, place, rows] = np.where(old == _NOTHING, newest, np.minimum(old, newest))

    def _write(self, daily: int, rows: Rows) -> None:
        mean = self.columns["sum"][daily, rows] / self.columns["count"][daily, rows]
        self.columns["ring"][daily, 0, rows] = _hundredths(mean)

    def _today(self, rows: Rows, day: NDArray[np.int32]) -> None:
        """Make ``day`` the first of the ring; a day that lies before it stays where it is."""
        old = self.columns["day"][rows]
        later = (day > old) & (old != _NO_DAY)
        if later.any():
            some, by = rows[later], (day - old)[later]
            place = np.arange(DAYS)[:, None] - by[None, :]
            ring = self.columns["ring"][..., some]
            moved = np.take_along_axis(ring, np.broadcast_to(np.maximum(place, 0), ring.shape), axis=1)
            moved = np.where(place >= 0, moved, _NOTHING)
            for daily, days_ago in np.argwhere((moved != ring).any(axis=-1)).tolist():
                self.columns["ring"][daily, days_ago, some] = moved[daily, days_ago]
            self.columns["sum"][:, some] = 0
            self.columns["count"][:, some] = 0
        self.columns["day"][rows] = np.maximum(old, day)

    def of(self, rows: Rows) -> Trend:
        """What the days of some people say."""
        ring = self.columns["ring"][..., rows]
        values = np.where(ring == _NOTHING, np.nan, ring / _PER_UNIT)
        weight, sbp, dbp, pulse = values
        return Trend(
            weight_kg=weight[0],
            weight_before_kg=_median(weight[2:9]),
            weight_now_kg=_median(weight[:4], 2),
            weight_month_kg=_median(weight[14:]),
            sbp_week_mmhg=_mean(sbp[:7], 4),
            sbp_before_mmhg=_median(sbp[7:], 5),
            dbp_week_mmhg=_mean(dbp[:7], 4),
            pulse_bpm=_mean(pulse[:3], 3),
            pulse_before_bpm=_median(pulse[4:20], 5),
        )


def _hundredths(values: Floats) -> NDArray[np.int16]:
    return np.clip(np.rint(values * _PER_UNIT), 1, np.iinfo(np.int16).max).astype(np.int16)


def _median(values: Floats, least: int = _LEAST_DAYS) -> Floats:
    """Over the first axis, of what is there."""
    order = np.sort(values, axis=0)
    count = (~np.isnan(values)).sum(axis=0)
    across = np.arange(values.shape[1])
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(values) - 1)
    middle: Floats = (order[low, across] + np.where(count % 2 == 1, order[low, across], order[high, across])) / 2
    return np.where(count >= least, middle, np.nan)


def _mean(values: Floats, least: int) -> Floats:
    there = ~np.isnan(values)
    count = there.sum(axis=0)
    return np.where(count >= least, np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
