"""People: traits of their age, days by the local hour, and falls that end as the truth says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from firmware_sim.day_plan import DayPlan, plan_day
from firmware_sim.errors import ScenarioError
from firmware_sim.motion import FS_HZ, LSB_G, Clip
from firmware_sim.people import Aftermath, People, Traits, draw_aftermath, draw_traits
from firmware_sim.population import build_devices
from firmware_sim.scenario import parse_scenario
from firmware_sim.synthetic import Synthetic
from firmware_sim.track import Track
from firmware_sim.wearer import Wearer
from telemetry.messages import Command

HOUR_MS = 3_600_000
#: Midnight in the time zone of scenarios.
MIDNIGHT = 1_789_920_000_000


def crowd(count: int = 2000, **values: Any) -> list[Traits]:
    """People drawn from one seed."""
    rng = np.random.default_rng(4)
    people = People(**values)
    return [draw_traits(people, rng) for _ in range(count)]


def wearers(text: str, start_ms: int = MIDNIGHT, seed: int = 3) -> list[Wearer]:
    """Of a scenario, on synthetic motion."""
    devices = build_devices(parse_scenario(f"{{name: t, {text}}}", "t"), Synthetic(seed), seed, start_ms)
    return [device for device in devices if isinstance(device, Wearer)]


def moving_share(found: list[Wearer], seconds: int) -> float:
    """Of the seconds, those in which the acceleration varies by more than a sensor at rest does."""
    moving = []
    for wearer in found:
        acc = wearer.track.take(seconds * FS_HZ)[0].reshape(seconds, FS_HZ, 3) * LSB_G
        moving.append(np.sqrt(acc.var(axis=1).sum(axis=1)) > 0.04)
    return float(np.mean(moving))


def test_old_people_are_spread_over_ages_and_walk_as_their_age_does() -> None:
    """Shares of the census, walking speeds of the meta-analysis, more sticks the older."""
    people = crowd()
    ages = np.array([one.age for one in people])
    assert ages.min() >= 60
    assert ages.max() <= 95
    assert np.mean(ages < 70) == pytest.approx(0.558, abs=0.04)
    assert np.mean(ages >= 80) == pytest.approx(0.136, abs=0.03)
    old = crowd(age=(80, 95))
    assert np.mean([one.speed_m_s for one in people if one.sex == "m" and one.age < 68]) == pytest.approx(1.3, abs=0.08)
    assert np.mean([one.speed_m_s for one in old if one.sex == "f"]) == pytest.approx(0.94, abs=0.08)
    assert 0.09 < np.mean([one.stick for one in people]) < 0.19
    assert np.mean([one.stick for one in old]) > 1.5 * np.mean([one.stick for one in people])
    assert np.percentile([one.step_hz for one in people], 5) > 1.2
    assert np.percentile([one.step_hz for one in people], 95) < 2.2


def test_the_fit_are_faster_and_ages_beyond_the_census_can_be_asked_for() -> None:
    """Fitness moves a whole crowd; young wearers are drawn evenly."""
    frail, fit = (crowd(500, fitness=by) for by in (-0.3, 0.3))
    assert np.mean([one.speed_m_s for one in fit]) > 1.15 * np.mean([one.speed_m_s for one in frail])
    assert {20 <= one.age <= 30 for one in crowd(50, age=(20, 30))} == {True}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("people: {age: [80, 70]}", r"least <= most.*\$\.people"),
        ("people: {outcomes: {gets_up: 0, lies: 0, unconscious: 0}}", r"more than 0.*\$\.people\.outcomes"),
        ("people: {fitnes: 0}", r"unknown field `fitnes`"),
        ("models: [{name: a, fs: 40}]", r"\$\.models\[0\]\.fs"),
        ("models: [{name: a, axes: +x+x+z}]", r"each of x, y and z once.*\$\.models\[0\]"),
    ],
)
def test_a_wrong_section_is_named_with_its_place(section: str, said: str) -> None:
    """As every other field of a scenario."""
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(f"{{name: t, wearers: {{count: 1}}, {section}}}", "t")


def test_shared_motion_has_no_models() -> None:
    """It is encoded beforehand, for one."""
    with pytest.raises(ScenarioError, match=r"wearers\.motion: own.*\$\.models"):
        parse_scenario("{name: t, wearers: {count: 1, motion: pool}, models: [{name: a}]}", "t")


def test_a_day_has_a_night_three_meals_and_ten_hours_of_sitting_or_lying_awake() -> None:
    """Sleep over midnight, getting up to wash; waking hours at rest as old people's are."""
    rng = np.random.default_rng(1)
    asleep, rests = [], []
    for traits in crowd(200):
        starts, activities = plan_day(traits, rng)
        lasts = dict.fromkeys(activities, 0.0)
        for activity, start, end in zip(activities, starts, [*starts[1:], 86_400.0], strict=True):
            assert end > start
            lasts[activity] += (end - start) / 3600
        assert (starts[0], activities[0], activities[-1]) == (0.0, "sleep", "sleep")
        assert activities.count("meal") == 3
        assert activities[activities.index("meal") - 1] == "wash"
        asleep.append(lasts["sleep"])
        rests.append(sum(lasts.get(kind, 0.0) for kind in ("sit", "tv", "nap", "meal")))
    assert 7 < np.mean(asleep) < 10
    assert 7 < np.mean(rests) < 11


