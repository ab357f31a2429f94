"""Which samples may be impacts."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from detectors.fall.windows import ACC_LSB_G, MISSING, Counts

#: Windows looked at together, as many as a core's cache holds.
_TOGETHER = 512
#: The largest that a sample can be, in counts squared; a missing one is larger.
_LARGEST = 3 * (MISSING + 1) ** 2
#: Counts squared by which a trigger goes off early, so that no rounding loses an impact.
_SLACK = 1_000


def squared_magnitude(counts: Counts) -> NDArray[np.uint32]:
    """``(k, n)`` of ``(k, n, 3)`` counts, in counts squared; 0 for a missing sample."""
    wide = counts.astype(np.int32)
    wide *= wide
    axes = wide.view(np.uint32)
    squared: NDArray[np.uint32] = axes[..., 0] + axes[..., 1]  # by axis: a sum over three is slow
    squared += axes[..., 2]
    squared[squared > _LARGEST] = 0
    return squared


def threshold_counts(trigger_g: float) -> int:
    """A magnitude in g as counts squared."""
    return int((trigger_g / ACC_LSB_G) ** 2)


def has_trigger(counts: Counts, trigger_g: float) -> NDArray[np.bool_]:
    """``(k,)``: which of the ``(k, n, 3)`` windows have a sample that high. The hot path: every sample passes here.

    Summed up are any three numbers that follow each other: two sums in three mix two samples, but strides cost more.
    """
    k, n, _ = counts.shape
    out = np.zeros(k, np.bool_)
    if not k or not n:
        return out
    level = np.float32(threshold_counts(trigger_g) - _SLACK)
    flat = counts.reshape(-1)
    block = min(k, _TOGETHER) * 3 * n
    squares = np.empty(block, np.float32)
    sums = np.empty(block, np.float32)
    for first in range(0, len(flat), block):
        some = flat[first : first + block]
        square, total = squares[: len(some)], sums[: len(some) - 2]
        np.square(some, out=square, dtype=np.float32)
        np.add(square[:-2], square[1:-1], out=total)
        total += square[2:]
        high = np.flatnonzero(total >= level)
        high = high[high % 3 == 0]
        if len(high):
            out[(first + high[total[high] <= _LARGEST]) // (3 * n)] = True
    return out


def impacts(squared: NDArray[np.uint32], *, trigger_g: float, radius: int) -> NDArray[np.bool_]:
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


def find_impacts(
    squared: NDArray[np.uint32], *, trigger_g: float, radius: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where :func:`impacts` (same arguments) are: the window, and the place among its n middle samples; in order."""
    n = squared.shape[1] - 2 * radius
    if n > radius + 1:
        window, place = np.nonzero(impacts(squared, trigger_g=trigger_g, radius=radius))
        return window, place
    # two impacts lie more than a radius apart: only the first of the highest in the middle can be one
    middle = squared[:, radius : radius + n]
    at = middle.argmax(axis=1)
    size = middle[np.arange(len(middle)), at]
    which = np.flatnonzero(size >= threshold_counts(trigger_g))
    at, size = at[which], size[which, None]
    place = np.arange(radius)
    before, behind = squared[which, :radius], squared[which, radius + n :]
    lower = (before < size) | (place < at[:, None])
    lower &= (behind <= size) | (place >= (at - n + 1 + radius)[:, None])
    best = np.flatnonzero(lower.all(axis=1))
    return which[best], at[best]
