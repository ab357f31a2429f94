"""Readings that come late: out of a device's buffer, or after a long way.

They never raise a live alarm and change nothing that is live, because by then it is not known what has been since: no
score, no level, no baseline is touched, in whatever order they come. Only what is grave by itself, one sign beyond its
limit, is told, as something that happened (``historical``) and never as more than a warning.

A red sign of NEWS2 has to pass what the live rule asks of it: it has held for as long, in seven of ten readings, while
the sensor touched the skin, and is not usual for the person as far as that is known. Where it is not known, as of
somebody of whom only history has come, the same is told once in the five days in which it would have been learnt.
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
from detectors.vitals.rules import PART_OF, RULES, R
from detectors.vitals.signs import DAY_S, column, feature
from detectors.vitals.signs import SIGNS as TABLE

#: So many late readings beyond a limit, no further apart than this, are an episode; sugar needs one.
_READINGS = 3
_APART_MS = 3_600_000
#: Of a red sign: so much of the readings since it began must say so, and when it is less than this, it did not begin.
_SHARE, _LOST_SHARE = 0.7, 0.5
#: What a sensor measures that touches badly, and so long after, is not believed.
_TOUCH_MS = 300_000
#: An episode of which nothing was heard for so long is dropped; readings of last week are no reason to.
_FORGET_MS = 86_400_000
_RED = (HR, SPO2, RR)
#: Red from both ends: pulse and breathing, which exertion makes fast.
_TWO_SIDED = {HR: 70.0, RR: 16.0}
_LONG_AGO_MS = -(2**62)


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
    last_ms: int  # of the newest reading that says so
    yes: int
    seen: int
    total: float  # of the values that say so
    lowest: float
    highest: float
    told: bool
    heard_ms: int


class _Told(NamedTuple):
    """What was told of a sign: when it was, the mean of its readings, when it was heard."""

    t_ms: int
    mean: float
    heard_ms: int


#: Rule, sign, too high or too low, row of the person.
_Key = tuple[int, int, bool, int]


class Late:
    """Episodes in late readings; only people who have any are kept."""

    def __init__(self, parameters: VitalsParameters) -> None:
        self._parameters = parameters
        self._episodes: dict[_Key, _Episode] = {}
        self._told: dict[_Key, _Told] = {}
        self._lost_ms: dict[int, int] = {}  # by device: when it touched badly
        self._low, self._high = column("low"), column("high")

    def take(
        self, batch: VitalsBatch, limits: dict[str, Floats], scale_2: Flags, usual: tuple[Floats, Floats]
    ) -> list[LateFinding]:
        """Look at late readings in the order of their times. ``limits`` ``(m,)`` each; ``usual`` ``(5, m)`` location
        and spread at the time of each reading, NaN where not learnt."""
        values = batch.values.copy()
        signs = values[SIGNS]
        possible = (signs >= self._low) & (signs <= self._high)
        moving = values[ENMO] > self._parameters.moving_g
        signs[~possible | (WORN & self._untouched(batch)) | (REST_ONLY & moving)] = np.nan
        several = self._several(values, scale_2)
        found = []
        for rule, sign, beyond in self._beyond(values, limits, scale_2):
            looked = np.isfinite(values[sign])
            if rule is R.NEWS2_URGENT:
                beyond &= ~self._usual(sign, values[sign], *usual)
                open_rows = [key[3] for key in self._episodes if key[:2] == (int(rule), sign)]
                looked &= beyond | np.isin(batch.row, open_rows) | np.isin(batch.row, batch.row[beyond])
            else:
                looked = beyond
            at = np.flatnonzero(looked)
            for place in at[np.argsort(batch.t_ms[at], kind="stable")].tolist():
                one = self._episode(
                    rule, sign, batch, place, float(values[sign, place]), bool(beyond[place]), bool(several[place])
                )
                if one is not None:
                    found.append(one)
        return found

    def _untouched(self, batch: VitalsBatch) -> Flags:
        """``(m,)`` whose sensor touched badly, or did just before."""
        lost: Flags = (batch.values[QUALITY] < self._parameters.quality_share) | (batch.values[HR] == 0)
        out: Flags = lost.copy()
        if lost.any() or self._lost_ms:
            for place in np.argsort(batch.t_ms, kind="stable").tolist():
                device, t_ms = int(batch.device[place]), int(batch.t_ms[place])
                if lost[place]:
                    self._lost_ms[device] = t_ms
                out[place] |= 0 <= t_ms - self._lost_ms.get(device, _LONG_AGO_MS) <= _TOUCH_MS
        return out

    def _usual(self, sign: int, value: Floats, location: Floats, scale: Floats) -> Flags:
        """As for the live rule: near to what is usual, in spreads and in what matters."""
        away = np.abs(value - location[sign])
        with np.errstate(invalid="ignore"):
            near = away <= self._parameters.within_usual_sigma * scale[sign]
            return np.asarray(near & (away <= self._parameters.within_usual_share * TABLE[sign].matters))

    @staticmethod
    def _several(values: Floats, scale_2: Flags) -> Flags:
        """Two signs of one reading that score."""
        return np.asarray((scored(values, scale_2).parts >= 2).sum(axis=0) >= 2)

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

    def _episode(
        self, rule: R, sign: int, batch: VitalsBatch, place: int, value: float, beyond: bool, several: bool
    ) -> LateFinding | None:
        row, t_ms, recv_ms = int(batch.row[place]), int(batch.t_ms[place]), int(batch.recv_ms[place])
        high = value >= _TWO_SIDED.get(sign, 0.0)
        key = (int(rule), sign, high, row)
        if not beyond:
            self._denied(int(rule), sign, row, t_ms)
            return None
        before = self._episodes.get(key)
        if before is None or not before.first_ms - _APART_MS <= t_ms <= before.last_ms + _APART_MS:
            before = _Episode(t_ms, t_ms, 0, 0, 0.0, value, value, False, recv_ms)
        elif before.yes and t_ms == before.last_ms:
            return None  # the same again
        now = _Episode(
            min(before.first_ms, t_ms), max(before.last_ms, t_ms), before.yes + 1, before.seen + 1,
            before.total + value, min(before.lowest, value), max(before.highest, value), before.told, recv_ms,
        )  # fmt: skip
        unseen = bool(np.isnan(batch.values[ENMO, place]))
        due = not now.told and self._sure(rule, sign, now, several=several, strained=high and unseen)
        self._episodes[key] = now._replace(told=now.told or due)
        if not due:
            return None
        mean = now.total / now.yes
        if rule is R.NEWS2_URGENT and not self._news(key, now.first_ms, mean):
            return None
        self._told[key] = _Told(now.first_ms, mean, recv_ms)
        features = {feature(sign): round(value, 3), "late_readings": float(now.yes)}
        return LateFinding(rule, row, int(batch.device[place]), now.first_ms, recv_ms, COLUMNS[sign], features)

    def _denied(self, rule: int, sign: int, row: int, t_ms: int) -> None:
        """A reading within its limit, of an episode that goes on."""
        for high in (False, True):
            one = self._episodes.get((rule, sign, high, row))
            if one is None or not one.first_ms <= t_ms <= one.last_ms + _APART_MS:
                continue
            if one.yes < _LOST_SHARE * (one.seen + 1):
                del self._episodes[rule, sign, high, row]
            else:
                self._episodes[rule, sign, high, row] = one._replace(seen=one.seen + 1)

    def _sure(self, rule: R, sign: int, one: _Episode, *, several: bool, strained: bool) -> bool:
        """Whether it is told now; ``strained`` where exertion may be why."""
        if rule is not R.NEWS2_URGENT:
            return one.yes >= (1 if sign == GLUCOSE else _READINGS)
        of = RULES[rule]
        held_s = of.several_s if several else of.confirm_s
        if strained and sign in _TWO_SIDED:
            held_s = self._parameters.unseen_confirm_s
        varies = one.lowest < one.highest or one.yes < TABLE[sign].held_readings
        lasted = one.last_ms - one.first_ms >= held_s * 1000
        return lasted and varies and one.yes >= of.readings and one.yes >= _SHARE * one.seen

    def _news(self, key: _Key, t_ms: int, mean: float) -> bool:
        """Whether nobody has been told the like: of any sign so short before, or of this one while it is not known
        whether it is usual, unless it is worse by what matters."""
        rule, sign, high, row = key
        quiet_ms = self._parameters.quiet_warning_s * 1000
        for other in _RED:
            for side in (False, True):
                told = self._told.get((rule, other, side, row))
                if told is not None and abs(t_ms - told.t_ms) < quiet_ms:
                    return False
        told = self._told.get(key)
        if told is None or abs(t_ms - told.t_ms) >= self._parameters.bin_days * DAY_S * 1000:
            return True
        worse = (told.mean - mean) if sign == SPO2 or not high else (mean - told.mean)
        return worse > self._parameters.within_usual_share * TABLE[sign].matters

    def forget(self, now_ms: int) -> None:
        """Drop what nothing has been heard of for a day; what was told, for as long as a usual value takes to learn."""
        if self._episodes:
            self._episodes = {k: one for k, one in self._episodes.items() if now_ms - one.heard_ms < _FORGET_MS}
        if self._told:
            kept_ms = self._parameters.bin_days * DAY_S * 1000
            self._told = {k: one for k, one in self._told.items() if now_ms - one.heard_ms < kept_ms}
        if self._lost_ms and not self._episodes:
            self._lost_ms.clear()

    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "episodes": [(key, tuple(one)) for key, one in self._episodes.items()],
            "told": [(key, tuple(one)) for key, one in self._told.items()],
            "lost_ms": dict(self._lost_ms),
        }

    def restore(self, state: dict[str, Any] | list[Any]) -> None:
        """Take over what :meth:`state` gave. A list is of a release that knew of less: its episodes begin anew."""
        kept = {"episodes": [], "told": [], "lost_ms": {}} if isinstance(state, list) else state
        self._episodes = {tuple(key): _Episode(*one) for key, one in kept["episodes"]}
        self._told = {tuple(key): _Told(*one) for key, one in kept["told"]}
        self._lost_ms = {int(device): at_ms for device, at_ms in kept["lost_ms"].items()}
