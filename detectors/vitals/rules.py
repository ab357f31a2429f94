"""The rules: when somebody has to look, how sure it must be before, and when it is over again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.vitals import news2 as chart
from detectors.vitals.batch import CONSCIOUS, DBP, GLUCOSE, HR, RR, SBP, SPO2, TEMP, WEIGHT, Flags, Floats
from detectors.vitals.chart import View
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.signs import DAY_S, HOUR_S, SIGNS
from detectors.vitals.trends import Trend

MINUTE_S = 60.0


class R(IntEnum):
    """The rules. Those of :data:`TRENDS` look at days, the others at readings."""

    NEWS2_EMERGENCY = 0
    NEWS2_URGENT = 1
    RESPIRATORY = 2
    INFECTION = 3
    CIRCULATION = 4
    HR_ABOVE = 5
    HR_BELOW = 6
    SPO2_BELOW = 7
    RR_ABOVE = 8
    TEMP_ABOVE = 9
    TEMP_BELOW = 10
    SBP_ABOVE = 11
    SBP_BELOW = 12
    PULSE_FAST = 13
    PRESSURE_CRISIS = 14
    GLUCOSE_VERY_LOW = 15
    GLUCOSE_LOW = 16
    GLUCOSE_HIGH = 17
    GLUCOSE_VERY_HIGH = 18
    WEIGHT_GAIN = 19
    WEIGHT_LOSS = 20
    PRESSURE_TREND = 21
    PULSE_TREND = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one rule is confirmed, and how it ends.

    Attributes:
        kind: the kind of the finding.
        severity: how urgent it is.
        signs: what it looks at; silence of all of them for ``stale_s`` ends a finding.
        confirm_s: so long it must hold, in
        readings: so many readings, and in seven of ten of those since it began.
        several_s: so long when two signs say so at once.
        within_s: a reading that comes later than this after the last one does not confirm it.
        alone_s: what was measured once, and not again in this time, is told as that. 0: never.
        clear_s: it is over when it has not held for so long.
        stale_s: and when nothing was measured for so long.
        again_s: told again within this time of the last, it is written down and calls nobody.
    """

    kind: str
    severity: Severity
    signs: frozenset[int]
    confirm_s: float
    readings: int = 2
    several_s: float = field(default=-1.0)
    within_s: float = HOUR_S
    alone_s: float = 0.0
    clear_s: float = HOUR_S
    stale_s: float = 12 * HOUR_S
    again_s: float = 0.0


_SCORED = frozenset({HR, SPO2, RR, TEMP, SBP})


def _shift(sign: int) -> Rule:
    return Rule(
        kind="vitals_shift", severity=Severity.WARNING, signs=frozenset({sign}), confirm_s=0,
        readings=2, within_s=SIGNS[sign].valid_s, clear_s=HOUR_S, again_s=2 * DAY_S, stale_s=DAY_S,
    )  # fmt: skip


def _trend(sign: int, *, again_s: float, readings: int = 1, confirm_s: float = 0) -> Rule:
    return Rule(
        kind="vitals_trend", severity=Severity.WARNING, signs=frozenset({sign}), confirm_s=confirm_s, readings=readings,
        within_s=3 * DAY_S, clear_s=2 * DAY_S, stale_s=14 * DAY_S, again_s=again_s,
    )  # fmt: skip


