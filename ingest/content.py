"""What a motion frame holds, as a number: two different frames for one instant are a conflict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.messages import MAX_SAMPLES

#: Motion frames per device whose time is compared.
FRAMES_COMPARED = 4
#: Half words of the largest packed frame, and words of the largest listed one.
_LONGEST = MAX_SAMPLES * 6


def _weights() -> NDArray[np.uint32]:
    """Odd numbers without a pattern (splitmix64), the same in every process."""
    state = np.arange(1, _LONGEST + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((state >> np.uint64(32)) | np.uint64(1)).astype(np.uint32)


_WEIGHTS = _weights()


def contents(samples: NDArray[Any]) -> NDArray[np.int64]:
    """``(m,)`` a number for each of ``(m, n, 3)`` samples, int16 or float32: a weighted sum of words, modulo 2**32.

    Another value anywhere makes another sum; of frames that differ in more than one place one pair in 2**31 does not.
    """
    m = len(samples)
    flat = np.ascontiguousarray(samples).reshape(m, -1).view(np.uint16)
    width = flat.shape[1]
    even = width & ~1
    total = np.einsum("ij,j->i", flat[:, :even].view(np.uint32), _WEIGHTS[: even // 2])
    if even != width:
        total += flat[:, even].astype(np.uint32) * _WEIGHTS[even // 2]
    return np.asarray(total, np.int64)
