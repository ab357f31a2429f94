"""What goes with a finding: the values, the limits they were held against, and the keys of its sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from detectors.vitals import news2 as chart
from detectors.vitals.artefacts import REPORT_READINGS, Fault
from detectors.vitals.batch import COLUMNS, CONSCIOUS, DBP, GLUCOSE, HR, O2, RR, SBP, SPO2, TEMP, WEIGHT
from detectors.vitals.chart import View
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.rules import PART_OF, RULES, SHIFTS, TRENDS, R
from detectors.vitals.signs import SIGNS, USUAL, feature
from detectors.vitals.trends import Trend

Said = tuple[dict[str, float], dict[str, str]]

_COMBINED = {R.RESPIRATORY: (RR, SPO2, HR), R.INFECTION: (TEMP, HR, RR), R.CIRCULATION: (SBP, HR)}
_SUGAR = {
    R.GLUCOSE_VERY_LOW: "glucose_very_low", R.GLUCOSE_LOW: "glucose_low", R.GLUCOSE_HIGH: "glucose_high",
    R.GLUCOSE_VERY_HIGH: "glucose_very_high",
}  # fmt: skip
#: The column of each part of the score.
_COLUMN_OF = {part: sign for sign, part in PART_OF.items()} | {chart.O2: O2, chart.CONSCIOUS: CONSCIOUS}


def describe(rule: R, view: View, at: int, limits: dict[str, float], parameters: VitalsParameters) -> Said:
    """Features and notes of a finding that a reading made. ``at`` is the person's place in the view."""
    features: dict[str, float] = {}
    notes: dict[str, str] = {}
    if rule in (R.NEWS2_EMERGENCY, R.NEWS2_URGENT):
        signs, features, notes = _of_score(view, at)
        least = chart.EMERGENCY_POINTS if rule is R.NEWS2_EMERGENCY else chart.URGENT_POINTS
        features |= {"limit_points": float(least), "usual_points": float(view.usual_parts[:, at].sum())}
    elif rule in SHIFTS:
        sign, direction = SHIFTS[rule]
        signs = [sign]
        total = view.above if direction > 0 else view.below
        features = {"shift_sigma": float(total[sign, at]), "limit_shift_sigma": parameters.cusum_sigma}
        notes = {"text": "shift"}
    elif rule in _COMBINED:
        signs = [sign for sign in _COMBINED[rule] if not math.isnan(view.sigma[sign, at])]
        features = {f"{COLUMNS[sign]}_sigma": float(view.sigma[sign, at]) for sign in signs}
        features |= {"limit_first_sigma": parameters.combine_sigma, "limit_beside_sigma": parameters.beside_sigma}
        notes = {"text": rule.name.lower()}
    elif rule is R.PULSE_FAST:
        signs = [HR]
        unrest = float(view.unrest_bpm[at])
        features = {"limit_hr_bpm": limits["hr_fast_bpm"], "unrest_bpm": unrest}
        notes = {"text": "pulse_fast_irregular" if unrest >= parameters.irregular_bpm else "pulse_fast"}
    elif rule is R.PRESSURE_CRISIS:
        signs = [SBP, DBP]
        features = {"limit_sbp_mmhg": limits["sbp_high_mmhg"], "limit_dbp_mmhg": limits["dbp_high_mmhg"]}
        notes = {"text": "pressure_crisis"}
    else:
        signs = [GLUCOSE]
        name = _SUGAR[rule]
        features = {"limit_glucose_mmol_l": limits[f"{name}_mmol_l"]}
        pace = float(view.pace_mmol_l_min[at])
        if rule is R.GLUCOSE_LOW and view.value[GLUCOSE, at] >= features["limit_glucose_mmol_l"]:
            name = "glucose_falling"
        notes = {"text": name}
        if not math.isnan(pace):
            features["pace_mmol_l_h"] = abs(pace * 60) if name == "glucose_falling" else pace * 60
    return _finished(values(view, at, signs, parameters) | features, notes | {"signs": _names(signs, view, at)})


