"""A set of sequence numbers kept as ranges: what was published, in a few numbers a device."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """Whole numbers in ranges; adding the next one up costs next to nothing."""

    __slots__ = ("_first", "_last")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in ranges:
            self._first.append(first)
            self._last.append(last)

    def add(self, number: int) -> bool:
        """Take ``number`` in; False when it was there already."""
        first, last = self._first, self._last
        if last and number == last[-1] + 1:
            last[-1] = number
            return True
        i = bisect_right(first, number)
        if i and number <= last[i - 1]:
            return False
        joins_left = i > 0 and last[i - 1] == number - 1
        joins_right = i < len(first) and first[i] == number + 1
        if joins_left and joins_right:
            last[i - 1] = last[i]
            del first[i], last[i]
        elif joins_left:
            last[i - 1] = number
        elif joins_right:
            first[i] = number
        else:
            first.insert(i, number)
            last.insert(i, number)
        return True

    def add_run(self, first: int, last: int) -> None:
        """Take in all numbers from ``first`` to ``last``."""
        firsts, lasts = self._first, self._last
        if not lasts or first > lasts[-1] + 1:
            firsts.append(first)
            lasts.append(last)
            return
        begin = bisect_left(lasts, first - 1)  # the first range that touches the run
        end = bisect_right(firsts, last + 1)  # one past the last that does
        if begin < end:
            first, last = min(first, firsts[begin]), max(last, lasts[end - 1])
        firsts[begin:end], lasts[begin:end] = [first], [last]

    def __contains__(self, number: int) -> bool:
        i = bisect_right(self._first, number)
        return i > 0 and number <= self._last[i - 1]

    def __iter__(self) -> Iterator[int]:
        for first, last in self.pairs():
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.pairs())

    def pairs(self) -> list[tuple[int, int]]:
        """(first, last) of each range, rising."""
        return list(zip(self._first, self._last, strict=True))
