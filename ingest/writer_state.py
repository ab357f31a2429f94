"""What the writer can be set to, what it says about itself, and the point it makes of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from telemetry.records import PointBatch

STAGE = "writer"
_EVERY_MS = 10_000
#: After a longer pause (the store was away, the clock was set) a rate over it would mean little.
_LONGEST_MS = 600_000


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """How the writer batches, waits and rolls up.

    Attributes:
        max_points: points gathered before a write; one write is some 25 ms.
        max_wait_s: ... or so long after the first of them came.
        first_retry_s, max_retry_s: wait after the first failure in a row, and the longest; doubled in between.
        grace_s: a roll-up window is made so long after its end.
        late_grace_s: a window into which points came later than that is made again after this.
    """

    max_points: int = 5_000
    max_wait_s: float = 0.5
    first_retry_s: float = 0.5
    max_retry_s: float = 30.0
    grace_s: float = 60.0
    late_grace_s: float = 300.0


class WriterState(StrEnum):
    """What the writer is doing; the value is what people are shown."""

    STARTING = "starting"  # the store has not answered yet
    WRITING = "writing"
    WAITING = "waiting"  # the store is away or busy: it is tried again by itself
    BLOCKED = "blocked"  # an operator must act (token, bucket, disk); meanwhile it is tried again
    FAILED = "failed"  # our own defect; nothing is passed over


@dataclass(slots=True)
class Counters:
    """Totals since this writer started."""

    points: int = 0
    writes: int = 0
    write_s: float = 0.0
    rejected: int = 0
    undecodable: int = 0
    retries: int = 0
    rollups: int = 0
    expired: int = 0


class Meter:
    """Makes the writer's own `pipeline` point, every 10 s."""

    def __init__(self, host: str) -> None:
        self._tags = {"stage": [STAGE], "host": [host]}
        self._at_ms: int | None = None
        self._before = Counters()

    def point(
        self, counters: Counters, now_ms: int, *, lag_bytes: Callable[[], int], dirty_windows: int
    ) -> PointBatch | None:
        """Rates and counts since the last point, or None when it is not time."""
        if self._at_ms is None or not 0 <= now_ms - self._at_ms <= _LONGEST_MS:
            self._at_ms, self._before = now_ms, replace(counters)
        elapsed_ms = now_ms - self._at_ms
        if elapsed_ms < _EVERY_MS:
            return None
        before = self._before
        writes = counters.writes - before.writes
        fields = {
            "points_per_s": (counters.points - before.points) / elapsed_ms * 1000,
            "write_ms": (counters.write_s - before.write_s) / writes * 1000 if writes else np.nan,
            "lag_bytes": lag_bytes(),
            "retries": counters.retries - before.retries,
            "rejected": counters.rejected - before.rejected,
            "undecodable": counters.undecodable - before.undecodable,
            "rollups": counters.rollups - before.rollups,
            "dirty_windows": dirty_windows,
        }
        self._at_ms, self._before = now_ms, replace(counters)
        t_ns = np.array([now_ms // _EVERY_MS * _EVERY_MS * 1_000_000], dtype=np.int64)
        return PointBatch(
            "pipeline", t_ns, self._tags, {name: np.array([value], dtype=np.float64) for name, value in fields.items()}
        )
