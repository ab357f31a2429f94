"""Who of several can be at a door soonest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from registry.entries import ResponderEntry
from registry.reach.travel import WITHIN_S, distance_m, means_of, travel_s

#: A report of where somebody is says nothing any more after this long: then they are taken to be at their base.
FRESH_MS = 30 * 60_000
#: An estimate is no better than this. Who differs by less is called in the order that was given.
_ALIKE_S = 60.0


class Where(StrEnum):
    """Where somebody is taken to set out from."""

    REPORTED = "reported"
    BASE = "base"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Presence:
    """What a responder reported: where they are (None: they did not say), and whether they can come at all."""

    at_ms: int
    lat: float | None = None
    lon: float | None = None
    available: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who might go, and from where. ``busy`` says with what, "" when with nothing."""

    responder: str
    travel: str = ""
    lat: float | None = None
    lon: float | None = None
    where: Where = Where.UNKNOWN
    busy: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How soon somebody can be at the door.

    ``seconds`` is None when it is not known from where or to where. ``routed``: by a server of routes, not estimated.
    """

    responder: str
    seconds: float | None
    within: bool
    where: Where
    busy: str
    routed: bool = False


def candidate_of(responder: ResponderEntry, presence: Presence | None, now_ms: int, *, busy: str = "") -> Candidate:
    """A responder as they are at ``now_ms``: where they reported to be in the last half hour, or at their base.

    Who reported that they cannot come is busy with that, until they report otherwise.
    """
    if presence is not None and not presence.available:
        busy = busy or "cannot come"
    fresh = presence is not None and 0 <= now_ms - presence.at_ms <= FRESH_MS
    if presence is not None and fresh and presence.lat is not None and presence.lon is not None:
        return Candidate(responder.id, responder.travel, presence.lat, presence.lon, Where.REPORTED, busy)
    if responder.lat is not None and responder.lon is not None:
        return Candidate(responder.id, responder.travel, responder.lat, responder.lon, Where.BASE, busy)
    return Candidate(responder.id, responder.travel, busy=busy)


def rank(
    candidates: Sequence[Candidate],
    lat: float | None,
    lon: float | None,
    *,
    routed_s: Mapping[str, float] | None = None,
    within_s: float = WITHIN_S,
    rated: Mapping[str, float] | None = None,
) -> list[Arrival]:
    """The candidates for a door at ``lat``, ``lon``, nearest first, those who are busy last.

    Somebody of whom it is not known from where they come keeps their place among the others. Arrivals within the same
    minute are alike: there the better of ``rated`` (a score by responder) goes first, who has none as if in the middle
    of those that have one, and then the given order decides. ``routed_s`` has seconds on the way by responder, from a
    server of routes; where it has none they are estimated.
    """
    arrivals = [_arrival(one, lat, lon, routed_s or {}, within_s) for one in candidates]
    free = [one for one in arrivals if not one.busy]
    scores = rated or {}
    return _nearest_first(free, scores) + _nearest_first([one for one in arrivals if one.busy], scores)


def _arrival(
    one: Candidate, lat: float | None, lon: float | None, routed_s: Mapping[str, float], within_s: float
) -> Arrival:
    means = means_of(one.travel)
    if one.lat is None or one.lon is None or lat is None or lon is None:
        return Arrival(one.responder, None, False, one.where, one.busy)
    routed = one.responder in routed_s
    if routed:
        seconds = means.start_s + routed_s[one.responder]
    else:
        seconds = float(travel_s(distance_m(one.lat, one.lon, lat, lon), means))
    return Arrival(one.responder, seconds, seconds <= within_s, one.where, one.busy, routed)


def _nearest_first(arrivals: list[Arrival], rated: Mapping[str, float]) -> list[Arrival]:
    middle = median(rated.values()) if rated else 0.0
    known = iter(
        sorted(
            (one for one in arrivals if one.seconds is not None),
            key=lambda one: ((one.seconds or 0.0) // _ALIKE_S, -rated.get(one.responder, middle)),
        )
    )
    return [one if one.seconds is None else next(known) for one in arrivals]
