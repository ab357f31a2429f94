"""What stands is kept only of people of whom something does, and only as long as anything depends on it."""

from __future__ import annotations

import numpy as np

from detectors.vitals.alarms import Alarms, Turn
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.rules import R, Verdict
from tests.detectors.vitals_readings import DAY_MS, MINUTE_MS, T0_MS

PEOPLE = 100


def hear(alarms: Alarms, people: list[int], t_ms: int, *, sugar_low: bool) -> list[Turn]:
    """A reading of the sugar of each."""
    flags = {name: np.zeros((len(R), len(people)), np.bool_) for name in Verdict._fields}
    flags["looked"][R.GLUCOSE_VERY_LOW] = flags["tried"][R.GLUCOSE_VERY_LOW] = True
    flags["holds"][R.GLUCOSE_VERY_LOW] = flags["stays"][R.GLUCOSE_VERY_LOW] = sugar_low
    rows, at_ms = np.array(people, np.intp), np.full(len(people), t_ms, np.int64)
    return alarms.take(rows, rows, at_ms, at_ms, Verdict(**flags))


def made() -> Alarms:
    """Of a hundred people, nothing."""
    alarms = Alarms(VitalsParameters())
    alarms.grow(PEOPLE)
    return alarms


def test_only_of_whom_something_is_said_anything_is_kept() -> None:
    """All are measured, three of them low: these are told with their own rows and places, and have a place each."""
    alarms = made()
    assert hear(alarms, list(range(PEOPLE)), T0_MS, sugar_low=False) == []
    assert alarms.open == 0
    low = [97, 3, 55]
    told = hear(alarms, low, T0_MS + MINUTE_MS, sugar_low=True)
    assert [(turn.row, turn.place) for turn in told] == [(97, 0), (3, 1), (55, 2)]
    assert hear(alarms, [3, 4], T0_MS + 2 * MINUTE_MS, sugar_low=False) == []
    over = hear(alarms, [4, 3], T0_MS + 40 * MINUTE_MS, sugar_low=False)
    assert [(turn.row, turn.place, turn.begins) for turn in over] == [(3, 1, False)]
    assert alarms.open == 3


def test_what_is_long_over_is_forgotten_and_its_place_taken_again() -> None:
    """Over for days; what stands keeps its place. Then others fall ill, and are told as if nobody had been before."""
    alarms = made()
    hear(alarms, [1, 2], T0_MS, sugar_low=True)
    hear(alarms, [1], T0_MS + MINUTE_MS, sugar_low=False)
    hear(alarms, [1], T0_MS + 20 * MINUTE_MS, sugar_low=False)
    for day in range(1, 40):
        hear(alarms, [2], T0_MS + day * DAY_MS, sugar_low=True)  # goes on
        alarms.tick(T0_MS + day * DAY_MS)
    assert alarms.open == 1
    told = hear(alarms, [8, 9], T0_MS + 40 * DAY_MS, sugar_low=True)
    assert [(turn.row, turn.lasted_s, turn.limited) for turn in told] == [(8, 0.0, False), (9, 0.0, False)]
    (over,) = [turn for turn in alarms.tick(T0_MS + 42 * DAY_MS) if turn.row == 2]
    assert over.silent


def test_a_state_knows_people_whatever_their_places() -> None:
    """Saved and restored, the same goes on; and so does a state without places, as they were written before."""
    alarms = made()
    hear(alarms, [70, 5], T0_MS, sugar_low=True)
    again = Alarms(VitalsParameters())
    again.restore(alarms.state(PEOPLE), PEOPLE)
    np.testing.assert_equal(again.state(PEOPLE), alarms.state(PEOPLE))
    assert again.open == 2
    for one in (alarms, again):
        assert hear(one, [5, 70], T0_MS + MINUTE_MS, sugar_low=False) == []
        over = hear(one, [5, 70], T0_MS + 20 * MINUTE_MS, sugar_low=False)
        assert [turn.row for turn in over] == [5, 70]
    np.testing.assert_equal(again.state(PEOPLE), alarms.state(PEOPLE))
