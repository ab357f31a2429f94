"""The devices that have spoken: their row in the banks, whose they are, their clocks and what was seen of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.clock import BootClock, DeviceClock
from ingest.dedupe import SeenStreams
from telemetry.topics import Stream

#: Silence after which a device that named no heartbeat counts as offline.
DEFAULT_HEARTBEAT_S = 60.0
#: Heartbeats that may be missed (GB/T 28181: 60 s, three misses).
HEARTBEATS_MISSED = 3
#: Where a wearable is worn, as the fall detector tells them apart. Everything else is unknown to it.
PLACEMENTS: tuple[str, ...] = ("waist", "wrist", "hip", "pocket", "unknown")


@dataclass(frozen=True, slots=True)
class Profile:
    """What the detectors take into account of a person.

    Attributes:
        conditions: what they live with; some change limits of the vitals.
        spo2_scale: of NEWS2, 1 or 2.
        limits: own limits of the vitals, by name.
        residents: how many live in the home.
        pets: whether an animal moves about there.
    """

    conditions: tuple[str, ...] = ()
    spo2_scale: int = 1
    limits: tuple[tuple[str, float], ...] = ()
    residents: int = 1
    pets: bool = False


#: Of whom nothing is said.
ANYBODY = Profile()


@dataclass(frozen=True, slots=True)
class Owner:
    """What the pipeline needs of the registry for one device.

    Attributes:
        person: pseudonymous key of the wearer, None for an unassigned device.
        area: dotted path.
        placement: where the device is worn; None or "" when the registry does not say.
        fall_point: the wearer's own operating point of the fall detector, "" without one.
        kind: what it is, as the registry has it: wearable, button, bed ...; "" where it does not say.
        profile: of the wearer, or of whoever lives where the device is.
    """

    person: str | None
    area: str | None
    placement: str | None
    fall_point: str = ""
    kind: str = ""
    profile: Profile = ANYBODY


@dataclass(frozen=True, slots=True)
class FallPoints:
    """The operating points of the fall detector for wearers who have none of their own.

    Attributes:
        general: where no placement says otherwise; None leaves it to the detector.
        by_placement: of waist, wrist, hip, pocket, unknown; the last is for every other placement too.
    """

    general: str | None = None
    by_placement: Mapping[str, str] = field(default_factory=dict)

    def of(self, device: Device) -> str | None:
        """The person's, else the placement's, else the general one."""
        placement = device.placement if device.placement in PLACEMENTS else "unknown"
        return device.fall_point or self.by_placement.get(placement, self.general)


class Presence:
    """When devices were last heard and whether they said goodbye, by row."""

    def __init__(self) -> None:
        self.heard_ms: NDArray[np.int64] = np.zeros(0, np.int64)
        self.online: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.heartbeat_s: NDArray[np.float64] = np.zeros(0)

    def reserve(self, rows: int) -> None:
        """Have room for ``rows`` devices; grows by half."""
        if rows > len(self.online):
            more = max(rows, 64, len(self.online) * 3 // 2) - len(self.online)
            self.heard_ms = np.append(self.heard_ms, np.zeros(more, np.int64))
            self.online = np.append(self.online, np.zeros(more, np.bool_))
            self.heartbeat_s = np.append(self.heartbeat_s, np.full(more, DEFAULT_HEARTBEAT_S))

    def online_now(self, rows: int, now_ms: int) -> NDArray[np.bool_]:
        """``(rows,)``: who has spoken within three of its heartbeats and left no will."""
        limit_ms = HEARTBEATS_MISSED * self.heartbeat_s[:rows] * 1000
        return np.asarray(self.online[:rows] & (now_ms - self.heard_ms[:rows] <= limit_ms))


@dataclass(slots=True)
class Device:
    """One known device. ``row`` is its place in the banks and never changes."""

    id: str
    row: int
    person: str = ""
    area: str = ""
    placement: str = "unknown"
    fall_point: str = ""  # the person's own; "" without one
    kind: str = ""
    profile: Profile = ANYBODY
    registered: bool = True
    clock: DeviceClock = field(default_factory=DeviceClock)
    seen: SeenStreams = field(default_factory=SeenStreams)
    said_placement: str | None = None  # what its status message says, used where the registry is silent
    recent_frames: list[tuple[int, int]] = field(default_factory=list)  # (t, hash) of the last motion frames
    clock_boot: int | None = None  # the boot whose wrong clock has been reported
    presence: Presence = field(default_factory=Presence, repr=False)

    def __post_init__(self) -> None:
        self.presence.reserve(self.row + 1)

    @property
    def last_recv_ms(self) -> int:
        """When it was last heard."""
        return int(self.presence.heard_ms[self.row])

    @property
    def online(self) -> bool:
        """Whether it has not said goodbye."""
        return bool(self.presence.online[self.row])

    def __reduce__(self) -> tuple[Any, ...]:
        """Plain values: tens of thousands of devices are saved every few seconds."""
        boots = [(c.boot, c.offset_ms, c.first_offset_ms, c.last_recv_ms, c.candidate_offset_ms, c.candidate_since_ms)
                 for c in self.clock.boots]  # fmt: skip
        seen = list(self.seen.state())
        return _device, (
            self.id, self.row, self.person, self.area, self.placement, self.fall_point, self.kind, self.profile,
            self.registered, boots, seen, self.said_placement, self.recent_frames, self.clock_boot, self.presence,
        )  # fmt: skip

    def is_online(self, now_ms: int) -> bool:
        """Whether it has spoken within three of its heartbeats and left no will."""
        return bool(self.presence.online_now(self.row + 1, now_ms)[self.row])

    def heard(self, recv_ms: int) -> None:
        """It has spoken."""
        self.presence.heard_ms[self.row] = max(self.last_recv_ms, recv_ms)

    def says(self, *, online: bool) -> None:
        """That it is there, or not any more."""
        self.presence.online[self.row] = online

    def promises(self, heartbeat_s: float) -> None:
        """To speak at least this often."""
        self.presence.heartbeat_s[self.row] = heartbeat_s

    def first_time(self, stream: Stream, boot: int, seq: int) -> bool:
        """Whether (stream, boot, seq) has not been taken before; it counts as taken from now on."""
        return self.seen.of(stream).take(boot, seq)


def _device(*saved: Any) -> Device:
    """The device of which :meth:`Device.__reduce__` has told."""
    boots = DeviceClock([BootClock(*boot) for boot in saved[9]])
    make: Any = Device  # whose arguments are its fields, in order
    device: Device = make(*saved[:9], boots, SeenStreams(saved[10]), *saved[11:])
    return device


class Devices:
    """Known devices by id, rows handed out in the order of appearance."""

    def __init__(self) -> None:
        self.by_id: dict[str, Device] = {}
        self.rows: list[Device] = []
        self.presence = Presence()
        self._owners: Mapping[str, Owner] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, device_id: str) -> Device | None:
        """The device, or None where the registry does not know it."""
        device = self.by_id.get(device_id)
        if device is not None:
            return device if device.registered else None
        owner = self._owners.get(device_id)
        if owner is None:
            return None
        device = Device(device_id, len(self.rows), presence=self.presence)
        self._assign(device, owner)
        self.by_id[device_id] = device
        self.rows.append(device)
        return device

    def owner(self, device_id: str) -> Owner | None:
        """What the registry says of a device."""
        return self._owners.get(device_id)

    def update_owners(self, owners: Mapping[str, Owner]) -> list[Device]:
        """Take a new state of the registry; the devices about which, or about whose person, something has changed."""
        self._owners = owners
        changed = []
        for device in self.rows:
            before = self._known(device)
            owner = owners.get(device.id)
            device.registered = owner is not None
            if owner is not None:
                self._assign(device, owner)
            if self._known(device) != before:
                changed.append(device)
        return changed

    @staticmethod
    def _known(device: Device) -> tuple[object, ...]:
        return (
            device.person, device.area, device.placement, device.fall_point, device.kind, device.profile,
            device.registered,
        )  # fmt: skip

    def said_placement(self, device: Device, placement: str | None) -> bool:
        """A status message names a placement; True when it changes what the banks should assume."""
        device.said_placement = placement
        owner = self._owners.get(device.id)
        before = device.placement
        if owner is not None:
            self._assign(device, owner)
        return device.placement != before

    def online_by_area(self, now_ms: int) -> dict[str, int]:
        """Online devices of every area and of all areas above it."""
        counts: dict[str, int] = {}
        online = np.flatnonzero(self.presence.online_now(len(self.rows), now_ms))
        here = Counter(device.area for row in online.tolist() if (device := self.rows[row]).registered)
        for area, devices in here.items():
            while area:
                counts[area] = counts.get(area, 0) + devices
                area = area.rpartition(".")[0]
        return counts

    def state(self) -> list[Device]:
        """The devices, for a checkpoint."""
        return self.rows

    def restore(self, rows: list[Device]) -> None:
        """Continue from a checkpoint; owners come from :meth:`update_owners`."""
        self.rows = rows
        self.by_id = {device.id: device for device in rows}
        if rows:
            self.presence = rows[0].presence

    @staticmethod
    def _assign(device: Device, owner: Owner) -> None:
        device.person = owner.person or ""
        device.area = owner.area or ""
        device.fall_point = owner.fall_point
        device.kind = owner.kind
        device.profile = owner.profile
        placement = owner.placement
        if not placement or placement == "unknown":
            placement = device.said_placement
        device.placement = placement or "unknown"
