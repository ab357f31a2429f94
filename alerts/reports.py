"""Points about incidents and areas for the journal `reports`. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from alerts.lifecycle import Incident, State
from registry import Directory
from registry.reach import Candidate, Homes, Presence, candidate_of
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
            "outcome": [_outcome(incident) if state is State.RESOLVED else None for state in path],
            "since_open_s": np.full(n, (now_ms - incident.opened_ms) / 1000.0),
        },
    )


def _outcome(incident: Incident) -> str | None:
    return None if incident.outcome is None else incident.outcome.value


def _fraction_ns(incident: str, transition: int) -> int:
    digest = hashlib.blake2b(f"{incident}\0{transition}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _NS_PER_MS


class AreaWatch:
    """The state of the areas, minute by minute; where people live is worked out once for a revision of the registry."""

    def __init__(self) -> None:
        self._revision = -1
        self._people: Counter[str] = Counter()
        self._homes = Homes()

    def points(
        self, known: Directory, open_by_area: Mapping[str, int], reported: Mapping[str, Presence], at_ms: int
    ) -> PointBatch:
        """The state of every area at ``at_ms``: people and open incidents of the area itself (not of those below it),
        how many are on call in its own order, and how many of its people nobody on call there or above, with a channel,
        can be with in 15 minutes from where they are ``reported`` to be, or from their base (``uncovered``)."""
        if known.revision != self._revision:
            self._people = Counter(person.area for person in known.people.values())
            self._homes = Homes(known.people.values())
            self._revision = known.revision
        areas = sorted(known.areas)
        on = {area: [duty.responder for duty in on_call(known.rosters, area, at_ms)] for area in areas}
        able = {area: _able(known, names, reported, at_ms) for area, names in on.items()}
        uncovered = self._homes.uncovered(able)
        columns: dict[str, Mapping[str, int]] = {
            "people": self._people,
            "open_incidents": open_by_area,
            "on_call": {area: len(names) for area, names in on.items()},
            "uncovered": uncovered,
        }
        return PointBatch(
            "area_state",
            np.full(len(areas), at_ms * _NS_PER_MS, dtype=np.int64),
            tags={"area": areas},
            fields={
                name: np.array([column.get(area, 0) for area in areas], dtype=np.float64)
                for name, column in columns.items()
            },
        )


def _able(known: Directory, names: Iterable[str], reported: Mapping[str, Presence], at_ms: int) -> list[Candidate]:
    found = []
    for name in names:
        entry = known.responders.get(name)
        if entry is not None and entry.channels:
            found.append(candidate_of(entry, reported.get(name), at_ms))
    return found
