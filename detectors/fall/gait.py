"""Whether somebody walks, from a few seconds of acceleration.

Steps make the magnitude of the acceleration periodic: after one step, and better still after two (one stride) where a
device is worn at one side of the body.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.fall.ring import FS_HZ
from detectors.fall.windows import Floats
from detectors.parameters import FollowUpParameters

_EPS = 1e-9
#: The second step of a stride may come so many samples earlier or later than the first promised.
_UNEVEN = 4
#: Nothing that a body does repeats itself faster: 5 Hz.
_FASTEST = FS_HZ // 5


def walks(acc_g: Floats, parameters: FollowUpParameters) -> NDArray[np.bool_]:
    """``(k,)``: which of the windows are walking.

    Args:
        acc_g: ``(k, n, 3)`` in g at 50 Hz, no gaps; n at least two slow strides (3 s).
        parameters: the thresholds.
    """
    p = parameters
    magnitude = np.sqrt(np.einsum("...i,...i->...", acc_g, acc_g))
    magnitude -= magnitude.mean(axis=1, keepdims=True)
    bounce_g = magnitude.std(axis=1)
    sway_g = np.sqrt(acc_g.var(axis=1).sum(axis=1))
    shortest, longest = round(FS_HZ / p.step_high_hz), round(FS_HZ / p.step_low_hz)
    last = min(2 * longest, acc_g.shape[1] // 2)
    again = _correlations(magnitude, _FASTEST, last)
    steps = again[:, shortest - _FASTEST : longest - _FASTEST + 1]
    step = steps.max(axis=1)
    stride_lag = 2 * (shortest + steps.argmax(axis=1))
    near = np.abs(np.arange(_FASTEST, last + 1) - stride_lag[:, None]) <= _UNEVEN
    stride = np.where(near, again, -1.0).max(axis=1)
    tremble = again[:, : shortest - _FASTEST].max(axis=1)
    regular = (np.maximum(step, stride) >= p.stride_correlation) & (step >= p.step_correlation)
    strength = (bounce_g >= p.walk_low_g) & (sway_g <= p.walk_high_g) & (bounce_g >= p.radial_share * sway_g)
    return np.asarray(regular & strength & (tremble < p.tremble_correlation))


def _correlations(series: Floats, first: int, last: int) -> NDArray[np.float64]:
    """``(k, last - first + 1)``: of each row of ``(k, n)`` with itself ``first`` to ``last`` samples later."""
    n = series.shape[1]
    lags = np.arange(first, last + 1)
    spectrum = np.fft.rfft(series, n + last)
    products = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, n + last)[:, lags]
    power = np.cumsum(series.astype(np.float64) ** 2, axis=1)
    early, late = power[:, n - 1 - lags], power[:, -1:] - power[:, lags - 1]
    return np.asarray(products / np.sqrt(early * late + _EPS))
