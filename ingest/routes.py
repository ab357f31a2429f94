"""What is known of topics, for many at once and in some 30 bytes each: a table of their hashes.

A district has some eighty thousand topics; with their texts as keys they were a fifth of the gateway. That a topic
which was never seen has the hash of one of 10^6 others, all of 64 bits, comes about once in 10^13 such topics; the
message is journaled under its own topic all the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 1 << 12
#: Filled beyond this share it is doubled, as few places may be wanted by two: at two thirds finding took twice as long.
_FILLED = 1 / 3
_EMPTY = 0


class RouteTable:
    """Codes by topic, ``unknown`` for a topic that has none. Places are looked for one after another from the hash."""

    def __init__(self, unknown: int) -> None:
        self._unknown = unknown
        self.clear()

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """No topic has a code."""
        self._codes = np.array([self._unknown], np.int64)
        self._count = 0
        self._make(_SMALLEST)

    def find(self, topics: Iterable[bytes], count: int) -> NDArray[np.int64]:
        """``(count,)`` the code of each of so many topics."""
        keys = np.fromiter(map(hash, topics), np.int64, count)
        place = keys & self._mask
        found = self._kinds[place]
        others = np.flatnonzero((self._keys[place] != keys) & (found != _EMPTY))
        while len(others):
            at = place[others] = (place[others] + 1) & self._mask
            found[others] = self._kinds[at]
            others = others[(self._keys[at] != keys[others]) & (self._kinds[at] != _EMPTY)]
        codes: NDArray[np.int64] = self._codes[found]
        return codes

    def learn(self, topic: bytes, code: int) -> None:
        """A topic that has no code has this one."""
        if self._count >= len(self._keys) * _FILLED:
            self._grow()
        kinds = np.flatnonzero(self._codes == code)
        if not len(kinds):
            self._codes = np.append(self._codes, code)
        key = hash(topic)
        place = key & self._mask
        while self._kinds[place] != _EMPTY:
            place = (place + 1) & self._mask
        self._keys[place] = key
        self._kinds[place] = kinds[0] if len(kinds) else len(self._codes) - 1
        self._count += 1

    def _make(self, size: int) -> None:
        self._keys = np.zeros(size, np.int64)
        self._kinds = np.zeros(size, np.uint16)  # places in `_codes`, of which there are a dozen
        self._mask = size - 1

    def _grow(self) -> None:
        there = self._kinds != _EMPTY
        keys, kinds = self._keys[there], self._kinds[there]
        self._make(2 * len(self._keys))
        place = keys & self._mask
        left = np.arange(len(keys))
        while len(left):  # the first of those that want a place has it, where it is free; the others try the next
            wanted, first = np.unique(place[left], return_index=True)
            first = first[self._kinds[wanted] == _EMPTY]
            row = left[first]
            self._keys[place[row]], self._kinds[place[row]] = keys[row], kinds[row]
            left = np.delete(left, first)
            place[left] = (place[left] + 1) & self._mask
