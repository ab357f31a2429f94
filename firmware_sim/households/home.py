"""A home: residents, guests, animals and sensors, as one stream of readings in order of time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from firmware_sim.households.fate import HOUR_MS, Fate, Nature, Signal
from firmware_sim.households.habits import BATHROOM, BEDROOM, HALL, KITCHEN, LIVING, Habits
from firmware_sim.households.plan import Household, SensorPlace
from firmware_sim.households.resident import Resident
from firmware_sim.truth import Happening

#: Readings are made for so long ahead.
_AHEAD_MS = HOUR_MS // 2
_SMOKE_MS = 8 * 60_000
#: An animal comes by so often an hour, by day and at night, and moves so many times.
_PET_PER_H, _PET_NIGHT_PER_H, _PET_MOVES = 3.0, 1.0, 4
#: Who is newly in such a room opens a tap with this chance; it runs for so long, s.
_TAP = {KITCHEN: (0.5, (5.0, 60.0)), BATHROOM: (0.7, (8.0, 90.0))}


class Reading(NamedTuple):
    """One reading of one sensor (index among those of the home)."""

    t_ms: int
    sensor: int
    value: bool


class Home:
    """One home, made from its number, a seed and what will happen in it.

    Args:
        household: who lives there and which sensors there are.
        habits: how people live.
        seed: of everything.
        start_ms: when it begins, epoch ms.
        utc_offset_s: of the place.
        fate: what befalls the (first) resident; ``happened`` is filled as time goes on.
        smoke_ms: when there is smoke.
        visits_a_week: of guests.
        hold_s: how long a presence sensor stays on after a movement.

    Attributes:
        made_until_ms: the readings up to here have been made.
    """

    def __init__(
        self,
        household: Household,
        habits: Habits,
        seed: tuple[int, ...],
        *,
        start_ms: int,
        utc_offset_s: int,
        fate: Fate,
        smoke_ms: tuple[int, ...] = (),
        visits_a_week: float = 0.0,
        hold_s: float = 60.0,
    ) -> None:
        self.household = household
        self.fate = fate
        self.made_until_ms = start_ms
        self._start_ms, self._offset_ms, self._hold_s = start_ms, utc_offset_s * 1000, hold_s
        self._smoke_ms = sorted(smoke_ms)
        rng = Random(".".join(str(part) for part in seed))  # of texts: the same on every machine
        nature = Nature(
            later_h=max(-1.5, min(1.5, rng.gauss(0, 0.6))),
            outings=rng.uniform(0.5, 1.3),
            pace=rng.uniform(0.8, 1.25),
            visits_a_week=visits_a_week,
        )
        streams = [Resident(
            habits, nature, Random(rng.getrandbits(64)), start_ms=start_ms, utc_offset_s=utc_offset_s, fate=fate,
            person=household.person,
        ).signals()]  # fmt: skip
        if household.residents > 1:
            other = Nature(later_h=nature.later_h + rng.uniform(-0.7, 0.7), outings=nature.outings, pace=nature.pace)
            beside = Fate(away=list(fate.away))
            streams.append(_beside(Resident(
                habits, other, Random(rng.getrandbits(64)), start_ms=start_ms, utc_offset_s=utc_offset_s, fate=beside,
                person=household.person,
            )))  # fmt: skip
        if household.pets:
            streams.append(self._animal(Random(rng.getrandbits(64))))
        self._readings = self._sense(heapq.merge(*streams), Random(rng.getrandbits(64)))
        self._next = next(self._readings)
        self._waiting: list[deque[Reading]] = [deque() for _ in household.sensors]

    def readings(self, until_ms: int) -> Iterator[Reading]:
        """The readings that come next, up to ``until_ms``. For a home whose sensors are not asked one by one."""
        while self._next.t_ms <= until_ms:
            one = self._next
            self._next = next(self._readings)
            yield one

    def take(self, sensor: int, now_ms: int) -> list[Reading]:
        """What one sensor says up to ``now_ms``, after the last call. Makes readings ahead when it has to."""
        if now_ms >= self.made_until_ms:
            self.made_until_ms = max(self.made_until_ms, now_ms) + _AHEAD_MS
            for one in self.readings(self.made_until_ms):
                self._waiting[one.sensor].append(one)
        waiting, taken = self._waiting[sensor], []
        while waiting and waiting[0].t_ms <= now_ms:
            taken.append(waiting.popleft())
        return taken

    def due_ms(self, sensor: int) -> int:
        """When to ask a sensor again."""
        waiting = self._waiting[sensor]
        return waiting[0].t_ms if waiting else self.made_until_ms

    def happened(self, until_ms: int) -> list[Happening]:
        """What has begun by ``until_ms``."""
        person = self.household.person
        smoke = [
            Happening(kind="smoke", begin_ms=at_ms, due_ms=at_ms + 30_000, end_ms=at_ms + _SMOKE_MS,
                      device=sensor.device, person=person)
            for at_ms in self._smoke_ms
            for sensor in self.household.sensors
            if sensor.kind == "smoke"
        ]  # fmt: skip
        every = [one for one in [*self.fate.happened, *smoke] if one.begin_ms <= until_ms]
        return sorted(every, key=lambda one: one.begin_ms)

    # inside

    def _animal(self, rng: Random) -> Iterator[Signal]:
        at_ms = self._start_ms
        while True:
            hour = (at_ms + self._offset_ms) % (24 * HOUR_MS) / HOUR_MS
            rate = _PET_PER_H if 6 <= hour < 23 else _PET_NIGHT_PER_H
            at_ms += round(rng.expovariate(rate) * HOUR_MS)
            place = rng.choices((LIVING, KITCHEN, HALL, BEDROOM), (0.5, 0.2, 0.2, 0.1))[0]
            for _ in range(rng.randint(1, 2 * _PET_MOVES)):
                yield Signal(at_ms, "motion", place, True, rng.uniform(1.0, 3.0))
                at_ms += rng.randint(2_000, 20_000)

    def _sense(self, signals: Iterator[Signal], rng: Random) -> Iterator[Reading]:
        """What the sensors make of it."""
        sensors = self.household.sensors
        sees = {place: at for at, sensor in enumerate(sensors) for place in sensor.places}
        others = {kind: at for at, sensor in enumerate(sensors) for kind in (sensor.kind,) if not sensor.places}
        taps = {place: _find(sensors, "water", room) for place, room in ((KITCHEN, "kitchen"), (BATHROOM, "bathroom"))}
        off_ms: dict[int, int] = {}  # of presence sensors that are on
        later: list[Reading] = []
        if "smoke" in others:
            for at_ms in self._smoke_ms:
                heapq.heappush(later, Reading(at_ms, others["smoke"], True))
                heapq.heappush(later, Reading(at_ms + _SMOKE_MS, others["smoke"], False))
        here, runs_ms = -1, 0  # the last movement's place; how long a tap runs there
        opens: Reading | None = None  # the tap, unless somebody leaves before
        closes: Reading | None = None
        for signal in signals:
            t_ms = signal.t_ms
            moves = signal.what == "motion" and signal.place != here
            if opens is not None and (moves or opens.t_ms < t_ms):
                if opens.t_ms < t_ms:
                    heapq.heappush(later, opens)
                    closes = Reading(opens.t_ms + runs_ms, opens.sensor, False)
                opens = None
            if closes is not None and (moves or closes.t_ms <= t_ms):
                heapq.heappush(later, closes._replace(t_ms=min(closes.t_ms, t_ms)))
                closes = None
            if moves and (left := sees.get(here)) in off_ms:
                # what a sensor still sees is whoever is there: it ends when they are seen elsewhere
                off_ms[left] = min(off_ms[left], t_ms + round(self._hold_s * 1000))
            for at, ends_ms in list(off_ms.items()):
                if ends_ms <= t_ms:
                    heapq.heappush(later, Reading(ends_ms, at, False))
                    del off_ms[at]
            while later and later[0].t_ms <= t_ms:
                yield heapq.heappop(later)
            if signal.what != "motion":
                sensor = others.get("contact" if signal.what == "door" else "bed")
                if sensor is not None:
                    yield Reading(t_ms, sensor, signal.on)
                continue
            seen = sees.get(signal.place)
            if seen is not None:
                until_ms = t_ms + round((signal.seen_s + self._hold_s) * 1000)
                if seen in off_ms and not self._hold_s:
                    yield Reading(t_ms, seen, False)
                    del off_ms[seen]
                if seen not in off_ms:
                    yield Reading(t_ms, seen, True)
                off_ms[seen] = max(off_ms.get(seen, 0), until_ms)
            if moves:
                here = signal.place
                sink = taps.get(here)
                if sink is not None and rng.random() < _TAP[here][0]:
                    opens = Reading(t_ms + rng.randint(3_000, 20_000), sink, True)
                    runs_ms = round(rng.uniform(*_TAP[here][1]) * 1000)


def _beside(resident: Resident) -> Iterator[Signal]:
    """What a second resident makes sensors notice: the bed sensor is the first one's."""
    return (signal for signal in resident.signals() if signal.what != "bed")


def _find(sensors: tuple[SensorPlace, ...], kind: str, room: str) -> int | None:
    return next((at for at, sensor in enumerate(sensors) if sensor.kind == kind and sensor.room == room), None)
