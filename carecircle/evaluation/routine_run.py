"""The routine bank on a recorded home: learnt on one file, watched on another, and collapses tried on the second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from carecircle.evaluation.routine_read import HomeEvents
from detectors.detection import Detection, Stage
from detectors.errors import DetectorError
from detectors.routine.bank import RoutineBank
from detectors.routine.batch import HomeBatch

PERSON = "home"
#: How often the clock runs on: as the processor ticks at the latest.
TICK_MS = 15_000
#: How long it runs on after a collapse.
AFTER_MS = 24 * 3_600_000
#: Readings are delivered together when none of them can make another due before the last of them.
_TOGETHER_MS = 120_000
#: A hole of this size between the files is a pause of the recording, not a silence of the home.
_PAUSE_MS = 3_600_000


class Alarm(NamedTuple):
    """One finding: of the stream as it is (``case`` None), or of a collapse (its number)."""

    case: int | None
    t_ms: int
    kind: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        alarms: the confirmed findings, those of the unmodified stream first, then by case.
        minutes: ``(cases,)``, from each collapse to its alarm; NaN where there was none within a day.
        rooms: where the home was last heard before each collapse, "" before the first event.
        limits: what was normal at the end of the stream, minutes by room and half hour.
        days: of the test stream.
        ignored: readings that told nothing, by reason.
    """

    alarms: list[Alarm]
    minutes: NDArray[np.float64]
    rooms: list[str]
    limits: dict[str, NDArray[np.float64]]
    days: float
    ignored: dict[str, int]


def run(
    train: HomeEvents, test: HomeEvents, collapses_us: NDArray[np.int64], tell: Callable[[str, float], None]
) -> Outcome:
    """Learn from ``train``, watch ``test``, and from each collapse on let the clock run without events.

    Args:
        train: what is before the first event of ``test`` is learnt from.
        test: watched, and learnt from as it goes, as in operation.
        collapses_us: ``(cases,)``, in any order.
        tell: hears how far it is: what, and the share done.

    Raises:
        DetectorError: nothing of ``train`` lies before ``test``.
    """
    home = _Home()
    before = int(np.searchsorted(train.t_us, test.t_us[0]))
    if not before:
        raise DetectorError("nothing to learn from: every event of the training file is later than the test begins")
    home.feed(train, 0, before, lambda share: tell("learning", share))
    home.pause(int(test.t_us[0]) // 1000)
    order = np.argsort(collapses_us, kind="stable")
    states: dict[int, tuple[dict[str, Any], int]] = {}
    found: list[Detection] = []
    rooms = [""] * len(order)
    at = 0
    for case in order.tolist():
        t_us = int(collapses_us[case])
        end = int(np.searchsorted(test.t_us, t_us, side="right"))
        found += home.feed(test, at, end, lambda _: None)
        found += home.wait(t_us // 1000)
        states[case] = (home.bank.state(), t_us // 1000)
        rooms[case] = test.room[end - 1] if end else ""
        at = max(at, end)
        tell("watching", at / len(test))
    found += home.feed(test, at, len(test), lambda share: tell("watching", share))
    alarms = [Alarm(None, one.decided_ms, one.kind) for one in found if one.stage is Stage.CONFIRMED]
    minutes = np.full(len(order), np.nan)
    for case in range(len(order)):
        state, t_ms = states[case]
        for alarm in _after(state, t_ms, case):
            alarms.append(alarm)
            if alarm.kind == "collapse" and np.isnan(minutes[case]):
                minutes[case] = (alarm.t_ms - t_ms) / 60_000
        tell("collapses", (case + 1) / len(order))
    days = (int(test.t_us[-1]) - int(test.t_us[0])) / 86_400e6
    return Outcome(alarms, minutes, rooms, home.bank.limit_min(PERSON), days, dict(home.bank.ignored))


class _Home:
    """One home in a bank whose clock is the data's."""

    def __init__(self) -> None:
        self.bank = RoutineBank(ZoneInfo("UTC"))  # the files are in local time
        self.row = self.bank.add(PERSON)

    def feed(self, events: HomeEvents, start: int, end: int, tell: Callable[[float], None]) -> list[Detection]:
        """Deliver events in their order, with ticks in between."""
        found: list[Detection] = []
        t_ms = events.t_us[start:end] // 1000
        at = 0
        while at < len(t_ms):
            found += self.wait(int(t_ms[at]))
            until = min(int(t_ms[at]) + _TOGETHER_MS, self._next_tick_ms())
            stop = max(at + 1, int(np.searchsorted(t_ms, until)))
            found += self._deliver(events, start + at, start + stop, t_ms[at:stop])
            at = stop
            tell(at / len(t_ms))
        return found

    def wait(self, until_ms: int) -> list[Detection]:
        """Let the clock run; a tick at the very end is left to what comes then."""
        found: list[Detection] = []
        while (tick_ms := self._next_tick_ms()) < until_ms:
            found += self.bank.update(None, tick_ms)
        return found

    def pause(self, until_ms: int) -> None:
        """The recording was interrupted, if it was."""
        due_ms = self.bank.next_due_ms()
        if due_ms is not None and until_ms - self.heard_ms > _PAUSE_MS:
            self.bank.interrupted()
            self.wait(until_ms)

    def _deliver(self, events: HomeEvents, start: int, stop: int, t_ms: NDArray[np.int64]) -> list[Detection]:
        batch = HomeBatch(
            row=np.full(stop - start, self.row, np.int32),
            device=events.device[start:stop],
            kind=events.kind[start:stop],
            room=events.room[start:stop],
            value=events.state[start:stop],
            t_ms=t_ms,
            recv_ms=t_ms,
        )
        self.heard_ms = int(t_ms[-1])
        return self.bank.update(batch, self.heard_ms)

    def _next_tick_ms(self) -> int:
        due_ms = self.bank.next_due_ms()
        return np.iinfo(np.int64).max if due_ms is None else -(-due_ms // TICK_MS) * TICK_MS


def _after(state: dict[str, Any], t_ms: int, case: int) -> list[Alarm]:
    """What is found within a day after the last event. An alarm that stands already is one at once."""
    bank = RoutineBank(ZoneInfo("UTC"))
    bank.restore(state)
    alarms = [Alarm(case, t_ms, kind) for kind in bank.standing(PERSON) if kind == "collapse"]
    while (due_ms := bank.next_due_ms()) is not None and (
        tick_ms := -(-due_ms // TICK_MS) * TICK_MS
    ) <= t_ms + AFTER_MS:
        found = bank.update(None, tick_ms)
        alarms += [Alarm(case, one.decided_ms, one.kind) for one in found if one.stage is Stage.CONFIRMED]
    return alarms
