"""The directory: everything in the registry at one revision, in memory, unchanging."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, Engine

from registry.entries import (
    LIVES_ALONE,
    AreaEntry,
    ContactEntry,
    DeviceEntry,
    OnCallEntry,
    PersonEntry,
    ResponderEntry,
    SilenceEntry,
    VisitEntry,
    parent_of,
)
from registry.errors import UnknownAreaError
from registry.packed import Packed, form_of, form_of_several
from registry.policies import EMERGENCY, VOLUNTEER, Policies, policies_of
from registry.ratings import read_ratings
from registry.rosters.compiling import compile_rosters, days_by_area
from registry.rosters.duty import Rosters, on_call
from registry.rosters.values import OnDuty
from registry.rows import load_table, read_revision, read_table


@dataclass(frozen=True, slots=True)
class Equipped:
    """Those of an area who have any device: how many ``people``, in how many ``homes`` (addresses), and the keys of
    those among them who live ``alone``."""

    people: int
    homes: int
    alone: tuple[str, ...]


@dataclass(frozen=True)
class Directory:
    """Who and where, at one ``revision``. All mappings are read-only.

    ``on_call`` has the responders of each area that has a plain order, first called first; ``rosters`` has all on-call
    orders, those too: who is on call at an instant is asked of them. ``contacts`` has who stands by each person, in the
    order of their positions; ``volunteers`` those of each area; ``emergency`` who takes over when nobody of ours
    answers. ``root`` is the top of the area tree, whose on-call order is the district desk; None only while the
    registry is empty.
    """

    revision: int = 0
    areas: Mapping[str, AreaEntry] = field(default_factory=dict)
    people: Mapping[str, PersonEntry] = field(default_factory=dict)
    devices: Mapping[str, DeviceEntry] = field(default_factory=dict)
    responders: Mapping[str, ResponderEntry] = field(default_factory=dict)
    on_call: Mapping[str, tuple[ResponderEntry, ...]] = field(default_factory=dict)
    rosters: Rosters = field(default_factory=Rosters)
    contacts: Mapping[str, tuple[ContactEntry, ...]] = field(default_factory=dict)
    emergency: tuple[ResponderEntry, ...] = ()
    volunteers: Mapping[str, tuple[ResponderEntry, ...]] = field(default_factory=dict)
    visits: Mapping[str, VisitEntry] = field(default_factory=dict)
    policies: Policies = field(default_factory=Policies)
    silences: tuple[SilenceEntry, ...] = ()
    ratings: Mapping[str, float] = field(default_factory=dict)  # score by provider
    root: str | None = None

    def device(self, device_id: str) -> DeviceEntry | None:
        """The device, its ``area`` filled in from its person; None when unknown."""
        return self.devices.get(device_id)

    def person(self, key: str) -> PersonEntry | None:
        """The person behind a pseudonymous key; None when unknown."""
        return self.people.get(key)

    def responder(self, responder_id: str) -> ResponderEntry | None:
        """The responder; None when unknown."""
        return self.responders.get(responder_id)

    @cached_property
    def equipped(self) -> Mapping[str, Equipped]:
        """Who has devices, for each area itself without those below it; worked out when it is first asked for."""
        having = {device.person for device in self.devices.values() if device.person is not None}
        homes: dict[str, set[str]] = {}
        people: Counter[str] = Counter()
        alone: dict[str, list[str]] = {}
        for key, person in self.people.items():
            if key in having:
                people[person.area] += 1
                homes.setdefault(person.area, set()).add(f"at {person.address}" if person.address else f"of {key}")
                if LIVES_ALONE in person.risks:
                    alone.setdefault(person.area, []).append(key)
        return {area: Equipped(n, len(homes[area]), tuple(alone.get(area, ()))) for area, n in people.items()}

    def tiers(self, area: str) -> list[str]:
        """``area`` and its parents, nearest first.

        Raises:
            UnknownAreaError: the registry has no such area.
        """
        if area not in self.areas:
            raise UnknownAreaError(area)
        path: str | None = area
        tiers: list[str] = []
        while path is not None:
            if path in self.areas:
                tiers.append(path)
            path = parent_of(path)
        return tiers

    def on_call_for(self, area: str, at_ms: int) -> list[ResponderEntry]:
        """Who is on call at ``at_ms`` in the order of ``area``, or of the nearest parent where somebody is; [] when up
        to the root nobody is.

        Raises:
            UnknownAreaError: the registry has no such area.
        """
        for tier in self.tiers(area):
            found = self._entries(on_call(self.rosters, tier, at_ms))
            if found:
                return found
        return []

    def on_duty(self, area: str, at_ms: int) -> list[OnDuty]:
        """Everybody who is on call for ``area`` at ``at_ms``, why, and until when: its own order, then its parents' up
        to the district desk, each once.

        Raises:
            UnknownAreaError: the registry has no such area.
        """
        once: dict[str, OnDuty] = {}
        for tier in self.tiers(area):
            for duty in on_call(self.rosters, tier, at_ms):
                once.setdefault(duty.responder, duty)
        return list(once.values())

    def escalation_order(self, area: str, at_ms: int) -> list[ResponderEntry]:
        """The responders of :meth:`on_duty`.

        Raises:
            UnknownAreaError: the registry has no such area.
        """
        return self._entries(self.on_duty(area, at_ms))

    def desk(self, at_ms: int) -> list[ResponderEntry]:
        """Who is on call at ``at_ms`` in the order of the root area."""
        return [] if self.root is None else self._entries(on_call(self.rosters, self.root, at_ms))

    def _entries(self, duties: Iterable[OnDuty]) -> list[ResponderEntry]:
        return [self.responders[duty.responder] for duty in duties if duty.responder in self.responders]


def directory(source: Engine | Connection, *, secrets: bool = True, packed: bool = False) -> Directory:
    """A snapshot of the whole registry, but for door codes: those are read one at a time, by who may.

    Without ``secrets`` no key is needed: phones are absent, and of channels there is the type. ``packed``: people,
    their contacts and devices are kept as bytes and made when they are asked for, for who needs few of them.

    Raises:
        SealedError: a phone or a channel cannot be opened.
    """
    if isinstance(source, Connection):
        return _read(source, secrets, packed)
    with source.connect() as connection:
        return _read(connection, secrets, packed)


def _read(connection: Connection, secrets: bool, packed: bool) -> Directory:
    def table(name: str) -> Any:
        return load_table(connection, name, without=("door_code",), secrets=secrets)

    areas = cast("dict[str, AreaEntry]", table("areas"))
    responders = cast("dict[str, ResponderEntry]", table("responders"))
    root = root_of(areas)
    people: Mapping[str, PersonEntry]
    devices: Mapping[str, DeviceEntry]
    if packed:
        each = cast("Iterator[PersonEntry]", read_table(connection, "people", without=("door_code",), secrets=secrets))
        people = Packed(((one.key, one) for one in each), form_of(PersonEntry))
        lying = cast("Iterator[DeviceEntry]", read_table(connection, "devices"))
        devices = Packed(((one.id, _placed(one, people, root)) for one in lying), form_of(DeviceEntry))
    else:
        people = MappingProxyType(cast("dict[str, PersonEntry]", table("people")))
        found: dict[str, DeviceEntry] = {}
        loaded = table("devices")
        for device_id in list(loaded):
            device = loaded.pop(device_id)  # the next one lies where it lay
            found[device.id] = _placed(device, people, root)
        devices = MappingProxyType(found)
    standing: dict[str, list[ContactEntry]] = {}
    for contact in sorted(table("contacts").values(), key=lambda one: (one.person, one.position, one.responder)):
        standing.setdefault(contact.person, []).append(contact)
    by_person = ((person, tuple(ones)) for person, ones in standing.items())
    contacts = Packed(by_person, form_of_several(ContactEntry)) if packed else MappingProxyType(dict(by_person))
    volunteers: dict[str, list[ResponderEntry]] = {}
    for one in responders.values():
        if VOLUNTEER in one.roles:
            volunteers.setdefault(one.area, []).append(one)
    order: dict[str, list[ResponderEntry]] = {}
    rows: list[OnCallEntry] = sorted(table("on_call").values(), key=lambda entry: (entry.area, entry.position))
    for entry in rows:
        order.setdefault(entry.area, []).append(responders[entry.responder])
    return Directory(
        revision=read_revision(connection),
        areas=MappingProxyType(areas),
        people=people,
        devices=devices,
        responders=MappingProxyType(responders),
        on_call=MappingProxyType({area: tuple(entries) for area, entries in order.items()}),
        rosters=compile_rosters(
            responders=responders,
            on_call=rows,
            rosters=table("rosters").values(),
            overrides=table("roster_overrides").values(),
            holidays=table("holidays").values(),
        ),
        contacts=contacts,
        volunteers=MappingProxyType({area: tuple(ones) for area, ones in volunteers.items()}),
        emergency=tuple(one for one in responders.values() if EMERGENCY in one.roles),
        visits=MappingProxyType(cast("dict[str, VisitEntry]", table("visits"))),
        silences=tuple(cast("dict[str, SilenceEntry]", table("silences")).values()),
        ratings=MappingProxyType(read_ratings(connection)),
        policies=policies_of(table("policies").values(), days_by_area(table("holidays").values())),
        root=root,
    )


def _placed(device: DeviceEntry, people: Mapping[str, PersonEntry], root: str | None) -> DeviceEntry:
    """A device with the area of its person, or of nobody, where it has none of its own."""
    if device.area:
        return device
    person = people.get(device.person) if device.person is not None else None
    return msgspec.structs.replace(device, area=person.area if person is not None else root)


def root_of(areas: Mapping[str, AreaEntry]) -> str | None:
    """The area that has no parent in ``areas``; the shortest path where there are several; None without areas."""
    tops = [path for path in areas if parent_of(path) not in areas]
    return min(tops, key=lambda path: (path.count("."), path), default=None)
