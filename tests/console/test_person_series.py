"""Vitals as lines and tables, bands, limits, routine, and finding people: values in, values out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from console.people.finding import Known, Order, Question, Someone, find
from console.people.limits import BY_CONDITION, KNOWN, entered, holding
from console.people.routine import HomeSensor, home_sensor, noticed, read_heat_map
from console.people.series import SPANS, STEPS, Span, csv_rows, read_course, table, window
from console.people.signs import SIGNS, bands, points_of
from console.people.state import read_state
from detectors.vitals.chart import VALID_MS
from detectors.vitals.limits import BY_CONDITION as DETECTOR_BY_CONDITION
from detectors.vitals.limits import NAMES, PersonLimits
from detectors.vitals.news2 import PARTS, news2
from detectors.vitals.signs import SIGNS as DETECTOR_SIGNS
from store import Store, open_store
from tests.console import person_points as points
from tests.console.conftest import NOON_MS
from tests.console.person_points import DAY_MS, HOUR_MS, MINUTE_MS

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An embedded store with nothing in it."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    yield store
    store.close()


def vitals(store: Store, t_ms: list[int], **fields: list[float]) -> None:
    """Readings of one person."""
    points.write(store, "vitals", t_ms, fields, device="d-1", person="p-1", area="a")


# bands, limits: the same as the detector's ------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("name", ["rr", "spo2", "sbp", "hr", "temp"])
def test_the_bands_are_those_of_the_score(name: str, scale: int) -> None:
    """Every value of the chart gives the points that the detector gives it."""
    digits = SIGNS[name].digits
    values = np.round(np.arange(3, 300 if name in ("sbp", "hr") else 101, 0.1 if digits else 1.0), digits)
    nothing = np.full(len(values), np.nan)
    given = dict.fromkeys(("rr", "spo2", "sbp", "hr", "temp"), nothing) | {name: values}
    score = news2(**given, o2=np.zeros(len(values)), acvpu=nothing, scale_2=np.full(len(values), scale == 2))
    assert [points_of(name, value, scale) for value in values.tolist()] == score.parts[PARTS.index(name)].tolist()


def test_a_value_counts_as_long_as_it_does_for_the_score() -> None:
    """Else a line would be broken where the score still trusts the value."""
    ours = {name: sign.valid_s * 1000 for name, sign in SIGNS.items() if name in ("hr", "spo2", "rr", "temp", "sbp")}
    assert ours == {sign.name: VALID_MS[row, 0] for row, sign in enumerate(DETECTOR_SIGNS[:5])}


def test_the_limits_that_hold_are_those_of_the_detector() -> None:
    """The same names, defaults and conditions."""
    assert list(KNOWN) == list(NAMES)
    assert {name: limit.usual for name, limit in KNOWN.items()} == {n: getattr(PersonLimits(), n) for n in NAMES}
    assert BY_CONDITION == DETECTOR_BY_CONDITION
    assert all(limit.low < limit.usual < limit.high for limit in KNOWN.values())
    found = {one.limit.name: one for one in holding(["heart_failure", "gout"], {"hr_fast_bpm": 130.0})}
    assert (found["hr_fast_bpm"].value, found["hr_fast_bpm"].source, found["hr_fast_bpm"].otherwise) == (
        130,
        "own",
        110,
    )
    assert (found["weight_gain_kg"].value, found["weight_gain_kg"].source) == (2.0, "heart_failure")


@pytest.mark.parametrize(
    ("form", "own", "wrong"),
    [
        ({}, {}, []),
        ({"hr_fast_bpm": " 120 ", "glucose_low_mmol_l": "4,2"}, {"hr_fast_bpm": 120, "glucose_low_mmol_l": 4.2}, []),
        ({"hr_fast_bpm": "fast"}, {}, [("hr_fast_bpm", "number")]),
        ({"hr_fast_bpm": "nan"}, {}, [("hr_fast_bpm", "range")]),
        ({"hr_fast_bpm": "1e9", "sbp_high_mmhg": "-3"}, {}, [("sbp_high_mmhg", "range"), ("hr_fast_bpm", "range")]),
        ({"glucose_low_mmol_l": "3"}, {"glucose_low_mmol_l": 3.0}, [("glucose_very_low_mmol_l", "order")]),
        ({"pulse": "100"}, {}, []),
    ],
)
def test_what_is_typed_is_a_limit_or_is_told_why_not(
    form: dict[str, str], own: dict[str, float], wrong: list[tuple[str, str]]
) -> None:
    """A comma is a point; limits of a pair keep their order."""
    found, problems = entered(form, [])
    assert (found, [tuple(one) for one in problems]) == (own, wrong)


# lines ------------------------------------------------------------------------------------------------------


def test_a_week_of_readings_is_drawn_in_so_many_steps_and_broken_where_nothing_was_measured(store: Store) -> None:
    """20,000 readings become at most 720 steps of each sign; the night without readings is one break."""
    points.write_vitals(store, "p-1", "d-1", NOON_MS)
    course = read_course(store, "p-1", SPANS["7d"], NOON_MS)
    line = course.lines["hr"]
    assert course.step_ms == 7 * DAY_MS // STEPS
    assert 600 < len(line.t_ms) <= STEPS
    (broken,) = np.flatnonzero(np.isnan(line.mean))
    before, after = line.t_ms[broken - 1], line.t_ms[broken + 1]
    assert abs((after - before) - 8 * HOUR_MS) < 2 * course.step_ms
    there = np.isfinite(line.mean)
    assert (line.low[there] <= line.mean[there]).all()
    assert (line.mean[there] <= line.high[there]).all()
    assert not np.isnan(course.lines["sbp"].mean[:2]).any()  # twelve hours apart: it counts until then


def test_few_readings_are_drawn_as_they_are_and_a_single_one_too(store: Store) -> None:
    """What is not a number is no value, and a sign without one has no line."""
    vitals(store, [NOON_MS - 5_000], hr=[72.0], spo2=[math.nan])
    course = read_course(store, "p-1", SPANS["24h"], NOON_MS)
    assert list(course.lines) == ["hr"]
    assert (course.step_ms, course.lines["hr"].mean.tolist()) == (None, [72.0])
    assert read_course(store, "p-2", SPANS["24h"], NOON_MS).lines == {}


def test_readings_further_apart_than_they_count_are_not_joined(store: Store) -> None:
    """Half an hour for the pulse, four hours for the temperature."""
    t_ms = [NOON_MS - n * HOUR_MS for n in (6, 5, 1)]
    vitals(store, t_ms, hr=[70, 71, 72], temp=[36.5, 36.6, 36.7])
    lines = read_course(store, "p-1", SPANS["24h"], NOON_MS).lines
    assert np.isnan(lines["hr"].mean).tolist() == [False, True, False, True, False]
    assert np.isnan(lines["temp"].mean).tolist() == [False, False, False]


def test_ninety_days_are_read_from_the_roll_ups(store: Store) -> None:
    """The points as measured may be gone by then."""
    points.write_vitals(store, "p-1", "d-1", NOON_MS, days=40, every_s=600)
    course = read_course(store, "p-1", SPANS["90d"], NOON_MS)
    line = course.lines["hr"]
    assert course.step_ms == 90 * DAY_MS // STEPS
    assert line.t_ms[0] >= NOON_MS - 41 * DAY_MS
    assert np.nanmax(line.high - line.low) > 3
    only_raw = Span(90 * 86_400, None, 7 * 86_400)
    raw = read_course(store, "p-1", only_raw, NOON_MS).lines["hr"]
    assert np.nanmean(line.mean) == pytest.approx(np.nanmean(raw.mean), abs=0.2)


def test_steps_do_not_move_while_one_looks_again() -> None:
    """They lie on the clock, and now is in the last."""
    for span in SPANS.values():
        start_ms, end_ms = window(span, NOON_MS + 1)
        step_ms = span.length_s * 1000 // STEPS
        assert (end_ms - start_ms, start_ms % step_ms) == (span.length_s * 1000, 0)
        assert end_ms - step_ms <= NOON_MS + 1 < end_ms


def test_what_is_usual_stands_until_it_is_old(store: Store) -> None:
    """Written at the end of a part of the day; a day that begins more than thirty hours later has none."""
    points.write(
        store, "baseline", [NOON_MS - 2 * DAY_MS], {"value": [71], "lower": [63], "upper": [79]}, person="p-1",
        area="a", detector="vitals.hr",
    )  # fmt: skip
    vitals(store, [NOON_MS - 8 * HOUR_MS], hr=[70.0])
    for hours, there in ((29, True), (31, False)):
        began_ms = NOON_MS - 2 * DAY_MS + hours * HOUR_MS
        usual = read_course(store, "p-1", SPANS["24h"], began_ms + DAY_MS).usual.get("hr")
        assert (usual is not None) is there
        if usual is not None:
            assert (usual.value.tolist(), usual.lower.tolist(), usual.upper.tolist()) == ([71], [63], [79])


# the table and the file -------------------------------------------------------------------------------------


def test_the_rows_of_a_table_begin_at_local_midnight(store: Store) -> None:
    """Newest first; what was not measured is not there."""
    t_ms = [NOON_MS - DAY_MS - 12 * HOUR_MS - MINUTE_MS, NOON_MS - DAY_MS - 11 * HOUR_MS, NOON_MS - HOUR_MS]
    vitals(store, t_ms, hr=[60, 70, 80], temp=[math.nan, 36.5, math.nan])
    rows = table(read_course(store, "p-1", SPANS["7d"], NOON_MS), 86_400, SHANGHAI)
    midnight_ms = NOON_MS - 12 * HOUR_MS
    assert [row.start_ms for row in rows] == [midnight_ms, midnight_ms - DAY_MS, midnight_ms - 2 * DAY_MS]
    assert rows[0].values == {"hr": (80, 80, 80)}
    assert rows[1].values == {"hr": (70, 70, 70), "temp": (36.5, 36.5, 36.5)}


def test_days_of_the_change_of_clocks_are_rows_too(store: Store) -> None:
    """29 March 2026 has 23 hours in Berlin."""
    after_ms = 1_774_868_400_000  # 2026-03-30 13:00 in Berlin
    vitals(store, [after_ms - n * HOUR_MS for n in (37, 14, 13)], hr=[60, 70, 80])
    rows = table(read_course(store, "p-1", SPANS["7d"], after_ms), 86_400, ZoneInfo("Europe/Berlin"))
    assert [row.values["hr"][0] for row in rows] == [80, 70, 60]
    assert [row.start_ms for row in rows[:2]] == [after_ms - 13 * HOUR_MS, after_ms - 36 * HOUR_MS]


def test_a_file_has_every_reading_as_it_was_measured(store: Store) -> None:
    """Units in the head, an empty cell for what was not measured."""
    vitals(store, [NOON_MS - MINUTE_MS, NOON_MS], hr=[71.25, 72], temp=[math.nan, 36.55])
    head, *rows = "".join(csv_rows(store, "p-1", SPANS["24h"], NOON_MS, SHANGHAI)).split("\r\n")
    assert head.startswith("time,epoch_ms,hr [/min],spo2 [%],rr [/min],temp [°C]")
    assert rows[0].startswith(f"2026-03-02T11:59:00+08:00,{NOON_MS - MINUTE_MS},71.2,,,,")
    assert rows[1].startswith(f"2026-03-02T12:00:00+08:00,{NOON_MS},72,,,36.55,")
    assert len(rows) == 3


# now --------------------------------------------------------------------------------------------------------


def test_the_newest_of_each_sign_is_found_however_old(store: Store) -> None:
    """With its own age: the pulse of a minute ago, the weight of last week to the minute."""
    vitals(store, [NOON_MS - 8 * DAY_MS - 7 * MINUTE_MS], weight=[61.4])
    points.roll_up(store, "vitals", NOON_MS - 9 * DAY_MS, NOON_MS)
    vitals(store, [NOON_MS - 2 * HOUR_MS, NOON_MS - MINUTE_MS], hr=[70, 131], temp=[36.6, math.nan])
    state = read_state(store, "p-1", NOON_MS, 1)
    assert [(one.name, one.value, NOON_MS - one.t_ms, one.counts, one.points) for one in state.readings] == [
        ("hr", 131, MINUTE_MS, True, 3),
        ("temp", 36.6, 2 * HOUR_MS, True, 0),
        ("weight", 61.4, 8 * DAY_MS + 7 * MINUTE_MS, False, None),
    ]
    assert state.score is None


def test_a_score_is_a_range_with_its_parts(store: Store) -> None:
    """What was not measured is named, and an old score does not count."""
    fields = {"value": [5], "lower": [5], "upper": [13], "rr": [3], "spo2": [2], "hr": [0]}
    points.write(store, "score", [NOON_MS - 20 * MINUTE_MS], fields, person="p-1", area="a", detector="vitals.news2")
    score = read_state(store, "p-1", NOON_MS, 1).score
    assert score is not None
    assert (score.lower, score.upper, score.parts["rr"], score.parts["hr"], score.counts) == (5, 13, 3, 0, True)
    assert score.missing == ["o2", "sbp", "acvpu", "temp"]
    later = read_state(store, "p-1", NOON_MS + HOUR_MS, 1).score
    assert later is not None
    assert not later.counts


def test_scale_2_has_bands_of_its_own() -> None:
    """88 % is where somebody with a target of 88 to 92 should be."""
    assert (points_of("spo2", 90, 1), points_of("spo2", 90, 2)) == (3, 0)
    assert [band.points for band in bands("glucose", 1)] == []


# routine ----------------------------------------------------------------------------------------------------


def hours_of(t_ms: list[int], values: list[float], *, lasting: bool, days: int = 2) -> list[tuple[int, int]]:
    """(day, hour) in which something was noticed, of the last days before noon."""
    start_ms = NOON_MS - 12 * HOUR_MS - (days - 1) * DAY_MS
    args = np.array(t_ms, np.int64), np.array(values, np.float64)
    grid = noticed(*args, lasting, start_ms, days, NOON_MS, SHANGHAI)
    return [(int(day), int(hour)) for day, hour in np.argwhere(grid)]


def test_a_bed_is_occupied_between_its_messages() -> None:
    """From on to off, over midnight; a motion sensor says only when."""
    night = [NOON_MS - 13 * HOUR_MS, NOON_MS - 9 * HOUR_MS]  # 23:00 to 03:00
    assert hours_of(night, [1, 0], lasting=True) == [(0, 23), (1, 0), (1, 1), (1, 2)]
    assert hours_of(night, [1, 0], lasting=False) == [(0, 23)]


def test_a_sensor_that_stopped_talking_is_not_somebody_in_the_room() -> None:
    """On for longer than anybody stays, and a value that is none."""
    assert hours_of([NOON_MS - 30 * HOUR_MS], [1], lasting=True) == [(0, 6)]
    assert hours_of([NOON_MS - HOUR_MS, NOON_MS - HOUR_MS], [math.nan, 0], lasting=True) == []
    assert hours_of([NOON_MS - 40 * MINUTE_MS], [1], lasting=True) == [(1, 11)]


def test_the_heat_map_counts_days_by_room_and_hour(store: Store) -> None:
    """Two sensors of a room count a day once; days without any word are not among them."""
    for device in ("s-1", "s-2"):
        points.write_home(store, "p-1", NOON_MS, {device: ("presence", (8.0,))}, days=3)
    points.write_home(store, "p-1", NOON_MS, {"s-3": ("bed", (22.0, 6.0))}, days=3)
    sensors = [HomeSensor(name, "kitchen", ("presence", "motion")) for name in ("s-1", "s-2", "s-9")]
    heat = read_heat_map(store, [*sensors, HomeSensor("s-3", "bedroom", ("bed",))], 7, NOON_MS, SHANGHAI)
    assert (heat.days, heat.asked_days, sorted(heat.rooms)) == (
        4,
        7,
        ["bed", "kitchen"],
    )  # the bed from the night before
    assert [hour for hour, count in enumerate(heat.rooms["kitchen"]) if count == 3] == [8]
    assert heat.rooms["bed"][3] == 3
    assert read_heat_map(store, [], 7, NOON_MS, SHANGHAI).days == 0


def test_what_is_worn_or_pressed_is_in_no_room() -> None:
    """A sensor that says what it is is asked for that alone."""
    assert home_sensor("d", "wearable", "wrist") is None
    assert home_sensor("d", "presence", "") is None
    assert home_sensor("d", "bed", "bedroom") == HomeSensor("d", "bedroom", ("bed",))
    hub = home_sensor("d", "hub", "hall")
    assert hub is not None
    assert "motion" in hub.kinds


# finding ----------------------------------------------------------------------------------------------------

PEOPLE = (
    Someone("p-1", "Li Guizhen 李桂珍", "city.north.elm", "Elm", "Building 7", ("lives_alone",), ()),
    Someone("p-2", "ＣＨＥＮ Yumei", "city.north.oak", "Oak", "Building 2", (), ("diabetes",)),
    Someone("p-3", "Zhao Dehua", "city.south", "South", "Building 7", (), ()),
    Someone("p-4", "Sun", "city.northwest", "Northwest", "", (), ()),
)
KNOWN_NOW = {
    "p-1": Known(NOON_MS, 1, 6, NOON_MS),
    "p-2": Known(NOON_MS - 5, 7, 7, NOON_MS - 20 * HOUR_MS),  # yesterday's score says nothing of today
    "p-3": Known(NOON_MS - 9, 5, 9, NOON_MS),
}


def everywhere(_area: str) -> bool:
    """Sees all."""
    return True


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        (Question(), ["p-3", "p-1", "p-2", "p-4"]),
        (Question(order=Order.SEEN), ["p-1", "p-2", "p-3", "p-4"]),
        (Question(order=Order.NAME), ["p-1", "p-4", "p-3", "p-2"]),
        (Question("桂珍"), ["p-1"]),
        (Question("chen"), ["p-2"]),
        (Question("building 7 zhao"), ["p-3"]),
        (Question("P-4"), ["p-4"]),
        (Question("elm"), ["p-1"]),
        (Question(area="city.north"), ["p-1", "p-2"]),
        (Question(risk="diabetes"), ["p-2"]),
        (Question("nobody"), []),
        (Question(page=99), ["p-3", "p-1", "p-2", "p-4"]),
    ],
)
def test_people_are_found_by_words_area_and_risk_worst_first(asked: Question, keys: list[str]) -> None:
    """Whatever the case and width of letters; an area is with all below it and nothing beside it."""
    found = find(PEOPLE, KNOWN_NOW, asked, everywhere, NOON_MS)
    assert [one.key for one, _ in found.rows] == keys
    assert (found.page, found.total) == (1, len(keys))


def test_nobody_is_found_outside_of_what_may_be_seen() -> None:
    """Not by their words, not in the number of those found."""
    found = find(PEOPLE, KNOWN_NOW, Question("building 7"), lambda area: area == "city.south", NOON_MS)
    assert ([one.key for one, _ in found.rows], found.total) == (["p-3"], 1)


def test_a_list_has_pages() -> None:
    """Fifty each, the last one with the rest."""
    many = [Someone(f"p-{n:03}", f"N{n:03}", "a", "A", "", (), ()) for n in range(120)]
    found = find(many, {}, Question(order=Order.NAME, page=3), everywhere, NOON_MS)
    assert (found.page, found.pages, found.total, len(found.rows)) == (3, 3, 120, 20)
    assert found.rows[0][0].key == "p-100"
