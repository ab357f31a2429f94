"""A store that builds its lines and keeps none: what everything before the database costs."""

from __future__ import annotations

import numpy as np

from store.interface import Rejected, Series, Value
from store.lines import build_lines
from store.prepare import prepare
from telemetry.records import PointBatch


class DiscardStore:
    """Takes every point as InfluxDB's would, and answers as an empty one. ``lines`` counts what was built."""

    def __init__(self) -> None:
        self.empty_points = 0
        self.lines = 0
        self.bytes = 0

    def check(self) -> None:
        """It is always there."""

    def write(self, batch: PointBatch, *, bucket: str | None = None) -> list[Rejected]:
        """See Store."""
        ready = prepare(batch, bucket)
        if ready.rows:
            lines = build_lines(ready)
            self.lines += len(lines)
            self.bytes += len("\n".join(lines).encode())
        self.empty_points += ready.empty
        return ready.rejected

    def range(self, *_: object, **__: object) -> Series:
        """Nothing was kept."""
        return Series(np.zeros(0, np.int64), {})

    def latest(self, *_: object, **__: object) -> dict[str, dict[str, Value]]:
        """Nothing was kept."""
        return {}

    def delete_person(self, person: str) -> None:
        """Nothing was kept."""

    def rollup(self, *_: object, **__: object) -> int:
        """There is nothing to roll up."""
        return 0

    def expire(self, *_: object, **__: object) -> int:
        """There is nothing to delete."""
        return 0

    def close(self) -> None:
        """Nothing is open."""
