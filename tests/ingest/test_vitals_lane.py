"""Vitals through the processor: scored by the person's own scale and limits, told once, whatever happens to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detectors.detection import Severity
from ingest import checkpoint
from ingest.devices import Devices, Owner, Profile
from ingest.vitals_lane import VitalsLane
from tests.ingest.lane_story import HOUR_MS, MINUTE_MS, T0_MS, LaneStory, calls, keys

OWNERS = {
    "w1": Owner("p1", "d.s1", "wrist"),
    "w2": Owner("p2", "d.s1", "wrist", profile=Profile(spo2_scale=2)),
    "cuff1": Owner("p1", "d.s1", None, kind="cuff"),
    "meter1": Owner("p3", "d.s1", None, profile=Profile(limits=(("glucose_low_mmol_l", 4.6),))),
}
#: NEWS2: 3 + 3 + 3.
ILL: dict[str, Any] = {"hr": 134.0, "spo2": 89.0, "rr": 27.0, "temp": 37.0}
WELL: dict[str, Any] = {"hr": 72.0, "spo2": 97.0, "rr": 16.0, "temp": 36.6}


@pytest.fixture
def story(tmp_path: Path) -> Iterator[LaneStory]:
    """Vitals only."""
    story = LaneStory(tmp_path, OWNERS, routine=False, devices=False)
    yield story
    story.close()


def measures(story: LaneStory, device: str, minutes: float, from_ms: int = T0_MS, **values: Any) -> int:
    """A reading every 30 s, varying as a body does. Returns the end."""
    for k in range(round(minutes * 2)):
        varied = {"hr": values["hr"] + k % 3, "rr": values["rr"] + k % 2, "spo2": values["spo2"] - k % 2}
        story.vitals(device, from_ms + k * 30_000, **{**values, **varied})
    return from_ms + round(minutes * MINUTE_MS)


def test_a_high_score_is_found_with_values_limits_and_words(story: LaneStory) -> None:
    """Urgent at least, about the person, in both languages."""
    measures(story, "w1", 20, **ILL)
    found = calls(story.run())[0]
    assert (found.person, found.device, found.kind) == ("p1", "w1", "news2")
    assert found.severity in (Severity.URGENT, Severity.CRITICAL)
    assert found.features["news2_points"] >= max(7, found.features["limit_points"])
    assert found.notes["text"] == "news2"
    assert "NEWS2" in found.notes["en"]
    assert "早期预警评分" in found.notes["zh"]
    assert T0_MS < found.onset_ms <= T0_MS + 15 * MINUTE_MS


def test_scores_are_written_with_person_and_area(story: LaneStory) -> None:
    """Every five minutes."""
    measures(story, "w1", 20, **ILL)
    story.run()
    batches = story.points("score")
    assert batches[0].tags == {"person": ["p1"], "area": ["d.s1"], "detector": ["vitals.news2"]}
    assert 3 <= sum(len(batch.t_ns) for batch in batches) <= 5
    assert batches[-1].fields["value"][0] >= 7


def test_a_saturation_that_is_aimed_at_calls_nobody(story: LaneStory) -> None:
    """90 % on scale 2 is where it should be; on scale 1 with the same pulse it is three points."""
    for device in ("w1", "w2"):
        measures(story, device, 40, **(WELL | {"spo2": 90.0, "hr": 112.0, "rr": 22.0}))
    assert {one.person for one in calls(story.run()) if one.kind == "news2"} == {"p1"}


@pytest.mark.parametrize(("own", "found"), [(4.6, ["vitals_limit"]), (None, [])])
def test_own_limits_of_the_registry_count(story: LaneStory, own: float | None, found: list[str]) -> None:
    """4.4 mmol/l is low for whom 4.6 was set, and for nobody else."""
    profile = Profile() if own is None else Profile(limits=(("glucose_low_mmol_l", own),))
    story.pipeline.update_owners(OWNERS | {"meter1": Owner("p3", "d.s1", None, profile=profile)})
    story.vitals("meter1", T0_MS, glucose=4.4)
    story.listens(T0_MS + 1000, T0_MS + 60_000)
    assert [one.kind for one in calls(story.run())] == found


def test_limits_that_the_detector_does_not_know_are_said_and_left_out(
    story: LaneStory, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a registry of another release: the usual ones count."""
    profile = Profile(limits=(("mood", 1.0),))
    story.pipeline.update_owners(OWNERS | {"w1": Owner("p1", "d.s1", "wrist", profile=profile)})
    measures(story, "w1", 20, **ILL)
    with caplog.at_level(logging.ERROR):
        assert len(calls(story.run())) == 1
    assert "no limit 'mood'" in caplog.text


def test_one_person_is_one_whoever_measures(story: LaneStory) -> None:
    """Pulse and breathing by the wearable, pressure by the cuff: one score."""
    end_ms = measures(story, "w1", 30, **(WELL | {"hr": 112.0, "rr": 22.0}))
    for k in range(6):
        story.vitals("cuff1", T0_MS + k * 5 * MINUTE_MS + 10_000, sbp=88.0 + k % 2, dbp=52.0)
    story.listens(end_ms, end_ms + 60_000)
    found = [one for one in calls(story.run()) if one.kind == "news2"]
    assert found
    assert "sbp" not in found[-1].notes.get("missing", "")


