"""NEWS2 against the chart of the Royal College of Physicians (2017): every band edge, scale, and missing part."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from detectors.vitals.batch import conscious_code
from detectors.vitals.news2 import (
    CONSCIOUS,
    EMERGENCY_POINTS,
    HR,
    MISSING,
    MOST,
    O2,
    PARTS,
    RR,
    SBP,
    SPO2,
    TEMP,
    URGENT_POINTS,
    Score,
    news2,
)

NAN = float("nan")
#: Somebody of whom everything is known and nothing scores.
WELL = {"rr": 16.0, "spo2": 98.0, "o2": 0.0, "sbp": 120.0, "hr": 70.0, "acvpu": 0.0, "temp": 37.0}
#: The chart: from, to, points; both ends included, in the resolution of the chart.
BANDS: dict[str, list[tuple[float, float, int]]] = {
    "rr": [(3, 8, 3), (9, 11, 1), (12, 20, 0), (21, 24, 2), (25, 70, 3)],
    "spo2": [(50, 91, 3), (92, 93, 2), (94, 95, 1), (96, 100, 0)],
    "sbp": [(50, 90, 3), (91, 100, 2), (101, 110, 1), (111, 219, 0), (220, 280, 3)],
    "hr": [(20, 40, 3), (41, 50, 1), (51, 90, 0), (91, 110, 1), (111, 130, 2), (131, 250, 3)],
    "temp": [(30.0, 35.0, 3), (35.1, 36.0, 1), (36.1, 38.0, 0), (38.1, 39.0, 1), (39.1, 43.0, 2)],
}
SCALE_2_AIR = [(50, 83, 3), (84, 85, 2), (86, 87, 1), (88, 92, 0), (93, 100, 0)]
SCALE_2_OXYGEN = [(50, 83, 3), (84, 85, 2), (86, 87, 1), (88, 92, 0), (93, 94, 1), (95, 96, 2), (97, 100, 3)]
PART = dict(zip(("rr", "spo2", "sbp", "hr", "temp"), (RR, SPO2, SBP, HR, TEMP), strict=True))


def score(scale_2: bool = False, **values: float) -> Score:
    """Of one person who is well but for ``values``."""
    return news2(**(WELL | values), scale_2=np.array([scale_2]))


def edges() -> list[tuple[str, float, bool, float, int]]:
    """Sign, value, scale 2, oxygen, points: both ends of every band, and every whole value within."""
    rows = []
    for sign, bands in BANDS.items():
        step = 0.1 if sign == "temp" else 1.0
        for low, high, points in bands:
            values = np.round(np.arange(low, high + step / 2, step), 1)
            assert (values[0], values[-1]) == (low, high)
            rows += [(sign, float(value), False, 0.0, points) for value in values]
    for oxygen, bands in ((0.0, SCALE_2_AIR), (1.0, SCALE_2_OXYGEN)):
        for low, high, points in bands:
            rows += [("spo2", float(value), True, oxygen, points) for value in range(int(low), int(high) + 1)]
    return rows


def test_the_bands_of_the_table_leave_no_gap() -> None:
    """So that the edges below are all there are."""
    for sign, bands in (*BANDS.items(), ("spo2", SCALE_2_AIR), ("spo2", SCALE_2_OXYGEN)):
        step = 0.1 if sign == "temp" else 1.0
        for (_, high, _), (low, _, _) in itertools.pairwise(bands):
            assert low == pytest.approx(high + step)


def test_every_value_of_every_band_scores_as_on_the_chart() -> None:
    """Alone, as a part, and as the total of somebody who is well otherwise."""
    wrong = []
    for sign, value, scale_2, oxygen, points in edges():
        one = score(scale_2, **{sign: value, "o2": oxygen})
        total = points + (2 if oxygen else 0)
        got = (int(one.parts[PART[sign], 0]), int(one.lower[0]), int(one.upper[0]), bool(one.red[0]))
        if got != (points, total, total, points == 3):
            wrong.append((sign, value, scale_2, oxygen, points, got))
    assert not wrong


def test_many_people_are_scored_as_each_alone() -> None:
    """With their own scales and oxygen."""
    rng = np.random.default_rng(4)
    n = 300
    columns = {
        "rr": rng.integers(3, 70, n), "spo2": rng.integers(50, 101, n), "o2": rng.integers(0, 2, n),
        "sbp": rng.integers(50, 280, n), "hr": rng.integers(20, 250, n), "acvpu": rng.integers(0, 5, n),
        "temp": np.round(rng.uniform(30, 43, n), 1),
    }  # fmt: skip
    some = {name: np.where(rng.random(n) < 0.2, np.nan, column) for name, column in columns.items()}
    scale_2 = rng.random(n) < 0.5
    together = news2(**some, scale_2=scale_2)
    for at in range(n):
        alone = news2(**{name: float(column[at]) for name, column in some.items()}, scale_2=scale_2[at : at + 1])
        np.testing.assert_array_equal(together.parts[:, at], alone.parts[:, 0])
        assert (together.lower[at], together.upper[at]) == (alone.lower[0], alone.upper[0])
        assert together.red[at] == alone.red[0]


@pytest.mark.parametrize(
    ("sign", "value", "points"),
    [
        ("rr", 8.4, 3), ("rr", 8.5, 1), ("rr", 24.49, 2), ("rr", 24.5, 3),
        ("spo2", 91.4, 3), ("spo2", 91.5, 2), ("spo2", 95.5, 0),
        ("sbp", 90.49, 3), ("sbp", 90.5, 2), ("sbp", 219.4, 0), ("sbp", 219.5, 3),
        ("hr", 40.49, 3), ("hr", 40.5, 1), ("hr", 130.5, 3),
        ("temp", 35.04, 3), ("temp", 35.05, 1), ("temp", 38.04, 0), ("temp", 38.05, 1), ("temp", 39.05, 2),
        ("temp", 36.05, 0), ("temp", 36.0499, 1),
    ],
)  # fmt: skip
def test_values_are_rounded_to_the_chart_first_halves_up(sign: str, value: float, points: int) -> None:
    """Whole numbers, temperature to a tenth; 38.05 is no double and still rounds up."""
    assert score(**{sign: value}).parts[PART[sign], 0] == points


@pytest.mark.parametrize(("letter", "points"), [("A", 0), ("C", 3), ("V", 3), ("P", 3), ("U", 3), ("c", 3), (" u ", 3)])
def test_only_who_is_alert_scores_nothing_for_consciousness(letter: str, points: int) -> None:
    """New confusion counts as much as no answer at all."""
    one = score(acvpu=conscious_code(letter))
    assert (one.parts[CONSCIOUS, 0], one.lower[0], one.red[0]) == (points, points, points == 3)


@pytest.mark.parametrize("letter", ["", None, "X", "AC", "alert"])
def test_a_letter_that_is_none_of_the_scale_is_not_measured(letter: str | None) -> None:
    """A newer device's word is data, and no score."""
    one = score(acvpu=conscious_code(letter))
    assert one.parts[CONSCIOUS, 0] == MISSING
    assert (one.lower[0], one.upper[0]) == (0, 3)


