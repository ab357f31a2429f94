"""The routine bank as a bank: bad input, clocks, states, many homes, what it learns, and its words."""

from __future__ import annotations

import pickle
import string
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from detectors.detection import Detection, Stage
from detectors.errors import DetectorError
from detectors.routine import findings
from detectors.routine.bank import RoutineBank
from detectors.routine.batch import HomeBatch, Value
from detectors.routine.clock import LocalClock
from detectors.routine.columns import Finding
from detectors.routine.limits import BINS, SLOTS, Silences, learn
from detectors.routine.parameters import LimitParameters
from detectors.routine.rooms import Room, is_on, room_of
from detectors.routine.sentences import TEXTS, sentence
from tests.detectors.routine_story import MINUTE_MS, ZONE, Home, Said, batch, blip, day, moves, ms

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture(scope="module")
def learnt() -> bytes:
    """Nine usual days."""
    home = Home()
    home.learn(9)
    return pickle.dumps(home.bank.state())


@pytest.fixture
def home(learnt: bytes) -> Home:
    """A home that is known, at the end of its ninth day."""
    bank = RoutineBank(ZONE)
    bank.restore(pickle.loads(learnt))
    return Home(bank=bank)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said(0, "thermo", "temperature", "kitchen", 21.5), "kind"),
        (Said(0, "new", "levitation", "kitchen", True), "kind"),
        (Said(0, "pir-kitchen", "presence", "kitchen", "perhaps"), "value"),
        (Said(0, "pir-kitchen", "presence", "kitchen", float("nan")), "value"),
        (Said(0, "pir-kitchen", "presence", "kitchen", False), "repeat"),
        (Said(-30 * MINUTE_MS, "pir-kitchen", "presence", "kitchen", True), "late"),
        (Said(-(10**15), "pir-kitchen", "presence", "kitchen", True), "old"),
        (Said(0, "door", "contact", "entry", "closed"), "repeat"),
        (Said(0, "fridge", "contact", "kitchen", "closed"), "repeat"),
    ],
)
def test_what_says_nothing_of_a_person_is_counted_and_hides_no_collapse(home: Home, said: Said, reason: str) -> None:
    """Ten minutes after the last movement, again and again: the alarm comes when it would have come."""
    home.hear(day(10, shift_min=0, until="07:30"))
    before = home.bank.ignored.get(reason, 0)
    for minute in range(5):
        t_ms = ms(10, "07:34") + minute * MINUTE_MS
        home.bank.update(batch([said._replace(t_ms=t_ms + said.t_ms)], home.row, recv_ms=t_ms), t_ms)
    assert home.bank.ignored[reason] == before + 5
    (one,) = home.wait(ms(10, "07:50"))
    assert one.kind == "collapse"
    assert one.decided_ms <= ms(10, "07:44")


def test_a_device_may_measure_several_things(home: Home) -> None:
    """A radar that also sends the temperature, first of all: its presence counts."""
    home.hear([Said(ms(10, "00:05"), "radar", "temperature", "study", 21.0)])
    home.hear(day(10, shift_min=0, until="07:30"))
    home.hear([Said(ms(10, "07:31") + k * 20_000, "radar", "presence", "study", k % 2 == 0) for k in range(8)])
    (one,) = [one for one in home.wait(ms(10, "09:00")) if one.kind == "collapse"]
    assert one.notes["room"] == "study"
    assert one.device == "radar"


def test_a_reading_from_the_future_happened_when_it_came(home: Home) -> None:
    """A sensor whose clock is a day ahead neither hides a collapse for a day nor makes everything else late."""
    home.hear(day(10, shift_min=0, until="07:30"))
    ahead = [replace_time(one, 24 * 60 * MINUTE_MS) for one in moves(ms(10, "07:31"), "kitchen", 1)]
    for one in ahead:
        home.bank.update(batch([one], home.row, recv_ms=one.t_ms - 24 * 60 * MINUTE_MS), ms(10, "07:31"))
    assert home.bank.ignored["future"] == len(ahead)
    home.hear(moves(ms(10, "07:33"), "kitchen", 1))
    (one,) = home.wait(ms(10, "08:00"))
    assert one.onset_ms == ms(10, "07:33") + 42_000


