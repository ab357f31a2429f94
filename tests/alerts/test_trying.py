"""A test message to one responder."""

from __future__ import annotations

import registry
from alerts.lifecycle import Outcome
from alerts.trying import try_responder
from tests.alerts.story import Story


def test_a_test_message_reaches_the_one_it_is_for_and_is_over_by_itself(story: Story) -> None:
    """By their channels like any call; nobody else hears of it, and a second one within two minutes is none."""
    known = registry.directory(story.engine)
    responder = next(one for one in known.responders.values() if one.channels)
    with registry.writing(story.engine) as connection:
        assert try_responder(connection, responder, "anna", story.now_ms) is not None
        assert try_responder(connection, responder, "anna", story.now_ms) is None
    story.forward(1)
    (message,) = story.news()
    assert '"test"' in str(message).replace("'", '"')
    story.forward(300)
    assert story.news() == []
    assert story.incident().outcome == Outcome.TEST
