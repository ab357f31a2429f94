"""What a reading means for its home: one reading of each home at a time, all homes at once.

Everything here works on columns. Findings are left to :mod:`detectors.routine.bank`: a timer says when one is due, and
:attr:`Seen` says which ones end and what nobody has to wait for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.routine.clock import DAY_MIN, MINUTE_MS, LocalClock
from detectors.routine.columns import LOG, NEVER_MS, Columns, Finding, Habit
from detectors.routine.limits import BEDROOM_UP, BIN_MIN, BINS
from detectors.routine.parameters import LimitParameters, RoutineParameters
from detectors.routine.rooms import Room, Sensor

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
_VISITS = (
    (Room.KITCHEN, Finding.NO_KITCHEN, Habit.NO_KITCHEN),
    (Room.BATHROOM, Finding.NO_BATHROOM, Habit.NO_BATHROOM),
)
_DAY_MS = DAY_MIN * MINUTE_MS
#: A rise is a rise between three in the morning and noon.
_RISES_MIN = (180.0, 720.0)


class Readings(NamedTuple):
    """Readings of m different homes that are signs of life."""

    rows: Rows
    sensor: Rows
    slot: NDArray[np.int8]
    room: NDArray[np.uint8]
    what: NDArray[np.uint8]
    on: NDArray[np.int8]
    t_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]
    local_min: NDArray[np.float64]

    def take(self, chosen: Flags | Rows | slice) -> Readings:
        """Some of them."""
        return Readings._make(part[chosen] for part in self)


class Seen(NamedTuple):
    """What the readings ended, and what they are at once: ``(m,)`` flags by finding, of the readings' rows."""

    readings: Readings
    over: NDArray[np.bool_]  # (len(Finding), m)
    wandering: Flags
    returned: Flags
    away_since_ms: NDArray[np.int64]


