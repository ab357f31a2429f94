"""A schematic map from coordinates: people as points, or many of them as hexagons, and who is on call. Pure.

No streets: north is up, a degree of longitude is as long as in the middle of the map, and a bar says how far it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.reach.travel import EARTH_M

WIDTH = 640.0
_MARGIN = 34.0
_LOWEST, _HIGHEST = 340.0, 640.0
#: The map shows at least so much of the earth, so that three people of one house are not a map of their flats.
_LEAST_M = 300.0
#: From so many people on they are counted in hexagons.
POINTS_AT_MOST = 250
#: From the middle of a hexagon to its corners.
_HEX = 13.0
LEVELS = 4
#: With fewer points there is no telling which of them is far off by mistake.
_ENOUGH = 20
_FAR = 1.5
_LABEL_W, _LABEL_H = 15.0, 34.0
_LABELS = 14
_LABEL_LENGTH = 14


@dataclass(frozen=True, slots=True)
class Person:
    """Where somebody lives, in degrees, and whether nobody reaches them in time."""

    lat: float
    lon: float
    alone: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Something with a name at a place in degrees. ``able``: of a responder, whether they can come."""

    name: str
    lat: float
    lon: float
    able: bool = True


@dataclass(frozen=True, slots=True)
class Hexagon:
    """So many people live here; ``level`` from 1 to ``LEVELS`` says how dark it is."""

    corners: str
    level: int
    count: int


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the map: of a person, of somebody on call, of people nobody reaches (``count``), of a name."""

    x: float
    y: float
    name: str = ""
    count: int = 1
    able: bool = True

    @property
    def triangle(self) -> str:
        """The corners of the sign for people whom nobody reaches, larger for more of them."""
        size = min(8.0 + 1.5 * math.log2(self.count), 14.0)
        return f"{self.x:.1f},{self.y - size:.1f} {self.x + size:.1f},{self.y + size * 0.8:.1f} " + (
            f"{self.x - size:.1f},{self.y + size * 0.8:.1f}"
        )


@dataclass(frozen=True, slots=True)
class Map:
    """What the template draws, in units of a drawing ``WIDTH`` wide. ``outside`` counts who lies too far off to be on
    it. ``bar`` is the length of the scale, ``bar_m`` how many metres that is; ``most`` the people of the fullest
    hexagon."""

    height: float
    hexagons: tuple[Hexagon, ...]
    people: tuple[Spot, ...]
    alone: tuple[Spot, ...]
    responders: tuple[Spot, ...]
    labels: tuple[Spot, ...]
    bar: float
    bar_m: int
    most: int
    outside: int

    @property
    def width(self) -> float:
        """The same of every map."""
        return WIDTH


def draw(
    places: NDArray[np.float64], alone: NDArray[np.bool_], responders: Sequence[Mark], areas: Sequence[Mark]
) -> Map | None:
    """The map of people at ``places``, (n, 2) latitude and longitude in degrees, ``alone`` (n,) whom nobody reaches.

    None when nobody and nothing has a place.
    """
    own = np.array([(mark.lat, mark.lon) for mark in responders], np.float64).reshape(-1, 2)
    every = np.concatenate([places, own])
    if not len(every):
        return None
    inside = _near(every)
    project = _Projection(every[inside])
    xy = project(places)
    here = inside[: len(places)]
    counted = here.sum() > POINTS_AT_MOST
    hexagons, lost = _hexagons(xy[here], alone[here]) if counted else ((), _spots(xy[here & alone]))
    return Map(
        height=project.height,
        hexagons=hexagons,
        people=() if counted else _spots(xy[here & ~alone]),
        alone=lost,
        responders=tuple(
            Spot(x, y, mark.name, able=mark.able)
            for mark, (x, y), there in zip(responders, project(own).tolist(), inside[len(places) :], strict=True)
            if there
        ),
        labels=_labels(areas, project),
        bar=project.bar[0],
        bar_m=project.bar[1],
        most=max((one.count for one in hexagons), default=0),
        outside=int((~inside).sum()),
    )


class _Projection:
    """Degrees to the drawing: equirectangular about the middle."""

    def __init__(self, degrees: NDArray[np.float64]) -> None:
        low, high = degrees.min(axis=0), degrees.max(axis=0)
        self._middle = (low + high) / 2
        metre = math.radians(1) * EARTH_M
        self._metres = np.array([metre, metre * max(math.cos(math.radians(self._middle[0])), 0.01)])
        tall_m, wide_m = np.maximum((high - low) * self._metres, _LEAST_M)
        fitting = (WIDTH - 2 * _MARGIN) / wide_m
        self.height = float(np.clip(tall_m * fitting + 2 * _MARGIN, _LOWEST, _HIGHEST))
        self._scale = float(min(fitting, (self.height - 2 * _MARGIN) / tall_m))

    def __call__(self, degrees: NDArray[np.float64]) -> NDArray[np.float64]:
        metres = (degrees - self._middle) * self._metres * self._scale
        return np.stack([WIDTH / 2 + metres[:, 1], self.height / 2 - metres[:, 0]], axis=-1)

    @property
    def bar(self) -> tuple[float, int]:
        """Length and metres of the scale: 1, 2 or 5 of a power of ten, about a fifth of the width."""
        wanted_m = WIDTH / 5 / self._scale
        power = 10.0 ** math.floor(math.log10(wanted_m))
        metres = next(step * power for step in (5, 2, 1) if step * power <= wanted_m)
        return metres * self._scale, round(metres)


def _near(degrees: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which lie among the others: one with swapped or absent coordinates must not shrink everything to a dot."""
    if len(degrees) < _ENOUGH:
        return np.ones(len(degrees), np.bool_)
    low, high = np.percentile(degrees, [2, 98], axis=0)
    slack = np.maximum((high - low) * _FAR, 0.02)
    near: NDArray[np.bool_] = ((degrees >= low - slack) & (degrees <= high + slack)).all(axis=1)
    return near


