"""Turns, hours, overrides, hand-overs and gaps, in local time."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from registry.errors import RosterError
from registry.rosters import Gap, How, Idle, Override, Roster, Rosters, gaps, hand_overs, on_call, shifts
from registry.rosters.hours import local_time, parse_hours, parse_local

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def ms(text: str, zone: ZoneInfo = BERLIN) -> int:
    """A local time as an instant."""
    return parse_local(text, zone)


def roster(
    *, hours: tuple[str, ...] = (), start: str = "2026-03-02T08:00", zone: ZoneInfo = BERLIN, **other: object
) -> Roster:
    """By weeks from Monday, 2 March 2026, 08:00: li, then wang and zhao together."""
    values: dict[str, object] = {"turns": (("li",), ("wang", "zhao"))} | other
    return Roster("r", "d.s", zone, start=datetime.fromisoformat(start), hours=parse_hours(hours), **values)


def who(one: Roster, at: str) -> tuple[str, ...]:
    """Who is on at a local time."""
    rosters = Rosters({one.area: (one,)})
    return tuple(duty.responder for duty in on_call(rosters, one.area, ms(at, one.zone)))


def plan(one: Roster, begin: str, end: str) -> list[tuple[str, str, str]]:
    """The shifts of a local span: from, to, and who, or why nobody."""
    found = shifts(one, ms(begin, one.zone), ms(end, one.zone))
    return [
        (_local(s.begin_ms, one.zone), _local(s.end_ms, one.zone), "+".join(s.responders) or str(s.idle)) for s in found
    ]


def _local(at_ms: int, zone: ZoneInfo) -> str:
    return local_time(at_ms, zone).strftime("%m-%dT%H:%M")


def test_turns_follow_each_other_and_begin_again() -> None:
    """A hand-over is an instant: before it the old turn, at it the new one."""
    one = roster()
    assert who(one, "2026-03-02T07:59") == ()
    assert who(one, "2026-03-02T08:00") == ("li",)
    assert who(one, "2026-03-09T07:59") == ("li",)
    assert who(one, "2026-03-09T08:00") == ("wang", "zhao")
    assert who(one, "2026-03-16T08:00") == ("li",)
    assert who(one, "2031-12-31T23:59") == who(one, "2032-01-01T00:01")  # the year is no border


@pytest.mark.parametrize(
    ("zone", "clock", "hours_long"),
    [
        (BERLIN, "03:00", {"03-22": 167, "03-29": 168, "10-18": 169, "10-25": 168}),
        (BERLIN, "02:30", {"03-22": 168, "03-29": 167, "10-18": 168, "10-25": 169}),  # skipped: 03:30; twice: the first
        (BERLIN, "02:00", {"03-22": 168, "03-29": 167, "10-18": 168, "10-25": 169}),
        (SHANGHAI, "03:00", {"03-22": 168, "03-29": 168, "10-18": 168, "10-25": 168}),
    ],
)
def test_the_hand_over_stays_at_its_local_time_over_a_change_of_clocks(
    zone: ZoneInfo, clock: str, hours_long: dict[str, int]
) -> None:
    """At 3 a.m., and in the very hour that is skipped or comes twice: a week is an hour shorter or longer, once."""
    one = roster(start=f"2026-03-01T{clock}", zone=zone, turns=(("a",), ("b",)))
    for day, hours in hours_long.items():
        begin_ms = ms(f"2026-{day}T{clock}", zone)
        end_ms = begin_ms + hours * 3_600_000
        assert len(shifts(one, begin_ms, end_ms)) == 1
        assert len(shifts(one, begin_ms - 1, end_ms + 1)) == 3, "it begins and ends there, to the millisecond"


def test_a_night_shift_over_the_skipped_hour_is_whole_and_one_hour_shorter() -> None:
    """22:00 to 06:00 in Berlin: seven hours in March, nine in October, eight in Shanghai."""
    lengths = []
    for zone, day in ((BERLIN, "2026-03-28"), (BERLIN, "2026-10-24"), (SHANGHAI, "2026-03-28")):
        one = roster(hours=("daily 22:00-06:00",), zone=zone)
        (shift,) = [
            s for s in shifts(one, ms(f"{day}T12:00", zone), ms(f"{day}T12:00", zone) + 86_400_000) if s.responders
        ]
        lengths.append((shift.end_ms - shift.begin_ms) / 3_600_000)
    assert lengths == [7, 9, 8]


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_hours_that_meet_within_the_changed_hour_leave_no_hole(day: str) -> None:
    """02:30 does not exist in March and comes twice in October; one roster goes to it, the next from it."""
    early = roster(hours=("00:00-02:30",), turns=(("early",),))
    late = roster(hours=("02:30-24:00",), turns=(("late",),))
    rosters = Rosters({"d": (early, late)})
    start, end = ms(day), ms(day) + 24 * 3_600_000
    assert gaps(rosters, ["d"], start, end) == []
    for minute in range(0, 24 * 60, 7):
        assert len(on_call(rosters, "d", start + minute * 60_000)) == 1


def test_hours_wholly_within_the_skipped_hour_put_nobody_on() -> None:
    """02:30 to 03:00 was not on that day; time does not run backwards for it."""
    one = roster(hours=("02:30-03:00",), turns=(("a",),))
    assert [entry[2] for entry in plan(one, "2026-03-29T00:00", "2026-03-29T12:00")] == ["outside_hours"]
    assert len(plan(one, "2026-03-30T00:00", "2026-03-30T12:00")) == 3


def test_hours_wrap_over_midnight_week_and_year() -> None:
    """They belong to the day on which they begin."""
    weekend = roster(hours=("fri 18:00-08:00", "sat-sun 00:00-24:00"), turns=(("a",),))
    found = plan(weekend, "2026-03-13T00:00", "2026-03-17T00:00")
    assert [(begin, end) for begin, end, name in found if name == "a"] == [("03-13T18:00", "03-16T00:00")]
    assert who(roster(hours=("thu 22:00-06:00",), turns=(("a",),)), "2027-01-01T05:59") == ("a",)  # 31 Dec 2026, Thu
    assert who(roster(hours=("sun-mon 12:00-13:00",), turns=(("a",),)), "2026-03-16T12:30") == ("a",)


def test_a_night_is_whole_on_every_night_of_a_year() -> None:
    """Wherever it is cut when it is worked out; and hours that end when they begin are a whole day."""
    one = roster(hours=("22:00-06:00",), turns=(("a",),), zone=SHANGHAI, start="2025-01-01T00:00")
    begin_ms = ms("2026-01-01T12:00", SHANGHAI)
    nights = [shift for shift in shifts(one, begin_ms, begin_ms + 364 * 86_400_000) if shift.responders]
    mornings = {local_time(shift.end_ms - 1, SHANGHAI).date() for shift in nights}
    assert sum(shift.end_ms - shift.begin_ms for shift in nights) == 364 * 8 * 3_600_000
    assert len(mornings) == 364
    round_the_clock = roster(hours=("wed 08:00-08:00",), turns=(("a",),))
    assert [who(round_the_clock, f"2026-03-{at}") for at in ("11T08:00", "12T07:59", "12T08:00")] == [
        ("a",),
        ("a",),
        (),
    ]


def test_workdays_and_days_off_know_holidays_and_working_saturdays() -> None:
    """A holiday on Thursday has the shift of a day off; a Saturday that makes up for it that of a working day."""
    exceptions = {date(2026, 10, 1): False, date(2026, 10, 10): True}
    office = roster(hours=("workday 08:00-18:00",), turns=(("office",),), workdays=exceptions)
    rest = roster(hours=("restday 08:00-18:00",), turns=(("weekend",),), workdays=exceptions)
    plain = roster(hours=("mon-fri 08:00-18:00",), turns=(("plain",),), workdays=exceptions)
    noon = {"2026-09-30": "office", "2026-10-01": "weekend", "2026-10-03": "weekend", "2026-10-10": "office"}
    for day, name in noon.items():
        assert who(office, f"{day}T12:00") + who(rest, f"{day}T12:00") == (name,)
    assert who(plain, "2026-10-01T12:00") == ("plain",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sat", "is no hours"),
        ("mon-fri", "is no hours"),
        ("mo-fr 08:00-18:00", "names the day 'mo-fr'"),
        ("mon 08:00-25:00", "has no time of day 25:00"),
        ("mon 08:61-09:00", "has no time of day 08:61"),
        ("mon 24:00-08:00", "begins at 24:00"),
        ("", "is no hours"),
    ],
)
def test_hours_that_mean_nothing_are_refused(text: str, why: str) -> None:
    """With the text, and how it is written."""
    with pytest.raises(RosterError, match=why):
        parse_hours([text])


def test_a_swap_exchanges_turns_and_a_cover_one_of_several() -> None:
    """A swap over both weeks exchanges them; who stands in has the place of whom they stand in for."""
    swap = Override("x1", ms("2026-03-02T08:00"), ms("2026-03-16T08:00"), swap=("li", "wang"))
    one = roster(overrides=(swap,))
    assert who(one, "2026-03-03") == ("wang",)
    assert who(one, "2026-03-10") == ("li", "zhao")
    assert who(one, "2026-03-17") == ("li",)
    cover = Override("c1", ms("2026-03-10T12:00"), ms("2026-03-10T13:00"), ("chen", "zhao"), instead_of="wang")
    one = roster(overrides=(cover,))
    assert who(one, "2026-03-10T11:59") == ("wang", "zhao")
    assert who(one, "2026-03-10T12:00") == ("chen", "zhao")
    (duty, *_) = on_call(Rosters({"a": (one,)}), "a", ms("2026-03-10T12:00"))
    assert (duty.how, duty.by, duty.until_ms) == (How.COVER, "c1", ms("2026-03-10T13:00"))


def test_an_override_puts_somebody_on_outside_the_hours_or_nobody_within_them() -> None:
    """An extra duty, and a closed station: the gap says why."""
    extra = Override("e1", ms("2026-03-10T20:00"), ms("2026-03-10T22:00"), ("chen",))
    closed = Override("e2", ms("2026-03-11T10:00"), ms("2026-03-11T12:00"))
    one = roster(hours=("daily 08:00-18:00",), overrides=(extra, closed))
    assert who(one, "2026-03-10T21:00") == ("chen",)
    found = gaps(Rosters({"d": (one,)}), ["d"], ms("2026-03-11T09:00"), ms("2026-03-11T17:00"))
    assert found == [Gap("d", closed.begin_ms, closed.end_ms, (("r", Idle.CLOSED),), "")]


def test_an_area_without_an_order_is_in_the_hands_of_its_parent() -> None:
    """Gaps are named where an order has them, once, and say which tier has somebody meanwhile."""
    station = roster(hours=("daily 08:00-18:00",))
    street = Roster("street", "d", BERLIN, turns=(("lead",),), hours=parse_hours(["daily 08:00-20:00"]))
    rosters = Rosters({"d.s": (station,), "d": (street,)})
    day = ms("2026-03-10"), ms("2026-03-11")
    found = gaps(rosters, ["d", "d.s", "d.s.house", "d.other"], *day)
    outside, why = Idle.OUTSIDE_HOURS, (("r", Idle.OUTSIDE_HOURS),)
    assert [(gap.area, _local(gap.begin_ms, BERLIN), _local(gap.end_ms, BERLIN), gap.held_by) for gap in found] == [
        ("d", "03-10T00:00", "03-10T08:00", ""),
        ("d", "03-10T20:00", "03-11T00:00", ""),
        ("d.s", "03-10T00:00", "03-10T08:00", ""),
        ("d.s", "03-10T18:00", "03-10T20:00", "d"),
        ("d.s", "03-10T20:00", "03-11T00:00", ""),
    ]
    assert found[0].reasons == (("street", outside),)
    assert {gap.reasons for gap in found[2:]} == {why}


def test_who_has_no_channel_leaves_a_gap_and_no_order_at_all_is_one() -> None:
    """Somebody whom no message reaches does not answer; a tree without any order has nobody."""
    day = ms("2026-03-10"), ms("2026-03-11")
    rosters = Rosters({}, {"d": ("mute",)})
    assert gaps(rosters, ["d", "d.s"], *day) == []
    assert gaps(rosters, ["d", "d.s"], *day, able={"li"}) == [Gap("d", *day, (("", Idle.NO_CHANNEL),), "")]
    assert gaps(Rosters(), ["d", "d.s"], *day) == [Gap("d", *day, (("", Idle.NO_ORDER),), "")]


def test_layers_are_called_in_order_and_the_plain_order_after_them() -> None:
    """Each once, at the first place they have."""
    first = Roster("b", "d", BERLIN, layer=1, turns=(("li",),))
    second = Roster("a", "d", BERLIN, layer=2, turns=(("wang", "li"),))
    rosters = Rosters({"d": (first, second)}, {"d": ("desk", "wang")})
    found = on_call(rosters, "d", ms("2026-03-10"))
    assert [(duty.responder, duty.layer, duty.roster) for duty in found] == [
        ("li", 1, "b"),
        ("wang", 2, "a"),
        ("desk", 0, ""),
    ]


def test_hand_overs_say_who_goes_and_who_comes() -> None:
    """Who stays is neither; one that falls on the begin of the span is in it."""
    one = roster(turns=(("li", "chen"), ("wang", "chen")))
    found = hand_overs(Rosters({"d.s": (one,)}), ms("2026-03-09T08:00"), ms("2026-03-16T08:00"))
    assert [(_local(each.at_ms, BERLIN), each.gone, each.come) for each in found] == [
        ("03-09T08:00", ("li",), ("wang",))
    ]


def test_a_roster_ends_and_says_so() -> None:
    """Before it, and after it, nobody is on for a reason of its own."""
    one = roster(end=datetime(2026, 3, 10))  # noqa: DTZ001 - local
    assert plan(one, "2026-03-02T00:00", "2026-03-11T00:00") == [
        ("03-02T00:00", "03-02T08:00", "not_begun"),
        ("03-02T08:00", "03-09T08:00", "li"),
        ("03-09T08:00", "03-10T00:00", "wang+zhao"),
        ("03-10T00:00", "03-11T00:00", "ended"),
    ]
