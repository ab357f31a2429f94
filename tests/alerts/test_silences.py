"""Stories of silences: what is not told, until when, and what is told all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.detection import Stage
from tests.alerts.story import START_MS, Story
from tests.alerts.test_policies import hold

#: 14:00 to 16:00 of the story's day.
TWO_HOURS = {"begin": "2026-03-03T14:00", "end": "2026-03-03T16:00", "reason": "tried out"}


@pytest.mark.parametrize("whose", [{"person": "wang"}, {"device": "w-wang"}, {"area": "d.street"}])
def test_nobody_is_called_until_the_silence_ends(any_story: Story, tmp_path: Path, whose: dict[str, str]) -> None:
    """It is kept with its reason; a second later than the end it is told."""
    story = any_story
    hold(story, tmp_path / "p", silences=[{"id": "s", **whose, **TWO_HOURS}])
    story.happens("fall")
    story.now_ms = START_MS + 7_199_000
    story.happens("fall")
    assert (story.told(), story.incidents()) == ([], [])
    assert story.service.counts["silenced"] == 2
    story.now_ms += 1_000
    story.happens("fall")
    assert story.told() == ["ann"]


def test_an_sos_is_never_silent_and_what_comes_then_joins_it(story: Story, tmp_path: Path) -> None:
    """Though the whole district is."""
    hold(story, tmp_path / "p", silences=[{"id": "s", "area": "d", **TWO_HOURS}])
    story.happens("sos")
    assert story.told() == ["ann"]
    story.happens("fall")
    assert len(story.incident().evidence) == 2


@pytest.mark.parametrize(
    "silence",
    [
        {"person": "zhao", **TWO_HOURS},
        {"device": "b-wang", **TWO_HOURS},
        {"area": "d.street.empty", **TWO_HOURS},
        {"person": "wang", "kinds": ["smoke"], **TWO_HOURS},
        {"person": "wang", **TWO_HOURS, "begin": "2026-03-03T14:01"},
        {"person": "wang", **TWO_HOURS, "zone": "Europe/London"},
    ],
)
def test_a_silence_of_others_or_of_another_time_holds_nothing_back(
    story: Story, tmp_path: Path, silence: dict[str, object]
) -> None:
    """Neither does one of another kind."""
    hold(story, tmp_path / "p", silences=[{"id": "s", **silence}])
    story.happens("fall")
    assert story.told() == ["ann"]


def test_a_suspected_fall_still_asks_its_wearer(story: Story, tmp_path: Path) -> None:
    """That wakes no responder."""
    hold(story, tmp_path / "p", silences=[{"id": "s", "person": "wang", **TWO_HOURS}])
    story.happens("fall", stage=Stage.SUSPECTED)
    assert [each.command.type for each in story.commands()] == ["prompt"]