RULES: dict[R, Rule] = {
    # thirty minutes is what the chart gives until somebody is there: a third of it is for being sure
    R.NEWS2_EMERGENCY: Rule(
        kind="news2", severity=Severity.CRITICAL, signs=_SCORED, confirm_s=10 * MINUTE_S, several_s=5 * MINUTE_S,
        readings=3, alone_s=10 * MINUTE_S, within_s=HOUR_S,
    ),
    R.NEWS2_URGENT: Rule(
        kind="news2", severity=Severity.URGENT, signs=_SCORED, confirm_s=30 * MINUTE_S, several_s=10 * MINUTE_S,
        readings=3, alone_s=30 * MINUTE_S, within_s=HOUR_S, clear_s=2 * HOUR_S,
    ),
    R.RESPIRATORY: Rule(
        kind="vitals_combination", severity=Severity.URGENT, signs=frozenset({SPO2, HR, RR}), confirm_s=15 * MINUTE_S,
        readings=3, clear_s=2 * HOUR_S, again_s=12 * HOUR_S,
    ),
    R.INFECTION: Rule(
        kind="vitals_combination", severity=Severity.URGENT, signs=frozenset({TEMP, HR, RR}), confirm_s=30 * MINUTE_S,
        readings=3, within_s=4 * HOUR_S, clear_s=4 * HOUR_S, again_s=2 * DAY_S,
    ),
    R.CIRCULATION: Rule(
        kind="vitals_combination", severity=Severity.URGENT, signs=frozenset({SBP, HR}), confirm_s=10 * MINUTE_S,
        within_s=4 * HOUR_S, clear_s=2 * HOUR_S, again_s=12 * HOUR_S,
    ),
    R.HR_ABOVE: _shift(HR),
    R.HR_BELOW: _shift(HR),
    R.SPO2_BELOW: _shift(SPO2),
    R.RR_ABOVE: _shift(RR),
    R.TEMP_ABOVE: _shift(TEMP),
    R.TEMP_BELOW: _shift(TEMP),
    R.SBP_ABOVE: _shift(SBP),
    R.SBP_BELOW: _shift(SBP),
    R.PULSE_FAST: Rule(
        kind="vitals_limit", severity=Severity.WARNING, signs=frozenset({HR}), confirm_s=20 * MINUTE_S, readings=3,
        clear_s=2 * HOUR_S, again_s=12 * HOUR_S,
    ),
    # a guideline asks for a second measurement after five minutes of rest
    R.PRESSURE_CRISIS: Rule(
        kind="vitals_limit", severity=Severity.URGENT, signs=frozenset({SBP, DBP}), confirm_s=MINUTE_S,
        within_s=13 * HOUR_S, alone_s=30 * MINUTE_S, clear_s=0, stale_s=2 * DAY_S, again_s=12 * HOUR_S,
    ),
    # sugar that low takes away the wits within minutes: nothing is waited for
    R.GLUCOSE_VERY_LOW: Rule(
        kind="vitals_limit", severity=Severity.CRITICAL, signs=frozenset({GLUCOSE}), confirm_s=0, readings=1,
        clear_s=15 * MINUTE_S, again_s=0,
    ),
    R.GLUCOSE_LOW: Rule(
        kind="vitals_limit", severity=Severity.WARNING, signs=frozenset({GLUCOSE}), confirm_s=0, readings=1,
        clear_s=15 * MINUTE_S, again_s=2 * HOUR_S,
    ),
    R.GLUCOSE_HIGH: Rule(
        kind="vitals_limit", severity=Severity.INFO, signs=frozenset({GLUCOSE}), confirm_s=2 * HOUR_S,
        within_s=13 * HOUR_S, clear_s=2 * HOUR_S, stale_s=2 * DAY_S, again_s=DAY_S,
    ),
    R.GLUCOSE_VERY_HIGH: Rule(
        kind="vitals_limit", severity=Severity.URGENT, signs=frozenset({GLUCOSE}), confirm_s=10 * MINUTE_S,
        within_s=13 * HOUR_S, alone_s=30 * MINUTE_S, clear_s=2 * HOUR_S, stale_s=2 * DAY_S, again_s=12 * HOUR_S,
    ),
    R.WEIGHT_GAIN: _trend(WEIGHT, again_s=7 * DAY_S, readings=2, confirm_s=6 * HOUR_S),
    R.WEIGHT_LOSS: _trend(WEIGHT, again_s=28 * DAY_S, readings=2, confirm_s=6 * HOUR_S),
    R.PRESSURE_TREND: _trend(SBP, again_s=14 * DAY_S),
    R.PULSE_TREND: _trend(HR, again_s=14 * DAY_S),
}  # fmt: skip
TRENDS: tuple[R, ...] = (R.WEIGHT_GAIN, R.WEIGHT_LOSS, R.PRESSURE_TREND, R.PULSE_TREND)
#: Sign and direction of each shift.
SHIFTS: dict[R, tuple[int, int]] = {
    R.HR_ABOVE: (HR, 1), R.HR_BELOW: (HR, -1), R.SPO2_BELOW: (SPO2, -1), R.RR_ABOVE: (RR, 1), R.TEMP_ABOVE: (TEMP, 1),
    R.TEMP_BELOW: (TEMP, -1), R.SBP_ABOVE: (SBP, 1), R.SBP_BELOW: (SBP, -1),
}  # fmt: skip
#: Where each sign of the score stands among its parts.
PART_OF: dict[int, int] = {HR: chart.HR, SPO2: chart.SPO2, RR: chart.RR, TEMP: chart.TEMP, SBP: chart.SBP}
#: A single red one of these calls; a low temperature by itself is nearly always a sensor that came off: it is told as a
#: shift after an hour.
_RED = (HR, SPO2, RR, SBP)
#: What a walk makes faster.
_OF_EXERTION = (HR, RR)


class Verdict(NamedTuple):
    """What each rule makes of one reading of each of m people, ``(23, m)``.

    Attributes:
        holds: it holds, and this reading says so.
        stays: it need not be over yet.
        looked: this reading has something to say about it.
        tried: or would have, had it been believed.
        several: two signs say so.
        strained: exertion would explain it, of which nothing is known.
        certain: somebody has stated it: nothing is waited for.
    """

    holds: Flags
    stays: Flags
    looked: Flags
    tried: Flags
    several: Flags
    strained: Flags
    certain: Flags


