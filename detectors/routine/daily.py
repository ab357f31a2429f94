"""Once a day: what a home's day was like, and what is normal in it from now on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.routine.clock import DAY_MIN
from detectors.routine.columns import KEPT_DAYS, LOG, Columns, Habit
from detectors.routine.limits import BIN_MIN, BINS, Learned, Silences, defaults, learn, within
from detectors.routine.parameters import LimitParameters, RoutineParameters

#: A day with fewer readings was not lived here.
_LEAST_READINGS = 20
#: The home counts as never empty in half hours with an absence on fewer than this share of the days.
_NEVER_OUT = 0.03


def set_defaults(homes: Columns, row: int, p: RoutineParameters, limits: LimitParameters) -> None:
    """What holds in a home that is not known yet, by its rooms."""
    _put(homes, row, defaults(homes["kind"][:, row], limits))
    _allow(homes, row, p, known=False)


def sum_up(homes: Columns, row: int, local_min: float, p: RoutineParameters, limits: LimitParameters) -> None:
    """Close the day of a home, and learn its limits again when it is known well enough.

    Args:
        homes: changed in place.
        row: the home.
        local_min: now, in local minutes since the epoch.
        p: the thresholds.
        limits: those of silences.
    """
    if homes["readings"][row] >= _LEAST_READINGS:
        homes["habits"][:, homes["days"][row] % KEPT_DAYS, row] = homes["today"][:, row]
        homes["days"][row] += 1
        if homes["days"][row] % KEPT_DAYS == 0:
            homes["out_days"][:, row] //= 2
    homes["today"][:, row] = np.nan
    homes["readings"][row] = 0
    known = homes["days"][row] >= limits.learn_days
    if known:
        log = slice(0, min(int(homes["logged"][row]), LOG))
        start_min = homes["log_min"][log, row].astype(np.float64)
        recent = start_min >= local_min - KEPT_DAYS * DAY_MIN
        silences = Silences(
            start_min[recent],
            homes["log_length_min"][log, row][recent].astype(np.float64),
            homes["log_slot"][log, row][recent],
        )
        days = max(1, len(np.unique(silences.start_min // DAY_MIN)))  # no day is without one
        _put(homes, row, learn(silences, homes["kind"][:, row], days, limits))
    _allow(homes, row, p, known=bool(known))


def _put(homes: Columns, row: int, learned: Learned) -> None:
    homes["limit_min"][:, :, row] = learned.limit_min
    homes["night_min"][:, row] = learned.night
    homes["sitting"][:, row] = learned.sitting


def _allow(homes: Columns, row: int, p: RoutineParameters, *, known: bool) -> None:
    """What a habit may come to, and when the home may be empty."""
    habits = homes["habits"][:, :, row]
    most = np.fmax.reduce(habits, axis=1) if known else np.full(len(Habit), np.nan)
    allowed = homes["allowed_min"][:, row]
    for habit, before_s, least_s in (
        (Habit.BED_LEFT, p.bed_left_s, p.bed_left_least_s),
        (Habit.BATHROOM, p.bathroom_s, p.bathroom_least_s),
        (Habit.DOOR, p.door_s, p.door_s),
        (Habit.NO_KITCHEN, p.visit_s, p.visit_least_s),
        (Habit.NO_BATHROOM, p.visit_s, p.visit_least_s),
    ):
        seen = most[habit]
        allowed[habit] = before_s / 60 if np.isnan(seen) else max(least_s / 60, p.habit_share * float(seen))
    changes = most[Habit.WANDERING]
    allowed[Habit.WANDERING] = max(p.wandering_changes, 0.0 if np.isnan(changes) else p.habit_share * float(changes))
    rise = most[Habit.RISE]
    allowed[Habit.RISE] = p.rise_s / 60 if np.isnan(rise) else float(rise) + p.rise_margin_s / 60
    first = np.fmin.reduce(habits[Habit.RISE]) if known else np.nan
    homes["first_rise_min"][row] = 360.0 if np.isnan(first) else first
    homes["not_back_min"][:, row] = _not_back(homes, row, float(most[Habit.AWAY]), p, known=known)


def _not_back(
    homes: Columns, row: int, longest_min: float, p: RoutineParameters, *, known: bool
) -> NDArray[np.float64]:
    """``(BINS,)``: minutes from leaving in each half hour until the absence is unusual: at an hour at which the home is
    never empty, late in the evening or at night; by day only when it is also longer than any before."""
    clock_min = np.arange(BINS) * BIN_MIN
    night = homes["night_min"][:, row]
    if known:
        days = min(int(homes["days"][row]), KEPT_DAYS)
        often = homes["out_days"][:, row] > _NEVER_OUT * days
        near = round(p.not_back_near_s / 60 / BIN_MIN)
        out = np.logical_or.reduce([np.roll(often, shift) for shift in range(-near, near + 1)])
        late = within(clock_min, (float(night[0]) - p.not_back_evening_s / 60) % DAY_MIN, float(night[1]))
        long_min = max(p.not_back_least_s / 60, p.habit_share * (0.0 if np.isnan(longest_min) else longest_min))
    else:
        out = np.zeros(BINS, bool)
        late = within(clock_min, p.not_back_s / 60, float(night[1]))
        long_min = p.not_back_long_s / 60
    lasted = np.arange(BINS + 1)
    at = (np.arange(BINS)[:, None] + lasted[None]) % BINS
    lasted_min = lasted[None] * BIN_MIN
    unusual = ~out[at] & (late[at] | (lasted_min >= long_min)) & (lasted_min >= p.not_back_margin_s / 60)
    first = np.where(unusual.any(axis=1), unusual.argmax(axis=1), BINS)
    return np.asarray(first * float(BIN_MIN))
