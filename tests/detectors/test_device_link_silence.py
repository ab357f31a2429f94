"""Silence: of one device by its own rhythm, its heartbeat or its will; of an area once; and never because of us."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detection import Severity, Stage
from detectors.device.batch import Heard
from detectors.device.link import AREA_DEVICE, DETECTOR, DeviceBank
from detectors.device.link_parameters import LinkParameters
from detectors.parameters import params_hash
from tests.detectors.link_story import DAY, HOUR, MINUTE, LinkStory, ms, said, signs


def test_three_missed_heartbeats_are_offline_and_five_minutes_of_them_the_end() -> None:
    """One finding with values and limits, one end under the same id."""
    story = LinkStory()
    button = story.device("b1", kind="button")
    story.beats(button, 0, 601)
    story.beats(button, 1500, 3000)
    begun, over = story.play(2900)
    assert (begun.detector, begun.kind, begun.stage, begun.severity) == (
        DETECTOR, "offline", Stage.CONFIRMED, Severity.WARNING,
    )  # fmt: skip
    assert (begun.device, begun.person) == ("b1", "p")
    assert begun.onset_ms == ms(600)
    assert begun.decided_ms == ms(790)  # three heartbeats and ten seconds of grace
    assert begun.features == {"silent_s": 190.0, "limit_silent_s": 190.0, "heartbeat_s": 60.0}
    assert signs(begun) == {"sign": "heartbeat"}
    assert begun.params_hash == params_hash(LinkParameters())
    assert (over.id, over.stage, over.severity) == (begun.id, Stage.FOLLOW_UP, Severity.INFO)
    assert signs(over) == {"state": "over"}
    assert over.decided_ms == ms(1800)
    assert over.features["silent_s"] == 900.0


def test_two_missed_heartbeats_are_nothing() -> None:
    """A late third one neither."""
    story = LinkStory()
    story.beats(story.device("b1"), 0, 601)
    story.beats("b1", 785, 1500)
    assert story.play(1500) == []


def test_a_link_that_comes_and_goes_is_one_finding() -> None:
    """A hundred seconds of messages, five minutes of none, ten times over."""
    story = LinkStory()
    story.beats(story.device("w1"), 0, 60)
    for k in range(10):
        story.streams("w1", 400 * k, 400 * k + 100)
    story.streams("w1", 4000, 5000)
    assert said(story.play(4900)) == [("w1", "offline", "begins"), ("w1", "offline", "over")]


def test_after_its_end_a_silence_is_another_finding() -> None:
    """With an id and an onset of its own."""
    story = LinkStory()
    story.beats(story.device("b1"), 0, 601)
    story.beats("b1", 1200, 2401)
    found = story.play(3000)
    assert said(found) == [("b1", "offline", "begins"), ("b1", "offline", "over"), ("b1", "offline", "begins")]
    assert found[0].id != found[2].id
    assert found[2].onset_ms == ms(2400)


def test_a_will_need_not_wait_for_three_heartbeats() -> None:
    """A minute after it, by the sign of the will; a device that is back within that minute has only reconnected."""
    story = LinkStory()
    story.beats(story.device("b1"), 0, 301)
    story.status("b1", 330, online=False)
    story.beats(story.device("b2"), 0, 301)
    story.status("b2", 330, online=False)
    story.beats("b2", 345, 1000)
    found = story.play(600)
    assert said(found) == [("b1", "offline", "begins")]
    assert found[0].decided_ms == ms(390)
    assert found[0].onset_ms == ms(300)
    assert signs(found[0]) == {"sign": "will"}
    assert found[0].features["limit_will_s"] == 60.0


def test_an_announced_rest_is_no_silence() -> None:
    """Until it is over and another limit has passed; no rest is believed for longer than a day."""
    story = LinkStory()
    story.beats(story.device("w1"), 0, 61)
    story.rests("w1", 90, until_s=2 * HOUR)
    story.beats(story.device("w2"), 0, 61)
    story.rests("w2", 90, until_s=365 * DAY)
    found = story.play(2 * DAY)
    assert [(one.device, one.decided_ms) for one in found] == [
        ("w1", ms(2 * HOUR + 190)), ("w2", ms(90 + DAY + 190)),
    ]  # fmt: skip


def test_without_a_heartbeat_a_device_is_held_to_its_own_rhythm() -> None:
    """A wearable that is taken off every night for eight hours may do so; dead in the morning it is found by evening.
    Before its rhythm is known an hour is the limit."""
    story = LinkStory()
    story.device("w1")
    for day in range(7):
        story.streams("w1", day * DAY + 6 * HOUR, day * DAY + 22 * HOUR, every_s=60)
    found = story.play(7 * DAY + 22 * HOUR)
    nights = [one for one in found if one.onset_ms < ms(3 * DAY)]
    later = [one for one in found if one not in nights]
    assert said(nights) == [("w1", "offline", "begins"), ("w1", "offline", "over")] * (len(nights) // 2)
    assert len(nights) <= 6
    assert said(later) == [("w1", "offline", "begins")]
    silent_h = later[0].features["silent_s"] / HOUR
    assert 8 < silent_h < 14
    assert signs(later[0]) == {"sign": "rhythm"}


def test_what_follows_people_may_be_silent_for_a_day() -> None:
    """A door that nobody opens; and a button that nobody presses promises nothing at all."""
    story = LinkStory()
    for name, stream in (("door", Heard.HOME), ("button", Heard.EVENT)):
        story.device(name)
        story.streams(name, 0, HOUR, every_s=600, stream=stream)
    found = story.play(40 * DAY, cuts_s=np.arange(0, 40 * DAY, DAY).tolist())
    assert said(found) == [("door", "offline", "begins")]
    assert found[0].decided_ms == ms(50 * MINUTE + 90_000)


def test_a_broken_promise_that_is_kept_up_becomes_the_rhythm() -> None:
    """It declares a minute and speaks every ten: found for three days, then believed; a real silence is found."""
    story = LinkStory()
    story.status(story.device("w1"), 0, heartbeat_s=60.0)
    story.streams("w1", 0, 6 * DAY, every_s=600, stream=Heard.STATUS)
    found = story.play(6 * DAY - 300)
    assert found
    assert max(one.onset_ms for one in found) < ms(3 * DAY + HOUR)
    assert said(story.play(7 * DAY)) == [("w1", "offline", "begins")]


def test_a_device_that_nobody_has_is_only_information_and_one_that_is_removed_ends() -> None:
    """Spares lie in drawers."""
    story = LinkStory()
    story.beats(story.device("spare", person=None), 0, 61)
    story.beats(story.device("w1"), 0, 2000)
    (begun,) = story.play(600)
    assert (begun.device, begun.severity) == ("spare", Severity.INFO)
    story.device("spare", person=None, watched=False)
    assert said(story.play(700)) == [("spare", "offline", "over")]
    assert story.play(1900) == []


def outage(
    story: LinkStory, names: list[str], *, at_s: float, back_s: float, until_s: float, beat_s: float = 60.0
) -> None:
    """Heartbeats of devices that began at different instants, none between ``at_s`` and ``back_s``."""
    for k, name in enumerate(names):
        start_s = (k * 17.0) % beat_s
        story.beats(name, start_s, at_s, heartbeat_s=beat_s)
        story.beats(name, back_s + k % 30, until_s, heartbeat_s=beat_s)


def test_an_area_that_falls_silent_is_one_finding() -> None:
    """Thirty devices of one estate among three: the estate is named, nobody alone; it ends when they are back."""
    story = LinkStory()
    for estate in ("a", "b", "c"):
        names = [story.device(f"{estate}{k}", person=f"p-{estate}{k}", area=f"city.street.{estate}") for k in range(30)]
        at_s = 1200.0 if estate == "b" else 5000.0
        outage(story, names, at_s=at_s, back_s=3000.0 if estate == "b" else 5000.0, until_s=5000.0)
    begun, over = story.play(4900)
    assert said([begun, over]) == [(AREA_DEVICE, "area_offline", "begins"), (AREA_DEVICE, "area_offline", "over")]
    assert signs(begun) == {"area": "city.street.b"}
    assert begun.person is None
    assert ms(1140) < begun.onset_ms <= ms(1200)
    assert ms(1300) < begun.decided_ms <= ms(1200 + 190 + 70)
    assert begun.features["silent_devices"] == 30
    assert begun.features["silent_pct"] == 100.0
    assert begun.features["limit_silent_pct"] == 60.0
    assert over.id == begun.id
    assert ms(3300) <= over.decided_ms <= ms(3400)


@pytest.mark.parametrize(
    ("dead", "named"),
    [
        ({"a": 30, "b": 30, "c": 30}, "city.street"),
        ({"a": 30, "b": 30, "c": 2}, "city.street"),
        ({"a": 25, "b": 1, "c": 1}, "city.street.a"),
        ({"a": 19, "b": 0, "c": 0}, "city.street.a"),
    ],
)
def test_the_smallest_area_that_explains_a_silence_is_named(dead: dict[str, int], named: str) -> None:
    """Of three estates with thirty devices each; a few that die elsewhere at the same time do not widen it."""
    story = LinkStory()
    for estate, count in dead.items():
        for k in range(30):
            name = story.device(f"{estate}{k}", person=f"p-{estate}{k}", area=f"city.street.{estate}")
            story.beats(name, (k * 7) % 60, 1200 if k < count else 3000)
    found = story.play(2900)
    areas = [one for one in found if one.kind == "area_offline"]
    assert [one.notes["area"] for one in areas] == [named]
    alone = sum(dead.values()) - int(areas[0].features["silent_devices"])
    assert len([one for one in found if one.kind == "offline"]) == alone


def test_half_of_an_area_is_not_the_area() -> None:
    """Fifteen of thirty: fifteen findings, at once."""
    story = LinkStory()
    for k in range(30):
        story.beats(story.device(f"a{k}", person=f"p{k}", area="city.a"), (k * 7) % 60, 1200 if k < 15 else 3000)
    found = story.play(2900)
    assert sorted(one.device for one in found) == sorted(f"a{k}" for k in range(15))
    assert all((one.decided_ms - one.onset_ms) / 1000 <= 200 for one in found)


def test_four_devices_are_no_area() -> None:
    """All that an estate has: four findings."""
    story = LinkStory()
    for k in range(4):
        story.beats(story.device(f"a{k}", person=f"p{k}", area="city.a"), k, 1200)
    assert [one.kind for one in story.play(3000)] == ["offline"] * 4


def test_a_home_that_falls_silent_is_one_finding_about_the_home() -> None:
    """A dead router: the hub's twelve sensors and the wearable are not thirteen findings; the neighbours are well."""
    story = LinkStory()
    for home in range(6):
        for k in range(13):
            name = story.device(f"h{home}-{k}", person=f"p{home}", area="city.a")
            story.beats(name, k, 1200 if home == 2 else 3000)
    (found,) = story.play(2900)
    assert (found.kind, found.person, signs(found)) == ("area_offline", "p2", {"area": "city.a", "home": "p2"})


