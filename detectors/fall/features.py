"""The numbers that tell a fall from what resembles one, computed for many windows at once.

A window runs from ``before_s`` in front of the impact peak to ``after_s`` behind it. Every feature is invariant to how
the sensor is turned on the body, because it uses magnitudes and angles between vectors of the same window only.

Sources: free fall, impact, posture and rest as the phases of a fall: Noury et al., "A proposal for the classification
and evaluation of fall detectors", IRBM 29 (2008); magnitude and orientation features: Sucerquia et al., Sensors 17(1)
198 (2017).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fall.windows import Floats

#: g below which a sample counts as falling freely.
_FREE_FALL_G = 0.6
_EPS = np.float32(1e-6)

ACC_FEATURES: tuple[str, ...] = (
    "peak_g",
    "range_axis_g",
    "impact_jerk_g",
    "impact_rise_g",
    "impact_width_s",
    "impact_energy_g",
    "peaks_before",
    "peaks_after",
    "second_peak_after_g",
    "freefall_min_g",
    "freefall_s",
    "freefall_velocity_g_s",
    "before_std_g",
    "before_mean_g",
    "before_vector_std_g",
    "before_max_g",
    "approach_std_g",
    "approach_vector_std_g",
    "settle_std_g",
    "settle_vector_std_g",
    "settle_min_g",
    "after_std_g",
    "after_vector_std_g",
    "after_mean_g",
    "after_range_g",
    "posture_change_deg",
    "posture_change_early_deg",
    "posture_after_drift_deg",
    "posture_before_drift_deg",
    "tilt_max_deg",
    "rest_error_g",
    "upset_g",
)
GYR_FEATURES: tuple[str, ...] = (
    "turn_max_dps",
    "turn_approach_dps",
    "turn_before_dps",
    "turn_settle_dps",
    "turn_after_dps",
    "turned_deg",
    "turn_impact_dps",
    "turn_before_std_dps",
    "turn_ratio",
)


class FeatureTable(NamedTuple):
    """``values`` is ``(k, len(names))`` float32."""

    names: tuple[str, ...]
    values: NDArray[np.float32]

    def column(self, name: str) -> NDArray[np.float32]:
        """One feature of all windows, ``(k,)``."""
        return self.values[:, self.names.index(name)]

    def row(self, index: int, names: tuple[str, ...]) -> dict[str, float]:
        """Those of the named features that one window has."""
        return {name: float(self.values[index, self.names.index(name)]) for name in names if name in self.names}


def _length(vectors: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)), np.float32)


def _angle_deg(a: Floats, b: Floats) -> Floats:
    cosine = np.einsum("...i,...i->...", a, b) / (_length(a) * _length(b) + _EPS)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), np.float32)


def _mean(values: Floats) -> Floats:
    """Over time: axis 1."""
    return np.asarray(np.add.reduce(values, axis=1) / np.float32(values.shape[1]))


def _variance(values: Floats, mean: Floats) -> Floats:
    """Over time: axis 1."""
    away = values - mean[:, None]
    np.multiply(away, away, out=away)
    return _mean(away)


def _std(values: Floats) -> Floats:
    """Over time: axis 1."""
    return np.asarray(np.sqrt(_variance(values, _mean(values))))


def _vector_std(vectors: Floats) -> Floats:
    """Root of the summed variance over time of ``(k, n, 3)``: ``(k,)``."""
    return np.asarray(np.sqrt(_variance(vectors, _mean(vectors)).sum(axis=1)), np.float32)


def _crossings(magnitude: Floats, level_g: float) -> Floats:
    """How often each row rises through ``level_g``."""
    above = magnitude > level_g
    return np.asarray((above[:, 1:] & ~above[:, :-1]).sum(axis=1) + above[:, 0], np.float32)


def summarise(acc_g: Floats, gyr_dps: Floats | None, *, peak: int, fs_hz: float) -> FeatureTable:
    """Features of k windows.

    Args:
        acc_g: ``(k, n, 3)`` float32 in g, no gaps.
        gyr_dps: ``(k, n, 3)`` float32 in deg/s, or None.
        peak: index of the impact within the window.
        fs_hz: samples per second.

    Returns:
        One row per window: ACC_FEATURES, then GYR_FEATURES where there is a gyroscope.
    """
    n = acc_g.shape[1]

    def cut(start_s: float, end_s: float) -> slice:
        return slice(max(0, peak + round(start_s * fs_hz)), min(n, peak + round(end_s * fs_hz)))

    last = (n - 1 - peak) / fs_hz
    early, before, approach = cut(-1.5, -1.0), cut(-1.5, -0.5), cut(-0.8, 0.0)
    impact, settle = cut(-0.3, 0.4), cut(0.3, 1.0)
    after = cut(max(0.5, last - 1.0), last + 1)
    end = cut(last - 0.4, last + 1)
    settled = cut(0.5, 0.9)

    magnitude = _length(acc_g)
    excess = np.maximum(magnitude - 1.0, 0.0)
    jerk = _length(np.diff(acc_g, axis=1))
    size = magnitude[:, peak]
    half = 1.0 + 0.5 * (size[:, None] - 1.0)
    stance, rest, soon = _mean(acc_g[:, before]), _mean(acc_g[:, end]), _mean(acc_g[:, early])
    then = _mean(acc_g[:, settled])
    falling = magnitude[:, cut(-1.0, 0.0)]
    smooth = np.cumsum(np.pad(acc_g, ((0, 0), (1, 0), (0, 0))), axis=1)
    width = max(1, round(0.2 * fs_hz))
    smooth = (smooth[:, width:] - smooth[:, :-width]) / np.float32(width)
    after_wide = magnitude[:, cut(0.2, last + 1)]
    mean_before, mean_after = _mean(magnitude[:, before]), _mean(magnitude[:, after])

    columns = [
        size,
        np.abs(acc_g).max(axis=(1, 2)),
        jerk[:, impact].max(axis=1),
        size - magnitude[:, cut(-0.12, 0.0)].min(axis=1),
        (magnitude[:, impact] > half).sum(axis=1) / np.float32(fs_hz),
        excess[:, impact].sum(axis=1) / np.float32(fs_hz),
        _crossings(magnitude[:, cut(-1.5, -0.2)], 1.3),
        _crossings(after_wide, 1.3),
        after_wide.max(axis=1),
        falling.min(axis=1),
        (falling < _FREE_FALL_G).sum(axis=1) / np.float32(fs_hz),
        np.minimum(falling - 1.0, 0.0).sum(axis=1) / np.float32(fs_hz),
        np.sqrt(_variance(magnitude[:, before], mean_before)),
        mean_before,
        _vector_std(acc_g[:, before]),
        magnitude[:, before].max(axis=1),
        _std(magnitude[:, approach]),
        _vector_std(acc_g[:, approach]),
        _std(magnitude[:, settle]),
        _vector_std(acc_g[:, settle]),
        magnitude[:, settle].min(axis=1),
        np.sqrt(_variance(magnitude[:, after], mean_after)),
        _vector_std(acc_g[:, after]),
        mean_after,
        np.ptp(magnitude[:, after], axis=1),
        _angle_deg(stance, rest),
        _angle_deg(soon, then),
        _angle_deg(then, rest),
        _angle_deg(soon, _mean(acc_g[:, cut(-0.8, -0.4)])),
        _angle_deg(smooth, stance[:, None, :]).max(axis=1),
        np.abs(_length(rest) - 1.0),
        _length(rest - stance),
    ]
    names = ACC_FEATURES
    if gyr_dps is not None:
        turn = _length(gyr_dps)
        around = turn[:, cut(-0.8, 0.4)]
        mean_turn, mean_around = _mean(turn[:, before]), _mean(around)
        columns += [
            turn.max(axis=1),
            _mean(turn[:, approach]),
            mean_turn,
            _mean(turn[:, settle]),
            _mean(turn[:, after]),
            around.sum(axis=1) / np.float32(fs_hz),
            turn[:, impact].max(axis=1),
            np.sqrt(_variance(turn[:, before], mean_turn)),
            mean_around / (mean_turn + 10.0),
        ]
        names = ACC_FEATURES + GYR_FEATURES
    return FeatureTable(names, np.stack(columns, axis=1).astype(np.float32))