class Watch:
    """Follows homes by their readings.

    Args:
        homes: the columns of the homes; changed in place.
        parameters: the thresholds,
        limits: and those of silences.
        clock: local time.
    """

    def __init__(
        self, homes: Columns, parameters: RoutineParameters, limits: LimitParameters, clock: LocalClock
    ) -> None:
        self.homes = homes
        self.p, self.limits, self.clock = parameters, limits, clock

    def take(self, e: Readings) -> Seen:
        """Take in readings, no two of one home, each no older than the last of its home."""
        c, p = self.homes, self.p
        rows = e.rows
        c["recv_ms"][rows] = e.recv_ms
        c["readings"][rows] += 1
        last_ms = c["last_ms"][rows]
        gap_ms = np.where(last_ms > 0, e.t_ms - last_ms, 0)
        was_away, was_at_exit = c["away"][rows], c["at_exit"][rows]
        out = was_away | (was_at_exit & (gap_ms >= p.away_s * 1000))
        since_ms = np.where(was_away, c["away_ms"][rows], last_ms)
        settled = self._settled(e, out)
        still = out & ~settled
        c["away"][rows] = still
        c["away_ms"][rows] = np.where(still, since_ms, 0)
        returned = out & settled
        self._end_absences(rows[returned], since_ms[returned], e.t_ms[returned])
        self._silences(e, gap_ms, out | was_at_exit)
        self._blips(e.take(~settled & ~still))
        c["last_ms"][rows] = np.where(still, last_ms, e.t_ms)
        c["sensor"][rows] = np.where(still, c["sensor"][rows], e.sensor)
        if not settled.all():
            returned, since_ms, e = returned[settled], since_ms[settled], e.take(settled)
        return self._follow(e, returned, since_ms)

    def _follow(self, e: Readings, returned: Flags, away_since_ms: NDArray[np.int64]) -> Seen:
        """Readings of people who are where they were seen."""
        c, p, rows, t_ms = self.homes, self.p, e.rows, e.t_ms
        over = np.zeros((len(Finding), len(rows)), bool)
        over[Finding.COLLAPSE] = True
        over[Finding.NOT_BACK] = returned
        at_exit = (e.what == Sensor.EXIT_DOOR) | (e.room == Room.EXIT)
        c["at_exit"][rows] = at_exit
        c["slot"][rows] = e.slot
        c["settled_ms"][rows] = t_ms
        clock_min = e.local_min % DAY_MIN
        over[Finding.NOT_OUT_OF_BED] = self._up(e, clock_min)
        bin_ = (clock_min // BIN_MIN).astype(np.intp)
        context = np.where((e.room == Room.BEDROOM) & c["up"][rows], BEDROOM_UP, e.slot)
        c["context"][rows] = context
        limit_min = c["limit_min"][context, bin_, rows].astype(np.float64)
        c["since_ms"][rows], c["since_limit_min"][rows] = t_ms, limit_min
        timers = c["timer_ms"]
        timers[Finding.COLLAPSE, rows] = np.where(at_exit, NEVER_MS, t_ms + _ms(limit_min))
        unusual_ms = _ms(c["not_back_min"][bin_, rows])
        timers[Finding.NOT_BACK, rows] = np.where(at_exit, t_ms + unusual_ms, NEVER_MS)
        over[Finding.LONG_BATHROOM] = self._stay(e)
        over[Finding.DOOR_OPEN] = self._doors(e, clock_min)
        for which, (room, finding, habit) in enumerate(_VISITS):
            over[finding] = self._visit(e, at_exit, which, room, finding, habit)
        deep = self._deep(rows, clock_min)
        over[Finding.BED_LEFT] = self._out_of_bed(e, deep)
        wandering = self._wander(e, deep)
        over[Finding.WANDERING] = ~wandering & (t_ms - c["changes_ms"][rows] > p.wandering_s * 1000)
        over &= c["standing_ms"][:, rows] > 0
        return Seen(e, over, wandering, returned, away_since_ms)

    def _settled(self, e: Readings, out: Flags) -> Flags:
        """Where somebody surely is where the reading was: where they were before, on their way there, by several
        readings, in their bed, or through the front door. Who is away comes back by the door or by several readings."""
        c, p, rows = self.homes, self.p, e.rows
        certain = (e.what == Sensor.EXIT_DOOR) | ((e.what == Sensor.BED) & ~out)
        walking = e.t_ms - c["settled_ms"][rows] <= p.flow_s * 1000
        there = (c["slot"][rows] == e.slot) | (c["slot"][rows] < 0) | walking
        recent = e.t_ms - c["news_ms"][rows] <= p.blip_s * 1000
        news = np.where(recent, c["news"][rows], 0) + 1
        settled = certain | (~out & there) | (news >= p.blip_readings)
        c["news_ms"][rows] = np.where(news > 1, c["news_ms"][rows], e.t_ms)
        c["news"][rows] = np.where(settled, 0, news)
        return np.asarray(settled)

    def _blips(self, e: Readings) -> None:
        """Readings that may be of nobody: the limit of the place before holds, or that of the new one if later."""
        if not len(e.rows):
            return
        c, rows = self.homes, e.rows
        bin_ = ((e.local_min % DAY_MIN) // BIN_MIN).astype(np.intp)
        limit_min = c["limit_min"][e.slot, bin_, rows].astype(np.float64)
        due_ms = e.t_ms + _ms(limit_min)
        later = (c["timer_ms"][Finding.COLLAPSE, rows] < due_ms) & ~c["at_exit"][rows]
        rows = rows[later]
        c["timer_ms"][Finding.COLLAPSE, rows] = due_ms[later]
        c["since_ms"][rows], c["since_limit_min"][rows] = e.t_ms[later], limit_min[later]

    def _end_absences(self, rows: Rows, since_ms: NDArray[np.int64], t_ms: NDArray[np.int64]) -> None:
        """Remember at which times of day the home was empty; an absence does not count as time at home."""
        c = self.homes
        c["visit_ms"][:, rows] += t_ms - since_ms
        self._most(Habit.AWAY, rows, (t_ms - since_ms) / MINUTE_MS)
        for row, begun_ms, ended_ms in zip(rows.tolist(), since_ms.tolist(), t_ms.tolist(), strict=True):
            first = int(self.clock.minute(begun_ms) // BIN_MIN)
            last = int(self.clock.minute(ended_ms) // BIN_MIN)
            bins = np.unique(np.arange(first, min(last, first + BINS - 1) + 1) % BINS)
            c["out_days"][bins, row] += 1

    def _silences(self, e: Readings, gap_ms: NDArray[np.int64], out: Flags) -> None:
        """Remember the silences that ended; after one in the bedroom somebody is not up. One that the front door ended
        was an absence whose beginning was not seen."""
        c, p = self.homes, self.p
        known = (gap_ms > 0) & ~out & (gap_ms <= _DAY_MS)
        slot = c["slot"][e.rows]
        asleep = known & (gap_ms >= self.limits.sleep_s * 1000) & (c["kind"][slot, e.rows] == Room.BEDROOM)
        rows = e.rows[asleep]
        c["up"][rows] = False
        c["up_readings"][rows] = 0
        c["slept"][rows] |= self._night(rows, e.local_min[asleep] % DAY_MIN)
        log = known & (gap_ms >= p.log_s * 1000) & (e.what != Sensor.EXIT_DOOR)
        if log.any():
            rows = e.rows[log]
            at = c["logged"][rows] % LOG
            c["log_min"][at, rows] = self.clock.minutes(e.t_ms[log] - gap_ms[log])
            c["log_length_min"][at, rows] = gap_ms[log] / MINUTE_MS
            c["log_slot"][at, rows] = c["context"][rows]
            c["logged"][rows] += 1

    def _up(self, e: Readings, clock_min: NDArray[np.float64]) -> Flags:
        """Who is up: after a sleep, by several readings of other rooms than bedroom and bathroom. True where somebody
        is."""
        c, rows = self.homes, e.rows
        elsewhere = np.isin(e.room, (Room.OTHER, Room.KITCHEN)) | (e.what == Sensor.EXIT_DOOR)
        count = np.minimum(c["up_readings"][rows] + elsewhere, 1_000)
        rises = ~c["up"][rows] & (count >= self.p.up_readings)
        up = c["up"][rows] | rises
        c["up"][rows], c["up_readings"][rows] = up, count
        c["slept"][rows] &= ~(up & ~self._deep(rows, clock_min))
        morning = rises & (clock_min >= _RISES_MIN[0]) & (clock_min < _RISES_MIN[1])
        self._most(Habit.RISE, rows[morning], clock_min[morning])
        edge_min = self.limits.bedtime_s / 60
        to_bed = (clock_min - c["night_min"][0, rows] + edge_min) % DAY_MIN < _length(
            c["night_min"][:, rows]
        ) + edge_min
        ahead_min = (c["allowed_min"][Habit.RISE, rows] - clock_min) % DAY_MIN
        timers = c["timer_ms"][Finding.NOT_OUT_OF_BED, rows]
        in_bed = to_bed & (e.room == Room.BEDROOM) & (timers == NEVER_MS)
        timers = np.where(in_bed, e.t_ms + (ahead_min * MINUTE_MS).astype(np.int64), timers)
        risen = up & elsewhere
        c["timer_ms"][Finding.NOT_OUT_OF_BED, rows] = np.where(risen, NEVER_MS, timers)
        return np.asarray(risen)

    def _night(self, rows: Rows, clock_min: NDArray[np.float64]) -> Flags:
        """Whether it is night in these homes."""
        night = self.homes["night_min"][:, rows]
        return np.asarray((clock_min - night[0]) % DAY_MIN < _length(night))

    def _deep(self, rows: Rows, clock_min: NDArray[np.float64]) -> Flags:
        """Whether it is night, and so early that nobody in this home was ever up for the day."""
        night = self.homes["night_min"][:, rows]
        end_min = np.minimum(
            _length(night), (self.homes["first_rise_min"][rows] - self.p.dawn_s / 60 - night[0]) % DAY_MIN
        )
        return np.asarray((clock_min - night[0]) % DAY_MIN < end_min)

    def _stay(self, e: Readings) -> Flags:
        """How long somebody stays in a bathroom; the limit counts from entering it. True where somebody has left."""
        c, rows = self.homes, e.rows
        was = c["stay_slot"][rows]
        moved = was != e.slot
        left = moved & (was >= 0) & (c["kind"][was, rows] == Room.BATHROOM)
        self._most(Habit.BATHROOM, rows[left], (e.t_ms[left] - c["stay_ms"][rows[left]]) / MINUTE_MS)
        c["stay_slot"][rows] = e.slot
        c["stay_ms"][rows] = np.where(moved, e.t_ms, c["stay_ms"][rows])
        due_ms = e.t_ms + self._allowed_ms(Habit.BATHROOM, rows)
        bathroom = e.room == Room.BATHROOM
        timers = c["timer_ms"]
        timers[Finding.LONG_BATHROOM, rows] = np.where(
            moved, np.where(bathroom, due_ms, NEVER_MS), timers[Finding.LONG_BATHROOM, rows]
        )
        c["begun_ms"][Finding.LONG_BATHROOM, rows] = c["stay_ms"][rows]
        return np.asarray(moved)

    def _doors(self, e: Readings, clock_min: NDArray[np.float64]) -> Flags:
        """How long a front door stands open. True where none does any more."""
        c, rows = self.homes, e.rows
        door = e.what == Sensor.EXIT_DOOR
        if not door.any():
            return np.zeros(len(rows), bool)
        was = c["open_doors"][rows]
        now = np.maximum(was + np.where(door, np.where(e.on == 1, 1, -1), 0), 0)
        c["open_doors"][rows] = now
        opened, closed = (was == 0) & (now > 0), (was > 0) & (now == 0)
        self._most(Habit.DOOR, rows[closed], (e.t_ms[closed] - c["door_ms"][rows[closed]]) / MINUTE_MS)
        c["door_ms"][rows] = np.where(opened, e.t_ms, c["door_ms"][rows])
        night = self._night(rows, clock_min)
        allowed_ms = np.where(night, round(self.p.door_night_s * 1000), self._allowed_ms(Habit.DOOR, rows))
        timers = c["timer_ms"]
        timers[Finding.DOOR_OPEN, rows] = np.where(
            opened, e.t_ms + allowed_ms, np.where(now == 0, NEVER_MS, timers[Finding.DOOR_OPEN, rows])
        )
        c["begun_ms"][Finding.DOOR_OPEN, rows] = c["door_ms"][rows]
        return np.asarray(door & (now == 0))

    def _visit(self, e: Readings, at_exit: Flags, which: int, room: Room, finding: Finding, habit: Habit) -> Flags:
        """Hours at home since a room was visited, in homes that have it. True where it is."""
        c, rows = self.homes, e.rows
        visits = e.room == room
        since_ms = c["visit_ms"][which, rows]
        again = visits & (since_ms > 0)
        self._most(habit, rows[again], (e.t_ms[again] - since_ms[again]) / MINUTE_MS)
        since_ms = np.where(visits | (since_ms == 0), e.t_ms, since_ms)
        c["visit_ms"][which, rows] = since_ms
        c["begun_ms"][finding, rows] = since_ms
        counts = (c["kind"][:, rows] == room).any(axis=0) & ~at_exit & (c["standing_ms"][finding, rows] == 0)
        due_ms = since_ms + self._allowed_ms(habit, rows)
        c["timer_ms"][finding, rows] = np.where(counts | visits, due_ms, NEVER_MS)
        return np.asarray(visits)

    def _out_of_bed(self, e: Readings, deep: Flags) -> Flags:
        """How long somebody who has slept is out of the bedroom in the dead of night. True where back, or up for the
        day."""
        c, rows = self.homes, e.rows
        since_ms = c["out_of_bed_ms"][rows]
        in_bed = (e.room == Room.BEDROOM) & ~((e.what == Sensor.BED) & (e.on == 0))
        back = (since_ms > 0) & in_bed
        self._most(Habit.BED_LEFT, rows[back], (e.t_ms[back] - since_ms[back]) / MINUTE_MS)
        leaves = (since_ms == 0) & ~in_bed & deep & c["slept"][rows]
        ends = back | ~deep
        since_ms = np.where(leaves, e.t_ms, np.where(ends, 0, since_ms))
        c["out_of_bed_ms"][rows] = since_ms
        due_ms = e.t_ms + self._allowed_ms(Habit.BED_LEFT, rows)
        timers = c["timer_ms"]
        timers[Finding.BED_LEFT, rows] = np.where(
            leaves, due_ms, np.where(ends, NEVER_MS, timers[Finding.BED_LEFT, rows])
        )
        c["begun_ms"][Finding.BED_LEFT, rows] = since_ms
        return np.asarray(ends)

    def _wander(self, e: Readings, deep: Flags) -> Flags:
        """Whether somebody who has slept goes from room to room in the dead of night, or out of an unusual door."""
        c, p, rows = self.homes, self.p, e.rows
        moving = deep & c["slept"][rows]
        moved = moving & (c["stay_ms"][rows] == e.t_ms) & ~np.isin(e.room, (Room.BEDROOM, Room.BATHROOM))
        opened = moving & (e.what == Sensor.EXIT_DOOR) & (e.on == 1)
        if not (moved | opened).any():
            return np.zeros(len(rows), bool)
        age_s = (e.t_ms - c["changes_ms"][rows]) / 1000.0
        faded = c["changes"][rows] * np.exp(-np.minimum(age_s / p.wandering_s, 50.0))
        rare = np.nansum(c["habits"][Habit.NIGHT_DOOR, :, rows], axis=1) < 0.2 * np.maximum(c["days"][rows], 1)
        allowed = c["allowed_min"][Habit.WANDERING, rows]
        changes = faded + moved + np.where(opened & rare, allowed, 0.0)
        c["changes"][rows] = np.where(moved | opened, changes, c["changes"][rows])
        c["changes_ms"][rows] = np.where(moved | opened, e.t_ms, c["changes_ms"][rows])
        self._most(Habit.WANDERING, rows[moved & ~opened], changes[moved & ~opened])
        self._most(Habit.NIGHT_DOOR, rows[opened], np.ones(int(opened.sum())))
        wandering = (moved | opened) & (changes >= allowed) & (c["standing_ms"][Finding.WANDERING, rows] == 0)
        c["begun_ms"][Finding.WANDERING, rows[wandering]] = e.t_ms[wandering]
        return np.asarray(wandering)

    def _most(self, habit: Habit, rows: Rows, value: NDArray[np.floating[Any]]) -> None:
        today = self.homes["today"]
        today[habit, rows] = np.fmax(today[habit, rows], value)

    def _allowed_ms(self, habit: Habit, rows: Rows) -> NDArray[np.int64]:
        return _ms(self.homes["allowed_min"][habit, rows])


def _ms(minutes: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    return np.asarray((minutes.astype(np.float64) * MINUTE_MS).astype(np.int64))


def _length(night_min: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((night_min[1] - night_min[0]) % DAY_MIN)
