"""Motion that nobody made: standing, walking, falling, and the frames that carry it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.motion import MotionBatch

FS_HZ = 50
T0_MS = 1_760_000_000_000

Samples = NDArray[np.float32]


def standing(seconds: float, *, fs_hz: float = FS_HZ, seed: int = 0) -> Samples:
    """``(n, 6)``: upright and nearly still, gravity along -y."""
    rng = np.random.default_rng(seed)
    n = round(seconds * fs_hz)
    out = np.zeros((n, 6))
    out[:, 1] = -1.0
    out[:, :3] += rng.normal(0, 0.01, (n, 3))
    out[:, 3:] += rng.normal(0, 2.0, (n, 3))
    return out.astype(np.float32)


def walking(seconds: float, *, fs_hz: float = FS_HZ, seed: int = 0) -> Samples:
    """``(n, 6)``: steps at 1.8 Hz that reach 1.5 g."""
    out = standing(seconds, fs_hz=fs_hz, seed=seed)
    t = np.arange(len(out)) / fs_hz
    out[:, 1] -= 0.3 * np.sin(2 * np.pi * 1.8 * t) + 0.15 * np.sin(2 * np.pi * 3.6 * t)
    out[:, 0] += 0.15 * np.sin(2 * np.pi * 0.9 * t)
    out[:, 2] += 0.1 * np.sin(2 * np.pi * 1.8 * t + 1)
    out[:, 4] += 30 * np.sin(2 * np.pi * 0.9 * t)
    return out


def fall(*, fs_hz: float = FS_HZ, peak_g: float = 6.0, lying_s: float = 8.0, seed: int = 0) -> tuple[Samples, float]:
    """``(n, 6)`` and the impact's second: 4 s of walking, 0.5 s of falling and turning, an impact, lying."""
    rng = np.random.default_rng(seed)
    before = walking(4.0, fs_hz=fs_hz, seed=seed)
    impact_s = 4.6
    n = round((impact_s + lying_s) * fs_hz)
    t = np.arange(n) / fs_hz
    tilt = np.interp(t, [4.0, impact_s + 0.1], [0.0, np.pi / 2])
    load = np.interp(t, [4.0, 4.25, impact_s - 0.06, impact_s - 0.02, impact_s + 0.2], [1.0, 0.55, 0.4, 1.0, 1.0])
    out = np.zeros((n, 6))
    out[:, 1] = -load * np.cos(tilt)
    out[:, 2] = load * np.sin(tilt)
    since = t - impact_s
    shape = np.where(since >= -0.04, np.exp(-np.maximum(since, 0) / 0.08) * np.cos(2 * np.pi * 6 * since), 0.0)
    shape = np.where((since < 0) & (since >= -0.04), 1 + since / 0.04, shape)
    out[:, 2] += (peak_g - 1.0) * shape
    out[:, 0] += 0.4 * (peak_g - 1.0) * np.roll(shape, round(0.03 * fs_hz))
    out[:, 3] = np.degrees(np.gradient(tilt, t)) * 1.3
    out[:, :3] += rng.normal(0, 0.01, (n, 3))
    out[:, 3:] += rng.normal(0, 3.0, (n, 3))
    out[: len(before)] = before
    return out.astype(np.float32), impact_s


def frame(
    samples: Samples | NDArray[np.float32],
    *,
    row: int = 0,
    t_ms: int = T0_MS,
    fs_hz: float = FS_HZ,
    boot: int = 1,
    offset_ms: int = 0,
    gyroscope: bool = True,
    historical: bool = False,
) -> MotionBatch:
    """One frame of ``(n, 6)`` samples as a batch."""
    return MotionBatch(
        row=np.array([row], np.int32),
        boot=np.array([boot], np.uint32),
        t_ms=np.array([t_ms], np.int64),
        offset_ms=np.array([offset_ms], np.int64),
        recv_ms=np.array([t_ms + offset_ms + round(len(samples) * 1000 / fs_hz)], np.int64),
        fs_hz=float(fs_hz),
        acc_g=np.array(samples[None, :, :3], np.float32),
        gyr_dps=np.array(samples[None, :, 3:], np.float32) if gyroscope else None,
        historical=historical,
    )


def frames(
    samples: Samples, *, fs_hz: float = FS_HZ, seconds: float = 1.0, t_ms: int = T0_MS, **more: object
) -> list[MotionBatch]:
    """A stream cut into frames of ``seconds``; what does not fill the last is left away."""
    n = round(seconds * fs_hz)
    return [
        frame(samples[i : i + n], t_ms=t_ms + round(i * 1000 / fs_hz), fs_hz=fs_hz, **more)
        for i in range(0, len(samples) - n + 1, n)
    ]


def together(batches: Sequence[MotionBatch]) -> MotionBatch:
    """Frames of the same rate and length as one batch."""
    turns = [batch.gyr_dps for batch in batches if batch.gyr_dps is not None]
    return MotionBatch(
        row=np.concatenate([batch.row for batch in batches]),
        boot=np.concatenate([batch.boot for batch in batches]),
        t_ms=np.concatenate([batch.t_ms for batch in batches]),
        offset_ms=np.concatenate([batch.offset_ms for batch in batches]),
        recv_ms=np.concatenate([batch.recv_ms for batch in batches]),
        fs_hz=batches[0].fs_hz,
        acc_g=np.concatenate([batch.acc_g for batch in batches]),
        gyr_dps=np.concatenate(turns) if turns else None,
    )
