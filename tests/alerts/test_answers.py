"""Stories of what responders answer besides taking an incident, of several who are needed, and of who need not go."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from alembic import command
from alembic.config import Config
from sqlalchemy import select, text

import alerts
import registry
from alerts import actions, models
from alerts.database import load_incident
from alerts.door import DoorAnswer, may_know
from alerts.history import cases
from alerts.lifecycle import Answer, Incident, Outcome, State
from alerts.policy import IMMEDIATE
from alerts.queries import NotificationView
from alerts.stand_down_texts import stand_down_text
from alerts.standing_down import END_MS, SIREN_MS
from alerts.texts import fits
from detectors.detection import Severity, Stage, pack_detection
from registry import PersonEntry, ResponderEntry
from tests.alerts.story import Story
from tests.servers.sink import SECRET
from tests.servers.sink import Answer as Status


def a_moment(story: Story) -> None:
    """Half a second, in which the service looks at what was written beside it."""
    story.now_ms += 500
    story.settle()


def stood_down(story: Story) -> list[str]:
    """Who was told since this was asked last that they need not go, in order."""
    found = [request for request in story.news() if request.body["type"] == "incident.stand_down"]
    return [request.path.lstrip("/") for request in found]


def said(story: Story, what: str) -> list[dict[str, object]]:
    """What the time line says of one thing."""
    return [entry.data for entry in story.detail().timeline if entry.what == what]


def messages(story: Story, responder: str, purpose: str) -> list[NotificationView]:
    """What one responder was sent, or was not."""
    every = story.detail().notifications
    return [each for each in every if (each.responder, each.purpose) == (responder, purpose)]


def hold(story: Story, folder: Path, **tables: object) -> None:
    """The registry has these rows from now on."""
    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(rows, allow_unicode=True), encoding="utf-8")
    diff = registry.import_folder(story.engine, folder)
    assert not diff.problems, [str(problem) for problem in diff.problems]


def needing(count: int) -> list[dict[str, object]]:
    """A policy in the usual order that needs so many."""
    return [{"id": "several", "area": "d", "steps": [{}], "acknowledgements": count}]


def test_who_cannot_come_is_not_waited_for(story: Story) -> None:
    """Ann declines after five seconds: Bob is called then, not 25 seconds later; the rest goes on as ever."""
    story.happens("fall")
    story.forward(5)
    result = actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms, via="link")
    assert (result.answer, result.state, result.by) == (Answer.DONE, State.NOTIFYING, "ann")
    a_moment(story)
    assert story.told() == ["ann", "bob"]
    story.forward(29)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["chen"]
    (entry,) = said(story, "cannot_come")
    assert entry == {"via": "link"}


def test_saying_it_twice_is_said_once(story: Story) -> None:
    """The second press calls nobody more, and says who said it."""
    story.happens("fall")
    story.forward(1)
    incident = story.incident().id
    assert actions.cannot_come(story.engine, incident, "ann", story.now_ms).done
    a_moment(story)
    story.forward(1)
    again = actions.cannot_come(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    assert (again.answer, again.by, again.by_name) == (Answer.ALREADY, "ann", "Ann")
    assert story.told() == ["ann", "bob"]
    assert story.timeline().count("cannot_come") == 1


def test_while_somebody_else_is_asked_they_keep_their_time(story: Story) -> None:
    """Ann declines when it is Bob's turn already: he has his 30 seconds."""
    story.happens("fall")
    story.forward(40)
    assert story.told() == ["ann", "bob"]
    actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms)
    a_moment(story)
    story.forward(19)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["chen"]


def test_who_cannot_come_is_asked_again_after_all_others_and_by_name(any_story: Story) -> None:
    """The next round passes Ann over, says why, and comes to her when nobody else is left."""
    story = any_story
    story.happens("fall")
    actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms)
    a_moment(story)
    story.forward(60)
    assert story.told() == ["ann", "bob", "chen", "desk"]
    story.forward(120)
    assert story.told() == ["bob"]
    passed = [entry for entry in said(story, "not_called") if entry["reason"] == "cannot_come"]
    assert passed == [{"responder": "ann", "reason": "cannot_come"}]
    story.forward(90)
    assert story.told() == ["chen", "desk", "ann"]


