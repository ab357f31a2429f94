"""Which devices share an area, and a home within it: a tree whose leaves hold rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.device.columns import Rows

_NO_PARENT = -1


class Place(NamedTuple):
    """An area (dotted path), or the home of a person in it."""

    area: str
    person: str = ""


class AreaTree:
    """Areas and homes by number, and the rows below each."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.parents: list[int] = []
        self.children: list[list[int]] = []
        self.of_row: list[int] = []
        self._numbers: dict[Place, int] = {}
        self._below: dict[int, Rows] = {}
        self._own: dict[int, list[int]] | None = None

    def place(self, row: int, area: str, person: str | None) -> None:
        """Put a row, the next one or one that is there, into its home or area."""
        node = self.number(Place(area, person or ""))
        if row == len(self.of_row):
            self.of_row.append(node)
        elif self.of_row[row] == node:
            return
        self.of_row[row] = node
        self._below.clear()
        self._own = None

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
        self.children.append([])
        if parent != _NO_PARENT:
            self.children[parent].append(node)
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
        found = self._below.get(node)
        if found is None:
            if self._own is None:
                self._own = {}
                for row, its in enumerate(self.of_row):
                    self._own.setdefault(its, []).append(row)
            own = np.array(self._own.get(node, ()), np.intp)
            found = self._below[node] = np.concatenate([own, *(self.rows(child) for child in self.children[node])])
        return found
