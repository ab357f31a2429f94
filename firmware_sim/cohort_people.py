"""The people of a simulated cohort: who they are, how they live, what they wear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Shares among people over 65 in a community, rounded.
_HYPERTENSION, _DIABETES, _HEART_FAILURE, _LUNGS, _FIBRILLATION = 0.55, 0.2, 0.08, 0.08, 0.06


@dataclass(slots=True)
class Traits:
    """n people, in columns; values at rest, awake, in the units of the wire contract.

    The shares are ``(n,)`` bool: conditions, how they sleep, and what their devices tell.
    """

    hr: Floats
    spo2: Floats
    rr: Floats
    temp: Floats
    sbp: Floats
    dbp: Floats
    weight: Floats
    glucose: Floats
    hypertension: Flags
    diabetes: Flags
    heart_failure: Flags
    lungs: Flags  # with a target of 88 to 92 %: scale 2
    fibrillation: Flags  # for years
    apnoea: Flags
    asleep_h: Floats  # local hour
    awake_h: Floats
    charges_h: Floats  # when the watch is on its charger
    off_at_night: Flags
    active: Floats  # bouts of activity an hour
    tells_motion: Flags
    tells_quality: Flags
    glucose_sensor: Flags  # worn, every five minutes
    shares_scales: Flags

    def __len__(self) -> int:
        return len(self.hr)

    def conditions(self, person: int) -> tuple[str, ...]:
        """As the registry has them."""
        return tuple(name for name in ("hypertension", "diabetes", "heart_failure") if getattr(self, name)[person])


def draw(n: int, rng: np.random.Generator) -> Traits:
    """Draw n people."""

    def share(p: float) -> Flags:
        return rng.random(n) < p

    hypertension, diabetes, lungs = share(_HYPERTENSION), share(_DIABETES), share(_LUNGS)
    fibrillation, heart_failure = share(_FIBRILLATION), share(_HEART_FAILURE)
    slowed = share(0.25)  # a beta blocker
    sbp = rng.normal(128, 10, n) + 10 * hypertension
    return Traits(
        hr=np.clip(rng.normal(71, 8, n) - 8 * slowed + 6 * fibrillation, 50, 98),
        spo2=np.where(lungs, rng.normal(90.5, 1.2, n), np.clip(rng.normal(96.4, 0.9, n), 93.5, 99)),
        rr=np.clip(rng.normal(16.2, 1.6, n) + 3 * lungs, 12, 23),
        temp=rng.normal(36.4, 0.2, n),
        sbp=sbp,
        dbp=sbp * 0.5 + rng.normal(12, 5, n),
        weight=np.clip(rng.normal(62, 10, n), 40, 110),
        glucose=np.clip(rng.normal(8.2, 1.2, n), 6.3, 12),
        hypertension=hypertension,
        diabetes=diabetes,
        heart_failure=heart_failure,
        lungs=lungs,
        fibrillation=fibrillation,
        apnoea=share(0.15),
        asleep_h=rng.normal(22.3, 0.7, n),
        awake_h=rng.normal(6.2, 0.6, n),
        charges_h=rng.uniform(7, 22, n),
        off_at_night=share(0.1),
        active=rng.uniform(0.2, 1.0, n),
        tells_motion=share(0.8),
        tells_quality=share(0.7),
        glucose_sensor=diabetes & share(0.6),
        shares_scales=share(0.05),
    )
