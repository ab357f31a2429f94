"""When somebody was in which room: on how many of the last days, hour by hour. What is counted is pure.

A room counts in an hour when a sensor in it told of somebody. Sensors of a bed or of presence say when it begins and
when it ends, so the time between counts as well; longer than :data:`_LONGEST_S` is a sensor that stopped talking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from store import Store

#: Kinds of home sensors that tell of a person, and whether they say how long.
KINDS: dict[str, bool] = {
    "presence": True, "occupancy": True, "bed": True, "motion": False, "vibration": False, "contact": False,
    "water": False,
}  # fmt: skip
#: The choices of the page, in days.
DAYS: tuple[int, ...] = (7, 28)
#: Points of one sensor: in 28 days steps of eight minutes.
_MOST = 5_000
_LONGEST_S = 14 * 3600
_HOURS = 24
_NOT_AT_HOME = frozenset({"wearable", "button", "siren"})


class HomeSensor(NamedTuple):
    """A device at home, the place that the registry has it at, and what it may say."""

    device: str
    place: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """On how many of ``days`` (those on which any sensor spoke) something was noticed: ``rooms`` by their name, each 24
    numbers from midnight on. ``days`` 0: nothing was heard."""

    rooms: dict[str, list[int]]
    days: int
    asked_days: int


def read_heat_map(store: Store, sensors: Sequence[HomeSensor], days: int, now_ms: int, zone: ZoneInfo) -> HeatMap:
    """The last ``days`` local days, today among them. Raises StoreError."""
    midnight = datetime.fromtimestamp(now_ms / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    start_ms = round((midnight - timedelta(days=days - 1)).timestamp() * 1000)
    seen: dict[str, NDArray[np.bool_]] = {}
    for sensor in sensors:
        for kind in sensor.kinds:
            read = store.range(
                "home", ["value"], tags={"device": sensor.device, "kind": kind}, start_ms=start_ms, end_ms=now_ms + 1,
                points=_MOST,
            )  # fmt: skip
            if not len(read):
                continue
            hours = noticed(read.t_ms, read.columns["value"], KINDS[kind], start_ms, days, now_ms, zone)
            room = "bed" if kind == "bed" else sensor.place
            seen[room] = seen[room] | hours if room in seen else hours
    any_day = np.zeros(days, np.bool_)
    for hours in seen.values():
        any_day |= hours.any(axis=1)
    rooms = {room: hours.sum(axis=0).tolist() for room, hours in sorted(seen.items())}
    return HeatMap(rooms, int(any_day.sum()), days)


def home_sensor(device: str, kind: str, placement: str) -> HomeSensor | None:
    """A device of the registry as a sensor of a room; None for what is worn or pressed, or what hangs nowhere. A hub,
    or a sensor whose kind says nothing, may say anything."""
    if kind in _NOT_AT_HOME or not placement:
        return None
    return HomeSensor(device, placement, (kind,) if kind in KINDS else tuple(KINDS))


def noticed(
    t_ms: NDArray[np.int64],
    values: NDArray[np.float64],
    lasting: bool,
    start_ms: int,
    days: int,
    now_ms: int,
    zone: ZoneInfo,
) -> NDArray[np.bool_]:
    """``(days, 24)``: in which local hours something was noticed. ``lasting``: a value above 0 holds until one that is
    not; the mean of a step is 0 only where it was off all the time."""
    grid = np.zeros((days, _HOURS), np.bool_)
    first = datetime.fromtimestamp(start_ms / 1000, zone).date()
    there = np.isfinite(values)
    instants, on = t_ms[there].tolist(), (values[there] > 0).tolist()

    def mark(at_ms: int) -> None:
        local = datetime.fromtimestamp(at_ms / 1000, zone)
        day = (local.date() - first).days
        if 0 <= day < days:
            grid[day, local.hour] = True

    for place, (at_ms, is_on) in enumerate(zip(instants, on, strict=True)):
        if not is_on:
            continue
        mark(at_ms)
        if lasting:
            until_ms = instants[place + 1] if place + 1 < len(instants) else now_ms
            if until_ms - at_ms <= _LONGEST_S * 1000:
                for between_ms in range(at_ms - at_ms % 3_600_000 + 3_600_000, until_ms, 1_800_000):
                    mark(between_ms)
    return grid