def test_different_heartbeats_make_no_difference() -> None:
    """Ten seconds, one minute, five minutes, and wearables that stream: one power cut, one finding."""
    story = LinkStory()
    for k in range(40):
        heartbeat_s = (10.0, 60.0, 300.0, 60.0)[k % 4]
        name = story.device(f"a{k}", person=f"p{k}", area="city.a")
        story.beats(name, k % heartbeat_s, 1800, heartbeat_s=heartbeat_s)
        if k % 4 == 3:
            story.streams(name, k, 1800, every_s=5)
    for k in range(20):
        story.beats(story.device(f"b{k}", person=f"q{k}", area="city.b"), k, 6000)
    found = story.play(5900)
    assert said(found) == [(AREA_DEVICE, "area_offline", "begins")]
    assert found[0].notes["area"] == "city.a"


def test_an_outage_that_spreads_becomes_one_finding_about_the_wider_area() -> None:
    """First one estate, twenty minutes later the whole street: the smaller finding ends in the wider one."""
    story = LinkStory()
    for estate, at_s in (("a", 1200), ("b", 2400), ("c", 2400)):
        for k in range(20):
            name = story.device(f"{estate}{k}", person=f"p-{estate}{k}", area=f"city.street.{estate}")
            story.beats(name, k, at_s)
    for k in range(60):
        story.beats(story.device(f"o{k}", person=f"q{k}", area="city.other"), k, 6000)
    found = story.play(5000)
    assert [(one.notes["area"], one.notes.get("state"), one.notes.get("wider_area")) for one in found] == [
        ("city.street.a", None, None),
        ("city.street.a", "over", "city.street"),
        ("city.street", None, None),
    ]


