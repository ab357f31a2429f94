"""What the database knows around an incident: the person, who could take it over, whom it is referred to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from alerts.lifecycle import State
from alerts.queries import EvidenceView, IncidentView, Stage
from alerts.sentences import AREA_TROUBLE, Facts
from console.access.rules import Permission
from console.access.viewer import Viewer
from console.people.profile import Profile, read_profile
from console.reading import CONSOLE, Responder
from registry import models as people

#: Those whom an incident is referred to, by how they stand to the person.
REFERRED_TO: tuple[str, ...] = ("family_doctor", "hospital_team")
#: As many responders are offered to take it over; the nearest area first.
_MOST = 60


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody whom an incident can be referred to."""

    responder: str
    name: str
    relation: str


@dataclass(frozen=True, slots=True)
class Silence:
    """How many are behind an area that has fallen silent, as the finding says."""

    devices: int
    people: int
    homes: int
    live_alone: int


@dataclass(frozen=True, slots=True)
class Around:
    """What stands beside an incident. ``profile`` is None where no person is known; ``silence`` is of an area."""

    profile: Profile | None = None
    others: tuple[Responder, ...] = ()
    addressees: tuple[Addressee, ...] = ()
    silence: Silence | None = None


@dataclass(frozen=True, slots=True)
class May:
    """What the reader may do with one incident.

    Attributes:
        act: press its buttons.
        act_for: in the name of others.
        stands: they have it or come too, or the desk has it and they are the desk.
        asked: whoever has it asks them to take it over.
        health: see vital signs and the routine: by their role, or since they are on the way to this very person.
        hand_over: give it to somebody else.
        actor: as whom they act.
    """

    act: bool
    act_for: bool
    stands: bool
    asked: bool
    health: bool
    hand_over: bool
    actor: str


def may_of(viewer: Viewer, view: IncidentView) -> May:
    """What a viewer may do with an incident. Pure.

    Whoever goes to a door needs to know how this person is, whatever their role; it ends with the incident. The desk
    does not: who coordinates sends people, and treats nobody.
    """
    actor = viewer.responder or CONSOLE
    open_ = view.state is not State.RESOLVED
    standing = {view.acknowledged_by or "", *(one.responder for one in view.also_by)} - {""} if open_ else set()
    act_for = viewer.may(Permission.INCIDENTS_ACT_FOR, view.area)
    stands = actor in standing and (bool(viewer.responder) or act_for)
    act = open_ and viewer.may(Permission.INCIDENTS_ACT, view.area)
    return May(
        act=act,
        act_for=act_for,
        stands=stands,
        asked=open_ and view.offered_to == actor,
        health=viewer.may(Permission.PEOPLE_HEALTH, view.area) or (stands and bool(viewer.responder)),
        hand_over=act and bool(standing) and (act_for or actor == view.acknowledged_by),
        actor=actor,
    )


def read_around(connection: Connection, view: IncidentView, now_ms: int) -> Around:
    """Everything beside an incident."""
    profile = read_profile(connection, view.person_key, now_ms) if view.person_key else None
    standing = {view.acknowledged_by, view.offered_to, *(one.responder for one in view.also_by)}
    return Around(
        profile=profile,
        others=() if view.state is State.RESOLVED else _others(connection, view.area, standing),
        addressees=_addressees(connection, view.person_key) if view.person_key else (),
        silence=silence_of(view.evidence) if view.kind == AREA_TROUBLE else None,
    )


def silence_of(evidence: tuple[EvidenceView, ...]) -> Silence | None:
    """Of the newest finding that says how many there are."""
    for one in reversed(evidence):
        found = one.features
        if "people" in found:
            numbers = (found.get(name, 0) for name in ("silent_devices", "people", "homes", "live_alone"))
            return Silence(*(round(number) for number in numbers))
    return None


def happened(view: IncidentView, language: str, now_ms: int) -> Facts:
    """What the sentence of an incident is made of. Pure."""
    newest = {one.detection: one for one in view.evidence if one.stage != Stage.WITHDRAWN.value}
    ends = [one.notes.get("outcome", "") for one in newest.values() if one.stage == Stage.FOLLOW_UP.value]
    said = [one.notes[language] for one in newest.values() if language in one.notes]
    return Facts(
        kind=view.kind,
        person=view.person_name,
        address=view.address,
        area=view.area_name,
        device=view.device,
        onset_ms=view.onset_ms,
        said_ms=view.said_ms,
        now_ms=now_ms,
        historical=view.historical,
        follow_up=ends[-1] if ends else "",
        said=said[-1] if said else "",
    )


def _others(connection: Connection, area: str, standing: set[str | None]) -> tuple[Responder, ...]:
    """Responders of the area and above it who do not stand on the incident; relatives are not among them."""
    parts = area.split(".")
    tiers = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    c = people.responder.c
    query = select(c.id, c.name, c.area).where(c.area.in_(tiers), c.contact_of == "").order_by(c.name, c.id)
    found = sorted(connection.execute(query).all(), key=lambda row: -row.area.count("."))
    return tuple(Responder(row.id, row.name) for row in found if row.id not in standing)[:_MOST]


def _addressees(connection: Connection, person: str) -> tuple[Addressee, ...]:
    contact, responder = people.contact.c, people.responder
    query = (
        select(responder.c.id, responder.c.name, contact.relation)
        .join(people.contact, contact.responder == responder.c.id)
        .where(contact.person == person, contact.relation.in_(REFERRED_TO))
        .order_by(contact.relation, contact.position)
    )
    return tuple(Addressee(*row) for row in connection.execute(query))
