"""Batches that the tests write."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from telemetry.records import Column, PointBatch

#: A full hour some hours back: InfluxDB's retention is relative to its own clock, so test data must be recent.
T0_MS = (int(time.time()) // 3600 - 6) * 3_600_000


def batch(
    measurement: str,
    t_ms: Sequence[int],
    tags: dict[str, str | list[str]] | None = None,
    **fields: Sequence[float | str | None],
) -> PointBatch:
    """Points at ``T0_MS + t_ms``; a tag given once stands for all; a column of words is a string field."""
    n = len(t_ms)
    columns: dict[str, Column] = {}
    for name, values in fields.items():
        if any(isinstance(value, str) for value in values):
            columns[name] = [None if value is None else str(value) for value in values]
        else:
            columns[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    spread = {name: [value] * n if isinstance(value, str) else value for name, value in (tags or {}).items()}
    return PointBatch(measurement, (T0_MS + np.array(t_ms, dtype=np.int64)) * 1_000_000, spread, columns)


def noise(devices: int, points: int, *, step_ms: int = 10_000, seed: int = 1) -> PointBatch:
    """``points`` rows of motion for each of ``devices``, by time, some values missing."""
    random = np.random.default_rng(seed)
    n = devices * points
    columns: dict[str, Column] = {
        name: np.where(random.random(n) < 0.1, np.nan, random.normal(1.0, 0.3, n))
        for name in ("enmo_g", "smv_max_g", "posture_deg", "steps", "worn")
    }
    device = [f"d{i % devices}" for i in range(n)]
    t_ms = T0_MS + np.arange(n, dtype=np.int64) // devices * step_ms
    tags = {"device": device, "person": [f"p-{name}" for name in device], "area": ["town.a"] * n}
    return PointBatch("motion", t_ms * 1_000_000, tags, columns)
