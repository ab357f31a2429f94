"""Webhooks that fail, lag, vanish or lead elsewhere: what goes out again, what is given up, and under which name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

import registry
from alerts import actions
from alerts.delivery import MAX_ATTEMPTS, SendResult, Status, backoff_s, notification_id, settle
from alerts.queries import NotificationView, notification_counts
from alerts.reasons import Reason
from alerts.service import AlertService
from detectors.detection import Severity, pack_detection
from tests.alerts.story import Story, telling
from tests.servers.ports import free_port
from tests.servers.sink import Answer, Sink

#: Enough for a sink on a busy machine, and no more than a test likes to wait.
_LITTLE_S = 1.5


@pytest.fixture
def hasty(sqlite_registry: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """A story whose webhooks get little time, as tests wait for them in real time."""
    with telling(sqlite_registry, tmp_path, sink, webhook_timeout_s=_LITTLE_S) as told:
        yield told


def to(story: Story, responder: str) -> NotificationView:
    """The one webhook notification to a responder."""
    (found,) = [
        each for each in story.detail().notifications if each.responder == responder and each.channel == "webhook"
    ]
    return found


def test_a_server_error_is_tried_again_with_the_same_id(any_story: Story) -> None:
    """The second and third request are marked as repeats; the attempts keep their reasons."""
    story = any_story
    story.sink.answers["ann"].extend([Answer(500), Answer(503)])
    story.happens("fall")
    story.forward(5)
    messages = story.news()
    assert [message.path for message in messages] == ["/ann"] * 3
    assert len({message.id for message in messages}) == 1
    assert [message.data["repeat"] for message in messages] == [False, True, True]
    assert [message.data["attempt"] for message in messages] == [1, 2, 3]
    assert all(message.genuine for message in messages)
    sent = to(story, "ann")
    assert sent.status is Status.SENT
    assert [attempt.reason for attempt in sent.attempts] == ["server_error", "server_error", "delivered"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(410), "gone"),
        (Answer(404), "rejected"),
        (Answer(401), "rejected"),
        (Answer(307, headers={"location": "/elsewhere"}), "redirected"),
    ],
)
def test_what_will_never_succeed_is_given_up_and_the_next_is_called_at_once(
    story: Story, answer: Answer, reason: str
) -> None:
    """Waiting out the 30 s would help nobody; a redirect is not followed."""
    story.sink.default["ann"] = answer
    story.happens("fall")
    assert story.told() == ["ann", "bob"]
    failed = to(story, "ann")
    assert (failed.status, failed.reason, len(failed.attempts)) == (Status.FAILED, reason, 1)
    story.forward(29)
    assert story.told() == []
    assert notification_counts(story.engine)[("failed", reason)] == 1


def test_the_last_of_the_order_failing_for_good_does_not_spin(story: Story) -> None:
    """With nobody else to call, the next round waits its two minutes."""
    for name in ("ann", "bob", "chen", "desk"):
        story.sink.default[name] = Answer(410)
    story.happens("fall")
    # bob has the console as well, so his 30 s are waited for
    assert story.told() == ["ann", "bob"]
    story.forward(30)
    assert story.told() == ["chen", "desk"]
    story.forward(119)
    assert story.told() == []


def test_an_answer_that_is_lost_goes_out_again_as_a_repeat(story: Story) -> None:
    """The responder may have it already: same id, marked."""
    story.sink.answers["ann"].append(Answer(drop=True))
    story.happens("fall")
    story.forward(2)
    first, second = story.news()
    assert first.id == second.id == second.headers["idempotency-key"]
    assert (first.data["repeat"], second.data["repeat"]) == (False, True)
    assert [attempt.reason for attempt in to(story, "ann").attempts] == ["answer_lost", "delivered"]


def test_throttling_is_obeyed(story: Story) -> None:
    """Retry-After of 20 s: not before, although our own back-off would be."""
    story.sink.answers["ann"].append(Answer(429, headers={"retry-after": "20"}))
    story.happens("fall")
    story.forward(19)
    assert story.told() == ["ann"]
    story.forward(1)
    assert story.told() == ["ann"]


def test_an_endpoint_that_does_not_answer_holds_up_nobody_else(hasty: Story) -> None:
    """Ann's endpoint is silent; Chen has his message long before hers times out."""
    hasty.sink.default["ann"] = Answer(delay_s=5)
    hasty.deliver(hasty.detection("fall"), hasty.detection("fall", device="w-zhao", person="zhao"))
    arrived = {message.path: message.at_s for message in hasty.news()}
    assert arrived["/chen"] - arrived["/ann"] < _LITTLE_S
    (late,) = [i for i in hasty.incidents() if i.person_key == "wang"]
    assert late.notifying == ("Ann",)
    assert hasty.service.counts[Reason.TIMEOUT.value] == 1


