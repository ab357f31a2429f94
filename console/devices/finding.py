"""Finding devices: by words, area, kind and what is wrong with them, in an order, a page at a time; and how many there
are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from console.devices.faults import Fault, PlaceFault
from console.devices.state import DeviceState
from console.people.finding import folded

PAGE = 50
#: Below, a battery is low, whatever was found.
LOW_PCT = 15
_LONGEST = 200
#: A device of a silent area was last heard when the others were, or before.
_TOGETHER_MS = 120_000
_RANK = {"critical": 4, "urgent": 3, "warning": 2, "info": 1}
_NEVER_SAID = DeviceState()
_LAST = float("inf")
_DAY_MS = 86_400_000

BATTERY_KINDS = frozenset({"battery_low"})
CLOCK_KINDS = frozenset({"clock", "clock_drift"})


class Link(StrEnum):
    """Whether a device is heard."""

    ONLINE = "online"
    SILENT = "silent"
    NEVER = "never"


class Order(StrEnum):
    """How the list is sorted."""

    WORST = "worst"
    BATTERY = "battery"
    HEARD = "heard"
    LAG = "lag"
    NAME = "name"


class Only(StrEnum):
    """What the list may be narrowed to, beside the kinds of findings."""

    FAULTY = "faulty"
    SILENT = "silent"
    NEVER = "never"
    ONLINE = "online"
    BATTERY = "battery"
    CLOCK = "clocks"


@dataclass(frozen=True, slots=True)
class Entry:
    """A device as the registry has it; ``area`` is its own, else that of its person, else ``*``."""

    id: str
    kind: str
    placement: str
    model: str
    area: str
    area_name: str
    person: str
    person_name: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device with all that is known of it. ``text`` and ``named`` are what words are looked for in, for who may not
    see people and for who may."""

    entry: Entry
    state: DeviceState
    faults: tuple[Fault, ...]
    link: Link
    low: bool
    text: str
    named: str

    @property
    def clock(self) -> bool:
        """Whether its clock is wrong, or does not keep time."""
        return any(fault.kind in CLOCK_KINDS for fault in self.faults)

    @property
    def worst(self) -> tuple[int, float]:
        """What is wrong first: by severity, then the longest."""
        if not self.faults:
            return (0 if self.link is Link.ONLINE else -1, _LAST)
        rank = max(_RANK.get(fault.severity, 0) for fault in self.faults)
        return -rank - 1, min(fault.onset_ms for fault in self.faults)

    def left_days(self, now_ms: int) -> int | None:
        """In how many days its battery is empty, where that was found."""
        for fault in self.faults:
            if fault.left_days is not None:
                return max(0, round(fault.left_days - (now_ms - fault.onset_ms) / _DAY_MS))
        return None


@dataclass(slots=True)
class Counts:
    """How many devices, and how many of them are what."""

    total: int = 0
    online: int = 0
    silent: int = 0
    never: int = 0
    low: int = 0
    clock: int = 0
    faulty: int = 0

    def add(self, other: Counts) -> None:
        """Count those of another area too."""
        for name in Counts.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def take(self, device: Device) -> None:
        """Count one."""
        self.total += 1
        self.online += device.link is Link.ONLINE
        self.silent += device.link is Link.SILENT
        self.never += device.link is Link.NEVER
        self.low += device.low
        self.clock += device.clock
        self.faulty += bool(device.faults)


@dataclass(frozen=True)
class Fleet:
    """All devices at one moment; sorted and counted once, however many ask. ``areas``: name by path."""

    devices: tuple[Device, ...] = ()
    areas: Mapping[str, str] = field(default_factory=dict)
    places: tuple[PlaceFault, ...] = ()
    _sorted: dict[Order, list[Device]] = field(default_factory=dict, repr=False)

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """By area, those of the area itself."""
        found: dict[str, Counts] = {}
        for device in self.devices:
            counts = found.get(device.entry.area)
            if counts is None:
                counts = found[device.entry.area] = Counts()
            counts.take(device)
        return found

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds of devices that there are."""
        return sorted({device.entry.kind for device in self.devices})

    @cached_property
    def fault_kinds(self) -> list[str]:
        """The kinds of findings that stand."""
        return sorted({fault.kind for device in self.devices for fault in device.faults})

    @cached_property
    def by_id(self) -> dict[str, Device]:
        """To be looked up."""
        return {device.entry.id: device for device in self.devices}

    def prepare(self) -> None:
        """Count and sort, so that nobody waits for it."""
        _ = self.counts, self.kinds, self.fault_kinds, self.by_id
        for order in Order:
            self.in_order(order)

    def in_order(self, order: Order) -> list[Device]:
        """All devices, sorted."""
        if order not in self._sorted:
            self._sorted[order] = sorted(self.devices, key=_KEYS[order])
        return self._sorted[order]


def _battery(device: Device) -> tuple[float, str]:
    return (_LAST if device.state.battery_pct is None else device.state.battery_pct), device.entry.id


def _lag(device: Device) -> tuple[float, str]:
    return (_LAST if device.state.lag_ms is None else -device.state.lag_ms), device.entry.id


_KEYS: dict[Order, Callable[[Device], tuple[object, ...]]] = {
    Order.WORST: lambda device: (*device.worst, device.entry.id),
    Order.BATTERY: _battery,
    Order.HEARD: lambda device: (device.state.heard_ms or 0, device.entry.id),
    Order.LAG: _lag,
    Order.NAME: lambda device: (device.entry.id,),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for. ``only`` is one of :class:`Only`, or a kind of finding; ``page`` counts from 1."""

    words: str = ""
    area: str = ""
    kind: str = ""
    only: str = ""
    battery_below: int | None = None
    silent_h: int | None = None
    order: Order = Order.WORST
    page: int = 1


