"""The numbers that tell a fall from what resembles one, computed for many windows at once.

A window runs from ``before_s`` in front of the impact peak to ``after_s`` behind it. Every feature is invariant to how
the sensor is turned on the body, because it uses magnitudes and angles between vectors of the same window only.

Sources: free fall, impact, posture and rest as the phases of a fall: Noury et al., "A proposal for the classification
and evaluation of fall detectors", IRBM 29 (2008); magnitude and orientation features: Sucerquia et al., Sensors 17(1)
198 (2017).
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fall.windows import Floats, length, plane_length, plane_product, planes_of

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
        place = _places(self.names)
        values = self.values[index].tolist()
        return {name: values[place[name]] for name in names if name in place}


@lru_cache(maxsize=8)
def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {name: i for i, name in enumerate(names)}


class _Course(NamedTuple):
    """Vectors ``(k, n, 3)`` laid out so that sums over time run along memory."""

    steps: Floats  # (n, 3 k)

    @classmethod
    def of(cls, vectors: Floats) -> _Course:
        return cls(np.ascontiguousarray(vectors.transpose(1, 0, 2)).reshape(vectors.shape[1], -1))

    def mean(self, when: slice) -> Floats:
        """``(k, 3)``."""
        return _over(np.add.reduce(self.steps[when], axis=0), self.steps[when]).reshape(-1, 3)

    def std(self, when: slice, mean: Floats) -> Floats:
        """``(k,)``: root of the summed variance."""
        away = self.steps[when] - mean.reshape(-1)
        away *= away
        return np.asarray(np.sqrt(_over(np.add.reduce(away, axis=0), away).reshape(-1, 3).sum(axis=1)))


def _over(total: Floats, steps: Floats) -> Floats:
    total /= np.float32(len(steps))
    return total


@lru_cache(maxsize=256)
def _cut(n: int, peak: int, fs_hz: float, start_s: float, end_s: float) -> slice:
    """From an instant to another, counted from the impact, within n samples."""
    return slice(max(0, peak + round(start_s * fs_hz)), min(n, peak + round(end_s * fs_hz)))


def _cosine(product: Floats, one: Floats, other: Floats) -> Floats:
    """Of the angle between vectors with this inner product and these lengths."""
    return np.asarray(product / (one * other + _EPS))


def _mean(values: Floats) -> Floats:
    """Over time: axis 1."""
    return np.asarray(np.add.reduce(values, axis=1) / np.float32(values.shape[1]))


def _std(values: Floats, mean: Floats) -> Floats:
    """Over time: axis 1."""
    away = values - mean[:, None]
    away *= away
    return np.asarray(np.sqrt(_mean(away)))


def _crossings(magnitude: Floats, level_g: float) -> NDArray[np.intp]:
    """How often each row rises through ``level_g``."""
    above = magnitude > level_g
    return np.asarray(np.count_nonzero(above[:, 1:] > above[:, :-1], axis=1) + above[:, 0])


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
    k, n = acc_g.shape[:2]
    hz = np.float32(fs_hz)

    cut = partial(_cut, n, peak, fs_hz)
    last = (n - 1 - peak) / fs_hz
    before, approach = cut(-1.5, -0.5), cut(-0.8, 0.0)
    impact, settle = cut(-0.3, 0.4), cut(0.3, 1.0)
    after = cut(max(0.5, last - 1.0), last + 1)

    course, planes = _Course.of(acc_g), planes_of(acc_g)
    magnitude = plane_length(planes)
    size = magnitude[:, peak]
    before_g, approach_g, settle_g, after_g = (magnitude[:, part] for part in (before, approach, settle, after))
    impact_g, falling = magnitude[:, impact], magnitude[:, cut(-1.0, 0.0)]
    after_wide = magnitude[:, cut(0.2, last + 1)]
    mean_before, mean_after = _mean(before_g), _mean(after_g)
    shock = planes[..., impact.start : impact.stop + 1]
    flat = acc_g.reshape(k, -1)
    # posture before the impact, at its end, a second before it, soon after it, and right before it
    stance, soon, then = course.mean(before), course.mean(cut(-1.5, -1.0)), course.mean(cut(0.5, 0.9))
    rest = course.mean(cut(last - 0.4, last + 1))
    one = np.stack([stance, soon, then, soon])
    other = np.stack([rest, then, rest, course.mean(cut(-0.8, -0.4))])
    stance_g, rest_g = length(stance), length(rest)
    cosines = np.empty((5, k), np.float32)
    cosines[:4] = _cosine(_product(one, other), length(one), length(other))
    cosines[4] = _furthest(planes, max(1, round(0.2 * fs_hz)), stance, stance_g)
    angles_deg = np.degrees(np.arccos(np.minimum(np.maximum(cosines, -1.0), 1.0)))

    columns = [
        size,
        np.maximum(flat.max(axis=1), -flat.min(axis=1)),
        plane_length(shock[..., 1:] - shock[..., :-1]).max(axis=1),
        size - magnitude[:, cut(-0.12, 0.0)].min(axis=1),
        np.count_nonzero(impact_g > 1.0 + 0.5 * (size[:, None] - 1.0), axis=1) / hz,
        np.maximum(impact_g - 1.0, 0.0).sum(axis=1) / hz,
        _crossings(magnitude[:, cut(-1.5, -0.2)], 1.3),
        _crossings(after_wide, 1.3),
        after_wide.max(axis=1),
        falling.min(axis=1),
        np.count_nonzero(falling < _FREE_FALL_G, axis=1) / hz,
        np.minimum(falling - 1.0, 0.0).sum(axis=1) / hz,
        _std(before_g, mean_before),
        mean_before,
        course.std(before, stance),
        before_g.max(axis=1),
        _std(approach_g, _mean(approach_g)),
        course.std(approach, course.mean(approach)),
        _std(settle_g, _mean(settle_g)),
        course.std(settle, course.mean(settle)),
        settle_g.min(axis=1),
        _std(after_g, mean_after),
        course.std(after, course.mean(after)),
        mean_after,
        after_g.max(axis=1) - after_g.min(axis=1),
        *angles_deg,
        np.abs(rest_g - 1.0),
        length(rest - stance),
    ]
    names = ACC_FEATURES
    if gyr_dps is not None:
        turn = length(gyr_dps)
        around = turn[:, cut(-0.8, 0.4)]
        mean_turn = _mean(turn[:, before])
        columns += [
            turn.max(axis=1),
            _mean(turn[:, approach]),
            mean_turn,
            _mean(turn[:, settle]),
            _mean(turn[:, after]),
            around.sum(axis=1) / hz,
            turn[:, impact].max(axis=1),
            _std(turn[:, before], mean_turn),
            _mean(around) / (mean_turn + 10.0),
        ]
        names = ACC_FEATURES + GYR_FEATURES
    values = np.empty((k, len(columns)), np.float32)
    for i, column in enumerate(columns):
        values[:, i] = column
    return FeatureTable(names, values)


def _product(one: Floats, other: Floats) -> Floats:
    """Inner products of ``(..., 3)``."""
    products = one * other
    return np.asarray(products[..., 0] + products[..., 1] + products[..., 2])


def _furthest(planes: Floats, width: int, stance: Floats, stance_g: Floats) -> Floats:
    """``(k,)``: the cosine of the largest angle between the running mean of ``(3, k, n)`` and a posture ``(k, 3)``."""
    total = np.zeros((*planes.shape[:2], planes.shape[2] + 1), np.float32)
    np.cumsum(planes, axis=2, out=total[..., 1:])
    smooth = total[..., width:] - total[..., :-width]
    smooth /= np.float32(width)
    product = plane_product(smooth, stance.T[:, :, None])
    return np.asarray(_cosine(product, plane_length(smooth), stance_g[:, None]).min(axis=1))
