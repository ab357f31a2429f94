"""Stories: something happens, the clock runs, and exactly these messages go out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alerts import actions
from alerts.fusion import prompt_id
from alerts.lifecycle import Answer, Outcome, State
from detectors.detection import Detection, Severity, Stage
from tests.alerts.story import START_MS, Story


def test_a_fall_calls_the_first_on_call_responder_at_once(any_story: Story) -> None:
    """One incident, one message: signed, in words, with a link."""
    story = any_story
    story.happens("fall", onset_ms=START_MS - 5_000)
    (message,) = story.news()
    assert (message.path, message.genuine) == ("/ann", True)
    data = message.data
    assert message.body["type"] == "incident.notify"
    assert data["sentence"] == "Fall: Wang Xiuying, 12 Fengqing Road, Station, at 13:59."
    assert (data["person"], data["address"], data["lat"]) == ("Wang Xiuying", "12 Fengqing Road", 34.26)
    assert (data["kind"], data["severity"], data["repeat"], data["attempt"]) == ("fall", "urgent", False, 1)
    assert data["local_time"] == "2026-03-03T13:59:55+08:00"
    assert data["ack_url"].startswith("http://console.example/ack/")
    assert data["notification"] == message.id
    incident = story.incident()
    assert (incident.state, incident.notifying) == (State.NOTIFYING, ("Ann",))


def test_nobody_answers_and_the_calls_climb_to_the_desk_and_begin_again(any_story: Story) -> None:
    """30 s each: station, street (passing over who has no channel), district desk; two minutes later from the top."""
    story = any_story
    story.happens("fall")
    assert story.told() == ["ann"]
    story.forward(29)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["bob"]
    story.forward(30)
    assert story.told() == ["chen"]
    story.forward(30)
    assert story.told() == ["desk"]
    story.forward(119)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["ann"]
    story.forward(30)
    assert story.told() == ["bob"]
    ids = story.sink.ids()
    assert len(set(ids)) == len(ids) == 6
    not_called = [entry.data for entry in story.detail().timeline if entry.what == "not_called"]
    assert not_called == [{"responder": "mute", "reason": "no_channel"}]


def test_an_acknowledgement_ends_the_calls(any_story: Story) -> None:
    """Nobody else is called; the incident says who has it."""
    story = any_story
    story.happens("fall")
    story.forward(10)
    result = actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms, via="link")
    assert (result.answer, result.by_name) == (Answer.DONE, "Ann")
    story.forward(300)
    assert story.told() == ["ann"]
    incident = story.incident()
    assert (incident.state, incident.acknowledged_by_name, incident.notifying) == (State.ACKNOWLEDGED, "Ann", ())


def test_acknowledged_but_nobody_arrived_calls_again(any_story: Story) -> None:
    """After 15 minutes the incident is open to everybody again, from the top."""
    story = any_story
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    story.forward(899)
    assert story.told() == ["ann"]
    story.forward(1)
    assert story.told() == ["ann"]
    assert story.incident().state is State.NOTIFYING
    story.forward(30)
    assert story.told() == ["bob"]
    assert "not_arrived" in story.timeline()
    assert actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms).done


def test_somebody_on_scene_ends_the_wait_for_arrival(story: Story) -> None:
    """En route does not: people get stuck."""
    story.happens("fall")
    incident = story.incident().id
    actions.en_route(story.engine, incident, "ann", story.now_ms)
    story.forward(600)
    actions.on_scene(story.engine, incident, "ann", story.now_ms)
    story.forward(1_200)
    assert story.told() == ["ann"]
    assert story.incident().state is State.ON_SCENE
    actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=Outcome.TRUE, note="hip")
    assert (story.incident().state, story.incident().outcome) == (State.RESOLVED, Outcome.TRUE)
    assert story.timeline()[-2:] == ["on_scene", "resolved"]


def test_a_suspected_fall_only_asks_the_wearer(any_story: Story) -> None:
    """A prompt goes to the device; no incident, no message."""
    story = any_story
    fall = story.happens("fall", stage=Stage.SUSPECTED)
    (outgoing,) = story.commands()
    assert (outgoing.device, outgoing.command.type, outgoing.command.id) == ("w-wang", "prompt", prompt_id(fall.id))
    assert outgoing.command.expires_ms == story.now_ms + 60_000
    assert (story.incidents(), story.told()) == ([], [])


def test_a_suspected_then_confirmed_fall_asks_once_and_calls(story: Story) -> None:
    """The same id at another stage: no second question."""
    fall = story.happens("fall", stage=Stage.SUSPECTED)
    story.now_ms += 3_000
    story.happens("fall", id=fall.id)
    assert len(story.commands()) == 1
    assert story.told() == ["ann"]
    assert story.timeline()[:3] == ["opened", "asked_wearer", "called"]


def test_a_confirmed_fall_asks_the_wearer_too(story: Story) -> None:
    """Policy `immediate`: called and asked at the same time."""
    story.happens("fall")
    assert [outgoing.command.type for outgoing in story.commands()] == ["prompt"]
    assert story.told() == ["ann"]


def cancel(story: Story, re: str, **values: object) -> None:
    """The wearer presses "I am all right"."""
    story.happens("cancel", **{"device": "w-wang", "notes": {"re": re}, "severity": Severity.INFO, **values})


def test_a_cancel_that_answers_the_prompt_ends_the_incident(any_story: Story) -> None:
    """Nobody had taken it: cancelled by the wearer, no further calls."""
    story = any_story
    fall = story.happens("fall")
    story.forward(12)
    cancel(story, prompt_id(fall.id))
    story.forward(120)
    assert story.told() == ["ann"]
    incident = story.incident()
    assert (incident.state, incident.outcome, incident.resolved_by) == (State.RESOLVED, Outcome.CANCELLED, "wearer")


@pytest.mark.parametrize("re", ["", "p-of-another", "ack-1"])
def test_a_cancel_that_answers_something_else_is_only_written_down(story: Story, re: str) -> None:
    """It counts for nothing but stands on the time line."""
    story.happens("fall")
    cancel(story, re)
    story.forward(30)
    assert story.told() == ["ann", "bob"]
    assert story.incident().state is State.NOTIFYING
    assert "cancel_unmatched" in story.timeline()


def test_a_cancel_from_somebody_elses_device_does_not_count(story: Story) -> None:
    """Even when it knows the prompt's id."""
    fall = story.happens("fall")
    cancel(story, prompt_id(fall.id), device="w-zhao", person="zhao")
    story.forward(30)
    assert story.told() == ["ann", "bob"]


