"""Stories of escalation policies: whom they call, when, on which channels, on which days, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import registry
from alerts import actions
from alerts.calling import Round
from alerts.lifecycle import Outcome, State
from alerts.policy import IMMEDIATE, Policy, Step, policy_of
from alerts.queries import IncidentDetail
from alerts.stepping import OnCall, by_steps
from detectors.detection import Severity
from registry import ChannelEntry, PolicyEntry, PolicyStep, ResponderEntry
from tests.alerts.story import START_MS, Story
from tests.servers.sink import SECRET, Answer

DAY_S = 86_400


def hold(story: Story, folder: Path, **tables: object) -> None:
    """The registry has these rows from now on."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, rows in tables.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(rows, allow_unicode=True), encoding="utf-8")
    diff = registry.import_folder(story.engine, folder)
    assert not diff.problems, [str(problem) for problem in diff.problems]


def policy(*steps: dict[str, object], area: str = "d", **values: object) -> dict[str, object]:
    """A policy of the district, as a file has it."""
    return {"id": f"policy-{area}", "area": area, "steps": list(steps)} | values


def hook(story: Story, name: str) -> dict[str, object]:
    """A webhook channel."""
    return {"type": "webhook", "url": story.sink.url(name), "secret": SECRET}


def said_of(detail: IncidentDetail, what: str) -> list[dict[str, object]]:
    """What the time line says of one thing."""
    return [entry.data for entry in detail.timeline if entry.what == what]


def test_a_step_calls_its_people_together_and_the_next_step_waits(any_story: Story, tmp_path: Path) -> None:
    """Both of the station at once; a minute later the desk; two minutes later from the top."""
    story = any_story
    hold(story, tmp_path / "p", policies=[
        policy({"tier": "own", "together": True, "after_s": 60}, {"tier": "desk"}),
    ])  # fmt: skip
    story.happens("fall")
    assert sorted(story.told()) == ["ann", "bob"]
    story.forward(59)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["desk"]
    story.forward(120)
    assert sorted(story.told()) == ["ann", "bob"]
    (opened,) = said_of(story.detail(), "opened")
    assert opened["policy"] == "policy-d"
    assert [each["policy_step"] for each in said_of(story.detail(), "called")] == [1, 1, 2, 1, 1]


def test_who_acknowledges_ends_the_calls_of_a_policy_too(any_story: Story, tmp_path: Path) -> None:
    """Also after a restart in between."""
    story = any_story
    hold(story, tmp_path / "p", policies=[policy({"tier": "own", "after_s": 10}, {"tier": "above", "after_s": 10})])
    story.happens("fall")
    story.forward(5)
    story.restart()
    story.forward(5)
    assert story.told() == ["ann", "bob"]
    actions.acknowledge(story.engine, story.incident().id, "bob", story.now_ms)
    story.forward(600)
    assert story.told() == []


def test_a_role_is_called_first_wherever_it_is_on_call(story: Story, tmp_path: Path) -> None:
    """The nurse of the street, then everybody else in the usual order, nobody twice."""
    nurse = {"id": "chen", "name": "陈", "area": "d.street", "roles": ["nurse"], "channels": [hook(story, "chen")]}
    hold(story, tmp_path / "p", responders=[nurse], policies=[policy({"role": "nurse"}, {})])
    story.happens("fall")
    story.forward(100)
    assert story.told() == ["chen", "ann", "bob", "desk"]


def test_a_layer_of_rosters_is_called_before_the_other(story: Story, tmp_path: Path) -> None:
    """The second layer at night, say; the plain order has none."""
    rosters = [
        {"id": f"r{layer}", "area": "d.street.station", "zone": "Asia/Shanghai", "layer": layer, "turns": [who],
         "start": "2026-03-02T08:00"}
        for layer, who in ((1, "bob"), (2, "chen"))
    ]  # fmt: skip
    hold(story, tmp_path / "p", rosters=rosters, policies=[policy({"layer": 2}, {"layer": 1}, {"tier": "desk"})])
    story.happens("fall")
    story.forward(60)
    assert story.told() == ["chen", "bob", "desk"]


def test_people_can_be_named_whether_they_are_on_call_or_not(story: Story, tmp_path: Path) -> None:
    """A doctor who is on no roster."""
    doctor = {"id": "doc", "name": "Doc", "area": "d", "channels": [hook(story, "doc")]}
    hold(story, tmp_path / "p", responders=[doctor], policies=[
        policy({"tier": "own", "after_s": 20}, {"responders": ["doc", "ann"]}),
    ])  # fmt: skip
    story.happens("fall")
    story.forward(40)
    assert story.told() == ["ann", "bob", "doc"]


