"""``carecircle evaluate vitals``: what it counts, and what it writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carecircle.cli.evaluate import app
from carecircle.evaluation.vitals_run import Alarm, Fault, Outcome, run
from carecircle.evaluation.vitals_score import FITTING, cases, figures_of
from detectors.detection import Severity
from detectors.vitals.rules import R
from firmware_sim.cohort import START_MS, Cohort
from firmware_sim.cohort_events import DAY_MS, DETERIORATIONS, HOUR_MS, Span

CALM_MS = START_MS + 2 * DAY_MS


@pytest.fixture
def cohort() -> Cohort:
    """Four people, of whom the last two fall ill; one has a loose watch."""
    small = Cohort(people=4, days=21, seed=1, every_s=3600)
    event_ms = START_MS + 14 * DAY_MS
    small.deteriorations[:] = [
        Span(2, "sepsis", event_ms - 20 * HOUR_MS, event_ms, {}, 2 * HOUR_MS),
        Span(3, "hypertensive_crisis", event_ms - 20 * HOUR_MS, event_ms, {}, 2 * HOUR_MS),
    ]
    small.artefacts[:] = [Span(0, "loose", CALM_MS, CALM_MS + HOUR_MS, {}), Span(1, "loose", CALM_MS, CALM_MS + 1, {})]
    small._gone_ms[:] = START_MS + 21 * DAY_MS
    small._gone_ms[2:] = event_ms + 2 * HOUR_MS
    return small


def outcome(cohort: Cohort, alarms: list[Alarm], faults: list[Fault] | None = None) -> Outcome:
    """As if the bank had found this."""
    return Outcome(cohort, sorted(alarms, key=lambda a: a.t_ms), {}, faults or [], [], {"hypertensive_crisis": []}, {})


def test_a_deterioration_is_found_by_an_alarm_that_fits_it_and_comes_before_the_event(cohort: Cohort) -> None:
    """Hours before it; a rule that has nothing to do with it does not count."""
    event_ms = cohort.deteriorations[0].event_ms
    alarms = [
        Alarm(2, event_ms - 9 * HOUR_MS, "weight_gain", Severity.WARNING),
        Alarm(2, event_ms - 5 * HOUR_MS, "hr_above", Severity.WARNING),
        Alarm(2, event_ms - 3 * HOUR_MS, "news2_urgent", Severity.URGENT),
        Alarm(3, event_ms + HOUR_MS, "pressure_crisis", Severity.URGENT),
    ]
    sepsis, crisis = cases(outcome(cohort, alarms))
    assert (sepsis.lead_h, sepsis.urgent_lead_h, sepsis.alarms, sepsis.first) == (5, 3, 3, "hr_above")
    assert (crisis.lead_h, crisis.measured) == (-1, False)
    figures = figures_of(outcome(cohort, alarms))["deteriorations"]
    assert (figures["all"]["by_the_event"]["hits"], figures["all"]["by_the_event"]["of"]) == (1, 2)
    assert figures["hypertensive_crisis"]["within_two_hours_after"]["hits"] == 1
    assert figures["sepsis"]["by_the_event"]["wilson_95"] == [0.2065, 1.0]


def test_an_alarm_after_the_help_came_or_of_another_person_finds_nothing(cohort: Cohort) -> None:
    """It would be one for nothing."""
    event_ms = cohort.deteriorations[0].event_ms
    alarms = [
        Alarm(2, event_ms + 3 * HOUR_MS, "news2_urgent", Severity.URGENT),
        Alarm(2, event_ms - 30 * HOUR_MS, "news2_urgent", Severity.URGENT),
        Alarm(1, event_ms - HOUR_MS, "news2_urgent", Severity.URGENT),
    ]
    assert [math.isnan(case.lead_h) for case in cases(outcome(cohort, alarms))] == [True, True]


def test_alarms_for_nothing_are_counted_by_person_and_week_and_severity(cohort: Cohort) -> None:
    """Of those who will fall ill, until then."""
    alarms = [
        Alarm(0, CALM_MS, "news2_urgent", Severity.URGENT),
        Alarm(0, CALM_MS + 10 * DAY_MS, "hr_above", Severity.WARNING),
        Alarm(2, CALM_MS, "hr_above", Severity.WARNING),
        Alarm(2, cohort.deteriorations[0].event_ms, "hr_above", Severity.WARNING),
    ]
    rates = figures_of(outcome(cohort, alarms))["without_deterioration"]
    assert rates["the_well"]["person_weeks"] == 6
    assert rates["the_well"]["alarms_per_person_week"] == round(2 / 6, 4)
    assert rates["the_well"]["by_severity_per_person_week"] == {
        "warning": round(1 / 6, 4), "urgent": round(1 / 6, 4), "critical": 0,
    }  # fmt: skip
    assert rates["the_well_after_a_week"]["alarms"] == 1
    assert rates["everybody"]["alarms"] == 3
    assert rates["everybody"]["people_without_an_alarm"]["hits"] == 2


def test_artefacts_are_counted_as_device_findings_and_as_alarms_about_the_person(cohort: Cohort) -> None:
    """While they last and shortly after."""
    alarms = [Alarm(1, CALM_MS + HOUR_MS // 4, "news2_urgent", Severity.URGENT)]
    faults = [Fault(0, CALM_MS + HOUR_MS // 2, CALM_MS + 3 * HOUR_MS, "loose")]
    (loose,) = figures_of(outcome(cohort, alarms, faults))["artefacts"].values()
    assert (loose["spans"], loose["device_finding"]["hits"], loose["alarm_about_the_person"]["hits"]) == (2, 1, 1)


def test_every_kind_has_rules_that_fit_and_every_rule_of_them_exists() -> None:
    """A renamed rule would find nothing any more."""
    names = {rule.name.lower() for rule in R}
    assert set(FITTING) == set(DETERIORATIONS)
    assert all(rules and rules <= names for rules in FITTING.values())


def test_a_small_cohort_is_watched_alike_each_time_and_better_than_by_chance() -> None:
    """Twelve people of whom six fall ill; nearly all are found, in few alarms."""
    first, again = (run(Cohort(people=12, days=18, seed=7, every_s=900), print) for _ in range(2))
    figures = figures_of(first)
    assert figures == figures_of(again)
    found = figures["deteriorations"]["all"]
    assert found["cases"] == 6
    assert found["within_two_hours_after"]["hits"] >= 4
    assert figures["without_deterioration"]["the_well"]["alarms_per_person_week"] < 1.5
    assert figures["plain_chart"]["alarms_per_person_week"] > 5
    assert figures["readings_ignored"] == {}


def test_the_command_prints_tables_and_writes_figures_and_plots(tmp_path: Path) -> None:
    """PNG and JSON into a folder that is made."""
    arguments = [
        "vitals",
        "--people",
        "4",
        "--days",
        "18",
        "--seed",
        "3",
        "--every-s",
        "900",
        "--out",
        str(tmp_path / "o"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for word in ("Deteriorations found", "Alarms a person and week", "Artefacts", "leads.png"):
        assert word in result.output
    figures = json.loads((tmp_path / "o" / "figures.json").read_text())
    assert (figures["seed"], figures["people"], figures["days"], figures["every_s"]) == (3, 4, 18, 900)
    for name in ("leads.png", "alarms.png"):
        assert (tmp_path / "o" / name).read_bytes().startswith(b"\x89PNG")


def test_an_impossible_cohort_is_refused_in_words() -> None:
    """Exit code 2."""
    result = CliRunner().invoke(app, ["vitals", "--days", "3"])
    assert result.exit_code == 2
    assert "18 days" in result.output + (result.stderr if result.stderr_bytes else "")
