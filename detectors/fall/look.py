"""What is seen around an impact: the model's view of it, and the samples that go with a detection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Window
from detectors.fall.ring import FS_HZ, STEP_MS, Ring, Rows
from detectors.fall.windows import ACC_LSB_G, GYR_LSB_DPS, Counts, Floats, hold_over_gaps, length, missing_samples
from detectors.parameters import FallParameters

#: A gyroscope that lacks more than this share of what the accelerometer sent is not there.
_GYROSCOPE_GAPS = 0.1


class Looks(NamedTuple):
    """Windows around k impacts, gaps filled."""

    acc: Floats  # (k, n, 3) in g
    gyr: Floats | None  # (k, n, 3) in deg/s; None when no device has one
    missing: NDArray[np.float32]  # (k,) share of the window
    turns: NDArray[np.bool_]  # (k,) there is a gyroscope
    plausible: NDArray[np.bool_]  # (k,) the sensor measures gravity, and is not stuck


def look(
    ring: Ring, rows: Rows, peak: NDArray[np.int64], *, before: int, after: int, parameters: FallParameters
) -> Looks:
    """The windows from ``before`` samples in front of the peaks to ``after`` samples behind them."""
    counts, turned = ring.window(rows, peak - before, before + after + 1)
    acc, gaps = hold_over_gaps(counts, ACC_LSB_G)
    magnitude = length(acc)
    plausible = np.ones(len(rows), np.bool_)
    for part in (magnitude[:, :before], magnitude[:, before:]):
        plausible &= _median_within(part, parameters.plausible_low_g, parameters.plausible_high_g)
    plausible &= ~_stuck(counts, gaps, magnitude > parameters.stuck_g, parameters)
    missing = _share(gaps).astype(np.float32)
    if turned is None:
        return Looks(acc, None, missing, np.zeros(len(rows), np.bool_), plausible)
    gyr, still = hold_over_gaps(turned, GYR_LSB_DPS)
    # A gyroscope that sent as much as the accelerometer is there; what was lost is then lost for both.
    turns = _share(still & ~gaps) < _GYROSCOPE_GAPS
    return Looks(acc, gyr, missing, turns, plausible)


def _share(marked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(k,)`` of ``(k, n)``."""
    if not marked.any():
        return np.zeros(len(marked))
    return np.asarray(np.count_nonzero(marked, axis=1) / marked.shape[1])


def _stuck(
    counts: Counts, gaps: NDArray[np.bool_], above: NDArray[np.bool_], parameters: FallParameters
) -> NDArray[np.bool_]:
    """``(k,)``: whether the sensor repeats itself exactly and is not at rest: all axes for ``stuck_s``, or one of them,
    itself that far from zero, for ``pinned_s``."""
    stuck, pinned = round(parameters.stuck_s * FS_HZ), round(parameters.pinned_s * FS_HZ)
    out = np.zeros(len(counts), np.bool_)
    # an axis that is far from zero makes the whole large
    large = np.flatnonzero(np.count_nonzero(above[:, 1:], axis=1) >= min(stuck, pinned))
    if not len(large):
        return out
    if len(large) < len(counts):
        counts, gaps, above = counts[large], gaps[large], above[large]
    same = (counts[:, 1:] == counts[:, :-1]) & ~gaps[:, 1:, None]
    if not same.any():
        return out
    limit = round(parameters.stuck_g / ACC_LSB_G)
    far = (counts[:, 1:] > limit) | (counts[:, 1:] < -limit)
    whole = (same.all(axis=2) & above[:, 1:])[:, :, None]
    out[large] = _runs(whole, stuck) | _runs(same & far, pinned)
    return out


def _runs(marked: NDArray[np.bool_], samples: int) -> NDArray[np.bool_]:
    """``(k,)``: whether ``(k, n, axes)`` marks so many samples in a row on any axis."""
    some = np.flatnonzero(np.count_nonzero(marked, axis=(1, 2)) >= samples)
    out = np.zeros(len(marked), np.bool_)
    if not len(some):
        return out
    total = np.pad(np.cumsum(marked[some], axis=1, dtype=np.int32), ((0, 0), (1, 0), (0, 0)))
    out[some] = (total[:, samples:] - total[:, :-samples] == samples).any(axis=(1, 2))
    return out


def _median_within(values: Floats, low: float, high: float) -> NDArray[np.bool_]:
    """``(k,)``: whether the median of each row of ``(k, n)`` lies from ``low`` to ``high``."""
    n = values.shape[1]
    if n % 2 == 0:
        middle = np.median(values, axis=1)
        return np.asarray((middle >= low) & (middle <= high))
    middle = np.partition(values, n // 2, axis=1)[:, n // 2]
    return np.asarray((middle >= low) & (middle <= high))


def plot(ring: Ring, row: int, peak: int, *, before: int, after: int, onset_ms: int) -> Window:
    """The samples around one impact for people to look at, without what never came; ``onset_ms`` is its instant."""
    n = min(before + after + 1, int(ring.head[row]) - peak + before)
    acc, gyr = ring.stretch(row, peak - before, n)
    turned = b"" if gyr is None or missing_samples(gyr).all() else gyr.astype("<i2").tobytes()
    return Window(
        t0_ms=onset_ms - round(before * STEP_MS),
        fs_hz=float(FS_HZ),
        lsb_g=ACC_LSB_G,
        acc=acc.astype("<i2").tobytes(),
        lsb_dps=GYR_LSB_DPS,
        gyr=turned,
    )
