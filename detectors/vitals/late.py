"""Readings that come late: out of a device's buffer, or after a long way.

They never raise a live alarm and change nothing that is live, because by then it is not known what has been since: no
score, no level, no baseline is touched, in whatever order they come. Only what is grave by itself, one sign beyond a
limit that needs no context, is told, as something that happened (``historical``) and never as more than a warning.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from detectors.vitals import news2 as chart
from detectors.vitals.artefacts import REST_ONLY, WORN
from detectors.vitals.batch import (
    COLUMNS,
    DBP,
    ENMO,
    GLUCOSE,
    HR,
    QUALITY,
    RR,
    SBP,
    SIGNS,
    SPO2,
    Flags,
    Floats,
    VitalsBatch,
)
from detectors.vitals.chart import scored
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.rules import PART_OF, R
from detectors.vitals.signs import column, feature

#: So many late readings beyond a limit, no further apart than this, are an episode; sugar needs one.
_READINGS = 3
_APART_MS = 3_600_000
_FORGET_MS = 86_400_000
_RED = (HR, SPO2, RR)


class LateFinding(NamedTuple):
    """One sign of one person was beyond its limit. The features hold the worst value and how many there were."""

    rule: R
    row: int
    device: int
    onset_ms: int
    recv_ms: int
    signs: str
    features: dict[str, float]


class _Episode(NamedTuple):
    first_ms: int
    last_ms: int
    readings: int
    told: bool


class Late:
    """Episodes in late readings; only people who have any are kept."""

    def __init__(self, parameters: VitalsParameters) -> None:
        self._parameters = parameters
        self._episodes: dict[tuple[int, int, int], _Episode] = {}
        self._low, self._high = column("low"), column("high")

    def take(self, batch: VitalsBatch, limits: dict[str, Floats], scale_2: Flags) -> list[LateFinding]:
        """Look at late readings in the order of their times. ``limits`` ``(m,)`` each."""
        values = batch.values.copy()
        signs = values[SIGNS]
        possible = (signs >= self._low) & (signs <= self._high)
        moving = values[ENMO] > self._parameters.moving_g
        poor = values[QUALITY] < self._parameters.quality_share
        signs[~possible | (WORN & poor) | (REST_ONLY & moving)] = np.nan
        found = []
        for rule, sign, beyond in self._beyond(values, limits, scale_2):
            at = np.flatnonzero(beyond)
            for place in at[np.argsort(batch.t_ms[at], kind="stable")].tolist():
                one = self._episode(rule, sign, batch, place, float(values[sign, place]))
                if one is not None:
                    found.append(one)
        return found

    def _beyond(self, values: Floats, limits: dict[str, Floats], scale_2: Flags) -> list[tuple[R, int, Flags]]:
        parts = scored(values, scale_2).parts
        red = [(R.NEWS2_URGENT, sign, parts[PART_OF[sign]] == chart.RED_POINTS) for sign in _RED]
        with np.errstate(invalid="ignore"):
            crisis = values[SBP] >= limits["sbp_high_mmhg"]
            return [
                *red,
                (R.PRESSURE_CRISIS, SBP, crisis),
                (R.PRESSURE_CRISIS, DBP, (values[DBP] >= limits["dbp_high_mmhg"]) & ~crisis),
                (R.GLUCOSE_VERY_LOW, GLUCOSE, values[GLUCOSE] < limits["glucose_very_low_mmol_l"]),
                (R.GLUCOSE_VERY_HIGH, GLUCOSE, values[GLUCOSE] >= limits["glucose_very_high_mmol_l"]),
            ]

    def _episode(self, rule: R, sign: int, batch: VitalsBatch, place: int, value: float) -> LateFinding | None:
        key = (int(rule), sign, int(batch.row[place]))
        t_ms = int(batch.t_ms[place])
        before = self._episodes.get(key)
        if before is None or not before.first_ms - _APART_MS <= t_ms <= before.last_ms + _APART_MS:
            before = _Episode(t_ms, t_ms, 0, False)
        elif before.readings and t_ms == before.last_ms:
            return None  # the same again
        readings = before.readings + 1
        first_ms, last_ms = min(before.first_ms, t_ms), max(before.last_ms, t_ms)
        due = not before.told and readings >= (1 if sign == GLUCOSE else _READINGS)
        self._episodes[key] = _Episode(first_ms, last_ms, readings, before.told or due)
        if not due:
            return None
        features = {feature(sign): round(value, 3), "late_readings": float(readings)}
        return LateFinding(
            rule, int(batch.row[place]), int(batch.device[place]), first_ms, int(batch.recv_ms[place]), COLUMNS[sign],
            features,
        )  # fmt: skip

    def forget(self, now_ms: int) -> None:
        """Drop what lies a day back."""
        if self._episodes:
            self._episodes = {k: one for k, one in self._episodes.items() if now_ms - one.last_ms < _FORGET_MS}

    def state(self) -> list[tuple[Any, ...]]:
        """Plain values."""
        return [(key, tuple(one)) for key, one in self._episodes.items()]

    def restore(self, state: list[tuple[Any, ...]]) -> None:
        """Take over what :meth:`state` gave."""
        self._episodes = {tuple(key): _Episode(*one) for key, one in state}