def test_a_plan_is_that_of_the_local_hour_whatever_the_run_starts_with() -> None:
    """A run that starts later is the same day from there on; another person has another day."""
    traits = crowd(1)[0]
    at_six, at_noon = (
        DayPlan(traits, (1, 2), origin_ms=MIDNIGHT + hour * HOUR_MS, utc_offset_s=8 * 3600) for hour in (6, 12)
    )
    for second in range(0, 40_000, 700):
        activity, left_s = at_noon.at(second)
        same, same_left_s = at_six.at(second + 6 * 3600)
        assert (activity, left_s) == (same, pytest.approx(same_left_s))
    other = DayPlan(traits, (1, 3), origin_ms=MIDNIGHT, utc_offset_s=8 * 3600)
    here = DayPlan(traits, (1, 2), origin_ms=MIDNIGHT, utc_offset_s=8 * 3600)
    assert [other.at(s) for s in range(0, 86_400, 900)] != [here.at(s) for s in range(0, 86_400, 900)]


def test_nights_are_still_and_mornings_are_not() -> None:
    """Ten people: hardly anything moves at two, something every other second or third at nine."""
    text = "wearers: {count: 10}, people: {}"
    night = moving_share(wearers(text, MIDNIGHT + 2 * HOUR_MS), 1800)
    morning = moving_share(wearers(text, MIDNIGHT + 9 * HOUR_MS), 600)
    assert night < 0.08
    assert 0.2 < morning < 0.8


def test_without_a_plan_the_hour_does_not_matter() -> None:
    """And the same seed makes the same motion."""
    text = "wearers: {count: 1}, people: {day_plan: false}"
    first, second = (wearers(text, MIDNIGHT + hour * HOUR_MS)[0] for hour in (2, 9))
    assert np.array_equal(first.track.take(3000)[0], second.track.take(3000)[0])


def test_how_falls_end_follows_the_weights() -> None:
    """And the time on the floor follows how they end."""
    rng = np.random.default_rng(2)
    people = People(up_after_s=(10, 60), helped_after_s=900)
    ends = [draw_aftermath(people, rng) for _ in range(1000)]
    share = {outcome: sum(end.outcome == outcome for end in ends) / 1000 for outcome in ("gets_up", "lies")}
    assert share == {"gets_up": pytest.approx(0.5, abs=0.05), "lies": pytest.approx(0.4, abs=0.05)}
    assert all(10 <= end.lies_s <= 60 if end.outcome == "gets_up" else end.lies_s == 900 for end in ends)


