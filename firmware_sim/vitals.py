"""Vital signs of one person over the day: a rhythm, slow wandering, measurement noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_DAY_MS = 86_400_000
#: When the day's rhythm is highest, local hour: heart rate and temperature peak in the late afternoon [1]_.
#:
#: .. [1] Refinetti and Menaker, The circadian rhythm of body temperature, Physiology & Behavior 1992, 51(3), 613-637.
_PEAK_HOUR = 17.0
#: A cuff inflates once in so many readings.
_CUFF_EVERY = 20


@dataclass(slots=True)
class _Slow:
    """A value that wanders around 0 with standard deviation ``size``; correlated over ``readings`` readings."""

    size: float
    readings: float
    value: float = 0.0

    def step(self, rng: np.random.Generator) -> float:
        keep = math.exp(-1 / self.readings)
        self.value = keep * self.value + math.sqrt(1 - keep * keep) * self.size * float(rng.normal())
        return self.value


class VitalSigns:
    """One person's readings.

    Args:
        rng: draws the person (resting values) and every reading.
        utc_offset_s: of the place where the person lives, for the rhythm.
    """

    def __init__(self, rng: np.random.Generator, utc_offset_s: int = 8 * 3600) -> None:
        self._rng = rng
        self._offset_ms = utc_offset_s * 1000
        self._hr = float(rng.normal(72, 7))
        self._spo2 = float(rng.normal(96.5, 0.9))
        self._rr = float(rng.normal(16, 1.5))
        self._temp = float(rng.normal(36.5, 0.15))
        self._sbp = float(rng.normal(134, 12))
        self._dbp = float(rng.normal(78, 7))
        self._wander = {"hr": _Slow(3.0, 20), "rr": _Slow(1.0, 20), "spo2": _Slow(0.5, 20), "temp": _Slow(0.06, 60)}
        self._count = int(rng.integers(_CUFF_EVERY))

    def read(self, t_ms: int, effort: float = 0.0) -> dict[str, float]:
        """The reading at ``t_ms`` (epoch ms); ``effort`` is 0 at rest and 1 at a brisk walk."""
        rng, slow = self._rng, {name: wander.step(self._rng) for name, wander in self._wander.items()}
        hour = (t_ms + self._offset_ms) % _DAY_MS / 3_600_000
        rhythm = math.cos(2 * math.pi * (hour - _PEAK_HOUR) / 24)
        reading = {
            "hr": self._hr + 5.0 * rhythm + 30 * effort + slow["hr"] + float(rng.normal(0, 1.5)),
            "spo2": min(100.0, self._spo2 + 0.3 * rhythm + slow["spo2"] + float(rng.normal(0, 0.5))),
            "rr": self._rr + 0.8 * rhythm + 6 * effort + slow["rr"] + float(rng.normal(0, 0.7)),
            "temp": self._temp + 0.35 * rhythm + slow["temp"] + float(rng.normal(0, 0.05)),
        }
        self._count += 1
        if self._count % _CUFF_EVERY == 0:
            reading["sbp"] = self._sbp + 6 * rhythm + 15 * effort + float(rng.normal(0, 5))
            reading["dbp"] = self._dbp + 4 * rhythm + 5 * effort + float(rng.normal(0, 4))
        reading = {name: float(np.clip(value, *_SENSIBLE[name])) for name, value in reading.items()}
        return {name: round(value, 1 if name == "temp" else 0) for name, value in reading.items()}


#: Outside of this no wearable reports a number.
_SENSIBLE = {
    "hr": (35.0, 210.0),
    "spo2": (70.0, 100.0),
    "rr": (6.0, 50.0),
    "temp": (34.0, 41.5),
    "sbp": (70.0, 230.0),
    "dbp": (35.0, 130.0),
}
