"""The slope of a short course with gaps, that single wrong values do not move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def slopes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per column of ``(k, m)`` values at equal steps, NaN where missing: the change per step; NaN with fewer than two.

    The median of the slopes between all pairs (Theil 1950; Sen 1968, J. Am. Stat. Assoc. 63(324)).
    """
    first, second = np.triu_indices(len(values), 1)
    pairs = (values[second] - values[first]) / (second - first)[:, None]
    return median(pairs)


def deviation(values: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(m,)``: the farthest that a column lies from its line of that slope."""
    flat = values - np.arange(len(values))[:, None] * slope
    return np.asarray(np.fmax.reduce(np.abs(flat - median(flat)), axis=0))


def median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column of ``(k, m)``, without what is missing; NaN where all is."""
    ordered = np.sort(values, axis=0)  # NaN last
    there = np.count_nonzero(~np.isnan(ordered), axis=0)
    columns = np.arange(values.shape[1])
    low, high = ordered[np.maximum(there - 1, 0) // 2, columns], ordered[there // 2 * (there > 0), columns]
    return np.where(there > 0, (low + np.where(there % 2, low, high)) / 2, np.nan)