class Found(NamedTuple):
    """One page of devices, how many there are in all, and the page that it is."""

    rows: list[Device]
    total: int
    page: int
    pages: int


def join(
    entries: Iterable[Entry],
    areas: Mapping[str, str],
    states: Mapping[str, DeviceState],
    faults: Mapping[str, tuple[Fault, ...]],
    places: Sequence[PlaceFault],
) -> Fleet:
    """What the registry, the store and the findings know, put together."""
    silent_homes = {place.person: place.onset_ms for place in places if place.person}
    silent_areas = {place.area: place.onset_ms for place in places if not place.person}
    devices = []
    for entry in entries:
        state = states.get(entry.id, _NEVER_SAID)
        found = faults.get(entry.id, ())
        since_ms = silent_homes.get(entry.person) if entry.person else None
        if since_ms is None and silent_areas:
            since_ms = _silent_since(entry.area, silent_areas)
        words = " ".join((entry.id, entry.kind, entry.placement, entry.model[:_LONGEST], entry.area_name[:_LONGEST]))
        text = folded(words)
        low = any(fault.kind in BATTERY_KINDS for fault in found)
        low = low or (state.battery_pct is not None and state.battery_pct <= LOW_PCT)
        named = f"{text} {folded(entry.person_name[:_LONGEST])} {folded(entry.person)}" if entry.person else text
        devices.append(Device(entry, state, found, _link(state, found, since_ms), low, text, named))
    return Fleet(tuple(devices), areas, tuple(places))


def _silent_since(area: str, silent: Mapping[str, int]) -> int | None:
    found = [onset_ms for path, onset_ms in silent.items() if area == path or area.startswith(f"{path}.")]
    return min(found, default=None)


def _link(state: DeviceState, faults: Sequence[Fault], place_silent_ms: int | None) -> Link:
    if any(fault.kind == "offline" for fault in faults):
        return Link.SILENT
    if state.heard_ms is None:
        return Link.NEVER
    if place_silent_ms is not None and state.heard_ms <= place_silent_ms + _TOGETHER_MS:
        return Link.SILENT
    return Link.SILENT if state.online is False else Link.ONLINE


def find(fleet: Fleet, asked: Question, sees: Callable[[str], bool], now_ms: int, *, names: bool) -> Iterable[Device]:
    """The devices asked for in their order, of those whose area ``sees`` allows; ``names``: people may be searched."""
    words = folded(asked.words[:_LONGEST]).split()
    heard_by_ms = None if asked.silent_h is None else now_ms - asked.silent_h * 3_600_000
    allowed = {
        area: within(area, asked.area) and sees(area) for area in {device.entry.area for device in fleet.devices}
    }
    for device in fleet.in_order(asked.order):
        entry = device.entry
        if not allowed[entry.area] or (asked.kind and entry.kind != asked.kind):
            continue
        if asked.only and not _is(device, asked.only):
            continue
        if asked.battery_below is not None:
            charge = device.state.battery_pct
            if charge is None or charge >= asked.battery_below:
                continue
        if heard_by_ms is not None and (device.state.heard_ms is None or device.state.heard_ms > heard_by_ms):
            continue
        if words:
            text = device.named if names else device.text
            if not all(word in text for word in words):
                continue
        yield device


def page_of(devices: Iterable[Device], page: int) -> Found:
    """One page; the last one where there are fewer."""
    every = list(devices)
    pages = max(1, -(-len(every) // PAGE))
    page = min(max(1, page), pages)
    return Found(every[(page - 1) * PAGE : page * PAGE], len(every), page, pages)


def count(fleet: Fleet, area: str, sees: Callable[[str], bool]) -> Counts:
    """Of an area ("" for all) with everything below it that ``sees`` allows."""
    found = Counts()
    for path, counts in fleet.counts.items():
        if within(path, area) and sees(path):
            found.add(counts)
    return found


def within(path: str, area: str) -> bool:
    """Whether ``path`` is ``area`` or below it; everything is below ""."""
    return not area or path == area or path.startswith(f"{area}.")


def _is(device: Device, only: str) -> bool:
    if only == Only.FAULTY:
        return bool(device.faults)
    if only == Only.BATTERY:
        return device.low
    if only == Only.CLOCK:
        return device.clock
    if only in (Only.SILENT, Only.NEVER, Only.ONLINE):
        return device.link.value == only
    return any(fault.kind == only for fault in device.faults)