@pytest.mark.parametrize("part", range(len(PARTS)))
def test_what_is_missing_is_named_and_widens_the_range_by_the_most_it_can_give(part: int) -> None:
    """The lower end takes it as normal."""
    one = score(**{PARTS[part]: NAN})
    assert [PARTS[at] for at in np.flatnonzero(one.parts[:, 0] == MISSING)] == [PARTS[part]]
    assert (one.lower[0], one.upper[0]) == (0, MOST[part])


def test_the_range_holds_whatever_is_missing() -> None:
    """For every set of missing parts, every way to fill them in lies within, and both ends are reached."""
    rng = np.random.default_rng(1)
    fill = {"rr": (16, 30), "spo2": (90, 80, 99), "o2": (0, 1), "sbp": (120, 80), "hr": (70, 140), "acvpu": (0, 1),
            "temp": (37, 34)}  # fmt: skip
    for scale_2, count in itertools.product((False, True), range(1, 8)):
        for missing in itertools.combinations(PARTS, count):
            known = WELL | {"spo2": float(rng.integers(80, 101)), "hr": float(rng.integers(35, 140))}
            one = score(scale_2, **(known | dict.fromkeys(missing, NAN)))
            totals = [
                int(score(scale_2, **(known | dict(zip(missing, values, strict=True)))).lower[0])
                for values in itertools.product(*(fill[name] for name in missing))
            ]
            assert (min(totals), max(totals)) == (one.lower[0], one.upper[0]), (scale_2, missing, known)


def test_on_scale_2_a_good_saturation_may_be_too_good_while_the_oxygen_is_not_known() -> None:
    """97 % is nothing on air and three points on oxygen; the range says so."""
    one = score(True, spo2=97, o2=NAN)
    assert (one.lower[0], one.upper[0]) == (0, 2 + 3)
    assert score(False, spo2=97, o2=NAN).upper[0] == 2


def test_nothing_measured_is_anything() -> None:
    """Not 0."""
    one = score(**dict.fromkeys(WELL, NAN))
    assert (one.parts == MISSING).all()
    assert (one.lower[0], one.upper[0], one.red[0]) == (0, 20, False)


@pytest.mark.parametrize("value", [np.inf, -np.inf, NAN])
@pytest.mark.parametrize("sign", PARTS)
def test_what_is_not_finite_is_not_measured(sign: str, value: float) -> None:
    """And neither a warning nor an exception."""
    with np.errstate(all="raise"):
        assert score(**{sign: value}).parts[PARTS.index(sign), 0] == MISSING


@pytest.mark.parametrize(("value", "points"), [(1e300, 3), (-1e300, 3), (0, 3), (511, 3), (512, 3), (10_000, 3)])
def test_a_pulse_beyond_any_table_takes_the_end_of_it(value: float, points: int) -> None:
    """The bank lets none in; the score must not fail over one."""
    assert score(hr=value).parts[HR, 0] == points


def test_the_points_that_call_somebody_are_those_of_the_chart() -> None:
    """Five or a single three: within the hour. Seven: at once."""
    assert (URGENT_POINTS, EMERGENCY_POINTS) == (5, 7)
    assert score(rr=22, hr=112, spo2=95).lower[0] == 5
    assert score(o2=1).parts[O2, 0] == 2
    most = score(rr=30, spo2=80, o2=1, sbp=80, hr=140, acvpu=2, temp=34)
    assert (most.lower[0], most.upper[0]) == (20, 20)
