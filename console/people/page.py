"""What the page of a person shows of the store, put together so that a store that is away leaves a note and no more."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from console.devices.state import DeviceState, read_devices
from console.people.profile import Profile
from console.people.routine import HeatMap, home_sensor, read_heat_map
from console.people.series import SPANS, Course, Row, read_course, table
from console.people.state import State, read_state
from console.points import Points
from store import Store, StoreError

_log = logging.getLogger(__name__)

#: The script asks for the drawing right after the page: what the page read is good for so long.
_FRESH_MS = 10_000
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """What the store has of a person. ``trouble``: "" where it answered, ``none`` without a store, ``away``."""

    trouble: str = ""
    state: State = field(default_factory=State)
    rows: list[Row] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)
    heat: HeatMap | None = None
    devices: Mapping[str, DeviceState] = field(default_factory=dict)


class Courses:
    """Courses that were read a moment ago, so that the page and its drawing read once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[int, Course]] = OrderedDict()

    def read(self, store: Store, person: str, span: str, now_ms: int) -> Course:
        """The course of a span, some seconds old at most. Raises StoreError."""
        place = person, span
        with self._lock:
            kept = self._kept.get(place)
        if kept is not None and 0 <= now_ms - kept[0] < _FRESH_MS:
            return kept[1]
        course = read_course(store, person, SPANS[span], now_ms)
        with self._lock:
            self._kept[place] = now_ms, course
            self._kept.move_to_end(place)
            while len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        return course


def read_measured(
    points: Points,
    courses: Courses,
    profile: Profile,
    *,
    health: bool,
    span: str,
    days: int,
    now_ms: int,
    zone: ZoneInfo,
) -> Measured:
    """Everything that the page shows of the store; without ``health`` how the devices are, and nothing else."""
    store = points.store()
    if store is None:
        return Measured("none")
    key = profile.entry.key
    try:
        devices = read_devices(store, [device.id for device in profile.devices])
        if not health:
            return Measured(devices=devices)
        course = courses.read(store, key, span, now_ms)
        sensors = [home_sensor(device.id, device.kind, device.placement) for device in profile.devices]
        return Measured(
            state=read_state(store, key, now_ms, profile.entry.spo2_scale),
            rows=table(course, SPANS[span].row_s, zone),
            signs=list(course.lines),
            heat=read_heat_map(store, [sensor for sensor in sensors if sensor is not None], days, now_ms, zone),
            devices=devices,
        )
    except StoreError as error:
        _log.warning("the page of a person goes on without the store: %s", error)
        return Measured("away")
