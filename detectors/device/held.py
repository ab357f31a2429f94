"""What came within a step, until it is decided on, in as few bytes as its numbers need."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.device.batch import LinkBatch, columns_of, empty_batch

#: Shorter columns are kept as they are.
_LEAST = 64
_KINDS = (np.uint8, np.uint16, np.uint32)


class _Narrow(NamedTuple):
    """Whole numbers that lie near each other: the least of them, and how far above it each is."""

    least: int
    above: NDArray[Any]


_Column = NDArray[Any] | _Narrow
#: The columns of each part of a batch.
_Piece = list[tuple[_Column, ...]]


class Held:
    """Batches one after another. Ten seconds of a district are 180,000 messages of eight columns."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def put(self, batch: LinkBatch) -> None:
        """One more."""
        self._pieces.append(
            [tuple(_narrowed(getattr(part, column)) for column in columns_of(type(part))) for part in batch.parts()]
        )

    def take(self) -> LinkBatch:
        """All of them as one; nothing is held any more."""
        pieces, self._pieces = self._pieces, []
        parts: list[Any] = []
        for part, columns in zip(empty_batch().parts(), zip(*pieces, strict=True), strict=True):
            parts.append(type(part)(*(_joined(of) for of in zip(*columns, strict=True))))
        return LinkBatch(*parts)

    def state(self) -> list[_Piece]:
        """For a checkpoint."""
        return list(self._pieces)

    def restore(self, state: list[_Piece]) -> None:
        """Take over what :meth:`state` gave."""
        self._pieces = list(state)


def _narrowed(column: NDArray[Any]) -> _Column:
    if column.dtype != np.int64 or len(column) < _LEAST:
        return column
    least, span = int(column.min()), int(column.max()) - int(column.min())
    kind = next((kind for kind in _KINDS if span <= np.iinfo(kind).max), None)
    return column if kind is None else _Narrow(least, (column - least).astype(kind))


def _joined(columns: tuple[_Column, ...]) -> NDArray[Any]:
    wide = [one.above.astype(np.int64) + one.least if isinstance(one, _Narrow) else one for one in columns]
    return wide[0] if len(wide) == 1 else np.concatenate(wide)
