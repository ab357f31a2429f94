"""Devices themselves through the processor: silence, batteries, clocks, tests; one finding for a whole area."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from detectors.detection import Detection, Stage
from ingest import checkpoint
from ingest.devices import Owner
from telemetry.codec import encode_motion
from telemetry.messages import Event, Vitals
from telemetry.records import Flag, RawMessage
from tests.ingest.lane_story import DAY_MS, HOUR_MS, MINUTE_MS, T0_MS, LaneStory, keys, said

OWNERS = {
    "w1": Owner("p1", "d.s1", "wrist", kind="wearable"),
    "w2": Owner("p2", "d.s1", "wrist", kind="wearable"),
    "b1": Owner("p1", "d.s1", None, kind="button"),
    "spare": Owner(None, "d", None, kind="wearable"),
    "0x00158d0000000001": Owner("p3", "d.s2", "kitchen", kind="presence"),
} | {f"s{k}": Owner(f"q{k}", "d.s3", "wrist", kind="hub") for k in range(12)}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[LaneStory]:
    """Devices only."""
    story = LaneStory(tmp_path, OWNERS, vitals=False, routine=False)
    yield story
    story.close()


def begun(found: list[Detection]) -> list[tuple[str, str]]:
    """``(device, kind)`` of what begins."""
    return [(one.device, one.kind) for one in found if one.stage is Stage.CONFIRMED]


def test_a_device_that_is_silent_is_a_finding_about_it_though_no_message_comes(story: LaneStory) -> None:
    """Three heartbeats missed; over when it has spoken again for five minutes. Values, limits and words are there."""
    story.beats("w1", T0_MS, T0_MS + 30 * MINUTE_MS)
    story.beats("w1", T0_MS + 50 * MINUTE_MS, T0_MS + 70 * MINUTE_MS)
    story.listens(T0_MS, T0_MS + 70 * MINUTE_MS)
    found = story.run()
    assert said(found) == [("w1", "offline", "confirmed"), ("w1", "offline", "follow_up")]
    assert found[0].detector == "device.link"
    assert 33 * MINUTE_MS - 60_000 <= found[0].decided_ms - T0_MS <= 34 * MINUTE_MS
    assert found[0].features["limit_silent_s"] == 190
    assert "has said nothing for" in found[0].notes["en"]
    assert found[0].notes["zh"]


def test_while_nobody_listens_nobody_is_silent(story: LaneStory) -> None:
    """The gateway is away for two hours; then a device has its three heartbeats again."""
    story.beats("w1", T0_MS, T0_MS + 30 * MINUTE_MS)
    story.connects(T0_MS + 150 * MINUTE_MS, T0_MS + 30 * MINUTE_MS)
    back_ms = T0_MS + 150 * MINUTE_MS
    story.listens(back_ms, back_ms + 3 * MINUTE_MS)
    assert story.run() == []
    story.listens(back_ms + 3 * MINUTE_MS, back_ms + 10 * MINUTE_MS)
    assert begun(story.run()) == [("w1", "offline")]


def test_a_last_will_is_told_and_one_that_the_broker_kept_is_not(story: LaneStory) -> None:
    """A will is a sign at once; a retained one says what was."""
    for device in ("w1", "w2"):
        story.beats(device, T0_MS, T0_MS + 10 * MINUTE_MS)
    story.status("w1", T0_MS + 10 * MINUTE_MS, online=False)
    story.status("w2", T0_MS + 10 * MINUTE_MS, online=False, flags=Flag.RETAIN)
    story.listens(T0_MS + 10 * MINUTE_MS, T0_MS + 12 * MINUTE_MS)
    (found,) = story.run()
    assert (found.device, found.notes["sign"]) == ("w1", "will")


def test_an_area_that_falls_silent_is_one_finding(story: LaneStory) -> None:
    """Twelve devices of an area at once; the devices elsewhere go on."""
    for k in range(12):
        story.beats(f"s{k}", T0_MS + k * 1000, T0_MS + 20 * MINUTE_MS)
    story.beats("w1", T0_MS, T0_MS + 40 * MINUTE_MS)
    story.listens(T0_MS, T0_MS + 40 * MINUTE_MS)
    found = story.run()
    assert begun(found) == [("$area", "area_offline")]
    assert found[0].notes["area"] == "d.s3"
    assert found[0].features["silent_devices"] == 12


def test_lost_messages_are_counted_by_their_numbers(story: LaneStory) -> None:
    """One of five never comes, for hours."""
    for k in range(0, 4 * 3600, 10):
        number = story.seq("w1", "vitals")
        if number % 5:
            story.says("w1", Vitals(t=T0_MS + k * 1000, boot=1, seq=number, hr=70.0 + k % 3))
    found = [one for one in story.run() if one.kind == "messages_lost"]
    assert [one.device for one in found] == ["w1"]
    assert found[0].features["lost_pct"] == pytest.approx(20, abs=1)


def test_a_zigbee_device_has_no_numbers_to_lose(story: LaneStory) -> None:
    """What an adapter numbers by the time of receipt says nothing of what did not come; silence still does."""
    for k in range(0, 6 * 3600, 20):
        for part in (0, 15):  # two reports within a few milliseconds
            at_ms = T0_MS + k * 1000 + part
            story.hub("0x00158d0000000001", {"occupancy": (k // 20 + part) % 2 == 0, "battery": 80}, at_ms)
    end_ms = T0_MS + 6 * HOUR_MS
    assert begun(story.run()) == []
    story.listens(end_ms, end_ms + 30 * HOUR_MS, every_s=60)
    assert begun(story.run()) == [("0x00158d0000000001", "offline")]


def test_a_battery_is_low_with_its_charge_in_words(story: LaneStory) -> None:
    """Told in a status message."""
    story.beats("w1", T0_MS, T0_MS + 10 * MINUTE_MS, battery=9.0)
    (found,) = story.run()
    assert (found.device, found.kind, found.features["battery_pct"]) == ("w1", "battery_low", 9.0)
    assert "9 %" in found.notes["en"]


def test_a_wrong_clock_is_one_finding(story: LaneStory) -> None:
    """By this bank, and not by the way that events have, too."""
    for k in range(60):
        number = story.seq("w1", "vitals")
        said_ms = T0_MS + k * 10_000 - 8 * HOUR_MS
        story.says("w1", Vitals(t=said_ms, boot=1, seq=number, hr=70.0 + k % 3), T0_MS + k * 10_000)
    story.listens(T0_MS + 600_000, T0_MS + 660_000)
    found = [one for one in story.run() if one.kind == "clock"]
    assert [(one.detector, one.device) for one in found] == [("device.link", "w1")]
    assert found[0].features["offset_s"] == pytest.approx(8 * 3600, abs=1)


def test_a_button_that_nobody_tries_is_overdue_and_a_press_settles_it(story: LaneStory) -> None:
    """After eight days; SOS counts, and so does a test."""
    story.beats("b1", T0_MS, T0_MS + 9 * DAY_MS, every_s=3600)
    found = story.run()
    assert begun(found) == [("b1", "test_overdue")]
    end_ms = T0_MS + 9 * DAY_MS
    story.says("b1", Event(t=end_ms, boot=1, seq=0, type="test"))
    story.listens(end_ms, end_ms + 60_000)
    assert ("b1", "test_overdue", "follow_up") in said(story.run())


def test_a_wearable_that_lies_still_for_a_night_and_more_is_not_worn(story: LaneStory) -> None:
    """By the ten-second summaries of its motion; one second of each ten is sent here."""
    still = np.tile(np.array([[3, 5, 1000]], np.int16), (50, 1))
    found: list[Detection] = []
    for k in range(12 * 360):
        at_ms = T0_MS + k * 10_000
        acc = still + np.int16(k % 2)
        payload = encode_motion(t=at_ms, boot=1, seq=k, fs=50, lsb=0.001, acc=acc)
        story.pipeline.feed([RawMessage(at_ms + 1050, Flag.NONE, b"care/v1/w1/motion", payload)])
        found += story.pipeline.advance().detections
    assert ("w1", "not_worn") in begun(found)


def test_what_announces_a_rest_is_not_silent(story: LaneStory) -> None:
    """`idle_until` of a motion frame."""
    story.beats("w1", T0_MS, T0_MS + 5 * MINUTE_MS)
    story.beats("w2", T0_MS, T0_MS + 5 * MINUTE_MS)
    story.run()
    acc = np.tile(np.array([[3, 5, 1000]], np.int16), (50, 1))
    at_ms, until_ms = T0_MS + 5 * MINUTE_MS, T0_MS + 65 * MINUTE_MS
    payload = encode_motion(t=at_ms, boot=1, seq=0, fs=50, lsb=0.001, acc=acc, idle_until=until_ms)
    story.pipeline.feed([RawMessage(at_ms, Flag.NONE, b"care/v1/w1/motion", payload)])
    story.listens(at_ms, T0_MS + 60 * MINUTE_MS)
    assert begun(story.run()) == [("w2", "offline")]


@pytest.mark.parametrize("saved_at_min", [10, 33, 40])
def test_killed_between_it_loses_nothing_and_doubles_nothing(tmp_path: Path, saved_at_min: int) -> None:
    """The same findings under the same ids, wherever the checkpoint was."""
    found = {}
    for killed in (False, True):
        story = LaneStory(tmp_path / str(killed), OWNERS, vitals=False, routine=False)
        story.beats("w1", T0_MS, T0_MS + 30 * MINUTE_MS, battery=12.0)
        story.beats("w1", T0_MS + 45 * MINUTE_MS, T0_MS + 70 * MINUTE_MS, battery=12.0)
        story.listens(T0_MS, T0_MS + 70 * MINUTE_MS)
        at_ms = T0_MS + saved_at_min * MINUTE_MS
        first = story.run(until_ms=at_ms, pieces=7)
        story.save()
        again = story.run(until_ms=at_ms + 5 * MINUTE_MS, pieces=5)
        if killed:
            story.kill()
            assert keys(story.found()) == keys(again)
        found[killed] = first + again + story.run(pieces=3)
        story.close()
    assert keys(found[True]) == keys(found[False])
    assert len(set(keys(found[True]))) == len(found[True]) == 3


def test_what_cannot_be_read_is_learnt_anew(story: LaneStory, caplog: pytest.LogCaptureFixture) -> None:
    """The state of another release."""
    story.beats("w1", T0_MS, T0_MS + 10 * MINUTE_MS)
    story.run()
    story.save()
    path = story.folder / "state" / "processor.checkpoint"
    saved = checkpoint.load(path)
    assert saved is not None
    saved.state["pipeline"]["lanes"]["links"]["bank"]["format"] = 999
    checkpoint.save(path, saved)
    with caplog.at_level(logging.ERROR):
        story.kill()
    assert "what was learnt of devices cannot be read" in caplog.text
    story.beats("w2", T0_MS + 10 * MINUTE_MS, T0_MS + 20 * MINUTE_MS)
    story.beats("w1", T0_MS + 10 * MINUTE_MS, T0_MS + 20 * MINUTE_MS)
    story.beats("w2", T0_MS + 20 * MINUTE_MS, T0_MS + 40 * MINUTE_MS)
    story.listens(T0_MS + 20 * MINUTE_MS, T0_MS + 40 * MINUTE_MS)
    assert begun(story.run()) == [("w1", "offline")]


def test_a_device_that_left_the_registry_is_not_looked_for(story: LaneStory) -> None:
    """Nobody is told that it is silent."""
    story.beats("w1", T0_MS, T0_MS + 10 * MINUTE_MS)
    story.run()
    story.pipeline.update_owners({name: owner for name, owner in OWNERS.items() if name != "w1"})
    story.listens(T0_MS + 10 * MINUTE_MS, T0_MS + 40 * MINUTE_MS)
    assert story.run() == []
