"""Who is called for a person now: those on call, of one layer of one area the nearest first and the busy last."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, select

from alerts import models
from alerts.calling import Round
from alerts.lifecycle import TAKEN
from alerts.policy import Policy
from alerts.stepping import OnCall, by_steps
from registry import Directory, ResponderEntry
from registry.presence import presences
from registry.reach import Arrival, Candidate, candidate_of, rank
from registry.rosters import OnDuty, on_call
from registry.routes import known_ways

#: Who took an incident longer ago than this, and never said what became of it, is not busy with it any more.
_BUSY_MS = 2 * 3_600_000


def calls_for(
    connection: Connection,
    directory: Directory,
    area: str,
    person: str | None,
    now_ms: int,
    *,
    incident: str | None = None,
    told: frozenset[str] = frozenset(),
    policy: Policy | None = None,
) -> Round:
    """A round of calls for a person of ``area``; the district desk's for an area that the registry does not have.

    The tiers stay in their order, and in each the layers of its rosters; only within a layer the nearest goes first.
    Nobody is busy with ``incident`` itself. The steps of ``policy`` choose among these.
    """
    duties = _duties(directory, area, now_ms)
    groups = [list(group) for _, group in groupby(duties, key=lambda duty: (duty.area, duty.layer))]
    choosable = [duty.responder for group in groups for duty in group if len(group) > 1]
    candidates = _candidates(connection, directory, choosable, incident, now_ms) if choosable else {}
    door = _door(directory, person)
    routed_s = known_ways(connection, candidates.values(), *door) if candidates and door is not None else {}
    order: list[ResponderEntry] = []
    said: dict[str, dict[str, Any]] = {}
    for group in groups:
        ids = [duty.responder for duty in group]
        for duty in group:
            said[duty.responder] = {"roster": duty.roster, "layer": duty.layer} if duty.roster else {}
        if len(group) > 1:
            arrivals = rank([candidates[one] for one in ids], *(door or (None, None)), routed_s=routed_s)
            ids = [arrival.responder for arrival in arrivals]
            for arrival in arrivals:
                said[arrival.responder] |= _said(arrival)
        order += [directory.responders[one] for one in ids]
    calls = Round(order, told, said)
    return calls if policy is None or not policy.steps else _by_policy(policy, calls, duties, directory, area, now_ms)


def _by_policy(
    policy: Policy, calls: Round, duties: list[OnDuty], directory: Directory, area: str, now_ms: int
) -> Round:
    duty_of = {duty.responder: duty for duty in duties}
    on_call = [
        OnCall(responder, _tier(duty_of[responder.id].area, area, directory.root), duty_of[responder.id].layer)
        for responder in calls.order
    ]
    workday = directory.policies.is_workday(area, policy.zone, now_ms)
    return by_steps(policy, calls, on_call, directory.responders, workday=workday)


def _tier(tier: str, area: str, root: str | None) -> str:
    if tier == root:
        return "desk"
    return "own" if tier == area else "above"


def _duties(directory: Directory, area: str, now_ms: int) -> list[OnDuty]:
    if area in directory.areas:
        found: Iterable[OnDuty] = directory.on_duty(area, now_ms)
    else:
        found = on_call(directory.rosters, directory.root, now_ms) if directory.root is not None else ()
    return [duty for duty in found if duty.responder in directory.responders]


def _busy(connection: Connection, responders: Collection[str], incident: str | None, now_ms: int) -> dict[str, str]:
    """The incident that each of some responders has taken and not closed."""
    table = models.incident
    query = select(table.c.acknowledged_by, table.c.id).where(
        table.c.state.in_([state.value for state in TAKEN]),
        table.c.acknowledged_by.in_(responders),
        table.c.acknowledged_ms > now_ms - _BUSY_MS,
    )
    return {who: taken for who, taken in connection.execute(query) if taken != incident}


def _candidates(
    connection: Connection, directory: Directory, responders: Collection[str], incident: str | None, now_ms: int
) -> dict[str, Candidate]:
    busy = _busy(connection, responders, incident, now_ms)
    reported = presences(connection, responders)
    return {
        one: candidate_of(directory.responders[one], reported.get(one), now_ms, busy=busy.get(one, ""))
        for one in responders
    }


def _door(directory: Directory, person: str | None) -> tuple[float, float] | None:
    entry = directory.person(person) if person is not None else None
    if entry is None or entry.lat is None or entry.lon is None:
        return None
    return entry.lat, entry.lon


def _said(arrival: Arrival) -> dict[str, Any]:
    """What the time line says of why somebody was called then."""
    said: dict[str, Any] = {}
    if arrival.seconds is not None:
        said |= {
            "travel_s": round(arrival.seconds),
            "from": arrival.where.value,
            "by": "route" if arrival.routed else "estimate",
        }
    return said | ({"busy": arrival.busy} if arrival.busy else {})