def test_the_only_one_on_call_is_asked_again_later_not_at_once(story: Story) -> None:
    """Nobody else is there: two minutes, then Ann hears of it again; she is never rung without an end."""
    clear(story, "ann")
    story.happens("fall")
    story.forward(10)
    actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms)
    a_moment(story)
    assert story.told() == ["ann"]
    story.forward(119)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["ann"]
    assert story.incident().next_call_ms is not None
    again = actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms)
    assert again.done, "it answers another call"


def clear(story: Story, *on_call: str) -> None:
    """Nobody but these is on call, in the station."""
    with registry.writing(story.engine) as connection:
        table = registry.models.on_call
        connection.execute(table.delete().where(table.c.responder.not_in(on_call)))
        registry.rows.raise_revision(connection)


def test_who_has_it_and_cannot_come_gives_it_to_the_others_at_once(any_story: Story) -> None:
    """A new round without Ann; the time by which she had to be there is gone with her."""
    story = any_story
    story.happens("fall")
    incident = story.incident().id
    actions.en_route(story.engine, incident, "ann", story.now_ms)
    story.forward(300)
    result = actions.cannot_come(story.engine, incident, "ann", story.now_ms, via="link")
    assert (result.answer, result.state) == (Answer.DONE, State.NOTIFYING)
    a_moment(story)
    assert story.told() == ["ann", "bob"]
    view = story.incident()
    assert (view.acknowledged_by, view.en_route_ms, view.round) == (None, None, 1)
    (entry,) = said(story, "cannot_come")
    assert entry == {"via": "link", "had_acknowledged": True}
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms).done
    a_moment(story)
    story.forward(600)
    assert (story.told(), story.incident().state) == ([], State.ACKNOWLEDGED)
    story.forward(300)
    assert story.timeline().count("not_arrived") == 1


def test_the_only_one_on_call_gives_it_up_and_is_asked_again(story: Story) -> None:
    """Nobody is left: it stays open, and is tried again."""
    clear(story, "ann")
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    a_moment(story)
    story.forward(200)
    actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms)
    a_moment(story)
    assert (story.told(), story.incident().state) == (["ann"], State.NOTIFYING)
    story.forward(120)
    assert story.told() == ["ann"]


def test_too_late_to_decline_what_somebody_else_has(story: Story) -> None:
    """Nobody waits for Ann: she hears who has it. At the door, and over, are too late as well."""
    story.happens("fall")
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "bob", story.now_ms)
    late = actions.cannot_come(story.engine, incident, "ann", story.now_ms)
    assert (late.answer, late.by_name) == (Answer.ALREADY, "Bob")
    actions.on_scene(story.engine, incident, "bob", story.now_ms)
    assert actions.cannot_come(story.engine, incident, "bob", story.now_ms).answer is Answer.ALREADY
    actions.resolve(story.engine, incident, "bob", story.now_ms, outcome=Outcome.TRUE)
    assert actions.cannot_come(story.engine, incident, "ann", story.now_ms).answer is Answer.RESOLVED
    assert actions.cannot_come(story.engine, "nothing", "ann", story.now_ms).answer is Answer.UNKNOWN


def test_a_message_that_waits_is_not_sent_to_who_cannot_come(story: Story) -> None:
    """Ann's endpoint is down; she declines on the board: nothing rings her later."""
    story.sink.default["ann"] = Status(503)
    story.happens("fall")
    actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms)
    story.sink.default["ann"] = Status(200)
    a_moment(story)
    story.forward(20)
    (call,) = messages(story, "ann", "call")
    assert (call.status.value, call.reason) == ("not_sent", "cannot_come")
    assert story.service.counts["not_sent:cannot_come"] == 1


