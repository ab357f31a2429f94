"""What the routine bank finds in a home, and what it leaves alone: days of a home told by the hour."""

from __future__ import annotations

import pickle

import pytest

from detectors.detection import Detection, Severity, Stage
from detectors.routine.bank import RoutineBank
from detectors.routine.sentences import sentence
from tests.detectors.routine_story import (
    MINUTE_MS,
    ZONE,
    Home,
    Said,
    blip,
    day,
    door,
    moves,
    ms,
)


@pytest.fixture(scope="module")
def learnt() -> bytes:
    """Nine usual days."""
    home = Home()
    home.learn(9)
    assert home.found == []
    return pickle.dumps(home.bank.state())


@pytest.fixture
def home(learnt: bytes) -> Home:
    """A home that is known, at the end of its ninth day."""
    bank = RoutineBank(ZONE)
    bank.restore(pickle.loads(learnt))
    return Home(bank=bank)


def confirmed(found: list[Detection], kind: str) -> list[Detection]:
    """Those that opened an incident."""
    return [one for one in found if one.stage is Stage.CONFIRMED and one.kind == kind]


def test_eight_more_usual_days_have_no_finding(home: Home) -> None:
    """Nothing of any kind: not of the absence, the sitting, the nights."""
    for number in range(10, 18):
        home.hear(day(number))
    assert home.found == []


@pytest.mark.parametrize(
    ("clock", "room", "most_min"),
    [("07:30", "kitchen", 15), ("09:32", "bathroom", 30), ("16:00", "living", 180), ("07:01", "bedroom", 180)],
)
def test_a_collapse_is_found_by_where_and_when_it_happened(home: Home, clock: str, room: str, most_min: float) -> None:
    """Silence from a moment of the day on: the sooner, the less normal it is there."""
    home.hear(day(10, shift_min=0, until=clock))
    home.hear(moves(ms(10, clock), room, 2))
    last_ms = ms(10, clock) + 82_000
    found = confirmed(home.wait(last_ms + 12 * 60 * MINUTE_MS), "collapse")
    assert len(found) == 1
    (one,) = found
    assert one.severity is Severity.URGENT
    assert (one.decided_ms - last_ms) / MINUTE_MS <= most_min
    assert one.onset_ms == last_ms
    assert one.person == "p1"
    assert one.notes["room"] == room
    assert one.features["silent_s"] >= one.features["limit_silent_s"] > 0
    assert 0.8 < one.score < 1.0


def test_nothing_else_is_called_while_a_collapse_stands(home: Home) -> None:
    """One silent person is one finding, not one more every few hours."""
    home.hear(day(10, shift_min=0, until="07:30"))
    assert [one.kind for one in home.wait(ms(11, "23:00"))] == ["collapse"]


def test_movement_ends_a_collapse_under_the_same_id(home: Home) -> None:
    """The follow-up asks nothing of anybody."""
    home.hear(day(10, shift_min=0, until="07:30"))
    (begun,) = home.wait(ms(10, "08:10"))
    (over,) = home.hear(moves(ms(10, "08:12"), "kitchen", 2))
    assert over.id == begun.id
    assert (over.stage, over.severity, over.notes["state"]) == (Stage.FOLLOW_UP, Severity.INFO, "over")
    assert over.features["lasted_s"] > begun.features["silent_s"]


def test_a_blip_does_not_end_a_collapse(home: Home) -> None:
    """One on and off of a sensor elsewhere is nobody."""
    home.hear(day(10, shift_min=0, until="07:30"))
    assert len(home.wait(ms(10, "08:10"))) == 1
    assert home.hear(blip(ms(10, "08:15"), "living")) == []


def test_before_a_home_is_known_the_districts_rule_holds() -> None:
    """Three and a half hours of silence are nothing, four are, and the finding says on what it rests."""
    home = Home()
    home.hear(day(1))
    home.hear(day(2, shift_min=0, until="14:58"))
    assert confirmed(home.wait(ms(2, "18:20")), "collapse") == []
    (one,) = confirmed(home.wait(ms(2, "19:10")), "collapse")
    assert one.notes["basis"] == "routine.basis.default"
    assert one.score < 0.7


def test_an_absence_is_no_collapse(home: Home) -> None:
    """Out for five hours by day, and back by the door."""
    home.hear(day(10, shift_min=0, until="12:25"))
    home.hear([*door(ms(10, "12:30")), *door(ms(10, "15:20")), *moves(ms(10, "15:21"), "living", 5)])
    home.hear([one for one in day(10, shift_min=0) if one.t_ms > ms(10, "16:00")])
    assert home.found == []


def test_a_blip_inside_does_not_end_an_absence(home: Home) -> None:
    """A sensor that nobody passed, while everybody is out: else its silence would be a collapse."""
    home.hear(day(10, shift_min=0, until="12:25"))
    home.hear([*door(ms(10, "12:30")), *blip(ms(10, "13:30"), "kitchen"), *door(ms(10, "15:20"))])
    assert home.found == []


