"""Timelines of what goes wrong around an alarm: exactly these messages on these channels, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from alerts import actions, models
from alerts.delivery import Purpose
from alerts.lifecycle import Answer as Said
from alerts.lifecycle import Outcome
from alerts.queries import NotificationView
from alerts.steady_clock import SteadyClock
from detectors.detection import Severity, Stage, pack_detection
from tests.alerts.story import START_MS, Story
from tests.alerts.test_channels import give, hook
from tests.alerts.test_policies import hold
from tests.servers.services import PushSink
from tests.servers.sink import Answer

_HOUR_MS = 3_600_000


@pytest.fixture
def story(any_story: Story) -> Story:
    """All of these on both databases."""
    return any_story


def test_nobody_answers_through_four_tiers(story: Story, tmp_path: Path) -> None:
    """Estate, community, street, district: 30 s each, one message for each, and after the desk's two minutes again."""
    eve = {"id": "eve", "name": "Eve", "area": "d.street.station.estate", "channels": [hook(story, "eve")]}
    hold(
        story, tmp_path / "more",
        areas=[{"path": "d.street.station.estate", "name": "Estate"}],
        people=[{"key": "sun", "name": "Sun", "area": "d.street.station.estate", "address": "3 Mill Lane"}],
        devices=[{"id": "w-sun", "person": "sun"}],
        responders=[eve],
        on_call={"d.street.station.estate": ["eve"]},
    )  # fmt: skip
    story.happens("fall", device="w-sun", person="sun")
    assert story.told() == ["eve"]
    for name in ("ann", "bob", "chen", "desk"):
        story.forward(29.9)
        assert story.told() == []
        story.forward(0.1)
        assert story.told() == [name]
    story.forward(119.9)
    assert story.told() == []
    story.forward(0.1)
    (again,) = story.news()
    assert (again.path, again.data["round"], again.data["repeat"]) == ("/eve", 1, False)
    assert len(set(story.sink.ids())) == 6
    assert story.incident().state == "notifying"


def test_somebody_acknowledges_while_the_next_is_being_called(story: Story) -> None:
    """Bob's message is on its way as Ann takes it: it arrives, and is the last. Bob hears who has it."""
    story.happens("fall")
    assert story.told() == ["ann"]
    story.sink.answers["bob"].append(Answer(delay_s=0.3))
    story.now_ms += 30_000
    story.service.step(story.now_ms)
    story.sink.wait_for(2)
    assert story.service.in_flight == 1
    incident = story.incident().id
    assert actions.acknowledge(story.engine, incident, "ann", story.now_ms).answer is Said.DONE
    story.settle()
    assert story.told() == ["bob"]
    late = actions.acknowledge(story.engine, incident, "bob", story.now_ms, via="link")
    assert (late.answer, story.incident().acknowledged_by) == (Said.ALREADY, "ann")
    story.forward(899)
    assert story.told() == []
    assert [(one.status, one.reason) for one in _calls(story, "bob", "webhook")] == [("sent", "delivered")]


def test_a_message_that_waits_as_somebody_acknowledges_does_not_go_out(story: Story) -> None:
    """Bob's server is down when he is called; before the next attempt Ann has it."""
    story.sink.default["bob"] = Answer(503)
    story.happens("fall")
    story.forward(30)
    assert story.told() == ["ann", "bob"]
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    story.sink.default.clear()
    story.forward(600)
    assert story.told() == []
    (bob,) = _calls(story, "bob", "webhook")
    assert (bob.status, bob.reason) == ("not_sent", "acknowledged")


