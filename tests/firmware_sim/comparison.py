"""Features of falls and of everyday motion by which synthesis and recordings are compared."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from firmware_sim.motion import Clip


def fall_features(clip: Clip) -> dict[str, float]:
    """Peak, dip before it, time over 1.5 g, posture change and rest after it, turning rate."""
    assert clip.impact is not None
    i, acc = clip.impact, clip.acc_g
    length = np.linalg.norm(acc, axis=1)
    before, after = acc[max(0, i - 150) : max(1, i - 75)].mean(0), acc[min(len(acc) - 2, i + 100) : i + 200].mean(0)
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    return {
        "peak_g": float(length[max(0, i - 10) : i + 10].max()),
        "dip_g": float(length[max(0, i - 50) : max(1, i)].min()),
        "over_1_5_g_s": float((length[max(0, i - 50) : i + 50] > 1.5).sum() / 50),
        "posture_deg": float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        "settling_g": float(np.abs(length[i + 5 : i + 50] - 1).mean()),
        "rest_g": float(length[i + 100 : i + 200].std()),
        "turning_dps": float(np.linalg.norm(clip.gyr_dps[max(0, i - 50) : i + 25], axis=1).max()),
    }


def quartiles(clips: Iterable[Clip]) -> dict[str, tuple[float, float, float]]:
    """5th percentile, median and 95th percentile of each feature."""
    rows = [fall_features(clip) for clip in clips if clip.impact is not None and len(clip) > clip.impact + 150]
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {name: tuple(np.percentile(v, [5, 50, 95])) for name, v in values.items()}  # type: ignore[misc]


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