def test_a_step_uses_its_channels_only_and_passes_over_who_has_none_of_them(story: Story, tmp_path: Path) -> None:
    """Bob has the console; Ann has not, and the time line says so."""
    hold(story, tmp_path / "p", policies=[policy({"tier": "own", "channels": ["console"]}, {"tier": "desk"})])
    story.happens("fall")
    assert story.told() == []
    assert sorted((each.responder, each.channel, each.reason) for each in story.detail().notifications) == [
        ("ann", "none", "no_channel"), ("bob", "console", "shown"),
    ]  # fmt: skip
    story.forward(30)
    assert story.told() == ["desk"]


@pytest.mark.parametrize(
    ("days_on", "holidays", "called"),
    [
        (0, [], ["ann", "desk"]),  # a Tuesday
        (0, [{"area": "d", "date": "2026-03-03"}], ["desk"]),
        (4, [], ["desk"]),  # a Saturday
        (4, [{"area": "d.street", "date": "2026-03-07", "workday": True}], ["ann", "desk"]),
    ],
)
def test_a_step_of_working_days_is_passed_over_on_others(
    story: Story, tmp_path: Path, days_on: int, holidays: list[dict[str, object]], called: list[str]
) -> None:
    """By the holidays of the area, and of those above."""
    hold(story, tmp_path / "p", holidays=holidays, policies=[
        policy({"responders": ["ann"], "workdays": True}, {"tier": "desk"}),
    ])  # fmt: skip
    story.now_ms += days_on * DAY_S * 1000
    story.happens("fall")
    story.forward(30)
    assert story.told() == called


def test_a_working_day_begins_at_midnight_of_the_policys_zone(story: Story, tmp_path: Path) -> None:
    """Saturday 00:30 in Shanghai is Friday in London."""
    story.now_ms = START_MS + 3 * DAY_S * 1000 + 10 * 3_600_000 + 1_800_000
    hold(story, tmp_path / "p", policies=[policy({"responders": ["ann"], "workdays": True}, {"tier": "desk"})])
    story.happens("fall")
    assert story.told() == ["desk"]
    hold(story, tmp_path / "p", policies=[
        policy({"responders": ["ann"], "workdays": True}, {"tier": "desk"}, zone="Europe/London"),
    ])  # fmt: skip
    story.happens("fall", person="zhao", device="w-zhao")
    assert story.told() == ["ann"]


def test_the_nearest_area_decides_and_there_the_policy_of_the_kind(story: Story, tmp_path: Path) -> None:
    """SOS of the street have one, the district has one for all."""
    hold(story, tmp_path / "p", policies=[
        policy({"tier": "desk"}),
        policy({"responders": ["chen"]}, area="d.street", kinds=["sos", "smoke"]),
        policy({"responders": ["bob"]}, area="d.street", id="rest"),
    ])  # fmt: skip
    story.happens("sos")
    assert story.told() == ["chen"]
    story.happens("fall", person="zhao", device="w-zhao")
    assert story.told() == ["bob"]
    story.happens("fall", person=None, device="spare")
    assert story.told() == ["desk"]


def test_a_policy_that_leads_to_nobody_leaves_the_usual_order(any_story: Story, tmp_path: Path) -> None:
    """Nobody of the layer is on call, and the one who is named has no channel."""
    story = any_story
    hold(story, tmp_path / "p", policies=[policy({"layer": 7}, {"responders": ["mute"]})])
    story.happens("fall")
    story.forward(30)
    assert story.told() == ["ann", "bob"]


def test_a_changed_policy_leaves_open_incidents_alone(story: Story, tmp_path: Path) -> None:
    """They go on with the one that they were opened with."""
    hold(story, tmp_path / "p", policies=[policy({"tier": "own", "after_s": 40})])
    story.happens("fall")
    hold(story, tmp_path / "p", policies=[policy({"tier": "desk", "after_s": 5})])
    story.forward(39)
    assert story.told() == ["ann"]
    story.forward(1)
    assert story.told() == ["bob"]


def test_nobody_at_the_door_in_the_policys_time_calls_again_by_its_steps(story: Story, tmp_path: Path) -> None:
    """Five minutes here."""
    hold(story, tmp_path / "p", policies=[policy({"responders": ["chen"]}, {"tier": "desk"}, arrival_s=300)])
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "chen", story.now_ms)
    assert story.told() == ["chen"]
    story.forward(299)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["chen"]
    story.forward(30)
    assert story.told() == ["desk"]


def test_an_incident_that_is_open_for_hours_is_told_to_the_desk(any_story: Story, tmp_path: Path) -> None:
    """Two hours here, and again after two more; closed, it is told no more."""
    story = any_story
    hold(story, tmp_path / "p", policies=[policy({"tier": "own"}, resolve_h=2)])
    story.happens("fall")
    incident = story.incident().id
    actions.on_scene(story.engine, incident, "ann", story.now_ms)
    assert story.told() == ["ann"]
    story.forward(7_199)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["desk"]
    story.forward(7_200)
    assert story.told() == ["desk"]
    assert len(said_of(story.detail(), "not_resolved")) == 2
    assert story.incident().state is State.ON_SCENE
    actions.resolve(story.engine, incident, "ann", story.now_ms, outcome=Outcome.TRUE)
    story.forward(20_000)
    assert story.told() == []


