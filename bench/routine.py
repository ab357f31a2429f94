"""What watching the routine of a district's homes costs: CPU share of one core, memory, and the tick.

The hot path that this protects: every home reading passes
:meth:`detectors.routine.bank.RoutineBank.update`, and it is called every second whether anything came or not.
"""

from __future__ import annotations

import pickle
import time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from detectors.routine.bank import RoutineBank
from detectors.routine.batch import HomeBatch

_START_MS = 1_760_000_000_000
_ROOMS = ("living", "kitchen", "bathroom", "bedroom", "hall", "study", "kitchen", "bedroom", "entry", "entry")
_KINDS = ("presence",) * 8 + ("presence", "contact")


def run(
    *, homes: int = 18_000, readings_per_day: int = 2_000, seconds: int = 120, days_known: int = 28
) -> dict[str, Any]:
    """Feed ``seconds`` of the readings of ``homes`` homes with ten sensors each, a batch a second, as fast as it goes.

    Args:
        homes: that many.
        readings_per_day: of each home, spread evenly; a lived-in home with seven passive sensors says 2,000.
        seconds: of the stream.
        days_known: what the homes have behind them: silences are remembered and limits learnt.

    Returns:
        ``core_share`` of the stream, ``daily_core_share`` of summing up and learning once a day, ``tick_us`` of an
        update without readings, ``bank_mb`` as a checkpoint holds it, ``findings``, and the arguments.
    """
    rng = np.random.default_rng(0)
    bank = RoutineBank(ZoneInfo("Asia/Shanghai"))
    for i in range(homes):
        bank.add(f"p{i:06d}")
    _make_known(bank, homes, days_known, rng)
    per_second = max(1, round(homes * readings_per_day / 86_400))
    state = np.zeros((homes, 10), bool)
    cpu_s, findings = 0.0, 0
    for second in range(seconds):
        now_ms = _START_MS + second * 1000
        rows = rng.integers(0, homes, per_second).astype(np.int32)
        which = rng.integers(0, 10, per_second)
        state[rows, which] ^= True
        t_ms = now_ms - rng.integers(0, 1000, per_second)
        batch = HomeBatch(
            row=rows,
            device=[f"s{one}" for one in which.tolist()],
            kind=[_KINDS[one] for one in which.tolist()],
            room=[_ROOMS[one] for one in which.tolist()],
            value=state[rows, which].tolist(),
            t_ms=t_ms.astype(np.int64),
            recv_ms=np.full(per_second, now_ms, np.int64),
        )
        start_s = time.process_time()
        findings += len(bank.update(batch, now_ms))
        cpu_s += time.process_time() - start_s
    start_s = time.process_time()
    for _ in range(200):
        bank.update(None, now_ms)
    tick_s = (time.process_time() - start_s) / 200
    return {
        "homes": homes,
        "readings_per_second": per_second,
        "stream_s": seconds,
        "core_share": round(cpu_s / seconds, 4),
        "daily_core_share": round(_daily_s(bank, homes) / 86_400, 5),
        "tick_us": round(tick_s * 1e6, 1),
        "bank_mb": round(len(pickle.dumps(bank.state())) / 1e6, 1),
        "findings": findings,
    }


def _make_known(bank: RoutineBank, homes: int, days: int, rng: np.random.Generator) -> None:
    """As if the homes had been heard for weeks: each sensor once, and the silences remembered."""
    state = bank.state()
    columns = state["columns"]
    log = columns["log_min"].shape[0]
    now_min = _START_MS // 60_000 + 480
    columns["days"][:] = days
    columns["logged"][:] = log
    columns["log_min"][:] = now_min - rng.integers(0, days * 1440, (log, 1))
    columns["log_length_min"][:] = 5 + rng.exponential(30, (log, 1))
    columns["log_slot"][:] = rng.integers(0, 6, (log, 1))
    bank.restore(state)
    for first in range(0, homes, 2_000):
        rows = np.repeat(np.arange(first, min(first + 2_000, homes), dtype=np.int32), 10)
        m = len(rows) // 10
        t_ms = np.full(len(rows), _START_MS - 60_000, np.int64)
        bank.update(
            HomeBatch(
                row=rows,
                device=[f"s{k}" for k in range(10)] * m,
                kind=list(_KINDS) * m,
                room=list(_ROOMS) * m,
                value=[False] * len(rows),
                t_ms=t_ms,
                recv_ms=t_ms,
            ),
            _START_MS - 60_000,
        )


def _daily_s(bank: RoutineBank, homes: int, sample: int = 200) -> float:
    """CPU seconds for summing up all homes once."""
    from detectors.routine import daily

    state = bank.state()["columns"]
    state["readings"][:] = 1_000
    local_min = _START_MS / 60_000 + 480
    start_s = time.process_time()
    for row in range(sample):
        daily.sum_up(state, row, local_min, bank.parameters, bank.limits)
    return (time.process_time() - start_s) / sample * homes


if __name__ == "__main__":
    import json

    for readings_per_day in (2_000, 8_000):
        print(json.dumps(run(readings_per_day=readings_per_day)))