def test_an_answer_that_never_ends_counts_by_its_status(hasty: Story) -> None:
    """200 and then a byte now and then: delivered, and cut off."""
    hasty.sink.default["ann"] = Answer(trickle_s=0.05)
    hasty.happens("fall")
    assert to(hasty, "ann").status is Status.SENT


def test_a_huge_answer_is_cut_off(hasty: Story) -> None:
    """Ten megabytes of body are not read."""
    hasty.sink.default["ann"] = Answer(body=b"x" * (10 << 20))
    hasty.happens("fall")
    assert to(hasty, "ann").status is Status.SENT


def _set_channels(story: Story, responder: str, channels: str) -> None:
    with registry.writing(story.engine) as connection:
        connection.execute(
            text("UPDATE responder SET channels = :channels WHERE id = :id"), {"channels": channels, "id": responder}
        )
        registry.rows.raise_revision(connection)


@pytest.mark.parametrize(
    ("channel", "status", "reason"),
    [
        ('{"type": "webhook", "url": "http://127.0.0.1:%d/", "secret": "whsec_MfKQ9r8GKYqrTwjU"}', "pending",
         "connect_failed"),
        ('{"type": "webhook", "url": "http://[::1", "secret": "whsec_MfKQ9r8GKYqrTwjU"}', "failed", "bad_channel"),
        ('{"type": "webhook", "url": "http://127.0.0.1:%d/", "secret": "whsec_A"}', "failed", "bad_channel"),
    ],
)  # fmt: skip
def test_a_channel_that_cannot_be_used_is_named(story: Story, channel: str, status: str, reason: str) -> None:
    """Nobody listening may pass; a broken URL or secret will not."""
    _set_channels(story, "ann", "[" + channel.replace("%d", str(free_port())) + "]")
    story.happens("fall")
    assert (to(story, "ann").status.value, to(story, "ann").reason) == (status, reason)
    assert to(story, "ann").detail


def test_a_channel_of_an_unknown_type_is_given_up_by_name(story: Story) -> None:
    """A registry of a newer version than this service."""
    _set_channels(story, "ann", '[{"type": "pigeon", "url": "", "secret": ""}]')
    story.happens("fall")
    (pigeon,) = [each for each in story.detail().notifications if each.responder == "ann"]
    assert (pigeon.status, pigeon.reason) == (Status.FAILED, "bad_channel")
    assert story.told() == ["bob"]


def test_a_message_that_waits_for_another_attempt_is_dropped_when_somebody_has_it(story: Story) -> None:
    """Not sent, and the reason is that it was acknowledged."""
    story.sink.default["ann"] = Answer(503)
    story.happens("fall")
    story.forward(30)
    assert set(story.told()) == {"ann", "bob"}
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    story.forward(120)
    assert story.told() == []
    assert (to(story, "ann").status, to(story, "ann").reason) == (Status.NOT_SENT, "acknowledged")
    assert to(story, "bob").status is Status.SENT


def test_the_console_channel_is_shown_without_a_send(story: Story) -> None:
    """Bob has both: a request for the webhook, a row for the console."""
    story.happens("fall")
    story.forward(30)
    bobs = {
        each.channel: (each.status, each.reason) for each in story.detail().notifications if each.responder == "bob"
    }
    assert bobs == {"webhook": (Status.SENT, "delivered"), "console": (Status.SENT, "shown")}


