"""Convolution features with fixed kernels (MiniRocket), computed for many windows at once.

84 kernels of length 9 (six weights of -1, three of 2), each at a few dilations on each channel; a feature is the share
of a quarter of the window in which the response exceeds a bias. After Dempster, Schmidt, Webb, "MiniRocket: A Very
Fast (Almost) Deterministic Transform for Time Series Classification", KDD 2021, with one bias per kernel and the
shares taken in four parts of the window, so that the order of events counts.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from detectors.fall.windows import Floats

LENGTH = 9
SEGMENTS = 4
#: Samples between the taps, at 50 Hz: 0.16 s to 3.2 s from the first tap to the last.
DILATIONS: tuple[int, ...] = (1, 3, 7, 20)


def _kernels() -> NDArray[np.float32]:
    kernels = np.full((84, LENGTH), -1.0, np.float32)
    for row, chosen in enumerate(combinations(range(LENGTH), 3)):
        kernels[row, list(chosen)] = 2.0
    return kernels


#: ``(84, 9)`` float32.
KERNELS = _kernels()

ACC_CHANNELS = 8
GYR_CHANNELS = 4


def _length(vectors: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)), np.float32)


def _smooth(series: Floats, width: int) -> Floats:
    """Centred running mean over axis 1, the ends held."""
    half = width // 2
    padded = np.concatenate(
        [np.repeat(series[:, :1], half + 1, axis=1), series, np.repeat(series[:, -1:], half, axis=1)], axis=1
    )
    total = np.cumsum(padded, axis=1, dtype=np.float64)
    return ((total[:, 2 * half + 1 :] - total[:, : -2 * half - 1]) / (2 * half + 1)).astype(np.float32)


def channels(acc_g: Floats, gyr_dps: Floats | None, *, peak: int, fs_hz: float, clip_g: float = 8.0) -> Floats:
    """``(k, 8 or 12, n)``: series that do not depend on how the sensor is turned.

    In this order: magnitude; part along the posture before; part across it; distance from the posture before; part
    along the posture after; jerk; smoothed magnitude; cosine of the tilt; then of the gyroscope magnitude, part about
    the vertical, part across it, change.
    """
    limit = np.float32(clip_g)
    acc = np.clip(acc_g, -limit, limit)
    before = acc[:, : max(1, peak - round(0.5 * fs_hz))].mean(axis=1)
    after = acc[:, -max(1, round(0.6 * fs_hz)) :].mean(axis=1)
    down = before / np.maximum(_length(before), 0.1)[:, None]
    down_after = after / np.maximum(_length(after), 0.1)[:, None]
    magnitude = _length(acc)
    along = np.einsum("kni,ki->kn", acc, down)
    across = np.sqrt(np.maximum(magnitude**2 - along**2, 0.0))
    slow = _smooth(acc, max(1, round(0.3 * fs_hz)))
    slow_length = _length(slow)
    tilt = np.einsum("kni,ki->kn", slow, down) / np.maximum(slow_length, 0.1)
    jerk = _length(np.diff(acc, axis=1, prepend=acc[:, :1]))
    series = [
        magnitude,
        along,
        across,
        _length(acc - before[:, None, :]),
        np.einsum("kni,ki->kn", acc, down_after),
        jerk,
        slow_length,
        tilt,
    ]
    if gyr_dps is not None:
        gyr = gyr_dps / np.float32(100.0)
        vertical = slow / np.maximum(slow_length, 0.1)[:, :, None]
        turn = _length(gyr)
        about = np.abs(np.einsum("kni,kni->kn", gyr, vertical))
        series += [
            turn,
            about,
            np.sqrt(np.maximum(turn**2 - about**2, 0.0)),
            _length(np.diff(gyr, axis=1, prepend=gyr[:, :1])),
        ]
    return np.stack(series, axis=1).astype(np.float32)


def _taps(series: Floats, dilation: int) -> Floats:
    """``(k, 9, n)``: the series at the nine taps of each position, the ends held."""
    n = series.shape[1]
    index = np.arange(n)[None, :] + (np.arange(LENGTH)[:, None] - LENGTH // 2) * dilation
    return series[:, np.clip(index, 0, n - 1)]


def responses(series: Floats, dilation: int) -> Floats:
    """``(k, 84, n)`` responses of one channel ``(k, n)``."""
    return np.asarray(KERNELS @ _taps(series, dilation), np.float32)


def segment_bounds(n: int) -> NDArray[np.intp]:
    """Where the parts of a window of n samples begin."""
    return np.linspace(0, n, SEGMENTS + 1).astype(np.intp)[:-1]


def fit_biases(series: Floats, *, seed: int) -> NDArray[np.float32]:
    """``(channels, dilations, 84)``: for each response of windows ``(k, c, n)`` a quantile, drawn evenly."""
    rng = np.random.default_rng(seed)
    count = series.shape[1]
    biases = np.empty((count, len(DILATIONS), len(KERNELS)), np.float32)
    for c in range(count):
        for d, dilation in enumerate(DILATIONS):
            out = responses(series[:, c], dilation)
            level = (np.arange(len(KERNELS)) * 0.6180339887 + rng.random()) % 1.0
            for i in range(len(KERNELS)):
                biases[c, d, i] = np.quantile(out[:, i], 0.05 + 0.9 * level[i])
    return biases


def transform(series: Floats, biases: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(k, channels * dilations * 84 * 4)`` shares of ``series`` ``(k, channels, n)``, each 0..1."""
    k, count, n = series.shape
    bounds = segment_bounds(n)
    sizes = np.diff(np.append(bounds, n)).astype(np.float32)
    parts = []
    for c in range(count):
        for d, dilation in enumerate(DILATIONS):
            above = (responses(series[:, c], dilation) > biases[c, d][None, :, None]).view(np.uint8)
            parts.append(np.add.reduceat(above, bounds, axis=2, dtype=np.uint8).reshape(k, -1))
    shares: NDArray[np.float32] = np.concatenate(parts, axis=1).astype(np.float32)
    shares /= np.tile(sizes, shares.shape[1] // SEGMENTS)
    return shares
