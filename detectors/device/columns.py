"""What is kept per device, as arrays with a place for each row in their last axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import enlarged, lasting
from detectors.detection import Severity

Rows = NDArray[np.intp]
#: An instant that never comes.
NEVER_MS = np.int64(1 << 62)


class Spec(NamedTuple):
    """One array: its type, what a new device has, and the axes before the rows."""

    kind: Any
    new: float | np.int64
    lead: tuple[int, ...] = ()


#: All values of a line, or the places and values of those that differ from a new one.
Saved = NDArray[Any] | tuple[NDArray[np.int32], NDArray[Any]]
_FEW_SHARE = 0.25


class Columns:
    """Named arrays that grow together. ``columns["name"]`` is the array itself, longer than the rows in use."""

    def __init__(self, specs: Mapping[str, Spec]) -> None:
        self._specs = specs
        self._arrays = {name: _fresh(spec, 0) for name, spec in specs.items()}
        self._room = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def reserve(self, rows: int) -> None:
        """Have room for ``rows``; grows by an eighth: a device takes some hundred bytes."""
        if rows <= self._room:
            return
        more = max(rows, self._room + self._room // 8, 64) - self._room
        self._room += more
        for name, array in self._arrays.items():
            new = float(self._specs[name].new)
            self._arrays[name] = enlarged(array, self._room, new, axis=-1, sparse=not new)

    def set_back(self, at_ms: int) -> None:
        """The clock stands at ``at_ms`` and had been ahead: no instant of the past lies after it."""
        for name, array in self._arrays.items():
            if name.endswith("_ms") and array.dtype == np.int64:
                np.minimum(array, at_ms, out=array)

    def state(self, rows: int) -> dict[str, list[Saved]]:
        """Copies of the first ``rows``; where few differ from new ones, these only."""
        return {name: [_save(line[:rows], self._specs[name]) for line in _lines(a)] for name, a in self._arrays.items()}

    def restore(self, state: Mapping[str, list[Saved]], rows: int) -> None:
        """Take over what :meth:`state` gave for so many ``rows``."""
        self._room = rows
        for name, spec in self._specs.items():
            self._arrays[name] = _fresh(spec, rows)
            for line, saved in zip(_lines(self._arrays[name]), state[name], strict=True):
                if isinstance(saved, tuple):
                    line[saved[0]] = saved[1]
                else:
                    line[...] = saved


class Finding(NamedTuple):
    """What a part of the bank has found about a row, or (``row`` -1) about an area; ``over`` ends it."""

    row: int
    kind: str
    over: bool
    onset_ms: int
    severity: Severity
    features: dict[str, float]
    notes: dict[str, str]
    score: float = 1.0


class Touched(NamedTuple):
    """The rows that were heard within ten seconds, once each, and when first and last."""

    rows: Rows
    first_ms: NDArray[np.int64]
    last_ms: NDArray[np.int64]


def _fresh(spec: Spec, rows: int) -> NDArray[Any]:
    return lasting((*spec.lead, rows), spec.kind, float(spec.new), sparse=not spec.new)


def _lines(array: NDArray[Any]) -> list[NDArray[Any]]:
    return [array] if array.ndim == 1 else list(array)


def _save(line: NDArray[Any], spec: Spec) -> Saved:
    other = ~np.isnan(line) if spec.new != spec.new else line != spec.new
    if np.count_nonzero(other) > _FEW_SHARE * len(line):
        return line.copy()
    where = np.flatnonzero(other).astype(np.int32)
    return where, line[where]
