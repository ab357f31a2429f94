"""Home sensors through the processor: silence on the journal's time, and only where somebody could be heard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detectors.detection import Severity
from ingest.devices import Devices, Owner, Profile
from ingest.homes import Homes
from ingest.routine_lane import OUTAGE_MS
from telemetry.messages import Home, Status
from telemetry.records import Flag
from tests.ingest.lane_story import DAY_MS, HOUR_MS, MINUTE_MS, T0_MS, LaneStory, calls, keys, said

ROOMS = ("kitchen", "bathroom", "living")
OWNERS = {f"{home}-{room}": Owner(home, "d.s1", room, kind="presence") for home in ("p1", "p2") for room in ROOMS} | {
    "p1-door": Owner("p1", "d.s1", "entry", kind="contact"),
    "porch": Owner(None, "d.s1", "porch", kind="presence"),
    "0x00158d0000000001": Owner("p3", "d.s2", "kitchen", kind="presence"),
    "0x00158d0000000002": Owner("p3", "d.s2", "living", kind="presence"),
    "0x00158d0000000003": Owner("p1", "d.s1", "living", kind="presence"),
    "p1-watch": Owner("p1", "d.s1", "wrist", kind="wearable"),
}
#: A kitchen is silent for an hour at most, in a home that is not known yet.
KITCHEN_MS = HOUR_MS


@pytest.fixture
def story(tmp_path: Path) -> Iterator[LaneStory]:
    """Routine and devices."""
    story = LaneStory(tmp_path, OWNERS, vitals=False)
    yield story
    story.close()


def lives(story: LaneStory, home: str = "p1", from_ms: int = T0_MS - 30 * MINUTE_MS, to_ms: int = T0_MS) -> None:
    """Somebody goes about; last seen in the kitchen at ``to_ms``."""
    for k, at_ms in enumerate(range(from_ms, to_ms, 2 * MINUTE_MS)):
        room = ROOMS[k // 3 % 3]
        story.home(f"{home}-{room}", at_ms, value=True)
        story.home(f"{home}-{room}", at_ms + 20_000, value=False)
    story.home(f"{home}-kitchen", to_ms - 60_000, value=True)
    story.home(f"{home}-kitchen", to_ms, value=False)


def collapses(found: list) -> list:
    """Of some findings."""
    return [one for one in calls(found) if one.kind == "collapse"]


def test_a_home_gone_silent_is_a_collapse_though_no_message_comes(story: LaneStory) -> None:
    """After an hour in the kitchen, by what the gateway says it has listened to; with values, limits and words."""
    lives(story)
    story.listens(T0_MS, T0_MS + 2 * HOUR_MS)
    (found,) = collapses(story.run())
    assert (found.person, found.device, found.severity) == ("p1", "p1-kitchen", Severity.URGENT)
    assert abs(found.decided_ms - (T0_MS + KITCHEN_MS)) <= 11_000
    assert found.onset_ms == T0_MS
    assert found.features["silent_s"] >= found.features["limit_silent_s"] == 3600
    assert found.notes["text"] == "routine.collapse"
    assert "kitchen" in found.notes["en"]
    assert "没有任何活动" in found.notes["zh"]


def test_time_that_nobody_listened_to_is_no_silence(story: LaneStory) -> None:
    """The gateway is away: nothing is found; and the wall clock moves nothing either."""
    lives(story)
    assert collapses(story.run()) == []
    while story.processor.step(0):
        pass
    assert story.found() == []


def test_after_an_outage_of_ours_silence_counts_anew(story: LaneStory) -> None:
    """Away for fifty minutes of the hour: the hour begins when the gateway is back."""
    lives(story)
    back_ms = T0_MS + 50 * MINUTE_MS
    story.listens(T0_MS, T0_MS + 5 * MINUTE_MS)
    story.connects(back_ms, T0_MS + 5 * MINUTE_MS)
    story.listens(back_ms + 10_000, back_ms + 2 * HOUR_MS)
    (found,) = collapses(story.run())
    assert abs(found.decided_ms - (back_ms + KITCHEN_MS)) <= 11_000


def test_a_short_outage_changes_nothing(story: LaneStory) -> None:
    """A restart of the gateway takes seconds: whoever has fallen is found when they would have been."""
    lives(story)
    away_ms = T0_MS + 20 * MINUTE_MS
    story.listens(T0_MS, away_ms)
    story.connects(away_ms + OUTAGE_MS - 1, away_ms)
    story.listens(away_ms + OUTAGE_MS, T0_MS + 2 * HOUR_MS)
    (found,) = collapses(story.run())
    assert abs(found.decided_ms - (T0_MS + KITCHEN_MS)) <= 11_000


def test_what_had_waited_at_the_broker_is_heard_before_anybody_is_silent(story: LaneStory) -> None:
    """Somebody moved while the gateway was away, four minutes before the hour was over; told after it."""
    lives(story)
    away_ms = T0_MS + KITCHEN_MS - 4 * MINUTE_MS
    story.listens(T0_MS, away_ms)
    story.connects(away_ms + OUTAGE_MS - 1, away_ms)
    moved = Home(t=away_ms + MINUTE_MS, boot=1, seq=story.seq("p1-living", "home"), kind="presence", value=True)
    story.says("p1-living", moved, away_ms + OUTAGE_MS + 5_000)
    story.listens(away_ms + OUTAGE_MS + 10_000, away_ms + OUTAGE_MS + 30 * MINUTE_MS)
    assert collapses(story.run()) == []


def test_a_home_whose_sensors_are_all_away_is_not_silent(story: LaneStory) -> None:
    """Their last wills have come: nobody is called; when they are back, and stay for five minutes, the hour begins."""
    lives(story)
    lives(story, "p2")
    dead_ms, back_ms = T0_MS + 10 * MINUTE_MS, T0_MS + 3 * HOUR_MS
    for room in ROOMS:
        story.status(f"p1-{room}", dead_ms, online=False)
    story.listens(T0_MS, back_ms)
    found = story.run()
    assert [one.person for one in collapses(found)] == ["p2"]
    for room in ROOMS:
        story.status(f"p1-{room}", back_ms)
    story.listens(back_ms, back_ms + 2 * HOUR_MS)
    (found_later,) = collapses(story.run())
    assert found_later.person == "p1"
    assert 0 <= found_later.decided_ms - (back_ms + KITCHEN_MS) <= 320_000


def test_one_sensor_that_is_left_can_still_be_silent(story: LaneStory) -> None:
    """All but one are away: the silence of the last one counts."""
    lives(story)
    for room in ROOMS[1:]:
        story.status(f"p1-{room}", T0_MS + MINUTE_MS, online=False)
    story.listens(T0_MS, T0_MS + 2 * HOUR_MS)
    assert len(collapses(story.run())) == 1


def tells_of_yesterday(story: LaneStory, at_ms: int = T0_MS, first: int = 0) -> None:
    """The kitchen's sensor empties its buffer: twenty minutes of the day before; later ones from ``first`` on."""
    for k in range(first, first + 20):
        then_ms = T0_MS - DAY_MS + k * MINUTE_MS
        seq = story.seq("p1-kitchen", "home")
        said = Home(t=then_ms, boot=1, seq=seq, kind="presence", value=k % 2 == 0, hist=True)
        story.says("p1-kitchen", said, at_ms + k)


