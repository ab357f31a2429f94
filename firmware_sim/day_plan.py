"""A person's day by the local hour: sleep, washing, meals, sitting, television, housework, going out, a nap.

Hours are those of a retired household in a Chinese town and are not fitted to anything, but for these: old people turn
over 2.1 times an hour in their sleep [1]_, sit or lie for 9 to 10 of their waking hours [2]_, and most go to the toilet
once or twice a night.

.. [1] De Koninck, Lorrain and Gagnon, Sleep positions and position shifts in five age groups, Sleep 1992, 15(2),
   143-149.
.. [2] Harvey, Chastin and Skelton, How sedentary are older people?, J Aging Phys Act 2015, 23(3), 471-487.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from firmware_sim.people import Traits

Activity = Literal["sleep", "toilet", "wash", "meal", "sit", "tv", "housework", "out", "nap"]
#: What one can be seen doing for some seconds; `synthetic_days` and `recordings` know the motion of each.
Doing = Literal["walk", "roam", "stand", "hands", "chair", "sit", "lie", "get_up"]

_DAY_MS = 86_400_000
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Habit:
    """How an activity looks: shares of what is done in it, and the mean seconds of rest after each piece."""

    shares: tuple[tuple[Doing, float], ...]
    rest_s: float = 0.0


HABITS: dict[Activity, Habit] = {
    "sleep": Habit((("lie", 1.0),), rest_s=_HOUR_S / 2.1),
    "nap": Habit((("lie", 0.7), ("sit", 0.3)), rest_s=600.0),
    "toilet": Habit((("walk", 0.6), ("stand", 0.4))),
    "wash": Habit((("hands", 0.7), ("stand", 0.2), ("walk", 0.1))),
    "meal": Habit((("sit", 0.5), ("hands", 0.5)), rest_s=6.0),
    "sit": Habit((("sit", 0.85), ("hands", 0.1), ("chair", 0.05)), rest_s=45.0),
    "tv": Habit((("sit", 0.96), ("chair", 0.04)), rest_s=120.0),
    "housework": Habit((("hands", 0.35), ("stand", 0.25), ("walk", 0.3), ("chair", 0.1)), rest_s=5.0),
    "out": Habit((("roam", 0.85), ("stand", 0.15)), rest_s=3.0),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """What is done for some seconds, and for how long one rests after it."""

    doing: Doing
    rest_s: float


class DayPlan:
    """The days of one person.

    Args:
        traits: who it is; the frail go out less and nap more.
        seed: the same one makes the same days.
        origin_ms: epoch ms of the track's first sample.
        utc_offset_s: of the place.
    """

    def __init__(self, traits: Traits, seed: tuple[int, ...], *, origin_ms: int, utc_offset_s: int) -> None:
        self._traits = traits
        self._seed = seed
        self._origin_ms = origin_ms + utc_offset_s * 1000  # local
        self._days: dict[int, tuple[list[float], list[Activity]]] = {}

    def at(self, after_s: float) -> tuple[Activity, float]:
        """What the person is about ``after_s`` seconds after the origin, and how many seconds that goes on."""
        day, into_ms = divmod(self._origin_ms + round(after_s * 1000), _DAY_MS)
        starts, activities = self._day(day)
        second = into_ms / 1000
        which = bisect_right(starts, second) - 1
        end = starts[which + 1] if which + 1 < len(starts) else _DAY_MS / 1000
        return activities[which], end - second

    def next(self, after_s: float, rng: np.random.Generator) -> Moment:
        """What the person does now; a rest ends with what it belongs to."""
        activity, left_s = self.at(after_s)
        habit = HABITS[activity]
        doings, shares = zip(*habit.shares, strict=True)
        doing: Doing = doings[int(rng.choice(len(doings), p=shares))]
        rest_s = min(left_s, float(rng.exponential(habit.rest_s))) if habit.rest_s else 0.0
        return Moment(doing, rest_s)

    def _day(self, day: int) -> tuple[list[float], list[Activity]]:
        if day not in self._days:
            self._days = {day: plan_day(self._traits, np.random.default_rng([*self._seed, day]))}
        return self._days[day]


def plan_day(traits: Traits, rng: np.random.Generator) -> tuple[list[float], list[Activity]]:
    """One local day: seconds after midnight at which something begins (the first is 0), and what."""
    starts: list[float] = [0.0]
    activities: list[Activity] = ["sleep"]

    def then(activity: Activity, at_s: float) -> None:
        if at_s > starts[-1]:
            starts.append(at_s)
            activities.append(activity)

    wakes, lunch, supper, retires = (
        _HOUR_S * float(np.clip(rng.normal(hour, spread), hour - 1.5, hour + 1.5))
        for hour, spread in ((6.4, 0.6), (11.8, 0.3), (17.8, 0.4), (21.6, 0.6))
    )
    for at_s in sorted(rng.uniform(0.5 * _HOUR_S, wakes - 0.5 * _HOUR_S, int(rng.integers(1, 3))).tolist()):
        then("toilet", at_s)
        then("sleep", at_s + float(rng.uniform(180, 480)))
    then("wash", wakes)
    at_s = wakes + float(rng.uniform(1200, 2400))
    then("meal", at_s)
    likes_out, likes_work = 0.15 + 0.35 * traits.fitness, 0.2 + 0.2 * traits.fitness
    _fill(then, at_s + float(rng.uniform(900, 1800)), lunch, (likes_work, likes_out, 0.35, 0.1), rng)
    then("meal", lunch)
    at_s = lunch + float(rng.uniform(1500, 2700))
    if rng.random() < 0.8 - 0.4 * traits.fitness:
        then("nap", at_s)
        at_s += float(rng.uniform(1800, 4800))
    _fill(then, at_s, supper, (likes_work, likes_out, 0.35, 0.2), rng)
    then("meal", supper)
    _fill(then, supper + float(rng.uniform(1500, 2700)), retires - 1200, (0.1, 0.1, 0.25, 0.6), rng)
    then("wash", retires - 1200)
    then("sleep", retires)
    return starts, activities


def _fill(
    then: Callable[[Activity, float], None],
    at_s: float,
    end_s: float,
    weights: tuple[float, ...],
    rng: np.random.Generator,
) -> None:
    """Blocks of housework, going out, sitting and television up to ``end_s``."""
    kinds: tuple[Activity, ...] = ("housework", "out", "sit", "tv")
    shares = np.array(weights) / sum(weights)
    while at_s < end_s:
        activity = kinds[int(rng.choice(len(kinds), p=shares))]
        then(activity, at_s)
        at_s += float(rng.uniform(900, 3600))
