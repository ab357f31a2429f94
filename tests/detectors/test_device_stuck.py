"""Home sensors that are stuck: raised for too long, never changing, flickering; and which are not."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.device.batch import Readings, Sense, empty_batch
from detectors.device.link import DeviceBank
from tests.detectors.link_story import DAY, HOUR, MINUTE, LinkStory, ms, said, signs
from tests.servers.require import data_folder


def stuck(story: LinkStory, to_s: float) -> list[object]:
    """What is found about sensors, the rest left out."""
    return [one for one in story.play(to_s, cuts_s=np.arange(0, to_s, DAY).tolist()) if one.kind == "sensor_stuck"]


def lived_in(story: LinkStory, name: str, from_day: int, to_day: int, *, per_day: int = 12) -> None:
    """Somebody comes by and leaves again, by day."""
    for day in range(from_day, to_day):
        for k in range(per_day):
            at_s = day * DAY + 8 * HOUR + k * HOUR
            story.senses(name, at_s, True)
            story.senses(name, at_s + 5 * MINUTE, False)


def test_presence_without_a_break_for_a_day_and_a_half_is_stuck_until_it_falls() -> None:
    """It repeats "somebody is there" every half hour."""
    story = LinkStory()
    radar = story.device("radar", kind="sensor")
    lived_in(story, radar, 0, 2)
    for k in range(100):
        story.senses(radar, 2 * DAY + k * HOUR / 2, True)
    story.senses(radar, 4.2 * DAY, False)
    begun, over = stuck(story, 5 * DAY)
    assert signs(begun) == {"sign": "raised", "sense": "presence"}
    assert (begun.onset_ms, begun.decided_ms) == (ms(2 * DAY), ms(2 * DAY + 36 * HOUR))
    assert begun.features == {"raised_s": 36 * HOUR, "limit_raised_s": 36 * HOUR}
    assert begun.notes["en"] == "The sensor has said without a break for 36 h 00 min: somebody is there."
    assert over.decided_ms == ms(4.2 * DAY) // 10_000 * 10_000 + 10_000
    assert over.id == begun.id


def test_who_is_bedridden_is_a_hint_once_and_then_the_habit() -> None:
    """Up for ten minutes every two days: the first long stretch is told, the next are twice within what is known."""
    story = LinkStory()
    story.device("bed", kind="sensor")
    for k in range(0, 14, 2):
        story.senses("bed", k * DAY, False, Sense.BED)
        story.senses("bed", k * DAY + 600, True, Sense.BED)
        for half in range(1, 95):
            story.senses("bed", k * DAY + half * 1800 + 600, True, Sense.BED)
    assert said(stuck(story, 14 * DAY)) == [("bed", "sensor_stuck", "begins"), ("bed", "sensor_stuck", "over")]


@pytest.mark.parametrize("sense", [Sense.CONTACT, Sense.PRESENCE])
def test_a_window_left_open_and_a_sensor_that_never_says_the_other_word_are_not_stuck(sense: Sense) -> None:
    """The one may stand open for weeks; the other says "movement" and never takes it back."""
    story = LinkStory()
    story.device("one", kind="sensor")
    if sense is Sense.CONTACT:
        story.senses("one", 0, False, sense)
    for k in range(1, 200):
        story.senses("one", k * HOUR, True, sense)
    assert stuck(story, 9 * DAY) == []


def test_a_sensor_that_stays_the_same_while_the_home_lives_is_dead_inside() -> None:
    """It goes on reporting every hour. A room that is used now and then, and a home whose people are away, are not."""
    story = LinkStory()
    names = [story.device(name, person="p", kind="sensor") for name in ("hall", "kitchen", "bath", "guests")]
    for name in names[:2]:
        lived_in(story, name, 0, 12)
        lived_in(story, name, 22, 30)
    lived_in(story, "bath", 0, 12)
    lived_in(story, "guests", 3, 4)
    for name in names:
        for hour in range(30 * 24):
            if not 8 <= hour % 24 < 21 or name in ("bath", "guests"):
                story.senses(name, hour * HOUR + 1800, False)
    found = stuck(story, 30 * DAY)
    assert said(found) == [("bath", "sensor_stuck", "begins")]
    assert signs(found[0]) == {"sign": "unchanging", "sense": "presence"}
    assert found[0].onset_ms <= ms(12 * DAY)
    assert ms(26 * DAY) <= found[0].decided_ms <= ms(28 * DAY)  # ten days away do not count
    assert found[0].features["idle_days"] >= 4


def test_two_hours_of_flickering_are_a_loose_contact_until_an_hour_is_calm() -> None:
    """Every second there and gone."""
    story = LinkStory()
    story.device("door", kind="sensor")
    for k in range(9000):
        story.senses("door", k * 1.0, k % 2 == 0, Sense.CONTACT)
    begun, over = stuck(story, 5 * HOUR)
    assert signs(begun) == {"sign": "flickering", "sense": "contact"}
    assert begun.features == {"changes_per_hour": 3600.0, "limit_changes_per_hour": 1200.0}
    assert begun.decided_ms == ms(2 * HOUR)
    assert over.decided_ms == ms(4 * HOUR) or over.decided_ms == ms(3 * HOUR)


def test_a_device_of_several_senses_is_watched_by_its_first() -> None:
    """Its vibration does not look like a presence that flickers."""
    story = LinkStory()
    story.device("radar", kind="sensor")
    for k in range(9000):
        story.senses("radar", k * 1.0, k % 2 == 0, Sense.PRESENCE if k % 3000 == 0 else Sense.VIBRATION)
    assert stuck(story, 4 * HOUR) == []


def test_what_is_found_does_not_depend_on_batches_or_restarts() -> None:
    """One stuck, one dead, one loose: whole, cut at random, restored after every cut."""
    told = []
    cuts = np.random.default_rng(6).uniform(0, 17 * DAY, 60).tolist()
    for cuts_s, restart in (((), False), (cuts, False), (cuts, True)):
        story = LinkStory()
        for name in ("hall", "kitchen", "bath", "radar", "door"):
            story.device(name, kind="sensor")
            lived_in(story, name, 0, 17 if name in ("hall", "kitchen") else 8)
        for hour in range(8 * 24, 17 * 24):
            story.senses("bath", hour * HOUR, False)
            story.senses("radar", hour * HOUR, True)
        for k in range(7300):
            story.senses("door", 8 * DAY + k, k % 2 == 0)
        told.append(story.play(17 * DAY, cuts_s=cuts_s, restart=restart))
    assert told[0] == told[1] == told[2]
    signs_told = {(one.device, one.notes["sign"]) for one in told[0] if one.kind == "sensor_stuck"}
    assert signs_told >= {("radar", "raised"), ("door", "flickering"), ("bath", "unchanging")}


def test_no_sensor_of_a_real_home_is_stuck_in_twenty_days() -> None:
    """Of seven passive sensors and a front door; then the kitchen's is made to stay raised, and the bathroom's to stay
    as it is."""
    events = []
    with gzip.open(data_folder("home") / "casas_al_home.txt.gz", "rt") as file:
        for date, clock, _, sensor, state, *_ in csv.reader(file, delimiter=" "):
            if state in ("ON", "OFF", "OPEN", "CLOSE") and "Light" not in sensor:
                at = datetime.fromisoformat(f"{date} {clock[:15]:0<15}".replace(" ", "T", 1)).replace(tzinfo=UTC)
                events.append((int(at.timestamp() * 1000), sensor, state in ("ON", "OPEN")))
    last_ms = events[-1][0]
    for spoilt in (False, True):
        bank = DeviceBank()
        rows = {name: bank.add(name, person="p", kind="sensor") for name in sorted({name for _, name, _ in events})}
        kept = [
            (at_ms, name, raised)
            for at_ms, name, raised in events
            if not spoilt or at_ms < last_ms - 8 * DAY * 1000 or name not in ("Kitchen", "Bathroom")
        ]
        if spoilt:
            start_ms = last_ms - 8 * int(DAY) * 1000
            for hour in range(8 * 24):
                kept += [(start_ms + hour * 3_600_000, name, name == "Kitchen") for name in ("Kitchen", "Bathroom")]
            kept.sort()
        at_ms = np.array([one[0] for one in kept])
        door = np.array([one[1] == "FrontDoor" for one in kept])
        readings = Readings(
            at_ms,
            np.array([rows[one[1]] for one in kept], np.intp),
            np.where(door, Sense.CONTACT, Sense.PRESENCE).astype(np.uint8),
            np.array([one[2] for one in kept]),
        )
        batch = empty_batch()
        batch = type(batch)(*batch.parts()[:5], readings)
        found = [one for one in bank.update(batch, last_ms) if one.kind == "sensor_stuck"]
        assert {(one.device, one.notes["sign"]) for one in found} == (
            {("Kitchen", "raised"), ("Bathroom", "unchanging")} if spoilt else set()
        )