def test_more_people_are_called_at_once_until_one_has_acknowledged(any_story: Story) -> None:
    """Ann has it and needs help: Bob, 30 seconds later Chen, who comes too; it stays Ann's."""
    story = any_story
    story.happens("fall")
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    story.forward(60)
    assert story.told() == ["ann"]
    result = actions.need_help(story.engine, incident, "ann", story.now_ms, via="console", note="two steps")
    assert (result.answer, result.by) == (Answer.DONE, "ann")
    a_moment(story)
    (message,) = story.news()
    assert (message.path, message.data["severity"], message.data["taken_by"]) == ("/bob", "critical", "ann")
    assert message.data["sentence"].endswith("Ann has it and needs more people.")
    view = story.incident()
    assert (view.severity, view.state, view.acknowledged_by, view.needed) == (
        Severity.CRITICAL, State.ACKNOWLEDGED, "ann", 2,
    )  # fmt: skip
    story.forward(30)
    assert story.told() == ["chen"]
    joined = actions.acknowledge(story.engine, incident, "chen", story.now_ms, via="link")
    assert joined.by == "chen"
    assert joined.done
    assert actions.acknowledge(story.engine, incident, "chen", story.now_ms).by == "chen"
    a_moment(story)
    story.forward(400)
    assert story.told() == []
    view = story.incident()
    assert [(one.responder, one.name) for one in view.also_by] == [("chen", "陈")]
    assert view.acknowledged_by == "ann"
    (entry,) = said(story, "help_needed")
    assert entry == {"via": "console", "note": "two steps", "needed": 2}
    with story.engine.connect() as connection:
        rows = connection.execute(select(models.acknowledgement.c.responder)).scalars()
        assert sorted(rows) == ["ann", "chen"]


def test_two_presses_for_help_are_one_and_a_third_after_it_came_is_another(story: Story) -> None:
    """Ann presses twice; when Bob comes and it is not enough, once more."""
    story.happens("fall")
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    assert actions.need_help(story.engine, incident, "ann", story.now_ms).done
    assert actions.need_help(story.engine, incident, "ann", story.now_ms).answer is Answer.ALREADY
    a_moment(story)
    assert story.told() == ["ann", "bob"]
    actions.acknowledge(story.engine, incident, "bob", story.now_ms)
    assert actions.need_help(story.engine, incident, "bob", story.now_ms).done
    a_moment(story)
    assert story.told() == ["chen"]
    assert story.incident().needed == 3


def test_help_before_it_is_taken_takes_it_and_help_at_the_door_calls_too(story: Story) -> None:
    """Bob presses the one button that he sees; on scene he needs yet another."""
    story.happens("fall")
    incident = story.incident().id
    actions.need_help(story.engine, incident, "bob", story.now_ms)
    a_moment(story)
    assert (story.incident().state, story.incident().acknowledged_by) == (State.ACKNOWLEDGED, "bob")
    story.forward(30)
    assert story.told() == ["ann", "chen", "desk"]
    actions.acknowledge(story.engine, incident, "desk", story.now_ms)
    actions.on_scene(story.engine, incident, "bob", story.now_ms)
    actions.need_help(story.engine, incident, "bob", story.now_ms)
    a_moment(story)
    assert story.told() == ["ann"]
    assert story.incident().state is State.ON_SCENE
    assert actions.en_route(story.engine, incident, "ann", story.now_ms).done
    story.forward(300)
    assert story.told() == []
    assert story.incident().state is State.ON_SCENE