def test_a_cancel_of_an_older_prompt_leaves_the_newer_one_open(story: Story) -> None:
    """Two falls, one answer: the second fall has not been answered."""
    first = story.happens("fall")
    story.forward(5)
    second = story.happens("fall")
    cancel(story, prompt_id(first.id))
    assert story.incident().state is State.NOTIFYING
    cancel(story, prompt_id(second.id))
    assert story.incident().state is State.RESOLVED


def test_a_cancel_does_not_take_back_an_sos(story: Story) -> None:
    """The prompt asked about the fall; the button was pressed on purpose."""
    fall = story.happens("fall")
    story.happens("sos")
    cancel(story, prompt_id(fall.id))
    story.forward(30)
    assert story.told() == ["ann", "bob"]
    assert (story.incident().state, story.incident().kind) == (State.NOTIFYING, "sos")


def test_a_cancel_after_the_acknowledgement_lowers_the_severity_only(story: Story) -> None:
    """Whoever has taken it decides."""
    fall = story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    cancel(story, prompt_id(fall.id))
    assert (story.incident().state, story.incident().severity) == (State.ACKNOWLEDGED, Severity.WARNING)


def test_a_fall_confirmed_after_the_wearer_cancelled_calls_nobody(story: Story) -> None:
    """Answered while it was only suspected: an incident for the record, closed at once."""
    fall = story.happens("fall", stage=Stage.SUSPECTED)
    cancel(story, prompt_id(fall.id))
    assert story.incidents() == []
    story.happens("fall", id=fall.id)
    story.forward(60)
    assert story.told() == []
    assert (story.incident().state, story.incident().outcome) == (State.RESOLVED, Outcome.CANCELLED)