def test_what_was_found_before_we_started_is_told_at_once_and_once(story: Story) -> None:
    """Nobody read the journal for three hours: an SOS of then, a fall of a minute ago, and one that a device had kept.
    Each is told when it happened; that the first is old does not make it less."""
    story.service.close()
    old_ms = story.now_ms - 3 * _HOUR_MS
    sos = story.detection("sos", onset_ms=old_ms, decided_ms=old_ms, recv_ms=old_ms)
    recent = story.detection("fall", device="w-zhao", person="zhao", onset_ms=story.now_ms - 60_000)
    kept = story.detection("fall", device="spare", person=None, onset_ms=old_ms, historical=True)
    story._detections.append([pack_detection(one) for one in (sos, recent, kept, sos)])
    story._detections.commit()
    story.restart()
    story.settle()
    told = {message.path: message.data for message in story.news()}
    assert sorted(told) == ["/ann", "/chen", "/desk"]
    assert told["/ann"]["sentence"] == "SOS call: Wang Xiuying, 12 Fengqing Road, Station, at 11:00."
    assert (told["/ann"]["severity"], told["/ann"]["historical"]) == ("critical", False)
    assert "13:59" in told["/chen"]["sentence"]
    assert told["/desk"]["sentence"].startswith("This happened at 11:00. Fall: device spare")
    # only who fell a minute ago is asked whether all is well
    assert [(one.device, one.command.type) for one in story.commands()] == [("w-zhao", "prompt")]
    story.restart()
    story.settle()
    assert (story.told(), len(story.incidents())) == ([], 3)


def test_a_fall_that_was_over_before_we_started_says_so_in_its_first_message(story: Story) -> None:
    """The finding and what came after it are read together: one message, which knows both."""
    fall = story.detection("fall")
    walked = msgspec.structs.replace(
        fall, stage=Stage.FOLLOW_UP, severity=Severity.WARNING, notes={"outcome": "got_up"}, decided_ms=story.now_ms
    )
    story.deliver(fall, walked)
    (message,) = story.news()
    assert (message.path, message.data["severity"]) == ("/ann", "warning")
    assert message.data["sentence"].endswith("Got up after the fall and walked.")


def test_a_channel_that_is_down_for_ten_minutes_costs_nobody_their_alarm_and_repeats_none(
    story: Story, tmp_path: Path, push: PushSink
) -> None:
    """Two alarms meanwhile go by the other channel; once it is up again the next goes by it, and the two do not."""
    give(story, tmp_path / "now", "ann", hook(story), {"type": "apprise", "url": push.url})
    story.sink.default["ann"] = Answer(503)
    for _ in range(2):
        story.happens("fall")
        story.forward(5)
        actions.resolve(story.engine, _open(story), "ann", story.now_ms, outcome=Outcome.FALSE_ALARM)
        story.forward(295)
    assert len(push.messages) == 2
    assert set(story.told()) == {"ann"}  # tried in vain, and nobody else called
    story.sink.default.clear()
    story.forward(600)
    assert (story.told(), len(push.messages)) == ([], 2)
    story.happens("fall")
    story.forward(5)
    assert (story.told(), len(push.messages)) == (["ann"], 2)


def _calls(story: Story, responder: str, channel: str) -> list[NotificationView]:
    """The calls themselves: without what is told beside them, as who has it."""
    found = [one for one in story.detail().notifications if (one.responder, one.channel) == (responder, channel)]
    return [one for one in found if one.purpose == Purpose.CALL.value]


def _open(story: Story) -> str:
    (incident,) = [one.id for one in story.incidents() if one.state != "resolved"]
    return incident


def test_a_registry_that_changes_between_two_calls_is_the_one_that_is_called(story: Story, tmp_path: Path) -> None:
    """Bob is taken off call and Eve put on; Chen's address is another. Who was called stays called, once."""
    story.happens("fall")
    assert story.told() == ["ann"]
    story.forward(15)
    station = {"area": "d.street.station", "channels": [hook(story, "eve")]}
    street = {"area": "d.street", "languages": ["en"], "channels": [hook(story, "chen-new")]}
    hold(
        story, tmp_path / "new",
        responders=[{"id": "eve", "name": "Eve", **station}, {"id": "chen", "name": "Chen", **street}],
        on_call={"d.street.station": ["eve", "ann"]},
    )  # fmt: skip
    story.forward(14)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["eve"]
    story.forward(30)
    assert story.told() == ["chen-new"]
    story.forward(30)
    assert story.told() == ["desk"]


