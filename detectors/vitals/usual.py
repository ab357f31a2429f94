"""What is usual for each person at each time of day: learnt from readings at rest, robustly, and always going on.

The day has six parts of four hours. When a part ends, what was measured in it becomes one number (a mean of readings
that are clipped around what was usual, so that a few odd ones weigh little). The last ten of each part are kept; their
median is the location and their median absolute deviation the spread from day to day. A bad day or four therefore move
the usual hardly at all, and a new medicine becomes the usual within a week. Between the middles of two parts it goes
over in a line.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.vitals.batch import Flags, Floats, Instants, Rows
from detectors.vitals.columns import Columns
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.signs import SIGNS, USUAL

BINS = 6
KEPT = 10
_BIN_MS = 86_400_000 // BINS
#: The ring holds hundredths of a unit.
_PER_UNIT = 100.0
#: No value of a living person, and what is zero takes no memory: a ring fills up in ten days.
_NOTHING = 0
_LEAST, _MOST = 1 / _PER_UNIT, 320
#: From mean absolute and from median absolute deviation to a standard deviation, were the values normal.
_OF_MEAN, _OF_MEDIAN = 1.2533, 1.4826
#: Where a person of whom nothing is known is looked for, and how far around it readings are taken as they are.
_ANYBODY = np.array([[75.0], [96.0], [17.0], [36.6], [135.0]], np.float32)
_ANYBODY_WITHIN = np.array([[60.0], [12.0], [15.0], [2.5], [70.0]], np.float32)
_FLOOR = np.array([[sign.floor] for sign in SIGNS[:USUAL]], np.float32)

_COLUMNS: dict[str, tuple[tuple[int, ...], Any, float]] = {
    "ring": ((USUAL, BINS, KEPT), np.int16, _NOTHING),  # newest first
    "spread": ((USUAL, BINS), np.float32, np.nan),  # of the readings within a part of a day
    # the part that is going on
    "part": ((), np.int32, -1),  # days * BINS + bin, local
    "ref": ((USUAL,), np.float32, np.nan),
    "within": ((USUAL,), np.float32, np.nan),
    "sum": ((USUAL,), np.float32, 0.0),
    "off": ((USUAL,), np.float32, 0.0),
    "count": ((USUAL,), np.int32, 0),
}
#: What follows from the ring and the spread; not saved.
_DERIVED: dict[str, tuple[tuple[int, ...], Any, float]] = {
    "location": ((USUAL, BINS), np.float32, np.nan),
    "scale": ((USUAL, BINS), np.float32, np.nan),
}


class Folded(NamedTuple):
    """People for whom a part of a day has ended.

    Attributes:
        rows: ``(k,)``.
        day: ``(k,)`` local days since 1970 of the part that ended.
        pulse_bpm: ``(k,)`` mean pulse at rest in it, NaN when it was not measured.
    """

    rows: Rows
    day: NDArray[np.int32]
    pulse_bpm: Floats


class Usual:
    """The usual values of everybody."""

    def __init__(self, parameters: VitalsParameters) -> None:
        self._parameters = parameters
        self.columns = Columns(_COLUMNS)
        self._derived = Columns(_DERIVED)

    def grow(self, rows: int) -> None:
        """Make room for ``rows`` people."""
        self.columns.grow(rows)
        self._derived.grow(rows)

    def at(self, rows: Rows, local_ms: Instants) -> tuple[Floats, Floats]:
        """``(5, m)`` location and spread at a local time of day; NaN where not yet known."""
        place = (local_ms % 86_400_000) / _BIN_MS - 0.5
        first = np.floor(place).astype(np.intp)
        share = (place - first)[None, :]
        one, two = first % BINS, (first + 1) % BINS
        location, scale = self._derived["location"], self._derived["scale"]
        mean = location[:, one, rows] * (1 - share) + location[:, two, rows] * share
        return mean, scale[:, one, rows] * (1 - share) + scale[:, two, rows] * share

    def learn(self, rows: Rows, local_ms: Instants, values: Floats, counts: Flags) -> Folded:
        """Take ``(5, m)`` readings in, where ``counts``; what had ended before them is learnt first."""
        columns = self.columns
        part = (local_ms // _BIN_MS).astype(np.int32)
        ended = part > columns["part"][rows]  # another device's reading may be of the part before: it counts to this
        folded = self._fold(rows[ended], part[ended]) if ended.any() else _NOBODY
        reference, within = columns["ref"][:, rows], columns["within"][:, rows]
        residual = np.where(counts, np.clip(values - reference, -within, within), 0.0)
        columns["sum"][:, rows] += residual
        # the spread is taken around the mean so far, which the first readings of a part do not know
        count = columns["count"][:, rows]
        mean = columns["sum"][:, rows] / np.maximum(count + counts, 1)
        columns["off"][:, rows] += np.where(counts, np.abs(residual - mean), 0.0)
        columns["count"][:, rows] = count + counts
        return folded

    def _fold(self, rows: Rows, part: NDArray[np.int32]) -> Folded:
        """Learn the parts that ended, and begin new ones."""
        columns = self.columns
        old = columns["part"][rows]
        known = old >= 0
        past = rows[known]
        at = (old[known] % BINS).astype(np.intp)
        count = columns["count"][:, past]
        measured = count > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            value = columns["ref"][:, past] + columns["sum"][:, past] / count
            off = columns["off"][:, past] / count * _OF_MEAN
        for sign in range(USUAL):
            of = past[measured[sign]]
            where = at[measured[sign]]
            ring = columns["ring"][sign][where, :, of]
            ring[:, 1:] = ring[:, :-1].copy()
            ring[:, 0] = np.rint(np.clip(value[sign][measured[sign]], _LEAST, _MOST) * _PER_UNIT).astype(np.int16)
            kept = np.flatnonzero(ring.any(axis=0))
            columns["ring"][sign][where[:, None], kept, of[:, None]] = ring[:, kept]
            spread = columns["spread"][sign, where, of]
            newest = off[sign][measured[sign]]
            gain = self._parameters.spread_gain
            columns["spread"][sign, where, of] = np.where(
                np.isnan(spread), newest, spread + gain * (np.minimum(newest, 3 * spread + 1e-3) - spread)
            )
        self._derive(past)
        columns["part"][rows] = part
        location, scale = self._of_part(rows, part)
        fresh = np.isnan(location)
        columns["ref"][:, rows] = np.where(fresh, _ANYBODY, location)
        columns["within"][:, rows] = np.where(fresh, _ANYBODY_WITHIN, self._parameters.clip_sigma * scale)
        for name in ("sum", "off", "count"):
            columns[name][:, rows] = 0
        pulse = np.where(measured[0], value[0], np.nan)
        return Folded(past, old[known] // BINS, pulse)

    def _of_part(self, rows: Rows, part: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[Any]]:
        at = (part % BINS).astype(np.intp)
        return self._derived["location"][:, at, rows], self._derived["scale"][:, at, rows]

    def _derive(self, rows: Rows) -> None:
        """Location and scale of each part of the day anew, of some people."""
        if not len(rows):
            return
        ring = self.columns["ring"][..., rows]
        values = np.where(ring == _NOTHING, np.nan, ring / np.float32(_PER_UNIT)).astype(np.float32)
        spread = self.columns["spread"][..., rows]
        location, scale = _robust(values, spread, self._parameters.bin_days)
        # a part of the day that is not known yet takes what is known of the whole day
        whole = values.reshape(USUAL, 1, BINS * KEPT, len(rows))
        with np.errstate(invalid="ignore"):
            mean_spread = _mean(spread)
        all_day, all_scale = _robust(whole, mean_spread, self._parameters.bin_days)
        all_scale = np.sqrt(all_scale**2 + _variance(whole))  # day and night, which a median would hide
        days = (~np.isnan(values)).sum(axis=2).max(axis=1, keepdims=True)  # of the part that is known best
        all_day = np.where(days >= self._parameters.bin_days, all_day, np.nan)
        unknown = np.isnan(location)
        self._derived["location"][..., rows] = np.where(unknown, all_day, location)
        self._derived["scale"][..., rows] = np.where(unknown, all_scale, scale)

    def state(self, rows: int) -> dict[str, Any]:
        """What was learnt of the first ``rows`` people."""
        return self.columns.state(rows)

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """Take over what :meth:`state` gave."""
        self.columns.restore(state, rows)
        self._derived = Columns(_DERIVED)
        self._derived.grow(rows)
        for first in range(0, rows, 2000):
            self._derive(np.arange(first, min(first + 2000, rows)))


def _robust(values: NDArray[Any], spread: NDArray[Any], least: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Median along axis 2 and the spread around it, of which the floor is a part; NaN with fewer than ``least``."""
    middle, count = _median(values)
    apart, _ = _median(np.abs(values - middle[:, :, None]))
    known = count >= least
    inner = np.where(np.isnan(spread), 0.0, spread)
    scale = np.sqrt((_OF_MEDIAN * apart) ** 2 + inner**2 + _FLOOR[:, :, None] ** 2)
    return np.where(known, middle, np.nan), np.where(known, scale, np.nan)


