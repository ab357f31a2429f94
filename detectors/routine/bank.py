"""The routine bank: homes, their sensors, and what is found when the clock runs on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Detection
from detectors.errors import DetectorError
from detectors.motion import turns
from detectors.parameters import params_hash
from detectors.routine import daily
from detectors.routine.batch import HomeBatch
from detectors.routine.clock import DAY_MIN, MINUTE_MS, LocalClock
from detectors.routine.columns import DAILY, HOME, NEVER_MS, Finding, Habit, columns, filled, grown
from detectors.routine.findings import KINDS, Where, begun, ended
from detectors.routine.limits import BEDROOM_UP, BIN_MIN, within
from detectors.routine.parameters import LimitParameters, RoutineParameters
from detectors.routine.rooms import Room
from detectors.routine.sensors import Sensors
from detectors.routine.watch import Readings, Seen, Watch

STATE_FORMAT = 1
#: Homes that are summed up in one call at most, so that noon does not stop the stream: 20 ms.
_DAILY_AT_ONCE = 20
_NOON_MIN = 720.0
#: Out of a buffer, a reading older than this tells of then. A younger one changes a silence by less than the shortest
#: limit that a home has: whoever fell when a link was away for seconds is found as soon as anybody else.
_PAST_MS = 300_000
#: What is known of the moment, and not of the home.
_OF_NOW = (
    *("began_ms", "last_ms", "slot", "at_exit", "away", "news", "slept", "out_of_bed_ms", "stay_slot", "alone"),
    *("open_doors", "visit_ms", "settled_ms", "since_ms"),
)
#: Which habit's limit a finding is held against.
_HABITS = {
    Finding.BED_LEFT: Habit.BED_LEFT,
    Finding.LONG_BATHROOM: Habit.BATHROOM,
    Finding.DOOR_OPEN: Habit.DOOR,
    Finding.NO_KITCHEN: Habit.NO_KITCHEN,
    Finding.NO_BATHROOM: Habit.NO_BATHROOM,
}


class RoutineBank:
    """Finds what is not normal in the daily routine of many homes.

    Findings are *confirmed* (kinds in :mod:`detectors.routine.findings`) and have a *follow-up* of severity ``info``
    when they are over, both under one id. Readings only end silences; what is missing is found by a tick, so that
    :meth:`update` must be called every few seconds whether anything came or not. ``features`` hold the values and the
    limits, ``notes`` the keys of :mod:`detectors.routine.sentences`.

    Of a home that tells of the past (``historical``, minutes old) the clock is that of its readings: what is due by
    them is found, as historical, and no tick finds anything until something live comes, or :meth:`interrupted` names
    the home. Its silence counts from there.

    Args:
        zone: the homes' time zone.
        parameters: the thresholds.
        limits: those of silences.
    """

    def __init__(
        self,
        zone: ZoneInfo | None = None,
        parameters: RoutineParameters | None = None,
        limits: LimitParameters | None = None,
    ) -> None:
        self.parameters = parameters or RoutineParameters()
        self.limits = limits or LimitParameters()
        self.clock = LocalClock(zone or ZoneInfo("Asia/Shanghai"))
        self.params_hash = params_hash(self.parameters, params_hash(self.limits).encode())
        self._people: list[str] = []
        self._rows: dict[str, int] = {}
        self._columns = columns(HOME)
        self._sensors = Sensors(self.parameters, self.clock)
        self._watch = Watch(self._columns, self.parameters, self.limits, self.clock)

    def __len__(self) -> int:
        return len(self._people)

    def add(self, person: str, *, residents: int = 1, pets: bool = False) -> int:
        """The row of a person's home, made when it is new. More residents or a pet make findings less certain."""
        row = self._rows.setdefault(person, len(self._people))
        if row == len(self._people):
            self._people.append(person)
            self._sensors.add_home()
            if row == self._columns["last_ms"].shape[-1]:
                self._columns = grown(self._columns, HOME, max(64, row // 8))
                self._watch.homes = self._columns
            self._columns["kind"][BEDROOM_UP, row] = Room.BEDROOM
            daily.set_defaults(self._columns, row, self.parameters, self.limits)
        self._columns["several"][row] = residents > 1 or pets
        return row

    @property
    def ignored(self) -> dict[str, int]:
        """How many readings told nothing, by reason: kind (not of a person), value (neither on nor off), repeat (the
        same again), late (older than the home's newest), old (by four weeks), future (taken as of its arrival), stuck
        (alone for too long), row (no such home)."""
        return self._sensors.ignored

    def update(self, batch: HomeBatch | None, now_ms: int) -> list[Detection]:
        """Take in a batch (None or empty: a tick), then find what is due at ``now_ms``."""
        found: list[Detection] = []
        if batch is not None and len(batch):
            found = self._hear(batch)
        timers = self._columns["timer_ms"][:, : len(self)]
        if (self._next_ms() <= now_ms).any():
            found += self._due(timers, now_ms)
        return found

    def _next_ms(self) -> NDArray[np.int64]:
        """``(n,)`` when a tick may find something of each home."""
        n = len(self)
        next_ms = self._columns["timer_ms"][:, :n].min(axis=0, initial=NEVER_MS)
        return np.where(self._columns["past"][:n], NEVER_MS, next_ms)

    def next_due_ms(self) -> int | None:
        """The earliest instant at which a tick may find something, so that a replay need not tick in between."""
        due_ms = int(self._next_ms().min(initial=NEVER_MS))
        return None if due_ms == NEVER_MS else due_ms

    def standing(self, person: str) -> list[str]:
        """The kinds of the findings of a person's home that are not over.

        Raises:
            DetectorError: the person is not known here.
        """
        standing = self._columns["standing_ms"][:, self._row(person)] > 0
        return [KINDS[Finding(finding)] for finding in np.flatnonzero(standing).tolist()]

    def interrupted(self, people: Iterable[str] | None = None, until_ms: int | None = None) -> None:
        """Nothing was heard of homes for a while for want of listening, or because all of their sensors were away:
        what lies before the next reading is no silence. What is learnt stays.

        Args:
            people: whose homes; None: all.
            until_ms: they are heard again from then on: the silence of whoever was at home counts anew from there, so
                that somebody who had fallen before is found, if later. None: only from the next reading.

        Raises:
            DetectorError: a person is not known here.
        """
        c = self._columns
        rows = np.arange(len(self)) if people is None else np.array([self._row(one) for one in people], np.intp)
        if people is not None:
            # what was found of then has called nobody to them, and must not keep anybody from being called now
            c["standing_ms"][Finding.COLLAPSE, rows[c["past"][rows]]] = 0
            c["past"][rows] = False
        at_home = rows[(c["since_ms"][rows] > 0) & ~c["away"][rows] & ~c["at_exit"][rows] & (c["slot"][rows] >= 0)]
        where, context = c["slot"][at_home], c["context"][at_home]
        for name in _OF_NOW:
            c[name][..., rows] = HOME[name][2]
        c["timer_ms"][:DAILY, rows] = NEVER_MS
        if until_ms is None or not len(at_home):
            return
        bin_ = int(self.clock.minute(until_ms) % DAY_MIN // BIN_MIN)
        limit_min = c["limit_min"][context, bin_, at_home].astype(np.float64)
        c["slot"][at_home], c["since_ms"][at_home], c["since_limit_min"][at_home] = where, until_ms, limit_min
        c["timer_ms"][Finding.COLLAPSE, at_home] = until_ms + np.rint(limit_min * MINUTE_MS).astype(np.int64)

    def in_the_past(self) -> list[str]:
        """The people whose homes told of the past last: nothing is found of them until they are heard again."""
        return [self._people[row] for row in np.flatnonzero(self._columns["past"][: len(self)]).tolist()]

    def withheld(self, found: Detection) -> None:
        """A finding was told to nobody, because the home could not be heard: it does not stand, and has no end."""
        which = next(finding for finding, kind in KINDS.items() if kind == found.kind)
        self._columns["standing_ms"][which, self._row(found.person or "")] = 0

    def limit_min(self, person: str) -> dict[str, NDArray[np.float64]]:
        """What is normal in a person's home: by room, for each half hour of the day, the minutes of silence that are
        not. Of bedrooms also of somebody who is up. Not of the front door: who was last seen there is out.

        Raises:
            DetectorError: the person is not known here.
        """
        row = self._row(person)
        kinds = self._columns["kind"][:, row]
        rooms = self._sensors.rooms[row]
        named = {name: slot for slot, name in enumerate(rooms) if slot and name and kinds[slot] != Room.EXIT}
        bedrooms = [name for name, slot in named.items() if kinds[slot] == Room.BEDROOM]
        if bedrooms:
            named[f"{bedrooms[0]} (up)"] = BEDROOM_UP
        limits = self._columns["limit_min"][:, :, row].astype(np.float64)
        return {name: limits[slot] for name, slot in sorted(named.items())}

    def _row(self, person: str) -> int:
        if person not in self._rows:
            raise DetectorError(f"no home of {person!r} here: add it first")
        return self._rows[person]

    # readings

    def _hear(self, batch: HomeBatch) -> list[Detection]:
        c = self._columns
        if not batch.historical and c["past"].any():
            self._back(batch)
        e, changed = self._sensors.read(batch, c)
        for row in changed:
            if c["days"][row] < self.limits.learn_days:
                daily.set_defaults(c, row, self.parameters, self.limits)
        found: list[Detection] = []
        if not len(e.rows):
            return found
        for turn in turns(e.rows.astype(np.int32)):
            one = e.take(turn)
            one = one.take(self._sensors.alive(one, c))
            if not len(one.rows):
                continue
            if batch.historical:
                past = one.recv_ms - one.t_ms > _PAST_MS
                found += self._run_out(one, c["past"][one.rows] | past)
                c["past"][one.rows] = past
            new = c["began_ms"][one.rows] == 0
            for row, t_ms in zip(one.rows[new].tolist(), one.t_ms[new].tolist(), strict=True):
                c["began_ms"][row] = t_ms
                c["timer_ms"][DAILY, row] = self.clock.next_ms(t_ms, _NOON_MIN)
            found += self._tell(self._watch.take(one), batch.historical)
        return found

    def _back(self, batch: HomeBatch) -> None:
        """Homes that told of the past say something live, whatever it is."""
        past = self._columns["past"]
        for row in np.unique(batch.row[(batch.row >= 0) & (batch.row < len(self))]).tolist():
            if not past[row]:
                continue
            of = batch.row == row
            heard_ms = int(np.minimum(batch.t_ms, batch.recv_ms)[of].min())
            if heard_ms - int(self._columns["last_ms"][row]) > _PAST_MS:
                self.interrupted([self._people[row]], heard_ms)
            past[row] = False

    def _run_out(self, e: Readings, past: NDArray[np.bool_]) -> list[Detection]:
        """What was due in these homes before a reading of the past, each at its own time."""
        timers = self._columns["timer_ms"]
        past = past & (timers[:, e.rows].min(axis=0) <= e.t_ms)
        found = []
        for row, t_ms in zip(e.rows[past].tolist(), e.t_ms[past].tolist(), strict=True):
            while (due_ms := int(timers[:, row].min())) <= t_ms:
                which = int(timers[:, row].argmin())
                if which == DAILY:
                    self._sum_up(row, due_ms)
                elif (one := self._decide(Finding(which), row, due_ms, historical=True)) is not None:
                    found.append(one)
        return found

    # findings

    def _tell(self, seen: Seen, historical: bool) -> list[Detection]:
        """The findings that readings ended, and those that they are."""
        c, e = self._columns, seen.readings
        for i in np.flatnonzero(seen.returned).tolist():
            self._sensors.excuse(int(e.rows[i]), int(seen.away_since_ms[i]), int(e.t_ms[i]))
        found = []
        for finding, i in zip(*(part.tolist() for part in np.nonzero(seen.over)), strict=True):
            row = int(e.rows[i])
            onset_ms = int(c["standing_ms"][finding, row])
            c["standing_ms"][finding, row] = 0
            found.append(
                ended(
                    Finding(finding),
                    self._where(row, int(e.t_ms[i])),
                    onset_ms=onset_ms,
                    t_ms=int(e.t_ms[i]),
                    recv_ms=int(e.recv_ms[i]),
                    historical=historical,
                    params_hash=self.params_hash,
                )
            )
        for i in np.flatnonzero(seen.wandering).tolist():
            row = int(e.rows[i])
            changes, allowed = float(c["changes"][row]), float(c["allowed_min"][Habit.WANDERING, row])
            features = {"changes": round(changes, 1), "limit_changes": round(allowed, 1)}
            found.append(self._begin(Finding.WANDERING, row, int(e.t_ms[i]), features, historical=historical))
        return found

    def _due(self, timers: NDArray[np.int64], now_ms: int) -> list[Detection]:
        found = []
        present = ~self._columns["past"][: len(self)]
        finding, rows = np.nonzero((timers[:DAILY] <= now_ms) & present)
        for which, row in zip(finding.tolist(), rows.tolist(), strict=True):
            one = self._decide(Finding(which), row, now_ms)
            if one is not None:
                found.append(one)
        for row in np.flatnonzero((timers[DAILY] <= now_ms) & present)[:_DAILY_AT_ONCE].tolist():
            self._sum_up(row, now_ms)
        return found

    def _sum_up(self, row: int, now_ms: int) -> None:
        self._columns["timer_ms"][DAILY, row] = self.clock.next_ms(now_ms, _NOON_MIN)
        daily.sum_up(self._columns, row, self.clock.minute(now_ms), self.parameters, self.limits)

    def _decide(self, finding: Finding, row: int, now_ms: int, *, historical: bool = False) -> Detection | None:
        """A timer has run out: the finding, or None where there is none, or none yet."""
        c = self._columns
        c["timer_ms"][finding, row] = NEVER_MS
        if c["standing_ms"][Finding.COLLAPSE, row] and finding not in (Finding.DOOR_OPEN, Finding.NOT_BACK):
            return None  # somebody is called already
        since_ms = int(c["since_ms"][row])
        onset_ms = int(c["begun_ms"][finding, row])
        bin_ = int(self.clock.minute(since_ms) % DAY_MIN // BIN_MIN)
        if finding in (Finding.COLLAPSE, Finding.NOT_BACK):
            onset_ms = int(c["away_ms"][row]) or since_ms
            limit_min = float(c["since_limit_min"][row])
            if finding is Finding.NOT_BACK:
                limit_min = float(c["not_back_min"][bin_, row])
            elif blind := self._blind(row, now_ms):
                limit_min = max(limit_min, *(float(c["limit_min"][slot, bin_, row]) for slot in blind))
                due_ms = since_ms + round(limit_min * MINUTE_MS)
                if due_ms > now_ms:
                    c["timer_ms"][finding, row] = due_ms
                    return None
            features = {
                "silent_s": (now_ms - onset_ms) / 1000,
                "limit_silent_s": limit_min * 60,
                "began_min": self.clock.minute(onset_ms) % DAY_MIN,
            }
        elif finding is Finding.NOT_OUT_OF_BED:
            if c["up"][row] or c["away"][row] or c["at_exit"][row]:
                return None
            onset_ms = since_ms
            limit_min = float(c["allowed_min"][Habit.RISE, row])
            features = {"clock_min": self.clock.minute(now_ms) % DAY_MIN, "limit_clock_min": limit_min}
        else:
            limit_min = float(c["allowed_min"][_HABITS[finding], row])
            if finding is Finding.DOOR_OPEN and self._night(row, onset_ms):
                limit_min = self.parameters.door_night_s / 60
            features = {"lasted_s": (now_ms - onset_ms) / 1000, "limit_lasted_s": limit_min * 60}
        return self._begin(finding, row, onset_ms, features, now_ms=now_ms, historical=historical)

    def _begin(
        self,
        finding: Finding,
        row: int,
        onset_ms: int,
        features: dict[str, float],
        *,
        now_ms: int | None = None,
        historical: bool = False,
    ) -> Detection:
        c = self._columns
        c["standing_ms"][finding, row] = onset_ms
        decided_ms = onset_ms if now_ms is None else now_ms
        return begun(
            finding,
            self._where(row, decided_ms),
            onset_ms=onset_ms,
            now_ms=decided_ms,
            recv_ms=int(c["recv_ms"][row]),
            features={name: round(value, 1) for name, value in features.items()}
            | {"learned_days": float(c["days"][row])},
            night=self._night(row, onset_ms),
            historical=historical,
            params_hash=self.params_hash,
        )

    def _where(self, row: int, now_ms: int) -> Where:
        c = self._columns
        sensor, slot = int(c["sensor"][row]), int(c["slot"][row])
        return Where(
            person=self._people[row],
            device=self._sensors.names[sensor] if sensor >= 0 else "",
            room=self._sensors.rooms[row][slot] if slot > 0 else "",
            known=bool(c["days"][row] >= self.limits.learn_days),
            several=bool(c["several"][row]),
            company=bool(c["company_ms"][row] > now_ms),
            blind=bool(self._blind(row, now_ms)),
        )

    def _night(self, row: int, t_ms: int) -> bool:
        night = self._columns["night_min"][:, row]
        return bool(within(self.clock.minute(t_ms) % DAY_MIN, float(night[0]), float(night[1])))

    def _blind(self, row: int, now_ms: int) -> list[int]:
        """Places whose every sensor has been mute for more than a day, while the home was heard."""
        mute_ms = now_ms - round(self.parameters.mute_s * 1000)
        if int(self._columns["began_ms"][row]) > mute_ms or int(self._columns["last_ms"][row]) <= mute_ms:
            return []
        return self._sensors.mute(row, mute_ms)

    # state

    def state(self) -> dict[str, Any]:
        """Everything a bank must know to go on as if nothing had happened: arrays (copies) and plain values."""
        n = len(self)
        return {
            "format": STATE_FORMAT,
            "people": list(self._people),
            "columns": {name: one[..., :n].copy() for name, one in self._columns.items()},
            "sensors": self._sensors.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave.

        Raises:
            DetectorError: the state is of another version; start with an empty bank and let the homes be learnt again.
        """
        if state.get("format") != STATE_FORMAT:
            raise DetectorError(
                f"routine bank state of format {state.get('format')!r}, not {STATE_FORMAT}: start afresh"
            )
        self._people = list(state["people"])
        self._rows = {person: row for row, person in enumerate(self._people)}
        self._columns = filled(state["columns"], HOME, len(self._people))
        self._sensors.restore(state["sensors"])
        self._watch.homes = self._columns
