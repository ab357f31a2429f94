"""What both stores do alike: check names, clean tags, sort out what cannot be stored, build the answer of a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store import schema
from store.errors import SchemaError
from store.interface import Rejected, Series
from telemetry.records import PointBatch


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that fits the schema and whose every point has a field.

    ``rows`` are the points' rows in the batch as it was handed in; the columns are those of :class:`PointBatch`,
    numbers without infinities.
    """

    measurement: schema.Measurement
    bucket: schema.Bucket
    rows: list[int]
    t_ns: list[int]
    tags: dict[str, list[str]]
    numbers: dict[str, NDArray[np.float64]]
    strings: dict[str, list[str | None]]
    rejected: list[Rejected]
    empty: int


def check(batch: PointBatch, bucket: str | None = None) -> None:
    """Raise SchemaError unless the batch's measurement, tags and fields are the schema's and of the right kind."""
    spec = schema.measurement(batch.measurement)
    place = schema.bucket_of(batch.measurement, bucket)
    schema.check_tags(spec, batch.tags)
    numbers = [name for name, column in batch.fields.items() if isinstance(column, np.ndarray)]
    schema.check_numbers(spec, numbers, place)
    schema.check_strings(spec, [name for name in batch.fields if name not in numbers], place)
    for name in numbers:
        column = batch.fields[name]
        if not isinstance(column, np.ndarray) or column.dtype.kind not in "fiu":
            raise SchemaError(f"{spec.name}.{name} is no column of numbers")


def prepare(batch: PointBatch, bucket: str | None = None) -> Prepared:
    """The batch ready to be written; points with an infinite number are rejected, those without a field dropped.

    Raises:
        SchemaError: see :func:`check`.
    """
    check(batch, bucket)
    n = len(batch)
    numbers = {k: np.asarray(v, dtype=np.float64) for k, v in batch.fields.items() if isinstance(v, np.ndarray)}
    strings: dict[str, list[str | None]] = {
        k: _clean_strings(v) for k, v in batch.fields.items() if not isinstance(v, np.ndarray)
    }
    tags = {name: _clean_tags(column) for name, column in batch.tags.items()}

    present = np.zeros(n, dtype=bool)
    infinite = np.zeros(n, dtype=bool)
    for column in numbers.values():
        present |= ~np.isnan(column)
        infinite |= np.isinf(column)
    if not present.all():
        for texts in strings.values():
            present |= np.fromiter((text is not None for text in texts), dtype=bool, count=n)

    rejected: list[Rejected] = []
    for row in np.flatnonzero(infinite).tolist():
        named = ", ".join(f"{name} is {column[row]}" for name, column in numbers.items() if np.isinf(column[row]))
        rejected.append(Rejected(row, f"not finite: {named}"))

    keep = present & ~infinite
    empty = int(n - present.sum())
    t_ns = batch.t_ns
    rows = list(range(n))
    if not keep.all():
        index = np.flatnonzero(keep)
        rows = index.tolist()
        t_ns = t_ns[index]
        numbers = {name: column[index] for name, column in numbers.items()}
        strings = {name: [texts[i] for i in rows] for name, texts in strings.items()}
        tags = {name: [values[i] for i in rows] for name, values in tags.items()}
    place = schema.bucket_of(batch.measurement, bucket)
    spec = schema.measurement(batch.measurement)
    return Prepared(spec, place, rows, t_ns.tolist(), tags, numbers, strings, rejected, empty)


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """What ``range`` was asked for, checked against the schema."""

    measurement: schema.Measurement
    bucket: schema.Bucket
    fields: tuple[str, ...]
    tags: dict[str, str]
    start_ms: int
    end_ms: int
    points: int

    @classmethod
    def checked(
        cls,
        measurement: str,
        field_names: Sequence[str],
        tags: dict[str, str],
        start_ms: int,
        end_ms: int,
        points: int,
        bucket: str | None,
    ) -> RangeQuery:
        """Raises SchemaError for a name that the schema has not, or a number of points below 1."""
        spec = schema.measurement(measurement)
        place = schema.bucket_of(measurement, bucket)
        schema.check_tags(spec, tags)
        schema.check_numbers(spec, field_names, spec.bucket)
        if points < 1:
            raise SchemaError(f"points is {points}: ask for one at least")
        cleaned = {name: schema.clean_tag(value) for name, value in tags.items()}
        return cls(spec, place, tuple(dict.fromkeys(field_names)), cleaned, int(start_ms), int(end_ms), int(points))

    @property
    def is_rollup(self) -> bool:
        """Whether the bucket holds mean, min, max and count of each field."""
        return self.bucket.step_s is not None

    @property
    def step_ms(self) -> int:
        """The step that makes at most ``points`` of the range."""
        return -(-(self.end_ms - self.start_ms) // self.points)


def series_of(rows: Sequence[Sequence[Any]], query: RangeQuery, step_ms: int | None) -> Series:
    """Rows of ``(t_ms, value, ...)``, or ``(t_ms, mean, min, max, ...)`` where downsampled or rolled up."""
    fields = query.fields
    width = 3 if query.is_rollup or step_ms is not None else 1
    t_ms = np.array([row[0] for row in rows], dtype=np.int64)
    table = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), width * len(fields))
    columns, minimum, maximum = (
        {field: table[:, i * width + part] for i, field in enumerate(fields)} if part < width else {}
        for part in range(3)
    )
    return Series(t_ms, columns, minimum, maximum, step_ms)


def _clean_tags(column: list[str]) -> list[str]:
    cleaned = {value: schema.clean_tag(value) for value in set(column)}
    if all(key == value for key, value in cleaned.items()):
        return column
    return [cleaned[value] for value in column]


def _clean_strings(column: list[str] | list[str | None]) -> list[str | None]:
    """Half a surrogate pair has no UTF-8 form; it becomes ``?``."""
    return [
        text if text is None or text.isascii() else text.encode("utf-8", "replace").decode("utf-8") for text in column
    ]
