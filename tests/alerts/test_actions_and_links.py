"""What people do about an incident, and the links with which they do it."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from alerts import actions, links, queries
from alerts.actions import ActionResult
from alerts.errors import LinkError, LinkFault
from alerts.lifecycle import Answer, Outcome, State
from alerts.links import LinkClaims, make_link, make_token, read_link
from tests.alerts.story import KEY, Story

CLAIMS = LinkClaims("i1", "ann", "n1", 10_000)


def token_of(url: str) -> str:
    """The token of an acknowledge link."""
    return url.rpartition(links.ACK_PATH)[2]


def test_of_many_acknowledgements_at_once_one_wins(any_story: Story) -> None:
    """The others are told who it was, and one audit row stands."""
    story = any_story
    story.happens("fall")
    incident = story.incident().id
    results: list[ActionResult] = []
    barrier = threading.Barrier(8)

    def press(who: str) -> None:
        barrier.wait()
        results.append(actions.acknowledge(story.engine, incident, who, story.now_ms, via="link"))

    threads = [threading.Thread(target=press, args=(name,)) for name in ("ann", "bob", "chen", "desk") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [result for result in results if result.done]
    assert winner.by is not None
    assert {(result.answer, result.by) for result in results if not result.done} == {(Answer.ALREADY, winner.by)}
    assert story.timeline().count("acknowledged") == 1


def test_a_link_acknowledges_for_its_responder(story: Story) -> None:
    """The link of the message, read with the console's key, names responder and incident."""
    story.happens("fall")
    (message,) = story.news()
    claims = read_link(token_of(message.data["ack_url"]), KEY, story.now_ms + 60_000)
    assert (claims.incident, claims.responder, claims.notification) == (story.incident().id, "ann", message.id)
    assert actions.acknowledge(story.engine, claims.incident, claims.responder, story.now_ms, via="link").done
    entry = next(entry for entry in story.detail().timeline if entry.what == "acknowledged")
    assert (entry.who_name, entry.data, entry.before, entry.after) == (
        "Ann",
        {"via": "link"},
        {"state": "notifying", "acknowledged_by": None},
        {"state": "acknowledged", "acknowledged_by": "ann"},
    )


def test_a_link_expires() -> None:
    """To the millisecond."""
    token = make_token(KEY, CLAIMS)
    assert read_link(token, KEY, 9_999) == CLAIMS
    with pytest.raises(LinkError) as caught:
        read_link(token, KEY, 10_000)
    assert caught.value.fault is LinkFault.EXPIRED


def _with_other_claims(token: str) -> str:
    forged = make_token("another key, also long enough", replace(CLAIMS, responder="bob"))
    return forged.rpartition(".")[0] + "." + token.rpartition(".")[2]


@pytest.mark.parametrize(
    "forge",
    [
        _with_other_claims,
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda _: make_token("another key, also long enough", CLAIMS),
        lambda _: "",
        lambda _: "....",
        lambda token: token.rpartition(".")[0],
        lambda token: token + "x",
        lambda _: "\x00" * 5_000,
    ],
)
def test_a_link_that_we_did_not_make_is_refused(forge: object) -> None:
    """Another responder's name on somebody's signature, another key, or rubbish."""
    assert callable(forge)
    with pytest.raises(LinkError) as caught:
        read_link(forge(make_token(KEY, CLAIMS)), KEY, 0)
    assert caught.value.fault is LinkFault.FORGED


def test_a_short_key_is_refused() -> None:
    """It could be guessed."""
    with pytest.raises(ValueError, match="at least 16"):
        make_link("http://x", "short", CLAIMS)


def test_every_action_on_every_state_has_a_clear_answer(story: Story) -> None:
    """Done, already, or resolved; an unknown incident says so."""
    story.happens("fall")
    incident, now_ms = story.incident().id, story.now_ms
    done, already, over = Answer.DONE, Answer.ALREADY, Answer.RESOLVED
    assert actions.en_route(story.engine, incident, "ann", now_ms).answer is done
    assert actions.acknowledge(story.engine, incident, "bob", now_ms).answer is already
    assert actions.en_route(story.engine, incident, "ann", now_ms).answer is already
    assert actions.on_scene(story.engine, incident, "ann", now_ms).answer is done
    assert actions.en_route(story.engine, incident, "ann", now_ms).answer is already
    resolved = actions.resolve(story.engine, incident, "ann", now_ms, outcome=Outcome.FALSE_ALARM)
    assert (resolved.answer, resolved.state) == (done, State.RESOLVED)
    late = actions.acknowledge(story.engine, incident, "bob", now_ms)
    assert (late.answer, late.by, late.by_name, late.at_ms) == (over, "ann", "Ann", now_ms)
    assert actions.resolve(story.engine, incident, "bob", now_ms, outcome=Outcome.TRUE).answer is over
    assert actions.acknowledge(story.engine, "i-nothing", "bob", now_ms).answer is Answer.UNKNOWN
    assert story.incident().outcome is Outcome.FALSE_ALARM


def test_the_audit_cannot_be_changed(any_story: Story) -> None:
    """Not even by somebody with the database password and no ill will."""
    story = any_story
    story.happens("fall")
    for statement in ("UPDATE audit SET who = 'me'", "DELETE FROM audit"):
        with pytest.raises(Exception, match="append-only"), story.engine.begin() as connection:
            connection.execute(text(statement))


def test_the_console_sees_that_something_changed(any_story: Story) -> None:
    """A number that rises with calls, answers of webhooks and actions, and rests otherwise."""
    story = any_story
    before = queries.current_change(story.engine)
    assert queries.changes_since(story.engine, before) is None
    story.happens("fall")
    after = queries.changes_since(story.engine, before)
    assert after is not None
    assert after > before
    story.settle()
    assert queries.changes_since(story.engine, after) is None
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    assert queries.changes_since(story.engine, after) is not None


def test_the_detail_has_the_motion_around_the_fall(any_story: Story) -> None:
    """As the detector saw it; and none where none was kept."""
    from tests.alerts.story import motion_window

    any_story.happens("fall", window=motion_window())
    assert any_story.detail().window == motion_window()
    assert queries.incident_detail(any_story.engine, "i-nothing") is None


def test_the_board_has_the_most_urgent_first(story: Story) -> None:
    """Not yet taken before taken, severe before less, old before new."""
    story.happens("fall", device="a", person=None)
    story.now_ms += 10
    story.happens("sos", device="b", person=None)
    story.now_ms += 10
    story.happens("fall", device="c", person=None)
    taken = next(incident for incident in story.incidents() if incident.device == "a")
    actions.acknowledge(story.engine, taken.id, "ann", story.now_ms)
    assert [incident.device for incident in queries.open_incidents(story.engine)] == ["b", "c", "a"]