def test_an_incident_nobody_takes_for_hours_says_so_while_the_calls_go_on(story: Story, tmp_path: Path) -> None:
    """The desk is in the rounds or not, as the policy has it."""
    hold(story, tmp_path / "p", policies=[policy({"tier": "own"}, repeat_s=1800, resolve_h=1)])
    story.happens("fall")
    story.forward(3_700)
    assert len(said_of(story.detail(), "not_resolved")) == 1
    assert set(story.told()) == {"ann", "bob"}


def test_the_wearer_is_asked_as_the_policy_has_it(story: Story, tmp_path: Path) -> None:
    """Here not."""
    hold(story, tmp_path / "p", policies=[policy({}, ask_wearer=False)])
    story.happens("fall")
    assert [each for each in story.commands() if each.command.type == "prompt"] == []


def test_a_step_that_cannot_be_reached_gives_its_time_to_the_next(story: Story, tmp_path: Path) -> None:
    """An endpoint that is gone does not cost the ten minutes of its step."""
    hold(story, tmp_path / "p", policies=[policy({"responders": ["ann"], "after_s": 600}, {"tier": "desk"})])
    story.sink.default["ann"] = Answer(410)
    story.happens("fall")
    assert story.told() == ["ann", "desk"]


def test_what_happened_hours_ago_and_places_without_a_policy_go_the_built_in_way(story: Story, tmp_path: Path) -> None:
    """Out of a device's buffer: two minutes each, whatever the policy says."""
    hold(story, tmp_path / "p", policies=[policy({"tier": "desk"})])
    story.happens("fall", historical=True, onset_ms=START_MS - 36_000_000)
    assert story.told() == ["ann"]
    story.forward(120)
    assert story.told() == ["bob"]


def test_a_missed_visit_keeps_its_own_policy(story: Story, tmp_path: Path) -> None:
    """Half an hour each, in the usual order."""
    hold(story, tmp_path / "p", policies=[policy({"tier": "desk"})])
    story.happens("visit_missed", detector="visits", severity=Severity.WARNING)
    assert story.told() == ["ann"]
    story.forward(1_800)
    assert story.told() == ["bob"]
    (opened,) = said_of(story.detail(), "opened")
    assert opened["policy"] == "visit"


def test_higher_severity_tells_whoever_has_it(story: Story, tmp_path: Path) -> None:
    """Also when the policy does not name them any more."""
    hold(story, tmp_path / "p", policies=[policy({"tier": "desk"})])
    story.happens("fall")
    actions.acknowledge(story.engine, story.incident().id, "desk", story.now_ms)
    assert story.told() == ["desk"]
    story.forward(60)
    story.happens("sos")
    assert story.told() == ["desk"]
    assert story.incident().severity is Severity.CRITICAL


def person(name: str, *roles: str) -> ResponderEntry:
    """Somebody with a console."""
    return ResponderEntry(id=name, name=name, area="d", roles=roles, channels=(ChannelEntry(type="console"),))


def test_without_steps_a_round_stays_as_it_is() -> None:
    """The built-in policy."""
    calls = Round([person("a"), person("b")])
    assert by_steps(IMMEDIATE, calls, [], {}, workday=True) is calls


def test_somebody_is_called_in_the_first_step_that_fits_and_with_its_time() -> None:
    """The last of a step that is called together has the whole of it."""
    a, b, c = person("a", "nurse"), person("b", "nurse"), person("c")
    on_call = [OnCall(a, "own", 1), OnCall(b, "above", 0), OnCall(c, "desk", 0)]
    steps = (Step(role="nurse", together=True, after_s=45), Step(after_s=15))
    policy = Policy(name="p", step_s=1, repeat_s=1, arrival_s=1, ask_wearer=True, steps=steps)
    calls = by_steps(policy, Round([a, b, c]), on_call, {}, workday=True)
    assert [one.id for one in calls.order] == ["a", "b", "c"]
    assert dict(calls.waits) == {"a": 0.0, "b": 45, "c": 15}


def test_a_policy_of_the_registry_is_kept_whole_with_the_incident() -> None:
    """Every field of a step has its place."""
    step = PolicyStep(tier="own", layer=2, role="nurse", after_s=7, together=True, channels=("console",), workdays=True)
    kept = policy_of(PolicyEntry(id="p", area="d", steps=(step,), resolve_h=2, zone="Europe/London"))
    assert kept.steps == (
        Step(tier="own", layer=2, role="nurse", after_s=7, together=True, channels=("console",), workdays=True),
    )
    assert (kept.resolve_s, kept.zone) == (7200, "Europe/London")
