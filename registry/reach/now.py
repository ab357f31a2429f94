"""How many people nobody who is on call now can reach in time, by area. Pure; no loop over people.

Whether somebody is within reach is a limit on the straight line, and so on the angle at the middle of the earth: one
product of unit vectors for all people of an area and all who are on call there. At 15 minutes' distance that is exact
to less than a millimetre.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from registry.entries import PersonEntry, parent_of
from registry.reach.arrival import Candidate
from registry.reach.travel import EARTH_M, WITHIN_S, means_of, reach_m

#: People at once, so that the products stay in the processor's cache.
_AT_ONCE = 1024


class Homes:
    """Where everybody lives, by area: made once for a revision of the registry, and asked every minute."""

    def __init__(self, people: Iterable[PersonEntry] = ()) -> None:
        """People without coordinates are in no area: of them nobody can tell."""
        places: dict[str, list[tuple[float, float]]] = {}
        for person in people:
            if person.lat is not None and person.lon is not None:
                places.setdefault(person.area, []).append((person.lat, person.lon))
        self._vectors = {area: _vectors(*np.array(rows, np.float64).T) for area, rows in places.items()}

    def uncovered(self, on_call: Mapping[str, Sequence[Candidate]], *, within_s: float = WITHIN_S) -> dict[str, int]:
        """The number of people with coordinates whom nobody can reach, for each area where such people live.

        Args:
            on_call: who is on call in each area's own order, as they are now. For a person those of their area and of
                every one above it can come; who is busy cannot.
            within_s: seconds from the call to the door.
        """
        return {area: int(alone.sum()) for area, alone in self.alone(on_call, within_s=within_s).items()}

    def alone(
        self, on_call: Mapping[str, Sequence[Candidate]], *, within_s: float = WITHIN_S
    ) -> dict[str, NDArray[np.bool_]]:
        """Whom nobody can reach: for each area (n,) bool, in the order in which its people with coordinates came.

        ``on_call`` and ``within_s`` as in :meth:`uncovered`.
        """
        own = {area: _reaches(candidates, within_s) for area, candidates in on_call.items()}
        return {area: _alone(homes, *_together(area, own)) for area, homes in self._vectors.items()}


_Reaches = tuple[NDArray[np.float64], NDArray[np.float64]]
_NOBODY: _Reaches = (np.zeros((0, 3)), np.zeros(0))


def _reaches(candidates: Iterable[Candidate], within_s: float) -> _Reaches:
    """(k, 3) unit vectors of where they are, (k,) the least cosine at which they are in time."""
    rows: list[tuple[float, float, float]] = []
    for one in candidates:
        metres = reach_m(means_of(one.travel), within_s)
        if one.lat is not None and one.lon is not None and not one.busy and metres >= 0:
            rows.append((one.lat, one.lon, metres))
    if not rows:
        return _NOBODY
    lat, lon, metres_of = np.array(rows, np.float64).T
    return _vectors(lat, lon), np.cos(np.minimum(metres_of / EARTH_M, np.pi))


def _together(area: str, own: Mapping[str, _Reaches]) -> _Reaches:
    tiers: list[_Reaches] = []
    above: str | None = area
    while above is not None:
        tiers.append(own.get(above, _NOBODY))
        above = parent_of(above)
    return np.concatenate([one[0] for one in tiers]), np.concatenate([one[1] for one in tiers])


def _alone(homes: NDArray[np.float64], where: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.bool_]:
    alone = np.ones(len(homes), dtype=np.bool_)
    for start in range(0, len(homes), _AT_ONCE):
        near = homes[start : start + _AT_ONCE] @ where.T >= least
        alone[start : start + _AT_ONCE] = ~near.any(axis=1)
    return alone


def _vectors(lat: ArrayLike, lon: ArrayLike) -> NDArray[np.float64]:
    """(n, 3) unit vectors of points in degrees."""
    phi, lam = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
