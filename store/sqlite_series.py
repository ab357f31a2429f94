"""Which series of the embedded store has which tags, remembered in 24 bytes each.

A district has more than a hundred thousand series, and their names in memory would be a fifth of the writer. In their
place stand two hashes of 64 bits, of the joined and of the separate texts: that two of 10^6 series agree in both is as
likely as 1 in 10^26. Those that agree in one are not remembered, and asked of the file each time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Of a series that is not remembered. The file's own begin with 1.
UNKNOWN = 0
#: Measurement and tags, in the order of the file. Clean tags have no line breaks.
Key = tuple[str, ...]


class SeriesIds:
    """Ids by key, in the order of the first hash. For one thread."""

    def __init__(self) -> None:
        self.forget()

    def __len__(self) -> int:
        return len(self._ids)

    def forget(self) -> None:
        """Nothing is known any more."""
        self._first, self._second, self._ids = (np.zeros(0, np.int64) for _ in range(3))

    def find(self, keys: Sequence[Key]) -> list[int]:
        """The id of each, UNKNOWN where it is not remembered."""
        first, second = _hashes(keys)
        if not len(self._ids):
            return [UNKNOWN] * len(keys)
        at = self._first.searchsorted(first)
        at[at == len(self._first)] = 0
        known = (self._first[at] == first) & (self._second[at] == second)
        found: list[int] = np.where(known, self._ids[at], UNKNOWN).tolist()
        return found

    def remember(self, keys: Sequence[Key], ids: Sequence[int]) -> None:
        """These, of which none is remembered, have these ids."""
        first, second = _hashes(keys)
        first, once = np.unique(first, return_index=True)
        at = self._first.searchsorted(first)
        free = np.ones(len(first), dtype=bool)
        within = at < len(self._first)
        free[within] = self._first[at[within]] != first[within]
        at, once = at[free], once[free]
        self._first = np.insert(self._first, at, first[free])
        self._second = np.insert(self._second, at, second[once])
        self._ids = np.insert(self._ids, at, np.asarray(ids, np.int64)[once])


def _hashes(keys: Sequence[Key]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n = len(keys)
    return (
        np.fromiter((hash("\n".join(key)) for key in keys), np.int64, n),
        np.fromiter(map(hash, keys), np.int64, n),
    )
