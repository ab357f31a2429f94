"""Stories of a policy that asks the wearer first: nobody is called while the question stands, and never longer."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import registry
from alerts import actions
from alerts.fusion import prompt_id
from alerts.lifecycle import Outcome, State
from alerts.policy import policy_of
from detectors.detection import Detection, Severity, Stage
from registry import PolicyEntry, PolicyStep
from tests.alerts.story import Story


def ask_first(story: Story, folder: Path, **values: object) -> None:
    """The district asks first from now on."""
    folder.mkdir(exist_ok=True)
    policy = {"id": "gentle", "area": "d", "steps": [{}], "ask": "first"} | values
    (folder / "policies.yaml").write_text(yaml.safe_dump([policy]), encoding="utf-8")
    diff = registry.import_folder(story.engine, folder)
    assert not diff.problems, [str(problem) for problem in diff.problems]


def answered(story: Story, fall: Detection) -> None:
    """The wearer presses "I am all right"."""
    story.happens("cancel", device="w-wang", notes={"re": prompt_id(fall.id)}, severity=Severity.INFO)


def test_a_fall_asks_the_wearer_and_calls_nobody_until_the_question_is_over(any_story: Story, tmp_path: Path) -> None:
    """60 seconds, also across a restart; then the calls begin as ever."""
    story = any_story
    ask_first(story, tmp_path / "p")
    story.happens("fall")
    (asked,) = story.commands()
    assert (asked.command.type, asked.command.expires_ms) == ("prompt", story.now_ms + 60_000)
    view = story.incident()
    assert (view.state, view.next_call_ms, view.notifying) == (State.OPEN, story.now_ms + 60_000, ())
    (waits,) = [entry.data for entry in story.detail().timeline if entry.what == "not_called"]
    assert waits == {"reason": "asked_first", "until_ms": story.now_ms + 60_000}
    story.forward(30)
    story.restart()
    story.forward(29)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["ann"]
    story.forward(30)
    assert (story.told(), story.incident().state) == (["bob"], State.NOTIFYING)


def test_the_wearers_answer_closes_it_and_nobody_is_told(any_story: Story, tmp_path: Path) -> None:
    """Not even that it is over."""
    story = any_story
    ask_first(story, tmp_path / "p")
    fall = story.happens("fall")
    story.forward(40)
    answered(story, fall)
    story.forward(300)
    assert story.news() == []
    view = story.incident()
    assert (view.state, view.outcome, view.resolved_by) == (State.RESOLVED, Outcome.CANCELLED, "wearer")


def test_the_answer_after_the_calls_began_still_ends_them(story: Story, tmp_path: Path) -> None:
    """As it does where both begin at once."""
    ask_first(story, tmp_path / "p", prompt_s=20)
    fall = story.happens("fall")
    assert story.commands()[0].command.expires_ms == story.now_ms + 20_000
    story.forward(21)
    answered(story, fall)
    story.forward(60)
    assert story.told() == ["ann"]
    assert story.incident().outcome is Outcome.CANCELLED


def test_the_time_counts_from_the_question_about_the_suspicion(story: Story, tmp_path: Path) -> None:
    """Asked at once, confirmed twelve seconds later: 48 are left. Confirmed after the time: called at once."""
    ask_first(story, tmp_path / "p")
    fall = story.happens("fall", stage=Stage.SUSPECTED)
    story.forward(12)
    story.happens("fall", id=fall.id)
    story.forward(47)
    assert story.told() == []
    story.forward(1)
    assert story.told() == ["ann"]
    assert len(story.commands()) == 1
    late = story.happens("fall", stage=Stage.SUSPECTED, device="w-zhao", person="zhao")
    story.forward(61)
    story.news()
    story.happens("fall", id=late.id, device="w-zhao", person="zhao")
    assert story.told() == ["chen"]


def test_an_answer_to_the_suspicion_leaves_nobody_called(story: Story, tmp_path: Path) -> None:
    """The confirmed fall is written down, and closed."""
    ask_first(story, tmp_path / "p")
    fall = story.happens("fall", stage=Stage.SUSPECTED)
    answered(story, fall)
    story.happens("fall", id=fall.id)
    story.forward(120)
    assert (story.told(), story.incident().outcome) == ([], Outcome.CANCELLED)


@pytest.mark.parametrize("kind", ["sos", "smoke"])
def test_only_what_is_asked_about_waits(story: Story, tmp_path: Path, kind: str) -> None:
    """An SOS, smoke, gas or vital signs call at once, alone and into a fall that waits."""
    ask_first(story, tmp_path / "p")
    story.happens(kind, device="w-zhao", person="zhao")
    assert story.told() == ["chen"]
    story.happens("fall")
    story.forward(5)
    assert story.told() == []
    story.happens(kind)
    assert story.told() == ["ann"]
    mine = [view for view in story.incidents() if view.person_key == "wang"]
    assert [view.state for view in mine] == [State.NOTIFYING]


def test_no_movement_and_rising_severity_begin_the_calls(story: Story, tmp_path: Path) -> None:
    """Also where it was critical from the start; somebody who moved has their time."""
    ask_first(story, tmp_path / "p", prompt_s=300)
    fall = story.happens("fall", severity=Severity.CRITICAL)
    follow = {"id": fall.id, "stage": Stage.FOLLOW_UP}
    story.forward(60)
    story.happens("fall", notes={"outcome": "still_lying"}, severity=Severity.URGENT, **follow)
    assert story.told() == []
    other = story.happens("fall", device="w-zhao", person="zhao", severity=Severity.CRITICAL)
    notes = {"outcome": "no_movement"}
    story.happens(
        "fall", id=other.id, stage=Stage.FOLLOW_UP, device="w-zhao", person="zhao", severity=Severity.CRITICAL,
        notes=notes,
    )  # fmt: skip
    assert story.told() == ["chen"]
    story.happens("fall", severity=Severity.CRITICAL)
    assert story.told() == ["ann"]


def test_a_second_fall_does_not_put_the_calls_off(story: Story, tmp_path: Path) -> None:
    """It is asked about too; the first question still ends when it does."""
    ask_first(story, tmp_path / "p")
    story.happens("fall")
    story.forward(50)
    story.happens("fall")
    assert story.told() == []
    story.forward(10)
    assert (story.told(), len(story.commands())) == (["ann"], 2)


def test_who_cannot_be_asked_is_not_waited_for(story: Story, tmp_path: Path) -> None:
    """A device that is unknown or nobody's, with and without a person in the finding."""
    ask_first(story, tmp_path / "p")
    for device in ("never-seen", "spare"):
        story.happens("fall", device=device, person=None)
        assert story.told() == ["desk"]
        story.forward(1)
    for device, person, told in (("never-seen", "wang", "ann"), ("spare", "zhao", "chen")):
        story.happens("fall", device=device, person=person)
        assert story.told() == [told]


