"""What holds for every roster: always somebody or a named gap, time never goes back, a swap conserves hours."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.rosters import Idle, Override, Roster, Rosters, Shift, gaps, hand_overs, on_call, shifts
from registry.rosters.calendars import check_calendar
from registry.rosters.hours import instant_ms, local_time, parse_hours
from registry.rosters.shifts import shift_at, turn_at, turn_start_ms

#: Zones that change their clocks at 1, 2 and 3 a.m., at midnight, by half an hour, never, and that left a day out.
ZONES = [
    ZoneInfo(name)
    for name in (
        "Europe/Berlin",
        "Asia/Shanghai",
        "America/Santiago",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    )
]
NAMES = ("li", "wang", "zhao", "chen")
DAY_MS = 86_400_000
FROM_MS = 1_767_225_600_000  # 2026-01-01
AREAS = ("d", "d.s", "d.s.a", "d.t")

instants = st.integers(FROM_MS - 400 * DAY_MS, FROM_MS + 800 * DAY_MS)
lengths = st.integers(1, 40 * DAY_MS)
clocks = st.builds(lambda m: f"{m // 60:02d}:{m % 60:02d}", st.integers(0, 1439))
days = st.sampled_from(["daily", "mon-fri", "sat,sun", "fri-mon", "workday", "restday", "wed"])
hours = st.lists(st.builds(lambda d, a, b: f"{d} {a}-{b}", days, clocks, clocks), max_size=3).map(parse_hours)
turns = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(tuple), min_size=1, max_size=4
).map(tuple)
starts = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(lambda d: d.replace(second=0, microsecond=0))  # noqa: DTZ001
two = st.lists(st.sampled_from(NAMES), min_size=2, max_size=2, unique=True).map(tuple)


@st.composite
def overrides(draw: st.DrawFn) -> Override:
    """Any override, somewhere near."""
    begin_ms = draw(instants)
    end_ms = begin_ms + draw(lengths)
    kind = draw(st.sampled_from(["swap", "cover", "replace"]))
    members = tuple(draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True)))
    if kind == "swap":
        return Override("o", begin_ms, end_ms, swap=draw(two))
    return Override("o", begin_ms, end_ms, members, draw(st.sampled_from(NAMES)) if kind == "cover" else "")


@st.composite
def rosters_of(draw: st.DrawFn, area: str = "d") -> Roster:
    """Any roster."""
    start = draw(starts)
    end = draw(st.none() | st.integers(1, 700).map(lambda n: start + timedelta(days=n, minutes=n)))
    return Roster(
        draw(st.uuids()).hex,
        area,
        draw(st.sampled_from(ZONES)),
        layer=draw(st.integers(1, 3)),
        start=start,
        end=end,
        turn_days=draw(st.sampled_from([1, 2, 7, 14, 30])),
        turns=draw(turns),
        hours=draw(hours),
        workdays=draw(st.dictionaries(st.dates(date(2025, 1, 1), date(2028, 1, 1)), st.booleans(), max_size=5)),
        overrides=tuple(draw(st.lists(overrides(), max_size=3))),
    )


@st.composite
def districts(draw: st.DrawFn) -> Rosters:
    """Rosters and plain orders over four areas of three levels; some areas have neither."""
    by_area = {
        area: tuple(draw(st.lists(rosters_of(area), max_size=2))) for area in draw(st.sets(st.sampled_from(AREAS)))
    }
    standing = dict.fromkeys(draw(st.sets(st.sampled_from(AREAS), max_size=1)), ("desk",))
    return Rosters(by_area, standing)


#: Nearly all that is drawn has one gap at most: here two areas have several a day, one in the hands of the other.
_HOURS = {"d": ["daily 06:00-13:00", "daily 15:00-23:00"], "d.s": ["daily 08:00-12:00", "mon-fri 14:00-18:00"]}
_GAPS = Rosters(
    {area: (Roster("r", area, ZONES[0], turns=(("li",),), hours=parse_hours(some)),) for area, some in _HOURS.items()}
)


@settings(max_examples=150, deadline=None)
@example(_GAPS, FROM_MS, 20 * DAY_MS, [0, 250, 999])
@given(districts(), instants, lengths, st.lists(st.integers(0, 1000), min_size=1, max_size=5))
def test_there_is_always_somebody_or_a_named_gap(
    known: Rosters, from_ms: int, long_ms: int, samples: list[int]
) -> None:
    """At every instant, in every area that has an order: exactly one of the two, and the gap has a reason for each of
    its rosters. The tier that is said to hold it has somebody."""
    to_ms = from_ms + long_ms
    found = gaps(known, AREAS, from_ms, to_ms)
    for sample in samples:
        at_ms = from_ms + (long_ms - 1) * sample // 1000
        for area in AREAS:
            here = [gap for gap in found if gap.area == area and gap.begin_ms <= at_ms < gap.end_ms]
            if known.has_order(area):
                assert bool(here) != bool(on_call(known, area, at_ms))
            else:
                assert bool(here) == (area == "d")
            for gap in here:
                assert len(gap.reasons) == max(1, len(known.by_area.get(area, ())))
                assert not gap.held_by or on_call(known, gap.held_by, at_ms)
    for area in AREAS:
        spans = [(gap.begin_ms, gap.end_ms) for gap in found if gap.area == area]
        assert all(from_ms <= begin < end <= to_ms for begin, end in spans)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


@settings(max_examples=200, deadline=None)
@given(rosters_of(), instants, lengths, st.integers(0, 1000))
def test_time_never_goes_back(roster: Roster, from_ms: int, long_ms: int, part: int) -> None:
    """Shifts fill their span from end to end, each begins where the last one ended, and it does not matter in which
    pieces they are asked for. Nobody is on until a moment that has passed."""
    to_ms, cut_ms = from_ms + long_ms, from_ms + long_ms * part // 1000
    plan = shifts(roster, from_ms, to_ms)
    assert (plan[0].begin_ms, plan[-1].end_ms) == (from_ms, to_ms)
    assert all(before.end_ms == after.begin_ms for before, after in pairwise(plan))
    assert all(shift.begin_ms < shift.end_ms and bool(shift.responders) == (shift.idle is None) for shift in plan)
    parts = shifts(roster, from_ms, cut_ms) + shifts(roster, cut_ms, to_ms)
    assert _hours(parts) == _hours(plan)
    known = Rosters({"d": (roster,)})
    for shift in plan:
        duties = on_call(known, "d", shift.begin_ms)
        assert tuple(duty.responder for duty in duties) == shift.responders
        assert all(duty.until_ms is not None and duty.until_ms >= shift.end_ms for duty in duties)
    times = [each.at_ms for each in hand_overs(known, from_ms, to_ms)]
    assert times == sorted(times)
    assert all(from_ms <= at_ms < to_ms for at_ms in times)


@settings(max_examples=200, deadline=None)
@given(rosters_of(), instants, lengths, two)
def test_a_swap_conserves_hours(roster: Roster, from_ms: int, long_ms: int, pair: tuple[str, str]) -> None:
    """Of all together; and within its span the two have each other's, and everybody else theirs."""
    to_ms = from_ms + long_ms
    plain = replace(roster, overrides=())
    swapped = replace(roster, overrides=(Override("x", from_ms, to_ms, swap=pair),))
    around = from_ms - 3 * DAY_MS, to_ms + 3 * DAY_MS
    assert sum(_hours(shifts(plain, *around)).values()) == sum(_hours(shifts(swapped, *around)).values())
    before, after = _hours(shifts(plain, from_ms, to_ms)), _hours(shifts(swapped, from_ms, to_ms))
    one, other = pair
    assert (after[one], after[other]) == (before[other], before[one])
    assert all(before[name] == after[name] for name in NAMES if name not in pair)
    assert _hours(shifts(plain, to_ms, around[1])) == _hours(shifts(swapped, to_ms, around[1]))


