"""The devices that have spoken: their row in the banks, whose they are, their clocks and what was seen of them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.clock import BootClock, DeviceClock
from ingest.dedupe import SeenStreams, pack_seen, unpack_seen
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
#: What of a device is saved as it is.
_PLAIN = (
    "id", "person", "area", "placement", "fall_point", "kind", "profile", "registered", "said_placement", "clock_boot",
)  # fmt: skip
_NOTHING = -(1 << 62)


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
        """Have room for ``rows`` devices; grows by an eighth."""
        if rows > len(self.online):
            more = max(rows, 64, len(self.online) * 9 // 8) - len(self.online)
            self.heard_ms = np.append(self.heard_ms, np.zeros(more, np.int64))
            self.online = np.append(self.online, np.zeros(more, np.bool_))
            self.heartbeat_s = np.append(self.heartbeat_s, np.full(more, DEFAULT_HEARTBEAT_S))

    def online_now(self, rows: int, now_ms: int) -> NDArray[np.bool_]:
        """``(rows,)``: who has spoken within three of its heartbeats and left no will."""
        limit_ms = HEARTBEATS_MISSED * self.heartbeat_s[:rows] * 1000
        return np.asarray(self.online[:rows] & (now_ms - self.heard_ms[:rows] <= limit_ms))

    def state(self) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
        """For a checkpoint: no copies."""
        return self.heard_ms, self.online, self.heartbeat_s

    def restore(self, state: tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]) -> None:
        """From a checkpoint."""
        heard_ms, online, heartbeat_s = state
        self.heard_ms, self.online, self.heartbeat_s = heard_ms.copy(), online.copy(), heartbeat_s.copy()


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
    frames: list[tuple[int, int]] | None = None  # None: it has none, or they stand elsewhere
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

    @property
    def recent_frames(self) -> list[tuple[int, int]]:
        """``(t, hash)`` of the last motion frames."""
        if self.frames is None:
            self.frames = []
        return self.frames

    @recent_frames.setter
    def recent_frames(self, frames: list[tuple[int, int]]) -> None:
        self.frames = frames or None

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
        known = self.clock.boot  # one and the same number for all that count by it
        return self.seen.of(stream).take(known if known == boot else boot, seq)


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

    def state(self) -> dict[str, Any]:
        """The devices, for a checkpoint. By column: a new object for each of what tens of thousands have would take
        memory between what stays, and keep it."""
        boots, offsets_ms, frames = array("q"), array("d"), array("q")
        for device in self.rows:
            for boot, offset_ms, first_ms, last_ms, candidate_ms, since_ms in (c.values() for c in device.clock.boots):
                candidate_ms = _NOTHING if candidate_ms is None else candidate_ms
                boots.extend((device.row, boot, first_ms, last_ms, candidate_ms, since_ms))
                offsets_ms.append(np.nan if offset_ms is None else offset_ms)
            for t_ms, content in device.frames or ():
                frames.extend((device.row, t_ms, content))
        return {
            **{name: [getattr(device, name) for device in self.rows] for name in _PLAIN},
            "boots": boots.tobytes(),
            "offsets_ms": offsets_ms.tobytes(),
            "frames": frames.tobytes(),
            "seen": pack_seen(device.seen for device in self.rows),
            "presence": self.presence.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint; owners come from :meth:`update_owners`."""
        self.presence.restore(state["presence"])
        plain = zip(*(state[name] for name in _PLAIN), strict=True)
        self.rows = [
            Device(row=row, presence=self.presence, seen=seen, **dict(zip(_PLAIN, values, strict=True)))
            for row, (values, seen) in enumerate(zip(plain, unpack_seen(state["seen"]), strict=True))
        ]
        self.by_id = {device.id: device for device in self.rows}
        clocks: dict[int, list[BootClock]] = {}
        offsets_ms = array("d", state["offsets_ms"])
        for offset_ms, (row, boot, first_ms, last_ms, candidate_ms, since_ms) in zip(
            offsets_ms, _records(state["boots"], 6), strict=True
        ):
            clock = BootClock(
                boot, None if offset_ms != offset_ms else offset_ms, first_ms, last_ms,
                None if candidate_ms == _NOTHING else candidate_ms, since_ms,
            )  # fmt: skip
            clocks.setdefault(row, []).append(clock)
        for row, of_row in clocks.items():
            self.rows[row].clock = DeviceClock(of_row)
        for row, t_ms, content in _records(state["frames"], 3):
            self.rows[row].recent_frames.append((t_ms, content))

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


def _records(saved: bytes, width: int) -> Iterable[tuple[int, ...]]:
    """Whole numbers, so many at a time."""
    numbers = iter(array("q", saved))
    return zip(*[numbers] * width, strict=True)