def test_a_withdrawn_suspicion_leaves_no_incident_and_a_late_cancel_finds_nothing(story: Story) -> None:
    """The prompt is withdrawn; should the wearer answer it, nothing is there to cancel."""
    fall = story.happens("fall", stage=Stage.SUSPECTED)
    story.happens("fall", id=fall.id, stage=Stage.WITHDRAWN)
    cancel(story, prompt_id(fall.id))
    assert (story.incidents(), story.told()) == ([], [])


def test_a_fall_withdrawn_after_the_call_is_for_people_to_decide(story: Story) -> None:
    """Somebody may be on the way: it stands on the time line and the calls go on."""
    fall = story.happens("fall")
    story.happens("fall", id=fall.id, stage=Stage.WITHDRAWN)
    story.forward(30)
    assert story.told() == ["ann", "bob"]
    assert "withdrawn" in story.timeline()


def test_fall_and_sos_of_one_person_are_one_incident_of_rising_severity(any_story: Story) -> None:
    """Two devices, one person, one incident with two rows of evidence."""
    story = any_story
    story.happens("fall")
    story.forward(20)
    story.happens("sos")
    story.forward(10)
    assert story.told() == ["ann", "bob"]
    incident = story.incident()
    assert (incident.kind, incident.severity) == ("sos", Severity.CRITICAL)
    assert [evidence.kind for evidence in incident.evidence] == ["fall", "sos"]
    assert incident.evidence[0].features == {"impact_g": 4.2}


def test_an_sos_into_an_acknowledged_incident_tells_whoever_has_it(any_story: Story) -> None:
    """Bob has it, so Bob hears of the SOS; a second press within 30 s is written and not told."""
    story = any_story
    story.happens("fall")
    story.forward(2)
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    story.happens("sos")
    story.forward(5)
    story.happens("sos")
    assert story.told() == ["ann", "bob"]
    assert len(story.incident().evidence) == 3
    assert story.incident().state is State.ACKNOWLEDGED
    reasons = [entry.data.get("reason") for entry in story.detail().timeline if entry.what == "not_called"]
    assert reasons == ["told_just_now"]
    story.forward(30)
    story.happens("sos")
    assert story.told() == ["bob"]


def test_an_sos_taken_by_somebody_outside_the_roster_tells_the_first_on_call(story: Story) -> None:
    """A coordinator at the console has no channel of ours."""
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "coordinator", story.now_ms)
    story.happens("sos")
    assert story.told() == ["ann", "ann"]


def followed_up(story: Story, fall: Detection, outcome: str, severity: Severity, **values: object) -> None:
    """What became of the wearer, a minute after the impact."""
    notes = {"outcome": outcome}
    story.happens("fall", id=fall.id, stage=Stage.FOLLOW_UP, notes=notes, severity=severity, **values)


def test_nobody_answered_and_no_movement_for_a_minute_calls_the_next_at_once(any_story: Story) -> None:
    """Ann at once, Bob after 30 s; the minute is over 2 s before the next is due: no waiting, and the words say why."""
    story = any_story
    fall = story.happens("fall")
    story.forward(58)
    assert story.told() == ["ann", "bob"]
    followed_up(story, fall, "no_movement", Severity.CRITICAL, onset_ms=fall.onset_ms)
    (message,) = story.news()
    assert (message.path, message.data["severity"], message.data["follow_up"]) == ("/chen", "critical", "no_movement")
    assert message.data["sentence"].endswith("，13:59。跌倒后一分钟内没有活动。")
    assert (story.incident().severity, story.incident().state) == (Severity.CRITICAL, State.NOTIFYING)
    story.forward(29)
    assert story.told() == []
    story.forward(1)
    (message,) = story.news()
    assert message.path == "/desk"
    assert message.data["sentence"].endswith("at 13:59. Did not move in the minute after the fall.")
    (entry,) = [entry for entry in story.detail().timeline if entry.what == "followed_up"]
    assert (entry.data["follow_up"], entry.before, entry.after) == (
        "no_movement",
        {"severity": "urgent"},
        {"severity": "critical"},
    )


