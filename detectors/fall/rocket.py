"""Convolution features with fixed kernels (MiniRocket), computed for many windows at once.

Kernels of length 9 (six weights of -1, three of 2), each at a few dilations on each channel; a feature is the share of
a quarter of the window in which the response exceeds a bias. After Dempster, Schmidt, Webb, "MiniRocket: A Very Fast
(Almost) Deterministic Transform for Time Series Classification", KDD 2021, with some or all of the 84 kernels for each
channel and dilation, and the shares taken in four parts of the window, so that the order of events counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from detectors.fall.windows import Floats, length, plane_length, plane_product, planes_of

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
_TOGETHER = 400_000
#: How far a kernel looks to either side.
_REACH = LENGTH // 2 * max(DILATIONS)


def _smooth(planes: Floats, width: int) -> Floats:
    """Centred running mean over the last axis, the ends held."""
    half = width // 2
    n = planes.shape[2]
    held = np.empty((*planes.shape[:2], n + 2 * half + 1), np.float32)
    held[..., : half + 1], held[..., half + 1 + n :] = planes[..., :1], planes[..., -1:]
    held[..., half + 1 : half + 1 + n] = planes
    total = np.cumsum(held, axis=2, dtype=np.float64)
    return ((total[..., 2 * half + 1 :] - total[..., : -2 * half - 1]) / (2 * half + 1)).astype(np.float32)


def _unit(vectors: Floats) -> Floats:
    """``(3, k, 1)``: vectors ``(k, 3)`` at length 1, but for short ones."""
    return np.asarray((vectors / np.maximum(length(vectors), 0.1)[:, None]).T[:, :, None])


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
    down = _unit(before)
    planes = planes_of(acc)
    k, n = acc.shape[:2]
    out = np.empty((k, 8 if gyr_dps is None else 12, n), np.float32)
    magnitude, along = plane_length(planes), plane_product(planes, down)
    slow = _smooth(planes, max(1, round(0.3 * fs_hz)))
    slow_length = plane_length(slow)
    upright = np.maximum(slow_length, 0.1)
    out[:, 0], out[:, 1], out[:, 2] = magnitude, along, _across(magnitude, along)
    out[:, 3] = plane_length(planes - before.T[:, :, None])
    out[:, 4] = plane_product(planes, _unit(after))
    out[:, 5], out[:, 6] = _change(planes), slow_length
    np.divide(plane_product(slow, down), upright, out=out[:, 7])
    if gyr_dps is not None:
        gyr = planes_of(gyr_dps)
        gyr /= np.float32(100.0)
        slow /= upright
        turn, about = plane_length(gyr), np.abs(plane_product(gyr, slow))
        out[:, 8], out[:, 9], out[:, 10], out[:, 11] = turn, about, _across(turn, about), _change(gyr)
    return out


def _across(whole: Floats, along: Floats) -> Floats:
    """The rest of a vector's length."""
    return np.asarray(np.sqrt(np.maximum(whole**2 - along**2, 0.0)))


def _change(planes: Floats) -> Floats:
    """``(k, n)``: by how much vectors in ``(3, k, n)`` differ from the one before."""
    change = np.zeros(planes.shape[1:], np.float32)
    change[:, 1:] = plane_length(planes[..., 1:] - planes[..., :-1])
    return change


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


def _held(series: Floats) -> Floats:
    """``(k, channels, reach + n + reach)``: the ends of the series held for as far as the widest kernel looks."""
    n, reach = series.shape[2], _REACH
    held = np.empty((*series.shape[:2], n + 2 * reach), series.dtype)
    held[..., :reach], held[..., reach : reach + n], held[..., reach + n :] = series[..., :1], series, series[..., -1:]
    return held


def _taps(held: Floats, dilation: int) -> Floats:
    """``(k, channels, 9, n)``: the series at the nine taps of each position; a view."""
    k, channels, length = held.shape
    step = held.strides[2]
    begin = held[..., _REACH - LENGTH // 2 * dilation :]
    shape = (k, channels, LENGTH, length - 2 * _REACH)
    return as_strided(begin, shape, (*held.strides[:2], dilation * step, step), writeable=False)


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
            taps = np.ascontiguousarray(_taps(_held(series[:, c : c + 1]), dilation)[:, 0])
            levels = (np.arange(per_channel) * 0.6180339887 + rng.random()) % 1.0
            for i, kernel in enumerate(kernels[c, d].tolist()):
                biases[c, d, i] = np.quantile(KERNELS[kernel] @ taps, 0.05 + 0.9 * levels[i])
    return Convolutions(kernels, biases)


def transform(series: Floats, convolutions: Convolutions) -> NDArray[np.float32]:
    """``(k, columns)`` shares of ``series`` ``(k, channels, n)``, each 0..1."""
    k, count, n = series.shape
    per_channel = convolutions.kernels.shape[2]
    block = max(1, min(k, _TOGETHER // (4 * count * per_channel * n)))
    held = _held(series)
    taps = np.empty((block, count, LENGTH, n), np.float32)
    responses = np.empty((block, count, per_channel, n), np.float32)
    above = np.empty(responses.shape, np.bool_)
    levels = np.empty(responses.shape[1:], np.float32)  # a level for each response: compared in one go
    octets = -(-n // 8)
    bits = np.zeros((k, len(DILATIONS), count, per_channel, -(-octets // 8) * 8), np.uint8)
    for d, dilation in enumerate(DILATIONS):
        kernels = KERNELS[convolutions.kernels[:, d]]
        levels[...] = convolutions.biases[:, d, :, None]
        seen = _taps(held, dilation)
        for i in range(0, k, block):
            m = min(block, k - i)
            taps[:m] = seen[i : i + m]
            np.matmul(kernels, taps[:m], out=responses[:m])
            np.greater(responses[:m], levels, out=above[:m])
            packed = np.packbits(above[:m], axis=-1 if n % 8 else None)  # in one go where no row ends within an octet
            bits[i : i + m, d, ..., :octets] = packed.reshape(m, count, per_channel, octets)
    return _shares(bits.view(np.uint64).reshape(-1, bits.shape[-1] // 8), n).reshape(k, -1)


def _shares(words: NDArray[np.uint64], n: int) -> NDArray[np.float32]:
    """``(rows, SEGMENTS)``: the share of bits that are set in each part of rows of n bits."""
    out = np.empty((len(words), SEGMENTS), np.float32)
    for segment, (size, masks) in enumerate(_masks(n)):
        total = np.zeros(len(words), np.uint8)
        for word, mask in masks:
            total += np.bitwise_count(words[:, word] & mask)
        np.divide(total, size, out=out[:, segment], dtype=np.float32)
    return out


@lru_cache(maxsize=16)
def _masks(n: int) -> list[tuple[np.float32, list[tuple[int, np.uint64]]]]:
    """The size of each part of a row of n bits, and the words that it lies in, with its bits there."""
    parts = []
    for first, last in pairwise([*segment_bounds(n).tolist(), n]):
        place = np.zeros(-(-n // 64) * 64, np.bool_)
        place[first:last] = True
        masks = np.packbits(place).view(np.uint64)
        parts.append((np.float32(last - first), [(word, masks[word]) for word in np.flatnonzero(masks).tolist()]))
    return parts
