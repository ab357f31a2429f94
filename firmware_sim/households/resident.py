"""One person at home, from movement to movement: up, in bed, out, and what may befall them there.

Pure: a resident is a generator of signals in order of time, made from habits and a seed. Nobody is woken between them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from random import Random

from firmware_sim.households.day import Day, day_of
from firmware_sim.households.fate import (
    DAY_MS,
    HOUR_MS,
    LASTS_H,
    NIGHT_H,
    NOT_BACK_FROM_H,
    TROUBLES,
    WINDOW_H,
    Fate,
    Nature,
    Signal,
)
from firmware_sim.households.habits import (
    ASLEEP,
    BATHROOM,
    BEDROOM,
    CHAIR,
    COOKING,
    DESK,
    EVENING,
    HALL,
    KITCHEN,
    LIVING,
    LONG_S,
    MORNING,
    MORNING_S,
    NIGHT,
    Habits,
    choice,
    length_s,
    part_of,
    time_of,
)
from firmware_sim.truth import Happening

_SEATS = (LIVING, CHAIR, DESK)
#: A door stands open for so long, s; who enters is seen so long after it opens.
_DOOR_S, _ENTERS_S = (9.0, 25.0), (2.0, 5.0)
#: Who comes to bed lies in it so long after being seen beside it, s.
_LIES_DOWN_S = (15.0, 40.0)
_VISIT_H = (0.5, 3.0)
_VISITS_FROM_TO_H = (9.0, 18.0)


class Resident:
    """One person.

    Args:
        habits: how people live.
        nature: how this one differs.
        rng: draws everything.
        start_ms: when the first movement may be.
        utc_offset_s: of the place.
        fate: what befalls the person.
        person: pseudonymous key, for what happened.
    """

    def __init__(
        self, habits: Habits, nature: Nature, rng: Random, *, start_ms: int, utc_offset_s: int, fate: Fate, person: str
    ) -> None:
        self._habits, self._nature, self._rng, self._fate, self._person = habits, nature, rng, fate, person
        self._offset_ms = utc_offset_s * 1000 - round(nature.later_h * HOUR_MS)  # a late riser's clock is behind
        fate.troubles.sort()
        fate.falls.sort()
        fate.away.sort()
        self._now_ms = start_ms
        self._place = LIVING
        self._in_bed = self._lies = False
        self._until_outing = rng.expovariate(1.0)
        self._visit_ms = self._next_visit(start_ms)
        self._company: list[Signal] = []
        self._company_ms = 0  # until when somebody is visiting
        self._cooks_until_ms = self._morning_until_ms = 0
        self._day = day_of(habits, rng, start_ms, self._offset_ms)
        if self._day.bed_ms <= start_ms < self._day.rise_ms:
            self._in_bed, self._lies, self._place = True, True, BEDROOM

    def signals(self) -> Iterator[Signal]:
        """Everything that sensors may notice of this person and of visitors, in order; without end."""
        for signal in self._life():
            while self._company and self._company[0].t_ms <= signal.t_ms:
                yield heapq.heappop(self._company)
            yield signal

    # one step after the other

    def _life(self) -> Iterator[Signal]:
        while True:
            gap_ms, there = self._draw()
            next_ms = self._now_ms + gap_ms
            happens = self._interrupted(next_ms)
            if happens is not None:
                yield from happens
                continue
            if self._in_bed:
                # who is silent for long has lain down, whatever the motion sensors made of the way back
                if gap_ms >= LONG_S * 1000:
                    yield from self._lie(True, min(self._now_ms + 40_000, next_ms))
                if there != BEDROOM:
                    yield from self._lie(False, max(self._now_ms, next_ms - 1500))
            self._now_ms, self._place = next_ms, there
            yield self._motion()
            if self._in_bed and there == BEDROOM:
                yield from self._lie(True, self._now_ms + round(self._rng.uniform(*_LIES_DOWN_S) * 1000))

    def _draw(self) -> tuple[int, int]:
        """Ms until the next movement, and where it is."""
        habits, rng, here = self._habits, self._rng, self._place
        time = ASLEEP if self._in_bed else time_of(self._hour(self._now_ms))
        mode = habits.modes[time]
        which = self._part()
        if rng.random() < habits.parts[which].long[here]:
            there = choice(mode.goes[here], rng.random())
            if here not in _SEATS and not self._in_bed:
                there = here  # who stands still there for long is seen there again before going anywhere
            gap_s = length_s(mode.long_s[here], rng.random())
        else:
            there = choice(habits.parts[which].goes[here], rng.random())
            gap_s = length_s((mode.stays_s if there == here else mode.moves_s)[here], rng.random())
            gap_s = min(gap_s * self._nature.pace, LONG_S)
        return max(200, round(gap_s * 1000)), there

    def _part(self) -> int:
        if self._in_bed:
            return NIGHT
        if self._now_ms < self._cooks_until_ms:
            return COOKING
        if self._now_ms < self._morning_until_ms:
            return MORNING
        return EVENING if self._now_ms >= self._day.evening_ms else part_of(self._hour(self._now_ms))

    def _interrupted(self, next_ms: int) -> Iterator[Signal] | None:
        """What happens before the next movement, the first of all; None where nothing does."""
        fate, now_ms = self._fate, self._now_ms
        first: tuple[int, Iterator[Signal]] | None = None

        def propose(at_ms: int, what: Iterator[Signal]) -> None:
            nonlocal first
            at_ms = max(at_ms, now_ms)
            if at_ms <= next_ms and (first is None or at_ms < first[0]):
                first = at_ms, what

        if fate.falls:
            propose(fate.falls[0][0], self._fall())
        for trouble in fate.troubles:
            begin_ms = self._possible_ms(trouble)
            if begin_ms is not None:
                propose(begin_ms, self._trouble(trouble, begin_ms))
        if self._in_bed:
            propose(self._day.rise_ms, self._rise())
            return first[1] if first else None
        if fate.away:
            propose(fate.away[0][0], self._holiday())
        propose(self._day.bed_ms, self._go_to_bed())
        if now_ms < self._day.evening_ms:
            propose(self._day.evening_ms, self._turn_in())
            if self._day.meals:
                propose(self._day.meals[0][0], self._cook())
        if now_ms >= self._company_ms:
            propose(self._visit_ms, self._visit())
            outing_ms = self._outing_ms(next_ms)
            if outing_ms is not None:
                propose(outing_ms, self._go_out(outing_ms))
        return first[1] if first else None

    def _motion(self) -> Signal:
        seen_s = length_s(self._habits.seen_s[self._place], self._rng.random())
        return Signal(self._now_ms, "motion", self._place, True, seen_s)

    def _lie(self, lies: bool, at_ms: int) -> Iterator[Signal]:
        if lies != self._lies:
            self._lies = lies
            self._now_ms = max(self._now_ms, at_ms)
            yield Signal(self._now_ms, "bed", BEDROOM, on=lies)

    def _wait(self, seconds: tuple[float, float]) -> None:
        self._now_ms += round(self._rng.uniform(*seconds) * 1000)

    def _go(self, place: int, seconds: tuple[float, float] = (4.0, 12.0)) -> Signal:
        self._wait(seconds)
        self._place = place
        return self._motion()

    def _hour(self, t_ms: int) -> float:
        return (t_ms + self._offset_ms) % DAY_MS / HOUR_MS

    # the day and the night

    def _another_day(self, t_ms: int) -> Day:
        return day_of(self._habits, self._rng, t_ms, self._offset_ms)

    def _cook(self) -> Iterator[Signal]:
        at_ms, lasts_ms = self._day.meals.pop(0)
        if self._now_ms < at_ms + 2 * HOUR_MS:  # later than that somebody has eaten elsewhere
            self._now_ms = max(self._now_ms, at_ms)
            self._cooks_until_ms = self._now_ms + lasts_ms
            yield self._go(KITCHEN)

    def _turn_in(self) -> Iterator[Signal]:
        self._now_ms = max(self._now_ms, self._day.evening_ms)
        time = time_of(self._hour(self._now_ms))
        yield self._go(choice(self._habits.modes[time].goes[self._place], self._rng.random()))

    def _go_to_bed(self) -> Iterator[Signal]:
        self._now_ms = max(self._now_ms, self._day.bed_ms)
        yield self._go(BEDROOM, (8.0, 40.0))
        self._wait((60.0, 400.0))
        self._in_bed = True
        yield from self._lie(True, self._now_ms)

    def _rise(self) -> Iterator[Signal]:
        self._now_ms = max(self._now_ms, self._day.rise_ms)
        late = next((one for one in self._fate.troubles if one[1] == "not_out_of_bed" and one[0] <= self._now_ms), None)
        if late is not None:
            end_ms = self._begin(late, self._now_ms)
            while self._now_ms < end_ms:
                yield self._go(BEDROOM, (120.0, 900.0))
        yield from self._get_up()
        self._morning_until_ms = self._now_ms + round(MORNING_S * 1000)
        yield self._go(BATHROOM)
        self._day = self._another_day(max(self._now_ms, self._day.rise_ms))

    def _get_up(self) -> Iterator[Signal]:
        yield from self._lie(False, self._now_ms)
        self._in_bed = False
        yield self._go(BEDROOM)

    # out

    def _outing_ms(self, next_ms: int) -> int | None:
        """When the person leaves before ``next_ms``, if so."""
        rate = self._habits.outings_per_h[int(self._hour(self._now_ms)) % 24] * self._nature.outings
        share = rate * (next_ms - self._now_ms) / HOUR_MS
        if share < self._until_outing:
            self._until_outing -= share
            return None
        at_ms = self._now_ms + round(self._until_outing / rate * HOUR_MS)
        self._until_outing = self._rng.expovariate(1.0)
        return at_ms

    def _go_out(self, at_ms: int) -> Iterator[Signal]:
        self._now_ms = max(self._now_ms, at_ms)
        lasts_ms = round(length_s(self._habits.outing_s[time_of(self._hour(self._now_ms))], self._rng.random()) * 1000)
        back_ms = self._now_ms + lasts_ms
        if back_ms > self._day.bed_ms:
            back_ms = max(self._now_ms + HOUR_MS // 2, self._day.bed_ms - round(self._rng.uniform(0.2, 1.0) * HOUR_MS))
        stays = next((one for one in self._fate.troubles if one[1] == "not_back" and one[0] <= self._now_ms), None)
        if stays is not None and self._hour(self._now_ms) >= NOT_BACK_FROM_H:
            back_ms = self._day.rise_ms + HOUR_MS
            self._begin(stays, self._now_ms, back_ms)
        yield from self._away_until(back_ms)

    def _holiday(self) -> Iterator[Signal]:
        begin_ms, end_ms = self._fate.away.pop(0)
        self._now_ms = max(self._now_ms, begin_ms)
        if end_ms > self._now_ms:
            self._tell("not_back", self._now_ms, None, end_ms, "holiday")
            yield from self._away_until(end_ms)

    def _away_until(self, back_ms: int) -> Iterator[Signal]:
        yield self._go(HALL)
        yield from self._door()
        # who falls outside lies there, and who comes home does so after that
        while self._fate.falls and self._fate.falls[0][0] < back_ms:
            back_ms = max(back_ms, self._fate.falls.pop(0)[1])
        self._now_ms = max(self._now_ms, back_ms)
        if self._now_ms >= self._day.rise_ms:
            self._day = self._another_day(self._now_ms)
        yield from self._door(enters=True)
        self._visit_ms = max(self._visit_ms, self._now_ms)

    def _door(self, *, enters: bool = False) -> Iterator[Signal]:
        yield Signal(self._now_ms, "door", HALL)
        open_s = self._rng.uniform(*_DOOR_S)
        close_ms = self._now_ms + round(open_s * 1000)
        if enters:
            yield self._go(HALL, _ENTERS_S)
        self._now_ms = max(self._now_ms, close_ms)
        yield Signal(close_ms, "door", HALL, on=False)

    # company

    def _next_visit(self, t_ms: int) -> int:
        rate = self._nature.visits_a_week
        if not rate:
            return 2**62
        at_ms = t_ms + round(self._rng.expovariate(rate) * 7 * DAY_MS)
        at_ms += round((self._rng.uniform(*_VISITS_FROM_TO_H) - self._hour(at_ms)) * HOUR_MS)
        return at_ms if at_ms > t_ms else at_ms + DAY_MS

    def _visit(self) -> Iterator[Signal]:
        self._now_ms = max(self._now_ms, self._visit_ms)
        self._visit_ms = self._next_visit(self._now_ms)
        if not _VISITS_FROM_TO_H[0] <= self._hour(self._now_ms) < _VISITS_FROM_TO_H[1] + 1:
            return
        yield self._go(HALL)
        yield from self._door()
        end_ms = self._now_ms + round(self._rng.uniform(*_VISIT_H) * HOUR_MS)
        self._company_ms = end_ms
        at_ms = self._now_ms
        while at_ms < end_ms:  # the guest: mostly in the living room, at times in kitchen and bathroom
            place = self._rng.choices((LIVING, DESK, KITCHEN, BATHROOM), (0.6, 0.25, 0.1, 0.05))[0]
            heapq.heappush(self._company, Signal(at_ms, "motion", place, True, self._rng.uniform(1.0, 5.0)))
            at_ms += round(self._rng.expovariate(1 / 60.0) * 1000) + 2000
        for after_s, what, on in ((0, "motion", True), (3, "door", True), (20, "door", False)):
            heapq.heappush(self._company, Signal(end_ms + after_s * 1000, what, HALL, on))

    # trouble

    def _possible_ms(self, trouble: tuple[int, str]) -> int | None:
        """The first instant from now on at which a trouble can begin as things stand; None: not now."""
        earliest_ms, kind = trouble
        at_ms = max(earliest_ms, self._now_ms)
        if kind in WINDOW_H and not self._in_bed and self._now_ms >= self._company_ms:
            first_h, last_h = WINDOW_H[kind]
            hour = self._hour(at_ms)
            return at_ms if first_h <= hour < last_h else None
        if kind in ("bed_left", "wandering") and self._in_bed:
            at_ms = max(at_ms, self._day.bed_ms + round(NIGHT_H[0] * HOUR_MS))
            return at_ms if at_ms < self._day.rise_ms - round(NIGHT_H[1] * HOUR_MS) else None
        return None  # the others begin where somebody rises, or goes out

    def _trouble(self, trouble: tuple[int, str], begin_ms: int) -> Iterator[Signal]:
        kind = trouble[1]
        self._now_ms = max(self._now_ms, begin_ms)
        was_in_bed = self._in_bed
        if was_in_bed:
            yield from self._get_up()
            self._in_bed = True
        elif kind == "long_bathroom":
            yield self._go(BATHROOM)
        else:
            yield self._motion()
        end_ms = self._begin(trouble, self._now_ms)
        if kind == "still":
            self._now_ms = end_ms
            yield from self._door(enters=True)  # somebody has come to look
        while self._now_ms < end_ms:
            if kind == "long_bathroom":
                yield self._go(BATHROOM, (15.0, 240.0))
            elif kind == "bed_left":
                yield self._go(self._rng.choices((CHAIR, LIVING, KITCHEN), (0.6, 0.3, 0.1))[0], (40.0, 600.0))
            else:
                yield self._go(self._rng.choice((LIVING, KITCHEN, HALL, DESK, CHAIR)), (10.0, 60.0))
        if was_in_bed:
            yield self._go(BEDROOM)
            yield from self._lie(True, self._now_ms + 20_000)

    def _fall(self) -> Iterator[Signal]:
        impact_ms, until_ms = self._fate.falls.pop(0)
        self._now_ms = max(self._now_ms, impact_ms)
        self._tell("collapse", impact_ms, None, until_ms, "fall")
        yield from self._lie(False, self._now_ms)
        yield self._motion()
        self._now_ms = max(self._now_ms, until_ms)

    def _begin(self, trouble: tuple[int, str], begin_ms: int, end_ms: int | None = None) -> int:
        """Note that a trouble begins; when it ends."""
        kind = trouble[1]
        self._fate.troubles.remove(trouble)
        if end_ms is None:
            end_ms = begin_ms + round(self._rng.uniform(*LASTS_H[kind]) * HOUR_MS)
        due, within_h = TROUBLES[kind]
        self._tell(due, begin_ms, begin_ms + round(within_h * HOUR_MS), end_ms, kind)
        return end_ms

    def _tell(self, kind: str, begin_ms: int, due_ms: int | None, end_ms: int, detail: str) -> None:
        self._fate.happened.append(
            Happening(kind=kind, begin_ms=begin_ms, due_ms=due_ms, end_ms=end_ms, person=self._person, detail=detail)
        )


def movements(habits: Habits, days: int, seed: int, *, start_ms: int = 0) -> tuple[Sequence[int], Sequence[int]]:
    """Instants (ms, local) and places of a resident who is the fitted one, over ``days`` from noon to noon."""
    first_ms = start_ms + DAY_MS // 2
    resident = Resident(habits, Nature(), Random(seed), start_ms=first_ms, utc_offset_s=0, fate=Fate(), person="")
    times, places = [], []
    for signal in resident.signals():
        if signal.t_ms >= first_ms + days * DAY_MS:
            break
        if signal.what == "motion":
            times.append(signal.t_ms)
            places.append(signal.place)
    return times, places