def replace_time(said: Said, more_ms: int) -> Said:
    """The same at another time."""
    return said._replace(t_ms=said.t_ms + more_ms)


def test_readings_of_no_home_are_counted(home: Home) -> None:
    """A row that was never given."""
    for row in (-1, 7):
        home.bank.update(batch(blip(ms(10, "00:10"), "kitchen"), row), ms(10, "00:10"))
    assert home.bank.ignored["row"] == 4


def test_the_order_within_a_batch_does_not_matter(learnt: bytes) -> None:
    """A batch is put in order by time; duplicates change nothing."""
    said = day(10, shift_min=0, until="07:40")
    states = []
    for order in (said, [*reversed(said), *said[:40]]):
        bank = RoutineBank(ZONE)
        bank.restore(pickle.loads(learnt))
        bank.update(batch(order), ms(10, "07:40"))
        state = bank.state()
        del state["sensors"]["ignored"]
        state["columns"]["recv_ms"][:] = 0
        states.append(state)
    np.testing.assert_equal(states[0], states[1])


def test_a_stuck_sensor_does_not_look_like_life(home: Home) -> None:
    """On and off every few minutes for ever, alone: after 14 hours it is no sign of life any more."""
    home.hear(day(10, shift_min=0, until="07:30"))
    flutter = [said for k in range(24 * 20) for said in blip(ms(10, "07:31") + k * 3 * MINUTE_MS, "living")]
    found = [one for one in home.hear(flutter) if one.kind == "collapse"]
    assert home.bank.ignored["stuck"] > 100
    assert len(found) == 1
    assert found[0].decided_ms > ms(10, "21:31")


def test_a_sensor_that_only_ever_says_on_is_heard_each_time() -> None:
    """A common kind of passive sensor: no off. Others that say the same twice do not say it twice."""
    home = Home()
    on = [Said(ms(1, "10:00") + k * MINUTE_MS, "pir", "motion", "living", True) for k in range(10)]
    home.hear(on)
    assert home.bank.ignored == {}
    mute = [Said(ms(1, "10:20"), "pir", "motion", "living", False)]
    home.hear([*mute, Said(ms(1, "10:21"), "pir", "motion", "living", True)])
    home.hear([Said(ms(1, "10:22"), "pir", "motion", "living", True)])
    assert home.bank.ignored == {"repeat": 1}


def test_a_dead_sensor_is_no_collapse_while_others_of_the_home_tell(home: Home) -> None:
    """The bedroom's sensor is dead: who lies there was last seen in the bathroom. It shows after a day."""
    for number in (10, 11, 12, 13):
        home.hear([one for one in day(number) if one.room != "bedroom"])
    collapses = [one for one in home.found if one.kind == "collapse" and one.stage is Stage.CONFIRMED]
    assert [one for one in collapses if one.decided_ms > ms(11, "04:00")] == []
    (one,) = [one for one in home.wait(ms(14, "12:00")) if one.kind == "collapse"]
    assert one.notes["doubt"] == "routine.doubt.blind"


def test_silence_after_our_own_outage_is_not_the_homes(home: Home) -> None:
    """Nobody listened for six hours by day."""
    home.hear(day(10, shift_min=0, until="07:30"))
    home.bank.interrupted()
    assert home.wait(ms(10, "13:00")) == []
    home.hear([one for one in day(10, shift_min=0) if one.t_ms > ms(10, "13:00")])
    assert home.found == []


