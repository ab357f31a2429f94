"""Many small batches of one measurement as one large batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from telemetry.records import Column, PointBatch


def concatenate(batches: Sequence[PointBatch]) -> PointBatch:
    """The points of all batches, which are of one measurement, in their order.

    A tag that one batch has not is empty for its points, a field is absent. A field that is a number in one batch and a
    string in another is a ValueError; batches that fit the schema never are.
    """
    if len(batches) == 1:
        return batches[0]
    tags = {name: None for batch in batches for name in batch.tags}
    fields = {name: isinstance(column, np.ndarray) for batch in batches for name, column in batch.fields.items()}
    return PointBatch(
        batches[0].measurement,
        np.concatenate([batch.t_ns for batch in batches]),
        {name: [value for batch in batches for value in batch.tags.get(name) or [""] * len(batch)] for name in tags},
        {name: _numbers(batches, name) if number else _strings(batches, name) for name, number in fields.items()},
    )


def _numbers(batches: Sequence[PointBatch], name: str) -> Column:
    columns = [batch.fields.get(name) for batch in batches]
    return np.concatenate(
        [
            np.full(len(batch), np.nan) if column is None else np.asarray(column, dtype=np.float64)
            for batch, column in zip(batches, columns, strict=True)
        ]
    )


def _strings(batches: Sequence[PointBatch], name: str) -> Column:
    joined: list[str | None] = []
    for batch in batches:
        column = batch.fields.get(name)
        if isinstance(column, np.ndarray):
            raise ValueError(f"{batch.measurement}.{name} is a number in one batch and a string in another")
        joined += [None] * len(batch) if column is None else column
    return joined