def test_who_comes_home_past_a_dead_door_contact_is_home(home: Home) -> None:
    """Several readings inside are a return: a collapse after it is found."""
    home.hear(day(10, shift_min=0, until="12:25"))
    home.hear([*door(ms(10, "12:30")), *moves(ms(10, "14:00"), "kitchen", 5)])
    assert len(confirmed(home.wait(ms(10, "14:30")), "collapse")) == 1


def test_not_being_back_at_night_is_found(home: Home) -> None:
    """Out since the evening; the home was never empty then."""
    home.hear(day(10, shift_min=0, until="18:02"))
    home.hear(door(ms(10, "19:00")))
    found = home.wait(ms(11, "01:00"))
    assert [one.kind for one in found] == ["not_back"]
    assert ms(10, "20:00") <= found[0].decided_ms <= ms(10, "22:30")
    (over,) = home.hear([*door(ms(11, "01:10")), *moves(ms(11, "01:11"), "bedroom", 3)])
    assert (over.kind, over.stage) == ("not_back", Stage.FOLLOW_UP)


def test_a_blip_while_asleep_moves_nobody(home: Home) -> None:
    """Both false alarms of the recordings: bathroom or kitchen once, an hour of sleep after it."""
    home.hear(day(10, shift_min=0, until="01:30"))
    home.hear(blip(ms(10, "01:50"), "kitchen"))
    home.hear([one for one in day(10, shift_min=0) if one.t_ms > ms(10, "02:59")])
    assert home.found == []


def test_a_walk_through_rooms_is_believed_at_once(home: Home) -> None:
    """One reading of each room, seconds apart: the last one counts, and its limit."""
    home.hear(day(10, shift_min=0, until="14:58"))
    home.hear(moves(ms(10, "15:30"), "living", 1))
    home.hear([*blip(ms(10, "15:31"), "bathroom"), *blip(ms(10, "15:31") + 20_000, "kitchen")])
    (one,) = confirmed(home.wait(ms(10, "16:30")), "collapse")
    assert one.notes["room"] == "kitchen"
    assert one.decided_ms <= ms(10, "15:47")


def test_not_getting_up_is_found(home: Home) -> None:
    """Somebody who turns over in bed until noon."""
    home.hear(day(10, shift_min=0, until="06:00"))
    turning = [said for hour in range(6, 12) for said in moves(ms(10, f"{hour:02d}:30"), "bedroom", 1)]
    found = home.hear(turning)
    assert [one.kind for one in found] == ["not_out_of_bed"]
    assert ms(10, "08:00") < found[0].decided_ms < ms(10, "09:30")
    over = home.hear(moves(ms(10, "12:00"), "kitchen", 10))
    assert [(one.kind, one.stage) for one in over] == [("not_out_of_bed", Stage.FOLLOW_UP)]


def test_a_bed_left_at_night_and_not_returned_to_is_found(home: Home) -> None:
    """In the living room from three in the morning on, moving."""
    home.hear(day(10, shift_min=0, until="03:00"))
    found = home.hear(moves(ms(10, "03:01"), "living", 55, every_s=120))
    assert [one.kind for one in found] == ["bed_left"]
    over = home.hear(moves(ms(10, "03:57"), "bedroom", 5))
    assert [(one.kind, one.stage) for one in over] == [("bed_left", Stage.FOLLOW_UP)]


def test_a_bed_sensor_tells_the_same() -> None:
    """Without any passive sensor in the bedroom."""
    home = Home()
    bed = [Said(ms(1, "22:30"), "mat", "bed", None, False), Said(ms(1, "22:31"), "mat", "bed", None, True)]
    home.hear([*moves(ms(1, "22:00"), "living", 20), *bed, *moves(ms(2, "02:00"), "kitchen", 0.5)])
    home.hear([Said(ms(2, "02:00"), "mat", "bed", None, False), *moves(ms(2, "02:01"), "kitchen", 60, every_s=90)])
    assert [one.kind for one in home.found] == ["bed_left"]


def test_a_long_stay_in_the_bathroom_is_found_though_somebody_moves(home: Home) -> None:
    """Not a silence: readings all the time."""
    home.hear(day(10, shift_min=0, until="12:20"))
    found = home.hear(moves(ms(10, "12:20"), "bathroom", 70))
    assert [one.kind for one in found] == ["long_bathroom"]
    assert found[0].features["limit_lasted_s"] == pytest.approx(45 * 60, abs=60)


