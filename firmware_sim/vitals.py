"""Vital signs of one wearer, live: a body with its day, what happens to it, and what devices make of it.

The numbers are those of the cohort (:mod:`firmware_sim.cohort_bodies`, :mod:`firmware_sim.cohort_devices`); only the
steps are not of one length here, and every person has a generator of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from firmware_sim.cohort_bodies import (
    ASLEEP,
    EFFORT,
    FAST_IRREGULAR_BPM,
    IRREGULAR_BPM,
    LEAST_GLUCOSE_MMOL_L,
    RECOVERY_S,
    SIGNS,
    WANDERING,
    falling_glucose,
    meals_mmol_l,
    warmth_celsius,
)  # fmt: skip
from firmware_sim.cohort_devices import DECIMALS, NOISE, SENSIBLE, SENSOR_S, WORN, come_loose, spoil
from firmware_sim.cohort_events import (
    ARTEFACT_H,
    ARTEFACTS_A_WEEK,
    DAY_MS,
    HOUR_MS,
    Span,
    artefact_effects,
    hours_of_day,
    progress,
)  # fmt: skip
from firmware_sim.cohort_people import draw
from firmware_sim.illness import NEEDS, easing

#: A cuff inflates once in so many readings, by day.
_CUFF_EVERY = 20
_SCALES_H = 7.0
_WEIGHS = {True: 0.9, False: 0.3}  # how many stand on their scales today: with a weak heart, without
#: Artefacts of one person's devices that come and go; other units are faults of a device (:mod:`firmware_sim.faults`).
_ARTEFACTS = ("loose", "stuck", "cold_hand", "pressed_sensor")
_WEEK_MS = 7 * DAY_MS
#: Each part of each sign's wandering: sign, standard deviation, hours.
_PARTS = [(name, size, hours) for name in SIGNS for size, hours in WANDERING[name]]
_DRAWS = len(_PARTS) + len(SIGNS) + 1


def generator(seed: int, index: int) -> np.random.Generator:
    """What draws all of one wearer's vital signs; first of all, who the wearer is."""
    return np.random.default_rng([seed, index, 5])


def health(seed: int, index: int) -> tuple[tuple[str, ...], int]:
    """What a wearer lives with as the registry has it, and the NEWS2 scale that a clinician has set for them."""
    traits = draw(1, generator(seed, index))
    lungs = bool(traits.lungs[0])
    return traits.conditions(0) + (("copd",) if lungs else ()), 2 if lungs else 1


