"""How long somebody takes from door to door: distance, detour, speed and the time until they move. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Mean radius of the earth, R1 (IUGG).
EARTH_M = 6_371_008.8
#: At the door within a quarter of an hour.
WITHIN_S = 900.0


@dataclass(frozen=True, slots=True)
class Means:
    """A means of travel.

    Attributes:
        speed_mps: on the way, in a city, waiting at crossings included.
        detour: length of the way over that of the straight line. For a car what F. P. Boscoe et al. found on average
            from homes to hospitals (The Professional Geographer 64, 2012); less on foot, where every passage is open.
        start_s: from the call until they move: coat, bag, stairs, and for a car the way to where it stands.
        profile: what a server of routes calls it.
    """

    speed_mps: float
    detour: float
    start_s: float
    profile: str


#: Cautious figures for a Chinese city: too slow a guess calls somebody else as well, too fast a one leaves a person
#: waiting.
MEANS: dict[str, Means] = {
    "walk": Means(speed_mps=1.2, detour=1.3, start_s=90.0, profile="foot"),
    "bicycle": Means(speed_mps=3.5, detour=1.35, start_s=150.0, profile="bike"),
    "ebike": Means(speed_mps=5.0, detour=1.35, start_s=150.0, profile="bike"),
    "car": Means(speed_mps=6.0, detour=1.42, start_s=240.0, profile="car"),
}
#: Whose means nobody has written down is taken to go on foot.
UNKNOWN = "walk"


def means_of(travel: str) -> Means:
    """The figures of a means of travel; of somebody on foot for one that is not known."""
    return MEANS.get(travel) or MEANS[UNKNOWN]


def distance_m(lat: ArrayLike, lon: ArrayLike, other_lat: ArrayLike, other_lon: ArrayLike) -> NDArray[np.float64]:
    """Great-circle distance in m of points in degrees (haversine); arrays broadcast. NaN where a coordinate is."""
    phi, other_phi = np.radians(lat), np.radians(other_lat)
    across = np.sin((other_phi - phi) / 2) ** 2
    along = np.sin(np.radians(np.subtract(other_lon, lon)) / 2) ** 2
    half: Any = across + np.cos(phi) * np.cos(other_phi) * along
    return np.asarray(2 * EARTH_M * np.arcsin(np.sqrt(np.minimum(half, 1.0))), dtype=np.float64)


def travel_s(metres: ArrayLike, means: Means) -> NDArray[np.float64]:
    """Seconds from the call to the door over a straight line of ``metres``."""
    return np.asarray(means.start_s + np.multiply(metres, means.detour / means.speed_mps), dtype=np.float64)


def reach_m(means: Means, within_s: float) -> float:
    """The straight line in m that somebody gets along in so many seconds; negative when they cannot even set out."""
    return (within_s - means.start_s) * means.speed_mps / means.detour
