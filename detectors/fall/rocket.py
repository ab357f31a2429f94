"""Convolution features with fixed kernels (MiniRocket), computed for many windows at once.

Kernels of length 9 (six weights of -1, three of 2), each at a few dilations on each channel; a feature is the share of
a quarter of the window in which the response exceeds a bias. After Dempster, Schmidt, Webb, "MiniRocket: A Very Fast
(Almost) Deterministic Transform for Time Series Classification", KDD 2021, with some or all of the 84 kernels for each
channel and dilation, and the shares taken in four parts of the window, so that the order of events counts.
"""

from __future__ import annotations

from dataclasses import dataclass
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

#: Bytes of the responses that are looked at together, as many as a core's cache holds; fresh memory of more than a
#: megabyte costs five times what the products do.
_TOGETHER = 720_000


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


@dataclass(frozen=True, slots=True)
class Convolutions:
    """Which kernels look at which channel at which dilation, and the response that each counts as one.

    ``kernels`` (row of KERNELS) and ``biases`` are ``(channels, dilations, p)``: uint8 and float32.
    """

    kernels: NDArray[np.uint8]
    biases: NDArray[np.float32]

    @property
    def columns(self) -> int:
        """How many features they give."""
        return self.kernels.size * SEGMENTS


def _taps(series: Floats, dilation: int) -> Floats:
    """``(k, channels, 9, n)``: the series at the nine taps of each position, the ends held."""
    k, channels, n = series.shape
    reach = LENGTH // 2 * dilation
    held = np.empty((k, channels, n + 2 * reach), series.dtype)
    held[..., :reach], held[..., reach : reach + n], held[..., reach + n :] = series[..., :1], series, series[..., -1:]
    taps = np.empty((k, channels, LENGTH, n), series.dtype)
    for tap in range(LENGTH):
        taps[:, :, tap] = held[..., tap * dilation : tap * dilation + n]
    return taps


def segment_bounds(n: int) -> NDArray[np.intp]:
    """Where the parts of a window of n samples begin."""
    return np.linspace(0, n, SEGMENTS + 1).astype(np.intp)[:-1]


def fit(series: Floats, *, per_channel: int, seed: int) -> Convolutions:
    """``per_channel`` kernels at each channel and dilation, drawn evenly, with quantiles of their responses to windows
    ``(k, channels, n)`` as biases. More than 84 are all of them, some with two biases or more."""
    rng = np.random.default_rng(seed)
    count = series.shape[1]
    kernels = np.empty((count, len(DILATIONS), per_channel), np.uint8)
    biases = np.empty(kernels.shape, np.float32)
    for d, dilation in enumerate(DILATIONS):
        for c in range(count):
            rounds = [rng.permutation(len(KERNELS)) for _ in range(-(-per_channel // len(KERNELS)))]
            kernels[c, d] = np.concatenate(rounds)[:per_channel]
            taps = _taps(series[:, c : c + 1], dilation)[:, 0]
            levels = (np.arange(per_channel) * 0.6180339887 + rng.random()) % 1.0
            for i, kernel in enumerate(kernels[c, d].tolist()):
                biases[c, d, i] = np.quantile(KERNELS[kernel] @ taps, 0.05 + 0.9 * levels[i])
    return Convolutions(kernels, biases)


def transform(series: Floats, convolutions: Convolutions) -> NDArray[np.float32]:
    """``(k, columns)`` shares of ``series`` ``(k, channels, n)``, each 0..1."""
    k, count, n = series.shape
    per_channel = convolutions.kernels.shape[2]
    bounds = segment_bounds(n)
    block = max(1, min(k, _TOGETHER // (4 * count * per_channel * n)))
    responses = np.empty((block, count, per_channel, n), np.float32)
    above = np.empty(responses.shape, np.bool_)
    counts = np.empty((k, len(DILATIONS), count, per_channel, SEGMENTS), np.uint8)
    for i in range(0, k, block):
        some = series[i : i + block]
        m = len(some)
        for d, dilation in enumerate(DILATIONS):
            np.matmul(KERNELS[convolutions.kernels[:, d]], _taps(some, dilation), out=responses[:m])
            np.greater(responses[:m], convolutions.biases[:, d, :, None], out=above[:m])
            np.add.reduceat(above[:m].view(np.uint8), bounds, axis=3, dtype=np.uint8, out=counts[i : i + m, d])
    sizes = np.diff(np.append(bounds, n)).astype(np.float32)
    return np.divide(counts.reshape(k, -1), np.tile(sizes, convolutions.columns // SEGMENTS), dtype=np.float32)