def test_whoever_comes_too_has_it_when_the_first_cannot(story: Story) -> None:
    """Ann asked for help and Bob comes; then Ann cannot: it is Bob's, and one more is called for the place."""
    story.happens("fall")
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    actions.need_help(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    story.forward(10)
    actions.acknowledge(story.engine, incident, "bob", story.now_ms)
    story.news()
    actions.cannot_come(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    view = story.incident()
    assert (view.state, view.acknowledged_by, view.also_by) == (State.ACKNOWLEDGED, "bob", ())
    assert story.told() == ["chen"]
    actions.acknowledge(story.engine, incident, "chen", story.now_ms)
    actions.cannot_come(story.engine, incident, "chen", story.now_ms)
    assert (story.incident().acknowledged_by, story.incident().also_by) == ("bob", ())
    (case,) = cases(story.engine, 0, story.now_ms + 1)
    assert [(one.responder, one.lost_ms is None) for one in case.takings] == [("ann", False), ("bob", True)]
    assert {call.responder for call in case.calls} == {"ann", "bob", "chen", "mute"}


def test_the_first_does_not_arrive_and_the_other_has_it(story: Story) -> None:
    """Each has their own quarter of an hour; the place of the first is called for."""
    story.happens("fall")
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    actions.need_help(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    story.forward(99.5)
    actions.acknowledge(story.engine, incident, "bob", story.now_ms)
    a_moment(story)
    story.forward(798.5)
    story.news()
    story.forward(1)
    assert story.told() == ["ann"]
    assert (story.incident().acknowledged_by, story.incident().state) == ("bob", State.ACKNOWLEDGED)
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    story.forward(99)
    assert story.timeline().count("not_arrived") == 1
    story.forward(1)
    assert story.timeline().count("not_arrived") == 2


def test_a_policy_that_needs_two_goes_on_calling_after_the_first(story: Story, tmp_path: Path) -> None:
    """Ann has it, a second press of hers counts once, and Bob makes two."""
    hold(story, tmp_path / "p", policies=needing(2))
    story.happens("fall")
    incident = story.incident().id
    assert actions.acknowledge(story.engine, incident, "ann", story.now_ms).done
    assert actions.acknowledge(story.engine, incident, "ann", story.now_ms).answer is Answer.ALREADY
    story.restart()
    story.forward(30)
    assert story.told() == ["ann", "bob"]
    assert story.incident().next_call_ms is not None
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms).done
    a_moment(story)
    story.forward(300)
    assert story.told() == []
    view = story.incident()
    assert (view.acknowledged_by, [one.responder for one in view.also_by], view.needed) == ("ann", ["bob"], 2)
    third = actions.acknowledge(story.engine, incident, "chen", story.now_ms)
    assert (third.answer, third.by) == (Answer.ALREADY, "ann")


def test_many_presses_at_once_leave_as_many_as_are_needed(any_story: Story, tmp_path: Path) -> None:
    """Four people press in the same moment, one of them twice: two have it."""
    story = any_story
    hold(story, tmp_path / "p", policies=needing(2))
    story.happens("fall")
    incident = story.incident().id
    results: list[actions.ActionResult] = []

    def press(who: str) -> None:
        results.append(actions.acknowledge(story.engine, incident, who, story.now_ms))

    threads = [threading.Thread(target=press, args=(who,)) for who in ("ann", "bob", "chen", "desk", "ann")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.done for result in results) == 2
    assert len(story.incident().also_by) == 1


def test_the_door_code_is_for_everybody_who_comes(story: Story, tmp_path: Path) -> None:
    """Bob comes too; Chen was called and does not."""
    hold(story, tmp_path / "p", policies=needing(2))
    story.happens("fall")
    incident = story.incident().id
    for who in ("ann", "bob"):
        actions.acknowledge(story.engine, incident, who, story.now_ms)
    with story.engine.connect() as connection:
        known = load_incident(connection, incident)
    assert known is not None
    answers = [may_know(known, who) for who in ("ann", "bob", "chen")]
    assert answers == [DoorAnswer.SHOWN, DoorAnswer.SHOWN, DoorAnswer.NOT_YOURS]


def test_who_comes_too_is_busy_for_the_next_incident(story: Story, tmp_path: Path) -> None:
    """Ann and Bob are with Wang: for Zhao of the same station the third is called before them."""
    hook = {"type": "webhook", "url": story.sink.url("cy"), "secret": SECRET}
    people = [{"key": "zhao", "name": "赵敏", "area": "d.street.station", "address": "8 Lake Road"}]
    hold(
        story, tmp_path / "p", people=people, policies=needing(2),
        responders=[{"id": "cy", "name": "Cy", "area": "d.street.station", "channels": [hook]}],
        on_call={"d.street.station": ["ann", "bob", "cy"]},
    )  # fmt: skip
    story.happens("fall")
    first = story.incident().id
    for who in ("ann", "bob"):
        actions.acknowledge(story.engine, first, who, story.now_ms)
    story.news()
    story.happens("fall", device="w-zhao", person="zhao")
    assert story.told() == ["cy"]


def test_who_was_told_hears_that_they_need_not_go_once(any_story: Story) -> None:
    """Bob takes it: Ann, whose message had arrived, is told who has it; when it is over nobody is told twice."""
    story = any_story
    story.happens("fall")
    story.forward(30)
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "bob", story.now_ms)
    assert story.told() == ["ann", "bob"]
    a_moment(story)
    (message,) = story.news()
    assert (message.path, message.genuine, message.body["type"]) == ("/ann", True, "incident.stand_down")
    assert message.data["sentence"] == "You need not go, Bob has it: Fall, Wang Xiuying."
    assert (message.data["taken_by"], message.data["state"]) == ("bob", "acknowledged")
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    blocks = [json.loads(part.split("```")[0]) for part in page.split("```json\n")[1:]]
    (documented,) = [block for block in blocks if block.get("type") == "incident.stand_down"]
    assert set(documented["data"]) == set(message.data)
    actions.on_scene(story.engine, incident, "bob", story.now_ms)
    actions.resolve(story.engine, incident, "bob", story.now_ms, outcome=Outcome.TRUE)
    a_moment(story)
    story.forward(300)
    assert stood_down(story) == []
    (sent,) = messages(story, "ann", "stand_down")
    assert (sent.status.value, sent.reason, sent.id) == ("sent", "delivered", message.id)
    assert len(set(story.sink.ids())) == len(story.sink.ids()) == 3


def test_who_is_on_the_way_hears_that_it_is_over(story: Story) -> None:
    """Closed at the desk before anybody took it: everybody who was told hears it, in their language, and why."""
    story.happens("fall")
    story.forward(60)
    assert story.told() == ["ann", "bob", "chen"]
    actions.resolve(story.engine, story.incident().id, "desk", story.now_ms, outcome=Outcome.FALSE_ALARM)
    a_moment(story)
    news = {request.path: request.data["sentence"] for request in story.news()}
    assert sorted(news) == ["/ann", "/bob", "/chen"]
    assert news["/ann"] == "You need not go, it was a false alarm: Fall, Wang Xiuying."
    assert news["/chen"] == "您无需前往，为误报：跌倒，Wang Xiuying。"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_stand_down_has_words_for_every_end_and_fits_a_text_message(language: str) -> None:
    """Whatever became of it, and however long a name is."""
    base = Incident(
        id="i1", kind="fall", severity=Severity.URGENT, state=State.RESOLVED, person="p", device="w", area="d",
        historical=False, policy=IMMEDIATE, onset_ms=0, opened_ms=0, last_evidence_ms=0,
    )  # fmt: skip
    known = registry.Directory(people={"p": PersonEntry(key="p", name="阿依古丽" * 40, area="d")})
    who = ResponderEntry(id="r", name="R", area="d", languages=(language,))
    said = set()
    for outcome in Outcome:
        incident = replace(base, outcome=outcome)
        said.add(stand_down_text(incident, who, 1, known, short=False).body)
        assert fits(stand_down_text(incident, who, 2, known, short=True).body)
    assert len(said) == len(Outcome)


def test_stand_downs_leave_half_of_a_channels_limit_to_calls(story: Story, tmp_path: Path) -> None:
    """Ann may have two a minute: the call is one, so the other waits its minute, and no channel joins for it."""
    hook = {"type": "webhook", "url": story.sink.url("ann"), "secret": SECRET}
    channels = [{"per_minute": 2, **hook}, hook | {"url": story.sink.url("ann-too")}]
    ann = {"id": "ann", "name": "Ann", "area": "d.street.station", "channels": channels}
    hold(story, tmp_path / "p", responders=[ann])
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    a_moment(story)
    assert story.told() == ["ann"]
    story.forward(59)
    assert stood_down(story) == []
    story.forward(1)
    assert stood_down(story) == ["ann"]


def test_a_cancel_of_the_wearer_stands_everybody_down(story: Story) -> None:
    """The prompt is answered while Ann is told: she hears it."""
    from alerts.fusion import prompt_id

    fall = story.happens("fall")
    story.forward(3)
    story.happens("cancel", device="w-wang", notes={"re": prompt_id(fall.id)}, severity=Severity.INFO)
    (message,) = [request for request in story.news() if request.body["type"] == "incident.stand_down"]
    assert (message.path, message.data["outcome"]) == ("/ann", "cancelled")


def test_nobody_is_stood_down_who_is_needed_as_a_helper(story: Story, tmp_path: Path) -> None:
    """Two are needed: Bob is told only when Chen makes two; after a call for help Bob is called again."""
    hold(story, tmp_path / "p", policies=needing(2))
    story.happens("fall")
    story.forward(30)
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    assert stood_down(story) == []
    story.forward(30)
    actions.acknowledge(story.engine, incident, "chen", story.now_ms)
    a_moment(story)
    assert stood_down(story) == ["bob"]
    actions.need_help(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    assert story.told() == ["bob"]
    actions.acknowledge(story.engine, incident, "desk", story.now_ms)
    a_moment(story)
    assert stood_down(story) == ["bob"], "of another call, so once more"


def test_a_stand_down_that_waits_is_dropped_when_its_responder_is_needed_after_all(story: Story) -> None:
    """Bob's endpoint is down when Ann takes it, and back when she cannot come; Chen takes it: he hears that, once."""
    story.happens("fall")
    story.forward(30)
    story.sink.default["bob"] = Status(503)
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    a_moment(story)
    story.forward(4)
    actions.cannot_come(story.engine, incident, "ann", story.now_ms)
    story.news()
    story.sink.default["bob"] = Status(200)
    a_moment(story)
    assert story.told() == ["bob"]
    actions.acknowledge(story.engine, incident, "chen", story.now_ms)
    a_moment(story)
    story.forward(60)
    assert stood_down(story) == ["bob"]
    told = [(each.round, each.status.value, each.reason) for each in messages(story, "bob", "stand_down")]
    assert told == [(0, "not_sent", "called_again"), (1, "sent", "delivered")]


def test_a_call_that_arrives_too_late_is_followed_by_a_stand_down(story: Story) -> None:
    """Ann's message was on its way when Bob acknowledged on the board."""
    story.sink.default["ann"] = Status(200, delay_s=0.3)
    story._detections.append([pack_detection(story.detection("fall"))])
    story._detections.commit()
    story.service.step(story.now_ms)
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    (call,) = messages(story, "ann", "call")
    assert call.reason == "acknowledged"
    a_moment(story)
    assert [request.body["type"] for request in story.news()] == ["incident.notify", "incident.stand_down"]


def test_a_siren_ends_with_its_incident(story: Story, tmp_path: Path) -> None:
    """The command has the id of the alarm and a nearer end; an alarm that has ended by itself gets none."""
    hook = {"type": "webhook", "url": story.sink.url("ann"), "secret": SECRET}
    channels = [{"type": "siren", "url": "siren-1"}, hook]
    hold(
        story, tmp_path / "p",
        devices=[{"id": "siren-1", "area": "d.street.station", "kind": "siren"}],
        responders=[{"id": "ann", "name": "Ann", "area": "d.street.station", "channels": channels}],
    )  # fmt: skip
    story.happens("sos")
    (alarm,) = story.commands()
    assert (alarm.device, alarm.command.type, alarm.command.expires_ms) == (
        "siren-1", "alarm", story.now_ms + SIREN_MS,
    )  # fmt: skip
    story.forward(20)
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    a_moment(story)
    (end,) = story.commands()
    assert (end.device, end.command.id, end.command.type) == ("siren-1", alarm.command.id, "alarm")
    assert end.command.expires_ms == story.now_ms + END_MS
    actions.resolve(story.engine, story.incident().id, "ann", story.now_ms, outcome=Outcome.TRUE)
    a_moment(story)
    assert story.commands() == []
    story.forward(1_000)
    story.happens("sos")
    story.forward(SIREN_MS / 1000)
    assert [command.command.type for command in story.commands()] == ["alarm"]
    (waiting,) = [each for each in story.incidents() if each.state is State.NOTIFYING]
    actions.acknowledge(story.engine, waiting.id, "bob", story.now_ms)
    a_moment(story)
    assert story.commands() == []


def test_the_console_and_who_declined_and_tests_hear_of_no_stand_down(story: Story, tmp_path: Path) -> None:
    """What is shown on the board needs no message."""
    hold(story, tmp_path / "p", responders=[
        {"id": "bob", "name": "Bob", "area": "d.street.station", "channels": [{"type": "console"}]},
    ])  # fmt: skip
    story.happens("fall")
    story.forward(30)
    actions.cannot_come(story.engine, story.incident().id, "ann", story.now_ms)
    actions.acknowledge(story.engine, story.incident().id, "chen", story.now_ms)
    a_moment(story)
    assert stood_down(story) == []
    assert [each for each in story.detail().notifications if each.purpose == "stand_down"] == []


def test_when_nobody_is_on_call_the_next_shift_is_called_as_it_begins(story: Story, tmp_path: Path) -> None:
    """It is 14:00, the shift begins at 14:01:10, and it is not waited for two minutes."""
    clear(story)
    roster = {"id": "late", "area": "d", "zone": "Asia/Shanghai", "start": "2026-03-03T14:01:10", "turns": ["desk"]}
    hold(story, tmp_path / "p", rosters=[roster])
    story.happens("sos")
    story.forward(69)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["desk"]


def test_when_the_next_shift_is_far_it_is_tried_again_all_the_same(story: Story, tmp_path: Path) -> None:
    """The registry may change: every two minutes."""
    clear(story)
    roster = {"id": "late", "area": "d", "zone": "Asia/Shanghai", "start": "2026-03-03T15:00", "turns": ["desk"]}
    hold(story, tmp_path / "p", rosters=[roster])
    story.happens("sos")
    story.forward(121)
    assert len(said(story, "not_called")) == 2
    story.forward(3_479)
    assert story.told() == ["desk"]


def test_a_follow_up_and_a_cancel_do_not_lower_what_help_was_asked_for(story: Story) -> None:
    """Whoever stands at the door knows better than the device."""
    from alerts.fusion import prompt_id

    fall = story.happens("fall")
    actions.need_help(story.engine, story.incident().id, "ann", story.now_ms)
    story.happens("cancel", device="w-wang", notes={"re": prompt_id(fall.id)}, severity=Severity.INFO)
    notes = {"outcome": "got_up"}
    story.happens("fall", id=fall.id, stage=Stage.FOLLOW_UP, notes=notes, severity=Severity.WARNING)
    assert story.incident().severity is Severity.CRITICAL


def test_a_database_of_before_keeps_what_was_sent_and_who_has_it(tmp_path: Path) -> None:
    """Tables are built anew on the way; every message and attempt is there afterwards, as a call."""
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(alerts.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    values = {
        "id": "i1", "kind": "fall", "severity": "urgent", "state": "acknowledged", "device": "w", "area": "d",
        "historical": False, "policy": "{}", "onset_ms": 1, "opened_ms": 2, "last_evidence_ms": 2, "step": 1,
        "round": 0, "transitions": 2, "acknowledged_by": "ann", "acknowledged_ms": 5,
    }  # fmt: skip
    sent = {
        "id": "n1", "incident": "i1", "step": 0, "round": 0, "responder": "ann", "channel": "webhook",
        "status": "sent", "urgency": 2, "attempts": 1, "created_ms": 2, "due_ms": 2,
    }  # fmt: skip
    attempt = {"notification": "n1", "number": 1, "started_ms": 3, "ended_ms": 4}
    with registry.writing(engine) as connection:
        config.attributes.update(connection=connection, version_table="alembic_version_alerts")
        command.upgrade(config, "a0006")
        for table, row in (("incident", values), ("notification", sent), ("attempt", attempt)):
            names = ", ".join(row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(row)})"), row)
    alerts.upgrade(engine)
    with engine.connect() as connection:
        (notification,) = connection.execute(select(models.notification)).all()
        (kept,) = connection.execute(select(models.attempt)).all()
        (standing,) = connection.execute(select(models.acknowledgement)).all()
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    assert (notification.id, notification.purpose, kept.notification, kept.ended_ms) == ("n1", "call", "n1", 4)
    assert (standing.incident, standing.responder, standing.at_ms) == ("i1", "ann", 5)
    engine.dispose()
