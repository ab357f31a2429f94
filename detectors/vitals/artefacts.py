"""Readings that are no measurement: told from events one by one, and reported when a device makes them again and again.

A reading that differs too much from the one before is held back. When the next one is back where it was, it was an
artefact; when it stays, it was an event, and is believed.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.vitals.batch import (
    DBP,
    ENMO,
    GLUCOSE,
    HR,
    QUALITY,
    RR,
    SBP,
    SIGNS,
    SPO2,
    TEMP,
    WEIGHT,
    Flags,
    Floats,
    Instants,
    Rows,
)
from detectors.vitals.columns import Columns
from detectors.vitals.parameters import VitalsParameters
from detectors.vitals.signs import SIGNS as TABLE
from detectors.vitals.signs import column

N_SIGNS = len(TABLE)


class Fault(IntEnum):
    """What can be wrong with a reading."""

    UNIT = 0  # a sound number in another unit
    RANGE = 1  # a number that no living person has
    LOOSE = 2  # the sensor does not touch: zero, or its own word of poor quality
    STUCK = 3  # one value for ever
    JUMP = 4  # away and back again
    MOTION = 5  # never at rest
    FUTURE = 6  # from a clock that runs ahead


#: How much each counts before it is reported, and what of it is left after a reading without it. One number in another
#: unit is proof; a watch that is moved about loses touch often. Four hundred readings without rest are hours of them.
REPORT_READINGS = np.array([1, 3, 10, 1, 5, 400, 3], np.float32)
_LEFT_SHARE = np.array([0.7, 0.8, 0.9, 0.0, 0.95, 0.0, 0.8], np.float32)
_OVER_READINGS = 0.1

#: Degrees Fahrenheit of a living person, as a number.
_FAHRENHEIT = (85.0, 112.0)
#: Pressures below this are kilopascal: 40 mmHg systolic is no pulse at the wrist, 40 kPa is 300 mmHg.
_KPA_BELOW = (40.0, 20.0)
#: Between systolic and diastolic pressure lies more than this.
_PULSE_PRESSURE_MMHG = 8.0
#: Above this glucose is mg/dL; a device that was seen to use it means mg/dL from here on.
_MG_DL_ABOVE, _MG_DL_FROM = 35.0, 20.0
#: Pounds in a kilogram, and how near to it a ratio tells pounds.
_POUNDS, _POUNDS_WITHIN = 2.2046, 0.08
#: A full saturation stays full for hours.
_FULL_SPO2_PCT = 97.0

_LOW, _HIGH = column("low"), column("high")
_JUMP, _JUMP_PER_MIN, _JUMP_MOST = column("jump"), column("jump_per_min"), column("jump_most")
_SETTLE_MS = column("settle_s") * 1000
_STUCK_MS, _STUCK_READINGS = column("stuck_s") * 1000, column("stuck_readings")
_HELD_READINGS = column("held_readings")
REST_ONLY = column("rest_only").astype(np.bool_)
#: What touches the skin without a pause, and goes wrong together when it does not.
WORN = np.array([[sign in (HR, SPO2, RR, TEMP)] for sign in range(N_SIGNS)])
_ZERO_IS_NOTHING = np.array([[sign != GLUCOSE] for sign in range(N_SIGNS)])
#: A pulse of zero, or a poor quality, means that it touches badly: of what is worn, so many readings after it at least
#: are not believed, and none within so long.
_TOUCH_READINGS, _TOUCH_MS = 5, 300_000
#: So many readings alike in every sign, of so many, are one reading: of ten thousand that a body makes, one is so.
_FROZEN_READINGS, _FROZEN_SIGNS = 3, 3

_COLUMNS: dict[str, tuple[tuple[int, ...], Any, float]] = {
    "last_ms": ((), np.int64, np.iinfo(np.int64).min),
    "value": ((N_SIGNS,), np.float32, np.nan),  # the newest that was possible
    "run": ((N_SIGNS,), np.int32, 0),  # how often it has come in a row
    "run_ms": ((N_SIGNS,), np.int64, 0),  # since when
    "sound": ((N_SIGNS,), np.float32, np.nan),  # the newest that was believed
    "sound_ms": ((N_SIGNS,), np.int64, 0),
    "doubt": ((N_SIGNS,), np.float32, np.nan),  # the newest that is held back
    "doubt_ms": ((N_SIGNS,), np.int64, 0),
    "mg_dl": ((), np.bool_, 0),
    "touch": ((), np.int8, 0),  # so many more readings are not believed
    "lost_ms": ((), np.int64, np.iinfo(np.int64).min // 2),
    "count": ((len(Fault),), np.float32, 0.0),
    "standing": ((len(Fault),), np.bool_, 0),
    "onset_ms": ((len(Fault),), np.int64, 0),
}


class Screened(NamedTuple):
    """What came of m readings.

    Attributes:
        sound: ``(8, m)`` measured, and believed.
        lively: ``(8, m)`` and not the same value as so many times before.
        at_rest: ``(m,)`` the wearer did not move during the reading, as far as is known.
        motion_told: ``(m,)`` and it is known.
        plus: ``(7, m)`` this reading speaks for a fault.
        sign: ``(7, m)`` the sign that it is seen in.
        value: ``(7, m)`` and its value.
    """

    sound: Flags
    lively: Flags
    at_rest: Flags
    motion_told: Flags
    plus: Flags
    sign: NDArray[np.intp]
    value: Floats


class Screen:
    """Looks at the readings of each device before anybody else does."""

    def __init__(self, parameters: VitalsParameters) -> None:
        self._parameters = parameters
        self.columns = Columns(_COLUMNS)

    def take(self, devices: Rows, t_ms: Instants, values: Floats, usual_weight_kg: Floats) -> Screened:
        """Judge one reading of each of m devices.

        Args:
            devices: ``(m,)`` each once.
            t_ms: ``(m,)`` later than each one's last.
            values: ``(12, m)``, see :data:`detectors.vitals.batch.COLUMNS`.
            usual_weight_kg: ``(m,)`` the last weight of each person, NaN where none is known.
        """
        signs = values[SIGNS]
        there = np.isfinite(signs)
        wrong = np.zeros((len(Fault), N_SIGNS, len(devices)), np.bool_)
        wrong[Fault.UNIT] = there & self._other_unit(devices, signs, usual_weight_kg)
        zero = there & _ZERO_IS_NOTHING & (signs == 0)
        wrong[Fault.LOOSE] = (there & WORN & self._untouched(devices, t_ms, values[QUALITY], zero)) | zero
        outside = there & ((signs < _LOW) | (signs > _HIGH))
        narrow = there[SBP] & there[DBP] & (signs[SBP] - signs[DBP] <= _PULSE_PRESSURE_MMHG)
        outside[SBP : DBP + 1] |= narrow
        wrong[Fault.RANGE] = outside & ~wrong[Fault.UNIT] & ~wrong[Fault.LOOSE]
        possible = there & ~(wrong[Fault.UNIT] | wrong[Fault.LOOSE] | wrong[Fault.RANGE])
        run, wrong[Fault.STUCK] = self._runs(devices, t_ms, signs, possible)
        sound, wrong[Fault.JUMP] = self._believed(devices, t_ms, signs, possible & ~wrong[Fault.STUCK])
        moving = values[ENMO] > self._parameters.moving_g
        wrong[Fault.MOTION] = sound & moving & REST_ONLY
        plus: Flags = np.asarray(wrong.any(axis=1))
        sign = wrong.argmax(axis=1)
        self.columns["last_ms"][devices] = t_ms
        value = np.take_along_axis(signs, sign, axis=0)
        told = ~np.isnan(values[ENMO])
        return Screened(sound, self._lively(run, there), ~moving, told, plus, sign, value)

    @staticmethod
    def _lively(run: NDArray[np.int32], there: Flags) -> Flags:
        """Which values are not held: none where the whole reading is the same again and again."""
        worn = there & WORN
        frozen = (worn.sum(axis=0) >= _FROZEN_SIGNS) & ((run >= _FROZEN_READINGS) | ~worn).all(axis=0)
        lively: Flags = (run < _HELD_READINGS) & ~(frozen & WORN)
        return lively

    def _untouched(self, devices: Rows, t_ms: Instants, quality: Floats, zero: Flags) -> Flags:
        """``(m,)`` whose sensor does not touch the skin, or did not just before."""
        left, lost_ms = self.columns["touch"][devices], self.columns["lost_ms"][devices]
        lost = (quality < self._parameters.quality_share) | zero[HR]
        self.columns["touch"][devices] = np.where(lost, _TOUCH_READINGS, np.maximum(left - 1, 0))
        self.columns["lost_ms"][devices] = np.where(lost, t_ms, lost_ms)
        untouched: Flags = lost | (left > 0) | (t_ms - lost_ms <= _TOUCH_MS)
        return untouched

    def _other_unit(self, devices: Rows, signs: Floats, usual_weight_kg: Floats) -> Flags:
        wrong = np.zeros(signs.shape, np.bool_)
        with np.errstate(invalid="ignore"):
            wrong[TEMP] = (signs[TEMP] >= _FAHRENHEIT[0]) & (signs[TEMP] <= _FAHRENHEIT[1])
            wrong[SPO2] = (signs[SPO2] > 0.5) & (signs[SPO2] <= 1.0)
            wrong[SBP] = (signs[SBP] > 5) & (signs[SBP] < _KPA_BELOW[0])
            wrong[DBP] = (signs[DBP] > 2) & (signs[DBP] < _KPA_BELOW[1]) & ~(signs[SBP] >= _KPA_BELOW[0])
            sugar = signs[GLUCOSE]
            known = self.columns["mg_dl"][devices]
            mg_dl = np.where(sugar > _MG_DL_ABOVE, True, known & ~(sugar < _MG_DL_FROM))
            self.columns["mg_dl"][devices] = mg_dl
            wrong[GLUCOSE] = mg_dl & np.isfinite(sugar)
            wrong[WEIGHT] = np.abs(signs[WEIGHT] / usual_weight_kg - _POUNDS) < _POUNDS_WITHIN
        return wrong

    def _runs(self, devices: Rows, t_ms: Instants, signs: Floats, possible: Flags) -> tuple[NDArray[np.int32], Flags]:
        """How often each value has come in a row, and which are stuck."""
        columns = self.columns
        newest = signs.astype(np.float32)
        same = newest == columns["value"][:, devices]
        run = np.where(same, columns["run"][:, devices] + 1, 1).astype(np.int32)
        since_ms = np.where(same, columns["run_ms"][:, devices], t_ms)
        run = np.where(possible, run, columns["run"][:, devices])
        since_ms = np.where(possible, since_ms, columns["run_ms"][:, devices])
        columns["value"][:, devices] = np.where(possible, newest, columns["value"][:, devices])
        columns["run"][:, devices], columns["run_ms"][:, devices] = run, since_ms
        stuck = possible & (run >= _STUCK_READINGS) & (t_ms - since_ms >= _STUCK_MS)
        stuck[SPO2] &= signs[SPO2] < _FULL_SPO2_PCT
        return run, stuck

    def _believed(self, devices: Rows, t_ms: Instants, signs: Floats, possible: Flags) -> tuple[Flags, Flags]:
        """What is believed, and where a doubt has turned out to be an artefact."""
        columns = self.columns
        last, last_ms = columns["sound"][:, devices], columns["sound_ms"][:, devices]
        doubt, doubt_ms = columns["doubt"][:, devices], columns["doubt_ms"][:, devices]
        minutes = (t_ms - last_ms) / 60_000.0
        with np.errstate(invalid="ignore"):
            away = np.abs(signs - last)
            # where it had jumped to it may not get by waiting: that is for staying to decide
            again = (np.abs(signs - doubt) <= _JUMP) & (away > _JUMP)
            far = again | (away > np.minimum(_JUMP + _JUMP_PER_MIN * minutes, _JUMP_MOST))
        settled = again & (t_ms - doubt_ms >= _SETTLE_MS)
        sound = possible & (~far | settled)
        held = possible & far & ~settled
        back = possible & ~far & np.isfinite(doubt)
        columns["sound"][:, devices] = np.where(sound, signs, last)
        columns["sound_ms"][:, devices] = np.where(sound, t_ms, last_ms)
        columns["doubt"][:, devices] = np.where(held, np.where(again, doubt, signs), np.where(sound, np.nan, doubt))
        columns["doubt_ms"][:, devices] = np.where(held & ~again, t_ms, doubt_ms)
        return sound, back

    def tally(self, devices: Rows, plus: Flags, t_ms: Instants) -> tuple[NDArray[np.intp], NDArray[np.intp], Flags]:
        """Count the faults of one reading of each device: ``(fault, place, begins)`` of what begins or is over now."""
        columns = self.columns
        before = columns["count"][:, devices]
        if not plus.any() and not before.any():
            none = np.empty(0, np.intp)
            return none, none, np.empty(0, np.bool_)
        count = np.where(plus, before + 1, before * _LEFT_SHARE[:, None])
        count[count < _OVER_READINGS] = 0
        columns["count"][:, devices] = count
        standing = columns["standing"][:, devices]
        begins = ~standing & (count >= REPORT_READINGS[:, None])
        over = standing & (count == 0)
        columns["standing"][:, devices] = (standing | begins) & ~over
        columns["onset_ms"][:, devices] = np.where(begins, t_ms, columns["onset_ms"][:, devices])
        fault, place = np.nonzero(begins | over)
        return fault, place, begins[fault, place]
