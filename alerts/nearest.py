"""Who is called for a person now: those on call, of one layer of one area the nearest first and the busy last."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, select

from alerts import models
from alerts.calling import Round
from alerts.delivery import Purpose
from alerts.lifecycle import TAKEN
from alerts.policy import IMMEDIATE, Policy
from alerts.stepping import OnCall, PersonContact, by_steps
from registry import ContactEntry, Directory, ResponderEntry
from registry.contacts import NEARBY
from registry.policies import VOLUNTEER
from registry.presence import presences
from registry.reach import Arrival, Candidate, candidate_of, rank
from registry.rosters import OnDuty, Rosters, hand_overs, on_call
from registry.routes import known_ways

#: Who took an incident longer ago than this, and never said what became of it, is not busy with it any more.
_BUSY_MS = 2 * 3_600_000
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
) -> Round:
    """A round of calls for a person of ``area``; the district desk's for an area that the registry does not have.

    The tiers stay in their order, and in each the layers of its rosters; only within a layer the nearest goes first.
    Nobody is busy with ``incident`` itself. The steps of ``policy`` choose among these and the person's contacts; who
    was told of ``incident`` is not told once more beside the order.
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
            rated = _rated(directory, ids)
            arrivals = rank([candidates[one] for one in ids], *(door or (None, None)), routed_s=routed_s, rated=rated)
            ids = [arrival.responder for arrival in arrivals]
            for arrival in arrivals:
                said[arrival.responder] |= _said(arrival)
        order += [directory.responders[one] for one in ids]
    nobody = not any(responder.channels for responder in order)
    calls = Round(order, told, said, next_ms=_next_ms(directory, area, now_ms) if nobody else None)
    contacts = _contacts(connection, directory, area, person, incident, policy, now_ms)
    if policy is not None and policy.steps:
        calls = _by_policy(policy, calls, duties, directory, area, contacts, now_ms)
    elif contacts:
        calls = by_steps(policy or IMMEDIATE, calls, (), {}, workday=True, contacts=contacts)
    if not calls.beside or incident is None:
        return calls
    rows = models.notification
    told_of_it = rows.c.purpose.in_([Purpose.CALL.value, Purpose.BESIDE.value])
    query = select(rows.c.responder).where(rows.c.incident == incident, told_of_it)
    before = set(connection.execute(query).scalars())
    return replace(calls, beside=tuple(one for one in calls.beside if one.responder.id not in before))


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


def _contacts(
    connection: Connection,
    directory: Directory,
    area: str,
    person: str | None,
    incident: str | None,
    policy: Policy | None,
    now_ms: int,
) -> list[PersonContact]:
    """Who stands by a person, in the order of their positions; neighbours and volunteers the nearest first. Where the
    policy calls volunteers, those of the area and of the areas above it stand by everybody."""
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
    near = [responder.id for one, responder in known if one.relation in NEARBY]
    if not near:
        return [PersonContact(one, responder) for one, responder in known]
    candidates = _candidates(connection, directory, near, incident, now_ms)
    door = _door(directory, person)
    routed_s = known_ways(connection, candidates.values(), *door) if door is not None else {}
    arrivals = rank([candidates[one] for one in near], *(door or (None, None)), routed_s=routed_s)
    place = {arrival.responder: number for number, arrival in enumerate(arrivals)}
    arrival_of = {arrival.responder: arrival for arrival in arrivals}
    reported = presences(connection, near)
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


def _busy(connection: Connection, responders: Collection[str], incident: str | None, now_ms: int) -> dict[str, str]:
    """The incident that each of some responders has taken, or comes to as well, and that is not closed."""
    table, standing = models.incident, models.acknowledgement
    query = (
        select(standing.c.responder, table.c.id)
        .join(table, table.c.id == standing.c.incident)
        .where(
            table.c.state.in_([state.value for state in TAKEN]),
            standing.c.responder.in_(responders),
            standing.c.at_ms > now_ms - _BUSY_MS,
        )
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
