"""Columns that are kept for every person or device: they grow, and are saved compactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import enlarged, kept, lasting

#: Leading shape, type, what a new row has.
Column = tuple[tuple[int, ...], Any, float]
#: A column in which fewer than this share of the values differ from a new row's is saved as these alone.
_SPARSE_SHARE = 0.25


class Columns:
    """Named arrays with one column per row of a bank; the last axis counts rows."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._kinds = dict(columns)
        self._arrays = {name: self._new(name, 0) for name in self._kinds}
        self._room = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def _new(self, name: str, rows: int) -> NDArray[Any]:
        shape, kind, new = self._kinds[name]
        return lasting((*shape, rows), kind, new, sparse=not new)

    def grow(self, rows: int) -> None:
        """Make room for ``rows`` rows; grows by an eighth, because a person takes kilobytes."""
        if rows <= self._room:
            return
        more = max(rows, self._room + self._room // 8, 64) - self._room
        for name, array in self._arrays.items():
            new = self._kinds[name][2]
            self._arrays[name] = enlarged(array, self._room + more, new, axis=-1, sparse=not new)
        self._room += more

    def renew(self, rows: NDArray[np.intp]) -> None:
        """Some rows are as new."""
        for name, array in self._arrays.items():
            array[..., rows] = self._kinds[name][2]

    def of(self, rows: NDArray[np.intp]) -> Columns:
        """Some rows of it, as the first of columns of their own."""
        some = Columns(self._kinds)
        some._arrays = {name: array[..., rows] for name, array in self._arrays.items()}
        some._room = len(rows)
        return some

    def spread(self, rows: NDArray[np.intp], at: NDArray[np.intp], count: int) -> Iterator[tuple[str, NDArray[Any]]]:
        """One after another each of the columns as one of ``count`` rows, in which ``rows`` stand ``at`` these."""
        for name, array in self._arrays.items():
            wide = self._new(name, count)
            wide[..., at] = array[..., rows]
            yield name, wide

    def used(self, rows: int) -> NDArray[np.bool_]:
        """``(rows,)``: which of the first rows are not as new."""
        out = np.zeros(rows, np.bool_)
        for name, array in self._arrays.items():
            out |= self._differs(name, array[..., :rows]).any(axis=tuple(range(array.ndim - 1)))
        return out

    def _differs(self, name: str, used: NDArray[Any]) -> NDArray[np.bool_]:
        new = self._kinds[name][2]
        return np.asarray(~np.isnan(used) if np.isnan(new) else used != new)

    def state(self, rows: int) -> dict[str, Any]:
        """Copies of the first ``rows`` rows; what is mostly as new is kept as the places and values that are not."""
        return self.saved((name, array[..., :rows]) for name, array in self._arrays.items())

    def saved(self, arrays: Iterable[tuple[str, NDArray[Any]]]) -> dict[str, Any]:
        """Columns of these kinds as :meth:`state` gives them."""
        out: dict[str, Any] = {}
        for name, array in arrays:
            used = np.ascontiguousarray(array)
            other = self._differs(name, used)
            if np.count_nonzero(other) < _SPARSE_SHARE * used.size:
                places = np.flatnonzero(other)
                out[name] = (used.shape, places.astype(np.uint32), used.reshape(-1)[places])
            else:
                out[name] = used.copy()
        return out

    def restore(self, state: Mapping[str, Any], rows: int) -> None:
        """Take over what :meth:`state` gave for so many rows."""
        self._room = rows
        for name in self._kinds:
            saved = state[name]
            if isinstance(saved, tuple):
                shape, places, values = saved
                array = self._new(name, rows)
                assert array.shape == tuple(shape), f"{name} of shape {shape}"
                array.reshape(-1)[places] = values
                self._arrays[name] = array
            else:
                self._arrays[name] = kept(saved, sparse=not self._kinds[name][2])
