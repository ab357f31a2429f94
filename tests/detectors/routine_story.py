"""A home that does not exist, told by the hour: what its sensors say, and what the routine bank makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from detectors.detection import Detection
from detectors.routine.bank import RoutineBank
from detectors.routine.batch import HomeBatch, Value

ZONE = ZoneInfo("Asia/Shanghai")
MINUTE_MS = 60_000
TICK_MS = 30_000


class Said(NamedTuple):
    """One reading."""

    t_ms: int
    device: str
    kind: str
    room: str | None
    value: Value


def ms(day: int, clock: str, zone: ZoneInfo = ZONE) -> int:
    """An instant of a day of March 2026, by the local clock."""
    hour, minute = clock.split(":")
    return int(datetime(2026, 3, day, int(hour), int(minute), tzinfo=zone).timestamp() * 1000)


def moves(t_ms: int, room: str, minutes: float = 2.0, every_s: float = 40.0) -> list[Said]:
    """Somebody moves about in a room: on, and off two seconds later, over and over."""
    out = []
    for k in range(max(1, round(minutes * 60 / every_s))):
        at = t_ms + round(k * every_s * 1000)
        out += [
            Said(at, f"pir-{room}", "presence", room, True),
            Said(at + 2_000, f"pir-{room}", "presence", room, False),
        ]
    return out


def blip(t_ms: int, room: str) -> list[Said]:
    """A sensor that nobody passed: on and off once."""
    return [
        Said(t_ms, f"pir-{room}", "presence", room, True),
        Said(t_ms + 1_000, f"pir-{room}", "presence", room, False),
    ]


def door(t_ms: int) -> list[Said]:
    """Through the front door: past its sensor, open, closed."""
    return [
        *blip(t_ms - 3_000, "entry"),
        Said(t_ms, "door", "contact", "entry", "open"),
        Said(t_ms + 8_000, "door", "contact", "entry", "closed"),
    ]


def day(
    number: int, *, out: bool = True, shift_min: int | None = None, until: str = "24:00", zone: ZoneInfo = ZONE
) -> list[Said]:
    """A usual day from midnight on: asleep until 7, meals, sitting with little movement, out from 10 to 11:30, to bed
    at 22:30; nothing from ``until`` on."""
    shift = (number * 7 % 20 if shift_min is None else shift_min) * MINUTE_MS

    def at(clock: str) -> int:
        return ms(number, clock, zone) + shift

    said = [*moves(at("01:10"), "bedroom", 1), *moves(at("03:00"), "bedroom", 1)]
    said += [*moves(at("03:05"), "bathroom", 3), *moves(at("03:09"), "bedroom", 2), *moves(at("05:20"), "bedroom", 1)]
    said += [*moves(at("07:00"), "bedroom", 3), *moves(at("07:04"), "bathroom", 10), *moves(at("07:15"), "kitchen", 30)]
    said += [*moves(at("07:46"), "living", 2), *moves(at("08:40"), "living", 1), *moves(at("09:30"), "bathroom", 5)]
    if out:
        said += [*moves(at("09:50"), "living", 9), *door(at("10:00")), *door(at("11:30"))]
    said += [*moves(at("11:31"), "living", 2), *moves(at("11:34"), "kitchen", 40), *moves(at("12:20"), "bathroom", 4)]
    said += [*moves(at("12:25"), "living", 2)]
    said += [*moves(at("13:40"), "living", 1), *moves(at("14:50"), "bathroom", 4), *moves(at("14:55"), "living", 3)]
    said += [*moves(at("16:00"), "living", 1), *moves(at("17:00"), "kitchen", 60), *moves(at("18:02"), "bathroom", 4)]
    said += [*moves(at("18:07"), "living", 3), *moves(at("19:10"), "living", 1), *moves(at("20:30"), "living", 1)]
    said += [*moves(at("21:20"), "living", 1), *moves(at("22:10"), "bathroom", 12), *moves(at("22:25"), "bedroom", 12)]
    end = ms(number, "00:00", zone) + (24 * 60 if until == "24:00" else _minutes(until)) * MINUTE_MS
    return [one for one in said if one.t_ms < end]


def _minutes(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


class Home:
    """One home in a bank, and the clock."""

    def __init__(
        self, *, person: str = "p1", residents: int = 1, pets: bool = False, bank: RoutineBank | None = None
    ) -> None:
        self.bank = RoutineBank(ZONE) if bank is None else bank  # an empty one is False
        self.row = self.bank.add(person, residents=residents, pets=pets)
        self.found: list[Detection] = []

    def hear(self, said: Iterable[Said], *, historical: bool = False) -> list[Detection]:
        """Deliver readings one by one in the order of their time, the clock ticking in between."""
        new: list[Detection] = []
        for one in sorted(said, key=lambda said: said.t_ms):
            new += self._wait(one.t_ms)
            new += self.bank.update(batch([one], self.row, historical=historical), one.t_ms)
        self.found += new
        return new

    def wait(self, until_ms: int) -> list[Detection]:
        """Nothing comes until then."""
        new = self._wait(until_ms + 1)
        self.found += new
        return new

    def learn(self, days: int = 9, **usual: bool) -> None:
        """The first days of March."""
        for number in range(1, days + 1):
            self.hear(day(number, **usual))

    def _wait(self, until_ms: int) -> list[Detection]:
        new: list[Detection] = []
        while (due_ms := self.bank.next_due_ms()) is not None:
            tick_ms = -(-due_ms // TICK_MS) * TICK_MS
            if tick_ms >= until_ms:
                break
            new += self.bank.update(None, tick_ms)
        return new


def batch(said: list[Said], row: int = 0, *, recv_ms: int | None = None, historical: bool = False) -> HomeBatch:
    """Readings of one home, received when they happened or at one instant."""
    t_ms = np.array([one.t_ms for one in said], np.int64)
    return HomeBatch(
        row=np.full(len(said), row, np.int32),
        device=[one.device for one in said],
        kind=[one.kind for one in said],
        room=[one.room for one in said],
        value=[one.value for one in said],
        t_ms=t_ms,
        recv_ms=t_ms if recv_ms is None else np.full(len(said), recv_ms, np.int64),
        historical=historical,
    )