def test_whoever_is_on_the_way_hears_that_the_wearer_has_not_moved(story: Story) -> None:
    """Also where it was critical from the start; not who stands beside them already."""
    fall = story.happens("fall", severity=Severity.CRITICAL)
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    story.forward(58)
    followed_up(story, fall, "no_movement", Severity.CRITICAL)
    assert story.told() == ["ann", "bob"]
    assert story.incident().state is State.ACKNOWLEDGED
    other = story.happens("fall", device="w-zhao", person="zhao")
    (theirs,) = [incident for incident in story.incidents() if incident.person_key == "zhao"]
    actions.on_scene(story.engine, theirs.id, "chen", story.now_ms)
    followed_up(story, other, "no_movement", Severity.CRITICAL, device="w-zhao", person="zhao")
    assert story.told() == ["chen"], "of the fall, and no more"


def test_who_got_up_is_less_urgent_and_is_called_for_all_the_same(any_story: Story) -> None:
    """Nothing is closed, nobody is told of it by a message of its own, and who is called later reads it."""
    story = any_story
    fall = story.happens("fall", severity=Severity.CRITICAL)
    story.forward(20)
    followed_up(story, fall, "got_up", Severity.WARNING)
    assert story.told() == ["ann"]
    assert (story.incident().severity, story.incident().state) == (Severity.WARNING, State.NOTIFYING)
    story.forward(10)
    (message,) = story.news()
    assert (message.path, message.data["severity"], message.data["follow_up"]) == ("/bob", "warning", "got_up")
    assert message.data["sentence"].endswith("Got up after the fall and walked.")


def test_getting_up_takes_nothing_from_what_else_is_known(story: Story) -> None:
    """An SOS stays critical, and so does a second fall of which nothing more is known."""
    fall = story.happens("fall")
    story.happens("sos")
    followed_up(story, fall, "got_up", Severity.WARNING)
    assert story.incident().severity is Severity.CRITICAL
    first = story.happens("fall", device="w-zhao", person="zhao")
    story.forward(25)
    second = story.happens("fall", device="w-zhao", person="zhao")
    followed_up(story, first, "got_up", Severity.WARNING, device="w-zhao", person="zhao", onset_ms=first.onset_ms)
    (theirs,) = [incident for incident in story.incidents() if incident.person_key == "zhao"]
    assert theirs.severity is Severity.URGENT
    story.news()
    story.forward(60)
    assert {message.data["follow_up"] for message in story.news() if message.data["person"] == "赵敏"} == {None}
    followed_up(story, second, "got_up", Severity.WARNING, device="w-zhao", person="zhao", onset_ms=second.onset_ms)
    (theirs,) = [incident for incident in story.incidents() if incident.person_key == "zhao"]
    assert theirs.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("outcome", "severity", "told"),
    [
        ("still_lying", Severity.URGENT, []),
        ("unknown", Severity.URGENT, []),
        ("no_movement", Severity.CRITICAL, ["ann"]),
    ],
)
def test_after_the_wearer_answered_only_no_movement_speaks_against_it(
    story: Story, outcome: str, severity: Severity, told: list[str]
) -> None:
    """Ann has it; the wearer says that all is well, and then lies, or is not heard of, or does not move any more."""
    fall = story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "ann", story.now_ms)
    cancel(story, prompt_id(fall.id))
    story.forward(50)
    assert story.told() == ["ann"]
    followed_up(story, fall, outcome, severity)
    assert story.told() == told
    assert story.incident().severity is (severity if told else Severity.WARNING)


def test_a_follow_up_of_a_closed_incident_is_written_and_nothing_else(story: Story) -> None:
    """The wearer answered, and nobody had taken it: taking the device off is no movement either."""
    fall = story.happens("fall")
    cancel(story, prompt_id(fall.id))
    followed_up(story, fall, "no_movement", Severity.CRITICAL)
    story.forward(300)
    assert story.told() == ["ann"]
    assert story.incident().state is State.RESOLVED
    assert story.timeline()[-1] == "followed_up"


