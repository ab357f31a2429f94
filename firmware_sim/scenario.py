"""Scenario files: who there is and what happens to whom, as YAML, checked."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
import yaml
from msgspec import Meta, Struct

from firmware_sim.district_layout import DistrictPlan
from firmware_sim.errors import ScenarioError
from firmware_sim.faults.settings import AnyFault, PowerCut
from firmware_sim.households.plan import HomesPlan, SensorKind, count_homes, household
from firmware_sim.illness import IllnessPlan
from firmware_sim.models import DeviceModel
from firmware_sim.motion import MIN_LEAD_S
from firmware_sim.people import People

_Count = Annotated[int, Meta(ge=0, le=100_000)]
_Second = Annotated[float, Meta(ge=0, le=31_536_000)]
_Positive = Annotated[float, Meta(gt=0, le=604_800)]
Speed = Annotated[float, Meta(ge=1, le=100_000)]

#: What the names of a drill's devices begin with.
DRILL = "drill-"


class Wearers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many people wear what. ``waist`` is a share of ``count``, the others wear it at the wrist.

    ``motion``: everybody's ``own``; ``pool``: who does not fall shares everyday motion encoded beforehand; ``none``: no
    frames of motion are sent, as by wristbands that know vital signs only.
    """

    count: _Count
    waist: Annotated[float, Meta(ge=0, le=1)] = 0.5
    gyroscope: bool = True
    activities: Literal["everyday", "all"] = "everyday"
    lies_s: _Positive = 60.0  # after a fall
    answers_prompts: bool = False
    motion: Literal["own", "pool", "none"] = "own"


