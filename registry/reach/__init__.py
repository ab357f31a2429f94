"""Reach: who of those on call can be at the door in time, and whom nobody can reach."""

from __future__ import annotations

from registry.reach.arrival import FRESH_MS, Arrival, Candidate, Presence, Where, candidate_of, rank
from registry.reach.coverage import Reach, Unreached, unreached
from registry.reach.now import Homes
from registry.reach.osrm import Osrm
from registry.reach.travel import WITHIN_S, Means, distance_m, travel_s

__all__ = [
    "FRESH_MS",
    "WITHIN_S",
    "Arrival",
    "Candidate",
    "Homes",
    "Means",
    "Osrm",
    "Presence",
    "Reach",
    "Unreached",
    "Where",
    "candidate_of",
    "distance_m",
    "rank",
    "travel_s",
    "unreached",
]
