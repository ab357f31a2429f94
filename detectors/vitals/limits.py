"""Limits that differ from person to person: by what they live with, and by what a clinician has set for them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detectors.errors import DetectorError

#: Conditions that change a limit. Others are data of a newer registry, and change none.
HYPERTENSION, DIABETES, HEART_FAILURE = "hypertension", "diabetes", "heart_failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonLimits:
    """What is too much for one person, whatever is usual.

    Attributes:
        sbp_high_mmhg: systolic pressure of a hypertensive crisis (Whelton et al., ACC/AHA guideline 2017).
        dbp_high_mmhg: diastolic pressure of one.
        sbp_mean_mmhg: the mean of a week, at home, from which a rise is worth a word (135 is hypertension at home by
            the ESH guideline 2023).
        hr_fast_bpm: a pulse at rest.
        glucose_low_mmol_l: level 1 hypoglycaemia (American Diabetes Association, Standards of Care).
        glucose_very_low_mmol_l: level 2 hypoglycaemia.
        glucose_high_mmol_l: 300 mg/dL; with diabetes 250, where ketones are looked for.
        glucose_very_high_mmol_l: 400 mg/dL, on the way to a hyperosmolar state.
        weight_gain_kg: over the days before. With heart failure 2 in three days (ESC guideline 2021).
        weight_loss_pct: in four weeks. As much in six months is a sign of malnutrition (GLIM 2019).
        resting_hr_rise_bpm: of the lowest four hours of each day, three days against the two weeks before.
        sbp_rise_mmhg: of the mean of a week against the three before.
    """

    sbp_high_mmhg: float = 180.0
    dbp_high_mmhg: float = 120.0
    sbp_mean_mmhg: float = 145.0
    hr_fast_bpm: float = 115.0
    glucose_low_mmol_l: float = 3.9
    glucose_very_low_mmol_l: float = 3.0
    glucose_high_mmol_l: float = 16.7
    glucose_very_high_mmol_l: float = 22.2
    weight_gain_kg: float = 3.5
    weight_loss_pct: float = 5.0
    resting_hr_rise_bpm: float = 12.0
    sbp_rise_mmhg: float = 15.0


NAMES: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(PersonLimits))
#: What each condition sets otherwise.
BY_CONDITION: dict[str, dict[str, float]] = {
    HYPERTENSION: {"sbp_mean_mmhg": 135.0, "sbp_rise_mmhg": 12.0},
    DIABETES: {"glucose_high_mmol_l": 13.9},
    HEART_FAILURE: {"weight_gain_kg": 2.0, "resting_hr_rise_bpm": 8.0, "hr_fast_bpm": 110.0},
}


def limits_of(conditions: Iterable[str], own: Mapping[str, float] | None = None) -> PersonLimits:
    """The limits of a person with these conditions, and with ``own`` ones in their place where given.

    Raises:
        DetectorError: ``own`` names a limit that there is none of, or gives one that is no number above 0.
    """
    changes: dict[str, float] = {}
    for condition in sorted(conditions):
        changes |= BY_CONDITION.get(condition, {})
    for name, value in (own or {}).items():
        if name not in NAMES:
            raise DetectorError(f"no limit {name!r} for a person: there are {', '.join(NAMES)}")
        if not (math.isfinite(value) and value > 0):
            raise DetectorError(f"limit {name} of {value!r}: it is a number above 0")
        changes[name] = float(value)
    return dataclasses.replace(PersonLimits(), **changes)
