"""What looking after the motion sensors of a district costs: CPU share of one core and memory.

The hot path that this protects: every motion frame of every wearer passes
:meth:`detectors.device.motion_sensor.MotionSensorBank.update` beside the fall bank.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.device.motion_sensor import MotionSensorBank
from detectors.motion import MotionBatch

_START_MS = 1_760_000_000_000
_FS_HZ = 50
_WARM_UP_S = 3
#: What the sensors say: sound and worn, sound and lying still with 8 bits, and the fault that costs most.
SENSORS: tuple[str, ...] = ("worn", "still", "stuck")


def run(
    *,
    devices: int = 18_000,
    sensors: str = "worn",
    seconds: int = 20,
    gyroscope: bool = True,
    frames_per_batch: int = 2_000,
) -> dict[str, Any]:
    """Feed ``seconds`` of 50-Hz motion of ``devices`` wearers, in frames of 1 s, into one bank, as fast as it goes.

    Returns:
        ``core_share`` (CPU seconds per second of signal: 0.01 is a hundredth of one core), ``bank_mb`` (what a
        checkpoint of it holds), ``findings``, and the arguments.
    """
    samples = _second(sensors, frames_per_batch)
    bank = MotionSensorBank()
    for i in range(devices):
        bank.add(f"w{i:05d}", placement="wrist", person=None)
    cpu_s, findings = 0.0, 0
    for second in range(_WARM_UP_S + seconds):
        for first in range(0, devices, frames_per_batch):
            rows = np.arange(first, min(first + frames_per_batch, devices), dtype=np.int32)
            # every wearer does something else every second; another array, as it comes from the decoder
            batch = _batch(np.roll(samples, second + first, axis=0)[: len(rows)], rows, second, gyroscope)
            start_s = time.process_time()
            found = bank.update(batch, _START_MS)
            if second >= _WARM_UP_S:
                cpu_s += time.process_time() - start_s
            findings += len(found)
    held = sum(column.nbytes for column in bank.state()["columns"].values())
    return {
        "devices": devices,
        "sensors": sensors,
        "gyroscope": gyroscope,
        "signal_s": seconds,
        "core_share": round(cpu_s / seconds, 4),
        "bank_mb": round(held / 1e6, 1),
        "findings": findings,
    }


def _second(sensors: str, variants: int) -> NDArray[np.float32]:
    """``(variants, 50, 6)``: a second of each wearer."""
    rng = np.random.default_rng(0)
    out = np.zeros((variants, _FS_HZ, 6), np.float32)
    if sensors != "worn":
        out[:, :, 1] = 1.0 if sensors == "still" else 0.3
        return out
    direction = rng.normal(size=(variants, 1, 3))
    out[:, :, :3] = direction / np.linalg.norm(direction, axis=2, keepdims=True)
    out[:, :, :3] += rng.normal(0, rng.uniform(0.01, 0.3, (variants, 1, 1)), (variants, _FS_HZ, 3))
    out[:, :, 3:] = rng.normal(0, 15, (variants, _FS_HZ, 3))
    return out


def _batch(samples: NDArray[np.float32], rows: NDArray[np.int32], second: int, gyroscope: bool) -> MotionBatch:
    t_ms = np.full(len(rows), _START_MS + second * 1000, np.int64)
    return MotionBatch(
        row=rows,
        boot=np.ones(len(rows), np.uint32),
        t_ms=t_ms,
        offset_ms=np.zeros(len(rows), np.int64),
        recv_ms=t_ms + 1000,
        fs_hz=float(_FS_HZ),
        acc_g=samples[:, :, :3].copy(),
        gyr_dps=samples[:, :, 3:].copy() if gyroscope else None,
    )


if __name__ == "__main__":
    import json

    for said in SENSORS:
        print(json.dumps(run(sensors=said, seconds=90 if said == "stuck" else 20)))
