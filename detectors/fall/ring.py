"""The last seconds of every device, at 50 Hz, in one array."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from detectors.arrays import enlarged, kept, lasting
from detectors.fall.windows import MISSING, Counts

#: Samples per second inside the detector. Falls have little above 15 Hz, and the recordings learned from have 50 Hz.
FS_HZ = 50
STEP_MS = 1000.0 / FS_HZ
#: 7 s: 4 s before an impact, the decision 2 s after it, and a frame of 1 s on top. A multiple of a frame of 1 s, so
#: that such frames are written as blocks. Of a district each second is 10 MB.
LENGTH = 350

Rows = NDArray[np.intp]
#: Samples of windows: window by window, place by place.
_Absent = tuple[NDArray[np.intp], NDArray[np.intp]]


class Ring:
    """Circular storage of ``rows`` streams; sample ``i`` of a stream lies at ``i % LENGTH``.

    The gyroscope's array is made when the first sample of one arrives. Sample numbers count up for ever and never go
    back, so that a window that reaches behind the start of a stream or ahead of its end comes back with gaps.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.acc: Counts = np.zeros((0, LENGTH, 3), np.int16)
        self.gyr: Counts | None = None
        self.head: NDArray[np.int64] = np.zeros(0, np.int64)  # number of the next sample
        self.start: NDArray[np.int64] = np.zeros(0, np.int64)  # number of the stream's first sample

    def grow(self, rows: int) -> None:
        """Make room for ``rows`` streams in all."""
        if rows > len(self.acc):
            room = max(rows, 64, len(self.acc) * 3 // 2)
            self.acc, self.head, self.start = (enlarged(one, room) for one in (self.acc, self.head, self.start))
            if self.gyr is not None:
                self.gyr = enlarged(self.gyr, room, MISSING)
        self.rows = max(self.rows, rows)

    def restart(self, rows: Rows) -> None:
        """Forget what ``rows`` hold; their sample numbers go on."""
        self.start[rows] = self.head[rows]

    def append(self, rows: Rows, acc: Counts, gyr: Counts | None) -> None:
        """Add ``(m, n, 3)`` counts to m different rows, n at most LENGTH."""
        if gyr is not None and self.gyr is None:
            self.gyr = lasting(self.acc.shape, np.int16, MISSING)
        n = acc.shape[1]
        at = self.head[rows] % LENGTH
        if n and not LENGTH % n and not (at % n).any():
            block = rows * (LENGTH // n) + at // n
            self.acc.reshape(-1, n, 3)[block] = acc
            if self.gyr is not None:
                self.gyr.reshape(-1, n, 3)[block] = MISSING if gyr is None else gyr
        else:
            index = (at[:, None] + np.arange(n)) % LENGTH
            self.acc[rows[:, None], index] = acc
            if self.gyr is not None:
                self.gyr[rows[:, None], index] = MISSING if gyr is None else gyr
        self.head[rows] += n

    def window(self, rows: Rows, first: NDArray[np.int64], n: int) -> tuple[Counts, Counts | None]:
        """Samples ``first .. first + n - 1`` of each row, ``(k, n, 3)``: acceleration, and turning if there is any."""
        index, absent = self._find(rows, first, n)
        acc = _taken(self.acc, index, absent)
        return acc, None if self.gyr is None else _taken(self.gyr, index, absent)

    def acceleration(self, rows: Rows, first: NDArray[np.int64], n: int) -> Counts:
        """That of a :meth:`window`."""
        return _taken(self.acc, *self._find(rows, first, n))

    def stretch(self, row: int, first: int, n: int) -> tuple[Counts, Counts | None]:
        """Samples ``first .. first + n - 1`` of one row, ``(n, 3)`` each; none of them lies ahead of its end."""
        index = _places(n)[first % LENGTH]
        absent = max(int(self.start[row]), int(self.head[row]) - LENGTH) - first
        acc = self.acc[row, index]
        acc[: max(0, absent)] = MISSING
        if self.gyr is None:
            return acc, None
        gyr = self.gyr[row, index]
        gyr[: max(0, absent)] = MISSING
        return acc, gyr

    def _find(self, rows: Rows, first: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], _Absent | None]:
        """Where the samples of windows lie, ``(k, n)``, and which of them are not there."""
        index = _places(n)[first % LENGTH]
        index += (rows * LENGTH)[:, None]
        head = self.head[rows]
        start = np.maximum(self.start[rows], head - LENGTH)
        partly = np.flatnonzero((first < start) | (first + n > head))
        if not len(partly):
            return index, None
        number = first[partly, None] + np.arange(n)
        which, where = np.nonzero((number >= head[partly, None]) | (number < start[partly, None]))
        return index, (partly[which], where)

    def state(self, *, copies: bool = True) -> dict[str, Any]:
        """Copies of everything; without ``copies`` the samples themselves, which the next ones overwrite."""
        n = self.rows
        acc, gyr = self.acc[:n], None if self.gyr is None else self.gyr[:n]
        return {
            "acc": acc.copy() if copies else acc,
            "gyr": gyr.copy() if copies and gyr is not None else gyr,
            "head": self.head[:n].copy(),
            "start": self.start[:n].copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.head = np.array(state["head"], np.int64)
        self.acc = _circled(state["acc"], self.head)
        self.gyr = None if state["gyr"] is None else _circled(state["gyr"], self.head)
        self.start = np.array(state["start"], np.int64)
        if (length := state["acc"].shape[1]) < LENGTH:
            np.maximum(self.start, self.head - length, out=self.start)
        self.rows = len(self.acc)


def _taken(samples: Counts, index: NDArray[np.int64], absent: _Absent | None) -> Counts:
    taken: Counts = samples.reshape(-1, 3).take(index, axis=0)
    if absent is not None:
        taken[absent] = MISSING
    return taken


#: Where samples lie, twice round the ring and more.
_CIRCLE = np.arange(4 * LENGTH) % LENGTH


@lru_cache(maxsize=64)
def _places(n: int) -> NDArray[np.int64]:
    """``(LENGTH, n)``: where n samples lie, by where the first of them does; a view."""
    return as_strided(_CIRCLE, (LENGTH, n), _CIRCLE.strides * 2, writeable=False)


def _circled(saved: Counts, head: NDArray[np.int64]) -> Counts:
    """The samples of a state; one of another release may have rings of another length, of which the newest are left."""
    length = saved.shape[1]
    if length == LENGTH:
        return kept(saved, np.int16)
    out: Counts = lasting((len(saved), LENGTH, 3), np.int16)
    back = np.arange(1, min(length, LENGTH) + 1)
    for row, end in enumerate(head.tolist()):
        out[row, (end - back) % LENGTH] = saved[row, (end - back) % length]
    return out