def test_after_an_interruption_silence_counts_anew_from_its_end(home: Home) -> None:
    """Whoever had fallen before is found, later by no more than the interruption; another home is left alone."""
    home.hear(day(10, shift_min=0, until="07:30"))
    limit_min = home.bank.limit_min("p1")["kitchen"][16]
    home.bank.interrupted(["p1"], ms(10, "08:00"))
    end_ms = ms(10, "08:00") + round(limit_min * MINUTE_MS)
    assert home.wait(end_ms - MINUTE_MS) == []
    (found,) = [one for one in home.wait(end_ms + MINUTE_MS) if one.kind == "collapse"]
    assert (found.onset_ms, found.notes["room"]) == (ms(10, "08:00"), "kitchen")
    with pytest.raises(DetectorError, match="no home"):
        home.bank.interrupted(["nobody"])


def test_a_finding_that_was_told_to_nobody_has_no_end(home: Home) -> None:
    """Nothing stands, and what moves there later says nothing of it."""
    home.hear(day(10, shift_min=0, until="07:30"))
    (found,) = home.wait(ms(10, "08:20"))
    assert home.bank.standing("p1") == [found.kind] == ["collapse"]
    home.bank.withheld(found)
    assert home.bank.standing("p1") == []
    assert home.hear(moves(ms(10, "08:25"), "kitchen", 2)) == []


def test_an_interruption_of_one_home_leaves_the_others_alone(home: Home) -> None:
    """The other one is found when it would have been."""
    home.hear(day(10, shift_min=0, until="07:30"))
    home.bank.add("p2")
    home.bank.interrupted(["p2"], ms(10, "07:35"))
    assert [one.kind for one in home.wait(ms(10, "09:00"))][:1] == ["collapse"]


def test_readings_out_of_a_buffer_say_so_on_what_they_end(home: Home) -> None:
    """A sign of life that comes late is one of then."""
    home.hear(day(10, shift_min=0, until="07:30"))
    home.wait(ms(10, "08:00"))
    (over,) = home.hear(moves(ms(10, "08:05"), "kitchen", 2), historical=True)
    assert over.historical


def tells_of_the_past(home: Home, said: list[Said], now_ms: int) -> list[Detection]:
    """A hub empties its buffer: readings one by one, all of them now; and the clock runs on for a day."""
    found = []
    for one in sorted(said, key=lambda said: said.t_ms):
        found += home.bank.update(batch([one], home.row, recv_ms=now_ms, historical=True), now_ms)
    return [*found, *home.wait(now_ms + 24 * HOUR_MS)]


def test_a_home_that_tells_of_days_ago_is_not_silent_now(home: Home) -> None:
    """Neither fallen nor not back, however long nothing else comes; and it is learnt as if it had been live."""
    days = home.bank.state()["columns"]["days"][0]
    past = [*day(10), *day(11), *day(12, until="10:05")]  # that ends with somebody who goes out
    assert tells_of_the_past(home, past, ms(14, "12:00")) == []
    assert home.bank.next_due_ms() is None
    assert home.bank.state()["columns"]["days"][0] == days + 2


def test_what_happened_days_ago_is_found_as_that(home: Home) -> None:
    """A long stay in the bathroom, at the time at which it would have been found, and its end."""
    past = [*day(10, until="09:30"), *moves(ms(10, "09:32"), "bathroom", 2), *moves(ms(10, "12:30"), "kitchen", 2)]
    found = tells_of_the_past(home, past, ms(12, "12:00"))
    assert {one.historical for one in found} == {True}
    begun = [one for one in found if one.stage == "confirmed" and one.kind in ("long_bathroom", "collapse")]
    assert begun
    assert all(ms(10, "09:35") < one.decided_ms < ms(10, "12:30") for one in begun)
    assert {one.id for one in begun} <= {one.id for one in found if one.stage == "follow_up"}


@pytest.mark.parametrize("kind", ["presence", "temperature"])
def test_a_home_that_told_of_the_past_is_watched_from_its_first_live_word(home: Home, kind: str) -> None:
    """Whatever it says; then who has fallen is found by the limits of the home."""
    now_ms = ms(12, "12:00")
    tells_of_the_past(home, day(10, until="17:40"), now_ms)
    live_ms = now_ms + 30 * HOUR_MS
    assert home.hear([Said(live_ms, "kitchen", kind, "kitchen", True)]) == []
    (found,) = [one for one in home.wait(live_ms + 5 * HOUR_MS) if one.kind == "collapse"]
    assert not found.historical
    assert found.decided_ms > live_ms


