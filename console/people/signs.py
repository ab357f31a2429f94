"""The vital signs as the console shows them: units, how long a value counts, and the bands of NEWS2.

Bands: Royal College of Physicians, National Early Warning Score (NEWS) 2, London 2017. How long a value counts is what
the score is made with (docs/vitals.md).
"""

from __future__ import annotations

import math
from typing import NamedTuple

_MIN_S = 60
_HOUR_S = 3600


class Sign(NamedTuple):
    """One sign: its unit (UCUM where it reads well), decimals, and for how long a value counts."""

    name: str
    unit: str
    digits: int
    valid_s: int


SIGNS: dict[str, Sign] = {
    sign.name: sign
    for sign in (
        Sign("hr", "/min", 0, 30 * _MIN_S),
        Sign("spo2", "%", 0, 30 * _MIN_S),
        Sign("rr", "/min", 0, 30 * _MIN_S),
        Sign("temp", "°C", 1, 4 * _HOUR_S),
        Sign("sbp", "mmHg", 0, 12 * _HOUR_S),
        Sign("dbp", "mmHg", 0, 12 * _HOUR_S),
        Sign("glucose", "mmol/L", 1, 12 * _HOUR_S),
        Sign("weight", "kg", 1, 72 * _HOUR_S),
    )
}
#: Those of whom the system learns what is usual.
WITH_BASELINE: tuple[str, ...] = ("hr", "spo2", "rr", "temp", "sbp")
#: The parts of NEWS2 in the order of its chart, and the most that each can give.
PARTS: dict[str, int] = {"rr": 3, "spo2": 3, "o2": 2, "sbp": 3, "hr": 3, "acvpu": 3, "temp": 3}
#: From this total somebody has to look within the hour, from this at once.
URGENT_POINTS, EMERGENCY_POINTS = 5, 7
#: The score of the series is made again every five minutes at most, and stands for as long as its newest signs.
SCORE_VALID_S = 30 * _MIN_S
SCORE_GAP_S = 35 * _MIN_S

#: Where each band ends and what it gives; the last has no end.
_BANDS: dict[str, tuple[tuple[float, int], ...]] = {
    "rr": ((8.5, 3), (11.5, 1), (20.5, 0), (24.5, 2), (math.inf, 3)),
    "spo2": ((91.5, 3), (93.5, 2), (95.5, 1), (math.inf, 0)),
    "spo2_2": ((83.5, 3), (85.5, 2), (87.5, 1), (math.inf, 0)),
    "sbp": ((90.5, 3), (100.5, 2), (110.5, 1), (219.5, 0), (math.inf, 3)),
    "hr": ((40.5, 3), (50.5, 1), (90.5, 0), (110.5, 1), (130.5, 2), (math.inf, 3)),
    "temp": ((35.05, 3), (36.05, 1), (38.05, 0), (39.05, 1), (math.inf, 2)),
    "score": ((4.5, 0), (6.5, 2), (math.inf, 3)),
}


class Band(NamedTuple):
    """Values from ``low`` to ``high`` give ``points``; None is no end."""

    low: float | None
    high: float | None
    points: int


def bands(name: str, spo2_scale: int) -> list[Band]:
    """The bands of a sign, lowest first; of the saturation by the person's scale (2 while breathing air). ``score`` is
    the total itself: 2 where it is urgent, 3 where it is an emergency. [] for a sign without."""
    found: list[Band] = []
    low: float | None = None
    for end, points in _BANDS.get(f"{name}_2" if name == "spo2" and spo2_scale == 2 else name, ()):
        high = None if math.isinf(end) else end
        found.append(Band(low, high, points))
        low = high
    return found


def points_of(name: str, value: float, spo2_scale: int) -> int | None:
    """What a value gives; None for a sign without bands."""
    for band in bands(name, spo2_scale):
        if band.high is None or value < band.high:
            return band.points
    return None


def shown(name: str, value: float) -> str:
    """A value as it is written, without its unit."""
    sign = SIGNS.get(name)
    return f"{value:.{sign.digits if sign else 0}f}"