def _spots(xy: NDArray[np.float64]) -> tuple[Spot, ...]:
    return tuple(Spot(x, y) for x, y in xy.tolist())


def _hexagons(xy: NDArray[np.float64], alone: NDArray[np.bool_]) -> tuple[tuple[Hexagon, ...], tuple[Spot, ...]]:
    cells, which = np.unique(_cells(xy), axis=0, return_inverse=True)
    which = which.reshape(-1)
    counts = np.bincount(which, minlength=len(cells))
    lost = np.bincount(which, weights=alone, minlength=len(cells)).astype(int)
    most = int(counts.max())
    hexagons: list[Hexagon] = []
    spots: list[Spot] = []
    for (q, r), count, without in zip(cells.tolist(), counts.tolist(), lost.tolist(), strict=True):
        x, y = _HEX * math.sqrt(3) * (q + r / 2), _HEX * 1.5 * r
        hexagons.append(Hexagon(_corners(x, y), math.ceil(LEVELS * count / most), count))
        if without:
            spots.append(Spot(x, y, count=without))
    return tuple(hexagons), tuple(spots)


def _cells(xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n, 2) axial coordinates of the hexagon of each point, rounded as cubes are."""
    r = xy[:, 1] / (_HEX * 1.5)
    q = xy[:, 0] / (_HEX * math.sqrt(3)) - r / 2
    cube = np.stack([q, r, -q - r], axis=-1)
    near = np.round(cube)
    off = np.abs(near - cube)
    widest = off.argmax(axis=1)
    rows = np.arange(len(near))
    near[rows, widest] = -(near.sum(axis=1) - near[rows, widest])
    return near[:, :2].astype(np.int64)


def _corners(x: float, y: float) -> str:
    turns = [math.radians(60 * corner - 30) for corner in range(6)]
    return " ".join(f"{x + _HEX * math.cos(turn):.1f},{y + _HEX * math.sin(turn):.1f}" for turn in turns)


def _labels(areas: Sequence[Mark], project: _Projection) -> tuple[Spot, ...]:
    """The names that fit without lying on each other, in the order given."""
    found: list[tuple[Spot, float]] = []
    for mark in areas:
        if len(found) >= _LABELS:
            break
        ((x, y),) = project(np.array([(mark.lat, mark.lon)])).tolist()
        name = mark.name if len(mark.name) <= _LABEL_LENGTH else mark.name[:_LABEL_LENGTH] + "…"
        half = _LABEL_W * len(name) / 2
        x = min(max(x, half), WIDTH - half)
        if not _MARGIN / 2 <= y <= project.height - _MARGIN / 2:
            continue
        free = all(abs(x - one.x) > half + other or abs(y - one.y) > _LABEL_H for one, other in found)
        if free:
            found.append((Spot(x, y, name), half))
    return tuple(spot for spot, _ in found)
