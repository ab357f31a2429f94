"""What watching the vitals of a district costs: CPU share of one core, and what a checkpoint of it holds.

The hot path that this protects: every reading of every person passes :meth:`detectors.vitals.bank.VitalsBank.update`.
"""

from __future__ import annotations

import pickle
import resource
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.vitals.bank import VitalsBank
from detectors.vitals.batch import COLUMNS, ENMO, HR, RR, SBP, SPO2, TEMP, VitalsBatch

_START_MS = 1_760_000_000_000
_WARM_UP_S = 10
#: Values that people have, and how they vary from reading to reading.
_USUAL = {HR: (72, 2), SPO2: (97, 0.7), RR: (16, 1), TEMP: (36.6, 0.05)}


def run(
    *,
    people: int = 18_000,
    every_s: int = 30,
    seconds: int = 60,
    batches_per_s: int = 1,
    days_known: int = 6,
    tick_hz: int = 10,
    seed: int = 0,
) -> dict[str, Any]:
    """Feed ``seconds`` of readings of ``people`` people, each ``every_s``, into one bank, as fast as it goes.

    ``days_known`` days of few readings come first, so that everybody has a baseline, and are not measured.

    Returns:
        ``core_share`` (CPU seconds per second of signal: 0.01 is a hundredth of one core), ``memory_mb`` (how much the
        process has grown at most), ``state_mb`` (a pickled checkpoint of it), ``checkpoint_s`` (CPU seconds to make
        one), ``findings``, and the arguments.
    """
    rng = np.random.default_rng(seed)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bank = VitalsBank()
    for i in range(people):
        bank.add(f"p{i:05d}", person=f"p{i:05d}")
        bank.add_device(f"w{i:05d}")
    everybody = np.arange(people, dtype=np.int32)
    for hour in range(0, 24 * days_known, 2):
        t_ms = _START_MS - (24 * days_known - hour) * 3_600_000
        for first in range(0, people, 1000):
            bank.update(_batch(everybody[first : first + 1000], t_ms, rng), t_ms)
    cpu_s, findings, points = 0.0, 0, 0
    for second in range(_WARM_UP_S + seconds):
        for piece in range(batches_per_s):
            rows = everybody[(everybody % every_s == second % every_s)]
            rows = rows[piece::batches_per_s]
            now_ms = _START_MS + second * 1000 + 1000 * piece // batches_per_s
            batch = _batch(rows, now_ms, rng)
            start_s = time.process_time()
            found = bank.update(batch, now_ms)
            for _ in range(tick_hz // batches_per_s):
                found += bank.update(None, now_ms)
            if piece == 0:
                points += sum(len(one.person) for one in bank.points(now_ms))
            if second >= _WARM_UP_S:
                cpu_s += time.process_time() - start_s
            findings += len(found)
    memory_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    start_s = time.process_time()
    saved = pickle.dumps(bank.state(), protocol=5)
    return {
        "people": people,
        "readings_per_s": people / every_s,
        "batches_per_s": batches_per_s,
        "signal_s": seconds,
        "core_share": round(cpu_s / seconds, 4),
        "memory_mb": round(memory_mb),
        "state_mb": round(len(saved) / 1e6, 1),
        "checkpoint_s": round(time.process_time() - start_s, 2),
        "points": points,
        "findings": findings,
    }


def _batch(rows: NDArray[np.int32], t_ms: int, rng: np.random.Generator) -> VitalsBatch:
    values = np.full((len(COLUMNS), len(rows)), np.nan)
    for sign, (middle, spread) in _USUAL.items():
        values[sign] = np.round(rng.normal(middle, spread, len(rows)), 1 if sign == TEMP else 0)
    cuff = rng.random(len(rows)) < 0.01
    values[SBP, cuff] = np.round(rng.normal(135, 6, np.count_nonzero(cuff)))
    values[ENMO] = np.where(rng.random(len(rows)) < 0.2, 0.1, 0.01)
    at_ms = np.full(len(rows), t_ms, np.int64)
    return VitalsBatch(rows, rows, at_ms, at_ms, values, np.zeros(len(rows), np.bool_))


if __name__ == "__main__":
    import json

    for pieces in (1, 10):
        print(json.dumps(run(batches_per_s=pieces)))
