"""What every store does, whatever keeps the points."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from telemetry.records import PointBatch

Value = float | str | int


class Rejected(NamedTuple):
    """A point that was refused for good: its row in the batch that was written, and why."""

    row: int
    detail: str


@dataclass(frozen=True, slots=True)
class Series:
    """The answer to a range query, in the order of time.

    Attributes:
        t_ms: ``(n,)`` int64, epoch milliseconds; of the step's start where downsampled.
        columns: field -> ``(n,)`` float64: the value, or the mean over the step; NaN where there is none.
        minimum, maximum: field -> ``(n,)`` float64, the extremes within each step (or roll-up window); empty dicts
            where the points are as measured.
        step_ms: length of a step, None where the points are as stored.
    """

    t_ms: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    minimum: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    maximum: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    step_ms: int | None = None

    def __len__(self) -> int:
        return len(self.t_ms)


class Store(Protocol):
    """Keeps points by (measurement, tags, time). Safe to use from several threads."""

    #: Points that had no field at all and were dropped, since this object was made.
    empty_points: int

    def check(self) -> None:
        """Return when everything needed to write and read is there.

        Raises:
            StoreUnavailable: it does not answer (yet).
            StoreMisconfigured: it answers, but token, bucket or address are wrong; the text says what to do.
        """

    def write(self, batch: PointBatch, *, bucket: str | None = None) -> list[Rejected]:
        """Store the points; return those refused for good, everything else is durable.

        A point written again (same tags and time) replaces the fields it has and keeps those it has not. NaN and
        None are absent fields, a point without any is dropped and counted in ``empty_points``.

        Raises:
            SchemaError: the batch has a name that the schema has not; nothing was written.
            StoreUnavailable: write the same batch again, after ``retry_after_s`` if given. Some may be stored.
            StoreError: write it again once an operator has acted.
        """

    def range(
        self,
        measurement: str,
        field_names: Sequence[str],
        *,
        tags: dict[str, str],
        start_ms: int,
        end_ms: int,
        points: int = 500,
        bucket: str | None = None,
    ) -> Series:
        """Number fields over ``start_ms <= t < end_ms``, of all series whose tags are equal to ``tags``.

        At most ``points`` points are returned as stored; more are downsampled to that many steps (steps without a
        value are left out). ``field_names`` are those of the measurement also where ``bucket`` holds roll-ups: the
        column is the mean, with minimum and maximum. Raises SchemaError, StoreUnavailable, StoreError.
        """

    def latest(
        self,
        measurement: str,
        field_names: Sequence[str],
        *,
        by: Literal["device", "person"],
        keys: Sequence[str] | None = None,
    ) -> dict[str, dict[str, Value]]:
        """The newest point that has at least one of the fields, per device or person: ``{key: {field: value}}``.

        Each has ``t_ms``; a field that this point has not is not there (ask for one field to get its own last value).
        ``keys`` None means all. A key without a point is absent. Raises as :meth:`range` does.
        """

    def delete_person(self, person: str) -> None:
        """Remove every point of that person, roll-ups included. Raises StoreUnavailable, StoreError: call it again."""

    def rollup(
        self,
        measurement: str,
        *,
        start_ms: int,
        end_ms: int,
        step_s: int,
        source_bucket: str,
        target_bucket: str,
        devices: Collection[str] | None = None,
    ) -> int:
        """Aggregate each series over windows of ``step_s`` from ``start_ms`` on; returns the points written.

        A number ``f`` becomes ``f_min``, ``f_max``, ``f_mean``, ``f_count`` at the start of its window. Doing it again
        replaces what was there. ``start_ms`` and ``end_ms`` are multiples of the step; ``devices`` restricts it to the
        series of these. Raises as :meth:`write` does.
        """

    def expire(self, now_ms: int) -> int:
        """Delete what is older than its bucket's retention, where the store does not do so itself; returns how many."""

    def close(self) -> None:
        """Release connections."""
