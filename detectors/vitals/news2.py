"""NEWS2, the National Early Warning Score, as arrays in and arrays out.

Royal College of Physicians, National Early Warning Score (NEWS) 2: Standardising the assessment of acute-illness
severity in the NHS, London 2017. Values are rounded to the chart's resolution first (whole numbers, temperature to a
tenth, halves up); what was not measured is named and makes the score a range.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.vitals.batch import Flags, Floats

#: The parts of the score, in the order of the chart.
PARTS: tuple[str, ...] = ("rr", "spo2", "o2", "sbp", "hr", "acvpu", "temp")
RR, SPO2, O2, SBP, HR, CONSCIOUS, TEMP = range(len(PARTS))
#: A part that was not measured.
MISSING = -1
#: The most that each part can give.
MOST = np.array([3, 3, 2, 3, 3, 3, 3], np.int8)
#: Total from which somebody has to look within the hour, and from which at once.
URGENT_POINTS = 5
EMERGENCY_POINTS = 7
RED_POINTS = 3

#: Where each band begins, and what it and the one below all of them give: whole numbers, temperature in tenths.
_BANDS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "rr": ((9, 12, 21, 25), (3, 1, 0, 2, 3)),
    "spo2": ((92, 94, 96), (3, 2, 1, 0)),
    "spo2_scale_2_air": ((84, 86, 88), (3, 2, 1, 0)),
    "spo2_scale_2_oxygen": ((84, 86, 88, 93, 95, 97), (3, 2, 1, 0, 1, 2, 3)),
    "sbp": ((91, 101, 111, 220), (3, 2, 1, 0, 3)),
    "hr": ((41, 51, 91, 111, 131), (3, 1, 0, 1, 2, 3)),
    "temp": ((351, 361, 381, 391), (3, 1, 0, 1, 2)),
}
_TABLE_LENGTH = 512
#: What rounding adds, so that 38.05, which no double is, rounds up as it does on paper.
_TOLERANCE = 1e-6


def _table(name: str) -> NDArray[np.int8]:
    begins, points = _BANDS[name]
    return np.array(points, np.int8)[np.searchsorted(begins, np.arange(_TABLE_LENGTH), side="right")]


_TABLES = {name: _table(name) for name in _BANDS}


class Score(NamedTuple):
    """The scores of m people.

    Attributes:
        parts: ``(7, m)`` int8, in the order of :data:`PARTS`; :data:`MISSING` where not measured.
        lower: ``(m,)`` int8, the lowest that the score can be: what is missing is normal, and air is breathed.
        upper: ``(m,)`` int8, the highest that it can be.
        red: ``(m,)`` a part that was measured gives 3.
    """

    parts: NDArray[np.int8]
    lower: NDArray[np.int8]
    upper: NDArray[np.int8]
    red: Flags


def news2(
    *,
    rr: ArrayLike,
    spo2: ArrayLike,
    o2: ArrayLike,
    sbp: ArrayLike,
    hr: ArrayLike,
    acvpu: ArrayLike,
    temp: ArrayLike,
    scale_2: ArrayLike,
) -> Score:
    """Score m people.

    Args:
        rr: ``(m,)`` breaths a minute; NaN, here and below, for not measured. So is what is not finite.
        spo2: ``(m,)`` %.
        o2: ``(m,)`` more than 0 on oxygen, 0 on air.
        sbp: ``(m,)`` systolic pressure, mmHg.
        hr: ``(m,)`` beats a minute.
        acvpu: ``(m,)`` 0 alert, more than 0 newly confused, responsive to voice or pain only, or unresponsive.
        temp: ``(m,)`` degrees Celsius.
        scale_2: ``(m,)`` bool, whose saturation is scored on scale 2 (target 88 to 92 %), set by a clinician.
    """
    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, np.float64)) for c in (rr, spo2, o2, sbp, hr, temp)))
    breaths, saturation, oxygen, pressure, pulse, warmth = columns
    mind = np.broadcast_to(np.asarray(acvpu, np.float64), breaths.shape)
    second = np.broadcast_to(np.asarray(scale_2, np.bool_), breaths.shape)
    seen = np.isfinite(np.stack([breaths, saturation, oxygen, pressure, pulse, mind, warmth]))
    on_oxygen = seen[O2] & (oxygen > 0)
    at = _index(saturation)
    unaided = np.where(second, _TABLES["spo2_scale_2_air"][at], _TABLES["spo2"][at])
    aided = np.where(second, _TABLES["spo2_scale_2_oxygen"][at], unaided)
    parts = np.empty(seen.shape, np.int8)
    parts[RR] = _TABLES["rr"][_index(breaths)]
    parts[SPO2] = np.where(on_oxygen, aided, unaided)
    parts[O2] = np.where(on_oxygen, 2, 0)
    parts[SBP] = _TABLES["sbp"][_index(pressure)]
    parts[HR] = _TABLES["hr"][_index(pulse)]
    parts[CONSCIOUS] = np.where(mind > 0, 3, 0)
    parts[TEMP] = _TABLES["temp"][_index(warmth, 10.0)]
    known = np.where(seen, parts, np.int8(0))
    lower = known.sum(axis=0, dtype=np.int8)
    upper = np.where(seen, parts, MOST[:, None]).sum(axis=0, dtype=np.int8)
    # breathing oxygen for all that is known, a good saturation may be too good
    upper += np.where(seen[SPO2] & ~seen[O2], aided - unaided, 0).astype(np.int8)
    return Score(np.where(seen, parts, np.int8(MISSING)), lower, upper, (known == RED_POINTS).any(axis=0))


def _index(values: Floats, per_unit: float = 1.0) -> NDArray[np.intp]:
    """The place of each value in a table: rounded, halves up, and kept within it."""
    with np.errstate(invalid="ignore", over="ignore"):
        rounded = np.floor(values * per_unit + 0.5 + _TOLERANCE)
    index: NDArray[np.intp] = np.clip(np.nan_to_num(rounded), 0, _TABLE_LENGTH - 1).astype(np.intp)
    return index
