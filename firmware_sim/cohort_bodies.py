"""The bodies of a simulated cohort: true values of everybody, instant by instant."""

from __future__ import annotations

import math

import numpy as np

from firmware_sim.cohort_events import Span, asleep, hours_of_day, progress
from firmware_sim.cohort_people import Flags, Floats, Traits

SIGNS: tuple[str, ...] = ("hr", "spo2", "rr", "temp", "sbp", "dbp", "weight", "glucose")
#: Standard deviation and hours of each wandering, by sign.
WANDERING: dict[str, tuple[tuple[float, float], ...]] = {
    "hr": ((2.5, 0.5), (2.0, 6), (2.0, 40)),
    "spo2": ((0.4, 0.5), (0.4, 20)),
    "rr": ((0.9, 0.5), (0.6, 20)),
    "temp": ((0.08, 2), (0.08, 40)),
    "sbp": ((6, 1), (5, 40)),
    "dbp": ((3, 1), (3, 40)),
    "weight": ((0.3, 40),),
    "glucose": ((0.7, 2), (0.6, 40)),
}
#: What sleep adds.
ASLEEP = {"hr": -8.0, "spo2": -0.8, "rr": -1.5, "sbp": -12.0, "dbp": -8.0}
#: What a brisk walk adds.
EFFORT = {"hr": 32.0, "spo2": -1.0, "rr": 8.0, "sbp": 15.0, "dbp": 3.0}
#: How long the heart remembers one, and how long a bout of activity lasts on average.
RECOVERY_S, _BOUT_S = 180.0, 900.0
WARMEST_H, WARMTH_CELSIUS = 17.0, 0.35
MEALS_H = (7.5, 12.0, 18.5)
MEAL_MMOL_L, MEAL_PEAK_H, MEAL_LASTS_H = 3.2, 0.9, 5.0
#: Nobody is lower than this but by a deterioration.
LEAST_GLUCOSE_MMOL_L = 4.4
#: From one reading to the next: a fibrillation of years, and a new one.
IRREGULAR_BPM, FAST_IRREGULAR_BPM = 6.0, 9.0
#: Who is seriously ill sits down.
_ILL = ("sepsis", "respiratory_failure")
_ILL_SHARE = 0.3


def warmth_celsius(hour: float) -> float:
    """What the time of day adds to the temperature, at a local hour."""
    return WARMTH_CELSIUS * math.cos(2 * math.pi * (hour - WARMEST_H) / 24)


def meals_mmol_l(hour: float) -> list[float]:
    """What each meal that is not over adds to the blood sugar, at a local hour."""
    parts = [(hour - meal_h) % 24 / MEAL_PEAK_H for meal_h in MEALS_H if (hour - meal_h) % 24 < MEAL_LASTS_H]
    return [MEAL_MMOL_L * part * math.exp(1 - part) for part in parts]


def falling_glucose(span: Span, t_ms: int, glucose_mmol_l: float) -> float:
    """What a hypoglycaemia makes of the blood sugar that would be there without it."""
    share = min(1.0, (t_ms - span.begin_ms) / (span.event_ms - span.begin_ms))
    # low is reached at the event: whoever is not helped goes on down
    low = span.effects["lowest"] + 0.4
    return min(glucose_mmol_l, 6.5 + share * (low - 6.5)) - 0.4 * (share >= 1)


class Bodies:
    """The bodies of everybody.

    Args:
        traits: who they are.
        every_s: from one instant to the next.
        utc_offset_s: of where they live.
        rng: of everything.
    """

    def __init__(self, traits: Traits, every_s: int, utc_offset_s: int, rng: np.random.Generator) -> None:
        self._traits, self._every_s, self._utc_offset_s, self._rng = traits, every_s, utc_offset_s, rng
        n = len(traits)
        self._wander = {
            name: [np.asarray(rng.normal(0, size, n)) for size, _ in parts] for name, parts in WANDERING.items()
        }
        self._effort = np.zeros(n)
        self._bout_s = np.zeros(n)
        self._strain = np.zeros(n)

    def at(self, t_ms: int, happens: list[Span]) -> tuple[dict[str, Floats], Floats]:
        """The true values by sign, and how much each moves (0 to 1), one step after the last call.

        ``happens`` are the deteriorations and lesser things that go on.
        """
        traits, rng = self._traits, self._rng
        hour = hours_of_day(t_ms, self._utc_offset_s)
        sleeps = asleep(traits, hour)
        effort = self._move(sleeps, happens)
        body: dict[str, Floats] = {}
        for name in SIGNS:
            value = getattr(traits, name) + ASLEEP.get(name, 0.0) * sleeps + EFFORT.get(name, 0.0) * self._strain
            for part, (size, hours) in zip(self._wander[name], WANDERING[name], strict=True):
                keep = math.exp(-self._every_s / 3600 / hours)
                part *= keep
                part += math.sqrt(1 - keep * keep) * size * rng.standard_normal(len(traits))
                value = value + part
            body[name] = value
        body["temp"] = body["temp"] + warmth_celsius(hour)
        for meal_mmol_l in meals_mmol_l(hour):
            body["glucose"] = body["glucose"] + meal_mmol_l
        body["glucose"] = np.maximum(body["glucose"], LEAST_GLUCOSE_MMOL_L)
        body["hr"] = body["hr"] + np.where(traits.fibrillation, rng.normal(0, IRREGULAR_BPM, len(traits)), 0.0)
        for span in happens:
            self._add(span, t_ms, body)
        return body, effort

    def _add(self, span: Span, t_ms: int, body: dict[str, Floats]) -> None:
        person = span.person
        for name, size in progress(span, t_ms).items():
            if name in body:
                body[name][person] += size
        if span.kind == "fast_pulse":
            body["hr"][person] += self._rng.normal(0, FAST_IRREGULAR_BPM)
        if span.kind == "hypoglycaemia":
            body["glucose"][person] = falling_glucose(span, t_ms, body["glucose"][person])

    def _move(self, sleeps: Flags, happens: list[Span]) -> Floats:
        """Bouts of activity."""
        traits, rng, every_s = self._traits, self._rng, self._every_s
        begins = ~sleeps & (self._bout_s <= 0) & (rng.random(len(traits)) < traits.active * every_s / 3600)
        count = int(np.count_nonzero(begins))
        self._bout_s[begins] = rng.exponential(_BOUT_S, count)
        self._effort[begins] = rng.uniform(0.3, 1.0, count)
        self._bout_s -= every_s
        self._effort[(self._bout_s <= 0) & ~begins] = 0.0
        effort = self._effort.copy()
        effort[[span.person for span in happens if span.kind in _ILL]] *= _ILL_SHARE
        self._strain = np.maximum(effort, self._strain * math.exp(-every_s / RECOVERY_S))
        return effort
