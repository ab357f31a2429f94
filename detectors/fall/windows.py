"""Sample windows around an impact, as the ring keeps them: int16 counts, a missing sample marked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: What all three axes of a missing sample hold (the mark of :class:`detectors.detection.Window`).
MISSING = -32768
#: One count of acceleration in g: int16 then spans +-32 g, twice the widest common sensor.
ACC_LSB_G = 0.001
#: One count of angular rate in deg/s: int16 then spans +-3276 deg/s.
GYR_LSB_DPS = 0.1

Counts = NDArray[np.int16]
Floats = NDArray[np.float32]


def to_counts(values: NDArray[np.floating], lsb: float) -> Counts:
    """Round ``(..., 3)`` values to counts of ``lsb``; a sample with an axis that is not finite becomes MISSING."""
    with np.errstate(over="ignore"):
        scaled = values * np.float32(1.0 / lsb)
    np.rint(scaled, out=scaled)
    # most frames lack nothing and end nowhere; NaN is in no range
    if not (scaled.min(initial=0.0) >= -32767.0 and scaled.max(initial=0.0) <= 32767.0):
        bad = ~np.isfinite(scaled).all(axis=-1)
        np.clip(scaled, -32767, 32767, out=scaled)
        scaled[bad] = MISSING
    counts: Counts = scaled.astype(np.int16)
    return counts


def length(vectors: Floats) -> Floats:
    """``(...)``: the lengths of ``(..., 3)``."""
    squares = vectors * vectors
    total = squares[..., 0] + squares[..., 1]  # by axis: a sum over three is slow
    total += squares[..., 2]
    return np.asarray(np.sqrt(total, out=total))


def planes_of(vectors: Floats) -> Floats:
    """``(3, k, n)``: the axes of ``(k, n, 3)`` one after another."""
    return np.ascontiguousarray(vectors.transpose(2, 0, 1))


def plane_length(planes: Floats) -> Floats:
    """``(k, n)``: the lengths of vectors in ``(3, k, n)``, to the last bit those of :func:`length`."""
    squares = planes * planes
    total = squares[0] + squares[1]
    total += squares[2]
    return np.asarray(np.sqrt(total, out=total))


def plane_product(planes: Floats, other: Floats) -> Floats:
    """``(k, n)``: the inner products of vectors in ``(3, k, n)`` and ``(3, k, n or 1)``."""
    products = planes * other
    total = products[0] + products[1]
    total += products[2]
    return np.asarray(total)


def missing_samples(counts: Counts) -> NDArray[np.bool_]:
    """``(k, n)``: which samples of ``(k, n, 3)`` counts are gaps."""
    return np.asarray(counts[..., 0] == MISSING)


def hold_over_gaps(counts: Counts, lsb: float) -> tuple[Floats, NDArray[np.bool_]]:
    """``(k, n, 3)`` float32 in units (gaps filled with the last sample before, or the first after) and the gaps.

    A window with no sample at all comes back as zeros.
    """
    values = counts.astype(np.float32)
    values *= np.float32(lsb)
    if counts.min(initial=0) > MISSING:
        return values, np.zeros(counts.shape[:-1], np.bool_)
    gaps = missing_samples(counts)
    if gaps.any():
        n = gaps.shape[1]
        position = np.where(gaps, -1, np.arange(n))
        last = np.maximum.accumulate(position, axis=1)
        first = np.argmin(gaps, axis=1)
        source = np.where(last < 0, first[:, None], last)
        values = np.take_along_axis(values, source[:, :, None], axis=1)
        values[gaps.all(axis=1)] = 0.0
    return values, gaps