def test_a_follow_up_from_a_buffer_hurries_nobody(story: Story) -> None:
    """It came with the fall, which happened last night: there is time to read."""
    night_ms = START_MS - 10 * 3_600_000 - 48 * 60_000
    fall = story.happens("fall", historical=True, onset_ms=night_ms)
    followed_up(story, fall, "no_movement", Severity.CRITICAL, historical=True, onset_ms=night_ms)
    assert story.told() == ["ann"]
    assert story.incident().severity is Severity.CRITICAL
    story.forward(120)
    (message,) = story.news()
    assert message.data["sentence"] == (
        "This happened at 03:12. Fall: Wang Xiuying, 12 Fengqing Road, Station. "
        "Did not move in the minute after the fall."
    )


def test_a_follow_up_that_comes_twice_counts_once(story: Story) -> None:
    """The processor was killed and said it again."""
    fall = story.happens("fall")
    story.forward(40)
    assert story.told() == ["ann", "bob"]
    for _ in range(2):
        followed_up(story, fall, "no_movement", Severity.CRITICAL)
    assert story.told() == ["chen"]
    assert story.service.counts["duplicate"] == 1


def test_another_fall_after_the_window_is_another_incident(story: Story) -> None:
    """Ten minutes after the last evidence; before that it joins."""
    story.happens("fall")
    story.forward(540)
    story.happens("fall")
    assert len(story.incidents()) == 1
    story.forward(660)
    story.happens("fall")
    assert len(story.incidents()) == 2


def test_a_fall_after_the_incident_was_resolved_is_another_incident(story: Story) -> None:
    """A minute later, and the first was a false alarm."""
    story.happens("fall")
    actions.resolve(story.engine, story.incident().id, "ann", story.now_ms, outcome=Outcome.FALSE_ALARM)
    story.forward(60)
    story.happens("fall")
    assert [incident.state for incident in story.incidents()] == [State.NOTIFYING, State.RESOLVED]
    assert story.told() == ["ann", "ann"]


def test_two_people_fall_and_each_has_an_incident(story: Story) -> None:
    """Nothing is fused across people; an area with nobody on call is in the hands of the tier above."""
    story.deliver(story.detection("fall"), story.detection("fall", device="w-zhao", person="zhao"))
    messages = story.news()
    assert {message.path for message in messages} == {"/ann", "/chen"}
    (chinese,) = [message.data for message in messages if message.path == "/chen"]
    assert chinese["sentence"] == "跌倒：赵敏，8 Lake Road，Station without anybody，13:59。"
    assert len(story.incidents()) == 2


@pytest.mark.parametrize("device", ["never-seen", "spare"])
def test_an_sos_of_a_device_without_a_person_goes_to_the_district_desk(any_story: Story, device: str) -> None:
    """Unknown or unassigned: somebody pressed it."""
    story = any_story
    story.happens("sos", device=device, person=None)
    (message,) = story.news()
    assert message.path == "/desk"
    assert message.data["sentence"].startswith(f"SOS call: device {device}, which is assigned to nobody")
    incident = story.incident()
    assert (incident.desk, incident.area, incident.person_name, incident.device) == (True, "d", "", device)


def test_two_presses_of_an_unknown_device_are_one_incident(story: Story) -> None:
    """Fused by device when there is no person; another unknown device is another incident."""
    story.happens("sos", device="x-1", person=None)
    story.happens("sos", device="x-1", person=None)
    story.happens("sos", device="x-2", person=None)
    assert len(story.incidents()) == 2


def test_what_happened_hours_ago_says_so_and_has_more_time(story: Story) -> None:
    """Out of a device's buffer: the first responder is told when it was, the next one after two minutes."""
    night_ms = START_MS - 10 * 3_600_000 - 48 * 60_000
    story.happens("fall", historical=True, onset_ms=night_ms)
    (message,) = story.news()
    assert message.data["sentence"] == ("This happened at 03:12. Fall: Wang Xiuying, 12 Fengqing Road, Station.")
    assert message.data["historical"] is True
    assert story.commands() == []
    story.forward(119)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["bob"]


def test_a_fall_of_last_night_is_not_fused_with_todays(story: Story) -> None:
    """They are hours apart, although they arrive together; two of last night are."""
    night_ms = START_MS - 10 * 3_600_000
    story.deliver(
        story.detection("fall", historical=True, onset_ms=night_ms),
        story.detection("fall", historical=True, onset_ms=night_ms + 60_000),
        story.detection("fall"),
    )
    assert sorted(incident.historical for incident in story.incidents()) == [False, True]


