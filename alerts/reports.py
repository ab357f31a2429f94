"""Points about incidents and areas for the journal `reports`. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

import numpy as np

from alerts.lifecycle import Incident, State
from registry import Directory
from registry.rosters import on_call
from telemetry.records import PointBatch

_NS_PER_MS = 1_000_000


def incident_points(incident: Incident, states: Iterable[State], now_ms: int) -> PointBatch:
    """One point for each state gone through, the last of them being ``incident.state``.

    The nanoseconds within ``now_ms`` are a hash of the incident and its transition: two transitions within one
    millisecond stay two points, and the same one written again replaces itself.
    """
    path = list(states)
    first = incident.transitions - len(path) + 1
    n = len(path)
    return PointBatch(
        "incident",
        np.array([now_ms * _NS_PER_MS + _fraction_ns(incident.id, first + i) for i in range(n)], dtype=np.int64),
        tags={"person": [incident.person or ""] * n, "area": [incident.area] * n, "kind": [incident.kind] * n},
        fields={
            "incident": [incident.id] * n,
            "state": [state.value for state in path],
            "severity": [incident.severity.value] * n,
            "since_open_s": np.full(n, (now_ms - incident.opened_ms) / 1000.0),
        },
    )


def _fraction_ns(incident: str, transition: int) -> int:
    digest = hashlib.blake2b(f"{incident}\0{transition}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _NS_PER_MS


def area_points(directory: Directory, open_by_area: dict[str, int], now_ms: int) -> PointBatch:
    """The state of every area at ``now_ms``: people and open incidents of the area itself (not of those below it), and
    how many are on call in its own order."""
    areas = sorted(directory.areas)
    people = Counter(person.area for person in directory.people.values())
    return PointBatch(
        "area_state",
        np.full(len(areas), now_ms * _NS_PER_MS, dtype=np.int64),
        tags={"area": areas},
        fields={
            "people": np.array([people[area] for area in areas], dtype=np.float64),
            "open_incidents": np.array([open_by_area.get(area, 0) for area in areas], dtype=np.float64),
            "on_call": np.array([len(on_call(directory.rosters, area, now_ms)) for area in areas], dtype=np.float64),
        },
    )
