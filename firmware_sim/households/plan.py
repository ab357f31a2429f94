"""The section ``homes`` of a scenario, and what of a home follows from its number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct, field

from firmware_sim.households.habits import BATHROOM, BEDROOM, CHAIR, DESK, HALL, KITCHEN, LIVING

SensorKind = Literal["presence", "contact", "bed", "water", "smoke"]
Trouble = Literal[
    "still", "bed_left", "not_out_of_bed", "long_bathroom", "wandering", "not_back", "smoke"
]  # fmt: skip
_Share = Annotated[float, Meta(ge=0, le=1)]
_Second = Annotated[float, Meta(ge=0, le=31_536_000)]

#: Rooms of a small flat: the place that a presence sensor there sees. Some flats have a study, and a sensor of its own.
_ROOMS = {KITCHEN: "kitchen", BATHROOM: "bathroom", BEDROOM: "bedroom", LIVING: "living room", HALL: "entrance"}
_STUDY_SHARE = 0.4
#: Local administration of a Zigbee address: no maker has it.
_IEEE = 0x02CA_5E00_0000_0000


class Troubles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``count`` of them from instants spread over ``between_s`` on: each begins as soon as the resident's day allows
    (nobody wanders at night before it is night)."""

    count: Annotated[int, Meta(ge=0, le=100_000)]
    between_s: tuple[_Second, _Second]


class Holidays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ``share`` of the homes are empty for ``days``, from an instant between ``between_s`` on."""

    share: _Share
    between_s: tuple[_Second, _Second]
    days: Annotated[float, Meta(gt=0, le=365)] = 5.0


class HomesPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Homes with sensors: ``count``, or a ``share`` of the wearers, if that is more. The first have the first wearers;
    more homes than wearers are of people without a wearable.

    ``second`` and ``pets`` are shares of the homes with a second resident and with an animal. A presence sensor stays
    on for ``hold_s`` after the last movement it saw. ``output``: our own stream ``home`` by every sensor, or what a
    Zigbee2MQTT in each home publishes.
    """

    count: Annotated[int, Meta(ge=0, le=100_000)] = 0
    share: _Share = 0.0
    second: _Share = 0.0
    pets: _Share = 0.0
    visits_a_week: Annotated[float, Meta(ge=0, le=50)] = 2.0
    holidays: Holidays | None = None
    sensors: list[SensorKind] = field(default_factory=lambda: ["presence", "contact", "bed", "water", "smoke"])
    hold_s: Annotated[float, Meta(ge=0, le=600)] = 15.0
    heartbeat_s: Annotated[float, Meta(gt=0, le=604_800)] = 3600.0
    output: Literal["home", "zigbee2mqtt"] = "home"
    troubles: dict[Trouble, Troubles] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SensorPlace:
    """One sensor of a home: its device id, kind on the wire, room; and of presence which places it sees."""

    device: str
    kind: SensorKind
    room: str
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Household:
    """What of home number ``index`` (from 0) does not depend on the seed."""

    index: int
    person: str
    residents: int
    pets: bool
    sensors: tuple[SensorPlace, ...]

    @property
    def hub(self) -> str:
        """Of a home with Zigbee2MQTT: its login, and the last level of its base topic."""
        return f"home-{self.index + 1:05}"


def household(plan: HomesPlan, index: int, prefix: str = "") -> Household:
    """Home number ``index``: the same whatever the seed, so that a registry can be made of it. ``prefix`` is one of all
    device ids of our own."""
    rng = np.random.default_rng([0x40E, index])
    study, second, pets = (float(x) for x in rng.random(3))
    return Household(
        index=index,
        person=f"p-{index + 1:05}",
        residents=2 if second < plan.second else 1,
        pets=pets < plan.pets,
        sensors=tuple(_sensors(plan, index, prefix, study=study < _STUDY_SHARE)),
    )


def _sensors(plan: HomesPlan, index: int, prefix: str, *, study: bool) -> list[SensorPlace]:
    found: list[tuple[str, SensorKind, str, tuple[int, ...]]] = []
    if "presence" in plan.sensors:
        for place, room in _ROOMS.items():
            sees: tuple[int, ...] = (place,)
            if place == LIVING:
                sees = (LIVING, CHAIR) if study else (LIVING, CHAIR, DESK)
            found.append(("pir", "presence", room, sees))
        if study:
            found.append(("pir", "presence", "study", (DESK,)))
    if "contact" in plan.sensors:
        found.append(("door", "contact", "front door", ()))
    if "bed" in plan.sensors:
        found.append(("bed", "bed", "bedroom", ()))
    if "water" in plan.sensors and plan.output == "home":  # what Zigbee has are leak sensors: nobody is seen by them
        found += [("water", "water", room, ()) for room in ("kitchen", "bathroom")]
    if "smoke" in plan.sensors:
        found.append(("smoke", "smoke", "kitchen", ()))
    sensors = []
    for nth, (name, kind, room, sees) in enumerate(found):
        device = f"{prefix}{name}-{index + 1:05}-{room.replace(' ', '-')}"
        if plan.output == "zigbee2mqtt":
            device = f"0x{_IEEE + index * 256 + nth:016x}"
        sensors.append(SensorPlace(device, kind, room, sees))
    return sensors


def count_homes(plan: HomesPlan, wearers: int) -> int:
    """How many homes there are."""
    return max(plan.count, round(plan.share * wearers))
