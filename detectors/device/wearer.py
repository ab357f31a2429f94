"""A wearable on another person: its wearer's gait or pulse is not the usual one for days. A hint at most."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.device.batch import Trait, Traits
from detectors.device.columns import Columns, Finding, Spec
from detectors.device.link_parameters import WearerParameters

OTHER_WEARER = "other_wearer"
#: Lags that are looked at in gait: steps of 0.4 to 0.84 s, 71 to 150 a minute; a second step so much earlier or later.
_SHORTEST_S, _LONGEST_S, _UNEVEN_S = 0.4, 0.84, 0.08
_NAMES = tuple(trait.name.lower() for trait in Trait)
_UNITS = ("per_min", "g", "share", "share", "bpm")

_COLUMNS = {
    "sum": Spec(np.float32, 0.0, (len(Trait),)),  # of today
    "count": Spec(np.float32, 0.0, (len(Trait),)),
    "usual": Spec(np.float32, np.nan, (len(Trait),)),
    "spread": Spec(np.float32, 0.0, (len(Trait),)),  # standard deviation of days, with that of people in general
    "days": Spec(np.float32, 0.0, (len(Trait),)),
    "other_days": Spec(np.uint8, 0),
    "same_days": Spec(np.uint8, 0),
    "standing": Spec(np.bool_, False),
    "onset_ms": Spec(np.int64, 0),
    "assigned": Spec(np.bool_, False),
}


def gait(acc_g: NDArray[np.float32], fs_hz: float) -> NDArray[np.float64]:
    """``(4, k)``: cadence a minute, bounce in g, likeness of a step to the last and to the one before (:class:`Trait`).

    Args:
        acc_g: ``(k, n, 3)`` in g, windows of walking (:func:`detectors.fall.gait.walks`) of 4 s or more, no gaps.
        fs_hz: samples per second.
    """
    size = np.sqrt(np.einsum("kna,kna->kn", acc_g, acc_g, dtype=np.float64))
    size -= size.mean(axis=1, keepdims=True)
    n = size.shape[1]
    first, last = round(_SHORTEST_S * fs_hz), round(_LONGEST_S * fs_hz)
    lags = np.arange(first - 1, 2 * last + 1)
    spectrum = np.fft.rfft(size, 2 * n)
    products = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, 2 * n)[:, lags]
    power = np.cumsum(size**2, axis=1)
    again = products / np.sqrt(power[:, n - 1 - lags] * (power[:, -1:] - power[:, lags - 1]) + 1e-12)
    steps = again[:, 1 : last - first + 2]
    best = steps.argmax(axis=1)
    which = np.arange(len(size))
    low, top, high = (again[which, best + k] for k in range(3))
    curve = low - 2 * top + high
    between = np.where(curve < 0, 0.5 * (low - high) / np.where(curve < 0, curve, 1.0), 0.0)
    lag = first + best + np.clip(between, -0.5, 0.5)
    near = np.abs(lags - 2 * lag[:, None]) <= _UNEVEN_S * fs_hz
    stride = np.where(near, again, -1.0).max(axis=1)
    return np.stack([60.0 * fs_hz / lag, size.std(axis=1), top, stride])


class Wearers:
    """What wearers are like by day, held against what each was like before.

    A day counts for a trait with ``values_per_day`` measurements. Days deviate by the root mean square of the traits'
    distances from the usual, each in standard deviations of that wearer's days.
    """

    def __init__(self, parameters: WearerParameters) -> None:
        self.parameters = p = parameters
        self.columns = Columns(_COLUMNS)
        self._least_spread = np.array(
            [p.cadence_per_min, p.bounce_share, p.step_correlation, p.stride_correlation, p.pulse_per_min]
        )[:, None]

    def assign(self, row: int, *, assigned: bool, anew: bool) -> None:
        """A device, and whether its wearer is another one now than before."""
        if not self.parameters.tells:
            return
        c = self.columns
        c.reserve(row + 1)
        c["assigned"][row] = assigned
        if anew:
            for name in ("sum", "count", "days", "spread"):
                c[name][:, row] = 0
            c["usual"][:, row] = np.nan
            c["other_days"][row] = 0

    def take(self, traits: Traits) -> None:
        """What came within ten seconds."""
        if not self.parameters.tells or not len(traits.row):
            return
        value = np.where(traits.trait == Trait.BOUNCE, np.log(np.maximum(traits.value, 1e-3)), traits.value)
        good = np.isfinite(traits.value) & (traits.trait < len(Trait)) & (np.abs(traits.value) < 1e4)
        which = (traits.trait[good], traits.row[good])
        np.add.at(self.columns["sum"], which, value[good].astype(np.float32))
        np.add.at(self.columns["count"], which, 1)

    def new_day(self, at_ms: int) -> list[Finding]:
        """A day is over."""
        if not self.parameters.tells:
            return []
        c, p = self.columns, self.parameters
        rows = np.flatnonzero((c["count"] > 0).any(axis=0))
        count = c["count"][:, rows].astype(np.float64)
        today = np.where(count >= p.values_per_day, c["sum"][:, rows] / np.maximum(count, 1), np.nan)
        c["sum"][:, rows], c["count"][:, rows] = 0, 0
        usual, days = c["usual"][:, rows].astype(np.float64), c["days"][:, rows].astype(np.float64)
        spread = np.maximum(c["spread"][:, rows], self._least_spread)
        away = np.where(days >= p.learn_days, (today - usual) / spread, np.nan)
        there = np.isfinite(away)
        measured = np.count_nonzero(there, axis=0)
        distance = np.sqrt((np.where(there, away, 0.0) ** 2).sum(axis=0) / np.maximum(measured, 1))
        other = (measured > 0) & (distance >= p.other_deviations)
        same = (measured > 0) & ~other
        self._learn(rows, today, other)
        for name, one, against in (("other_days", other, same), ("same_days", same, other)):
            so_far = c[name][rows]
            c[name][rows] = np.where(one, np.minimum(so_far, 249) + 1, np.where(against, 0, so_far))
        found = []
        begins = ~c["standing"][rows] & (c["other_days"][rows] >= p.other_days) & c["assigned"][rows]
        ends = c["standing"][rows] & (c["same_days"][rows] >= p.other_days)
        for i in np.flatnonzero(begins | ends).tolist():
            row = int(rows[i])
            c["standing"][row] = bool(begins[i])
            features = {"away_deviations": round(float(distance[i]), 2), "limit_away_deviations": p.other_deviations}
            if begins[i]:
                c["onset_ms"][row] = at_ms - int(p.other_days) * 86_400_000
                for trait in np.flatnonzero(there[:, i]).tolist():
                    features |= _told(trait, float(today[trait, i]), float(usual[trait, i]))
            onset_ms, notes = int(c["onset_ms"][row]), {} if ends[i] else {"sign": _widest(away[:, i])}
            found.append(Finding(row, OTHER_WEARER, bool(ends[i]), onset_ms, Severity.INFO, features, notes, 0.3))
        return found

    def _learn(self, rows: NDArray[np.intp], today: NDArray[np.float64], other: NDArray[np.bool_]) -> None:
        """The usual follows; a day that deviates counts for little, so that another wearer is not learnt in a day."""
        c, p = self.columns, self.parameters
        there = np.isfinite(today)
        days = c["days"][:, rows]
        weight = np.where(other, p.other_weight_share, 1.0) / np.minimum(days + 1, p.usual_days)
        usual = np.where(np.isnan(c["usual"][:, rows]), today, c["usual"][:, rows])
        away = np.where(there, today - usual, 0.0)
        c["usual"][:, rows] = np.where(there, usual + weight * away, c["usual"][:, rows])
        variance = c["spread"][:, rows].astype(np.float64) ** 2
        c["spread"][:, rows] = np.sqrt(np.where(there, (1 - weight) * (variance + weight * away**2), variance))
        c["days"][:, rows] = np.where(there, np.minimum(days + 1, p.usual_days), days)

    def state(self, rows: int) -> dict[str, Any]:
        """For a checkpoint."""
        return self.columns.state(rows) if self.parameters.tells else {}

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """From a checkpoint; one that was made while nothing was told of wearers begins anew."""
        if not self.parameters.tells:
            return
        if state:
            self.columns.restore(state, rows)
        else:
            self.columns.reserve(rows)


def _widest(away: NDArray[np.float64]) -> str:
    return "pulse" if np.nanargmax(np.abs(away)) == Trait.PULSE else "gait"


def _told(trait: int, today: float, usual: float) -> dict[str, float]:
    if trait == Trait.BOUNCE:
        today, usual = float(np.exp(today)), float(np.exp(usual))
    name, unit = _NAMES[trait], _UNITS[trait]
    return {f"{name}_{unit}": round(today, 3), f"usual_{name}_{unit}": round(usual, 3)}
