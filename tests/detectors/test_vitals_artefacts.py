"""What is no measurement: found on the device and never an alarm about the person. And what is no reading at all."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from detectors.detection import Detection, Severity, Stage
from detectors.errors import DetectorError
from detectors.vitals.bank import VitalsBank
from detectors.vitals.batch import COLUMNS, VitalsBatch, VitalsGatherer, conscious_code
from tests.detectors.vitals_readings import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    T0_MS,
    Listener,
    Reading,
    alarms,
    every,
)

NOON_MS = T0_MS + 12 * HOUR_MS


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """Of a bank that has known one person, who wears a watch that tells of motion, for a week."""
    return Listener().know(7, enmo_g=0.005).bank.state()


def known(state: dict[str, Any], **person: Any) -> Listener:
    """A listener whose bank goes on from there."""
    bank = VitalsBank()
    bank.restore(state)
    return Listener(bank, **person)


def faults(found: Iterable[Detection]) -> list[str]:
    """What devices are reported for."""
    return [one.notes["fault"] for one in found if one.detector == "device.vitals" and one.stage is Stage.CONFIRMED]


def changed(
    hours: float, change: Callable[[int, dict[str, Any], np.random.Generator], None], *, minutes: float = 2
) -> list[Reading]:
    """Readings at noon of somebody who is well, each passed through ``change`` with its number."""
    rng = np.random.default_rng(6)
    readings = every(minutes, NOON_MS, hours, enmo_g=0.005, seed=6)
    for at, (_, values) in enumerate(readings):
        change(at, values, rng)
    return readings


# -- artefacts ---------------------------------------------------------------------------------------------------------


def flat(_at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
    """Everything stands still, at values that would be an emergency."""
    values |= {"hr": 134, "spo2": 88, "rr": 27, "temp": 38.4}


def stuck_pulse(_at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
    """One sign is held, the others live."""
    values["hr"] = 141


def loose(_at: int, values: dict[str, Any], rng: np.random.Generator) -> None:
    """No contact: zeros between numbers that mean nothing."""
    values["hr"] = 0 if rng.random() < 0.5 else round(rng.uniform(40, 185))
    values["spo2"] = 0 if rng.random() < 0.5 else round(rng.uniform(72, 95))
    values["rr"] = round(rng.uniform(6, 40))


def poor(_at: int, values: dict[str, Any], rng: np.random.Generator) -> None:
    """The device itself says that it is nothing."""
    values |= {"hr": round(rng.uniform(120, 160)), "spo2": 84, "rr": 30, "quality": 0.2}


def spikes(at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
    """Twice the pulse, every third time, and back."""
    if at % 3 == 0:
        values["hr"] *= 2


def dips(at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
    """Fifteen less oxygen, every third time, and back."""
    if at % 3 == 0:
        values["spo2"] -= 15


def fahrenheit(_at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
    """A sound temperature as a number that no one has."""
    values["temp"] = round(values["temp"] * 1.8 + 32, 1)


def share(_at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
    """Saturation from 0 to 1."""
    values["spo2"] /= 100


def impossible(_at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
    """Beyond any living person."""
    values |= {"hr": 255, "rr": 120}


@pytest.mark.parametrize(
    ("change", "hours", "fault"),
    [
        (flat, 9, "stuck"),
        (stuck_pulse, 3, "stuck"),
        (loose, 3, "loose"),
        (poor, 3, "loose"),
        (spikes, 3, "jump"),
        (dips, 3, "jump"),
        (fahrenheit, 6, "unit"),
        (share, 2, "unit"),
        (impossible, 2, "range"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_artefact_is_a_finding_about_the_device_and_no_alarm_about_the_person(
    state: dict[str, Any], change: Any, hours: float, fault: str
) -> None:
    """Told once, and that it is over; with what was seen and what the limit is."""
    listener = known(state)
    found = listener.hear(changed(hours, change))
    assert not alarms(found)
    assert fault in faults(found)
    assert Counter(faults(found))[fault] == 1
    one = next(one for one in found if one.notes.get("fault") == fault)
    assert (one.kind, one.device, one.severity) == ("reading_fault", "w1", Severity.WARNING)
    assert one.features["limit_readings"] >= 1
    after = listener.hear(every(2, NOON_MS + round(hours * HOUR_MS), 6, enmo_g=0.005, seed=1))
    over = [two for two in after if two.id == one.id]
    assert [(two.stage, two.notes["outcome"]) for two in over] == [(Stage.FOLLOW_UP, "over")]
    assert not alarms(after)


def test_a_device_that_makes_one_artefact_only_is_not_reported(state: dict[str, Any]) -> None:
    """A single spike, a single zero: that is what watches do."""

    def one_of_each(at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
        values |= {10: {"hr": 150}, 40: {"hr": 0, "spo2": 0}, 70: {"spo2": 80}}.get(at, {})

    assert not known(state).hear(changed(4, one_of_each))


def test_a_value_that_jumps_and_stays_is_believed(state: dict[str, Any]) -> None:
    """An arrhythmia begins from one beat to the next: 70, then 150 and irregular."""

    def arrhythmia(at: int, values: dict[str, Any], rng: np.random.Generator) -> None:
        if at >= 5:
            values["hr"] = round(150 + rng.normal(0, 8))

    found = known(state).hear(changed(2, arrhythmia))
    assert not faults(found)
    told = alarms(found)
    assert told
    assert told[0].decided_ms <= NOON_MS + 10 * MINUTE_MS + 45 * MINUTE_MS


def test_readings_while_the_wearer_moves_and_right_after_say_nothing(state: dict[str, Any]) -> None:
    """Stairs for an hour, with a word about motion; and five minutes of catching breath."""

    def stairs(at: int, values: dict[str, Any], rng: np.random.Generator) -> None:
        climbs = at < 30
        values["enmo_g"] = 0.15 if climbs else 0.005
        if climbs or at < 32:
            values |= {"hr": round(135 + rng.normal(0, 4)), "rr": 29 + at % 3, "spo2": 93 + at % 2}

    listener = known(state)
    found = listener.hear(changed(3, stairs))
    assert not found
    points = listener.bank.points(NOON_MS + 3 * HOUR_MS)
    assert [one.fields["value"][0] for one in points if one.measurement == "score"] == [0]


def test_a_wearer_who_is_never_at_rest_is_told_as_a_word_about_the_device(state: dict[str, Any]) -> None:
    """Nobody needs to run: info."""

    def restless(_at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
        values["enmo_g"] = 0.2

    found = known(state).hear(changed(15, restless))
    assert [(one.notes["fault"], one.severity) for one in found] == [("motion", Severity.INFO)]


def test_pressure_in_kilopascal_is_another_unit_and_not_shock(state: dict[str, Any]) -> None:
    """16.3 over 10.4."""
    listener = known(state)
    found = listener.hear([(NOON_MS, {"sbp": 16.3, "dbp": 10.4}), (NOON_MS + HOUR_MS, {"sbp": 15.9, "dbp": 10.1})],
                          device="c1")  # fmt: skip
    assert faults(found) == ["unit"]
    assert not alarms(found)


def test_sugar_in_milligrams_is_another_unit_also_where_it_could_be_one(state: dict[str, Any]) -> None:
    """120 cannot be mmol/L; the 30 of the same device after that would be a crisis."""
    sugar = [120.0, 95.0, 34.0, 30.0, 28.0]
    found = known(state).hear([(NOON_MS + at * 15 * MINUTE_MS, {"glucose": x}) for at, x in enumerate(sugar)],
                              device="g1")  # fmt: skip
    assert faults(found) == ["unit"]
    assert not alarms(found)


def test_weight_in_pounds_is_another_unit_and_not_water() -> None:
    """70 kg and then 154."""
    listener = Listener(conditions=["heart_failure"])
    weights = [70.0, 70.1, 69.9, 70.0, 70.2, 154.1, 154.5, 154.0]
    found = listener.hear([(T0_MS + day * DAY_MS, {"weight": kg}) for day, kg in enumerate(weights)], device="s1")
    assert faults(found) == ["unit"]
    assert not alarms(found)


def test_another_person_on_the_scales_is_no_water() -> None:
    """Twelve kilograms more, and the next morning back."""
    listener = Listener(conditions=["heart_failure"])
    weights = [70.0, 70.1, 69.9, 70.0, 70.2, 70.1, 82.3, 70.2, 70.0, 81.9, 70.1]
    found = listener.hear([(T0_MS + day * DAY_MS, {"weight": kg}) for day, kg in enumerate(weights)], device="s1")
    assert not alarms(found)


def test_a_sensor_that_is_lain_upon_shows_a_low_sugar_that_calls_nobody() -> None:
    """From 7 to 2.8 in five minutes and back after half an hour; no body does that. One that stays is believed."""
    sugar = [7.0, 7.1, 6.9, *(2.8 + 0.1 * (at % 3) for at in range(7)), 7.0, 7.1]
    readings = [(NOON_MS + at * 5 * MINUTE_MS, {"glucose": x}) for at, x in enumerate(sugar)]
    assert not alarms(Listener(conditions=["diabetes"]).hear(readings, device="g1"))
    stays = [7.0, 7.1, 6.9, *(2.8 + 0.1 * (at % 3) for at in range(12))]
    found = Listener(conditions=["diabetes"]).hear(
        [(NOON_MS + at * 5 * MINUTE_MS, {"glucose": x}) for at, x in enumerate(stays)], device="g1"
    )
    assert "glucose_very_low" in {one.notes["rule"] for one in alarms(found)}
    after_hours = [(NOON_MS, {"glucose": 7.0}), (NOON_MS + 6 * HOUR_MS, {"glucose": 2.7})]
    assert alarms(Listener(conditions=["diabetes"]).hear(after_hours, device="g1"))


def test_pressures_too_close_together_are_no_measurement(state: dict[str, Any]) -> None:
    """A cuff that slipped: 205 over 200."""
    readings = [(NOON_MS + at * 2 * MINUTE_MS, {"sbp": 205 + at, "dbp": 200 + at}) for at in range(4)]
    found = known(state).hear(readings, device="c1")
    assert faults(found) == ["range"]
    assert not alarms(found)


def test_what_is_no_measurement_is_not_learnt_either(state: dict[str, Any]) -> None:
    """A week of a loose watch leaves the usual as it was."""
    listener = known(state)
    listener.hear(changed(7 * 24, loose, minutes=10))
    listener.hear(every(10, NOON_MS + 7 * DAY_MS, 5, enmo_g=0.005))
    (point,) = [p for p in listener.bank.points(NOON_MS + 8 * DAY_MS) if p.detector == "vitals.hr"]
    assert point.fields["value"][0] == pytest.approx(70, abs=3)


def test_one_device_at_fault_leaves_the_person_s_others_believed(state: dict[str, Any]) -> None:
    """A loose watch, and a cuff that finds a crisis."""
    listener = known(state)
    listener.hear(changed(1, loose))
    found = listener.hear(
        [(NOON_MS + HOUR_MS, {"sbp": 196, "dbp": 110}), (NOON_MS + HOUR_MS + 3 * MINUTE_MS, {"sbp": 192, "dbp": 111})],
        device="c1",
    )
    assert [one.notes["rule"] for one in alarms(found)] == ["pressure_crisis"]


def test_a_watch_that_says_zero_for_what_it_cannot_measure_is_believed_otherwise(state: dict[str, Any]) -> None:
    """No breathing sensor, and 0 for it: pulse and oxygen count."""

    def no_breath(at: int, values: dict[str, Any], rng: np.random.Generator) -> None:
        values |= {"rr": 0, "hr": round(138 + rng.normal(0, 5)), "spo2": 90 + at % 2}

    assert alarms(known(state).hear(changed(2, no_breath)))


def test_a_device_that_repeats_its_last_reading_in_between_is_believed_all_the_same(state: dict[str, Any]) -> None:
    """It measures every eight minutes and sends every two: an emergency is one."""

    def cached(at: int, values: dict[str, Any], _rng: np.random.Generator) -> None:
        drawn = np.random.default_rng(at // 4)
        values |= {"hr": round(128 + drawn.normal(0, 3)), "spo2": 87 + int(drawn.integers(0, 3)), "temp": 37.9}
        values["rr"] = 27 + int(drawn.integers(0, 3))

    told = alarms(known(state).hear(changed(2, cached)))
    assert told[0].severity is Severity.CRITICAL
    assert told[0].decided_ms - NOON_MS <= 30 * MINUTE_MS


# -- wrong input -------------------------------------------------------------------------------------------------------


def batch(n: int = 1, **columns: Any) -> VitalsBatch:
    """n readings of somebody who is well, of person and device 0, a minute apart, but for ``columns``."""
    values = np.full((len(COLUMNS), n), np.nan)
    for name, value in {"hr": 70.0, "spo2": 97.0, "rr": 16.0, "temp": 36.6}.items():
        values[COLUMNS.index(name)] = value
    for name in [name for name in columns if name in COLUMNS]:
        values[COLUMNS.index(name)] = columns.pop(name)
    t_ms = NOON_MS + np.arange(n, dtype=np.int64) * MINUTE_MS
    whole = {
        "row": np.zeros(n, np.int32),
        "device": np.zeros(n, np.int32),
        "t_ms": t_ms,
        "recv_ms": t_ms.copy(),
        "values": values,
        "historical": np.zeros(n, np.bool_),
    }
    return VitalsBatch(**(whole | {name: np.asarray(value) for name, value in columns.items()}))


def one_person() -> VitalsBank:
    """With one device."""
    bank = VitalsBank()
    bank.add("p", person="p")
    bank.add_device("w")
    return bank


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("historical", [False, True])
@pytest.mark.parametrize("value", [NAN, INF, -INF, 0.0, -1.0, 1e-300, 1e300, -1e300, 3.4e38, 2.0**63])
def test_no_number_in_any_place_makes_the_bank_fail_or_call(value: float, historical: bool) -> None:
    """In every column alone and in all of them, with warnings of arithmetic as errors."""
    with np.errstate(all="raise", under="ignore"):
        for name in (*COLUMNS, None):
            bank = one_person()
            columns = dict.fromkeys(COLUMNS if name is None else [name], value)
            bank.update(batch(), NOON_MS)
            late = {"recv_ms": NOON_MS + np.arange(1, 9) * HOUR_MS} if historical else {}
            wrong = batch(8, **columns, historical=np.full(8, historical), **late)
            found = bank.update(wrong, NOON_MS + DAY_MS)
            found += bank.update(None, NOON_MS + DAY_MS)
            stated = name in ("acvpu", None) and value > 0 and value != INF
            assert stated or not alarms(found), (name, value)
            np.testing.assert_equal(pickle.loads(pickle.dumps(bank.state())), bank.state())
            bank.points(NOON_MS + DAY_MS)


def test_empty_readings_and_unknown_rows_are_counted() -> None:
    """And the rest of the batch is taken."""
    bank = one_person()
    assert bank.update(batch(0), NOON_MS) == []
    nothing = dict.fromkeys(COLUMNS[:4], NAN)
    bank.update(batch(3, **nothing), NOON_MS)
    assert bank.ignored == {"empty": 3}
    bank.update(
        batch(5, row=np.array([-1, 0, 7, 0, 0], np.int32), device=np.array([0, -3, 0, 99, 0], np.int32)), NOON_MS
    )
    assert bank.ignored == {"empty": 3, "unknown": 4}
    assert len([one for one in bank.points(NOON_MS + HOUR_MS) if one.measurement == "score"]) == 1


def test_only_quality_or_motion_is_an_empty_reading() -> None:
    """They say how something was measured, and nothing was."""
    bank = one_person()
    bank.update(batch(1, **dict.fromkeys(COLUMNS[:4], NAN), quality=0.9, enmo_g=0.01), NOON_MS)
    assert bank.ignored == {"empty": 1}


def test_repeated_readings_and_older_ones_of_a_device_are_counted_and_change_nothing() -> None:
    """Delivered twice, or in another order than measured."""
    bank = one_person()
    bank.update(batch(5), NOON_MS + 4 * MINUTE_MS)
    before = bank.state()
    bank.update(batch(5, hr=140.0, recv_ms=np.full(5, NOON_MS + 5 * MINUTE_MS)), NOON_MS + 5 * MINUTE_MS)
    assert bank.ignored == {"repeated": 5}
    after = bank.state()
    for part in ("chart", "usual", "trends", "alarms", "screen"):
        np.testing.assert_equal(after[part], before[part])


def test_readings_of_one_batch_are_taken_in_the_order_of_their_times() -> None:
    """However they came."""
    one, other = one_person(), one_person()
    rng = np.random.default_rng(0)
    whole = batch(40, hr=np.round(rng.normal(75, 6, 40)))
    one.update(whole, NOON_MS + 40 * MINUTE_MS)
    other.update(whole.take(rng.permutation(40)), NOON_MS + 40 * MINUTE_MS)
    np.testing.assert_equal(other.state(), one.state())


def test_readings_from_the_future_are_not_taken_and_the_device_hears_of_it() -> None:
    """They would make everything that follows look old."""
    bank = one_person()
    ahead = batch(6, hr=190.0, recv_ms=NOON_MS + np.arange(6) * MINUTE_MS - HOUR_MS)
    found = bank.update(ahead, NOON_MS)
    assert bank.ignored == {"future": 6}
    assert faults(found) == ["future"]
    assert found[0].notes["en"].startswith("Sends readings from a time that has not come")
    bank.update(batch(1), NOON_MS)
    assert bank.ignored == {"future": 6}


@pytest.mark.parametrize("t_ms", [-(2**63), -(2**62), -1, 0, 2**53, 2**62, 2**63 - 1])
def test_instants_that_cannot_be_make_nothing_fail(t_ms: int) -> None:
    """Neither as the time of the reading nor of its arrival."""
    for name in ("t_ms", "recv_ms"):
        bank = one_person()
        bank.update(batch(1), NOON_MS)
        found = bank.update(batch(1, hr=200.0, **{name: np.array([t_ms], np.int64)}), NOON_MS)
        assert not alarms(found)
        found = bank.update(batch(3, hr=71.0, t_ms=NOON_MS + np.arange(1, 4)), NOON_MS + 3)
        assert not alarms(found)


def test_a_batch_whose_parts_do_not_fit_is_refused() -> None:
    """It is a defect of the caller, and said so."""
    with pytest.raises(DetectorError, match="values of shape"):
        batch(2, values=np.zeros((3, 2)))
    with pytest.raises(DetectorError, match="1 device for 2 readings"):
        batch(2, device=np.zeros(1, np.int32))


def test_a_gatherer_takes_a_word_for_consciousness_and_leaves_out_what_is_none() -> None:
    """None and what is absent are not measured; an unknown letter neither."""
    gatherer = VitalsGatherer()
    assert gatherer.take() is None
    values = {"hr": 70, "acvpu": "v", "spo2": None, "mood": 5, "o2": True}
    gatherer.add(0, 0, t_ms=1, recv_ms=2, values=values, historical=False)
    one = gatherer.take()
    assert one is not None
    assert (one.values[COLUMNS.index("acvpu"), 0], one.values[COLUMNS.index("o2"), 0]) == (2, 1)
    assert np.isnan(one.values[COLUMNS.index("spo2"), 0])
    assert np.isnan(conscious_code("?"))
    assert gatherer.take() is None


def test_noise_of_every_kind_for_hours_is_survived() -> None:
    """Numbers drawn from everything, many people, devices that change hands; the state still round-trips."""
    rng = np.random.default_rng(12)
    bank = VitalsBank()
    for at in range(20):
        bank.add(f"p{at}", person=f"p{at}" if at % 3 else None)
        bank.add_device(f"w{at}")
    odd = np.array([NAN, INF, -INF, 0.0, -5.0, 1e18, 36.6, 70.0, 97.0, 120.0, 0.97, 98.6, 5.5])
    for at in range(150):
        m = int(rng.integers(1, 60))
        t_ms = NOON_MS + at * MINUTE_MS + rng.integers(-HOUR_MS, 10 * MINUTE_MS, m)
        wrong = VitalsBatch(
            rng.integers(-2, 22, m).astype(np.int32),
            rng.integers(-2, 22, m).astype(np.int32),
            t_ms,
            np.full(m, NOON_MS + at * MINUTE_MS),
            rng.choice(odd, (len(COLUMNS), m)),
            rng.random(m) < 0.2,
        )
        bank.update(wrong, NOON_MS + at * MINUTE_MS)
        bank.update(None, NOON_MS + at * MINUTE_MS)
        bank.points(NOON_MS + at * MINUTE_MS)
    again = VitalsBank()
    again.restore(pickle.loads(pickle.dumps(bank.state())))
    np.testing.assert_equal(again.state(), bank.state())
