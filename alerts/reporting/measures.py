"""What counts, and as what. Pure.

One rule for every limit: an incident, a call or a taking counts when what was awaited happened, or when the limit had
passed while it was still awaited. What was over before (the wearer cancelled, somebody else was quicker, the report was
made too early) says nothing about anybody and is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from alerts.history import CallView, CaseView, TakingView
from alerts.lifecycle import Outcome
from telemetry.shares import Share

#: Answered within these; the goals are those of the TSA's code of practice for alarm centres (97.5 % and 99 %).
SOON_S, LATE_S = 60, 180
GOALS = {SOON_S: 0.975, LATE_S: 0.99}
#: At the door within this.
DOOR_S = 900


@dataclass(slots=True)
class Tally:
    """A share in the making."""

    hits: int = 0
    total: int = 0

    def add(self, result: bool | None) -> None:
        """Count one; None says nothing."""
        if result is not None:
            self.hits += result
            self.total += 1

    @property
    def share(self) -> Share:
        """As it stands, with its Wilson interval."""
        return Share(self.hits, self.total)


@dataclass(slots=True)
class Incidents:
    """Incidents of an area, an hour, or all. ``answer_s`` are the times from opening to the first answer."""

    count: int = 0
    historical: int = 0
    unanswered: int = 0
    soon: Tally = field(default_factory=Tally)
    late: Tally = field(default_factory=Tally)
    door: Tally = field(default_factory=Tally)
    outcomes: Counter[str] = field(default_factory=Counter)
    answer_s: list[float] = field(default_factory=list)

    @property
    def false_alarms(self) -> Share:
        """Of all that are closed."""
        return Share(self.outcomes[Outcome.FALSE_ALARM.value], sum(self.outcomes.values()))

    def add(self, case: CaseView, now_ms: int) -> None:
        """Count an incident. What came out of a device's buffer hours later has no time to be answered in."""
        self.count += 1
        if case.outcome is not None:
            self.outcomes[case.outcome.value] += 1
        if case.historical:
            self.historical += 1
            return
        answered_ms, end_ms = answered_at(case), end_of(case, now_ms)
        self.soon.add(within(case.opened_ms, answered_ms, end_ms, SOON_S))
        self.late.add(within(case.opened_ms, answered_ms, end_ms, LATE_S))
        self.door.add(within(case.opened_ms, case.on_scene_ms, end_ms, DOOR_S))
        self.unanswered += never_answered(case, now_ms)
        if answered_ms is not None:
            self.answer_s.append((answered_ms - case.opened_ms) / 1000)


@dataclass(slots=True)
class Calls:
    """What a responder, or all of a provider, did with the calls that reached them.

    ``soon`` and ``late`` are from the moment that the message had arrived, ``door`` from when they took the incident.
    ``unreached``: no channel of theirs could deliver.
    """

    count: int = 0
    unreached: int = 0
    taken: int = 0
    soon: Tally = field(default_factory=Tally)
    late: Tally = field(default_factory=Tally)
    door: Tally = field(default_factory=Tally)
    answer_s: list[float] = field(default_factory=list)

    def add(self, other: Calls) -> None:
        """Count somebody else's too."""
        self.count += other.count
        self.unreached += other.unreached
        self.taken += other.taken
        self.answer_s += other.answer_s
        for mine, theirs in ((self.soon, other.soon), (self.late, other.late), (self.door, other.door)):
            mine.hits += theirs.hits
            mine.total += theirs.total


def within(start_ms: int, done_ms: int | None, end_ms: int, limit_s: int) -> bool | None:
    """Whether it was done in time; None when it was not done, and over (``end_ms``) before the limit."""
    limit_ms = start_ms + limit_s * 1000
    if done_ms is not None:
        return done_ms <= limit_ms
    return False if end_ms >= limit_ms else None


def answered_at(case: CaseView) -> int | None:
    """When somebody took the incident for the first time."""
    return case.takings[0].taken_ms if case.takings else None


def end_of(case: CaseView, now_ms: int) -> int:
    """When nothing was awaited any more."""
    return now_ms if case.resolved_ms is None else case.resolved_ms


def never_answered(case: CaseView, now_ms: int) -> bool:
    """Whether nobody took it, though there was time to."""
    return not (case.historical or case.takings) and end_of(case, now_ms) >= case.opened_ms + LATE_S * 1000


def calls_by_responder(cases: Iterable[CaseView], now_ms: int) -> dict[str, Calls]:
    """What each responder did. Being told more about what one has already is no call that can be answered."""
    found: dict[str, Calls] = {}
    for case in cases:
        if case.historical:
            continue
        end_ms = end_of(case, now_ms)
        for call, until_ms in _answerable(case, end_ms):
            counts = found.setdefault(call.responder, Calls())
            counts.count += 1
            if call.failed:
                counts.unreached += 1
            _count_answer(counts, case, call, until_ms)
        for taking in case.takings:
            counts = found.setdefault(taking.responder, Calls())
            counts.taken += 1
            counts.door.add(_arrived(case, taking, end_ms))
    return found


def _answerable(case: CaseView, end_ms: int) -> Iterator[tuple[CallView, int]]:
    """The calls made while nobody had the incident, and until when each could be answered: to the next call of the
    same responder, or the end."""
    following: dict[str, int] = {}
    for call in sorted(case.calls, key=lambda call: call.called_ms, reverse=True):
        if any(_holds(taking, call.called_ms) for taking in case.takings):
            continue
        yield call, min(end_ms, following.get(call.responder, end_ms))
        following[call.responder] = call.called_ms


def _holds(taking: TakingView, at_ms: int) -> bool:
    return taking.taken_ms <= at_ms and (taking.lost_ms is None or at_ms < taking.lost_ms)


def _count_answer(counts: Calls, case: CaseView, call: CallView, until_ms: int) -> None:
    first = next((one for one in case.takings if call.called_ms <= one.taken_ms <= until_ms), None)
    mine = first is not None and first.responder == call.responder
    if call.reached_ms is None and not mine:
        return
    start_ms = call.called_ms if call.reached_ms is None else call.reached_ms
    answered_ms = max(start_ms, first.taken_ms) if first is not None and mine else None
    over_ms = first.taken_ms if first is not None else until_ms
    counts.soon.add(within(start_ms, answered_ms, over_ms, SOON_S))
    counts.late.add(within(start_ms, answered_ms, over_ms, LATE_S))
    if answered_ms is not None:
        counts.answer_s.append((answered_ms - start_ms) / 1000)


def _arrived(case: CaseView, taking: TakingView, end_ms: int) -> bool | None:
    over_ms = end_ms if taking.lost_ms is None else taking.lost_ms
    there_ms = case.on_scene_ms
    if there_ms is not None and not taking.taken_ms <= there_ms <= over_ms:
        there_ms = None
    return within(taking.taken_ms, there_ms, over_ms, DOOR_S)
