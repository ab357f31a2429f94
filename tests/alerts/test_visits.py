"""Visits: made, made late, missed; one incident for each that was missed, and nobody called in haste."""

from __future__ import annotations

from pathlib import Path

import pytest

import registry
from alerts.errors import VisitError
from alerts.lifecycle import State
from alerts.visits import VisitState, visit_done, visit_missed, visits
from detectors.detection import Severity
from tests.alerts.story import START_MS, Story

DAY_S = 86_400
#: Tuesday 3 March 2026, 14:00 in Shanghai is when the story begins.
PLANS = """\
- {id: weekly, person: wang, kind: call, zone: Asia/Shanghai, start: 2026-02-25T10:00, within_h: 4}
- {id: monthly, person: zhao, zone: Asia/Shanghai, start: 2026-03-31T09:00, unit: month}
"""


@pytest.fixture
def visited(any_story: Story, tmp_path: Path) -> Story:
    """A district with a weekly call on Wednesdays, and a visit on the last of the month."""
    folder = tmp_path / "visits"
    folder.mkdir()
    (folder / "visits.yaml").write_text(PLANS)
    assert registry.import_folder(any_story.engine, folder).applied
    any_story.settle()
    return any_story


def look(story: Story, seconds: float) -> None:
    """Let time pass, and the service look once at the end of it."""
    story.now_ms += round(seconds * 1000)
    story.settle()


def test_a_missed_call_becomes_one_incident_of_low_severity(visited: Story) -> None:
    """Four hours after ten o'clock on Wednesday, not before; in words; the next is called after half an hour."""
    story = visited
    look(story, DAY_S - 60)  # 13:59
    assert story.incidents() == []
    look(story, 60)
    incident = story.incident()
    assert (incident.kind, incident.severity, incident.person_key) == ("visit_missed", Severity.WARNING, "wang")
    (message,) = story.news()
    assert message.path == "/ann"
    assert "The call that was due on 2026-03-04 10:00 was not made" in message.data["sentence"]
    story.forward(1799)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["bob"]
    story.restart()
    look(story, 3600)
    assert len(story.incidents()) == 1
    (view,) = visits(story.engine, START_MS, START_MS + 2 * DAY_S * 1000)
    assert (view.state, view.who) == (VisitState.MISSED, "system")


def test_a_call_that_was_made_is_no_incident(visited: Story) -> None:
    """Made early, or in time; the next one is another."""
    story = visited
    look(story, DAY_S - 5 * 3600)  # 9:00, an hour early
    view = visit_done(story.engine, "weekly", "ann", story.now_ms, on="2026-03-04", note="well")
    assert (view.state, view.who, view.note) == (VisitState.DONE, "ann", "well")
    look(story, DAY_S)
    assert story.incidents() == []
    with pytest.raises(VisitError, match="done already, says ann"):
        visit_done(story.engine, "weekly", "bob", story.now_ms, on="2026-03-04")
    look(story, 7 * DAY_S)
    assert len(story.incidents()) == 1


def test_what_was_due_before_the_plan_was_known_is_not_missed(visited: Story) -> None:
    """The call of last week, and nothing while the service was away but the last of each plan."""
    story = visited
    assert story.incidents() == []
    story.service.close()
    story.now_ms += 29 * DAY_S * 1000  # four Wednesdays, and the 31st with its day: until 1 April, 14:00
    story.restart()
    story.settle()
    found = {(one.kind, one.person_key) for one in story.incidents()}
    assert found == {("visit_missed", "wang"), ("visit_missed", "zhao")}
    assert len(story.incidents()) == 2


def test_nobody_was_met_opens_the_incident_at_once_and_once(visited: Story) -> None:
    """The clock does not open it again, and it can be made good late; the incident stays people's."""
    story = visited
    look(story, DAY_S - 3 * 3600)  # Wednesday, 11:00
    visit_missed(story.engine, "weekly", "bob", story.now_ms, story.settings.rules, note="nobody answers")
    look(story, 1)
    assert story.told() == ["ann"]
    look(story, 4 * 3600)
    assert len(story.incidents()) == 1
    with pytest.raises(VisitError, match="missed already, says bob"):
        visit_missed(story.engine, "weekly", "ann", story.now_ms, story.settings.rules)
    assert visit_done(story.engine, "weekly", "ann", story.now_ms).state is VisitState.DONE
    assert story.incident().state is State.NOTIFYING


@pytest.mark.parametrize(
    ("plan", "on", "said"),
    [("nothing", "", "no plan"), ("weekly", "2026-03-05", "not due on"), ("weekly", "soon", "no day")],
)
def test_what_cannot_be_written_is_said(visited: Story, plan: str, on: str, said: str) -> None:
    """No such plan, no such day."""
    with pytest.raises(VisitError, match=said):
        visit_done(visited.engine, plan, "ann", visited.now_ms, on=on)