def describe_trend(rule: R, trend: Trend, at: int, limits: dict[str, float]) -> Said:
    """The same for what days have shown."""
    now = {name: float(value[at]) for name, value in trend._asdict().items()}
    notes = {"text": rule.name.lower(), "signs": ""}
    if rule is R.WEIGHT_GAIN:
        features = {"weight_kg": now["weight_kg"], "before_kg": now["weight_before_kg"]}
        features |= {"change_kg": features["weight_kg"] - features["before_kg"], "limit_kg": limits["weight_gain_kg"]}
        notes["signs"] = "weight"
    elif rule is R.WEIGHT_LOSS:
        features = {"weight_kg": now["weight_now_kg"], "before_kg": now["weight_month_kg"]}
        features |= {"change_kg": features["before_kg"] - features["weight_kg"], "limit_pct": limits["weight_loss_pct"]}
        notes["signs"] = "weight"
    elif rule is R.PRESSURE_TREND:
        features = {name: now[name] for name in ("sbp_week_mmhg", "sbp_before_mmhg", "dbp_week_mmhg")}
        features |= {"limit_rise_mmhg": limits["sbp_rise_mmhg"], "limit_mean_mmhg": limits["sbp_mean_mmhg"]}
    else:
        features = {name: now[name] for name in ("pulse_bpm", "pulse_before_bpm")}
        features["limit_rise_bpm"] = limits["resting_hr_rise_bpm"]
    return _finished(features, notes)


def describe_over(rule: R, view: View | None, at: int, parameters: VitalsParameters) -> Said:
    """What is said when a finding is over; without a view nothing was measured any more."""
    if view is None:
        return {}, {"text": "over.silent", "signs": "", "outcome": "silent"}
    signs = sorted(RULES[rule].signs, key=lambda sign: (HR, RR, SPO2, TEMP, SBP, DBP, GLUCOSE, WEIGHT).index(sign))
    there = [sign for sign in signs if not math.isnan(view.value[sign, at])]
    if rule in TRENDS:
        there = [sign for sign in there if sign != HR]
    return _finished(
        values(view, at, there, parameters), {"text": "over", "signs": _names(there, view, at), "outcome": "over"}
    )


def describe_fault(fault: Fault, sign: int, value: float) -> Said:
    """Features and notes of a device that makes one kind of artefact again and again."""
    notes = {"text": f"artefact.{fault.name.lower()}", "fault": fault.name.lower(), "signs": ""}
    features = {"limit_readings": float(REPORT_READINGS[fault])}
    if fault in (Fault.UNIT, Fault.RANGE, Fault.STUCK, Fault.JUMP):
        notes |= {"signs": COLUMNS[sign], "sign": COLUMNS[sign]}
        features[feature(sign)] = value
        if fault is Fault.RANGE:
            features |= {f"limit_low_{feature(sign)}": SIGNS[sign].low, f"limit_high_{feature(sign)}": SIGNS[sign].high}
    return _finished(features, notes)


def values(view: View, at: int, signs: list[int], parameters: VitalsParameters) -> dict[str, float]:
    """The values of some signs of one person, and what is usual for each that has been learnt."""
    out: dict[str, float] = {}
    for sign in signs:
        if sign >= len(SIGNS):
            out[COLUMNS[sign]] = float(view.value[sign, at])
            continue
        out[feature(sign)] = float(view.value[sign, at])
        if sign < USUAL and not math.isnan(view.usual[sign, at]):
            reach = parameters.usual_sigma * float(view.scale[sign, at])
            low, high = float(view.usual[sign, at]) - reach, float(view.usual[sign, at]) + reach
            out[f"usual_low_{feature(sign)}"] = low
            out[f"usual_high_{feature(sign)}"] = min(high, 100.0) if sign == SPO2 else high
    return out


def _of_score(view: View, at: int) -> tuple[list[int], dict[str, float], dict[str, str]]:
    parts = view.score.parts[:, at]
    telling = sorted((part for part in range(len(parts)) if parts[part] > 0), key=lambda part: -parts[part])
    missing = [name for part, name in enumerate(chart.PARTS) if parts[part] == chart.MISSING]
    features = {
        "news2_points": float(view.score.lower[at]),
        "news2_highest_points": float(view.score.upper[at]),
    } | {f"news2_{chart.PARTS[part]}_points": float(parts[part]) for part in range(len(parts)) if parts[part] >= 0}
    notes = {"text": "news2", "missing": " ".join(missing)}
    return [_COLUMN_OF[part] for part in telling], features, notes


def _names(signs: list[int], view: View, at: int) -> str:
    """As the sentences know them: both pressures are one."""
    there = [COLUMNS[sign] for sign in signs if not math.isnan(view.value[sign, at])]
    if "sbp" in there and "dbp" in there:
        there = ["pressure" if name == "sbp" else name for name in there if name != "dbp"]
    return " ".join(there)


def _finished(features: dict[str, Any], notes: dict[str, str]) -> Said:
    rounded = {name: round(float(value), 3) for name, value in features.items() if np.isfinite(value)}
    return rounded, {name: word for name, word in notes.items() if word or name == "signs"}
