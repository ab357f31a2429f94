"""What looking after the devices of a district costs: CPU share of one core and memory.

The hot paths that this protects: every motion frame of every wearer passes
:meth:`detectors.device.motion_sensor.MotionSensorBank.update` beside the fall bank, and something of every message of
every device :meth:`detectors.device.link.DeviceBank.update`.
"""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from detectors.device.batch import Heard, LinkBatch, Messages, Readings, Statuses, Wears, empty_batch
from detectors.device.link import DeviceBank
from detectors.device.motion_sensor import MotionSensorBank
from detectors.motion import MotionBatch

_START_MS = 1_760_000_000_000
_DAY_MS = 86_400_000
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


def run_links(
    *, people: int = 18_000, sensors: int = 10, frame_s: float = 1.0, seconds: int = 120, readings_per_day: int = 2_000
) -> dict[str, Any]:
    """Feed ``seconds`` of what people with a wearable, a hub and home sensors say into one bank, a batch a second.

    Args:
        people: each in a home of their own, 200 homes to an area.
        sensors: of a home; each tells its battery once an hour.
        frame_s: length of the motion frames; 0 for a district without.
        seconds: of the stream; whole minutes.
        readings_per_day: of each home.

    Returns:
        ``core_share`` of all, made of ``stream_share``, ``quarter_ms``, ``hour_ms`` and ``day_ms`` (CPU of what is due
        then); ``outage_ms`` (the dearest step while a tenth of the district falls silent at once), ``resident_mb``
        (what the process grew by), ``bank_mb`` and ``checkpoint_s`` (a pickled checkpoint), ``findings``, and the
        arguments.
    """
    before = psutil.Process().memory_info().rss
    bank, rng = DeviceBank(), np.random.default_rng(0)
    for home in range(people):
        area = f"city.d{home // 6_000}.s{home // 200}"
        for k, kind in enumerate(("wearable", "hub", *("sensor",) * sensors)):
            bank.add(f"{k}-{home}", person=f"p{home}", area=area, kind=kind)
    rows = np.arange(len(bank)).reshape(people, sensors + 2)
    seq = np.zeros((5, len(bank)), np.int64)
    start_ms = _DAY_MS * (_START_MS // _DAY_MS) + _DAY_MS // 2 + 60_000
    second_of = rng.integers(0, 3_600, rows.shape)
    raised = np.zeros(len(bank), np.bool_)
    cpu_s, findings = 0.0, 0

    def batch(second: int, alive: NDArray[np.intp]) -> LinkBatch:
        at_ms = start_ms + second * 1_000
        minute = alive[second_of[alive, 0] % 60 == second % 60]
        vitals = alive[second_of[alive, 0] % 30 == second % 30]
        motion = alive if frame_s and frame_s <= 1 else alive[alive % max(1, int(frame_s)) == second % max(1, frame_s)]
        motion = np.repeat(motion, max(1, round(1 / frame_s))) if frame_s else motion[:0]
        hourly = rows[alive, 2:][second_of[alive, 2:] == second % 3_600]
        homes = rng.choice(alive, max(1, len(alive) * readings_per_day // 86_400))
        said = rows[homes, 2 + rng.integers(0, sensors, len(homes))]
        parts = (
            (Heard.MOTION, rows[motion, 0]),
            (Heard.VITALS, rows[vitals, 0]),
            (Heard.STATUS, np.concatenate([rows[minute, 0], rows[minute, 1], hourly])),
            (Heard.HOME, said),
        )
        row = np.concatenate([part for _, part in parts])
        stream = np.concatenate([np.full(len(part), heard, np.uint8) for heard, part in parts])
        m = len(row)
        at = np.sort(at_ms - rng.integers(0, 1_000, m))
        seq[stream, row] += 1
        messages = Messages(
            at, row, stream, at - rng.integers(20, 400, m), seq[stream, row], np.ones(m, np.int64),
            np.zeros(m, np.int64), np.ones(m, np.bool_),
        )  # fmt: skip
        status = parts[2][1]
        n, mains = len(status), 2 * len(minute)
        beat_s = np.where(np.arange(n) < mains, 60.0, 3_600.0)
        statuses = Statuses(np.full(n, at_ms), status, np.ones(n, np.bool_), rng.uniform(70, 71, n), beat_s)
        worn = rows[alive[alive % 10 == second % 10], 0]
        wears = Wears(np.full(len(worn), at_ms), worn, np.ones(len(worn), np.bool_))
        raised[said] ^= True
        readings = Readings(np.full(len(said), at_ms), said, (said % 3 == 0).astype(np.uint8), raised[said])
        return replace(empty_batch(), messages=messages, statuses=statuses, wears=wears, readings=readings)

    def fed(one: LinkBatch | None, now_ms: int) -> float:
        nonlocal findings
        start_s = time.process_time()
        findings += len(bank.update(one, now_ms))
        return time.process_time() - start_s

    everybody = np.arange(people)
    for second in range(seconds + 60):
        one_s = fed(batch(second, everybody), start_ms + second * 1_000)
        cpu_s += one_s if second >= 60 else 0.0
    found = findings
    end_ms = start_ms + (seconds + 60) * 1_000
    resident = psutil.Process().memory_info().rss - before
    saved, checkpoint_s = _saved(bank)
    spent_s = [fed(batch(seconds + 60 + k, everybody[: people * 9 // 10]), end_ms + k * 1_000) for k in range(300)]
    silent, due_ms = findings - found, {}
    for name, every_ms in (("quarter", 900_000), ("hour", 3_600_000), ("day", _DAY_MS)):
        again = DeviceBank()
        again.restore(pickle.loads(saved))
        at_ms = (end_ms // every_ms + 1) * every_ms
        again.missed(end_ms, at_ms)
        again.update(None, at_ms - 10_000)
        start_s = time.process_time()
        again.update(None, at_ms)
        due_ms[name] = (time.process_time() - start_s) * 1_000
    share = cpu_s / seconds + due_ms["quarter"] / 9e5 + due_ms["hour"] / 3.6e6 + due_ms["day"] / 8.64e7
    return {
        "devices": len(bank),
        "frame_s": frame_s,
        "readings_per_day": readings_per_day,
        "messages_per_s": round(float(seq.sum()) / (seconds + 360)),
        "core_share": round(share, 4),
        "stream_share": round(cpu_s / seconds, 4),
        **{f"{name}_ms": round(value, 1) for name, value in due_ms.items()},
        "outage_ms": round(max(spent_s) * 1_000, 1),
        "outage_findings": silent,
        "resident_mb": round(resident / 1e6),
        "bank_mb": round(len(saved) / 1e6, 1),
        "checkpoint_s": round(checkpoint_s, 2),
        "findings": found,
    }


def _saved(bank: DeviceBank) -> tuple[bytes, float]:
    start_s = time.process_time()
    saved = pickle.dumps(bank.state(), protocol=5)
    return saved, time.process_time() - start_s


if __name__ == "__main__":
    import json

    for said in SENSORS:
        print(json.dumps(run(sensors=said, seconds=90 if said == "stuck" else 20)))
    for frame_s in (0.0, 1.0, 5.0):
        print(json.dumps(run_links(frame_s=frame_s)))