def _median(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The median along axis 2 of what is not NaN, and how many that are."""
    order = np.sort(values, axis=2)  # NaN stands last
    count = (~np.isnan(values)).sum(axis=2)
    low = np.maximum(count - 1, 0) // 2
    high = count // 2 * (count > 0)
    pair = [np.take_along_axis(order, index[:, :, None], axis=2)[:, :, 0] for index in (low, high)]
    return (pair[0] + np.where(count % 2 == 1, pair[0], pair[1])) / 2, count


def _mean(spread: NDArray[Any]) -> NDArray[Any]:
    there = ~np.isnan(spread)
    total = np.where(there, spread, 0.0).sum(axis=1, keepdims=True)
    mean: NDArray[Any] = total / np.where(there.any(axis=1, keepdims=True), there.sum(axis=1, keepdims=True), np.nan)
    return mean


def _variance(whole: NDArray[Any]) -> NDArray[Any]:
    """Of what is there along axis 2."""
    there = ~np.isnan(whole)
    count = np.maximum(there.sum(axis=2), 1)
    mean = np.where(there, whole, 0.0).sum(axis=2) / count
    squares: NDArray[Any] = np.where(there, (whole - mean[:, :, None]) ** 2, 0.0).sum(axis=2) / count
    return squares


_NOBODY = Folded(np.empty(0, np.intp), np.empty(0, np.int32), np.empty(0))
