"""The production vitals bank on a simulated cohort, and beside it the plain chart that it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Detection, Severity, Stage
from detectors.vitals.bank import VitalsBank
from detectors.vitals.batch import CHARTED, COLUMNS, VitalsBatch
from detectors.vitals.chart import NEVER_MS, VALID_MS, scored
from detectors.vitals.limits import PersonLimits
from detectors.vitals.news2 import URGENT_POINTS
from detectors.vitals.parameters import VitalsParameters
from firmware_sim.cohort import UTC_OFFSET_S, Cohort, Readings

#: Everybody's devices, and what each measures.
_DEVICES: dict[str, tuple[str, ...]] = {
    "watch": ("hr", "spo2", "rr", "temp", "quality", "enmo_g"),
    "cuff": ("sbp", "dbp", "enmo_g"),
    "sugar": ("glucose",),
    "scales": ("weight",),
}
#: The plain chart calls again for the same person after so long at the earliest.
_PLAIN_AGAIN_MS = 3_600_000


class Alarm(NamedTuple):
    """Somebody is called for a person: rule, severity, and when."""

    person: int
    t_ms: int
    rule: str
    severity: Severity


class Fault(NamedTuple):
    """A device of a person stands reported from ``begin_ms`` to ``end_ms``."""

    person: int
    begin_ms: int
    end_ms: int
    fault: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        cohort: who was watched, and the labels.
        alarms: what called somebody, by time.
        noted: findings about people that were written down only, by rule.
        faults: devices that were reported.
        plain: ``(person, t_ms)`` alarms of the plain chart.
        beyond: ``(person, t_ms)`` of values beyond a limit that are taken by hand, by the deterioration they tell: what
            nobody measures nobody can find.
        ignored: readings not taken, by reason.
    """

    cohort: Cohort
    alarms: list[Alarm]
    noted: dict[str, int]
    faults: list[Fault]
    plain: list[tuple[int, int]]
    beyond: dict[str, list[tuple[int, int]]]
    ignored: dict[str, int]


def run(cohort: Cohort, tell: Callable[[float], None], parameters: VitalsParameters | None = None) -> Outcome:
    """Let a bank hear the whole cohort. ``tell`` hears the share that is done, now and then."""
    bank = VitalsBank(parameters)
    _register(bank, cohort)
    plain = PlainChart(cohort)
    alarms: list[Alarm] = []
    noted: dict[str, int] = {}
    standing: dict[str, tuple[int, int, str]] = {}
    faults: list[Fault] = []
    beyond: dict[str, list[tuple[int, int]]] = {"hypertensive_crisis": [], "hypoglycaemia": []}
    end_ms = 0
    for step, readings in enumerate(cohort):
        found = bank.update(_batch(readings), readings.t_ms)
        found += bank.update(None, readings.t_ms)
        plain.take(readings)
        _note_beyond(readings, beyond)
        for one in found:
            if one.detector == "vitals":
                _file(one, alarms, noted)
            elif one.stage is Stage.CONFIRMED:
                standing[one.id] = (int(one.person or 0), one.decided_ms, one.notes["fault"])
            else:
                person, begin_ms, fault = standing.pop(one.id)
                faults.append(Fault(person, begin_ms, one.decided_ms, fault))
        end_ms = readings.t_ms
        if step % 200 == 0:
            tell(step / cohort.steps)
    faults += [Fault(person, begin_ms, end_ms, fault) for person, begin_ms, fault in standing.values()]
    return Outcome(cohort, alarms, noted, faults, plain.alarms, beyond, dict(bank.ignored))


def _file(one: Detection, alarms: list[Alarm], noted: dict[str, int]) -> None:
    if one.stage is not Stage.CONFIRMED:
        return
    if one.severity is Severity.INFO:
        noted[one.notes["rule"]] = noted.get(one.notes["rule"], 0) + 1
    else:
        alarms.append(Alarm(int(one.person or 0), one.decided_ms, one.notes["rule"], one.severity))


def _note_beyond(readings: Readings, beyond: dict[str, list[tuple[int, int]]]) -> None:
    """The limits of :class:`detectors.vitals.limits.PersonLimits`."""
    values, limits = readings.values, PersonLimits()
    high = (values["sbp"] >= limits.sbp_high_mmhg) | (values["dbp"] >= limits.dbp_high_mmhg)
    low = values["glucose"] < limits.glucose_low_mmol_l
    for kind, some in (("hypertensive_crisis", high), ("hypoglycaemia", low)):
        if some.any():
            beyond[kind] += [(person, readings.t_ms) for person in readings.person[some].tolist()]


def _register(bank: VitalsBank, cohort: Cohort) -> None:
    traits = cohort.traits
    for person in range(len(cohort)):
        bank.add(
            str(person),
            person=str(person),
            conditions=traits.conditions(person),
            spo2_scale=2 if traits.lungs[person] else 1,
            utc_offset_s=UTC_OFFSET_S,
        )
        for device in _DEVICES:
            bank.add_device(f"{device}{person}")


def _batch(readings: Readings) -> VitalsBatch | None:
    """One reading for each device that has measured anything."""
    rows, devices, columns = [], [], []
    for nth, names in enumerate(_DEVICES.values()):
        values = np.full((len(COLUMNS), len(readings.person)), np.nan)
        for name in names:
            values[COLUMNS.index(name)] = readings.values[name]
        some = np.flatnonzero(~np.isnan(values[CHARTED]).all(axis=0))
        rows.append(readings.person[some])
        devices.append(readings.person[some] * len(_DEVICES) + nth)
        columns.append(values[:, some])
    row = np.concatenate(rows)
    if not len(row):
        return None
    t_ms = np.full(len(row), readings.t_ms, np.int64)
    return VitalsBatch(
        row, np.concatenate(devices), t_ms, t_ms, np.concatenate(columns, axis=1), np.zeros(len(row), np.bool_)
    )


class PlainChart:
    """NEWS2 as it stands on paper: every value enters it as it comes, five points or a red one call somebody.

    No artefact is sorted out, nothing is confirmed and nothing is usual; it calls when it had not been so the reading
    before, once an hour at most.
    """

    def __init__(self, cohort: Cohort) -> None:
        n = len(cohort)
        self.alarms: list[tuple[int, int]] = []
        self._scale_2 = cohort.traits.lungs
        self._value = np.full((CHARTED.stop, n), np.nan)
        self._t_ms = np.full((CHARTED.stop, n), NEVER_MS, np.int64)
        self._was = np.zeros(n, np.bool_)
        self._called_ms = np.full(n, NEVER_MS, np.int64)

    def take(self, readings: Readings) -> None:
        """What everybody measured at one instant."""
        rows, t_ms = readings.person, readings.t_ms
        for at, name in enumerate(COLUMNS[CHARTED]):
            if name in readings.values:
                there = np.isfinite(readings.values[name])
                self._value[at, rows[there]] = readings.values[name][there]
                self._t_ms[at, rows[there]] = t_ms
        value = np.where(t_ms - self._t_ms[:, rows] <= VALID_MS, self._value[:, rows], np.nan)
        score = scored(value, self._scale_2[rows])
        now: NDArray[np.bool_] = (score.lower >= URGENT_POINTS) | score.red
        calls = now & ~self._was[rows] & (t_ms - self._called_ms[rows] >= _PLAIN_AGAIN_MS)
        self._was[rows] = now
        self._called_ms[rows[calls]] = t_ms
        self.alarms += [(person, t_ms) for person in rows[calls].tolist()]