@pytest.mark.parametrize("named", [False, True])
def test_a_home_is_in_the_past_until_it_is_heard_again(home: Home, *, named: bool) -> None:
    """By something live of its own, or when it is named; not when nothing was heard of all, and not by another's."""
    other = home.bank.add("p2")
    assert home.bank.in_the_past() == []
    tells_of_the_past(home, day(10, until="17:40"), ms(12, "12:00"))
    now_ms = ms(13, "18:00")
    home.bank.interrupted(None, now_ms)
    home.bank.interrupted(["p2"], now_ms)
    home.bank.update(batch([Said(now_ms, "k", "presence", "kitchen", True)], other), now_ms)
    assert home.bank.in_the_past() == ["p1"]
    if named:
        home.bank.interrupted(["p1"], now_ms)
    else:
        home.bank.update(batch([Said(now_ms, "kitchen", "temperature", "kitchen", 21.0)], home.row), now_ms)
    assert home.bank.in_the_past() == []


@pytest.mark.parametrize("named", [False, True])
def test_a_collapse_of_the_past_keeps_nobody_from_being_found_now(home: Home, *, named: bool) -> None:
    """It still stands as the buffer ends, with a reading that may be of nobody; it has called nobody."""
    past = [*day(10, until="07:40"), *blip(ms(10, "12:30"), "living")]
    (before,) = tells_of_the_past(home, past, ms(10, "14:00"))
    assert (before.kind, before.historical, home.bank.standing("p1")) == ("collapse", True, ["collapse"])
    now_ms = ms(11, "15:00")
    if named:
        home.bank.interrupted(["p1"], now_ms)
    else:
        home.hear([Said(now_ms, "kitchen", "temperature", "kitchen", 21.0)])
    (found,) = home.wait(now_ms + 24 * HOUR_MS)
    assert (found.kind, found.historical) == ("collapse", False)
    assert found.onset_ms == now_ms


def test_a_collapse_that_called_somebody_is_not_called_again(home: Home) -> None:
    """The home was away for a while, and can be heard again: it still stands."""
    home.hear(day(10, until="07:40"))
    (before,) = home.wait(ms(10, "12:00"))
    assert before.kind == "collapse"
    home.bank.interrupted(["p1"], ms(10, "14:00"))
    assert home.wait(ms(11, "14:00")) == []


def test_a_live_reading_that_was_a_minute_on_its_way_ends_the_past_too(home: Home) -> None:
    """Of a home whose buffer reached to six minutes ago: it is silent since the reading before, not since now."""
    past = day(10, shift_min=0, until="07:20")
    now_ms = past[-1].t_ms + 6 * MINUTE_MS
    home.bank.update(batch(past, home.row, recv_ms=now_ms, historical=True), now_ms)
    assert home.bank.in_the_past() == ["p1"]
    late = Said(now_ms - 2 * MINUTE_MS, "kitchen", "temperature", "kitchen", 21.0)
    home.bank.update(batch([late], home.row, recv_ms=now_ms), now_ms)
    assert home.bank.in_the_past() == []
    (found,) = home.wait(ms(10, "12:00"))
    assert (found.kind, found.onset_ms, found.historical) == ("collapse", past[-1].t_ms, False)


def test_out_of_a_buffer_and_a_minute_old_is_now(home: Home) -> None:
    """A link was away for a moment in which somebody fell."""
    home.hear(day(10, shift_min=0, until="07:20"))
    late = moves(ms(10, "07:20"), "kitchen", 2)
    home.bank.update(
        batch(late, home.row, recv_ms=late[-1].t_ms + MINUTE_MS, historical=True), late[-1].t_ms + MINUTE_MS
    )
    (found,) = [one for one in home.wait(ms(10, "09:00")) if one.kind == "collapse"]
    assert not found.historical