@pytest.mark.parametrize("onset_ms", [0, START_MS - 8 * 3_600_000, START_MS + 8 * 3_600_000])
def test_an_sos_with_an_implausible_time_opens_an_incident_all_the_same(story: Story, onset_ms: int) -> None:
    """The time is written on the incident and into the message, and is never a reason to drop it."""
    story.happens("sos", onset_ms=onset_ms, notes={"time": "the device says"}, severity=Severity.INFO)
    (message,) = story.news()
    assert message.path == "/ann"
    assert ", at 14:00 (its clock says " in message.data["sentence"]
    incident = story.incident()
    assert (incident.onset_ms, incident.said_ms) == (START_MS, onset_ms)
    assert incident.evidence[0].notes == {"time": "the device says"}


def test_a_time_beyond_the_calendar_does_not_stop_an_sos(story: Story) -> None:
    """The wire takes any epoch that a double holds: year 287396."""
    story.happens("sos", onset_ms=2**53 - 1)
    assert story.told() == ["ann"]
    story.happens("fall", onset_ms=2**53 - 1, historical=True, device="w-zhao", person="zhao")
    assert story.told() == ["chen"]


def test_smoke_names_an_incident_of_several_kinds(story: Story) -> None:
    """Whoever goes must know of it."""
    story.happens("sos")
    story.happens("smoke", severity=Severity.CRITICAL)
    story.forward(30)
    assert [message.data["sentence"].split(":")[0] for message in story.news()] == ["SOS call", "Smoke alarm"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"severity": Severity.INFO}, "info_only"),
        ({"detector": "device", "kind": "silence", "severity": Severity.URGENT}, "device_finding"),
        ({"detector": "device.clock", "kind": "clock", "severity": Severity.WARNING}, "device_finding"),
        ({"stage": Stage.SUSPECTED, "historical": True}, "suspected_only"),
        ({"stage": Stage.FOLLOW_UP, "notes": {"outcome": "no_movement"}}, "suspected_only"),
    ],
)
def test_what_concerns_no_responder_is_kept_with_the_reason(
    story: Story, values: dict[str, object], reason: str
) -> None:
    """No incident, no message, and a count by reason."""
    story.happens("fall", **values)
    assert (story.incidents(), story.told()) == ([], [])
    assert story.service.counts[reason] == 1


def test_nobody_on_call_at_all_is_written_and_tried_again(story: Story) -> None:
    """The roster is filled while the incident waits."""
    import registry
    from registry import models

    with registry.writing(story.engine) as connection:
        connection.execute(models.on_call.delete())
        registry.rows.raise_revision(connection)
    story.happens("sos")
    assert story.told() == []
    assert (story.incident().state, story.timeline()) == (State.OPEN, ["opened", "not_called"])
    registry.import_folder(story.engine, story.folder / "import")
    story.forward(120)
    assert story.told() == ["ann"]
    assert story.incident().state is State.NOTIFYING


def test_a_responder_removed_while_a_message_waits_is_passed_over_at_once(story: Story) -> None:
    """The message has a named reason, and the next one is called without waiting 30 s."""
    import registry
    from registry import models
    from tests.servers.sink import Answer

    story.sink.default["ann"] = Answer(503)
    story.happens("fall")
    with registry.writing(story.engine) as connection:
        connection.execute(models.on_call.delete().where(models.on_call.c.responder == "ann"))
        connection.execute(models.responder.delete().where(models.responder.c.id == "ann"))
        registry.rows.raise_revision(connection)
    story.forward(3)
    assert story.told() == ["ann", "bob"]
    (gone,) = [each for each in story.detail().notifications if each.responder == "ann"]
    assert (gone.status.value, gone.reason) == ("not_sent", "responder_gone")


def test_the_documented_message_has_the_fields_of_a_real_one(story: Story) -> None:
    """Whoever writes a receiver reads the page."""
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    documented = json.loads(page.split("```json\n")[1].split("```")[0])
    story.happens("fall")
    (message,) = story.news()
    assert list(documented) == list(message.body)
    assert set(documented["data"]) == set(message.data)
