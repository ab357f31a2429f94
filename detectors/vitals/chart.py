"""What is known of each person now: the newest values, their running level, and how far it is from what is usual."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.vitals.batch import (
    CHARTED,
    CONSCIOUS,
    GLUCOSE,
    HR,
    O2,
    RR,
    SBP,
    SPO2,
    TEMP,
    Flags,
    Floats,
    Instants,
    Rows,
)
from detectors.vitals.columns import Columns
from detectors.vitals.news2 import Score, news2
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.signs import DAY_S, HOUR_S, USUAL, column

#: Before any instant, and far enough from the ends of int64 to subtract.
NEVER_MS = -(2**62)
_CHARTED = CHARTED.stop
#: What is stated stands longer: alert until somebody says otherwise for the twelve hours of the chart, oxygen a day.
VALID_MS = np.concatenate([column("valid_s"), [[DAY_S], [12 * HOUR_S]]]) * 1000
#: A deviation beyond this is as telling as one of this: one sensor's nonsense must not outweigh hours.
_MOST_SIGMA = 6.0
#: Pressure is measured now and then: each value is its own level.
_RUNNING = np.array([[True], [True], [True], [True], [False]])
_IRREGULAR_GAIN = 0.1
_IRREGULAR_WITHIN_MS = 300_000
#: A pace is taken from readings at most so far apart.
_PACE_WITHIN_MS = 1_200_000
_PACE_MS = 60_000
#: It follows the newest two by so much: a sensor's noise alone makes 5 mmol/L an hour of them.
_PACE_GAIN = 0.4
#: And of the first two so much is believed.
_PACE_FIRST_SHARE = 0.5

_COLUMNS: dict[str, tuple[tuple[int, ...], Any, float]] = {
    "value": ((_CHARTED,), np.float64, np.nan),
    "t_ms": ((_CHARTED,), np.int64, NEVER_MS),
    "level": ((USUAL,), np.float32, np.nan),
    "above": ((USUAL,), np.float32, 0.0),  # CUSUM upwards, in standard deviations
    "below": ((USUAL,), np.float32, 0.0),
    "unrest": ((), np.float32, np.nan),  # mean difference of the pulse from one reading to the next
    "pace": ((), np.float32, np.nan),  # of glucose, mmol/L and minute
    "moved_ms": ((), np.int64, NEVER_MS),
    "motion_ms": ((), np.int64, NEVER_MS),  # when it was last told whether the person moves
}


class View(NamedTuple):
    """m people right after a reading of each.

    Attributes:
        rows: ``(m,)``.
        t_ms: ``(m,)`` of the reading.
        tried: ``(10, m)`` what this reading measured.
        fresh: ``(10, m)`` and was believed.
        lively: ``(10, m)`` and is not held at one value.
        value: ``(10, m)`` the newest, NaN where too old.
        level: ``(5, m)`` running level, NaN where too old.
        usual: ``(5, m)`` location at this time of day, NaN where not learnt.
        scale: ``(5, m)`` its spread.
        sigma: ``(5, m)`` how far the level is from the usual, in spreads.
        above: ``(5, m)`` CUSUM upwards.
        below: ``(5, m)`` and downwards.
        unrest_bpm: ``(m,)`` how much the pulse differs from one reading to the next.
        pace_mmol_l_min: ``(m,)`` of glucose.
        score: NEWS2 now.
        usual_parts: ``(7, m)`` what the usual values would score; 0 where not learnt.
        scale_2: ``(m,)`` whose saturation is scored on scale 2.
        unseen: ``(m,)`` nothing tells whether the person moves.
    """

    rows: Rows
    t_ms: Instants
    tried: Flags
    fresh: Flags
    lively: Flags
    value: Floats
    level: Floats
    usual: Floats
    scale: Floats
    sigma: Floats
    above: Floats
    below: Floats
    unrest_bpm: Floats
    pace_mmol_l_min: Floats
    score: Score
    usual_parts: NDArray[np.int8]
    scale_2: Flags
    unseen: Flags

    def part(self, chosen: NDArray[Any]) -> View:
        """The people chosen."""
        fields = self._asdict()
        score = fields.pop("score")
        return View(score=Score(*(x[..., chosen] for x in score)), **{k: v[..., chosen] for k, v in fields.items()})


class Chart:
    """The charts of everybody."""

    def __init__(self, parameters: VitalsParameters) -> None:
        self._parameters = parameters
        self.columns = Columns(_COLUMNS)

    def resting(self, rows: Rows, t_ms: Instants, at_rest: Flags, told: Flags) -> Flags:
        """``(m,)`` who is at rest and has been for a while; ``told`` where a device says whether it is."""
        motion_ms = self.columns["motion_ms"][rows]
        self.columns["motion_ms"][rows] = np.where(told, np.maximum(t_ms, motion_ms), motion_ms)
        moved_ms = np.where(at_rest, self.columns["moved_ms"][rows], np.maximum(t_ms, self.columns["moved_ms"][rows]))
        self.columns["moved_ms"][rows] = moved_ms
        return t_ms - moved_ms >= self._parameters.recover_s * 1000

    def newer(self, rows: Rows, t_ms: Instants, usable: Flags) -> Flags:
        """``(10, m)`` what of it is newer than what the charts have."""
        return usable & (t_ms > self.columns["t_ms"][:, rows])

    def take(self, rows: Rows, t_ms: Instants, values: Floats, fresh: Flags, usual: Floats, scale: Floats) -> None:
        """Enter one reading of each of m people. ``values`` and ``fresh`` ``(10, m)``, the usual ``(5, m)``."""
        columns, parameters = self.columns, self._parameters
        before, before_ms = columns["value"][:, rows], columns["t_ms"][:, rows]
        columns["value"][:, rows] = np.where(fresh, values, before)
        columns["t_ms"][:, rows] = np.where(fresh, t_ms, before_ms)
        passed_ms = t_ms - before_ms
        self._unrest(rows, values[HR] - before[HR], fresh[HR] & (passed_ms[HR] <= _IRREGULAR_WITHIN_MS))
        if fresh[GLUCOSE].any():
            self._pace(rows, values[GLUCOSE] - before[GLUCOSE], fresh[GLUCOSE], passed_ms[GLUCOSE])

        new, passed_s = fresh[:USUAL], np.maximum(passed_ms[:USUAL], 0) / 1000.0
        level = columns["level"][:, rows]
        follows = _RUNNING & (passed_s <= parameters.gap_s)
        gain = np.where(follows, 1 - np.exp(-passed_s / parameters.level_s), 1.0)
        begun = np.isnan(level)
        level = np.where(new, np.where(begun, values[:USUAL], level + gain * (values[:USUAL] - level)), level)
        columns["level"][:, rows] = level
        sigma = np.clip((level - usual) / scale, -_MOST_SIGMA, _MOST_SIGMA)
        weight = np.where(new & ~np.isnan(sigma), np.minimum(passed_s / parameters.cusum_s, 1.0), 0.0)
        most = 2 * parameters.cusum_sigma
        exceeds = np.nan_to_num(sigma)
        for name, side in (("above", exceeds), ("below", -exceeds)):
            total = columns[name][:, rows] + weight * (side - parameters.cusum_slack_sigma)
            columns[name][:, rows] = np.clip(total, 0.0, most)

    def _unrest(self, rows: Rows, change: Floats, counts: Flags) -> None:
        before = self.columns["unrest"][rows]
        size = np.abs(change)
        after = np.where(np.isnan(before), size, before + _IRREGULAR_GAIN * (size - before))
        self.columns["unrest"][rows] = np.where(counts, after, before)

    def _pace(self, rows: Rows, change: Floats, measured: Flags, passed_ms: Instants) -> None:
        near = (passed_ms >= _PACE_MS) & (passed_ms <= _PACE_WITHIN_MS)
        pace = np.where(near, change / np.maximum(passed_ms, 1) * 60_000.0, np.nan)
        before = self.columns["pace"][rows]
        pace = np.where(np.isnan(before), pace * _PACE_FIRST_SHARE, before + _PACE_GAIN * (pace - before))
        self.columns["pace"][rows] = np.where(measured, pace, before)

    def valid(self, rows: Rows, t_ms: Instants | int) -> Floats:
        """``(10, m)`` the newest values, NaN where they are too old at ``t_ms``."""
        young = t_ms - self.columns["t_ms"][:, rows] <= VALID_MS
        return np.where(young, self.columns["value"][:, rows], np.nan)

    def view(
        self,
        rows: Rows,
        t_ms: Instants,
        *,
        tried: Flags,
        fresh: Flags,
        lively: Flags,
        usual: Floats,
        scale: Floats,
        scale_2: Flags,
    ) -> View:
        """Everything that the rules look at."""
        columns = self.columns
        value = self.valid(rows, t_ms)
        level = np.where(np.isnan(value[:USUAL]), np.nan, columns["level"][:, rows])
        return View(
            rows=rows,
            t_ms=t_ms,
            tried=tried,
            fresh=fresh,
            lively=lively,
            value=value,
            level=level,
            usual=usual,
            scale=scale,
            sigma=(level - usual) / scale,
            above=columns["above"][:, rows],
            below=columns["below"][:, rows],
            unrest_bpm=columns["unrest"][rows],
            pace_mmol_l_min=columns["pace"][rows],
            score=scored(value, scale_2),
            usual_parts=_usual_parts(value, usual, scale_2),
            scale_2=scale_2,
            unseen=t_ms - columns["motion_ms"][rows] > self._parameters.unseen_s * 1000,
        )


def scored(value: Floats, scale_2: Flags) -> Score:
    """NEWS2 of ``(10, m)`` values."""
    return news2(
        rr=value[RR], spo2=value[SPO2], o2=value[O2], sbp=value[SBP], hr=value[HR], acvpu=value[CONSCIOUS],
        temp=value[TEMP], scale_2=scale_2,
    )  # fmt: skip


def _usual_parts(value: Floats, usual: Floats, scale_2: Flags) -> NDArray[np.int8]:
    """What the usual values score, with the oxygen of now: whoever breathes it does so every day."""
    nothing = np.full(len(scale_2), np.nan)
    parts = news2(
        rr=usual[RR], spo2=usual[SPO2], o2=value[O2], sbp=usual[SBP], hr=usual[HR], acvpu=nothing, temp=usual[TEMP],
        scale_2=scale_2,
    ).parts  # fmt: skip
    return np.maximum(parts, np.int8(0))
