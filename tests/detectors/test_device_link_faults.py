"""Lost messages, storms, batteries, clocks, wearing, tests: each found, with its values, until it is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.detection import Severity
from detectors.device.batch import Heard, Messages, empty_batch
from detectors.device.link import DeviceBank
from detectors.errors import DetectorError
from tests.detectors.link_story import DAY, HOUR, MINUTE, LinkStory, ms, said, signs


def lossy(story: LinkStory, name: str, from_s: float, to_s: float, lost: float, *, first: int) -> None:
    """A frame every five seconds of which a share never comes."""
    rng = np.random.default_rng(first)
    for k, at_s in enumerate(np.arange(from_s, to_s, 5.0).tolist()):
        if rng.random() >= lost:
            story.says(name, at_s, seq=first + k)


def test_two_hours_of_lost_messages_are_a_finding_and_two_of_whole_ones_its_end() -> None:
    """Eight of a hundred, counted by the sequence numbers."""
    story = LinkStory()
    lossy(story, story.device("w1"), 0, 5 * HOUR, 0.08, first=0)
    lossy(story, "w1", 5 * HOUR, 9 * HOUR, 0.005, first=3600)
    begun, over = story.play(9 * HOUR)
    assert said([begun, over]) == [("w1", "messages_lost", "begins"), ("w1", "messages_lost", "over")]
    assert begun.decided_ms == ms(2 * HOUR)
    assert 5 <= begun.features["lost_pct"] <= 11
    assert begun.features["of_messages"] == pytest.approx(720, abs=5)
    assert begun.features["limit_lost_pct"] == 5.0
    assert begun.severity is Severity.INFO
    assert over.decided_ms == ms(7 * HOUR)


def test_one_bad_hour_is_none() -> None:
    """An outage of twenty minutes whose frames nobody kept."""
    story = LinkStory()
    story.device("w1")
    story.status("w1", 0, heartbeat_s=600)
    lossy(story, "w1", 0, 90 * MINUTE, 0, first=0)
    lossy(story, "w1", 110 * MINUTE, 4 * HOUR, 0, first=1320)
    assert story.play(4 * HOUR) == []


def test_what_comes_late_or_twice_or_out_of_order_is_not_lost() -> None:
    """Frames swapped; a quarter of an hour delivered later from the buffer; a new boot counts from its own start."""
    story = LinkStory()
    story.device("w1")
    for hour in range(4):
        base = hour * HOUR
        for k in range(720):
            at_s = base + 5.0 * k
            late = 180 <= k < 360
            story.says("w1", base + 1800 + k if late else at_s, seq=(k ^ 1), boot=10 + hour, live=not late)
    assert story.play(4 * HOUR + 60) == []


def test_a_quiet_device_gathers_messages_over_hours() -> None:
    """Ten readings an hour, every third missing: told after twice sixty."""
    story = LinkStory()
    story.device("scale")
    story.status("scale", 0, heartbeat_s=3600)
    for k in range(200):
        if k % 3:
            story.says("scale", k * 360.0, Heard.VITALS, seq=k)
    found = story.play(20 * HOUR)
    assert said(found) == [("scale", "messages_lost", "begins")]
    assert found[0].features["of_messages"] >= 60
    assert found[0].decided_ms >= ms(11 * HOUR)


@pytest.mark.parametrize("sign", ["boots", "wills"])
def test_six_starts_in_an_hour_are_a_storm(sign: str) -> None:
    """Each a new boot, or a will; over after two calm hours."""
    story = LinkStory()
    story.beats(story.device("w1"), 0, 7 * HOUR)
    for k in range(12):
        if sign == "boots":
            story.says("w1", 3700 + 300.0 * k, Heard.MOTION, boot=100 + k, seq=0)
        else:
            story.status("w1", 3700 + 300.0 * k, online=False)
    begun, over = story.play(7 * HOUR)
    assert said([begun, over]) == [("w1", "reconnects", "begins"), ("w1", "reconnects", "over")]
    assert signs(begun) == {"sign": sign}
    assert begun.features[f"{sign}_per_hour"] == 6
    assert begun.features["limit_per_hour"] == 6
    assert begun.decided_ms <= ms(3700 + 300 * 6)
    assert over.decided_ms == ms(4 * HOUR)


def test_five_starts_an_hour_and_frames_of_an_earlier_boot_are_no_storm() -> None:
    """The buffer of the last boot is delivered between the frames of this one."""
    story = LinkStory()
    story.device("w1")
    for k in range(600):
        story.says("w1", 10.0 * k, boot=7, seq=k)
        if k < 200:
            story.says("w1", 10.0 * k + 5, boot=6, seq=k, live=False)
    for hour in range(4):
        for k in range(5):
            story.says("w1", 6000 + hour * HOUR + 600.0 * k, boot=100 + 5 * hour + k, seq=0)
    assert story.play(5 * HOUR) == []


def discharge(
    story: LinkStory, name: str, *, days: float, from_pct: float, per_day: float, every_s: float, noise: float = 0.0
) -> None:
    """Battery readings."""
    rng = np.random.default_rng(0)
    for at_s in np.arange(0, days * DAY, every_s).tolist():
        level = from_pct - per_day * at_s / DAY + rng.normal(0, noise)
        story.status(name, at_s, battery=float(np.clip(level, 0, 100)), heartbeat_s=every_s)


def test_a_low_battery_says_how_many_days_are_left() -> None:
    """A coin cell that loses half a per cent a day with noisy readings every hour; replaced, it is over."""
    story = LinkStory()
    discharge(story, story.device("door"), days=20, from_pct=24.0, per_day=0.5, every_s=3600, noise=0.3)
    (begun,) = story.play(20 * DAY)
    assert (begun.kind, begun.severity) == ("battery_low", Severity.WARNING)
    assert begun.features["battery_pct"] <= 15.0
    assert begun.features["limit_battery_pct"] == 15.0
    left_days = begun.features["battery_pct"] / 0.5
    assert begun.features["left_days"] == pytest.approx(left_days, rel=0.2)
    assert begun.features["loss_pct_per_day"] == pytest.approx(0.5, rel=0.2)
    for k in range(5):
        story.status("door", 20 * DAY + k * 60, battery=100.0)
    (over,) = story.play(20 * DAY + 600)
    assert over.id == begun.id
    assert signs(over) == {"state": "over"}


def test_a_battery_that_will_be_empty_soon_is_told_before_it_is_low() -> None:
    """Two per cent a day from 80: told at about 34, with 17 days to go."""
    story = LinkStory()
    discharge(story, story.device("door"), days=30, from_pct=80.0, per_day=2.0, every_s=1800, noise=0.5)
    (begun,) = story.play(30 * DAY)
    assert 30 <= begun.features["battery_pct"] <= 38
    assert begun.features["left_days"] == pytest.approx(17.0, abs=1.5)
    assert begun.features["limit_left_days"] == 17.0


def test_a_wearable_that_is_charged_every_ten_days_is_no_battery_to_replace() -> None:
    """It goes down to 30 per cent and is charged; the same course in a sensor is told."""
    story = LinkStory()
    for name, kind in (("w1", "wearable"), ("door", "sensor")):
        story.device(name, kind=kind)
        for at_s in np.arange(0, 30 * DAY, HOUR).tolist():
            story.status(name, at_s, battery=100.0 - 7.0 * (at_s / DAY % 10), heartbeat_s=HOUR)
    assert {one.device for one in story.play(30 * DAY) if one.kind == "battery_low"} == {"door"}


def test_wrong_readings_now_and_then_do_not_hide_how_fast_a_battery_empties() -> None:
    """One in fifteen says 0 or 100: no charge, no loss."""
    story = LinkStory()
    story.device("door")
    for k in range(24 * 46):
        wrong = k % 15 == 7
        level = (100.0 if k % 2 else 0.0) if wrong else 60.0 - k / 24
        story.status("door", k * HOUR, battery=level, heartbeat_s=HOUR)
    (begun,) = [one for one in story.play(46 * DAY) if one.kind == "battery_low"]
    assert begun.features["loss_pct_per_day"] == pytest.approx(1.0, rel=0.1)
    assert begun.features["left_days"] == pytest.approx(17.0, abs=1.5)


def test_a_wearable_that_is_charged_every_night_is_low_by_its_charge_only() -> None:
    """From 100 to 40 every day, and once to 10."""
    story = LinkStory()
    story.device("w1")
    for day in range(9):
        lowest = 10.0 if day == 8 else 40.0
        for k in range(96):
            down = k < 88
            level = 100 - (100 - lowest) * k / 88 if down else lowest + (100 - lowest) * (k - 88) / 8
            story.status("w1", day * DAY + k * 900, battery=level, heartbeat_s=900)
    found = story.play(9 * DAY)
    assert said(found) == [("w1", "battery_low", "begins"), ("w1", "battery_low", "over")]
    assert found[0].onset_ms > ms(8 * DAY)
    assert found[0].features["left_days"] < 1


def test_a_single_wrong_reading_is_no_low_battery() -> None:
    """Zero, twice in a row, now and then."""
    story = LinkStory()
    story.device("door")
    for k in range(200):
        story.status("door", 60.0 * k, battery=0.0 if k % 20 in (0, 1) else 77.0, heartbeat_s=60)
    assert story.play(200 * 60) == []


def test_a_sensor_that_speaks_once_a_day_has_a_trend_too() -> None:
    """Forty days, a reading a day."""
    story = LinkStory()
    discharge(story, story.device("door"), days=40, from_pct=50.0, per_day=1.0, every_s=DAY)
    found = [one for one in story.play(40 * DAY) if one.kind == "battery_low"]
    assert len(found) == 1
    assert found[0].features["loss_pct_per_day"] == pytest.approx(1.0, rel=0.05)


def test_a_clock_that_ingest_corrects_is_a_finding_until_it_is_right() -> None:
    """Eight hours behind for an hour, then restarted with the right time."""
    story = LinkStory()
    story.device("w1")
    story.streams("w1", 0, HOUR, every_s=5, clock_s=-8 * HOUR, offset_s=8 * HOUR)
    story.streams("w1", HOUR, 2 * HOUR, every_s=5, boot=2)
    begun, over = story.play(2 * HOUR)
    assert said([begun, over]) == [("w1", "clock", "begins"), ("w1", "clock", "over")]
    assert begun.decided_ms == ms(10)
    assert begun.features["offset_s"] == 8 * HOUR
    assert signs(begun) == {"fault": "behind"}
    assert begun.severity is Severity.INFO
    assert over.decided_ms <= ms(HOUR + 11 * MINUTE)


def test_a_clock_set_right_while_running_is_right() -> None:
    """From 1970, without a restart."""
    story = LinkStory()
    story.device("w1")
    off_s = (ms(0) / 1000) - 60
    story.streams("w1", 0, HOUR, every_s=5, clock_s=-off_s, offset_s=off_s)
    story.streams("w1", HOUR, 2 * HOUR, every_s=5)
    assert said(story.play(2 * HOUR)) == [("w1", "clock", "begins"), ("w1", "clock", "over")]


@pytest.mark.parametrize(
    ("clock_s", "told"), [(-80.0, True), (80.0, True), (-45.0, False), (45.0, False), (2.0, False)]
)
def test_a_clock_too_far_off_that_ingest_takes_for_right_is_told(clock_s: float, told: bool) -> None:
    """After three quarters of an hour; a long frame looks 40 s behind and is right."""
    story = LinkStory()
    story.device("w1")
    story.streams("w1", 0, 3 * HOUR, every_s=20, clock_s=clock_s)
    found = story.play(3 * HOUR)
    assert [one.kind for one in found] == ["clock"] * told
    if told:
        assert found[0].decided_ms == ms(45 * MINUTE)
        assert found[0].features["offset_s"] == pytest.approx(-clock_s, abs=0.2)
        assert signs(found[0]) == {"fault": "behind" if clock_s < 0 else "ahead"}


@pytest.mark.parametrize("ppm", [800.0, -800.0, 300.0])
def test_a_clock_that_runs_away_is_told_by_how_much_a_day(ppm: float) -> None:
    """Messages are delayed by up to ten seconds on their way, which does not hide it."""
    story = LinkStory()
    story.device("w1")
    rng = np.random.default_rng(1)
    for at_s in np.arange(0, 4 * HOUR, 10.0).tolist():
        made_s = at_s - rng.exponential(1.0)
        story.says("w1", at_s, clock_s=made_s - at_s - made_s * ppm * 1e-6)
    found = story.play(4 * HOUR)
    assert [one.kind for one in found] == ["clock_drift"] * (abs(ppm) > 500)
    if found:
        assert found[0].features["drift_ppm"] == pytest.approx(ppm, rel=0.15)
        assert found[0].features["drift_s_per_day"] == pytest.approx(ppm * 0.0864, rel=0.15)
        assert signs(found[0]) == {"fault": "slow" if ppm > 0 else "fast"}
        assert found[0].decided_ms <= ms(2 * HOUR)


def test_a_clock_that_is_set_in_steps_and_messages_that_dawdle_do_not_drift() -> None:
    """A clock that jumps by five seconds; a sensor that sends twice an hour with seconds of delay."""
    story = LinkStory()
    story.device("steps")
    story.device("slow")
    story.status("slow", 0, heartbeat_s=3600)
    rng = np.random.default_rng(2)
    for at_s in np.arange(0, 12 * HOUR, 30.0).tolist():
        story.says("steps", at_s, clock_s=5.0 * (int(at_s / HOUR / 3) % 2))
    for at_s in np.arange(0, 40 * HOUR, 700.0).tolist():
        story.says("slow", at_s, Heard.HOME, clock_s=-float(rng.uniform(0, 8)))
    assert [one for one in story.play(40 * HOUR) if one.kind != "offline"] == []


def test_a_wearable_that_lies_about_for_ten_hours_is_not_worn() -> None:
    """A knock at the table in between does not hide it; worn for an hour and a half, it is over. A hint."""
    story = LinkStory()
    story.device("w1", kind="wearable")
    story.wears("w1", 0, 5 * HOUR, worn=False)
    story.wears("w1", 5 * HOUR, 6 * HOUR, worn=True)
    story.wears("w1", 6 * HOUR, 15 * HOUR, worn=False)
    story.wears("w1", 15 * HOUR, 20 * HOUR, worn=True)
    begun, over = story.play(20 * HOUR)
    assert said([begun, over]) == [("w1", "not_worn", "begins"), ("w1", "not_worn", "over")]
    assert (begun.onset_ms, begun.severity, begun.score) == (ms(0), Severity.INFO, 0.5)
    assert ms(10 * HOUR) <= begun.decided_ms <= ms(10 * HOUR + 20)
    assert signs(begun) == {"sign": "still"}
    assert over.decided_ms == ms(16.5 * HOUR)


def test_a_night_on_the_charger_is_no_finding_and_a_spare_is_not_worn_by_nature() -> None:
    """Nine hours; and a device that nobody has."""
    story = LinkStory()
    story.device("w1", kind="wearable")
    story.device("spare", kind="wearable", person=None)
    for day in range(2):
        story.wears("w1", day * DAY, day * DAY + 9 * HOUR, worn=False)
        story.wears("w1", day * DAY + 9 * HOUR, (day + 1) * DAY, worn=True)
    story.wears("spare", 0, 2 * DAY, worn=False)
    assert story.play(2 * DAY) == []


def test_a_wearable_left_on_the_charger_says_so() -> None:
    """Its battery rose meanwhile."""
    story = LinkStory()
    story.device("w1", kind="wearable")
    story.wears("w1", 0, 11 * HOUR, worn=False)
    for k in range(40):
        story.status("w1", 600 + 60.0 * k, battery=50 + k)
    (found,) = [one for one in story.play(11 * HOUR) if one.kind == "not_worn"]
    assert signs(found) == {"sign": "charging"}


def test_buttons_and_wearables_that_nobody_tries_for_a_week_are_overdue() -> None:
    """Not sensors, not what nobody has, not what is silent anyway; a press of SOS or a test is the end."""
    story = LinkStory()
    kinds = {"b1": "button", "w1": "wearable", "door": "sensor", "fresh": "button", "dead": "button"}
    for name, kind in kinds.items():
        story.device(name, kind=kind)
        story.streams(name, 0, 10 * DAY if name != "dead" else DAY, every_s=3000, stream=Heard.STATUS)
    story.device("spare", kind="button", person=None)
    story.streams("spare", 0, 10 * DAY, every_s=3000, stream=Heard.STATUS)
    story.presses("fresh", 3 * DAY)
    story.presses("w1", 9 * DAY + 60)
    found = [one for one in story.play(10 * DAY) if one.kind == "test_overdue"]
    assert sorted(said(found)) == [
        ("b1", "test_overdue", "begins"), ("w1", "test_overdue", "begins"), ("w1", "test_overdue", "over"),
    ]  # fmt: skip
    assert found[0].features["untested_days"] == pytest.approx(8.0, abs=0.1)
    assert signs(found[0]) == {"sign": "never_tested"}


def test_another_wearer_has_a_week_of_their_own() -> None:
    """Handed over without a press on the seventh day: the test is due eight days later, not the next day."""
    story = LinkStory()
    story.device("b1", kind="button", person="anna")
    story.streams("b1", 0, 20 * DAY, every_s=3000, stream=Heard.STATUS)
    story.play(7 * DAY)
    story.device("b1", kind="button", person="berta")
    (found,) = [one for one in story.play(19 * DAY) if one.kind == "test_overdue"]
    assert found.person == "berta"
    assert ms(15 * DAY) <= found.decided_ms <= ms(15 * DAY + 2 * HOUR)


def test_a_thousand_clocks_that_are_wrong_at_once_are_found_in_no_time() -> None:
    """Of as many devices, twenty messages each within ten seconds."""
    bank = DeviceBank()
    rows = np.repeat([bank.add(f"w{k}", person=f"p{k}") for k in range(1000)], 20)
    m = len(rows)
    at_ms = np.sort(np.random.default_rng(0).integers(ms(0), ms(10), m))
    ones = np.ones(m, np.int64)
    messages = Messages(at_ms, rows, np.zeros(m, np.uint8), at_ms - 600_000, ones, ones, 600_000 * ones, ones > 0)
    found = bank.update(replace(empty_batch(), messages=messages), ms(20))
    assert [one.kind for one in found] == ["clock"] * 1000


def everything(story: LinkStory) -> None:
    """A day and a half with a bit of each fault."""
    for k in range(6):
        story.device(f"w{k}", person=f"p{k}", area="city.a", kind="wearable")
    lossy(story, "w0", 0, 6 * HOUR, 0.1, first=0)
    for k in range(10):
        story.says("w1", 3700 + 300.0 * k, boot=100 + k, seq=0)
    discharge(story, "w2", days=1.5, from_pct=20.0, per_day=8.0, every_s=600, noise=0.2)
    story.streams("w3", 0, 3 * HOUR, every_s=20, clock_s=-80)
    story.streams("w4", 0, 4 * HOUR, every_s=10, clock_s=-7200, offset_s=7200)
    story.streams("w4", 4 * HOUR, 6 * HOUR, every_s=10, boot=2)
    story.wears("w5", 0, 12 * HOUR, worn=False)
    story.wears("w5", 12 * HOUR, 14 * HOUR, worn=True)


def test_what_is_found_does_not_depend_on_batches_or_restarts() -> None:
    """Whole, cut at random, restored after every cut: the same findings, ids and instants."""
    whole = LinkStory()
    everything(whole)
    expected = whole.play(1.5 * DAY)
    assert {one.kind for one in expected} >= {
        "messages_lost", "reconnects", "battery_low", "clock", "not_worn", "offline",
    }  # fmt: skip
    cuts = np.random.default_rng(5).uniform(0, 1.5 * DAY, 40).tolist()
    for restart in (False, True):
        story = LinkStory()
        everything(story)
        assert story.play(1.5 * DAY, cuts_s=cuts, restart=restart) == expected


def test_a_clock_of_ours_that_is_set_back_stops_nothing() -> None:
    """The gateway's time jumps back by an hour: what comes counts as coming now."""
    story = LinkStory()
    story.beats(story.device("w1"), HOUR, HOUR + 601)
    found = story.play(HOUR + 700)
    bank = story.bank
    for k in range(30):
        story.status("w1", 60.0 * k, heartbeat_s=60)
    found += bank.update(story.batch(0, ms(HOUR)), ms(HOUR + 720))
    assert found == []
    found = bank.update(None, ms(2 * HOUR))
    assert said(found) == [("w1", "offline", "begins")]


