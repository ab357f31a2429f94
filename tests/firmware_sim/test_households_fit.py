"""A simulated resident against a recorded one: fitted to the first ten days, compared with the ten that follow."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from firmware_sim.households import fit
from firmware_sim.households.compare import Figures
from firmware_sim.households.habits import COOKING, KITCHEN, LEVELS, NIGHT, PLACES, Habits, fitted, length_s
from firmware_sim.households.resident import movements
from tests.servers.require import data_folder

RECORDING = "casas_al_home.txt.gz"
FITTED_DAYS, SIMULATED_DAYS = 10, 60


@pytest.fixture(scope="module")
def recording() -> fit.Recording:
    """The recorded home."""
    return fit.read(data_folder("home") / RECORDING)


@pytest.fixture(scope="module")
def simulated() -> Figures:
    """The resident that comes with the package."""
    t_ms, places = movements(fitted(), SIMULATED_DAYS, 1)
    return Figures.of(np.array(t_ms) / 1000, places, SIMULATED_DAYS)


def of(recording: fit.Recording, first_day: int, last_day: int) -> Figures:
    """Some days of the recording; the last one ends before midnight."""
    some = recording.between(first_day, last_day)
    days = (some.t_s[-1] - some.t_s[0]) / 86_400
    return Figures.of(some.t_s, some.place, days)


def test_the_simulated_home_is_as_near_to_days_not_fitted_as_they_are_to_the_fitted_ones(
    recording: fit.Recording, simulated: Figures
) -> None:
    """By the hour, by silences, from room to room; the differences of the home's own two halves are the yardstick."""
    before, after = of(recording, 0, FITTED_DAYS), of(recording, FITTED_DAYS, 20)
    assert simulated.per_day == pytest.approx(after.per_day, rel=0.15)
    assert simulated.hours_apart(after) < before.hours_apart(after) + 0.06
    assert simulated.hours_correlate(after) > 0.85
    assert simulated.silences_apart(after) < before.silences_apart(after) + 0.09
    assert simulated.ways_apart(after) < before.ways_apart(after) + 0.06


@pytest.mark.parametrize(("level", "ratio"), [(0.5, 2.2), (0.75, 1.3), (0.9, 1.3), (0.99, 1.3)])
def test_silences_are_about_as_long_as_recorded(
    recording: fit.Recording, simulated: Figures, level: float, ratio: float
) -> None:
    """At every level, on the days that were not fitted."""
    after = of(recording, FITTED_DAYS, 20)
    times = np.quantile(simulated.silences_s, level) / np.quantile(after.silences_s, level)
    assert 1 / ratio < times < ratio


def test_the_parameters_in_the_box_come_from_the_recording(recording: fit.Recording) -> None:
    """Nobody has turned a number by hand: all but the calibrated shares are those of a fit, word for word."""
    assert len(recording.t_s) > 19_000
    again = fit.fit(recording.between(0, FITTED_DAYS))
    assert [one.goes for one in again.parts] == [one.goes for one in fitted().parts]
    assert [one.long for one in again.parts[COOKING:]] == [one.long for one in fitted().parts[COOKING:]]
    assert msgspec.structs.replace(again, parts=fitted().parts) == fitted()


def test_calibration_brings_the_number_of_movements_to_what_was_recorded(recording: fit.Recording) -> None:
    """Without it there are too many; a round makes a good part of it good, what is in the box all but a quarter."""
    first = recording.between(0, FITTED_DAYS)
    raw = fit.fit(first)
    once = fit.calibrated(raw, first, rounds=2, days=25)
    per_day = [len(movements(habits, 40, 5)[0]) / 40 for habits in (raw, once, fitted())]
    recorded = of(recording, 0, FITTED_DAYS).per_day
    assert per_day[0] > 1.1 * recorded
    assert per_day[1] < per_day[0]
    assert per_day[2] == pytest.approx(recorded, rel=0.1)


def test_the_command_writes_what_the_package_reads(recording: fit.Recording, tmp_path: Path) -> None:
    """One day is enough to see it."""
    assert len(recording.t_s)
    source, out = data_folder("home") / RECORDING, tmp_path / "fitted.yaml"
    fit.main([str(source), "--days", "3", "--rounds", "1", "--out", str(out)])
    again = msgspec.convert(yaml.safe_load(out.read_text(encoding="utf-8")), Habits)
    assert again.days == 3
    assert len(again.parts) == NIGHT + 1


def test_a_fit_of_what_is_simulated_finds_what_it_was_simulated_from() -> None:
    """Bedtime, rising, meals, the night in the bedroom: recovered from the simulated movements and labels."""
    habits = fitted()
    t_ms, places = movements(habits, 20, 3)
    t_s, place = np.array(t_ms) / 1000, np.array(places)
    hour = t_s % 86_400 / 3600
    asleep = (hour >= habits.bed_h[0]) | (hour < habits.rise_h[0])
    label = np.where(asleep, "Sleep", np.where((place == KITCHEN) & (hour > 11) & (hour < 14), "Cook_Lunch", "Other"))
    again = fit.fit(fit.Recording(t_s, place, np.ones(len(t_s)), label))
    assert again.bed_h[0] == pytest.approx(habits.bed_h[0], abs=0.8)
    assert again.rise_h[0] == pytest.approx(habits.rise_h[0], abs=0.5)
    assert again.meals[0].at_h[4] == pytest.approx(habits.meals[1].at_h[4], abs=0.3)
    assert again.parts[NIGHT].long[PLACES.index("bedroom")] == pytest.approx(
        habits.parts[NIGHT].long[PLACES.index("bedroom")], abs=0.04
    )
    assert again.parts[COOKING].goes[KITCHEN][KITCHEN] > 0.95


def test_figures_of_the_same_movements_are_not_apart_and_of_others_are() -> None:
    """Each measure by itself: other hours, other silences, other ways."""
    t_s = np.concatenate([np.arange(0, 3600, 90.0) + day * 86_400 for day in range(5)])
    place = np.arange(len(t_s)) % 3
    one = Figures.of(t_s, place, 5)
    assert (one.hours_apart(one), one.silences_apart(one), one.ways_apart(one)) == (0, 0, 0)
    assert one.hours_apart(Figures.of(t_s + 7200, place, 5)) == pytest.approx(1)
    assert one.silences_apart(Figures.of(t_s * 2, place, 10)) == pytest.approx(1, abs=0.05)
    assert one.ways_apart(Figures.of(t_s, place[::-1], 5)) == pytest.approx(1)


def test_lengths_follow_their_table() -> None:
    """Exact at the levels, rising in between."""
    table = [float(2**level) for level in range(len(LEVELS))]
    assert [length_s(table, at) for at in LEVELS] == pytest.approx(table)
    assert length_s(table, 0.6) == pytest.approx(2**4.5)