_SIGN_TABLE = np.array([[sign in RULES[rule].signs for sign in range(len(SIGNS))] for rule in R], np.float32)


def judge(view: View, limits: dict[str, Floats], parameters: VitalsParameters) -> Verdict:
    """Hold one reading of each of m people against the rules that look at readings.

    ``limits`` by their names in :class:`detectors.vitals.limits.PersonLimits`, ``(m,)`` each.
    """
    shape = (len(R), len(view.rows))
    signs = view.fresh[: len(SIGNS)]
    looked = (_SIGN_TABLE @ signs.astype(np.float32)) > 0
    looked[list(TRENDS)] = False
    tried = (_SIGN_TABLE @ view.tried[: len(SIGNS)].astype(np.float32)) > 0
    out = Verdict(*(np.zeros(shape, np.bool_) for _ in Verdict._fields))._replace(looked=looked, tried=tried)
    with np.errstate(invalid="ignore"):
        _news2(view, parameters, out)
        _combinations(view, parameters, out)
        _shifts(view, parameters, out)
        _limits(view, limits, parameters, out)
    # what is held at one value does not carry an alarm by itself
    lively = (_SIGN_TABLE @ (signs & view.lively[: len(SIGNS)]).astype(np.float32)) > 0
    lively |= out.certain
    out.holds[:] &= looked & lively
    out.stays[:] |= out.holds
    out.strained[:] &= view.unseen
    return out


def _news2(view: View, parameters: VitalsParameters, out: Verdict) -> None:
    score = view.score
    lively = view.lively[: len(SIGNS)]
    mind_red = score.parts[chart.CONSCIOUS] == chart.RED_POINTS
    stated = view.fresh[CONSCIOUS] & mind_red
    scoring, red, red_stays, red_at_rest = (np.zeros(len(view.rows), np.bool_) for _ in range(4))
    beyond = np.where(mind_red, chart.RED_POINTS, 0)  # points of what is not usual
    strain = np.zeros(len(view.rows), np.int64)  # points that exertion can make
    for sign, part in PART_OF.items():
        points = score.parts[part]
        usual = np.abs(view.sigma[sign]) <= parameters.within_usual_sigma
        usual &= np.abs(view.level[sign] - view.usual[sign]) <= parameters.within_usual_share * SIGNS[sign].matters
        own = ~usual
        beyond += np.where(own, np.maximum(points - view.usual_parts[part], 0), 0)
        scoring |= lively[sign] & (points > 0)
        if sign in _RED:
            is_red = (points == chart.RED_POINTS) & own
            red |= lively[sign] & is_red
            red_stays |= (points >= 2) & own
            if sign not in _OF_EXERTION:
                red_at_rest |= is_red
        if sign in _OF_EXERTION:
            strain += np.maximum(points, 0)
    more = beyond >= parameters.news2_beyond_usual_points
    several = (score.parts >= 2).sum(axis=0) >= 2
    for rule, least in ((R.NEWS2_EMERGENCY, chart.EMERGENCY_POINTS), (R.NEWS2_URGENT, chart.URGENT_POINTS)):
        enough = (score.lower >= least) & more
        out.holds[rule] = enough & (scoring | stated)
        out.stays[rule] = (score.lower >= least - 1) & more
        out.several[rule] = several
        out.strained[rule] = (score.lower - strain < least) & ~mind_red
        out.looked[rule] |= stated
        out.certain[rule] = stated
    out.holds[R.NEWS2_URGENT] |= red | stated
    out.stays[R.NEWS2_URGENT] |= red_stays | mind_red
    out.strained[R.NEWS2_URGENT] &= ~red_at_rest


def _combinations(view: View, parameters: VitalsParameters, out: Verdict) -> None:
    far, beside = parameters.combine_sigma, parameters.beside_sigma
    sigma = view.sigma
    faster = (sigma[HR] >= beside) | (sigma[RR] >= beside)
    faster_still = (sigma[HR] >= beside / 2) | (sigma[RR] >= beside / 2)
    fall = view.usual[SPO2] - view.level[SPO2]
    out.holds[R.RESPIRATORY] = (sigma[SPO2] <= -far) & (fall >= parameters.oxygen_drop_pct) & faster
    out.stays[R.RESPIRATORY] = (sigma[SPO2] <= -far / 2) & faster_still
    warm = (view.level[TEMP] >= parameters.fever_celsius) & (sigma[TEMP] >= far)
    out.holds[R.INFECTION] = warm & faster & (view.level[TEMP] - view.usual[TEMP] >= SIGNS[TEMP].matters)
    out.stays[R.INFECTION] = (sigma[TEMP] >= far / 2) & faster_still
    index = view.level[HR] / view.value[SBP]
    out.holds[R.CIRCULATION] = (sigma[SBP] <= -beside) & (sigma[HR] >= beside) & (index >= parameters.shock_index_share)
    out.stays[R.CIRCULATION] = (sigma[SBP] <= -beside / 2) & (sigma[HR] >= beside / 2)


