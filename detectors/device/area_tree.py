"""Which devices share an area, and a home within it: a tree whose leaves hold rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.device.columns import Rows

_NO_PARENT = -1


class Place(NamedTuple):
    """An area (dotted path), or the home of a person in it."""

    area: str
    person: str = ""


class _Walk(NamedTuple):
    """A way through all places. ``enters`` and ``leaves`` each, ``(places,)``; the rows by when their place is entered,
    and when that is, ``(n,)``."""

    enters: NDArray[np.int32]
    leaves: NDArray[np.int32]
    entered: NDArray[np.int32]
    rows: Rows


class AreaTree:
    """Areas and homes by number, and the rows below each.

    Attributes:
        places: by number.
        parents: the number of the place around each.
        children: the places within a place, where there are any.
        of_row: the place of each row.
    """

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.parents: list[int] = []
        self.children: dict[int, list[int]] = {}
        self.of_row: list[int] = []
        self._numbers: dict[Place, int] = {}
        self._walked: _Walk | None = None

    def place(self, row: int, area: str, person: str | None) -> None:
        """Put a row, the next one or one that is there, into its home or area."""
        node = self.number(Place(area, person or ""))
        if row == len(self.of_row):
            self.of_row.append(node)
        elif self.of_row[row] == node:
            return
        self.of_row[row] = node
        self._walked = None

    def number(self, place: Place) -> int:
        """The number of a place, made with all places above it when it is new."""
        known = self._numbers.get(place)
        if known is not None:
            return known
        parent = _NO_PARENT
        if place.person:
            parent = self.number(Place(place.area))
        elif "." in place.area:
            parent = self.number(Place(place.area.rpartition(".")[0]))
        node = self._numbers[place] = len(self.places)
        self.places.append(place)
        self.parents.append(parent)
        if parent != _NO_PARENT:
            self.children.setdefault(parent, []).append(node)
        self._walked = None
        return node

    def above(self, node: int) -> list[int]:
        """The place and all places around it, smallest first."""
        path = []
        while node != _NO_PARENT:
            path.append(node)
            node = self.parents[node]
        return path

    def nodes(self, rows: Rows) -> Rows:
        """``(m,)``: the home or area of each row."""
        of_row = self.of_row
        return np.array([of_row[row] for row in rows.tolist()], np.intp)

    def rows(self, node: int) -> Rows:
        """The rows in a place and below it."""
        if self._walked is None:
            self._walked = self._walk()
        walked = self._walked
        first, end = np.searchsorted(walked.entered, (walked.enters[node], walked.leaves[node]))
        return walked.rows[first:end]

    def _walk(self) -> _Walk:
        """Every place before those within it: what lies in one lies together, and none needs a list of its own."""
        enters, leaves = (np.zeros(len(self.places), np.int32) for _ in range(2))
        count = 0
        left = [node for node, parent in enumerate(self.parents) if parent == _NO_PARENT]
        while left:
            node = left.pop()
            if node < 0:
                leaves[~node] = count
                continue
            enters[node] = count
            count += 1
            left.append(~node)
            left += self.children.get(node, ())
        entered = enters[np.array(self.of_row, np.intp)]
        rows = np.argsort(entered, kind="stable")
        return _Walk(enters, leaves, entered[rows], rows)
