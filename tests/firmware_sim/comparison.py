"""What synthesis and recordings are compared by: the detector's features of falls, and of seconds of a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.fall.features import FeatureTable, summarise
from firmware_sim.motion import FS_HZ, Clip

#: Of a window around an impact, as the detector looks at it: 1.5 s before and 2 s after.
_BEFORE, _AFTER = 75, 100
#: Of a window of two seconds of a day.
DAY_FEATURES = ("std_g", "most_g", "least_g", "vector_std_g", "turn_dps", "turn_max_dps")


def fall_features(clips: Sequence[Clip]) -> FeatureTable:
    """The detector's features of the clips' impacts; what is missing at an end is held."""
    acc, gyr = (
        np.stack([_around(getattr(clip, name), clip.impact) for clip in clips]) for name in ("acc_g", "gyr_dps")
    )
    return summarise(acc, gyr, peak=_BEFORE, fs_hz=FS_HZ)


def _around(samples: NDArray[np.float32], impact: int | None) -> NDArray[np.float32]:
    assert impact is not None
    held = np.pad(samples, ((_BEFORE, _AFTER), (0, 0)), mode="edge")
    return held[impact : impact + _BEFORE + 1 + _AFTER]


def day_features(clips: Iterable[Clip]) -> dict[str, NDArray[np.float64]]:
    """:data:`DAY_FEATURES` of every two seconds."""
    rows = []
    for clip in clips:
        length, turn = np.linalg.norm(clip.acc_g, axis=1), np.linalg.norm(clip.gyr_dps, axis=1)
        for i in range(0, len(clip) - 2 * FS_HZ + 1, 2 * FS_HZ):
            part = slice(i, i + 2 * FS_HZ)
            spread = float(np.sqrt(clip.acc_g[part].var(axis=0).sum()))
            piece = length[part]
            rows.append([piece.std(), piece.max(), piece.min(), spread, turn[part].mean(), turn[part].max()])
    return dict(zip(DAY_FEATURES, np.array(rows).T, strict=True))


def distance(made: NDArray[np.floating], recorded: NDArray[np.floating]) -> float:
    """The largest difference of the two cumulative distributions (Kolmogorov and Smirnov), 0 to 1."""
    at = np.sort(np.concatenate([made, recorded]))
    shares = [np.searchsorted(np.sort(part), at, side="right") / len(part) for part in (made, recorded)]
    return float(np.abs(shares[0] - shares[1]).max())


def peaks_per_minute(clips: Iterable[Clip], over_g: float) -> float:
    """How often |acc| rises over ``over_g``, at most once a second."""
    count = samples = 0
    for clip in clips:
        above = np.linalg.norm(clip.acc_g, axis=1) > over_g
        starts = np.flatnonzero(above[1:] & ~above[:-1])
        last = -50
        for start in starts:
            if start - last >= 50:
                count += 1
                last = int(start)
        samples += len(clip)
    return count / (samples / 50 / 60)
