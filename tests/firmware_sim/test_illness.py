"""Illnesses of a scenario: who gets one, what readings show, what truth says, and that the vitals bank finds them."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detection import Detection, Severity, Stage
from detectors.vitals.bank import VitalsBank
from detectors.vitals.batch import VitalsGatherer
from firmware_sim.cohort_events import DAY_MS, HOUR_MS, Span, course_effects
from firmware_sim.errors import ScenarioError, SimulationError
from firmware_sim.illness import DUE, Course, IllnessPlan, easing, fall_ill, happenings
from firmware_sim.population import build_devices
from firmware_sim.scenario import parse_scenario
from firmware_sim.synthetic import Synthetic
from firmware_sim.vitals import VitalSigns
from firmware_sim.wearer import Wearer

#: A Monday, midnight in China.
T0_MS = 1_759_680_000_000
KNOWN_DAYS = 6


def span(kind: str, begin_ms: int, lasts_h: float, seed: int = 1) -> Span:
    """A course of an illness."""
    effects, _ = course_effects(kind, np.random.default_rng(seed))
    return Span(0, kind, begin_ms, begin_ms + round(lasts_h * HOUR_MS), effects, 2 * HOUR_MS)


def mean(person: VitalSigns, sign: str, begin_ms: int, end_ms: int, every_ms: int = 120_000) -> float:
    """Of what one person measures of a sign."""
    readings = [person.read(t_ms) for t_ms in range(begin_ms, end_ms, every_ms)]
    return float(np.mean([one[sign] for one in readings if sign in one]))


def test_nobody_has_two_illnesses_and_onsets_are_spread_over_their_span() -> None:
    """As many as are asked for, by count or by share; another seed another choice."""
    plan = IllnessPlan(
        courses={
            "sepsis": Course(count=4, between_s=(100, 200)),
            "fast_pulse": Course(share=0.3, between_s=(0, 50)),
        }
    )
    ill = fall_ill(plan, 20, 5, T0_MS)
    kinds = [one.kind for one in ill.values()]
    assert (kinds.count("sepsis"), kinds.count("fast_pulse"), len(ill)) == (4, 6, 10)
    for one in ill.values():
        first_s, last_s = (100, 200) if one.kind == "sepsis" else (0, 50)
        assert T0_MS + first_s * 1000 <= one.begin_ms <= T0_MS + last_s * 1000
    assert fall_ill(plan, 20, 5, T0_MS) == ill
    assert set(fall_ill(plan, 20, 6, T0_MS)) != set(ill)


def test_a_course_is_as_much_faster_as_the_plan_says() -> None:
    """Twelve hours of sepsis in twelve minutes, with the same end."""
    courses = {"sepsis": Course(count=1, between_s=(0, 1))}
    slow = fall_ill(IllnessPlan(courses=courses), 3, 1, T0_MS)
    fast = fall_ill(IllnessPlan(courses=courses, speed=60), 3, 1, T0_MS)
    (one,), (two,) = slow.values(), fast.values()
    assert slow.keys() == fast.keys()
    assert one.effects == two.effects
    assert (one.event_ms - one.begin_ms) / (two.event_ms - two.begin_ms) == pytest.approx(60, rel=0.001)


def test_more_illnesses_than_wearers_are_refused() -> None:
    """And a span that ends before it starts; the message names the kind."""
    for course in (Course(count=3), Course(count=1, between_s=(9, 2))):
        with pytest.raises(SimulationError, match="illness sepsis"):
            fall_ill(IllnessPlan(courses={"sepsis": course}), 2, 1, T0_MS)
    text = "name: a\nwearers: {count: 1}\nillness: {courses: {flu: {count: 1}}}"
    with pytest.raises(ScenarioError, match="flu"):
        parse_scenario(text, "a")


@pytest.mark.parametrize(
    ("kind", "sign", "least"),
    [("sepsis", "hr", 8), ("respiratory_failure", "spo2", -2), ("fast_pulse", "hr", 30), ("heart_failure", "rr", 1)],
)
def test_an_illness_shows_in_the_readings_of_who_has_it_and_of_nobody_else(kind: str, sign: str, least: float) -> None:
    """The last quarter of it against the same person without it, and nothing before it begins."""
    course = span(kind, T0_MS + 30 * HOUR_MS, 12)
    ill, well = (VitalSigns(np.random.default_rng(3), illness=illness) for illness in ([course], []))
    before = mean(ill, sign, T0_MS, course.begin_ms), mean(well, sign, T0_MS, course.begin_ms)
    late_ms = course.event_ms - 3 * HOUR_MS
    changes = mean(ill, sign, late_ms, course.event_ms) - mean(well, sign, late_ms, course.event_ms)
    assert before[0] == before[1]
    assert changes / least > 1


def test_an_illness_stays_until_it_is_treated_and_then_goes() -> None:
    """All of it for two hours after the event, half of it some hours later, then nothing."""
    course = span("sepsis", T0_MS, 12)
    assert [easing(course, course.event_ms + hours * HOUR_MS) for hours in (0, 1, 2, 8, 14, 40)] == [1, 1, 1, 0.5, 0, 0]


def test_low_sugar_is_measured_and_weight_once_a_morning() -> None:
    """Who gets low sugar wears a sensor that speaks every five minutes; scales at seven."""
    course = span("hypoglycaemia", T0_MS + 20 * HOUR_MS, 1)
    person = VitalSigns(np.random.default_rng(8), illness=[course])
    readings = {t_ms: person.read(t_ms) for t_ms in range(T0_MS, T0_MS + 5 * DAY_MS, 60_000)}
    sugar = {t_ms: one["glucose"] for t_ms, one in readings.items() if "glucose" in one}
    assert len(sugar) == pytest.approx(5 * 288, rel=0.01)
    assert min(sugar, key=lambda t_ms: sugar[t_ms]) in range(course.begin_ms, course.end_ms + 6 * HOUR_MS)
    assert min(sugar.values()) < 3.0
    weighed = [(t_ms - T0_MS) % DAY_MS / HOUR_MS for t_ms, one in readings.items() if "weight" in one]
    assert 1 <= len(weighed) <= 5
    assert all(7 <= hour < 8 for hour in weighed)


def test_artefacts_spoil_readings_only_where_a_scenario_wants_them() -> None:
    """A loose watch shows zeros, a stuck one the same pulse for an hour; without, none of it."""
    zeros = {}
    for artefacts in (True, False):
        people = [VitalSigns(np.random.default_rng(seed), artefacts=artefacts) for seed in range(10)]
        pulses = [[one.read(t_ms)["hr"] for t_ms in range(T0_MS, T0_MS + 7 * DAY_MS, 600_000)] for one in people]
        zeros[artefacts] = sum(pulse.count(0.0) for pulse in pulses)
        same = max(int(np.count_nonzero(np.diff(pulse[at : at + 7]) == 0)) for pulse in pulses for at in range(1000))
        assert (same == 6) is artefacts
    assert zeros[True] > 0
    assert not zeros[False]


def test_truth_names_the_finding_that_is_due_and_those_that_are_explained() -> None:
    """The first by the event, half an hour after the onset at the earliest; the others without a date."""
    slow, fast = (happenings(span("fast_pulse", T0_MS, hours), "w", "p") for hours in (4, 0.1))
    assert [one.kind for one in slow] == list(DUE["fast_pulse"])
    assert [one.due_ms for one in slow] == [T0_MS + 4 * HOUR_MS, None, None, None]
    assert fast[0].due_ms == T0_MS + HOUR_MS // 2
    assert {(one.begin_ms, one.device, one.person, one.detail) for one in slow} == {(T0_MS, "w", "p", "fast_pulse")}


def test_a_scenario_makes_its_wearers_ill_and_they_tell_what_they_have() -> None:
    """From when it has begun; the well tell nothing."""
    text = (
        "name: a\nwearers: {count: 4}\nvitals: {every_s: 60, artefacts: true}\n"
        "illness: {speed: 30, courses: {sepsis: {count: 2, between_s: [60, 600]}}}"
    )
    devices = build_devices(parse_scenario(text, "a"), Synthetic(1), 1, T0_MS)
    wearers = [one for one in devices if isinstance(one, Wearer)]
    told = {one.id: one.happened(T0_MS + HOUR_MS) for one in wearers}
    assert sorted(len(one) for one in told.values()) == [0, 0, 4, 4]
    assert all(one.device == device for device, them in told.items() for one in them)
    assert not any(one.happened(T0_MS + 59_000) for one in wearers)


def found_by_the_bank(courses: list[Span | None]) -> list[list[Detection]]:
    """What the vitals bank confirms of each person, one with each course, over the days around it."""
    bank = VitalsBank()
    people = [
        VitalSigns(np.random.default_rng([7, nth]), illness=[] if one is None else [one])
        for nth, one in enumerate(courses)
    ]
    rows = [bank.add(f"p{nth}", person=f"p{nth}") for nth in range(len(people))]
    devices = [bank.add_device(f"w{nth}") for nth in range(len(people))]
    found: list[Detection] = []
    gatherer = VitalsGatherer()
    begin_ms = min(one.begin_ms for one in courses if one is not None)
    rarely, often = range(T0_MS, begin_ms, 1_200_000), range(begin_ms, begin_ms + 14 * HOUR_MS, 240_000)
    for t_ms in [*rarely, *often]:
        for person, row, device in zip(people, rows, devices, strict=True):
            gatherer.add(row, device, t_ms=t_ms, recv_ms=t_ms, values=person.read(t_ms), historical=False)
        found += bank.update(gatherer.take(), t_ms)
    alarms = [d for d in found if d.stage is Stage.CONFIRMED and d.severity is not Severity.INFO]
    return [[d for d in alarms if d.person == f"p{nth}"] for nth in range(len(people))]


def test_the_vitals_bank_finds_courses_after_their_onset_and_by_the_time_they_are_due() -> None:
    """Nine of ten courses of five kinds, by a finding that truth names; three well people cause few alarms."""
    begin_ms = T0_MS + KNOWN_DAYS * DAY_MS + 9 * HOUR_MS
    lasts_h = {"sepsis": 12, "respiratory_failure": 10, "fast_pulse": 5, "hypoglycaemia": 1, "hypertensive_crisis": 8}
    courses = [span(kind, begin_ms, hours, seed) for kind, hours in lasts_h.items() for seed in (1, 2)]
    alarms = found_by_the_bank([*courses, None, None, None])
    on_time = 0
    for course, raised in zip(courses, alarms, strict=False):
        due_ms = happenings(course, "w", "p")[0].due_ms
        assert due_ms is not None
        kinds = DUE[course.kind]
        on_time += any(d.kind in kinds and course.begin_ms < d.decided_ms <= due_ms for d in raised)
    assert on_time >= 9
    week_ms = T0_MS + 5 * DAY_MS  # by then the usual is known
    assert sum(d.decided_ms > week_ms for raised in alarms[len(courses) :] for d in raised) <= 2
