"""The simulated cohort: what it labels is in what its devices say, and chance comes from the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_sim.cohort import KNOWN_DAYS, START_MS, Cohort, Readings
from firmware_sim.cohort_events import (
    ARTEFACTS,
    BENIGN,
    DAY_MS,
    DETERIORATIONS,
    HELPED_MS,
    HOUR_MS,
    Agenda,
    Span,
    progress,
)
from firmware_sim.errors import SimulationError

PEOPLE, DAYS = 120, 18


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """One for all tests that only look."""
    return Cohort(people=PEOPLE, days=DAYS, seed=5, every_s=600)


@pytest.fixture(scope="module")
def heard(cohort: Cohort) -> list[Readings]:
    """Everything that it says."""
    return list(cohort)


def column(heard: list[Readings], person: int, name: str, begin_ms: int, end_ms: int) -> NDArray[np.float64]:
    """What one person measured between two instants."""
    out = [
        float(value)
        for one in heard
        if begin_ms <= one.t_ms < end_ms
        for value in one.values[name][one.person == person]
        if not np.isnan(value)
    ]
    return np.array(out)


def test_the_same_seed_gives_the_same_cohort_however_often_it_is_gone_through() -> None:
    """And another seed another one."""
    small = Cohort(people=5, days=DAYS, seed=1, every_s=3600)
    first, again = list(small), list(small)
    other = list(Cohort(people=5, days=DAYS, seed=2, every_s=3600))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_equal((one.t_ms, one.person, one.values), (two.t_ms, two.person, two.values))
    assert any(
        len(a.person) != len(b.person) or (a.values["hr"] != b.values["hr"]).any()
        for a, b in zip(first, other, strict=True)
    )


def test_every_other_person_deteriorates_once_and_the_kinds_come_in_turn(cohort: Cohort) -> None:
    """So that every kind has as many cases."""
    kinds = [span.kind for span in cohort.deteriorations]
    assert len(kinds) == PEOPLE // 2
    assert len({span.person for span in cohort.deteriorations}) == len(kinds)
    assert {kinds.count(kind) for kind in DETERIORATIONS} == {10}


def test_nothing_happens_before_a_person_is_known_or_after_the_end(cohort: Cohort) -> None:
    """Baselines need days; an event needs to be heard."""
    for span in cohort.deteriorations:
        assert span.begin_ms >= START_MS + KNOWN_DAYS * DAY_MS
        assert span.end_ms == span.event_ms + HELPED_MS <= START_MS + DAYS * DAY_MS


def test_nobody_is_heard_after_they_are_in_hospital(cohort: Cohort, heard: list[Readings]) -> None:
    """Alarms of a body that is not at home any more would count."""
    for span in cohort.deteriorations:
        assert cohort.gone_ms(span.person) == span.end_ms
        assert len(column(heard, span.person, "hr", span.end_ms, START_MS + DAYS * DAY_MS)) == 0
    well = set(range(PEOPLE)) - {span.person for span in cohort.deteriorations}
    last = START_MS + (DAYS - 1) * DAY_MS
    assert all(len(column(heard, person, "hr", last, last + DAY_MS)) for person in well)


@pytest.mark.parametrize(
    ("kind", "sign", "rises"),
    [
        ("sepsis", "hr", 12),
        ("respiratory_failure", "spo2", -3),
        ("heart_failure", "weight", 1.0),
        ("hypertensive_crisis", "sbp", 20),
        ("fast_pulse", "hr", 25),
    ],
)
def test_a_deterioration_shows_in_what_is_measured(
    cohort: Cohort, heard: list[Readings], kind: str, sign: str, rises: float
) -> None:
    """The median person of each kind, the last quarter of it against the days before."""
    changes = []
    for span in cohort.deteriorations:
        if span.kind == kind:
            late_ms = span.event_ms - (span.event_ms - span.begin_ms) // 4
            during = column(heard, span.person, sign, late_ms, span.end_ms)
            before = column(heard, span.person, sign, START_MS, span.begin_ms)
            if len(during) and len(before):
                changes.append(np.median(during) - np.median(before))
    assert len(changes) >= 3
    assert np.median(changes) / rises > 1


def test_only_a_labelled_low_sugar_is_low(cohort: Cohort, heard: list[Readings]) -> None:
    """What a pressed sensor shows is labelled too."""
    low = {int(p) for one in heard for p in one.person[one.values["glucose"] < 3.3]}
    labelled = {span.person for span in cohort.deteriorations if span.kind == "hypoglycaemia"}
    pressed = {span.person for span in cohort.artefacts if span.kind == "pressed_sensor"}
    assert low & labelled
    assert not low - labelled - pressed


def test_every_kind_of_lesser_thing_and_of_artefact_occurs_and_units_show() -> None:
    """In a cohort that is large enough."""
    large = Cohort(people=1500, days=DAYS, seed=3, every_s=3600)
    assert {span.kind for span in large.benign} == set(BENIGN)
    assert {span.kind for span in large.artefacts} == set(ARTEFACTS)
    hot = {int(p) for one in large for p in one.person[one.values["temp"] > 85]}
    assert hot
    assert hot <= {span.person for span in large.artefacts if span.kind == "fahrenheit"}


def test_a_loose_sensor_shows_nonsense_while_it_is_loose(cohort: Cohort, heard: list[Readings]) -> None:
    """Zeros and cooling skin."""
    zeros = 0
    for span in cohort.artefacts:
        if span.kind == "loose":
            zeros += int((column(heard, span.person, "hr", span.begin_ms, span.end_ms) == 0).sum())
    everywhere = sum(int((one.values["hr"] == 0).sum()) for one in heard)
    assert zeros == everywhere > 10


def test_watches_tell_of_motion_and_quality_only_when_they_can(cohort: Cohort, heard: list[Readings]) -> None:
    """Some do neither, and a detector has to live with that."""
    for name, can in (("enmo_g", cohort.traits.tells_motion), ("quality", cohort.traits.tells_quality)):
        told = {int(p) for one in heard for p in one.person[~np.isnan(one.values[name])]}
        assert told == set(np.flatnonzero(can).tolist())
        assert 0 < len(told) < PEOPLE


def test_an_agenda_has_what_goes_on_and_nothing_else() -> None:
    """By the instant, both ends included, and on after the event where it does."""
    spans = [Span(0, "a", 100, 200, {}), Span(1, "b", 150, 160, {}, after_ms=90), Span(2, "c", 300, 400, {})]
    agenda = Agenda(spans)
    got = [(t, sorted(span.kind for span in agenda.at(t))) for t in (50, 100, 155, 200, 240, 300, 401)]
    assert got == [
        (50, []), (100, ["a"]), (155, ["a", "b"]), (200, ["a", "b"]), (240, ["b"]), (300, ["c"]), (401, []),
    ]  # fmt: skip


def test_water_comes_before_the_breath_goes_in_heart_failure() -> None:
    """The weight rises from the beginning, the pulse in the last two days."""
    span = Span(0, "heart_failure", 0, 8 * DAY_MS, {"weight": 4.0, "hr": 12.0})
    assert progress(span, 4 * DAY_MS) == {"weight": 2.0, "hr": 0.0}
    assert progress(span, 8 * DAY_MS) == {"weight": 4.0, "hr": 12.0}
    assert progress(Span(0, "stress", 0, HOUR_MS, {"hr": 20.0}), 1) == {"hr": 20.0}


@pytest.mark.parametrize(("people", "days", "every_s"), [(0, 20, 120), (1, 17, 120), (1, 20, 0), (1, 20, 4000)])
def test_an_impossible_cohort_is_refused(people: int, days: int, every_s: int) -> None:
    """Before anything is drawn."""
    with pytest.raises(SimulationError, match="it takes one person"):
        Cohort(people=people, days=days, seed=0, every_s=every_s)