def test_what_happened_hours_ago_waits_for_nobody(story: Story, tmp_path: Path) -> None:
    """The moment to ask has passed."""
    ask_first(story, tmp_path / "p")
    story.happens("fall", historical=True, onset_ms=story.now_ms - 36_000_000)
    assert (story.told(), story.commands()) == (["ann"], [])


def test_somebody_who_takes_it_while_the_question_stands_has_it(story: Story, tmp_path: Path) -> None:
    """A coordinator saw it on the board: no calls begin, and what is late is late all the same."""
    ask_first(story, tmp_path / "p", resolve_h=1)
    story.happens("fall")
    actions.on_scene(story.engine, story.incident().id, "ann", story.now_ms)
    story.forward(3_599)
    assert (story.told(), story.incident().state) == ([], State.ON_SCENE)
    story.forward(1)
    assert (story.told(), story.timeline()[-3]) == (["desk"], "not_resolved")


def test_never_asks_at_no_stage(story: Story, tmp_path: Path) -> None:
    """A wearer who would only be confused by it."""
    ask_first(story, tmp_path / "p", ask="never")
    fall = story.happens("fall", stage=Stage.SUSPECTED)
    story.happens("fall", id=fall.id)
    assert (story.commands(), story.told()) == ([], ["ann"])


def test_old_files_stay_valid_and_contradictions_are_named(story: Story, tmp_path: Path) -> None:
    """`ask_wearer: false` is never; with `ask: first` it is a mistake; numbers have their ranges."""
    entry = {"id": "p", "area": "d", "steps": (PolicyStep(),)}
    assert not policy_of(PolicyEntry(**entry, ask_wearer=False)).ask_wearer
    folder = tmp_path / "p"
    folder.mkdir()
    for values, words in (
        ({"ask": "first", "ask_wearer": False}, "leave ask_wearer out"),
        ({"ask": "later"}, "ask"),
        ({"prompt_s": 4}, "prompt_s"),
        ({"acknowledgements": 6}, "acknowledgements"),
    ):
        policy = [{"id": "p", "area": "d", "steps": [{}]} | values]
        (folder / "policies.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
        (problem,) = registry.import_folder(story.engine, folder).problems
        assert words in str(problem)
    ask_first(story, folder, prompt_s=90, acknowledgements=3)
    registry.export_folder(story.engine, tmp_path / "out", form="yaml")
    again = registry.import_folder(story.engine, tmp_path / "out")
    assert (again.problems, again.changes) == ([], [])
    kept = policy_of(registry.directory(story.engine).policies.by_area["d"][0])
    assert (kept.ask_first, kept.prompt_s, kept.acknowledgements) == (True, 90.0, 3)
