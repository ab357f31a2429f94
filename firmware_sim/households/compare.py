"""How alike two stretches of movements at home are: by the hour, by their silences, by the way from room to room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_sim.households.habits import PLACES

_DAY_S = 86_400.0
#: Shorter gaps are one movement for whoever looks at silences.
SILENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of movements at local seconds ``t_s`` in places.

    Attributes:
        per_hour: ``(24,)`` movements a day in each clock hour.
        silences_s: ``(m,)`` gaps of :data:`SILENCE_S` and more, sorted.
        goes: ``(places, places)`` shares of all movements by place and place of the next.
        per_day: movements a day.
    """

    per_hour: NDArray[np.float64]
    silences_s: NDArray[np.float64]
    goes: NDArray[np.float64]
    per_day: float

    @classmethod
    def of(cls, t_s: ArrayLike, place: ArrayLike, days: float) -> Figures:
        """Sum up ``days`` days of movements."""
        t, at = np.asarray(t_s, np.float64), np.asarray(place, np.intp)
        gaps = np.diff(t)
        goes = np.zeros((len(PLACES), len(PLACES)))
        np.add.at(goes, (at[:-1], at[1:]), 1.0)
        hours = (t % _DAY_S // 3600).astype(int)
        return cls(
            np.bincount(hours, minlength=24) / days,
            np.sort(gaps[gaps >= SILENCE_S]),
            goes / goes.sum(),
            len(t) / days,
        )

    def hours_apart(self, other: Figures) -> float:
        """Half the sum of differences of the shares of each clock hour: 0 the same, 1 nothing in common."""
        one, two = self.per_hour / self.per_hour.sum(), other.per_hour / other.per_hour.sum()
        return float(np.abs(one - two).sum() / 2)

    def hours_correlate(self, other: Figures) -> float:
        """Pearson's correlation of the movements by clock hour."""
        return float(np.corrcoef(self.per_hour, other.per_hour)[0, 1])

    def silences_apart(self, other: Figures) -> float:
        """Kolmogorov and Smirnov's distance of the silences: the largest difference of the shares below any length."""
        every = np.concatenate([self.silences_s, other.silences_s])
        one, two = (np.searchsorted(x.silences_s, every, "right") / len(x.silences_s) for x in (self, other))
        return float(np.abs(one - two).max())

    def ways_apart(self, other: Figures) -> float:
        """As :meth:`hours_apart`, of the ways from room to room (movements that stay in their room left out)."""
        one, two = (x.goes - np.diag(np.diag(x.goes)) for x in (self, other))
        return float(np.abs(one / one.sum() - two / two.sum()).sum() / 2)