def test_a_state_goes_on_as_if_nothing_had_happened(home: Home) -> None:
    """Through pickle, in the middle of a day; also the findings are the same, with the same ids."""
    first, rest = day(10, shift_min=0, until="07:20"), day(10, shift_min=0, until="07:30")
    home.hear(first)
    other = Home(bank=RoutineBank(ZONE))
    other.bank.restore(pickle.loads(pickle.dumps(home.bank.state())))
    for one in (home, other):
        one.hear([said for said in rest if said.t_ms >= ms(10, "07:20")])
        one.wait(ms(10, "09:00"))
    assert home.found == other.found != []
    np.testing.assert_equal(home.bank.state(), other.bank.state())


def test_a_state_is_a_copy_and_another_format_is_refused(home: Home) -> None:
    """With what to do next."""
    state = home.bank.state()
    kept = pickle.dumps(state)
    home.hear(day(10))
    assert pickle.dumps(state) == kept
    with pytest.raises(DetectorError, match="start afresh"):
        RoutineBank(ZONE).restore(state | {"format": 99})


def test_homes_do_not_mix() -> None:
    """Two homes in one bank, one silent: each has the findings that it has alone, and nothing is changed in a batch."""
    both = RoutineBank(ZONE)
    alone = [Home(person=name) for name in ("a", "b")]
    rows = [both.add(name) for name in ("a", "b")]
    found: list[Detection] = []
    for number in range(1, 4):
        parts = [day(number, shift_min=3 + row, until="07:30" if (row, number) == (1, 3) else "24:00") for row in rows]
        for one, said in zip(alone, parts, strict=True):
            one.hear(said)
            one.wait(ms(number, "23:59"))
        by_minute: dict[int, list[tuple[Said, int]]] = {}
        for row, said in zip(rows, parts, strict=True):
            for one in said:
                by_minute.setdefault((one.t_ms - ms(number, "00:00")) // MINUTE_MS, []).append((one, row))
        for minute in range(24 * 60):
            now_ms = ms(number, "00:00") + (minute + 1) * MINUTE_MS - 1
            due = by_minute.get(minute)
            if due:
                together = batch([one for one, _ in due])
                together = replace(together, row=np.array([row for _, row in due], np.int32))
                kept = pickle.dumps(together)
                found += both.update(together, now_ms)
                assert pickle.dumps(together) == kept
            else:
                found += both.update(None, now_ms)
    assert [one.id for one in found] == [one.id for home in alone for one in home.found]
    assert [one.person for one in found] == ["b"]


def test_a_person_is_added_once(home: Home) -> None:
    """The same row again, and the others stay; unknown people are an error that says what to do."""
    assert home.bank.add("p1") == home.row
    assert [home.bank.add(f"q{k}") for k in range(100)] == list(range(1, 101))
    assert len(home.bank) == 101
    assert set(home.bank.limit_min("p1")) >= {"kitchen", "bathroom", "bedroom", "living", "bedroom (up)"}
    assert "entry" not in home.bank.limit_min("p1")
    with pytest.raises(DetectorError, match="add it first"):
        home.bank.limit_min("nobody")


def test_a_home_of_twenty_rooms_keeps_going() -> None:
    """The last place takes what has none of its own."""
    home = Home()
    for k in range(20):
        home.hear(moves(ms(1, "10:00") + k * 5 * MINUTE_MS, f"room {k}", 2))
    assert "…" in home.bank.limit_min("p1")
    assert home.found == []


@pytest.mark.parametrize(
    ("at", "clock_min"),
    [
        (datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN), 90),
        (datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN), 210),  # the clock was set ahead at two
        (datetime(2026, 10, 25, 1, 30, tzinfo=BERLIN), 90),
        (datetime(2026, 10, 25, 12, 0, tzinfo=BERLIN), 720),
    ],
)
def test_local_time_follows_daylight_saving(at: datetime, clock_min: float) -> None:
    """For one instant, for many, and for the next noon."""
    clock = LocalClock(BERLIN)
    t_ms = int(at.timestamp() * 1000)
    assert clock.minute(t_ms) % 1440 == clock_min
    far = np.array([t_ms, t_ms - 40 * 86_400_000], np.int64)
    assert clock.minutes(far)[0] == clock.minute(t_ms)
    noon_ms = clock.next_ms(t_ms, 720)
    assert clock.minute(noon_ms) % 1440 == 720
    assert 0 < noon_ms - t_ms <= 25 * 3_600_000