def test_who_does_not_come_back_with_the_area_is_found_alone() -> None:
    """Three of thirty stay dead after the power is back."""
    story = LinkStory()
    for k in range(30):
        name = story.device(f"a{k}", person=f"p{k}", area="city.a")
        story.beats(name, k, 1200)
        if k >= 3:
            story.beats(name, 3000 + k, 6000)
    found = story.play(5900)
    assert said(found[:2]) == [(AREA_DEVICE, "area_offline", "begins"), (AREA_DEVICE, "area_offline", "over")]
    assert sorted(said(found[2:])) == [(f"a{k}", "offline", "begins") for k in range(3)]
    assert all(one.onset_ms < ms(1200) for one in found[2:])


def test_our_own_outage_is_nobodys_silence() -> None:
    """The gateway is away for two hours: time stands still, and everybody has a whole limit afterwards. Who died
    meanwhile is found."""
    story = LinkStory()
    for k in range(30):
        story.beats(story.device(f"a{k}", person=f"p{k}", area="city.a"), k, 1200)
        if k:
            story.beats(f"a{k}", 8400 + k * 4, 12_000)
    found = story.play(1200)
    for _ in range(20):  # ticks while nobody listens
        found += story.bank.update(None, ms(1200))
    story.bank.missed(ms(1200), ms(8400))
    found += story.play(11_900)
    assert said(found) == [("a0", "offline", "begins")]
    assert found[0].onset_ms == ms(1140)
    assert found[0].decided_ms == ms(8590)


