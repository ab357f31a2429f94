"""What a system made of a run, held against what really happened. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from firmware_sim.scoring_quarantine import Quarantined, QuarantineScore, match_quarantine
from firmware_sim.truth import Fall, Happening, Press, Truth

#: A fall counts as found when its onset was put this close to the impact: the rule of the published evaluations.
HIT_MS = 2_500
#: What has no ``due_ms`` of its own is late when it was found after so many seconds. A fall is decided on what follows
#: the impact, and its frames may be reordered for two seconds; a press needs nothing but the way.
LIMIT_S = {"fall": 10.0, "sos": 5.0}
#: A finding may begin so long after what it is about is over: the last reading is yet to come.
_AFTER_MS = 60_000


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a system reported: a confirmed finding.

    ``onset_ms`` is when it says it happened (of an SOS, the button's time), ``detected_ms`` when it knew,
    ``notified_ms`` when a responder was told, ``recv_ms`` when the message came that allowed the decision.
    ``incident`` is the incident that it belongs to, "" where that is not known: it then counts as one of its own.
    ``alarm`` is false for what was noted and opened no incident. ``historical``: found in what a buffer held.
    """

    kind: str
    device: str | None = None
    person: str | None = None
    onset_ms: int
    detected_ms: int | None = None
    notified_ms: int | None = None
    recv_ms: int | None = None
    incident: str = ""
    alarm: bool = True
    historical: bool = False


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; None where there is nothing to measure."""

    p50: float | None
    p95: float | None
    max: float | None


class KindScore(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind went.

    Attributes:
        kind: of the finding.
        happened: what had to be found.
        found: of these, found at all: in time, late or delayed.
        missed: not found.
        late: found after ``due_ms``, or after ``limit_s``.
        delayed: found, but its message came later than that: a lost link, a buffer. Left out of the latencies.
        false: incidents, or findings without one, that nothing in the truth explains.
        duplicate: further incidents about what had one already.
        explained: findings of something that is in the truth and had not to be found.
        noted: findings that opened no incident and that nothing explains.
        limit_s: see :data:`LIMIT_S`; None where each has a ``due_ms``.
        to_detected_s: from impact, press or begin until the system knew.
        to_notified_s: and until a responder was told.
    """

    kind: str
    happened: int
    found: int
    missed: int
    late: int
    delayed: int
    false: int
    duplicate: int
    explained: int
    noted: int
    limit_s: float | None
    to_detected_s: Latency
    to_notified_s: Latency


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How well a system did. ``missed`` name what was not found; ``duplicates`` were found more than once.

    ``false_alarms`` and ``duplicates`` are those of falls and calls; ``false_others`` those of every other kind that
    opened an incident. ``quarantine`` is None where nobody looked into it.
    """

    falls_injected: int
    falls_detected: int
    falls_missed: list[Fall]
    sos_injected: int
    sos_detected: int
    sos_missed: list[Press]
    others_missed: list[Happening]
    false_alarms: list[Found]
    false_others: list[Found]
    duplicates: list[Found]
    impact_to_notified_s: Latency
    press_to_notified_s: Latency
    kinds: list[KindScore]
    quarantine: QuarantineScore | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing was missed: neither what happened nor a message that is due in the quarantine."""
        spoiled = self.quarantine is not None and (self.quarantine.missing or self.quarantine.wrong)
        return not (self.falls_missed or self.sos_missed or self.others_missed or spoiled)


@dataclass(slots=True)
class _Case:
    """One thing that happened, and what reported it."""

    what: Fall | Press | Happening
    device: str | None
    person: str | None
    begin_ms: int
    end_ms: int | None
    due_ms: int | None  # None: it only explains
    is_point: bool
    hits: list[Found] = field(default_factory=list)

    def distance_ms(self, found: Found) -> int | None:
        """How far a report lies from it; None when it is about something else."""
        if not self._is_of(found):
            return None
        away_ms = abs(found.onset_ms - self.begin_ms)
        if self.is_point:
            return away_ms if away_ms <= HIT_MS else None
        known_ms = found.onset_ms if found.historical or found.detected_ms is None else found.detected_ms
        begins_in_time = self.end_ms is None or found.onset_ms <= self.end_ms + _AFTER_MS
        return away_ms if begins_in_time and max(known_ms, found.onset_ms) >= self.begin_ms - HIT_MS else None

    def _is_of(self, found: Found) -> bool:
        if self.device is None and self.person is None:
            return True  # of an area
        return (self.device is not None and found.device == self.device) or (
            self.person is not None and found.person == self.person
        )

    @property
    def detected_ms(self) -> int | None:
        """When it was found first."""
        return min((ms for hit in self.hits if (ms := _known_ms(hit)) is not None), default=None)

    @property
    def notified_ms(self) -> int | None:
        """When a responder was told first."""
        return min((hit.notified_ms for hit in self.hits if hit.notified_ms is not None), default=None)

    @property
    def is_late(self) -> bool:
        """Whether it was found after it was due."""
        return self.detected_ms is not None and self.due_ms is not None and self.detected_ms > self.due_ms

    @property
    def is_delayed(self) -> bool:
        """Whether the message that tells of it came after it was due: the system could not know."""
        first = min(self.hits, key=lambda hit: _known_ms(hit) or hit.onset_ms, default=None)
        if first is None or self.due_ms is None:
            return False
        return first.historical or (self.is_point and first.recv_ms is not None and first.recv_ms > self.due_ms)