def _shifts(view: View, parameters: VitalsParameters, out: Verdict) -> None:
    for rule, (sign, direction) in SHIFTS.items():
        total = view.above[sign] if direction > 0 else view.below[sign]
        change = direction * (view.level[sign] - view.usual[sign])
        out.holds[rule] = (total >= parameters.cusum_sigma) & (change >= SIGNS[sign].matters)
        out.stays[rule] = total >= parameters.clear_share * parameters.cusum_sigma
        out.strained[rule] = direction > 0 and sign in _OF_EXERTION
    out.holds[R.TEMP_ABOVE] &= view.level[TEMP] >= parameters.fever_celsius


def _limits(view: View, limits: dict[str, Floats], parameters: VitalsParameters, out: Verdict) -> None:
    fast = limits["hr_fast_bpm"]
    pulse = view.level[HR]
    usual = np.nan_to_num(view.sigma[HR], nan=9.0) > parameters.within_usual_sigma
    out.holds[R.PULSE_FAST] = (pulse >= fast) & usual
    out.stays[R.PULSE_FAST] = pulse >= fast - 15
    out.strained[R.PULSE_FAST] = True
    sbp, dbp = view.value[SBP], view.value[DBP]
    high_sbp, high_dbp = limits["sbp_high_mmhg"], limits["dbp_high_mmhg"]
    out.holds[R.PRESSURE_CRISIS] = (sbp >= high_sbp) | (dbp >= high_dbp)
    out.stays[R.PRESSURE_CRISIS] = (sbp >= high_sbp - 10) | (dbp >= high_dbp - 5)
    sugar = view.value[GLUCOSE]
    very_low, low = limits["glucose_very_low_mmol_l"], limits["glucose_low_mmol_l"]
    soon = sugar + view.pace_mmol_l_min * parameters.ahead_s / 60
    falling = (sugar < parameters.falling_mmol_l) & (soon < parameters.falling_to_mmol_l)
    out.holds[R.GLUCOSE_VERY_LOW], out.stays[R.GLUCOSE_VERY_LOW] = sugar < very_low, sugar < low
    out.holds[R.GLUCOSE_LOW], out.stays[R.GLUCOSE_LOW] = (sugar < low) | falling, sugar < low + 0.5
    for rule, name in ((R.GLUCOSE_HIGH, "glucose_high"), (R.GLUCOSE_VERY_HIGH, "glucose_very_high")):
        high = limits[f"{name}_mmol_l"]
        out.holds[rule], out.stays[rule] = sugar >= high, sugar >= 0.85 * high


def judge_trends(trend: Trend, limits: dict[str, Floats], fresh: NDArray[np.bool_]) -> Verdict:
    """Hold the days of k people against the rules that look at days. ``fresh`` ``(3, k)``: weight, pressure, pulse."""
    shape = (len(R), fresh.shape[1])
    out = Verdict(*(np.zeros(shape, np.bool_) for _ in Verdict._fields))
    with np.errstate(invalid="ignore"):
        gain = trend.weight_kg - trend.weight_before_kg
        out.holds[R.WEIGHT_GAIN] = gain >= limits["weight_gain_kg"]
        out.stays[R.WEIGHT_GAIN] = gain >= 0.6 * limits["weight_gain_kg"]
        loss = 100 * (1 - trend.weight_now_kg / trend.weight_month_kg)
        out.holds[R.WEIGHT_LOSS] = loss >= limits["weight_loss_pct"]
        out.stays[R.WEIGHT_LOSS] = loss >= 0.6 * limits["weight_loss_pct"]
        rise = trend.sbp_week_mmhg - trend.sbp_before_mmhg
        high = trend.sbp_week_mmhg >= limits["sbp_mean_mmhg"]
        out.holds[R.PRESSURE_TREND] = (rise >= limits["sbp_rise_mmhg"]) & high
        out.stays[R.PRESSURE_TREND] = rise >= 0.5 * limits["sbp_rise_mmhg"]
        faster = trend.pulse_bpm - trend.pulse_before_bpm
        out.holds[R.PULSE_TREND] = faster >= limits["resting_hr_rise_bpm"]
        out.stays[R.PULSE_TREND] = faster >= 0.5 * limits["resting_hr_rise_bpm"]
    for rule, of in zip(TRENDS, (0, 0, 1, 2), strict=True):
        out.looked[rule] = fresh[of]
    out.holds[:] &= out.looked
    out.stays[:] |= out.holds
    return out