def test_a_home_is_known_by_its_own_clock_across_a_change() -> None:
    """A week before the clock is set and days after it: no finding, though all is an hour earlier by universal time."""
    home = Home(bank=RoutineBank(BERLIN))
    for number in range(20, 32):  # set ahead on the 29th
        home.hear(day(number, zone=BERLIN))
    assert home.found == []


def silences(*parts: tuple[int, str, float, int]) -> Silences:
    """Of (day, clock, minutes, slot)."""
    at = [number * 1440.0 + int(clock[:2]) * 60 + int(clock[3:]) for number, clock, _, _ in parts]
    slots = np.array([part[3] for part in parts], np.int8)
    return Silences(np.array(at), np.array([float(part[2]) for part in parts]), slots)


def kinds(**slots: Room) -> np.ndarray:
    """Rooms of slots ``s1=...``."""
    out = np.zeros(SLOTS, np.uint8)
    out[0] = Room.BEDROOM
    for name, kind in slots.items():
        out[int(name[1:])] = kind
    return out


def test_without_silences_the_least_of_each_room_holds() -> None:
    """Nothing divides by nothing."""
    p = LimitParameters()
    learned = learn(silences(), kinds(s1=Room.KITCHEN, s2=Room.BATHROOM, s3=Room.OTHER), 10, p)
    assert (learned.limit_min[1] == p.kitchen_least_s / 60).all()
    assert (learned.limit_min[2] == p.bathroom_least_s / 60).all()
    assert (learned.limit_min[3] == p.other_least_s / 60).all()
    assert not learned.sitting.any()


def test_limits_follow_what_was_seen_at_that_time_of_day() -> None:
    """A bath of 50 minutes at eight in the evening allows that then, and less at noon; twice counts at any time."""
    once = learn(silences((1, "20:00", 50, 1)), kinds(s1=Room.BATHROOM), 10, LimitParameters())
    assert once.limit_min[1, 39] > 50
    assert once.limit_min[1, 24] == pytest.approx(29)
    twice = learn(silences((1, "20:00", 50, 1), (2, "20:00", 48, 1)), kinds(s1=Room.BATHROOM), 10, LimitParameters())
    assert twice.limit_min[1, 24] == pytest.approx(48 * 1.1)


def test_sitting_rooms_share_and_longer_sitting_allows_more() -> None:
    """Long silences on most days make a sitting room; the more often and the longer, the higher the limit, up to the
    most; who was seen next door sits there too."""
    p = LimitParameters()
    limits = []
    for most_min in (70, 120, 200):
        parts = [(number, "14:00", 60 + (most_min - 60) * (number % 5) / 4, 1) for number in range(10)]
        parts += [(number, "15:00", 45, 2) for number in range(10)]
        learned = learn(silences(*parts), kinds(s1=Room.OTHER, s2=Room.OTHER, s3=Room.OTHER), 10, p)
        assert learned.sitting[[1, 2]].all()
        assert not learned.sitting[3]
        assert (learned.limit_min[1] == learned.limit_min[2]).all()
        limits.append(learned.limit_min[1, 28])
    assert limits[0] <= limits[1] < limits[2] <= p.sitting_most_s / 60