class VitalSigns:
    """One person's readings.

    Args:
        rng: draws the person (resting values), every reading, and artefacts.
        utc_offset_s: of the place where the person lives, for the rhythm.
        illness: what befalls the person. Who gets low sugar has diabetes and wears a sensor.
        artefacts: whether devices come loose, stick, meet cold hands.

    Attributes:
        illness: as given.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        utc_offset_s: int = 8 * 3600,
        *,
        illness: Sequence[Span] = (),
        artefacts: bool = False,
    ) -> None:
        self._rng = rng
        self._offset_s = utc_offset_s
        self.illness = tuple(illness)
        self._artefacts = artefacts
        traits = draw(1, rng)
        self._usual = {name: float(getattr(traits, name)[0]) for name in SIGNS}
        self._asleep_h, self._awake_h = float(traits.asleep_h[0]), float(traits.awake_h[0])
        needs = {name for span in illness for name in NEEDS.get(span.kind, ())}
        self._fibrillates = bool(traits.fibrillation[0])
        self._weighs = _WEIGHS[bool(traits.heart_failure[0]) or "heart_failure" in needs]
        self._sensor = bool(traits.glucose_sensor[0]) or "glucose_sensor" in needs
        self._tells_quality = bool(traits.tells_quality[0])
        self._wander = [size * float(rng.normal()) for _, size, _ in _PARTS]
        self._strain = 0.0
        self._last_ms: int | None = None
        self._last = dict.fromkeys(WORN, math.nan)
        self._loose_c = math.nan
        self._count = int(rng.integers(_CUFF_EVERY))
        self._weighed_day = -1
        self._sensed_ms = 0
        self._wrong: dict[str, Span] = {}

    def read(self, t_ms: int, effort: float = 0.0) -> dict[str, float]:
        """The reading at ``t_ms`` (epoch ms); ``effort`` is 0 at rest and 1 at a brisk walk.

        Pulse, oxygen, breathing and temperature each time; pressure once in twenty readings while awake, sugar every
        five minutes of who wears a sensor, weight once a morning.
        """
        elapsed_s = 0.0 if self._last_ms is None else max(0.0, (t_ms - self._last_ms) / 1000)
        hour = hours_of_day(t_ms, self._offset_s)
        sleeps = hour >= self._asleep_h or hour < self._awake_h
        draws = self._rng.standard_normal(_DRAWS).tolist()
        body = self._body(t_ms, hour, sleeps, effort, elapsed_s, draws)
        wanted = self._wanted(t_ms, hour, sleeps)
        reading = {}
        for name, draw_ in zip(SIGNS, draws[len(_PARTS) :], strict=False):
            low, high = SENSIBLE[name]
            value = min(high, max(low, body[name] + NOISE[name] * draw_))
            reading[name] = round(value, DECIMALS.get(name, 0)) if name in wanted else math.nan
        if self._tells_quality:
            reading["quality"] = round(float(self._rng.uniform(0.75, 1.0)), 2)
        if self._artefacts:
            self._spoil(t_ms, elapsed_s, reading)
        self._last = {name: reading[name] for name in WORN}
        self._last_ms = t_ms
        return {name: float(value) for name, value in reading.items() if not math.isnan(value)}

    def _body(
        self, t_ms: int, hour: float, sleeps: bool, effort: float, elapsed_s: float, draws: list[float]
    ) -> dict[str, float]:
        """The true values by sign."""
        self._strain = max(effort, self._strain * math.exp(-elapsed_s / RECOVERY_S))
        body = {
            name: self._usual[name] + EFFORT.get(name, 0.0) * self._strain + (ASLEEP.get(name, 0.0) if sleeps else 0.0)
            for name in SIGNS
        }
        for part, (name, size, hours) in enumerate(_PARTS):
            keep = math.exp(-elapsed_s / 3600 / hours)
            self._wander[part] = keep * self._wander[part] + math.sqrt(1 - keep * keep) * size * draws[part]
            body[name] += self._wander[part]
        body["temp"] += warmth_celsius(hour)
        body["glucose"] = max(LEAST_GLUCOSE_MMOL_L, body["glucose"] + sum(meals_mmol_l(hour)))
        if self._fibrillates:
            body["hr"] += IRREGULAR_BPM * draws[-1]
        for span in self.illness:
            if span.begin_ms <= t_ms:
                self._add(span, t_ms, body, draws[-1])
        return body

    def _add(self, span: Span, t_ms: int, body: dict[str, float], draw_: float) -> None:
        share = easing(span, t_ms)
        if not share:
            return
        for name, size in progress(span, t_ms).items():
            if name in body:
                body[name] += share * size
        if span.kind == "fast_pulse":
            body["hr"] += share * FAST_IRREGULAR_BPM * draw_
        if span.kind == "hypoglycaemia":
            body["glucose"] += share * (falling_glucose(span, t_ms, body["glucose"]) - body["glucose"])

    def _wanted(self, t_ms: int, hour: float, sleeps: bool) -> set[str]:
        """What is measured now."""
        wanted = set(WORN)
        self._count += 1
        if self._count % _CUFF_EVERY == 0 and not sleeps:
            wanted |= {"sbp", "dbp"}
        if self._sensor and t_ms - self._sensed_ms >= SENSOR_S * 1000:
            self._sensed_ms = t_ms
            wanted.add("glucose")
        day = (t_ms + self._offset_s * 1000) // DAY_MS
        if day != self._weighed_day and not sleeps and _SCALES_H <= hour < _SCALES_H + 1:
            self._weighed_day = day
            if self._rng.random() < self._weighs:
                wanted.add("weight")
        return wanted

    def _spoil(self, t_ms: int, elapsed_s: float, reading: dict[str, float]) -> None:
        """Put in the artefacts that go on, and draw the next of each kind when one is over."""
        for kind in _ARTEFACTS:
            span = self._wrong.get(kind)
            if span is None or t_ms > span.end_ms:
                begin_ms = t_ms + round(self._rng.exponential(_WEEK_MS / ARTEFACTS_A_WEEK[kind]))
                lasts_ms = round(self._rng.uniform(*ARTEFACT_H[kind]) * HOUR_MS)
                span = Span(0, kind, begin_ms, begin_ms + lasts_ms, artefact_effects(self._rng))
                self._wrong[kind] = span
                if kind == "loose":
                    self._loose_c = math.nan
            if not span.begin_ms <= t_ms <= span.end_ms:
                continue
            if kind == "loose":
                self._loose_c = come_loose(reading, self._loose_c, elapsed_s, self._tells_quality, self._rng)
            else:
                spoil(span, reading, self._last, self._tells_quality, self._rng)