def test_out_of_a_buffer_is_said_to_be_history(story: LaneStory) -> None:
    """What happened hours ago is not alarmed as now."""
    for k in range(60):
        varied = ILL | {"spo2": ILL["spo2"] - k % 2}
        story.vitals("w1", T0_MS - 5 * HOUR_MS + k * 30_000, hist=True, **varied)
    story.listens(T0_MS + 1000, T0_MS + 60_000)
    found = calls(story.run())
    assert found
    assert {one.historical for one in found} == {True}


@pytest.mark.parametrize("saved_at_min", [3, 8, 18])
def test_killed_between_it_loses_nothing_and_doubles_nothing(tmp_path: Path, saved_at_min: int) -> None:
    """With a checkpoint before, just before and after the alarm: the same findings under the same ids."""
    found = {}
    for killed in (False, True):
        story = LaneStory(tmp_path / str(killed), OWNERS, routine=False, devices=False)
        end_ms = measures(story, "w1", 25, **ILL)
        end_ms = measures(story, "w1", 90, end_ms, **WELL)
        story.listens(end_ms, end_ms + MINUTE_MS)
        first = story.run(until_ms=T0_MS + saved_at_min * MINUTE_MS, pieces=7)
        story.save()
        again = story.run(until_ms=T0_MS + (saved_at_min + 5) * MINUTE_MS, pieces=5)
        if killed:
            story.kill()
            assert keys(story.found()) == keys(again)
        found[killed] = first + again + story.run(pieces=3)
        story.close()
    assert keys(found[True]) == keys(found[False])
    assert len(calls(found[False])) >= 1
    assert len(set(keys(found[True]))) == len(found[True])


def test_who_wears_a_resting_device_is_known_not_to_move() -> None:
    """Until it moves again or the rest that it announced is over; also after a restart."""
    devices = Devices()
    devices.update_owners(OWNERS)
    device = devices.find("w1")
    assert device is not None
    lane = VitalsLane(devices)
    lane.rests(device, T0_MS, T0_MS + 10 * MINUTE_MS)
    again = VitalsLane(devices)
    again.restore(lane.state())
    for at_ms in (T0_MS - 1, T0_MS + 5 * MINUTE_MS, T0_MS + 11 * MINUTE_MS):
        again.take(device, {"hr": 60}, at_ms, at_ms, live=True)
    assert [values.get("enmo_g") for *_, values in again.state()["readings"]] == [None, 0.0, None]


def test_what_is_switched_off_finds_nothing(tmp_path: Path) -> None:
    """And what is measured is stored all the same."""
    story = LaneStory(tmp_path, OWNERS, vitals=False, routine=False, devices=False)
    measures(story, "w1", 20, **ILL)
    assert story.run() == []
    assert story.points("vitals")
    story.close()


def test_what_cannot_be_read_is_learnt_anew_and_the_rest_goes_on(
    story: LaneStory, caplog: pytest.LogCaptureFixture
) -> None:
    """The checkpoint of a release whose banks have another format: logged, and new alarms are found."""
    end_ms = measures(story, "w1", 2, **WELL)
    story.run()
    story.save()
    path = story.folder / "state" / "processor.checkpoint"
    saved = checkpoint.load(path)
    assert saved is not None
    saved.state["pipeline"]["lanes"]["vitals"]["bank"]["format"] = 999
    saved.state["pipeline"]["motion"]["lanes"] = [({"format": 999}, None, {}, None)] * 2
    checkpoint.save(path, saved)
    with caplog.at_level(logging.ERROR):
        story.kill()
    assert "what was learnt of vitals cannot be read" in caplog.text
    assert "the state of the fall detector cannot be read" in caplog.text
    measures(story, "w1", 20, end_ms, **ILL)
    assert len(calls(story.run())) == 1


def test_what_is_learnt_of_people_outlives_a_checkpoint_of_another_version(
    story: LaneStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positions and all else of it are not taken; a bank of the same format is."""
    measures(story, "w1", 5, **WELL)
    story.run()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "VERSION", checkpoint.VERSION - 1)
        story.save()
    before = story.pipeline.lanes.vitals
    assert before is not None
    story.kill()
    after = story.pipeline.lanes.vitals
    assert after is not None
    assert after.state()["bank"]["people"] == before.state()["bank"]["people"] != []
    assert len(story.pipeline.devices) == 0


def test_a_repeated_message_is_one_reading(story: LaneStory) -> None:
    """The broker delivers everything twice."""
    measures(story, "w1", 20, **ILL)
    story.twice()
    assert len(calls(story.run())) == 1
    assert story.pipeline.lanes.vitals is not None
    assert story.pipeline.lanes.vitals.ignored == {}


def test_whose_device_it_is_may_change(story: LaneStory) -> None:
    """From the next reading on it is about the other person."""
    end_ms = measures(story, "w1", 2, **WELL)
    story.run()
    story.pipeline.update_owners(OWNERS | {"w1": Owner("p9", "d.s2", "wrist")})
    measures(story, "w1", 20, end_ms, **ILL)
    assert {one.person for one in calls(story.run())} == {"p9"}


def test_a_defect_in_one_detector_stops_no_other(story: LaneStory, caplog: pytest.LogCaptureFixture) -> None:
    """Counted, logged once; vitals are stored on."""
    lane = story.pipeline.lanes.vitals
    assert lane is not None
    lane.step = lambda _now_ms: 1 // 0
    measures(story, "w1", 2, **WELL)
    with caplog.at_level(logging.ERROR):
        assert story.run() == []
    assert story.pipeline.counts["failed_vitals"] > 1
    assert caplog.text.count("a step of the vitals detector failed") == 1
    assert story.points("vitals")