def test_a_person_who_moves_during_their_incident_is_helped_where_it_happened(story: Story, tmp_path: Path) -> None:
    """The calls go on in the area in which it was opened; the address is the new one from then on."""
    story.happens("fall")
    wang = {"key": "wang", "name": "Wang Xiuying", "area": "d.street.empty", "address": "9 New Road"}
    hold(story, tmp_path / "new", people=[wang])
    story.forward(30)
    ann, bob = story.news()
    assert (ann.data["address"], bob.data["address"]) == ("12 Fengqing Road", "9 New Road")
    assert (bob.path, bob.data["area"]) == ("/bob", "d.street.station")


def test_a_clock_that_jumps_an_hour_ahead_calls_the_next_one_once(story: Story) -> None:
    """Not all whose turn would have come by then."""
    story.happens("fall")
    assert story.told() == ["ann"]
    story.now_ms += _HOUR_MS
    story.settle()
    assert story.told() == ["bob"]
    story.forward(29)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["chen"]


def test_a_clock_that_is_put_back_ten_minutes_holds_up_no_call_and_no_time_line_goes_back(story: Story) -> None:
    """The calls go on after 34 s instead of 30, by whole seconds; the time line tells them in their order."""
    wall_ms, ran_ms = story.now_ms, 0
    clock = SteadyClock(lambda: wall_ms, lambda: ran_ms)
    story.happens("fall")
    assert story.told() == ["ann"]
    wall_ms -= 600_000
    called: list[tuple[int, str]] = []
    for _ in range(80):
        ran_ms, wall_ms = ran_ms + 1_000, wall_ms + 1_000
        story.now_ms = clock()
        story.settle()
        called += [(ran_ms // 1000, name) for name in story.told()]
    assert called == [(34, "bob"), (68, "chen")]
    actions.acknowledge(story.engine, story.incident().id, "chen", story.now_ms)
    with story.engine.connect() as connection:
        times = connection.execute(select(models.audit.c.at_ms).order_by(models.audit.c.id)).scalars().all()
    assert len(times) > 5
    assert all(before <= after for before, after in pairwise(times))


steps = st.lists(st.tuples(st.integers(0, 100_000), st.integers(-10_000_000, 10_000_000)), max_size=30)


@given(steps)
def test_our_time_never_goes_back_and_is_the_walls_whenever_that_is_ahead(jumps: list[tuple[int, int]]) -> None:
    """However it is put; it never stands still for longer than what passes."""
    wall_ms, ran_ms = START_MS, 0
    clock = SteadyClock(lambda: wall_ms, lambda: ran_ms)
    last_ms = clock()
    for passed_ms, jump_ms in jumps:
        ran_ms, wall_ms = ran_ms + passed_ms, wall_ms + passed_ms + jump_ms
        now_ms = clock()
        assert now_ms >= max(wall_ms, last_ms + 0.9 * passed_ms - 1)
        assert now_ms <= max(wall_ms, last_ms + passed_ms)
        last_ms = now_ms


def test_who_was_put_back_is_met_again() -> None:
    """Ten minutes are made good in a hundred, and then it is the wall clock again."""
    wall_ms, ran_ms = START_MS, 0
    clock = SteadyClock(lambda: wall_ms, lambda: ran_ms)
    wall_ms -= 600_000
    behind = []
    for _ in range(101):
        ran_ms, wall_ms = ran_ms + 60_000, wall_ms + 60_000
        behind.append(clock() - wall_ms)
    assert (behind[0], behind[49], behind[100]) == (594_000, 300_000, 0)


def test_two_at_one_address_have_an_incident_each(story: Story, tmp_path: Path) -> None:
    """Husband and wife fall in one minute; who takes one of them has not taken the other."""
    li = {"key": "li", "name": "Li Jianguo", "area": "d.street.station", "address": "12 Fengqing Road"}
    hold(story, tmp_path / "li", people=[li], devices=[{"id": "w-li", "person": "li"}])
    story.deliver(story.detection("fall"), story.detection("fall", device="w-li", person="li"))
    first, second = story.news()
    assert [first.path, second.path] == ["/ann", "/ann"]
    assert {first.data["person"], second.data["person"]} == {"Wang Xiuying", "Li Jianguo"}
    assert first.data["address"] == second.data["address"] == "12 Fengqing Road"
    assert len({first.id, second.id, first.data["incident"], second.data["incident"]}) == 4
    actions.acknowledge(story.engine, first.data["incident"], "ann", story.now_ms)
    story.forward(30)
    (bob,) = story.news()
    assert (bob.path, bob.data["person"]) == ("/bob", second.data["person"])


def test_a_storm_of_duplicates_is_one_message(story: Story) -> None:
    """The same two findings five hundred times, in one batch, in many, and after a restart."""
    fall, sos = story.detection("fall"), story.detection("sos")
    story.deliver(*[fall] * 200, sos, *[fall, sos] * 50)
    for _ in range(5):
        story.deliver(*[sos, fall] * 20)
    story.restart()
    story.deliver(*[fall, sos] * 10)
    assert story.told() == ["ann"]
    assert len(story.incident().evidence) == 2
    assert len(story.commands()) == 1
    story.forward(30)
    assert story.told() == ["bob"]


def test_a_button_that_is_pressed_again_and_again_keeps_one_incident_and_tells_who_has_it_once_in_30_s(
    story: Story,
) -> None:
    """Twenty presses in 40 s after Ann has taken it: she is told of the first, and of one after half a minute."""
    story.happens("sos")
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    assert story.told() == ["ann"]
    for _ in range(20):
        story.happens("sos")
        story.forward(2)
    assert story.told() == ["ann", "ann"]
    assert len(story.incident().evidence) == 21


def test_acknowledged_then_silent_then_acknowledged_by_another(story: Story) -> None:
    """Nobody is there after a quarter of an hour: it is called anew, and who takes it then has it."""
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    story.forward(899)
    assert story.told() == ["ann"]
    story.forward(1)
    assert story.told() == ["ann"]
    story.forward(30)
    assert story.told() == ["bob"]
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    actions.on_scene(story.engine, story.incident().id, "bob", story.now_ms + 1)
    story.forward(7200)
    assert story.told() == []
    assert story.incident().acknowledged_by == "bob"


def test_resolved_by_the_desk_while_a_message_is_on_its_way(story: Story) -> None:
    """It arrives; what would have followed does not."""
    story.sink.answers["ann"].append(Answer(delay_s=0.3))
    story._detections.append([pack_detection(story.detection("fall"))])
    story._detections.commit()
    story.service.step(story.now_ms)
    story.sink.wait_for(1)
    actions.resolve(story.engine, story.incident().id, "desk", story.now_ms, outcome=Outcome.FALSE_ALARM)
    story.settle()
    assert story.told() == ["ann"]
    story.forward(3600)
    assert story.told() == []
    assert [(one.status, one.reason) for one in _calls(story, "ann", "webhook")] == [("sent", "delivered")]


@pytest.mark.parametrize("gap_s", [599, 601])
def test_a_second_fall_within_ten_minutes_is_the_same_incident(story: Story, gap_s: int) -> None:
    """A second more and it is another, with calls of its own."""
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    story.now_ms += gap_s * 1000
    story.settle()
    story.told()
    story.happens("fall")
    assert len(story.incidents()) == (1 if gap_s < 600 else 2)
    assert story.told() == ([] if gap_s < 600 else ["bob"])  # Ann is busy with the first