def test_one_responder_gets_one_message_at_a_time_the_most_urgent_first(story: Story) -> None:
    """Then in the order of creation."""
    story.sink.default["desk"] = Answer(delay_s=0.02)
    story.deliver(
        story.detection("fall", device="a", person=None, severity=Severity.WARNING),
        story.detection("fall", device="b", person=None, severity=Severity.URGENT),
        story.detection("sos", device="c", person=None),
        story.detection("fall", device="d", person=None, severity=Severity.URGENT),
    )
    messages = story.news()
    assert [message.data["device"] for message in messages] == ["c", "b", "d", "a"]
    gaps = [after.at_s - before.at_s for before, after in pairwise(messages)]
    assert min(gaps) >= 0.02


def test_what_is_on_its_way_is_not_sent_again_while_time_passes(story: Story) -> None:
    """Nor does the next message overtake it: one at a time per responder, as long as the answer takes."""
    story.sink.default["desk"] = Answer(delay_s=0.3)
    story._detections.append([pack_detection(story.detection("sos", device=name, person=None)) for name in "ab"])
    story._detections.commit()
    story.service.step(story.now_ms)
    story.sink.wait_for(1)
    for _ in range(3):
        story.now_ms += 1_000
        story.service.step(story.now_ms)
    assert len(story.news()) == 1
    story.settle()
    assert len(set(story.sink.ids())) == len(story.sink.ids()) == 2


def test_a_send_whose_fate_is_unknown_goes_out_again_after_a_restart(any_story: Story) -> None:
    """The process died between the send and writing down its answer."""
    story = any_story
    story.sink.answers["ann"].append(Answer(delay_s=3))
    story._detections.append([pack_detection(story.detection("fall"))])
    story._detections.commit()
    story.service.step(story.now_ms)
    story.sink.wait_for(1)
    story.restart()
    story.settle()
    first, second = story.news()
    assert first.id == second.id
    assert (first.data["repeat"], second.data["repeat"]) == (False, True)
    assert [attempt.reason for attempt in to(story, "ann").attempts] == ["crashed", "delivered"]


def test_a_second_service_on_the_same_journals_is_refused(sqlite_story: Story) -> None:
    """Two of them would tell everything twice."""
    from journal import JournalLocked

    with pytest.raises(JournalLocked):
        AlertService(sqlite_story.engine, sqlite_story.folder / "journal", sqlite_story.settings)


def test_back_off_doubles_and_jitters_within_its_bounds() -> None:
    """Half to the whole of 1, 2, 4 ... 60 s, the same for the same notification, spread over many."""
    for attempt, whole in ((1, 1.0), (2, 2.0), (4, 8.0), (7, 60.0), (30, 60.0)):
        waits = [backoff_s(f"n{i}", attempt) for i in range(200)]
        assert whole / 2 <= min(waits) < whole * 0.55
        assert whole * 0.95 < max(waits) <= whole
    assert backoff_s("n1", 3) == backoff_s("n1", 3)


def test_attempts_end_some_time() -> None:
    """With the last error in the detail."""
    result = SendResult(Reason.SERVER_ERROR, recoverable=True, error="the endpoint answered 500")
    assert settle("n", MAX_ATTEMPTS - 1, result, 0).status is Status.PENDING
    last = settle("n", MAX_ATTEMPTS, result, 0)
    assert (last.status, last.reason) == (Status.FAILED, Reason.TOO_MANY_ATTEMPTS)
    assert "answered 500" in (last.detail or "")


def test_a_notifications_id_is_its_key() -> None:
    """Every part counts, and parts do not run into each other."""
    base = ("i1", 1, 0, "ann", "webhook")
    others = [
        ("i2", 1, 0, "ann", "webhook"),
        ("i1", 0, 0, "ann", "webhook"),
        ("i1", 1, 1, "ann", "webhook"),
        ("i1", 1, 0, "bob", "webhook"),
        ("i1", 1, 0, "ann", "webhook-2"),
        ("i1", 10, 0, "ann", "webhook"),
    ]
    ids = [notification_id(*key) for key in (base, *others)]
    assert len(set(ids)) == len(ids)
    assert notification_id(*base) == ids[0]