def test_a_sequence_or_boot_that_makes_no_sense_raises_nothing() -> None:
    """The largest numbers that the contract allows, a sequence that is a clock, instants of 1970."""
    story = LinkStory()
    story.device("w1")
    for k in range(400):
        story.says("w1", 30.0 * k, boot=2**32 - 1, seq=(2**53 - 1) if k % 2 else 0)
        story.says("w1", 30.0 * k, Heard.VITALS, boot=2**32 - 1, seq=ms(k * 30), clock_s=-1.7e9)
        story.status("w1", 30.0 * k, battery=float("nan"), heartbeat_s=604_800.0)
    story.rests("w1", 100.0, until_s=2**43)
    assert {one.kind for one in story.play(5 * HOUR)} <= {"clock", "messages_lost"}


def test_columns_of_different_length_are_refused() -> None:
    """With the part that is meant."""
    story = LinkStory()
    story.says(story.device("w1"), 0)
    good = story.batch(0, ms(10))
    bad = replace(good, messages=replace(good.messages, row=np.zeros(3, np.intp)))
    with pytest.raises(DetectorError, match="Messages whose columns differ"):
        story.bank.update(bad, ms(0))


def test_a_state_of_another_format_is_refused() -> None:
    """With what to do instead."""
    bank = DeviceBank()
    with pytest.raises(DetectorError, match="start afresh"):
        bank.restore(bank.state() | {"format": 99})