def match(truth: Truth, reported: Sequence[Found], quarantined: Sequence[Quarantined] | None = None) -> Score:
    """Compare what a system reported with what happened.

    A reported fall hits the nearest fall of the same device or person within :data:`HIT_MS` of its impact; an SOS hits
    the nearest press of the same device or person within as much of the press; every other finding hits the nearest
    happening of its kind, of the same device or person, that had begun when it was found and was not over when the
    finding begins. What hits nothing is a false alarm, once for an incident; another incident about what has one is a
    duplicate. The earliest detection and the earliest notification count.
    """
    cases = _cases(truth)
    by_kind: dict[str, list[Found]] = defaultdict(list)
    for found in sorted(reported, key=lambda found: found.onset_ms):
        by_kind[found.kind].append(found)
    kinds = {kind: _kind(kind, cases.get(kind, []), by_kind[kind]) for kind in sorted({*cases, *by_kind}, key=_order)}
    falls, presses = cases["fall"], cases["sos"]
    called = [one for kind, one in kinds.items() if kind in LIMIT_S]
    return Score(
        falls_injected=len(truth.falls),
        falls_detected=sum(bool(case.hits) for case in falls if isinstance(case.what, Fall)),
        falls_missed=[case.what for case in falls if isinstance(case.what, Fall) and not case.hits],
        sos_injected=len(truth.sos),
        sos_detected=sum(bool(case.hits) for case in presses if isinstance(case.what, Press)),
        sos_missed=[case.what for case in presses if isinstance(case.what, Press) and not case.hits],
        others_missed=[
            case.what
            for some in cases.values()
            for case in some
            if isinstance(case.what, Happening) and case.due_ms is not None and not case.hits
        ],
        false_alarms=[found for one in called for found in one.false],
        false_others=[found for kind, one in kinds.items() if kind not in LIMIT_S for found in one.false],
        duplicates=[found for one in called for found in one.again],
        impact_to_notified_s=_latency((case.begin_ms, case.notified_ms) for case in falls),
        press_to_notified_s=_latency((case.begin_ms, case.notified_ms) for case in presses),
        kinds=[one.score for one in kinds.values()],
        quarantine=None if quarantined is None else match_quarantine(truth.spoiled, quarantined),
    )


def _cases(truth: Truth) -> dict[str, list[_Case]]:
    cases: dict[str, list[_Case]] = {"fall": [], "sos": []}
    for fall in truth.falls:
        due_ms = fall.impact_ms + int(LIMIT_S["fall"] * 1000)
        cases["fall"].append(_Case(fall, fall.device, fall.person, fall.impact_ms, fall.impact_ms, due_ms, True))
    for press in truth.sos:
        due_ms = press.pressed_ms + int(LIMIT_S["sos"] * 1000)
        cases["sos"].append(_Case(press, press.device, press.person, press.pressed_ms, press.pressed_ms, due_ms, True))
    for one in truth.happenings:
        case = _Case(one, one.device, one.person, one.begin_ms, one.end_ms, one.due_ms, False)
        cases.setdefault(one.kind, []).append(case)
    return cases


@dataclass(frozen=True, slots=True)
class _Matched:
    score: KindScore
    false: list[Found]
    again: list[Found]


def _kind(kind: str, cases: list[_Case], reported: list[Found]) -> _Matched:
    """Give each report, in the order of their onsets, to what it is about; the cases keep theirs."""
    nothing: list[Found] = []
    again: list[Found] = []
    known: set[str] = set()  # incidents that are about something
    for found in reported:
        near = [(away_ms, i) for i, case in enumerate(cases) if (away_ms := case.distance_ms(found)) is not None]
        if not near:
            nothing.append(found)
            continue
        case = cases[min(near)[1]]
        others = [hit for hit in case.hits if hit.alarm]
        if found.alarm and others and (not found.incident or all(hit.incident != found.incident for hit in others)):
            again.append(found)
        case.hits.append(found)
        known.add(found.incident)
    false, seen = [], known - {""}
    for found in nothing:
        if found.alarm and found.incident not in seen:
            false.append(found)
            seen |= {found.incident} - {""}
    due = [case for case in cases if case.due_ms is not None]
    there = [case for case in due if case.hits]
    in_time = [case for case in there if not case.is_delayed]
    score = KindScore(
        kind=kind,
        happened=len(due),
        found=len(there),
        missed=len(due) - len(there),
        late=sum(case.is_late for case in in_time),
        delayed=len(there) - len(in_time),
        false=len(false),
        duplicate=len(again),
        explained=sum(len(case.hits) for case in cases if case.due_ms is None),
        noted=sum(not found.alarm for found in nothing),
        limit_s=LIMIT_S.get(kind),
        to_detected_s=_latency((case.begin_ms, case.detected_ms) for case in in_time),
        to_notified_s=_latency((case.begin_ms, case.notified_ms) for case in in_time),
    )
    return _Matched(score, false, again)


def _known_ms(found: Found) -> int | None:
    return found.notified_ms if found.detected_ms is None else found.detected_ms


def _order(kind: str) -> tuple[int, str]:
    """Falls and calls first."""
    return (list(LIMIT_S).index(kind) if kind in LIMIT_S else len(LIMIT_S)), kind


def _latency(spans: Iterable[tuple[int, int | None]]) -> Latency:
    seconds = [(until_ms - at_ms) / 1000 for at_ms, until_ms in spans if until_ms is not None]
    if not seconds:
        return Latency(p50=None, p95=None, max=None)
    p50, p95, most = (round(float(x), 3) for x in np.percentile(seconds, [50, 95, 100]))
    return Latency(p50=p50, p95=p95, max=most)
