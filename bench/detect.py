"""What the fall bank costs: CPU share of one core and memory for a district of wearers.

The hot path that this protects: every sample of every wearer passes :meth:`detectors.fall.bank.FallBank.update`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from detectors.detection import Stage
from detectors.fall.bank import FallBank
from detectors.fall.ring import FS_HZ
from detectors.motion import MotionBatch

_START_MS = 1_760_000_000_000
#: Distinct seconds of everyday motion that the wearers draw from.
_VARIANTS = 512


def run(
    *,
    devices: int = 18_000,
    triggers_per_hour: float = 60.0,
    seconds: int = 20,
    gyroscope: bool = True,
    frames_per_batch: int = 2_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Feed ``seconds`` of 50-Hz motion of ``devices`` wearers into one bank, as fast as it goes.

    Every wearer moves about at 1 g; ``triggers_per_hour`` impacts per wearer and hour of 1.7 to 6 g, shaped like steps,
    knocks and flops into a chair, start the cascade. Frames of 1 s arrive in batches of ``frames_per_batch``.

    Returns:
        ``core_share`` (CPU seconds per second of signal: 0.1 is a tenth of one core), ``bank_mb`` (resident memory that
        the bank added), ``triggers``, ``second_stage`` (how many got to the expensive model), ``confirmed``, and the
        arguments.
    """
    threadpool_limits(limits=1, user_api="blas")  # as the processor does
    rng = np.random.default_rng(seed)
    quiet = everyday_seconds(_VARIANTS, rng)
    before_mb = _resident_mb()
    bank = FallBank()
    for i in range(devices):
        bank.add(f"w{i:05d}", placement="wrist" if i % 2 else "waist", person=None)
    opened = 0
    cpu_s = 0.0
    triggers = 0
    found: list[Stage] = []
    warm_up = 3
    for second in range(warm_up + seconds):
        struck = rng.random(devices) < triggers_per_hour / 3600.0
        for first in range(0, devices, frames_per_batch):
            rows = np.arange(first, min(first + frames_per_batch, devices), dtype=np.int32)
            batch = _batch(rows, struck[rows], quiet, second, gyroscope, rng)
            waiting = bank.waiting
            start_s = time.process_time()
            detections = bank.update(batch, _START_MS + second * 1000)
            if second >= warm_up:
                cpu_s += time.process_time() - start_s
                opened += max(0, bank.waiting - waiting)
                triggers += int(struck[rows].sum())
                found += [one.stage for one in detections]
    return {
        "devices": devices,
        "triggers_per_hour": triggers_per_hour,
        "gyroscope": gyroscope,
        "signal_s": seconds,
        "core_share": round(cpu_s / seconds, 4),
        "bank_mb": round(_resident_mb() - before_mb, 1),
        "triggers": triggers,
        "second_stage": opened,
        "confirmed": found.count(Stage.CONFIRMED),
    }


def sweep(*, triggers_per_hour: Sequence[float] = (0.0, 60.0, 1000.0), **options: Any) -> dict[str, Any]:
    """:func:`run` (same options) as it is at 60 impacts per wearer and hour; ``by_triggers`` has it at each number."""
    by_triggers = {f"{per_hour:g}": run(triggers_per_hour=per_hour, **options) for per_hour in triggers_per_hour}
    return {**(by_triggers.get("60") or run(**options)), "by_triggers": by_triggers}


def everyday_seconds(variants: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """``(variants, 50, 6)``: a second of standing, sitting or strolling each, under 1.5 g."""
    t = np.arange(FS_HZ) / FS_HZ
    direction = rng.normal(size=(variants, 1, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    stride = rng.uniform(0, 0.25, (variants, 1)) * np.sin(2 * np.pi * (1.8 * t + rng.random((variants, 1))))
    out = np.empty((variants, FS_HZ, 6), np.float32)
    out[:, :, :3] = direction * (1 + stride[:, :, None]) + rng.normal(0, 0.01, (variants, FS_HZ, 3))
    out[:, :, 3:] = rng.normal(0, 15, (variants, FS_HZ, 3))
    return out


def _batch(
    rows: NDArray[np.int32],
    struck: NDArray[np.bool_],
    quiet: NDArray[np.float32],
    second: int,
    gyroscope: bool,
    rng: np.random.Generator,
) -> MotionBatch:
    samples = quiet[(rows * 7 + second // 8) % _VARIANTS]
    for i in np.flatnonzero(struck):
        at, width = int(rng.integers(0, FS_HZ)), int(rng.integers(1, 4))
        samples[i, at : at + width, :3] *= rng.uniform(1.7, 6.0)
        samples[i, at:, 3:] *= 6.0
    t_ms = np.full(len(rows), _START_MS + second * 1000, np.int64)
    return MotionBatch(
        row=rows,
        boot=np.ones(len(rows), np.uint32),
        t_ms=t_ms,
        offset_ms=np.zeros(len(rows), np.int64),
        recv_ms=t_ms + 1000,
        fs_hz=float(FS_HZ),
        acc_g=samples[:, :, :3],
        gyr_dps=samples[:, :, 3:] if gyroscope else None,
    )


def _resident_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    import json
    import sys

    for per_hour in [float(value) for value in sys.argv[1:]] or [60.0, 1000.0]:
        print(json.dumps(run(triggers_per_hour=per_hour)))
