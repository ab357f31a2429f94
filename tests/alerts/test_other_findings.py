"""Vitals and routine become incidents, in the detector's words; what is over or only informs does not."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.lifecycle import State
from alerts.sentences import _KINDS as KINDS
from alerts.sentences import LANGUAGES
from console.texts import CHINESE, ENGLISH
from detectors.detection import Detection, Severity, Stage
from detectors.routine import findings as routine
from detectors.routine.sentences import TEXTS
from detectors.vitals.rules import RULES
from tests.alerts.story import START_MS, Story

NEWS2: dict[str, Any] = {
    "kind": "news2",
    "detector": "vitals",
    "severity": Severity.CRITICAL,
    "features": {"news2_points": 9.0, "limit_points": 7.0},
    "notes": {"text": "news2", "en": "Early warning score NEWS2 9: pulse 134.", "zh": "早期预警评分 NEWS2 9 分。"},
}
COLLAPSE: dict[str, Any] = {
    "kind": "collapse",
    "detector": "routine",
    "severity": Severity.URGENT,
    "features": {"silent_s": 3600.0, "limit_silent_s": 3600.0},
    "notes": {
        "text": "routine.collapse",
        "en": "No movement anywhere at home for 1 h.",
        "zh": "家中已1小时没有活动。",
    },
}
OVER: dict[str, Any] = {"stage": Stage.FOLLOW_UP, "severity": Severity.INFO}


def happens(story: Story, what: dict[str, Any], **values: Any) -> Detection:
    """A finding about Wang."""
    return story.happens(**{"what": what["kind"], **what, **values})


@pytest.mark.parametrize("what", [NEWS2, COLLAPSE], ids=["news2", "collapse"])
def test_a_finding_about_a_person_calls_with_the_detectors_own_words(any_story: Story, what: dict[str, Any]) -> None:
    """In the language of the responder; severity, kind and numbers are on the incident."""
    happens(any_story, what)
    incident = any_story.incident()
    assert (incident.kind, incident.severity, incident.person_key) == (what["kind"], what["severity"], "wang")
    assert incident.evidence[0].features == what["features"]
    assert incident.evidence[0].notes["text"] == what["notes"]["text"]
    (call,) = any_story.news()
    assert call.data["sentence"].endswith(what["notes"]["en"])
    assert call.data["sentence"].startswith(KINDS["en"][what["kind"]])
    any_story.forward(65)
    chinese = [call.data for call in any_story.news() if call.data["language"] == "zh"]
    assert [data["sentence"].endswith(what["notes"]["zh"]) for data in chinese] == [True]


def test_the_sentences_stand_with_the_evidence_and_not_in_every_row_of_the_time_line(story: Story) -> None:
    """The audit keeps the key."""
    happens(story, NEWS2)
    (opened,) = [entry for entry in story.detail().timeline if entry.what == "opened"]
    assert opened.data["notes"] == {"text": "news2"}


@pytest.mark.parametrize("what", [NEWS2, COLLAPSE], ids=["news2", "collapse"])
def test_what_only_informs_opens_nothing(story: Story, what: dict[str, Any]) -> None:
    """Somebody was called just before, or it is a front door by day."""
    found = happens(story, what, severity=Severity.INFO)
    happens(story, what, id=found.id, **OVER)
    assert (story.incidents(), story.told()) == ([], [])
    assert story.service.counts["info_only"] == 1


def test_what_is_over_lowers_the_severity_says_so_and_closes_nothing(story: Story) -> None:
    """Whoever is called next hears both."""
    found = happens(story, COLLAPSE)
    story.news()
    happens(story, COLLAPSE, id=found.id, **OVER, notes={"state": "over", "en": "Movement at home again."})
    incident = story.incident()
    assert (incident.severity, incident.state) == (Severity.WARNING, State.NOTIFYING)
    story.forward(31)
    (call,) = story.news()
    assert call.data["sentence"].endswith("No movement anywhere at home for 1 h. Movement at home again.")


def test_the_end_of_what_nobody_was_told_is_no_evidence_for_something_else(story: Story) -> None:
    """A door that is closed again says nothing of a fall."""
    story.happens("fall")
    before = story.timeline()
    happens(story, COLLAPSE, kind="door_open", **OVER)
    assert story.timeline() == before


def test_a_finding_that_began_hours_ago_is_no_wrong_clock(story: Story) -> None:
    """Nobody in the kitchen for ten hours, by a reading of just now."""
    onset_ms = START_MS - 36_000_000
    happens(story, COLLAPSE, kind="no_kitchen", severity=Severity.WARNING, onset_ms=onset_ms)
    incident = story.incident()
    assert (incident.onset_ms, incident.said_ms, incident.historical) == (onset_ms, None, False)


def test_a_fall_and_the_silence_after_it_are_one_incident(story: Story) -> None:
    """The silence is found half an hour later and began with the fall; it is called a fall."""
    story.happens("fall")
    story.forward(1800)
    happens(story, COLLAPSE, onset_ms=START_MS - 2_000, decided_ms=story.now_ms, recv_ms=START_MS - 2_000)
    assert (story.incident().kind, len(story.incident().evidence)) == ("fall", 2)


def test_an_sos_soon_after_a_silence_was_found_joins_it(story: Story) -> None:
    """Measured from when it was told, not from when it began."""
    happens(story, COLLAPSE, onset_ms=START_MS - 3_600_000)
    story.forward(300)
    story.happens("sos")
    assert (story.incident().kind, story.incident().severity) == ("sos", Severity.CRITICAL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_that_calls_somebody_has_words(language: str) -> None:
    """In messages and on the board."""
    kinds = {rule.kind for rule in RULES.values()} | set(routine.KINDS.values())
    assert kinds - KINDS[language].keys() == set()
    texts = {"en": ENGLISH, "zh": CHINESE}[language]
    assert {f"kind.{kind}" for kind in kinds} - texts.keys() == set()


def test_every_key_of_a_routine_finding_has_a_sentence_in_every_language() -> None:
    """Beginning and end of each kind."""
    keys = {f"routine.{kind}{end}" for kind in routine.KINDS.values() for end in ("", ".over")}
    for language in LANGUAGES:
        assert keys - TEXTS[language].keys() == set()