def test_a_short_pause_of_ours_gives_nobody_more_time() -> None:
    """A gateway that reconnects all the time must not hide the dead."""
    story = LinkStory()
    story.beats(story.device("w1"), 0, 601)
    story.beats(story.device("w2"), 0, 3000)
    found = story.play(700)
    for k in range(10):
        story.bank.missed(ms(700 + 20 * k - 2), ms(700 + 20 * k))
        found += story.play(700 + 20 * (k + 1))
    assert said(found) == [("w1", "offline", "begins")]
    assert found[0].decided_ms == ms(790)


def ragged(story: LinkStory) -> None:
    """Everything that silence knows, mixed."""
    rng = np.random.default_rng(3)
    for k in range(24):
        name = story.device(f"w{k}", person=f"p{k // 3}", area=f"city.{'ab'[k % 2]}")
        at_s = float(rng.uniform(0, 60))
        while at_s < 6 * HOUR:
            story.beats(name, at_s, at_s + 61)
            if rng.random() < 0.1:
                story.status(name, at_s + 30, online=False)
            at_s += float(rng.choice([60] * 30 + [70, 130, 260, 900]))


def test_what_is_found_does_not_depend_on_batches_or_restarts() -> None:
    """Six hours of ragged links of two areas: whole, cut at random, restored after every cut."""
    whole = LinkStory()
    ragged(whole)
    expected = whole.play(6 * HOUR)
    assert len(expected) > 30
    cuts = np.random.default_rng(4).uniform(0, 6 * HOUR, 60).tolist()
    for restart in (False, True):
        story = LinkStory()
        ragged(story)
        assert story.play(6 * HOUR, cuts_s=cuts, restart=restart) == expected


def test_a_tick_before_anything_was_heard_finds_nothing() -> None:
    """Devices of the registry that never spoke are not silent: nobody knows whether they exist."""
    bank = DeviceBank()
    bank.add("w1", person="p1", area="city")
    assert bank.update(None, ms(0)) == []
    assert bank.update(None, ms(40 * DAY)) == []
