"""The vitals bank on people: what is usual, shifts, combinations, trends, confirmation, ends, rates, states."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from detectors.detection import Detection, Severity, Stage
from detectors.errors import DetectorError
from detectors.vitals.bank import VitalsBank
from detectors.vitals.batch import VitalsGatherer
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.sentences import LANGUAGES
from tests.detectors.vitals_readings import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    T0_MS,
    Listener,
    Reading,
    alarms,
    every,
    rules,
)

STILL: dict[str, Any] = {"enmo_g": 0.005}
NOON_MS = T0_MS + 12 * HOUR_MS


@pytest.fixture(scope="module")
def known_state() -> dict[str, Any]:
    """The state of a bank that has known one person for a week."""
    return Listener().know(7, **STILL).bank.state()


def known(state: dict[str, Any], **person: Any) -> Listener:
    """A listener whose bank goes on from there."""
    bank = VitalsBank()
    bank.restore(state)
    return Listener(bank, **person)


def cuffs(days: Iterable[int], sbp: float, *, start_ms: int = T0_MS, dbp: float = 78, seed: int = 0) -> list[Reading]:
    """Twice a day at home, 08:00 and 20:00."""
    rng = np.random.default_rng(seed)
    return [
        (start_ms + day * DAY_MS + hour * HOUR_MS, {"sbp": round(sbp + rng.normal(0, 3)), "dbp": dbp + day % 3})
        for day in days
        for hour in (8, 20)
    ]


def weighed(days: Iterable[int], weights_kg: Iterable[float], start_ms: int = T0_MS) -> list[Reading]:
    """Every morning at seven."""
    return [(start_ms + day * DAY_MS + 7 * HOUR_MS, {"weight": kg}) for day, kg in zip(days, weights_kg, strict=True)]


def confirmed(found: Iterable[Detection]) -> list[Detection]:
    """What begins, of any severity."""
    return [one for one in found if one.stage is Stage.CONFIRMED and one.detector == "vitals"]


# -- what is usual -----------------------------------------------------------------------------------------------------


def test_what_is_usual_is_learnt_and_written_down(known_state: dict[str, Any]) -> None:
    """Location near the truth, and an interval that holds most readings."""
    listener = known(known_state)
    listener.hear(every(10, T0_MS, 1, **STILL))
    points = {one.detector: one for one in listener.bank.points(T0_MS + HOUR_MS) if one.measurement == "baseline"}
    for name, truth, spread in (("hr", 70, 2), ("spo2", 97, 0.6), ("rr", 16, 0.8), ("temp", 36.6, 0.06)):
        fields = points[f"vitals.{name}"].fields
        assert fields["value"][0] == pytest.approx(truth, abs=spread)
        assert fields["lower"][0] < truth - 1.5 * spread
        assert fields["upper"][0] > truth + 1.5 * spread


def test_nothing_is_usual_before_the_fifth_day() -> None:
    """Until then no baseline is written, and no shift is told."""
    listener = Listener()
    listener.hear(every(10, T0_MS - 3 * DAY_MS, 72, **STILL))
    found = listener.hear(every(10, T0_MS, 24, add_hr=18, **STILL))
    assert not [one for one in listener.bank.points(T0_MS + DAY_MS) if one.measurement == "baseline"]
    assert not [one for one in found if one.kind == "vitals_shift"]


def test_each_time_of_day_has_its_own_usual() -> None:
    """A pulse of 56 is usual at night and not at noon."""
    rng = np.random.default_rng(3)
    readings = []
    for t_ms, values in every(10, T0_MS - 8 * DAY_MS, 8 * 24, **STILL):
        hour = (t_ms + 8 * HOUR_MS) % DAY_MS / HOUR_MS
        dark = hour < 8
        readings.append((t_ms, values | {"hr": round(float(rng.normal(56 if dark else 76, 2)))}))
    listener = Listener()
    assert not alarms(listener.hear(readings))
    state = listener.bank.state()
    night = known(state).hear(every(10, T0_MS + HOUR_MS, 5, hr=56, add_spo2=0, **STILL))
    assert not confirmed(night)
    found = known(state).hear(every(10, NOON_MS, 6, add_hr=-14, **STILL))
    assert "hr_below" in rules(confirmed(found))


def test_a_new_medicine_becomes_the_usual(known_state: dict[str, Any]) -> None:
    """After ten days at a lower pulse the old one would be a rise."""
    listener = known(known_state)
    listener.hear(every(10, T0_MS, 12 * 24, add_hr=-12, seed=5, **STILL))
    listener.hear(every(10, T0_MS + 12 * DAY_MS, 1, add_hr=-12, **STILL))
    (point,) = [p for p in listener.bank.points(T0_MS + 13 * DAY_MS) if p.detector == "vitals.hr"]
    assert point.fields["value"][0] == pytest.approx(58, abs=1.5)


def test_two_bad_days_do_not_become_the_usual(known_state: dict[str, Any]) -> None:
    """The median of ten parts of days takes more."""
    listener = known(known_state)
    listener.hear(every(10, T0_MS, 48, add_hr=25, **STILL))
    listener.hear(every(10, T0_MS + 2 * DAY_MS, 1, **STILL))
    (point,) = [p for p in listener.bank.points(T0_MS + 3 * DAY_MS) if p.detector == "vitals.hr"]
    assert point.fields["value"][0] == pytest.approx(70, abs=2)


# -- shifts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("hr_above", {"add_hr": 18}),
        ("hr_below", {"add_hr": -17}),
        ("spo2_below", {"add_spo2": -3.6}),
        ("rr_above", {"add_rr": 6}),
        ("temp_above", {"add_temp": 1.3}),
        ("temp_below", {"add_temp": -1.3}),
    ],
)
def test_a_shift_of_a_level_is_told_within_hours_and_its_end_too(
    known_state: dict[str, Any], rule: str, changes: dict[str, float]
) -> None:
    """One finding, a warning, with what is usual; a follow-up of the same id when it is over."""
    listener = known(known_state)
    found = listener.hear(every(5, NOON_MS, 6, **changes, **STILL))
    told = [one for one in confirmed(found) if one.notes["rule"] == rule]
    assert len(told) == 1
    assert told[0].severity is Severity.WARNING
    assert told[0].decided_ms - NOON_MS < 4.5 * HOUR_MS
    assert told[0].features["shift_sigma"] >= told[0].features["limit_shift_sigma"]
    assert any(name.startswith("usual_low_") for name in told[0].features)
    after = listener.hear(every(5, NOON_MS + 6 * HOUR_MS, 14, **STILL))
    over = [one for one in after if one.id == told[0].id]
    assert [(one.stage, one.severity, one.notes["outcome"]) for one in over] == [
        (Stage.FOLLOW_UP, Severity.INFO, "over")
    ]


def test_a_change_that_does_not_matter_is_no_shift(known_state: dict[str, Any]) -> None:
    """Ten beats more are many spreads of a quiet person, and no news."""
    assert not confirmed(known(known_state).hear(every(5, NOON_MS, 10, add_hr=10, **STILL)))


def test_an_hour_of_excitement_is_no_shift(known_state: dict[str, Any]) -> None:
    """The sum has to grow over half hours."""
    listener = known(known_state)
    found = listener.hear(every(5, NOON_MS, 0.75, add_hr=20, **STILL))
    found += listener.hear(every(5, NOON_MS + HOUR_MS, 5, **STILL))
    assert not confirmed(found)


# -- several signs -----------------------------------------------------------------------------------------------------


def test_a_faster_pulse_and_less_oxygen_together_are_urgent(known_state: dict[str, Any]) -> None:
    """Neither would be by itself: 92 % scores two, a pulse of 88 nothing."""
    found = known(known_state).hear(every(2, NOON_MS, 1, add_hr=18, add_spo2=-5, **STILL))
    told = [one for one in confirmed(found) if one.notes["rule"] == "respiratory"]
    assert [one.severity for one in told] == [Severity.URGENT]
    assert told[0].decided_ms - NOON_MS <= 45 * MINUTE_MS
    assert told[0].features["spo2_sigma"] < -2.5
    alone = known(known_state).hear(every(2, NOON_MS, 1, add_hr=18, **STILL))
    assert "respiratory" not in rules(confirmed(alone))


def test_fever_and_a_faster_pulse_together_may_be_an_infection(known_state: dict[str, Any]) -> None:
    """Fever alone is a shift, later, and a warning."""
    found = confirmed(known(known_state).hear(every(2, NOON_MS, 4, add_hr=18, add_temp=1.5, **STILL)))
    assert ("infection", Severity.URGENT) in [(one.notes["rule"], one.severity) for one in found]


def test_falling_pressure_and_a_faster_pulse_may_be_shock() -> None:
    """Against the pressure that was usual for the person."""
    listener = Listener()
    before = [*cuffs(range(-9, 0), 138, start_ms=T0_MS + 7), *every(10, T0_MS - 8 * DAY_MS, 8 * 24, **STILL)]
    listener.hear(sorted(before, key=lambda one: one[0]))
    readings = every(2, T0_MS + 19 * HOUR_MS, 2, add_hr=30, **STILL)
    readings += [(T0_MS + 20 * HOUR_MS + m * MINUTE_MS + 7, {"sbp": 105 - m % 3, "dbp": 60}) for m in (0, 12, 24)]
    found = confirmed(listener.hear(sorted(readings, key=lambda one: one[0])))
    assert ("circulation", Severity.URGENT) in [(one.notes["rule"], one.severity) for one in found]


# -- NEWS2, confirmation, ends -----------------------------------------------------------------------------------------


ILL: dict[str, float] = {"rr": 26, "spo2": 91, "hr": 118}


def varied(minutes: float, start_ms: int, hours: float, values: Mapping[str, float], seed: int = 2) -> list[Reading]:
    """Readings around some values: no body holds one."""
    rng = np.random.default_rng(seed)
    return [
        (t_ms, base | STILL | {name: value + int(rng.integers(-1, 2)) for name, value in values.items()})
        for t_ms, base in every(minutes, start_ms, hours, seed=seed)
    ]


def test_a_high_score_is_an_emergency_once_it_has_held(known_state: dict[str, Any]) -> None:
    """Five minutes when several signs say so; with its parts, its range and what was not measured."""
    found = confirmed(known(known_state).hear(varied(1, NOON_MS, 0.5, {"rr": 27, "spo2": 89, "hr": 122})))
    one = next(one for one in found if one.notes["rule"] == "news2_emergency")
    assert one.severity is Severity.CRITICAL
    assert 5 * MINUTE_MS <= one.decided_ms - NOON_MS <= 10 * MINUTE_MS
    assert one.features["news2_points"] == 8
    assert one.features["news2_highest_points"] == 8 + 2 + 3 + 3  # oxygen, pressure, consciousness
    assert set(one.notes["missing"].split()) == {"o2", "sbp", "acvpu"}
    assert "8 to 16" in one.notes["en"]


def test_a_few_minutes_of_a_high_score_call_nobody(known_state: dict[str, Any]) -> None:
    """Confirmation: it has to hold."""
    listener = known(known_state)
    found = listener.hear(varied(1, NOON_MS, 4 / 60, ILL))
    found += listener.hear(every(1, NOON_MS + 4 * MINUTE_MS, 3, **STILL))
    assert not confirmed(found)


def test_every_third_reading_that_disagrees_ends_a_confirmation(known_state: dict[str, Any]) -> None:
    """Seven of ten have to say so."""
    ill = varied(1, NOON_MS, 1, {"rr": 28, "spo2": 97, "hr": 80})
    well = every(1, NOON_MS, 1, **STILL)
    mixed = [ill[at] if at % 5 < 3 else well[at] for at in range(60)]
    assert "news2" not in {one.kind for one in confirmed(known(known_state).hear(mixed))}
    assert "news2" in {one.kind for one in confirmed(known(known_state).hear(ill))}


def test_a_red_sign_within_what_is_usual_for_the_person_calls_nobody() -> None:
    """A saturation of 91 % that has been there for weeks; ten points on the chart otherwise."""
    listener = Listener()
    listener.hear(every(10, T0_MS - 9 * DAY_MS, 9 * 24, add_spo2=-6, **STILL))
    assert not alarms(listener.hear(every(2, NOON_MS, 3, add_spo2=-6, seed=7, **STILL)))


def test_scale_2_is_of_the_person() -> None:
    """89 % is a red sign for one and nothing for the other."""
    one, other = Listener(), Listener(spo2_scale=2)
    readings = varied(2, NOON_MS, 2, {"spo2": 89})
    assert alarms(one.hear(readings))
    assert not alarms(other.hear(readings))


def test_a_stated_confusion_calls_at_once(known_state: dict[str, Any]) -> None:
    """It is no sensor's noise: somebody has looked."""
    found = confirmed(known(known_state).hear([(NOON_MS, {"acvpu": "C"})], device="nurse"))
    assert [(one.notes["rule"], one.severity) for one in found] == [("news2_urgent", Severity.URGENT)]
    assert "newly confused" in found[0].notes["en"]
    assert not confirmed(known(known_state).hear([(NOON_MS, {"acvpu": "A"})], device="nurse"))


