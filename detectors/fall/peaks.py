"""Which samples may be impacts."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from detectors.fall.windows import ACC_LSB_G, Counts, missing_samples

#: Windows looked at together, as many as a core's cache holds.
_TOGETHER = 512


def squared_magnitude(counts: Counts) -> NDArray[np.int64]:
    """``(k, n)`` of ``(k, n, 3)`` counts, in counts squared; 0 for a missing sample."""
    wide = counts.astype(np.int64)
    squared: NDArray[np.int64] = np.einsum("...i,...i->...", wide, wide)
    squared[missing_samples(counts)] = 0
    return squared


def threshold_counts(trigger_g: float) -> int:
    """A magnitude in g as counts squared."""
    return int((trigger_g / ACC_LSB_G) ** 2)


def has_trigger(counts: Counts, trigger_g: float) -> NDArray[np.bool_]:
    """``(k,)``: which of the ``(k, n, 3)`` windows have a sample that high. The hot path: every sample passes here."""
    if len(counts) > _TOGETHER:
        parts = (counts[i : i + _TOGETHER] for i in range(0, len(counts), _TOGETHER))
        return np.concatenate([has_trigger(part, trigger_g) for part in parts])
    wide = counts.astype(np.float32)
    np.multiply(wide, wide, out=wide)
    squared = wide[..., 0] + wide[..., 1]  # by axis: a sum over three is slow
    squared += wide[..., 2]
    if squared.max(initial=0.0) >= 3.0 * 32767.0**2:  # only a missing sample is that large
        squared[missing_samples(counts)] = 0.0
    return np.asarray(squared.max(axis=1, initial=0.0) >= threshold_counts(trigger_g) - 1_000)


def impacts(squared: NDArray[np.int64], *, trigger_g: float, radius: int) -> NDArray[np.bool_]:
    """Which of the middle samples are the highest of their surroundings and high enough.

    Args:
        squared: ``(k, radius + n + radius)`` squared magnitudes in counts.
        trigger_g: the least magnitude.
        radius: how many samples to either side are compared. Of equals the first counts.

    Returns:
        ``(k, n)``.
    """
    n = squared.shape[1] - 2 * radius
    highest = sliding_window_view(squared, radius, axis=1).max(axis=2)
    middle = squared[:, radius : radius + n]
    high = middle >= threshold_counts(trigger_g)
    return np.asarray(high & (middle > highest[:, :n]) & (middle >= highest[:, radius + 1 : radius + 1 + n]))
