"""Stories of those who stand by somebody: relatives, neighbours, volunteers, and the emergency service at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from alerts import actions
from alerts.calling import Round
from alerts.emergency_text import KeyFacts, emergency_text
from alerts.history import cases
from alerts.lifecycle import Answer, Outcome, State
from alerts.policy import Policy, Step
from alerts.sentences import Facts
from alerts.stepping import OnCall, PersonContact, by_steps
from alerts.texts import fits
from detectors.detection import Severity
from registry import ChannelEntry, ContactEntry, ResponderEntry
from registry.database import writing
from registry.presence import report_presence
from registry.reach import Presence
from tests.alerts.story import SETTINGS, START_MS, Story, telling
from tests.alerts.test_policies import hold, hook, policy, said_of
from tests.servers.sink import Answer as Reply
from tests.servers.sink import Sink


@pytest.fixture
def story(sqlite_registry: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """On SQLite only: what decides here knows no database, and those that do are told as `any_story`."""
    with telling(sqlite_registry, tmp_path, sink) as told:
        yield told


def contact(story: Story, name: str, relation: str, **values: object) -> dict[str, object]:
    """A contact of Wang with a webhook and an id of their own, as a file has it."""
    channels = values.pop("channels", [hook(story, name)])
    row = {"person": "wang", "relation": relation, "responder": name, "name": name.title(), "channels": channels}
    return row | values


def link(name: str, relation: str, **values: object) -> dict[str, object]:
    """A contact of Wang who is a responder already."""
    return {"person": "wang", "relation": relation, "responder": name} | values


def at_door(story: Story, name: str, *, available: bool = True, lat: float = 34.26, lon: float = 108.92) -> None:
    """Somebody reports where they are."""
    with writing(story.engine) as connection:
        report_presence(connection, name, Presence(story.now_ms, lat, lon, available))


def soon(story: Story) -> None:
    """The service looks at the database once in half a second: another process has written."""
    story.now_ms += 600
    story.settle()


def test_who_is_always_told_learns_of_it_with_the_first_call_and_once(any_story: Story, tmp_path: Path) -> None:
    """The daughter beside Ann, the son not at all, and nobody waits for the daughter."""
    story = any_story
    hold(story, tmp_path / "p", contacts=[
        contact(story, "fang", "family", notify="always"), contact(story, "lei", "family"),
    ])  # fmt: skip
    story.happens("fall")
    assert sorted(story.told()) == ["ann", "fang"]
    story.forward(90)
    assert story.told() == ["bob", "chen", "desk"]
    story.forward(120)
    assert story.told() == ["ann"]
    assert {call.responder for call in cases(story.engine, 0, story.now_ms)[0].calls} == {
        "ann", "bob", "mute", "chen", "desk",
    }  # fmt: skip
    (beside,) = [said for said in said_of(story.detail(), "called") if said.get("beside")]
    assert (beside["responder"], beside["relation"], beside["channels"]) == ("fang", "family", ["webhook"])


def test_what_relatives_answer_is_written_and_the_calls_go_on(any_story: Story, tmp_path: Path) -> None:
    """She presses the button twice: once on the time line. Bob is called all the same, and takes it."""
    story = any_story
    hold(story, tmp_path / "p", contacts=[contact(story, "fang", "family", notify="always")])
    story.happens("fall")
    incident = story.incident().id
    story.forward(10)
    for _ in range(2):
        result = actions.acknowledge(story.engine, incident, "fang", story.now_ms, via="link")
        assert (result.answer, result.state, result.by) == (Answer.NOTED, State.NOTIFYING, None)
    assert said_of(story.detail(), "known_beside") == [{"via": "link", "said": "acknowledged"}]
    story.news()
    story.forward(20)
    assert story.told() == ["bob"]
    assert actions.need_help(story.engine, incident, "fang", story.now_ms).answer is Answer.NOTED
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms).done
    assert story.incident().acknowledged_by == "bob"
    soon(story)
    assert [(one.path, one.body["type"]) for one in story.news()] == [("/ann", "incident.stand_down")]
    actions.resolve(story.engine, incident, "bob", story.now_ms, outcome=Outcome.TRUE)
    assert actions.acknowledge(story.engine, incident, "fang", story.now_ms).answer is Answer.RESOLVED
    soon(story)
    (over,) = story.news()
    assert (over.path, over.data["outcome"]) == ("/fang", "true")


def test_a_message_to_relatives_is_the_same_sentence_in_their_language_and_no_more(
    story: Story, tmp_path: Path
) -> None:
    """Nothing of what is known of her health or her door."""
    hold(
        story, tmp_path / "p",
        people=[{"key": "wang", "name": "Wang Xiuying", "area": "d.street.station", "address": "12 Fengqing Road",
                 "risks": ["dementia"], "conditions": ["heart_failure"], "phone": "02911112222"}],
        contacts=[contact(story, "fang", "family", notify="always", languages=["zh"])],
    )  # fmt: skip
    story.happens("fall")
    request = next(one for one in story.news() if one.path == "/fang")
    assert request.data["sentence"] == "跌倒：Wang Xiuying，12 Fengqing Road，Station，13:59。"
    assert (request.data["language"], request.data["beside"]) == ("zh", True)
    for private in ("dementia", "heart_failure", "02911112222", "door"):
        assert private not in str(request.body)


def test_no_emergency_is_not_told_to_relatives_and_becomes_one_later(story: Story, tmp_path: Path) -> None:
    """A warning of the routine wakes nobody; the SOS that joins it does, with the next call."""
    hold(story, tmp_path / "p", contacts=[contact(story, "fang", "family", notify="always")])
    story.happens("not_out_of_bed", detector="routine", severity=Severity.WARNING)
    assert story.told() == ["ann"]
    story.happens("sos")
    story.forward(30)
    assert sorted(story.told()) == ["bob", "fang"]


def test_relatives_learn_of_it_also_when_somebody_has_it_before_their_message_is_out(
    story: Story, tmp_path: Path
) -> None:
    """Their phone was off for a moment; after the end nothing goes out any more."""
    hold(story, tmp_path / "p", contacts=[
        contact(story, "fang", "family", notify="always"), contact(story, "lei", "family", notify="always"),
    ])  # fmt: skip
    story.sink.answers["fang"].extend([Reply(503)] * 2)
    story.sink.default["lei"] = Reply(503)
    story.happens("fall")
    incident = story.incident().id
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    story.forward(10)
    assert story.told().count("fang") == 3
    actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=Outcome.TRUE)
    story.forward(600)
    assert "lei" not in story.told()
    states = {(one.responder, one.status.value, one.reason) for one in story.detail().notifications}
    assert ("fang", "sent", "delivered") in states
    assert ("lei", "not_sent", "resolved") in states


def test_a_policy_tells_the_family_beside_its_first_step(any_story: Story, tmp_path: Path) -> None:
    """Wherever the step stands among the others; on call or not, in the order of the file, without a delay."""
    story = any_story
    hold(
        story, tmp_path / "p",
        contacts=[contact(story, "lei", "family"), contact(story, "fang", "family"), contact(story, "mei", "friend")],
        policies=[policy({"tier": "own", "after_s": 60}, {"relation": "family", "beside": True}, {"tier": "desk"})],
    )  # fmt: skip
    story.happens("fall")
    assert sorted(story.told()) == ["ann", "fang", "lei"]
    story.forward(60)
    assert story.told() == ["bob"]
    story.forward(60)
    assert story.told() == ["desk"]
    assert [said["responder"] for said in said_of(story.detail(), "called") if said.get("beside")] == ["lei", "fang"]


@pytest.mark.parametrize(("counts", "taken_by", "after"), [(False, None, ["ann"]), (True, "fang", [])])
def test_a_step_says_whether_the_familys_answer_ends_the_calls(
    story: Story, tmp_path: Path, counts: bool, taken_by: str | None, after: list[str]
) -> None:
    """In the order, 30 s each, before the station; without `counts` the station is called nevertheless."""
    step: dict[str, object] = {"relation": "family"} | ({"counts": True} if counts else {})
    hold(story, tmp_path / "p", contacts=[contact(story, "fang", "family")], policies=[policy(step, {"tier": "own"})])
    story.happens("fall")
    assert story.told() == ["fang"]
    actions.acknowledge(story.engine, story.incident().id, "fang", story.now_ms, via="link")
    story.forward(30)
    assert story.told() == after
    assert story.incident().acknowledged_by == taken_by


def test_a_policy_of_family_only_leaves_nobody_without_a_responder(story: Story, tmp_path: Path) -> None:
    """After the daughter the usual order."""
    hold(story, tmp_path / "p", contacts=[contact(story, "fang", "family")], policies=[policy({"relation": "family"})])
    story.happens("fall")
    story.forward(60)
    assert story.told() == ["fang", "ann", "bob"]


def test_who_stands_by_somebody_and_is_on_call_is_called_too_and_has_it(story: Story, tmp_path: Path) -> None:
    """Bob is the son and of the station: told at once as the one, called half a minute later as the other."""
    hold(story, tmp_path / "p", contacts=[link("bob", "family", notify="always")])
    story.happens("fall")
    incident = story.incident().id
    assert sorted(story.told()) == ["ann", "bob"]
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms).answer is Answer.NOTED
    story.forward(30)
    assert story.told() == ["bob"]
    assert actions.acknowledge(story.engine, incident, "bob", story.now_ms).done


def test_who_is_called_first_anyway_is_not_told_twice(story: Story, tmp_path: Path) -> None:
    """Ann of the station is the neighbour too."""
    hold(story, tmp_path / "p", contacts=[link("ann", "neighbour", notify="always")])
    story.happens("fall")
    assert story.told() == ["ann"]


def test_the_nearest_neighbours_are_called_together_and_who_is_far_or_away_is_not(
    any_story: Story, tmp_path: Path
) -> None:
    """Their answer is one: they go. Who is passed over has a reason on the time line."""
    story = any_story
    near, far = {"lat": 34.2602, "lon": 108.9202}, {"lat": 34.5, "lon": 108.92}
    hold(
        story, tmp_path / "p",
        contacts=[
            contact(story, "far", "neighbour", **far), contact(story, "next", "neighbour", lat=34.2601, lon=108.92),
            contact(story, "nowhere", "neighbour"), contact(story, "away", "neighbour", **near),
            contact(story, "across", "neighbour", lat=34.266, lon=108.92),
        ],
        policies=[
            policy({"relation": "neighbour", "within_min": 20, "together": True, "after_s": 45}, {"tier": "own"}),
        ],
    )  # fmt: skip
    at_door(story, "away", available=False)
    story.happens("fall")
    assert sorted(story.told()) == ["across", "next"]
    called = [said["responder"] for said in said_of(story.detail(), "called")]
    assert called == ["next", "across"]
    passed = {(said.get("responder"), said["reason"]) for said in said_of(story.detail(), "not_called")}
    assert passed == {("far", "too_far"), ("nowhere", "too_far"), ("away", "not_available")}
    story.forward(45)
    assert story.told() == ["ann"]
    assert actions.acknowledge(story.engine, story.incident().id, "across", story.now_ms).done
    story.forward(40)
    assert set(story.told()) <= {"next"}


def test_volunteers_go_nearest_first_from_where_they_are(story: Story, tmp_path: Path) -> None:
    """One at a time; the second is nearer since she said where she is."""
    hold(
        story, tmp_path / "p",
        contacts=[
            contact(story, "vera", "volunteer", lat=34.262, lon=108.92),
            contact(story, "will", "volunteer", lat=34.4, lon=108.92),
        ],
        policies=[policy({"relation": "volunteer", "after_s": 20}, {"tier": "own"})],
    )  # fmt: skip
    at_door(story, "will", lat=34.2601)
    story.happens("sos")
    story.forward(40)
    assert story.told() == ["will", "vera", "ann"]
    (first, *_) = said_of(story.detail(), "called")
    assert (first["relation"], first["from"], first["policy_step"]) == ("volunteer", "reported", 1)


def test_volunteers_of_the_area_stand_by_everybody_there(any_story: Story, tmp_path: Path) -> None:
    """Those of the station and of the street, linked to nobody; not those of the station beside."""
    story = any_story
    areas = {"vera": "d.street.station", "will": "d.street", "xu": "d.street.empty"}
    hold(
        story, tmp_path / "p",
        responders=[
            {"id": name, "name": name, "area": area, "roles": ["volunteer"], "channels": [hook(story, name)],
             "lat": 34.261, "lon": 108.92} for name, area in areas.items()
        ],
        contacts=[link("will", "volunteer")],
        policies=[policy({"relation": "volunteer", "together": True}, {"tier": "own"})],
    )  # fmt: skip
    story.happens("sos")
    assert sorted(story.told()) == ["vera", "will"]
    assert actions.acknowledge(story.engine, story.incident().id, "vera", story.now_ms).done


def test_a_relative_without_a_channel_is_named_and_costs_nothing(story: Story, tmp_path: Path) -> None:
    """A phone number alone is for people."""
    silent = contact(story, "fang", "family", notify="always", channels=[], phone="1380")
    hold(story, tmp_path / "p", contacts=[silent])
    story.happens("fall")
    assert story.told() == ["ann"]
    assert {"responder": "fang", "reason": "no_channel", "beside": True} in said_of(story.detail(), "not_called")


def test_when_nobody_answers_the_emergency_service_gets_all_that_is_known(any_story: Story, tmp_path: Path) -> None:
    """Community, street, district, and then the dispatch desk, which is on no roster; the door code never."""
    story = any_story
    other = {"id": "d999", "name": "999", "area": "d.street.empty", "roles": ["emergency"],
             "channels": [hook(story, "d999")]}  # fmt: skip
    dispatch = {"id": "d120", "name": "120", "area": "d", "roles": ["emergency"], "channels": [hook(story, "d120")]}
    desk = {"id": "desk", "name": "Desk", "area": "d", "phone": "029-1234", "channels": [hook(story, "desk")]}
    hold(
        story, tmp_path / "p",
        responders=[dispatch, desk, other],
        people=[{"key": "wang", "name": "Wang Xiuying", "area": "d.street.station", "address": "12 Fengqing Road",
                 "lat": 34.26, "lon": 108.92, "phone": "029-999", "risks": ["lives_alone", "wears_glasses"],
                 "conditions": ["heart_failure"]}],
        contacts=[contact(story, "zhang", "neighbour", has_key=True, phone="1380")],
        policies=[policy({"tier": "own", "together": True}, {"tier": "above"}, {"tier": "desk"}, {"emergency": True})],
    )  # fmt: skip
    story.happens("fall")
    story.forward(89)
    assert sorted(story.told()) == ["ann", "bob", "chen", "desk"]
    story.forward(1)
    (request,) = story.news()
    assert request.path == "/d120"
    emergency = request.data["emergency"]
    assert emergency["text"].splitlines() == [
        "Address: 12 Fengqing Road, Station",
        "Coordinates: 34.26000, 108.92000",
        "Who: Wang Xiuying, age not known",
        "What: Fall: Wang Xiuying, at 13:59.",
        "Known: lives alone, wears_glasses, heart failure",
        "Phone: 029-999",
        "Has a key: Zhang 1380",
        "Call back: 029-1234",
    ]
    assert (emergency["callback"], emergency["keys"], emergency["risks"][0]) == (
        "029-1234",
        ["Zhang 1380"],
        "lives_alone",
    )
    assert "emergency" not in story.sink.of("ann")[0].data
    assert actions.acknowledge(story.engine, story.incident().id, "d120", story.now_ms, via="link").done


FACTS = Facts(
    kind="fall", person="王秀英", address="丰庆路12号3-402", area="丰庆路站", device="w", onset_ms=START_MS,
    said_ms=None, now_ms=START_MS, historical=False, follow_up="no_movement",
)  # fmt: skip


def test_the_emergency_text_is_chinese_too_and_fits_a_text_message() -> None:
    """The door and the number to call back come before what may be cut."""
    known = KeyFacts(
        facts=FACTS, lat=34.2655, lon=108.923, risks=("lives_alone",), conditions=("diabetes",), callback="029-1234"
    )
    link = "https://c.example/a/abcdefghijklm"
    whole = emergency_text(known, "zh", SETTINGS.zone, link, short=False, repeat=False)
    assert whole.title == "紧急求助：跌倒，王秀英"
    assert whole.body.splitlines() == [
        "地址：丰庆路12号3-402、丰庆路站",
        "坐标：34.26550, 108.92300",
        "人员：王秀英、年龄未知",
        "情况：跌倒：王秀英，14:00。跌倒后一分钟内没有活动。",
        "须知：独居、糖尿病",
        "请回电：029-1234",
        "",
        "打开链接并点按按钮接警：",
        link,
    ]
    short = emergency_text(known, "zh", SETTINGS.zone, link, short=True, repeat=True)
    assert short.body == "重发：跌倒 14:00 丰庆路12号3-402 请回电029-1234 王秀英 独居 糖尿病"
    near = emergency_text(known, "zh", SETTINGS.zone, "https://c.cn/a/abc", short=True, repeat=False)
    assert near.body == "跌倒 14:00 丰庆路12号3-402 请回电029-1234 王秀英 独居 糖尿病 https://c.cn/a/abc"
    long = KeyFacts(facts=FACTS, risks=("disabled",) * 30, callback="029-1234")
    cut = emergency_text(long, "zh", SETTINGS.zone, link, short=True, repeat=False).body
    assert fits(cut)
    assert "丰庆路12号3-402 请回电029-1234" in cut


def someone(name: str, *, console: bool = True) -> ResponderEntry:
    """A responder with a console, or with nothing."""
    channels = (ChannelEntry(type="console"),) if console else ()
    return ResponderEntry(id=name, name=name, area="d", channels=channels)


def stands(name: str, relation: str) -> PersonContact:
    """A contact who is always told."""
    entry = ContactEntry(person="p", responder=name, relation=relation, notify="always")
    return PersonContact(entry, someone(name))


def test_what_a_step_says_of_somebody_goes_before_that_they_are_always_told() -> None:
    """And who is in the first step that reaches anybody is not told beside it."""
    contacts = [stands("a", "family"), stands("b", "neighbour")]
    steps = (
        Step(relation="nobody"), Step(relation="family", beside=True, counts=True), Step(relation="neighbour"), Step(),
    )  # fmt: skip
    policy = Policy(name="p", step_s=1, repeat_s=1, arrival_s=1, ask_wearer=True, steps=steps)
    on_call = [OnCall(someone("c"), "own", 0)]
    calls = by_steps(policy, Round([someone("c")]), on_call, {}, workday=True, contacts=contacts)
    assert [one.id for one in calls.order] == ["b", "c"]
    assert [(one.responder.id, one.counts, one.policy_step) for one in calls.beside] == [("a", True, 2)]
    assert calls.know_only == frozenset()