def test_a_finding_ends_only_when_it_has_been_over_for_a_while(known_state: dict[str, Any]) -> None:
    """Hysteresis: going to and fro about the limit is one finding."""
    listener = known(known_state)
    found = []
    for hour in range(6):  # 28 breaths a minute, and 22 in between: two points, not yet over
        found += listener.hear(varied(2, NOON_MS + hour * HOUR_MS, 0.5, {"rr": 28}, seed=hour))
        found += listener.hear(varied(2, NOON_MS + hour * HOUR_MS + HOUR_MS // 2, 0.5, {"rr": 22}, seed=hour))
    urgent = [one for one in found if one.notes.get("rule") == "news2_urgent"]
    assert [one.stage for one in urgent] == [Stage.CONFIRMED]
    after = listener.hear(every(2, NOON_MS + 6 * HOUR_MS, 3, **STILL))
    assert [one.stage for one in after if one.id == urgent[0].id] == [Stage.FOLLOW_UP]


def test_a_finding_of_which_nothing_more_is_heard_ends_as_unknown(known_state: dict[str, Any]) -> None:
    """On the clock alone, and it says that nobody knows."""
    listener = known(known_state)
    found = alarms(listener.hear(varied(2, NOON_MS, 1, {"rr": 28})))
    assert found
    ended = []
    for hour in range(1, 40):
        ended += listener.bank.update(None, NOON_MS + hour * HOUR_MS)
    (over,) = [one for one in ended if one.id == found[0].id]
    assert over.notes["outcome"] == "silent"


def test_exertion_of_which_nothing_is_known_has_to_last_an_hour(known_state: dict[str, Any]) -> None:
    """Without a word about motion a fast pulse and breath may be stairs; with it, half an hour is enough."""
    fast = varied(2, NOON_MS, 1.5, {"rr": 26, "hr": 118, "spo2": 96})
    blind = [(t_ms, {name: value for name, value in one.items() if name != "enmo_g"}) for t_ms, one in fast]
    seen, unseen = (alarms(known(known_state).hear(readings)) for readings in (fast, blind))
    first = {one.notes["rule"]: one for one in seen}["news2_urgent"]
    later = {one.notes["rule"]: one for one in unseen}["news2_urgent"]
    assert first.decided_ms - NOON_MS < 35 * MINUTE_MS
    assert later.decided_ms - NOON_MS >= 60 * MINUTE_MS
    short = [reading for reading in blind if reading[0] < NOON_MS + 45 * MINUTE_MS]
    listener = known(known_state)
    found = listener.hear(short)
    found += [d for m in range(45, 200) for d in listener.bank.update(None, NOON_MS + m * MINUTE_MS)]
    assert not alarms(found)


# -- how often somebody is called --------------------------------------------------------------------------------------


def test_a_second_finding_soon_after_the_first_is_written_down_only(known_state: dict[str, Any]) -> None:
    """Unless it is more urgent: then it calls again."""
    listener = known(known_state)
    found = confirmed(listener.hear(varied(2, NOON_MS, 3, {"rr": 22, "hr": 118, "spo2": 94})))
    urgent = [one for one in found if one.severity is Severity.URGENT]
    limited = [one for one in found if "limited" in one.notes]
    assert len(urgent) == 1
    assert limited
    assert all(one.severity is Severity.INFO and "only just now" in one.notes["en"] for one in limited)
    worse = confirmed(listener.hear(varied(2, NOON_MS + 3 * HOUR_MS, 1, {"rr": 30, "hr": 135, "spo2": 86})))
    assert [one.severity for one in worse if one.severity is not Severity.INFO] == [Severity.CRITICAL]


def test_a_finding_that_comes_back_within_its_time_calls_nobody_again(known_state: dict[str, Any]) -> None:
    """A shift of the pulse is told once in two days."""
    listener = known(known_state)
    found = []
    for day in range(2):
        found += listener.hear(every(5, NOON_MS + day * DAY_MS, 6, add_hr=18, seed=day, **STILL))
        found += listener.hear(every(5, NOON_MS + day * DAY_MS + 6 * HOUR_MS, 18, seed=day, **STILL))
    shifts = [one for one in confirmed(found) if one.notes["rule"] == "hr_above"]
    assert [one.severity for one in shifts] == [Severity.WARNING, Severity.INFO]


# -- limits, sugar, pressure -------------------------------------------------------------------------------------------


def test_a_very_low_sugar_calls_at_once() -> None:
    """One reading is enough: it takes the wits within minutes."""
    found = confirmed(Listener(conditions=["diabetes"]).hear([(NOON_MS, {"glucose": 2.6})], device="g1"))
    assert ("glucose_very_low", Severity.CRITICAL) in [(one.notes["rule"], one.severity) for one in found]


def test_a_sugar_that_falls_fast_is_told_before_it_is_low() -> None:
    """At the pace of the last readings."""
    falling = [(NOON_MS + at * 5 * MINUTE_MS, {"glucose": 7.0 - 0.55 * at}) for at in range(6)]
    found = confirmed(Listener().hear(falling, device="g1"))
    assert found[0].notes["text"] == "glucose_falling"
    assert found[0].features["glucose_mmol_l"] > 3.9


@pytest.mark.parametrize(("conditions", "told"), [((), False), (("diabetes",), True)])
def test_a_high_sugar_is_of_interest_earlier_with_diabetes(conditions: tuple[str, ...], told: bool) -> None:
    """15 mmol/L for three hours: written down."""
    high = [(NOON_MS + at * 15 * MINUTE_MS, {"glucose": 15.0 + 0.1 * (at % 3)}) for at in range(14)]
    found = confirmed(Listener(conditions=conditions).hear(high, device="g1"))
    assert [(one.notes["rule"], one.severity) for one in found] == [("glucose_high", Severity.INFO)] * told


def test_a_very_high_pressure_is_confirmed_by_measuring_again() -> None:
    """After a minute; measured once only, it is told half an hour later, as a warning, with that word."""
    twice = Listener().hear([(NOON_MS, {"sbp": 196, "dbp": 112}), (NOON_MS + 3 * MINUTE_MS, {"sbp": 191, "dbp": 111})])
    assert [(one.notes["rule"], one.severity) for one in alarms(twice)] == [("pressure_crisis", Severity.URGENT)]
    once = Listener()
    assert not alarms(once.hear([(NOON_MS, {"sbp": 196, "dbp": 112})]))
    later = [d for minute in range(1, 60) for d in once.bank.update(None, NOON_MS + minute * MINUTE_MS)]
    assert [one.severity for one in alarms(later)] == [Severity.WARNING]
    assert "Measured once only" in later[0].notes["en"]
    denied = Listener()
    calm = denied.hear([(NOON_MS, {"sbp": 196, "dbp": 112}), (NOON_MS + 5 * MINUTE_MS, {"sbp": 150, "dbp": 90})])
    calm += [d for minute in range(6, 60) for d in denied.bank.update(None, NOON_MS + minute * MINUTE_MS)]
    assert not alarms(calm)


def test_a_person_may_have_limits_of_their_own() -> None:
    """Set by a clinician; no condition overrules them."""
    readings = [(NOON_MS, {"sbp": 171, "dbp": 90}), (NOON_MS + 3 * MINUTE_MS, {"sbp": 168, "dbp": 90})]
    found = alarms(Listener(limits={"sbp_high_mmhg": 165.0}).hear(readings))
    assert [one.features["limit_sbp_mmhg"] for one in found] == [165.0]
    assert not alarms(Listener().hear(readings))


@pytest.mark.parametrize(
    "wrong",
    [
        {"spo2_scale": 3},
        {"limits": {"sbp_hihg_mmhg": 170.0}},
        {"limits": {"sbp_high_mmhg": float("nan")}},
        {"limits": {"sbp_high_mmhg": -1.0}},
    ],
)
def test_a_limit_or_scale_that_there_is_none_of_is_refused(wrong: dict[str, Any]) -> None:
    """With the name in the error, and the person is not taken up."""
    bank = VitalsBank()
    with pytest.raises(DetectorError):
        bank.add("p", person="p", **wrong)
    assert len(bank) == 0


# -- days --------------------------------------------------------------------------------------------------------------


RISING_KG = [70.0, 70.2, 69.9, 70.1, 70.0, 70.1, 69.9, 70.6, 71.3, 72.1, 72.8, 72.9]


@pytest.mark.parametrize(("conditions", "told"), [((), False), (("heart_failure",), True)])
def test_two_kilograms_in_days_are_told_with_heart_failure(conditions: tuple[str, ...], told: bool) -> None:
    """Water; for anybody else it takes 3.5."""
    found = alarms(Listener(conditions=conditions).hear(weighed(range(12), RISING_KG), device="s1"))
    assert [(one.kind, one.notes["rule"]) for one in found] == [("vitals_trend", "weight_gain")] * told
    if told:
        assert found[0].features["change_kg"] >= found[0].features["limit_kg"] == 2.0


def test_five_percent_of_the_weight_lost_in_a_month_are_told() -> None:
    """Malnutrition."""
    loss = [70 - 4.5 * max(0, day - 8) / 20 for day in range(30)]
    found = alarms(Listener().hear(weighed(range(30), loss), device="s1"))
    assert [one.notes["rule"] for one in found] == ["weight_loss"]


@pytest.mark.parametrize(("conditions", "told"), [((), False), (("hypertension",), True)])
def test_a_week_of_higher_pressure_is_told_with_hypertension(conditions: tuple[str, ...], told: bool) -> None:
    """From 126 to 140 on average: 135 is too much at home for who has it, 145 for who has not."""
    listener = Listener(conditions=conditions)
    found = listener.hear([*cuffs(range(-21, 0), 126), *cuffs(range(9), 140.5, seed=1)], device="c1")
    assert [one.notes["rule"] for one in alarms(found)] == ["pressure_trend"] * told


def test_a_higher_pulse_at_rest_for_three_days_is_told_with_heart_failure() -> None:
    """Nine beats more than in the two weeks before, too little for a shift."""
    listener = Listener(conditions=["heart_failure"])
    found = listener.hear(every(20, T0_MS - 14 * DAY_MS, 14 * 24, **STILL))
    found += listener.hear(every(20, T0_MS, 5 * 24, add_hr=10, seed=4, **STILL))
    told = [one for one in alarms(found) if one.notes["rule"] == "pulse_trend"]
    assert len(told) == 1
    assert told[0].features["pulse_bpm"] - told[0].features["pulse_before_bpm"] >= 8


# -- late readings -----------------------------------------------------------------------------------------------------


def test_late_readings_tell_what_happened_and_touch_nothing_live(known_state: dict[str, Any]) -> None:
    """Out of a buffer: a warning at most, marked historical, and the bank is as it was."""
    listener = known(known_state)
    before = listener.bank.state()
    found = listener.hear(varied(1, NOON_MS - 6 * HOUR_MS, 0.6, {"hr": 150}), historical=True, delay_ms=6 * HOUR_MS)
    assert [(one.historical, one.severity, one.onset_ms) for one in found] == [
        (True, Severity.WARNING, NOON_MS - 6 * HOUR_MS)
    ]
    after = listener.bank.state()
    for part in ("chart", "usual", "trends", "alarms", "screen"):
        np.testing.assert_equal(after[part], before[part])


def late_of(readings: Iterable[Reading], state: dict[str, Any] | None = None, **person: Any) -> list[Detection]:
    """What is told of readings that come a day late."""
    listener = Listener(**person) if state is None else known(state, **person)
    return alarms(listener.hear(readings, historical=True, delay_ms=DAY_MS))


#: Breathless for three quarters of an hour: 88 and 89 %.
_BREATHLESS = varied(5, NOON_MS, 0.75, {"spo2": 89})
_WELL = varied(5, NOON_MS, 6, {"spo2": 97})
#: Every other reading tells of a poor touch.
_LOOSE = [(t_ms + at % 2, one) for at, (t_ms, one) in enumerate(varied(2, NOON_MS, 1, {"spo2": 89}))]


@pytest.mark.parametrize(
    ("readings", "told"),
    [
        pytest.param(_BREATHLESS, 1, id="held"),
        pytest.param(varied(5, NOON_MS, 0.45, {"spo2": 89}), 0, id="too short"),
        pytest.param([r for at, r in enumerate(_BREATHLESS) if at in (0, 4, 8)], 1, id="three readings are enough"),
        pytest.param(sorted(_WELL + varied(40, NOON_MS + 60_000, 6, {"spo2": 89})), 0, id="one of nine"),
        pytest.param([(t, one | {"spo2": 89}) for t, one in varied(2, NOON_MS, 1, {"hr": 70})], 0, id="one value"),
        pytest.param([(t, r | {"quality": 0.3 + 0.6 * (t % 2)}) for t, r in _LOOSE], 0, id="touched badly"),
        pytest.param([(t, {"hr": one["hr"]}) for t, one in varied(2, NOON_MS, 0.9, {"hr": 140})], 0, id="a long walk"),
        pytest.param([(t, {"hr": one["hr"]}) for t, one in varied(2, NOON_MS, 1.2, {"hr": 140})], 1, id="no walk"),
        pytest.param(varied(2, NOON_MS, 0.3, {"spo2": 89, "rr": 27}), 1, id="two signs hold for ten minutes"),
    ],
)  # fmt: skip
def test_a_late_red_sign_must_hold_as_a_live_one(readings: list[Reading], told: int) -> None:
    """Long enough, in most readings, varying, of a sensor that touches, at rest; and it is told once."""
    assert len(late_of(readings)) == told


@pytest.mark.parametrize(("seen_before", "scale", "told"), [(False, 1, 1), (True, 1, 0), (False, 2, 0)])
def test_late_readings_are_held_against_what_is_usual(seen_before: bool, scale: int, told: int) -> None:
    """91 % and less every day since a week calls nobody late either, nor where that is aimed at."""
    listener = Listener(spo2_scale=scale)
    if seen_before:
        listener.hear(every(40, T0_MS - 7 * DAY_MS, 7 * 24, add_spo2=-7, **STILL))
    found = listener.hear(varied(5, NOON_MS, 1, {"spo2": 90}), historical=True, delay_ms=DAY_MS)
    assert len(alarms(found)) == told


def test_the_same_every_night_is_told_once_and_worse_again() -> None:
    """A week of slow pulses out of a buffer, told as nothing is known to be usual; then one much slower."""
    nights = [one for day in range(5) for one in varied(10, T0_MS + day * DAY_MS, 1, {"hr": 37})]
    found = late_of(nights)
    assert [one.onset_ms for one in found] == [T0_MS]
    worse = varied(10, T0_MS + 4 * DAY_MS, 1, {"spo2": 80})
    less = [one for day in range(4) for one in varied(10, T0_MS + day * DAY_MS, 1, {"spo2": 89})]
    assert [one.onset_ms for one in late_of(less + worse)] == [T0_MS, T0_MS + 4 * DAY_MS]


def test_a_live_reading_that_was_long_on_its_way_is_late(known_state: dict[str, Any]) -> None:
    """Half an hour old: nobody is called for now."""
    listener = known(known_state)
    found = listener.hear(varied(1, NOON_MS, 1, ILL), delay_ms=30 * MINUTE_MS)
    assert found
    assert all(one.historical for one in found)


# -- states, many people, order ----------------------------------------------------------------------------------------


def eventful(people: int, seed: int) -> list[tuple[int, int, int, dict[str, Any]]]:
    """(person, device, t, values) of some people, of whom some fall ill; with gaps, jumps and devices that stick."""
    rng = np.random.default_rng(seed)
    out: list[tuple[int, int, int, dict[str, Any]]] = []
    for person in range(people):
        ill_h = float(rng.uniform(5.2 * 24, 6 * 24))
        for at in range(7 * 24 * 6):
            hour = at / 6
            if rng.random() < 0.1:
                continue
            ill = min(1.0, max(0.0, (hour - ill_h) / 8)) * (person % 2)
            values: dict[str, Any] = {
                "hr": round(70 + 35 * ill + rng.normal(0, 2)),
                "spo2": min(100, round(97 - 6 * ill + rng.normal(0, 0.6))),
                "rr": round(16 + 9 * ill + rng.normal(0, 0.8)),
                "temp": round(36.6 + ill + rng.normal(0, 0.06), 1),
            }
            if person % 3 == 0:
                values["enmo_g"] = float(rng.random() < 0.1) * 0.1
            if person == 2 and hour > 100:
                values["hr"] = 140
            if person == 3 and rng.random() < 0.3:
                values["hr"] = 0
            t_ms = T0_MS + at * 10 * MINUTE_MS + int(rng.integers(0, 20_000))
            out.append((person, person, t_ms, values))
            if at % 72 == 50:
                cuff = {"sbp": round(150 + 40 * ill + rng.normal(0, 4)), "dbp": 85 + at % 5}
                out.append((person, people + person, t_ms + 1000, cuff))
    return sorted(out, key=lambda reading: reading[2])


def feed(
    bank: VitalsBank,
    readings: list[tuple[int, int, int, dict[str, Any]]],
    at_once: int,
    *,
    only: int | None = None,
    ticks: bool = True,
) -> list[Detection]:
    """So many readings to a batch (of one person only), and a tick after each."""
    found = []
    gatherer = VitalsGatherer()
    for first in range(0, len(readings), at_once):
        part = readings[first : first + at_once]
        now_ms = max(t_ms for _, _, t_ms, _ in part)
        for person, device, t_ms, values in part:
            if only in (None, person):
                gatherer.add(person, device, t_ms=t_ms, recv_ms=t_ms, values=values, historical=False)
        if (batch := gatherer.take()) is not None:
            found += bank.update(batch, now_ms)
        if ticks:
            found += bank.update(None, now_ms)
    return found


def crowd(people: int) -> VitalsBank:
    """A bank with so many people, a watch and a cuff each."""
    bank = VitalsBank()
    for person in range(people):
        bank.add(f"p{person}", person=f"p{person}", conditions=["hypertension"] if person % 2 else [])
    for device in [*(f"w{p}" for p in range(people)), *(f"c{p}" for p in range(people))]:
        bank.add_device(device)
    return bank


def test_a_bank_that_was_saved_and_restored_finds_the_same_as_one_that_went_on() -> None:
    """Through pickle, at several instants, with findings that stand and some that are about to."""
    readings = eventful(4, seed=8)
    whole = feed(crowd(4), readings, 7)
    assert len(alarms(whole)) >= 3
    assert {one.notes["fault"] for one in whole if one.detector == "device.vitals"} >= {"stuck", "loose"}
    bank, found = crowd(4), []
    cut = len(readings) * np.array([0, 0.3, 0.74, 0.78, 0.8, 0.83, 0.86, 0.9, 1])
    for first, last in zip((cut // 7 * 7).astype(int)[:-1], [*(cut // 7 * 7).astype(int)[1:-1], None], strict=True):
        again = VitalsBank()
        again.restore(pickle.loads(pickle.dumps(bank.state())))
        bank = again
        found += feed(bank, readings[first:last], 7)
    assert found == whole
    again = VitalsBank()
    again.restore(bank.state())
    np.testing.assert_equal(again.state(), bank.state())


def test_a_state_of_another_format_is_refused() -> None:
    """And says what to do."""
    with pytest.raises(DetectorError, match="start afresh"):
        VitalsBank().restore({"format": 99})


def test_a_state_of_the_format_before_is_read(known_state: dict[str, Any]) -> None:
    """In which the lowest number stood where nothing was known; what took weeks to learn is not learnt again."""
    bank = known(known_state).bank
    before = bank.state() | {"format": 1}
    for name in ("usual", "trends"):
        columns = dict(before[name])
        if isinstance(columns["ring"], tuple):
            shape, places, values = columns["ring"]
            ring = np.zeros(shape, np.int16)
            ring.reshape(-1)[places] = values
            columns["ring"] = ring
        assert columns["ring"].any(), name
        columns["ring"] = np.where(columns["ring"] == 0, np.iinfo(np.int16).min, columns["ring"]).astype(np.int16)
        before[name] = columns
    again = VitalsBank()
    again.restore(before)
    np.testing.assert_equal(again.state(), bank.state())


def test_a_state_is_a_copy(known_state: dict[str, Any]) -> None:
    """What the bank hears later does not change it."""
    listener = known(known_state)
    state = listener.bank.state()
    kept = pickle.dumps(state)
    listener.hear(varied(2, NOON_MS, 1, ILL))
    assert pickle.dumps(state) == kept


def test_people_are_found_alike_alone_and_in_a_crowd() -> None:
    """Vectorising mixes nobody up."""
    readings = eventful(4, seed=9)
    together = feed(crowd(4), readings, 1)
    for person in (1, 3):
        assert feed(crowd(4), readings, 1, only=person) == [one for one in together if one.person == f"p{person}"]


def test_how_readings_are_put_into_batches_changes_nothing() -> None:
    """One by one, or twenty of the same people at once, in any order."""
    readings = eventful(3, seed=10)
    found = {key(one) for one in feed(crowd(3), readings, 1, ticks=False)}
    rng = np.random.default_rng(0)
    shuffled = []
    for first in range(0, len(readings), 20):
        part = readings[first : first + 20]
        shuffled += [part[at] for at in rng.permutation(len(part))]
    assert {key(one) for one in feed(crowd(3), shuffled, 20, ticks=False)} == found
    assert len(found) > 3


def key(one: Detection) -> tuple[str, Stage, int]:
    """What a finding is known by, and when."""
    return one.id, one.stage, one.decided_ms


def test_nothing_given_to_a_bank_is_changed_by_it() -> None:
    """The batch is the caller's."""
    gatherer = VitalsGatherer()
    bank = crowd(3)
    for person, device, t_ms, values in eventful(3, seed=1)[:50]:
        gatherer.add(person, device, t_ms=t_ms, recv_ms=t_ms, values=values, historical=False)
    batch = gatherer.take()
    assert batch is not None
    kept = pickle.dumps(batch)
    bank.update(batch, int(batch.t_ms.max()))
    assert pickle.dumps(batch) == kept


def test_every_finding_has_a_sentence_in_every_language_and_its_limits(known_state: dict[str, Any]) -> None:
    """In the notes under the language's tag."""
    listener = known(known_state)
    found = listener.hear(varied(2, NOON_MS, 4, {"rr": 29, "hr": 135, "spo2": 84}))
    found += listener.hear(every(5, NOON_MS + 4 * HOUR_MS, 12, **STILL))
    found += Listener().hear([(NOON_MS, {"glucose": 2.0, "sbp": 200, "dbp": 130})])
    assert {one.stage for one in found} == {Stage.CONFIRMED, Stage.FOLLOW_UP}
    for one in found:
        assert all(one.notes[language] for language in LANGUAGES)
        assert "{" not in one.notes["en"] + one.notes["zh"]
        if one.stage is Stage.CONFIRMED and one.detector == "vitals":
            assert any(name.startswith("limit_") for name in one.features)
        assert one.params_hash == listener.bank.params_hash
        assert 0 <= one.score <= 1


def test_scores_are_written_every_five_minutes_with_their_range(known_state: dict[str, Any]) -> None:
    """At the instant of the reading."""
    listener = known(known_state)
    listener.bank.points(NOON_MS)
    written = []
    for reading in varied(1, NOON_MS, 0.5, {"rr": 22}):
        listener.hear([reading])
        written += [one for one in listener.bank.points(reading[0]) if one.measurement == "score"]
    assert 5 <= len(written) <= 7
    fields = written[-1].fields
    assert (fields["value"][0], fields["lower"][0], fields["upper"][0]) == (2, 2, 2 + 2 + 3 + 3)
    assert written[-1].person == ["p1"]


def test_changed_thresholds_change_the_hash() -> None:
    """The tables of signs, rules and limits are part of it."""
    assert VitalsBank().params_hash == VitalsBank(VitalsParameters()).params_hash
    assert VitalsBank(VitalsParameters(cusum_sigma=9.0)).params_hash != VitalsBank().params_hash


def test_who_varies_much_is_called_for_all_the_same_when_it_is_far() -> None:
    """A pulse of 55, 75 or 95 from day to day: 38 is within its spreads, and 37 below the usual."""
    listener = Listener()
    for day in range(-9, 0):
        listener.hear(every(10, T0_MS + day * DAY_MS, 24, add_hr=5 + 20 * (day % 3 - 1), seed=day + 20, **STILL))
    found = listener.hear(varied(2, NOON_MS, 1.5, {"hr": 38}))
    one = next(one for one in confirmed(found) if one.kind == "news2")
    assert one.features["usual_low_hr_bpm"] < 45