@pytest.mark.parametrize("placement", ["waist", "wrist"])
def test_after_a_fall_people_move_as_their_outcome_says(placement: str) -> None:
    """Unconscious: nothing at all. Lies: now and then. Gets up: on the feet again, with steps."""
    moves: dict[str, tuple[float, float]] = {}
    for outcome in ("unconscious", "lies", "gets_up"):
        lying, later = [], []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            source = Synthetic(seed).wearer(placement, rng, falls=True, traits=crowd(seed + 1)[seed])
            track = Track(source, [600], rng, aftermaths=[Aftermath(outcome, 30.0)])
            track.take(600 + 3 * FS_HZ)
            std = [np.sqrt((track.take()[0] * LSB_G).var(axis=0).sum()) for _ in range(60)]
            lying.append(np.mean(np.array(std[:30]) > 0.04))
            later.append(np.mean(np.array(std[35:55]) > 0.10))
        moves[outcome] = (float(np.mean(lying)), float(np.mean(later)))
    assert moves["unconscious"][0] == 0
    assert 0.1 < moves["lies"][0] < 0.8
    assert moves["gets_up"][1] > 0.25


def prompt(now_ms: int, lasts_s: float = 60.0) -> Command:
    """Are you all right?"""
    return Command(id="q", type="prompt", expires_ms=now_ms + int(lasts_s * 1000))


def answers(outcome: str, ask_after_s: float, lasts_s: float = 60.0) -> list[str]:
    """What is said by somebody who is asked ``ask_after_s`` after the fall; up after 10 s, or helped after 100."""
    weights = ", ".join(f"{name}: {int(name == outcome)}" for name in ("gets_up", "lies", "unconscious"))
    text = (
        "wearers: {count: 1, answers_prompts: true}, falls: [{at_s: 10, who: 1}], vitals: {every_s: 0}, "
        f"people: {{outcomes: {{{weights}}}, up_after_s: [10, 10], helped_after_s: 100}}"
    )
    wearer = wearers(text)[0]
    impact_ms = wearer.impact_ms(wearer.track.falls[0][0])
    now_ms = impact_ms + int(ask_after_s * 1000)
    wearer.wake(now_ms)
    wearer.command(prompt(now_ms, lasts_s), now_ms)
    wearer.wake(now_ms + 70_000)
    assert all(call.made_ms <= now_ms + lasts_s * 1000 + 6000 for call in wearer.calls)
    assert [end.outcome for end in wearer.aftermaths] == [outcome]
    return [call.kind for call in wearer.calls]


@pytest.mark.parametrize(
    ("outcome", "ask_after_s", "lasts_s", "answer"),
    [
        ("gets_up", 5, 60, ["cancel"]),
        ("gets_up", 5, 8, []),  # not up in time
        ("lies", 5, 60, ["sos"]),
        ("lies", 150, 60, ["cancel"]),  # was helped up
        ("unconscious", 5, 60, []),
        ("unconscious", 90, 60, []),
    ],
)
def test_a_prompt_is_answered_as_the_outcome_allows(
    outcome: str, ask_after_s: float, lasts_s: float, answer: list[str]
) -> None:
    """Who is up says so, who lies there calls for help, who is unconscious says nothing."""
    assert answers(outcome, ask_after_s, lasts_s) == answer


def test_a_clip_of_getting_up_ends_upright() -> None:
    """From level to upright at the waist, whoever it is."""
    rng = np.random.default_rng(9)
    for traits in crowd(5):
        clip: Clip = Synthetic(9).wearer("waist", rng, falls=False, traits=traits).everyday(rng, "get_up")
        start, end = clip.acc_g[:50].mean(0), clip.acc_g[-50:].mean(0)
        assert np.degrees(np.arccos(start @ end / np.linalg.norm(start) / np.linalg.norm(end))) > 50
        assert abs(end[1]) > 0.85  # the axis that points down
