"""What a run of the vitals bank on a cohort comes to: sensitivity, lead time, alarms, artefacts."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from carecircle.evaluation.vitals_run import Outcome
from detectors.detection import SEVERITY_ORDER, Severity
from firmware_sim.cohort import START_MS
from firmware_sim.cohort_events import ARTEFACTS, DETERIORATIONS, HOUR_MS, Span
from telemetry.shares import Share

_WEEK_MS = 7 * 24 * HOUR_MS
_NEWS2 = frozenset({"news2_emergency", "news2_urgent"})
#: The rules that an alarm has to come from to count for a kind: another one would be a coincidence.
FITTING: dict[str, frozenset[str]] = {
    "sepsis": _NEWS2 | {
        "infection", "circulation", "respiratory", "hr_above", "rr_above", "temp_above", "sbp_below", "spo2_below",
        "pulse_fast",
    },
    "respiratory_failure": _NEWS2 | {"respiratory", "spo2_below", "rr_above", "hr_above", "pulse_fast"},
    "heart_failure": _NEWS2 | {
        "weight_gain", "pulse_trend", "respiratory", "spo2_below", "rr_above", "hr_above", "pulse_fast",
    },
    "hypertensive_crisis": _NEWS2 | {"pressure_crisis", "sbp_above", "pressure_trend"},
    "hypoglycaemia": frozenset({"glucose_very_low", "glucose_low"}),
    "fast_pulse": _NEWS2 | {"pulse_fast", "hr_above", "circulation"},
}  # fmt: skip
#: After a device has stopped to measure nonsense, what it said can still raise an alarm for so long.
_AFTER_MS = HOUR_MS // 2
#: The first days, in which what is usual for a person is not known.
_LEARNING_MS = 7 * 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Case:
    """One deterioration: hours from its first alarm to the event (NaN: none by then or within two hours after; below
    0: after it), the same of the first urgent one, alarms during it, the rule that came first, and whether a value
    beyond its limit was measured by the event at all (None where that is not asked)."""

    span: Span
    lead_h: float
    urgent_lead_h: float
    alarms: int
    first: str
    measured: bool | None


def cases(outcome: Outcome) -> list[Case]:
    """Every deterioration of the cohort."""
    by_person: dict[int, list[Any]] = {}
    for alarm in outcome.alarms:
        by_person.setdefault(alarm.person, []).append(alarm)
    beyond = {kind: _by_person(found) for kind, found in outcome.beyond.items()}
    out = []
    for span in outcome.cohort.deteriorations:
        during = [a for a in by_person.get(span.person, []) if span.begin_ms <= a.t_ms <= span.end_ms]
        fitting = [a for a in during if a.rule in FITTING[span.kind]]
        urgent = [a for a in fitting if a.severity is not Severity.WARNING]
        measured = None
        if span.kind in beyond:
            measured = _any_between(beyond[span.kind].get(span.person, []), span.begin_ms, span.event_ms)
        first = fitting[0].rule if fitting else ""
        out.append(Case(span, _lead_h(span, fitting), _lead_h(span, urgent), len(during), first, measured))
    return out


def _lead_h(span: Span, alarms: list[Any]) -> float:
    return (span.event_ms - alarms[0].t_ms) / HOUR_MS if alarms else math.nan


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """All figures of a run, as they are written to JSON."""
    every = cases(outcome)
    kinds = [kind for kind in DETERIORATIONS if any(case.span.kind == kind for case in every)]
    quiet = _Quiet(outcome)
    return {
        "people": len(outcome.cohort),
        "days": outcome.cohort.days,
        "every_s": outcome.cohort.every_s,
        "deteriorations": {"all": _of_cases(every, quiet)}
        | {kind: _of_cases([case for case in every if case.span.kind == kind], quiet) for kind in kinds},
        "without_deterioration": quiet.rates(),
        "artefacts": {
            kind: _of_artefacts([s for s in outcome.cohort.artefacts if s.kind == kind], outcome, quiet)
            for kind in ARTEFACTS
            if any(span.kind == kind for span in outcome.cohort.artefacts)
        },
        "device_findings_per_person_week": round(len(outcome.faults) / quiet.all_weeks, 3),
        "written_down_only": dict(sorted(outcome.noted.items())),
        "plain_chart": _of_plain(outcome, quiet),
        "readings_ignored": outcome.ignored,
    }


class _Quiet:
    """The time without any deterioration: of the well all of it, of the others what is before."""

    def __init__(self, outcome: Outcome) -> None:
        cohort = outcome.cohort
        self.begins_ms = {span.person: span.begin_ms for span in cohort.deteriorations}
        until_ms = {p: self.begins_ms.get(p, cohort.gone_ms(p)) for p in range(len(cohort))}
        self.weeks = {p: (end_ms - START_MS) / _WEEK_MS for p, end_ms in until_ms.items()}
        self.all_weeks = sum((cohort.gone_ms(p) - START_MS) / _WEEK_MS for p in range(len(cohort)))
        self.alarms = [a for a in outcome.alarms if a.t_ms < until_ms[a.person]]
        self.well = {p for p in range(len(cohort)) if p not in self.begins_ms}

    def rates(self) -> dict[str, Any]:
        """Alarms a person and week, of everybody and of those to whom nothing ever happens."""
        return {
            "everybody": self._rates(self.weeks, self.alarms),
            "the_well": self._rates(
                {p: w for p, w in self.weeks.items() if p in self.well},
                [a for a in self.alarms if a.person in self.well],
            ),
            "the_well_after_a_week": self._rates(
                {p: w - _LEARNING_MS / _WEEK_MS for p, w in self.weeks.items() if p in self.well},
                [a for a in self.alarms if a.person in self.well and a.t_ms >= START_MS + _LEARNING_MS],
            ),
        }

    def _rates(self, weeks: dict[int, float], alarms: list[Any]) -> dict[str, Any]:
        total = sum(weeks.values())
        severity, rule = Counter(a.severity.value for a in alarms), Counter(a.rule for a in alarms)
        silent = sum(1 for p in weeks if p not in {a.person for a in alarms})
        return {
            "person_weeks": round(total, 1),
            "alarms": len(alarms),
            "alarms_per_person_week": round(len(alarms) / total, 4),
            "by_severity_per_person_week": {
                name: round(severity[name] / total, 4) for name in SEVERITY_ORDER if name != Severity.INFO
            },
            "by_rule_per_person_week": {name: round(count / total, 4) for name, count in rule.most_common()},
            "people_without_an_alarm": _share(Share(silent, len(weeks))),
        }

    def by_chance(self, rules: Iterable[str], hours: float) -> float:
        """How likely one of these rules calls within so long, without any reason."""
        rate = sum(1 for a in self.alarms if a.rule in rules) / max(sum(self.weeks.values()), 1e-9)
        return 1 - math.exp(-rate * hours * HOUR_MS / _WEEK_MS)


def _of_cases(some: list[Case], quiet: _Quiet) -> dict[str, Any]:
    lead = np.array([case.lead_h for case in some])
    urgent = np.array([case.urgent_lead_h for case in some])
    before = lead[lead >= 0]
    measured = [case.measured for case in some if case.measured is not None]
    chance = [quiet.by_chance(FITTING[c.span.kind], (c.span.event_ms - c.span.begin_ms) / HOUR_MS) for c in some]
    return {
        "cases": len(some),
        "by_the_event": _share(Share(len(before), len(some))),
        "urgent_by_the_event": _share(Share(int((urgent >= 0).sum()), len(some))),
        "within_two_hours_after": _share(Share(int((~np.isnan(lead)).sum()), len(some))),
        "by_chance": round(float(np.mean(chance)), 3) if chance else 0.0,
        "measured_by_the_event": _share(Share(sum(map(bool, measured)), len(measured))) if measured else {},
        "lead_h": {f"p{q}": round(float(np.percentile(before, q)), 2) for q in (10, 50, 90)} if len(before) else {},
        "alarms_each": round(float(np.mean([case.alarms for case in some])), 2) if some else 0.0,
        "first_rule": dict(Counter(case.first or "none" for case in some).most_common()),
    }


def _of_artefacts(spans: list[Span], outcome: Outcome, quiet: _Quiet) -> dict[str, Any]:
    """Of those while the person is at home and nothing else happens."""
    cohort = outcome.cohort
    some = [s for s in spans if s.end_ms < quiet.begins_ms.get(s.person, cohort.gone_ms(s.person)) - _AFTER_MS]
    faults: dict[int, list[Any]] = {}
    for fault in outcome.faults:
        faults.setdefault(fault.person, []).append(fault)
    times = _by_person((alarm.person, alarm.t_ms) for alarm in outcome.alarms)
    found = sum(any(f.begin_ms <= s.end_ms and f.end_ms >= s.begin_ms for f in faults.get(s.person, [])) for s in some)
    alarmed = [s for s in some if _any_between(times.get(s.person, []), s.begin_ms, s.end_ms + _AFTER_MS)]
    rate = len(quiet.alarms) / sum(quiet.weeks.values())
    chance = [1 - math.exp(-rate * (s.end_ms + _AFTER_MS - s.begin_ms) / _WEEK_MS) for s in some]
    return {
        "spans": len(some),
        "device_finding": _share(Share(found, len(some))),
        "alarm_about_the_person": _share(Share(len(alarmed), len(some))),
        "by_chance": round(float(np.mean(chance)), 3) if chance else 0.0,
    }


def _by_person(found: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    times: dict[int, list[int]] = {}
    for person, t_ms in found:
        times.setdefault(person, []).append(t_ms)
    return times


def _any_between(times: list[int], begin_ms: int, end_ms: int) -> bool:
    at = bisect_left(times, begin_ms)
    return at < len(times) and times[at] <= end_ms


def _of_plain(outcome: Outcome, quiet: _Quiet) -> dict[str, Any]:
    times = _by_person(outcome.plain)
    spans = outcome.cohort.deteriorations
    found = sum(_any_between(times.get(s.person, []), s.begin_ms, s.event_ms) for s in spans)
    well = [t for p, t in outcome.plain if p in quiet.well]
    return {
        "by_the_event": _share(Share(found, len(spans))),
        "alarms_per_person_week": round(len(well) / sum(quiet.weeks[p] for p in quiet.well), 3),
    }


def _share(share: Share) -> dict[str, Any]:
    if not share.total:
        return {"hits": 0, "of": 0}
    return {
        "hits": share.hits,
        "of": share.total,
        "share": round(share.value, 4),
        "wilson_95": [round(x, 4) for x in share.interval],
    }
