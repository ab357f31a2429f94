"""Worn by another person: a hint after two days of another gait or pulse; off by default, and why."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detection import Severity
from detectors.device.batch import Trait
from detectors.device.link_parameters import LinkParameters, WearerParameters
from detectors.device.wearer import gait
from tests.detectors.link_story import DAY, HOUR, LinkStory, ms, said, signs
from tests.detectors.wearers import rates, read_walks
from tests.servers.require import data_folder

ON = LinkParameters(wearer=WearerParameters(tells=True))
ANNA = {Trait.CADENCE: 92.0, Trait.BOUNCE: 0.15, Trait.STEP: 0.6, Trait.STRIDE: 0.75, Trait.PULSE: 66.0}
BERTA = {Trait.CADENCE: 118.0, Trait.BOUNCE: 0.24, Trait.STEP: 0.7, Trait.STRIDE: 0.8, Trait.PULSE: 78.0}


def wears(story: LinkStory, name: str, from_day: int, to_day: int, wearer: dict[Trait, float]) -> None:
    """Twenty measurements of each trait a day, with the scatter that people have."""
    rng = np.random.default_rng(from_day)
    for day in range(from_day, to_day):
        shape = {trait: value * rng.normal(1, 0.02) for trait, value in wearer.items()}
        for k in range(20):
            for trait, value in shape.items():
                story.trait(name, day * DAY + 8 * HOUR + k * 600, trait, value * rng.normal(1, 0.05))
        story.says(name, day * DAY + 8 * HOUR)


def hints(story: LinkStory, days: int) -> list:
    """What is said of wearers by then."""
    return [one for one in story.play(days * DAY + 60) if one.kind == "other_wearer"]


def test_another_wearer_is_a_hint_after_two_days_until_the_usual_one_has_it_again() -> None:
    """With what is usual and what is measured; of the lowest severity."""
    story = LinkStory(ON)
    story.device("w1", kind="wearable")
    wears(story, "w1", 0, 10, ANNA)
    wears(story, "w1", 10, 13, BERTA)
    wears(story, "w1", 13, 16, ANNA)
    begun, over = hints(story, 16)
    assert said([begun, over]) == [("w1", "other_wearer", "begins"), ("w1", "other_wearer", "over")]
    assert (begun.decided_ms, begun.onset_ms) == (ms(12 * DAY), ms(10 * DAY))
    assert (begun.severity, begun.score) == (Severity.INFO, 0.3)
    assert begun.features["usual_cadence_per_min"] == pytest.approx(92, abs=3)
    assert begun.features["cadence_per_min"] == pytest.approx(118, abs=5)
    assert begun.features["away_deviations"] > begun.features["limit_away_deviations"] == 3.0
    assert signs(begun) == {"sign": "gait"}
    assert over.decided_ms == ms(15 * DAY)


def test_a_pulse_alone_tells_too_and_one_other_day_does_not() -> None:
    """A wearable that measures no gait; a day of fever."""
    story = LinkStory(ON)
    for name in ("w1", "w2"):
        story.device(name, kind="wearable")
        wears(story, name, 0, 9, {Trait.PULSE: 62.0})
    wears(story, "w1", 9, 11, {Trait.PULSE: 88.0})
    wears(story, "w2", 9, 10, {Trait.PULSE: 88.0})
    wears(story, "w2", 10, 11, {Trait.PULSE: 62.0})
    found = hints(story, 11)
    assert said(found) == [("w1", "other_wearer", "begins")]
    assert signs(found[0]) == {"sign": "pulse"}


def test_another_gait_for_good_becomes_the_usual_one() -> None:
    """After a stroke: told once, over within two months."""
    story = LinkStory(ON)
    story.device("w1", kind="wearable")
    wears(story, "w1", 0, 14, BERTA)
    wears(story, "w1", 14, 74, ANNA)
    assert said(hints(story, 74)) == [("w1", "other_wearer", "begins"), ("w1", "other_wearer", "over")]


def test_a_device_given_to_somebody_else_learns_anew_and_few_measurements_say_nothing() -> None:
    """The registry knows the new wearer; three measurements a day are no day."""
    story = LinkStory(ON)
    story.device("w1", kind="wearable", person="anna")
    wears(story, "w1", 0, 10, ANNA)
    story.play(10 * DAY + 60)
    story.device("w1", kind="wearable", person="berta")
    wears(story, "w1", 11, 16, BERTA)
    for day in range(16, 20):
        for k in range(3):
            story.trait("w1", day * DAY + k, Trait.PULSE, 180.0)
    assert hints(story, 20) == []


def test_by_default_nothing_is_said_and_nothing_is_kept_of_wearers() -> None:
    """What is not finite or no trait is ignored where it is on."""
    story = LinkStory()
    story.device("w1", kind="wearable")
    wears(story, "w1", 0, 10, ANNA)
    wears(story, "w1", 10, 14, BERTA)
    assert hints(story, 14) == []
    assert story.bank.state()["wearers"] == {}
    story = LinkStory(ON)
    story.device("w1", kind="wearable")
    for value in (np.nan, np.inf, -np.inf, 1e300):
        story.trait("w1", 0, Trait.PULSE, value)
    story.trait("w1", 0, 99, 60.0)
    assert hints(story, 3) == []


def test_what_is_found_does_not_depend_on_batches_or_restarts() -> None:
    """Whole, cut at random, restored after every cut; a state from before it was switched on is no obstacle."""
    told = []
    cuts = np.random.default_rng(6).uniform(0, 16 * DAY, 40).tolist()
    for cuts_s, restart in (((), False), (cuts, False), (cuts, True)):
        story = LinkStory(ON)
        story.device("w1", kind="wearable")
        wears(story, "w1", 0, 10, ANNA)
        wears(story, "w1", 10, 13, BERTA)
        wears(story, "w1", 13, 16, ANNA)
        told.append(story.play(16 * DAY + 60, cuts_s=cuts_s, restart=restart))
    assert told[0] == told[1] == told[2]
    off = LinkStory()
    off.device("w1", kind="wearable")
    on = LinkStory(ON)
    on.bank.restore(off.bank.state())
    on.device("w1", kind="wearable")
    wears(on, "w1", 0, 10, ANNA)
    wears(on, "w1", 10, 13, BERTA)
    assert said(hints(on, 13)) == [("w1", "other_wearer", "begins")]


@pytest.mark.parametrize(("cadence", "fs_hz"), [(90.0, 50.0), (113.0, 50.0), (120.0, 100.0)])
def test_gait_is_measured_to_a_step_a_minute(cadence: float, fs_hz: float) -> None:
    """A body that bounces at each step, a little more at every other."""
    t_s = np.arange(0, 5, 1 / fs_hz)
    step_hz = cadence / 60
    bounce = 0.2 * np.sin(2 * np.pi * step_hz * t_s) + 0.08 * np.sin(np.pi * step_hz * t_s)
    acc_g = np.zeros((1, len(t_s), 3), np.float32)
    acc_g[0, :, 1] = 1 + bounce
    measured = gait(acc_g, fs_hz)[:, 0]
    assert measured[Trait.CADENCE] == pytest.approx(cadence, abs=1.0)
    assert measured[Trait.BOUNCE] == pytest.approx(bounce.std(), rel=0.01)
    assert measured[Trait.STRIDE] > measured[Trait.STEP] > 0.5


@pytest.mark.parametrize(
    ("dataset", "days", "right"), [("weda", 42, 0.36), ("sfmm_wrist", 26, 0.5), ("sfmm_hip", 28, 0.28)]
)
def test_at_one_pace_people_are_told_apart_without_a_false_hint(dataset: str, days: int, right: float) -> None:
    """Walks of a few seconds in one session, each taken for a day: at least so many of the others are seen."""
    measured = rates(read_walks(data_folder("falls"), dataset))
    assert (measured.same_days, measured.false_hints) == (days, 0)
    assert measured.hints / measured.other_days >= right


def test_who_walks_at_another_pace_looks_like_somebody_else_and_therefore_it_is_off() -> None:
    """26 people walking slowly: no false hint; the same walking quickly: nine of ten are."""
    walks = read_walks(data_folder("falls"), "sisfall")
    slow = rates([walk for walk in walks if walk.activity == "D01"])
    assert (slow.same_days, slow.false_hints) == (204, 0)
    assert slow.hints / slow.other_days >= 0.33
    quick = rates(walks, other="D02")
    assert quick.false_hints / quick.same_days > 0.5
    assert not WearerParameters().tells