def test_a_front_door_left_open_is_found_sooner_at_night(home: Home) -> None:
    """By day after a quarter of an hour, at night after five minutes; closing ends it."""
    home.hear(day(10, shift_min=0, until="12:20"))
    opened = [Said(ms(10, "12:20"), "door", "contact", "entry", "open")]
    assert home.hear([*opened, *moves(ms(10, "12:21"), "living", 10)]) == []
    (by_day,) = home.hear(moves(ms(10, "12:32"), "living", 8))
    assert (by_day.kind, by_day.severity, by_day.notes["text"]) == ("door_open", Severity.INFO, "routine.door_open")
    (over,) = home.hear([Said(ms(10, "12:41"), "door", "contact", "entry", "closed")])
    assert over.id == by_day.id
    home.hear([one for one in day(10, shift_min=0) if one.t_ms > ms(10, "12:45")])
    night = home.hear([Said(ms(10, "23:30"), "door", "contact", "entry", "open"), *moves(ms(10, "23:31"), "living", 9)])
    assert [one.notes["text"] for one in night if one.kind == "door_open"] == ["routine.door_open.night"]
    assert [one.severity for one in night if one.kind == "door_open"] == [Severity.WARNING]


def test_wandering_at_night_is_found_and_a_visit_to_the_bathroom_is_not(home: Home) -> None:
    """From room to room at two in the morning."""
    home.hear(day(10, shift_min=0, until="01:30"))
    rooms = ["living", "kitchen", "entry2", "study"] * 4
    walk = [said for k, room in enumerate(rooms) for said in moves(ms(10, "02:00") + k * 70_000, room, 1)]
    found = home.hear(walk)
    assert "wandering" in [one.kind for one in found]
    one = confirmed(found, "wandering")[0]
    assert one.features["changes"] >= one.features["limit_changes"]


def test_leaving_the_home_at_night_is_wandering(home: Home) -> None:
    """In a home whose front door stays shut at night."""
    home.hear(day(10, shift_min=0, until="02:00"))
    found = home.hear([*moves(ms(10, "02:10"), "bedroom", 1), *door(ms(10, "02:12"))])
    assert [one.kind for one in found] == ["wandering"]


def test_a_day_without_the_kitchen_is_found(home: Home) -> None:
    """Up and about, and nothing eaten."""
    without = [one for number in (10, 11) for one in day(number, out=False) if one.room != "kitchen"]
    without += [said for hour in range(8, 22) for said in moves(ms(10, f"{hour:02d}:00"), "living", 3)]
    found = home.hear(without)
    assert [one.kind for one in confirmed(found, "no_kitchen")] == ["no_kitchen"]
    assert confirmed(found, "no_bathroom") == []


def test_hours_away_do_not_count_as_hours_without_the_kitchen(home: Home) -> None:
    """Out from morning to evening: supper was elsewhere."""
    home.hear(day(10, shift_min=0, until="09:50"))
    home.hear([*door(ms(10, "10:00")), *door(ms(10, "19:30")), *moves(ms(10, "19:31"), "living", 60)])
    assert confirmed(home.found, "no_kitchen") == []


def test_more_people_pets_and_visitors_lower_the_confidence(learnt: bytes) -> None:
    """The same silence, less certain and less urgent, and it says why."""
    said = []
    for residents, pets, visitors in ((1, False, False), (2, False, False), (1, True, False), (1, False, True)):
        bank = RoutineBank(ZONE)
        bank.restore(pickle.loads(learnt))
        home = Home(bank=bank, residents=residents, pets=pets)
        home.hear(day(10, shift_min=0, until="07:10"))
        if visitors:
            both = [Said(ms(10, "07:12"), f"radar-{room}", "presence", room, True) for room in ("kitchen", "living")]
            off = [Said(ms(10, "07:20"), f"radar-{room}", "presence", room, False) for room in ("living", "kitchen")]
            home.hear([*both, *moves(ms(10, "07:13"), "kitchen", 5), *off])
        home.hear(moves(ms(10, "07:21"), "kitchen", 2))
        (one,) = confirmed(home.wait(ms(10, "08:00")), "collapse")
        said.append((one.severity, one.notes.get("doubt"), one.score))
    alone, two, pet, company = said
    assert alone[:2] == (Severity.URGENT, None)
    assert two[:2] == pet[:2] == (Severity.WARNING, "routine.doubt.several")
    assert company[:2] == (Severity.WARNING, "routine.doubt.company")
    assert max(two[2], pet[2], company[2]) < alone[2]


def test_each_finding_of_this_module_is_a_sentence_in_both_languages(home: Home) -> None:
    """Nothing is left unfilled."""
    home.hear(day(10, shift_min=0, until="07:30"))
    found = [*home.wait(ms(10, "08:10")), *home.hear(moves(ms(10, "08:12"), "kitchen", 2))]
    home.hear([*door(ms(10, "19:00"))])
    found += home.wait(ms(11, "01:00"))
    assert len(found) == 3
    for one in found:
        english, chinese = sentence(one, "en"), sentence(one, "zh")
        assert "{" not in english + chinese
        assert english != chinese
    assert "14 min" in sentence(found[0], "en")
    assert "kitchen" in sentence(found[0], "en")
    assert "07:2" in sentence(found[0], "zh")
