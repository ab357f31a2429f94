"""Stories of an incident that whoever has it hands over to somebody else."""

from __future__ import annotations

import pytest

from alerts import actions
from alerts.lifecycle import Answer, State
from tests.alerts.story import Story
from tests.alerts.test_answers import a_moment, said, stood_down


def taken(story: Story) -> str:
    """Ann has acknowledged a fall; returns the incident."""
    story.happens("fall")
    story.forward(5)
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms, via="link")
    a_moment(story)
    story.news()
    return incident


def test_it_stays_with_the_first_until_the_other_has_acknowledged(any_story: Story) -> None:
    """The other is called and reads from whom; then it is theirs, with a time of their own, and the first may go."""
    story = any_story
    incident = taken(story)
    result = actions.hand_over(story.engine, incident, "ann", "bob", story.now_ms, note="I am at another door")
    assert (result.answer, result.by) == (Answer.DONE, "ann")
    a_moment(story)
    (call,) = story.news()
    assert call.path == "/bob"
    assert call.data["sentence"].endswith("Ann has it and asks you to take it over.")
    assert call.data["taken_by"] == "ann"
    view = story.incident()
    assert (view.acknowledged_by, view.offered_to, view.offered_to_name) == ("ann", "bob", "Bob")
    story.forward(60)
    assert story.told() == []  # nobody else is called meanwhile
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms, via="link").done
    a_moment(story)
    assert stood_down(story) == ["ann"]
    view = story.incident()
    assert (view.acknowledged_by, view.offered_to, view.acknowledged_ms) == ("bob", None, story.now_ms - 500)
    assert said(story, "offered") == [{"via": "console", "responder": "bob", "note": "I am at another door"}]
    assert said(story, "taken_over") == [{"via": "link", "instead_of": "ann"}]
    assert actions.en_route(story.engine, incident, "bob", story.now_ms).done


def test_who_sets_out_at_once_has_taken_it_over(story: Story) -> None:
    """Though the first was on the way already."""
    incident = taken(story)
    actions.en_route(story.engine, incident, "ann", story.now_ms)
    actions.hand_over(story.engine, incident, "ann", "bob", story.now_ms)
    story.forward(3)
    assert actions.en_route(story.engine, incident, "bob", story.now_ms).done
    view = story.incident()
    assert (view.acknowledged_by, view.state, view.en_route_ms) == ("bob", State.EN_ROUTE, story.now_ms)


def test_who_cannot_take_it_over_leaves_it_where_it_was(story: Story) -> None:
    """And may be asked again; whoever has it is waited for as before."""
    incident = taken(story)
    actions.hand_over(story.engine, incident, "ann", "bob", story.now_ms)
    assert actions.cannot_come(story.engine, incident, "bob", story.now_ms).done
    view = story.incident()
    assert (view.acknowledged_by, view.offered_to, view.state) == ("ann", None, State.ACKNOWLEDGED)
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms).answer is Answer.ALREADY
    assert actions.hand_over(story.engine, incident, "ann", "bob", story.now_ms).done
    a_moment(story)
    assert story.told() == ["bob"]  # the first call was dropped before it went out
    story.forward(15 * 60)  # nobody arrives
    assert story.incident().state is State.NOTIFYING
    assert story.incident().offered_to is None


@pytest.mark.parametrize(
    ("who", "to", "answer"),
    [("bob", "chen", Answer.ALREADY), ("ann", "ann", Answer.ALREADY), ("ann", "nobody", Answer.UNKNOWN)],
)
def test_only_whoever_has_it_can_hand_it_over_and_only_to_somebody_else(
    story: Story, who: str, to: str, answer: Answer
) -> None:
    """Nothing is written, nobody is called."""
    incident = taken(story)
    assert actions.hand_over(story.engine, incident, who, to, story.now_ms).answer is answer
    a_moment(story)
    assert story.told() == []
    assert said(story, "offered") == []


def test_who_has_no_channel_is_asked_by_telephone(story: Story) -> None:
    """The time line says so, and they can take it in the console."""
    incident = taken(story)
    assert actions.hand_over(story.engine, incident, "ann", "mute", story.now_ms).done
    a_moment(story)
    assert story.told() == []
    assert said(story, "not_called") == [{"responder": "mute", "reason": "no_channel"}]
    assert actions.acknowledge(story.engine, incident, "mute", story.now_ms).done
    assert story.incident().acknowledged_by == "mute"


def test_a_call_that_arrives_is_not_followed_by_a_stand_down(story: Story) -> None:
    """Who was told before that they need not go is asked now, and not told again that they need not."""
    story.happens("fall")
    story.forward(31)
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms, via="link")
    a_moment(story)
    assert "bob" in stood_down(story)
    actions.hand_over(story.engine, incident, "ann", "bob", story.now_ms)
    story.forward(20)
    assert [(one.path, one.body["type"]) for one in story.news()] == [("/bob", "incident.notify")]


def test_who_is_still_asked_is_not_told_that_they_need_not_go(story: Story) -> None:
    """Though enough have come for the help that was asked for meanwhile."""
    incident = taken(story)
    actions.hand_over(story.engine, incident, "ann", "bob", story.now_ms)
    a_moment(story)
    actions.need_help(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    assert actions.acknowledge(story.engine, incident, "chen", story.now_ms).done
    a_moment(story)
    assert "bob" not in stood_down(story)
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms).done
    view = story.incident()
    assert (view.acknowledged_by, [one.responder for one in view.also_by]) == ("bob", ["chen"])