@settings(max_examples=100, deadline=None)
@given(rosters_of(), st.integers(-20, 60), st.integers(0, 3))
def test_turns_begin_at_the_same_local_time_wrap_around_and_miss_nobody(
    roster: Roster, number: int, rounds: int
) -> None:
    """Also over changes of the clocks, which may leave the time out: then the first there is after it. Whoever has turn
    n has every turn that lies whole rounds later, and each turn that has begun is found by its instants."""
    start_ms, next_ms = turn_start_ms(roster, number), turn_start_ms(roster, number + 1)
    assert start_ms < next_ms
    local, same = local_time(start_ms, roster.zone), roster.start + timedelta(days=number * roster.turn_days)
    exists = local_time(instant_ms(same, roster.zone), roster.zone).replace(tzinfo=None, fold=0) == same
    assert not exists or local.replace(tzinfo=None, fold=0) == same
    assert turn_at(roster, start_ms) == turn_at(roster, next_ms - 1) == number
    assert turn_at(roster, start_ms - 1) == number - 1
    plain = replace(roster, overrides=(), hours=parse_hours([]), workdays={}, end=None)
    first, later = max(number, 0), max(number, 0) + rounds * len(roster.turns)
    on = [shift_at(plain, turn_start_ms(plain, one)).responders for one in (first, later)]
    assert on[0] == on[1] == plain.turns[first % len(plain.turns)]


def _hours(plan: list[Shift]) -> Counter[str]:
    """Milliseconds on call by person."""
    total: Counter[str] = Counter()
    for shift in plan:
        for name in shift.responders:
            total[name] += shift.end_ms - shift.begin_ms
    return total


_LINES = [
    "BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VTIMEZONE", "END:VTIMEZONE",
    "UID:1", "SUMMARY:li", "SUMMARY:who + li", "SUMMARY", "TZID:X", "\x00", " folded", "é:1", "STATUS:CANCELLED",
    "DTSTART:20260302T080000", "DTSTART;VALUE=DATE:20260302", "DTSTART;TZID=Mars/Olympus:20260302T080000",
    "DTEND:20260302T180000Z", "DTEND:20260301", "DURATION:PT8H", "DURATION:-P1W", "RDATE:x", "EXDATE:20260302",
    "RRULE:FREQ=DAILY", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "RRULE:COUNT=2",
    "RRULE:FREQ=WEEKLY;UNTIL=19000101", "RECURRENCE-ID:20260302T080000", "ATTENDEE;CN=li:mailto:li@x", "ATTENDEE:",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_LINES), max_size=14), st.booleans())
def test_no_calendar_stops_an_import_and_none_that_passes_stops_a_call(lines: list[str], whole: bool) -> None:
    """Whatever stands in it: mistakes with their lines, or shifts in order."""
    body = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR"] if whole else lines
    text = "\r\n".join(body) + "\r\n"
    wrong = check_calendar(text, {"li": "li"})
    assert all(0 <= line <= len(body) and message for line, message in wrong)
    one = Roster("r", "d", ZONES[0], calendar=text, names={"li": "li"})
    plan = shifts(one, FROM_MS, FROM_MS + 90 * DAY_MS)
    assert (plan[0].begin_ms, plan[-1].end_ms) == (FROM_MS, FROM_MS + 90 * DAY_MS)
    if not wrong:
        assert all(shift.idle is not Idle.UNREADABLE for shift in plan)