def test_a_home_that_tells_of_yesterday_is_watched_from_its_next_live_word(story: LaneStory) -> None:
    """Out of a buffer: nobody is silent now by what is a day old, until a sensor speaks and then none does."""
    tells_of_yesterday(story)
    live_ms = T0_MS + 6 * HOUR_MS
    story.listens(T0_MS + 1000, live_ms)
    assert calls(story.run()) == []
    story.home("p1-kitchen", live_ms)
    story.home("p1-kitchen", live_ms + 20_000, value=False)
    story.listens(live_ms + 30_000, live_ms + 2 * HOUR_MS)
    (found,) = collapses(story.run())
    assert not found.historical
    assert abs(found.decided_ms - (live_ms + KITCHEN_MS)) <= 60_000


#: What is said two minutes after that, and whether the silence of the home counts from there.
WORDS: dict[str, tuple[Callable[[LaneStory, int], None], bool]] = {
    "a heartbeat": (lambda story, at_ms: story.status("p1-kitchen", at_ms), True),
    "a breath in bed": (lambda story, at_ms: story.vitals("p1-kitchen", at_ms, rr=14), True),
    "a heartbeat that the broker has kept": (
        lambda story, at_ms: story.status("p1-kitchen", at_ms, flags=Flag.RETAIN), False,
    ),
    "a heartbeat out of the buffer": (
        lambda story, at_ms: story.says("p1-kitchen", Status(t=at_ms, boot=1, seq=9, online=True, hist=True)), False,
    ),
    "a heartbeat of an hour ago": (
        lambda story, at_ms: story.says("p1-kitchen", Status(t=at_ms - HOUR_MS, boot=1, seq=9, online=True), at_ms),
        False,
    ),
    "a heartbeat of another home's sensor": (lambda story, at_ms: story.status("p2-kitchen", at_ms), False),
    "a heartbeat of what has told nothing of the home": (lambda story, at_ms: story.status("p1-watch", at_ms), False),
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_whatever_a_sensor_says_of_now_ends_the_past_of_its_home(story: LaneStory, word: str) -> None:
    """The hub is back, its buffer is empty, and the person lies still: found an hour after its next heartbeat."""
    story.status("p1-kitchen", T0_MS - MINUTE_MS)
    lives(story, "p2", T0_MS - 2 * HOUR_MS, T0_MS - 2 * HOUR_MS + 10 * MINUTE_MS)
    tells_of_yesterday(story)
    says, counts = WORDS[word]
    said_ms = T0_MS + 2 * MINUTE_MS
    says(story, said_ms)
    story.listens(T0_MS - 10 * MINUTE_MS, T0_MS + 3 * HOUR_MS)
    found = [one for one in collapses(story.run()) if one.person == "p1"]
    assert len(found) == counts
    for one in found:
        assert not one.historical
        assert abs(one.decided_ms - (said_ms + KITCHEN_MS)) <= 11_000


def test_a_sensor_that_was_given_to_another_home_says_nothing_of_the_first() -> None:
    """Nor of the second, before it has told something of it."""
    devices = Devices()
    devices.update_owners({"s1": Owner("p1", "d", "kitchen")})
    sensor = devices.find("s1")
    assert sensor is not None
    homes = Homes(devices)
    assert homes.person_of(sensor) is None
    homes.sensor(sensor)
    assert homes.person_of(sensor) == "p1"
    devices.update_owners({"s1": Owner("p2", "d", "kitchen")})
    assert homes.person_of(sensor) is None
    homes.sensor(sensor)
    assert homes.person_of(sensor) == "p2"


def test_a_heartbeat_amid_a_buffer_is_not_the_last_word(story: LaneStory) -> None:
    """What is told of the past after it puts the home there again, until the next one."""
    tells_of_yesterday(story)
    story.status("p1-kitchen", T0_MS + MINUTE_MS)
    tells_of_yesterday(story, T0_MS + 2 * MINUTE_MS, first=20)
    again_ms = T0_MS + 4 * HOUR_MS
    story.listens(T0_MS, again_ms)
    assert calls(story.run()) == []
    story.status("p1-kitchen", again_ms + 1000)
    story.listens(again_ms + 2000, again_ms + 2 * HOUR_MS)
    (found,) = collapses(story.run())
    assert abs(found.decided_ms - (again_ms + KITCHEN_MS)) <= 20_000


def test_heartbeats_are_no_signs_of_life(story: LaneStory) -> None:
    """Of a home that tells nothing of the past they change nothing: who is silent is found when they would be."""
    lives(story)
    for room in ROOMS:
        story.beats(f"p1-{room}", T0_MS - 30 * MINUTE_MS, T0_MS + 2 * HOUR_MS)
    story.listens(T0_MS, T0_MS + 2 * HOUR_MS)
    (found,) = collapses(story.run())
    assert abs(found.decided_ms - (T0_MS + KITCHEN_MS)) <= 11_000


@pytest.mark.parametrize("saved_after_ms", [100, 30 * MINUTE_MS])
def test_a_heartbeat_that_was_heard_is_not_forgotten_with_the_process(tmp_path: Path, saved_after_ms: int) -> None:
    """Saved within the second in which it came, or later, and killed."""
    found = {}
    for killed in (False, True):
        story = LaneStory(tmp_path / str(killed), OWNERS, vitals=False)
        tells_of_yesterday(story)
        said_ms = T0_MS + 2 * MINUTE_MS
        story.status("p1-kitchen", said_ms)
        story.listens(T0_MS + 1000, T0_MS + 3 * HOUR_MS)
        assert calls(story.run(until_ms=said_ms + saved_after_ms)) == []
        story.save()
        if killed:
            story.kill()
        found[killed] = collapses(story.run())
        story.close()
    assert len(found[True]) == 1
    assert keys(found[True]) == keys(found[False])


@pytest.mark.parametrize("flags", [Flag.NONE, Flag.RETAIN], ids=["now", "kept by the broker"])
def test_a_zigbee_sensor_that_can_be_reached_again_ends_the_past_of_its_home(story: LaneStory, flags: Flag) -> None:
    """Unless the broker says so, to us who have just subscribed."""
    sensor = "0x00158d0000000003"
    story.hub(sensor, {"occupancy": True}, T0_MS - 4 * HOUR_MS)
    story.hub(f"{sensor}/availability", {"state": "offline"}, T0_MS - 4 * HOUR_MS + MINUTE_MS)
    tells_of_yesterday(story)
    said_ms = T0_MS + 2 * MINUTE_MS
    story.hub(f"{sensor}/availability", {"state": "online"}, said_ms, flags=flags)
    story.listens(T0_MS, T0_MS + 3 * HOUR_MS)
    found = collapses(story.run())
    assert len(found) == (flags is Flag.NONE)
    assert all(abs(one.decided_ms - (said_ms + KITCHEN_MS)) <= 11_000 for one in found)


@pytest.mark.parametrize("hist", [False, True], ids=["live", "out of a buffer"])
def test_what_waited_at_the_broker_for_us_is_no_past_of_the_home(story: LaneStory, *, hist: bool) -> None:
    """Said live while the gateway was away for hours, and nothing since: silence counts anew as in all other homes."""
    lives(story)
    story.listens(T0_MS, T0_MS + MINUTE_MS)
    back_ms = T0_MS + 3 * HOUR_MS
    story.connects(back_ms, T0_MS + MINUTE_MS)
    for k, room in enumerate(("bathroom", "kitchen", "kitchen")):
        at_ms = T0_MS + HOUR_MS + k * MINUTE_MS
        told = Home(t=at_ms, boot=1, seq=story.seq(f"p1-{room}", "home"), kind="presence", value=k < 2, hist=hist)
        story.says(f"p1-{room}", told, back_ms + 2_000 + k)
    story.listens(back_ms, back_ms + 2 * HOUR_MS)
    found = collapses(story.run())
    assert len(found) == (not hist)
    assert all(abs(one.decided_ms - (back_ms + KITCHEN_MS)) <= 30_000 for one in found)


def test_a_hub_that_is_gone_takes_its_home_along(story: LaneStory) -> None:
    """Zigbee2MQTT says it is offline: its sensors cannot be heard."""
    devices = [
        {"ieee_address": f"0x00158d000000000{k}", "friendly_name": room, "type": "EndDevice", "supported": True,
         "definition": {"model": "RTCGQ11LM", "vendor": "Aqara", "description": "", "exposes": []}}
        for k, room in ((1, "kitchen"), (2, "living"))
    ]  # fmt: skip
    start_ms = T0_MS - 20 * MINUTE_MS
    story.hub("bridge/devices", devices, start_ms, flags=Flag.RETAIN)
    story.hub("bridge/state", {"state": "online"}, start_ms)
    for k, at_ms in enumerate(range(start_ms + 60_000, T0_MS, 60_000)):
        story.hub("kitchen" if k % 4 < 2 else "living", {"occupancy": k % 2 == 0}, at_ms)
    story.hub("kitchen", {"occupancy": True}, T0_MS)
    story.hub("kitchen", {"occupancy": False}, T0_MS + 1000)
    story.listens(T0_MS + 10_000, T0_MS + 30 * MINUTE_MS)
    story.hub("bridge/state", {"state": "offline"}, T0_MS + 30 * MINUTE_MS)
    story.listens(T0_MS + 30 * MINUTE_MS, T0_MS + 3 * HOUR_MS)
    found = story.run()
    assert collapses(found) == []
    assert {one.device for one in found if one.kind == "offline"} == {"0x00158d0000000001", "0x00158d0000000002"}


def test_the_same_hub_alive_is_a_silent_home(story: LaneStory) -> None:
    """What the test before this one shows is the hub's doing."""
    start_ms = T0_MS - 20 * MINUTE_MS
    for k, at_ms in enumerate(range(start_ms, T0_MS, 60_000)):
        story.hub("0x00158d0000000001" if k % 4 < 2 else "0x00158d0000000002", {"occupancy": k % 2 == 0}, at_ms)
    story.listens(T0_MS, T0_MS + 5 * HOUR_MS)
    assert [one.person for one in collapses(story.run())] == ["p3"]


def test_what_the_broker_has_kept_moves_nobody(story: LaneStory) -> None:
    """A retained reading after a reconnection is no sign of life."""
    lives(story)
    story.listens(T0_MS, T0_MS + 30 * MINUTE_MS)
    story.hub("0x00158d0000000001", {"occupancy": True}, T0_MS + 30 * MINUTE_MS, flags=Flag.RETAIN)
    story.listens(T0_MS + 30 * MINUTE_MS, T0_MS + 2 * HOUR_MS)
    assert [one.person for one in collapses(story.run())] == ["p1"]
    assert story.points("home"), "and is stored"


def test_others_in_the_home_make_it_less_certain(tmp_path: Path) -> None:
    """As the registry says: a warning."""
    profile = Profile(residents=2)
    owners = {name: Owner(one.person, one.area, one.placement, profile=profile) for name, one in OWNERS.items()}
    story = LaneStory(tmp_path, owners, vitals=False)
    lives(story)
    story.listens(T0_MS, T0_MS + 2 * HOUR_MS)
    (found,) = collapses(story.run())
    assert (found.severity, found.notes["doubt"]) == (Severity.WARNING, "routine.doubt.several")
    story.close()


def test_our_clock_that_was_a_year_ahead_does_not_stop_the_watch(story: LaneStory) -> None:
    """For a minute; then it is right again, and who is silent is found."""
    story.listens(T0_MS + 365 * DAY_MS, T0_MS + 365 * DAY_MS + MINUTE_MS)
    story.run()
    lives(story)
    story.listens(T0_MS, T0_MS + 2 * HOUR_MS)
    assert [one.person for one in collapses(story.run())] == ["p1"]


def test_a_sensor_of_nobodys_home_says_nothing(story: LaneStory) -> None:
    """It is stored."""
    story.home("porch", T0_MS)
    story.listens(T0_MS, T0_MS + 6 * HOUR_MS)
    assert collapses(story.run()) == []


@pytest.mark.parametrize("snapshots", [False, True])
@pytest.mark.parametrize("saved_at_min", [-5, 40, 61])
def test_killed_between_it_loses_nothing_and_doubles_nothing(
    tmp_path: Path, saved_at_min: int, snapshots: bool
) -> None:
    """With a checkpoint before the silence, in it and after the alarm, from the log alone and from a snapshot: the same
    findings under the same ids, also the end of one."""
    found = {}
    for killed in (False, True):
        story = LaneStory(tmp_path / str(killed), OWNERS, vitals=False, homes_every_s=1e-9 if snapshots else 1e9)
        lives(story)
        story.listens(T0_MS, T0_MS + 2 * HOUR_MS)
        lives(story, "p1", T0_MS + 2 * HOUR_MS, T0_MS + 2 * HOUR_MS + 20 * MINUTE_MS)
        story.listens(T0_MS + 2 * HOUR_MS + 20 * MINUTE_MS, T0_MS + 5 * HOUR_MS)
        at_ms = T0_MS + saved_at_min * MINUTE_MS
        first = story.run(until_ms=at_ms - 10 * MINUTE_MS, pieces=7)
        story.save()
        first += story.run(until_ms=at_ms, pieces=5)
        story.save()
        again = story.run(until_ms=at_ms + 3 * MINUTE_MS, pieces=3)
        if killed:
            story.kill()
            assert keys(story.found()) == keys(again)
        found[killed] = first + again + story.run(pieces=2)
        files = [path.name for path in (story.folder / "state").glob("routine.*")]
        assert any(name.endswith("snapshot") for name in files) == snapshots
        story.close()
    assert keys(found[True]) == keys(found[False])
    assert len(set(keys(found[True]))) == len(found[True])
    assert [stage for _, kind, stage in said(found[True]) if kind == "collapse"] == [
        "confirmed", "follow_up", "confirmed",
    ]  # fmt: skip


def test_homes_are_known_after_an_upgrade_that_cannot_read_the_checkpoint(tmp_path: Path) -> None:
    """From snapshot and log; what was missed is no silence."""
    story = LaneStory(tmp_path, OWNERS, vitals=False, homes_every_s=1e-9)
    for day in range(8):
        lives(story, from_ms=T0_MS + day * DAY_MS - 6 * HOUR_MS, to_ms=T0_MS + day * DAY_MS)
        story.listens(T0_MS + day * DAY_MS, T0_MS + (day + 1) * DAY_MS - 6 * HOUR_MS, every_s=600)
    story.run(pieces=4)
    story.save()
    story.processor.close()
    (tmp_path / "state" / "processor.checkpoint").write_bytes(b"of another release")
    story.kill()
    lane = story.pipeline.lanes.routine
    assert lane is not None
    assert lane.snapshot()["bank"]["columns"]["days"][0] >= 7
    later_ms = T0_MS + 9 * DAY_MS
    story.listens(later_ms, later_ms + 60_000)
    assert collapses(story.run()) == []
    story.close()


def test_what_is_damaged_is_learnt_anew(story: LaneStory, caplog: pytest.LogCaptureFixture) -> None:
    """A log with a wrong byte: said, and the home is watched from what it says next."""
    lives(story)
    story.run()
    story.save()
    (log,) = (story.folder / "state").glob("routine.*.log")
    log.write_bytes(log.read_bytes()[:-3] + b"xyz")
    with caplog.at_level(logging.ERROR):
        story.kill()
    assert "what was learnt of homes cannot be read" in caplog.text
    lives(story, from_ms=T0_MS + MINUTE_MS, to_ms=T0_MS + HOUR_MS)
    story.listens(T0_MS + HOUR_MS, T0_MS + 3 * HOUR_MS)
    story.save()
    story.kill()
    assert len(collapses(story.run())) == 1


def test_what_is_switched_off_finds_nothing(tmp_path: Path) -> None:
    """And readings are stored all the same."""
    story = LaneStory(tmp_path, OWNERS, vitals=False, routine=False, devices=False)
    lives(story)
    story.listens(T0_MS, T0_MS + 2 * HOUR_MS)
    assert story.run() == []
    assert story.points("home")
    story.close()