class At(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens ``at_s`` seconds into the run to wearer, or button, number ``who`` (from 1)."""

    at_s: _Second
    who: Annotated[int, Meta(ge=1)]


class Spread(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``count`` of them, spread by chance over the span ``between_s`` and over different people."""

    count: _Count
    between_s: tuple[_Second, _Second]


class VitalsPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readings every ``every_s`` seconds; 0 for none."""

    every_s: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    artefacts: bool = False  # devices come loose, stick, meet cold hands


class ConnectionPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``each``: one MQTT connection per device. ``shared``: ``links`` hubs that speak for all devices."""

    kind: Literal["each", "shared"] = "each"
    links: Annotated[int, Meta(ge=1, le=64)] = 4


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole scenario. ``buffer_s`` is what a device keeps while its link is down, ``utc_offset_h`` where it is.

    ``lasts_s`` is how long it is played, ``speed`` how many times faster than real: above 1 it is published as history,
    see :mod:`firmware_sim.history`. ``drill``: its devices have names of their own and belong into the registry as test
    devices. ``staff``: how many are on call in the district that is written for it; ``district``: how large
    that is, None for a neighbourhood. ``people``: who they are and how they live, None for anybody at any hour;
    ``models``: what they wear, each drawn by its share. ``illness``: who falls ill; ``homes``: who has sensors at home.
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    wearers: Wearers
    description: str = ""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 1
    buttons: _Count = 0
    falls: Spread | list[At] = msgspec.field(default_factory=list)
    sos: Spread | list[At] = msgspec.field(default_factory=list)
    vitals: VitalsPlan = VitalsPlan()
    connection: ConnectionPlan = ConnectionPlan()
    heartbeat_s: _Positive = 60.0
    buffer_s: _Positive = 3600.0
    utc_offset_h: Annotated[float, Meta(ge=-12, le=14)] = 8.0
    faults: list[AnyFault] = msgspec.field(default_factory=list)
    lasts_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None
    speed: Speed = 1.0
    drill: bool = False
    staff: Literal["full", "thin"] = "full"
    district: DistrictPlan | None = None
    people: People | None = None
    models: list[DeviceModel] = msgspec.field(default_factory=list)
    illness: IllnessPlan | None = None
    homes: HomesPlan | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One device of a scenario and who has it: a wearable, a button, or a sensor of the home that its person lives in
    with others, perhaps, or an animal."""

    device: str
    person: str
    kind: Literal["wearable", "button"] | SensorKind
    placement: str
    residents: int = 1
    pets: bool = False


def members(scenario: Scenario) -> list[Member]:
    """The devices, wearers first; the ids depend on the scenario's counts alone, so a registry can be made of them."""
    count = scenario.wearers.count
    at_waist = round(count * scenario.wearers.waist)
    prefix = DRILL if scenario.drill else ""
    found = []
    for i in range(count):
        # waist and wrist alternate as evenly as the share allows
        placement = "waist" if (i + 1) * at_waist // count > i * at_waist // count else "wrist"
        found.append(Member(f"{prefix}{placement}-{i + 1:05}", f"p-{i + 1:05}", "wearable", placement))
    for i in range(scenario.buttons):
        person = i % count + 1 if count else i + 1
        found.append(Member(f"{prefix}button-{i + 1:05}", f"p-{person:05}", "button", "neck"))
    homes = scenario.homes
    for home in [household(homes, i, prefix) for i in range(count_homes(homes, count))] if homes else ():
        found += [Member(s.device, home.person, s.kind, s.room, home.residents, home.pets) for s in home.sensors]
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens: (index among the wearers, second) of falls, (index among the buttons, second) of presses."""

    falls: list[tuple[int, float]]
    sos: list[tuple[int, float]]


def plan(scenario: Scenario, seed: int) -> Plan:
    """Who falls and who presses, and when; nobody does both as long as there are enough people."""
    rng = np.random.default_rng([seed, 0x5CE])
    count = scenario.wearers.count
    if isinstance(scenario.falls, Spread):
        falls = _spread(scenario.falls, [int(i) for i in rng.permutation(count)], rng)
    else:
        falls = [(at.who - 1, at.at_s) for at in scenario.falls]
    fallers = {who for who, _ in falls}
    if isinstance(scenario.sos, Spread):
        order = [int(i) for i in rng.permutation(scenario.buttons)]
        order.sort(key=lambda i: i % count in fallers if count else False)
        sos = _spread(scenario.sos, order, rng)
    else:
        sos = [(at.who - 1, at.at_s) for at in scenario.sos]
    return Plan(sorted(falls, key=lambda f: f[1]), sorted(sos, key=lambda s: s[1]))


def _spread(what: Spread, order: list[int], rng: np.random.Generator) -> list[tuple[int, float]]:
    start, end = what.between_s
    step = (end - start) / max(1, what.count)
    return [(order[i % len(order)], start + step * (i + float(rng.uniform(0.05, 0.95)))) for i in range(what.count)]


def load_scenario(name: str | Path) -> Scenario:
    """The scenario of a file, or the one of that name in the box.

    Raises:
        ScenarioError: no such file, not YAML, or a field is wrong; says which.
    """
    path = Path(name)
    boxed = resources.files("firmware_sim") / "scenarios" / f"{name}.yaml"
    try:
        if path.suffix in (".yaml", ".yml"):
            text = path.read_text(encoding="utf-8")
        elif boxed.is_file():
            text = boxed.read_text(encoding="utf-8")
        else:
            raise ScenarioError(str(name), f"no such scenario; in the box: {', '.join(in_the_box())}; or name a .yaml")
    except OSError as error:
        raise ScenarioError(str(name), f"cannot be read: {error.strerror}") from None
    return parse_scenario(text, str(name))


def in_the_box() -> list[str]:
    """Names of the scenarios that come with the package."""
    folder = resources.files("firmware_sim") / "scenarios"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def parse_scenario(text: str, where: str) -> Scenario:
    """The scenario in ``text``; ``where`` names the file in errors. Raises ScenarioError."""
    try:
        scenario = msgspec.convert(yaml.safe_load(text), Scenario)
    except yaml.YAMLError as error:
        raise ScenarioError(where, f"not YAML: {error}") from None
    except msgspec.ValidationError as error:
        raise ScenarioError(where, str(error)) from None
    _check("falls", scenario.falls, scenario.wearers.count, "wearers.count", MIN_LEAD_S, where)
    _check("sos", scenario.sos, scenario.buttons, "buttons", 0.0, where)
    _check_together(scenario, where)
    return scenario


def _check_together(scenario: Scenario, where: str) -> None:
    """What a scenario cannot have at the same time."""
    falls = scenario.falls.count if isinstance(scenario.falls, Spread) else len(scenario.falls)
    if falls and scenario.wearers.motion == "none":
        raise ScenarioError(where, "nobody is seen to fall without motion: want `wearers.motion: own` - at `$.falls`")
    if scenario.district is not None and any(isinstance(one, PowerCut) for one in scenario.faults):
        raise ScenarioError(where, "a power cut is of the neighbourhood's streets: want no `district` - at `$.faults`")
    if scenario.faults and scenario.wearers.motion == "pool":
        raise ScenarioError(where, "shared motion passes no faults: want `wearers.motion: own` - at `$.faults`")
    if scenario.models and scenario.wearers.motion == "pool":
        raise ScenarioError(where, "shared motion is encoded for one model: want `wearers.motion: own` - at `$.models`")


def _check(field: str, what: Spread | list[At], people: int, of: str, earliest_s: float, where: str) -> None:
    if isinstance(what, Spread):
        if what.count and not people:
            raise ScenarioError(where, f"nobody to draw from, `{of}` is 0 - at `$.{field}.count`")
        if what.count and not earliest_s <= what.between_s[0] <= what.between_s[1]:
            raise ScenarioError(where, f"wants {earliest_s:g} <= start <= end - at `$.{field}.between_s`")
        return
    for i, at in enumerate(what):
        if at.who > people:
            raise ScenarioError(where, f"there is no number {at.who}, `{of}` is {people} - at `$.{field}[{i}].who`")
        if at.at_s < earliest_s:
            raise ScenarioError(where, f"wants {earliest_s:g} s or more before it - at `$.{field}[{i}].at_s`")