def test_who_sits_in_the_evening_goes_to_bed_and_at_night_may_sleep_there() -> None:
    """Long evenings do not allow to sit until the morning; in the night the limit is that of sleep."""
    p = LimitParameters()
    sits = [(number, "18:00", 100 + 20 * number, 1) for number in range(10)]
    nights = [(number, "23:00", 400, 2) for number in range(10)]
    learned = learn(silences(*sits, *nights), kinds(s1=Room.OTHER, s2=Room.BEDROOM), 10, p)
    ends_min = np.arange(BINS) * 30 + 15 + learned.limit_min[1]
    assert ends_min[36:42].max() <= 23 * 60 + p.late_s / 60
    assert learned.limit_min[1, 47] == learned.limit_min[2, 47] > 400


def test_nights_are_told_by_the_bedroom_also_around_midnight_and_by_day() -> None:
    """Who works at night sleeps by day."""
    for bedtime, hour in (("23:00", 23), ("09:00", 9)):
        nights = [(number, bedtime, 400, 1) for number in range(10)]
        learned = learn(silences(*nights), kinds(s1=Room.BEDROOM), 10, LimitParameters())
        assert learned.night[0] == pytest.approx(hour * 60, abs=10)
        assert (learned.night[1] - learned.night[0]) % 1440 == pytest.approx(400, abs=20)
        asleep = learned.limit_min[1, (hour * 2 + 2) % BINS]
        assert asleep > 400
        assert learned.limit_min[1].min() < 130
    assert learned.limit_min.shape == (SLOTS, BINS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Bathroom", Room.BATHROOM),
        ("主卧卫生间", Room.BATHROOM),
        ("master_bedroom", Room.BEDROOM),
        ("卧室", Room.BEDROOM),
        ("厨房", Room.KITCHEN),
        ("OutsideDoor", Room.EXIT),
        ("入户门", Room.EXIT),
        ("客厅", Room.OTHER),
        ("", Room.OTHER),
        (None, Room.OTHER),
        ("🛋", Room.OTHER),
    ],
)
def test_rooms_are_told_by_their_names(name: str | None, kind: Room) -> None:
    """In both languages; what nobody foresaw is another room."""
    assert room_of(name) is kind


@pytest.mark.parametrize(
    ("value", "on"),
    [(True, 1), (False, 0), (1.0, 1), (0.0, 0), (" OPEN ", 1), ("Close", 0), ("", 0), ("42?", -1), (float("nan"), -1)],
)
def test_values_are_on_off_or_neither(value: Value, on: int) -> None:
    """As sensors and their hubs write them."""
    assert is_on(value) == on


def test_every_text_is_there_in_both_languages_with_the_same_fields() -> None:
    """And every finding has its sentence, and one for its end."""
    english, chinese = TEXTS["en"], TEXTS["zh"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert fields(text) == fields(chinese[key]), key
        assert any(letter > "\u4dff" for letter in chinese[key]), key
    for finding in Finding:
        assert f"routine.{findings.KINDS[finding]}" in english
        assert f"routine.{findings.KINDS[finding]}.over" in english


def fields(text: str) -> set[str]:
    """What is filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_what_a_finding_lacks_stays_visible_and_an_unknown_language_is_english() -> None:
    """A finding of another version is still shown."""
    bare = Detection(
        id="x", stage=Stage.CONFIRMED, device="d", person=None, detector="routine", version="9", kind="collapse",
        onset_ms=0, decided_ms=0, recv_ms=0, severity=findings.Severity.INFO, score=0.5,
        features={"silent_s": 5400.0}, notes={"text": "routine.collapse", "basis": "routine.basis.new"},
    )  # fmt: skip
    text = sentence(bare, "fr")
    assert "1 h 30 min" in text
    assert "{limit_silent_s}" in text
    assert text.endswith("routine.basis.new")


def test_an_empty_batch_is_a_tick(home: Home) -> None:
    """It finds what is due."""
    home.hear(day(10, shift_min=0, until="07:30"))
    empty = HomeBatch(np.empty(0, np.int32), [], [], [], [], np.empty(0, np.int64), np.empty(0, np.int64))
    assert [one.kind for one in home.bank.update(empty, ms(10, "08:10"))] == ["collapse"]
