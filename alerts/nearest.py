"""Who is called for a person now: those on call, of one layer of one area the nearest first and the busy last."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from alerts.calling import Round
from alerts.policy import IMMEDIATE, Policy
from alerts.stepping import OnCall, PersonContact, by_steps
from alerts.surroundings import Surroundings
from registry import ContactEntry, Directory, ResponderEntry
from registry.contacts import NEARBY
from registry.policies import VOLUNTEER
from registry.reach import Arrival, Candidate, candidate_of, rank
from registry.rosters import OnDuty, Rosters, hand_overs, on_call
from registry.routes import way_of

#: How far ahead it is looked for somebody who comes on call: it is tried again before that in any case.
_AHEAD_MS = 4 * 3_600_000


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
    around: Surroundings | None = None,
) -> Round:
    """A round of calls for a person of ``area``; the district desk's for an area that the registry does not have.

    The tiers stay in their order, and in each the layers of its rosters; only within a layer the nearest goes first.
    Nobody is busy with ``incident`` itself. The steps of ``policy`` choose among these and the person's contacts; who
    was told of ``incident`` is not told once more beside the order. ``around``: what is known in this transaction.
    """
    around = around or Surroundings(connection, directory, now_ms)
    duties = around.duties(area, _duties)
    groups = _groups(duties)
    candidates = _candidates(around, directory, _choosable(groups), incident, now_ms)
    door = _door(directory, person)
    routed_s = _routed_s(around, candidates.values(), door)
    order: list[ResponderEntry] = []
    said: dict[str, dict[str, Any]] = {}
    for group in groups:
        ids = [duty.responder for duty in group]
        for duty in group:
            said[duty.responder] = {"roster": duty.roster, "layer": duty.layer} if duty.roster else {}
        if len(group) > 1:
            rated = _rated(directory, ids)
            arrivals = rank([candidates[one] for one in ids], *(door or (None, None)), routed_s=routed_s, rated=rated)
            ids = [arrival.responder for arrival in arrivals]
            for arrival in arrivals:
                said[arrival.responder] |= _said(arrival)
        order += [directory.responders[one] for one in ids]
    nobody = not any(responder.channels for responder in order)
    calls = Round(order, told, said, next_ms=_next_ms(directory, area, now_ms) if nobody else None)
    contacts = _contacts(around, directory, area, person, incident, policy, now_ms)
    if policy is not None and policy.steps:
        calls = _by_policy(policy, calls, duties, directory, area, contacts, now_ms)
    elif contacts:
        calls = by_steps(policy or IMMEDIATE, calls, (), {}, workday=True, contacts=contacts)
    if not calls.beside or incident is None:
        return calls
    before = around.told(incident)
    return replace(calls, beside=tuple(one for one in calls.beside if one.responder.id not in before))


def look_around(
    around: Surroundings,
    directory: Directory,
    calls: Iterable[tuple[str, str | None, Policy | None]],
    now_ms: int,
) -> None:
    """Read at once what :func:`calls_for` will ask for calls for so many areas, people and policies."""
    wanted = []
    for area, person, policy in calls:
        names = _choosable(_groups(around.duties(area, _duties)))
        names += [responder.id for one, responder in _known(directory, area, person, policy) if one.relation in NEARBY]
        wanted.append((names, _door(directory, person)))
    everybody = {name for names, _ in wanted for name in names}
    around.busy(everybody)
    around.presences(everybody)
    around.ways(
        way_of(one, *door)
        for names, door in wanted
        if door is not None
        for one in _candidates(around, directory, names, None, now_ms).values()
        if one.lat is not None and one.lon is not None
    )


def _groups(duties: Iterable[OnDuty]) -> list[list[OnDuty]]:
    """Those among whom the nearest goes first."""
    return [list(group) for _, group in groupby(duties, key=lambda duty: (duty.area, duty.layer))]


def _choosable(groups: Iterable[list[OnDuty]]) -> list[str]:
    return [duty.responder for group in groups for duty in group if len(group) > 1]


def _by_policy(
    policy: Policy,
    calls: Round,
    duties: list[OnDuty],
    directory: Directory,
    area: str,
    contacts: list[PersonContact],
    now_ms: int,
) -> Round:
    duty_of = {duty.responder: duty for duty in duties}
    on_call = [
        OnCall(responder, _tier(duty_of[responder.id].area, area, directory.root), duty_of[responder.id].layer)
        for responder in calls.order
    ]
    workday = directory.policies.is_workday(area, policy.zone, now_ms)
    tiers = directory.tiers(area) if area in directory.areas else [directory.root or ""]
    emergency = sorted(
        (one for one in directory.emergency if one.area in tiers), key=lambda one: (tiers.index(one.area), one.id)
    )
    return by_steps(
        policy, calls, on_call, directory.responders, workday=workday, contacts=contacts, emergency=emergency
    )


def _known(
    directory: Directory, area: str, person: str | None, policy: Policy | None
) -> list[tuple[ContactEntry, ResponderEntry]]:
    """Who stands by a person, in the order of their positions. Where the policy calls volunteers, those of the area and
    of the areas above it stand by everybody."""
    if person is None:
        return []
    entries = directory.contacts.get(person, ())
    known = [(one, directory.responders[one.responder]) for one in entries if one.responder in directory.responders]
    if policy is not None and any(step.relation == VOLUNTEER for step in policy.steps):
        ids = {responder.id for _, responder in known}
        tiers = directory.tiers(area) if area in directory.areas else []
        known += [
            (ContactEntry(person=person, responder=one.id, relation=VOLUNTEER), one)
            for tier in tiers
            for one in directory.volunteers.get(tier, ())
            if one.id not in ids
        ]
    return known


def _contacts(
    around: Surroundings,
    directory: Directory,
    area: str,
    person: str | None,
    incident: str | None,
    policy: Policy | None,
    now_ms: int,
) -> list[PersonContact]:
    """Who stands by a person; neighbours and volunteers the nearest first."""
    known = _known(directory, area, person, policy)
    near = [responder.id for one, responder in known if one.relation in NEARBY]
    if not near:
        return [PersonContact(one, responder) for one, responder in known]
    candidates = _candidates(around, directory, near, incident, now_ms)
    door = _door(directory, person)
    routed_s = _routed_s(around, candidates.values(), door)
    arrivals = rank([candidates[one] for one in near], *(door or (None, None)), routed_s=routed_s)
    place = {arrival.responder: number for number, arrival in enumerate(arrivals)}
    arrival_of = {arrival.responder: arrival for arrival in arrivals}
    reported = around.presences(near)
    found = []
    for one, responder in known:
        arrival = arrival_of.get(responder.id)
        if arrival is None:
            found.append(PersonContact(one, responder))
            continue
        presence = reported.get(responder.id)
        available = presence is None or presence.available
        found.append(PersonContact(one, responder, arrival.seconds, available, _said(arrival)))
    return sorted(found, key=lambda one: place.get(one.responder.id, -1))


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


def _next_ms(directory: Directory, area: str, now_ms: int) -> int | None:
    """When somebody comes on call next in an area or above it; None when nobody does for some hours."""
    tiers = directory.tiers(area) if area in directory.areas else [directory.root or ""]
    rosters = Rosters({tier: directory.rosters.by_area.get(tier, ()) for tier in tiers})
    coming = hand_overs(rosters, now_ms + 1, now_ms + _AHEAD_MS)
    return next((one.at_ms for one in coming if one.come), None)


def _candidates(
    around: Surroundings, directory: Directory, responders: Collection[str], incident: str | None, now_ms: int
) -> dict[str, Candidate]:
    busy, reported = around.busy(responders), around.presences(responders)
    return {
        one: candidate_of(
            directory.responders[one],
            reported[one],
            now_ms,
            busy=next((taken for taken in busy[one] if taken != incident), ""),
        )
        for one in responders
    }


def _routed_s(
    around: Surroundings, candidates: Iterable[Candidate], door: tuple[float, float] | None
) -> dict[str, float]:
    """Seconds on the way to a door by responder, for those whose way is kept."""
    if door is None:
        return {}
    ways = {one.responder: way_of(one, *door) for one in candidates if one.lat is not None and one.lon is not None}
    kept = around.ways(ways.values())
    return {name: kept[way] for name, way in ways.items() if way in kept}


def _door(directory: Directory, person: str | None) -> tuple[float, float] | None:
    entry = directory.person(person) if person is not None else None
    if entry is None or entry.lat is None or entry.lon is None:
        return None
    return entry.lat, entry.lon


def _rated(directory: Directory, responders: Iterable[str]) -> dict[str, float]:
    """The scores of their providers, where one was written."""
    providers = {one: directory.responders[one].provider for one in responders}
    return {one: directory.ratings[name] for one, name in providers.items() if name in directory.ratings}


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
