"""Home sensors that speak and are wrong: stuck at "somebody is there", never changing, or flickering."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.device.batch import Readings, Sense
from detectors.device.columns import Columns, Finding, Rows, Spec
from detectors.device.link_parameters import SensorParameters

SENSOR_STUCK = "sensor_stuck"
_NO_SENSE, _NO_HOME = 255, -1
_DAY_MS = 86_400_000


class Sign(IntEnum):
    """How a sensor is stuck; 0 is not at all."""

    RAISED = 1
    UNCHANGING = 2
    FLICKERING = 3


_COLUMNS = {
    "sense": Spec(np.uint8, _NO_SENSE),
    "raised": Spec(np.bool_, False),
    "changed_ms": Spec(np.int64, 0),  # 0 before the first reading
    "changes": Spec(np.uint16, 0),  # in this hour
    "wild_hours": Spec(np.uint8, 0),
    "changed_today": Spec(np.bool_, False),
    "heard_today": Spec(np.bool_, False),
    "lowered": Spec(np.bool_, False),  # it has said both once
    "longest_s": Spec(np.float32, 0.0),  # that it was raised, fading
    "days": Spec(np.float32, 0.0),  # weighted, until its last change: it spoke and the home was lived in
    "active_days": Spec(np.float32, 0.0),  # of these, on which it changed
    "idle_days": Spec(np.float32, 0.0),  # since then, in a row until now, without a change
    "standing": Spec(np.uint8, 0),
    "onset_ms": Spec(np.int64, 0),
}


class HomeSensors:
    """What sensors of homes say, held against what they said before and against the others of their home."""

    def __init__(self, parameters: SensorParameters) -> None:
        self.parameters = parameters
        self.columns = Columns(_COLUMNS)
        self._homes = np.zeros(0, np.int32)
        self._daily_weight = 0.5 ** (1.0 / parameters.half_life_days)
        p = parameters
        self._raised_s = np.full(_NO_SENSE + 1, np.inf, np.float32)
        self._raised_s[[Sense.PRESENCE, Sense.BED]] = p.presence_s
        self._raised_s[[Sense.WATER, Sense.VIBRATION]] = p.water_s

    def place(self, row: int, home: int | None) -> None:
        """A device, and the number of the home that it is in; None for what is in no home."""
        self.columns.reserve(row + 1)
        if row >= len(self._homes):
            more = max(64, row + 1 - len(self._homes), len(self._homes) // 8)
            self._homes = np.append(self._homes, np.full(more, _NO_HOME, np.int32))
        self._homes[row] = _NO_HOME if home is None else home

    def take(self, readings: Readings) -> list[Finding]:
        """What came within ten seconds."""
        if not len(readings.row):
            return []
        c = self.columns
        first = c["sense"][readings.row] == _NO_SENSE
        if first.any():
            # written backwards, so that of several the first stays
            c["sense"][readings.row[first][::-1]] = readings.sense[first][::-1]
        mine = readings.sense == c["sense"][readings.row]
        order = np.argsort(readings.row[mine], kind="stable")
        row, at_ms = readings.row[mine][order], readings.at_ms[mine][order]
        raised = readings.raised[mine][order]
        if not len(row):
            return []
        begins = np.append(True, row[1:] != row[:-1])
        before = np.where(begins, c["raised"][row], np.append(False, raised[:-1]))
        unknown = c["changed_ms"][row] == 0
        changed = (raised != before) & ~(unknown & begins)
        c["heard_today"][row] = True
        new = row[unknown & begins]
        c["changed_ms"][new] = at_ms[unknown & begins]
        self._learn_stretches(row[changed], at_ms[changed], raised[changed])
        ends = np.append(begins[1:], True)
        c["raised"][row[ends]] = raised[ends]
        return self._changed(np.unique(row[changed]))

    def _learn_stretches(self, row: Rows, at_ms: NDArray[np.int64], raised: NDArray[np.bool_]) -> None:
        """Changes in the order of row and time: how long had it been as it was?"""
        if not len(row):
            return
        c = self.columns
        again = np.append(False, row[1:] == row[:-1])
        since_ms = np.where(again, np.append(0, at_ms[:-1]), c["changed_ms"][row])
        fell = ~raised
        np.maximum.at(c["longest_s"], row[fell], ((at_ms - since_ms) / 1000.0)[fell].astype(np.float32))
        c["lowered"][row] = True
        np.add.at(c["changes"], row, 1)
        last = np.append(row[1:] != row[:-1], True)
        c["changed_ms"][row[last]] = at_ms[last]
        c["changed_today"][row] = True

    def _changed(self, rows: Rows) -> list[Finding]:
        """What has changed is neither stuck at one value nor the other."""
        c = self.columns
        stood = rows[(c["standing"][rows] == Sign.RAISED) | (c["standing"][rows] == Sign.UNCHANGING)]
        return [self._over(row, {}) for row in stood.tolist()]

    def new_hour(self, at_ms: int, silent: NDArray[np.bool_]) -> list[Finding]:
        """An hour is over. What is ``silent``, ``(n,)``, has another finding already."""
        c, n, p = self.columns, len(silent), self.parameters
        changes, standing = c["changes"][:n], c["standing"][:n]
        wild = changes >= p.changes_per_hour
        hours = c["wild_hours"][:n]
        hours[...] = np.where(wild, np.minimum(hours + 1, 250), 0)
        found = []
        for row in np.flatnonzero((hours >= p.wild_hours) & (standing == 0)).tolist():
            features = {"changes_per_hour": float(changes[row]), "limit_changes_per_hour": p.changes_per_hour}
            found.append(self._begin(row, Sign.FLICKERING, at_ms - int(p.wild_hours) * 3_600_000, features))
        calm = np.flatnonzero((standing == Sign.FLICKERING) & ~wild).tolist()
        found += [self._over(row, {"changes_per_hour": float(changes[row])}) for row in calm]
        changes[...] = 0
        raised_s = (at_ms - c["changed_ms"][:n]) / 1000.0
        limit_s = np.maximum(self._raised_s[c["sense"][:n]], p.own_factor * c["longest_s"][:n])
        stuck = c["raised"][:n] & c["lowered"][:n] & (raised_s >= limit_s) & (standing == 0) & ~silent
        for row in np.flatnonzero(stuck).tolist():
            features = {"raised_s": round(float(raised_s[row]), 1), "limit_raised_s": round(float(limit_s[row]), 1)}
            found.append(self._begin(row, Sign.RAISED, int(c["changed_ms"][row]), features))
        if at_ms % _DAY_MS == 0:
            found += self._new_day(n, silent)
        return found

    def _new_day(self, n: int, silent: NDArray[np.bool_]) -> list[Finding]:
        """A day is over: which sensors did not change while others of their home did?"""
        c, p, homes = self.columns, self.parameters, self._homes[:n]
        today = c["changed_today"][:n]
        at_home = np.flatnonzero(homes != _NO_HOME)
        changed = np.bincount(homes[at_home], today[at_home], minlength=1)
        others = np.zeros(n)
        others[at_home] = changed[homes[at_home]] - today[at_home]
        counts = np.flatnonzero(c["heard_today"][:n] & (others >= p.other_sensors))
        weight = self._daily_weight
        active, idle = counts[today[counts]], counts[~today[counts]]
        idle_days = c["idle_days"][active].astype(np.float64)
        fade = weight ** (idle_days + 1)
        c["days"][active] = c["days"][active] * fade + (weight - fade) / (1 - weight) + 1
        c["active_days"][active] = c["active_days"][active] * fade + 1
        c["idle_days"][active] = 0
        c["idle_days"][idle] += 1
        c["longest_s"][:n] *= np.float32(weight)
        c["changed_today"][:n] = False
        c["heard_today"][:n] = False
        found = []
        idle = idle[(c["idle_days"][idle] >= p.idle_days) & (c["standing"][idle] == 0) & ~silent[idle]]
        # two days without a change are assumed before all that was seen: who is hardly known may be so
        active_share = c["active_days"][idle] / (c["days"][idle] + 2)
        chance = (1 - active_share) ** c["idle_days"][idle]
        for i in np.flatnonzero(chance * 1e6 <= p.idle_ppm).tolist():
            row = int(idle[i])
            features = {
                "idle_days": float(c["idle_days"][row]),
                "limit_idle_days": p.idle_days,
                "active_pct": round(100.0 * float(active_share[i]), 1),
            }
            found.append(self._begin(row, Sign.UNCHANGING, int(c["changed_ms"][row]), features))
        return found

    def _begin(self, row: int, sign: Sign, onset_ms: int, features: dict[str, float]) -> Finding:
        c = self.columns
        c["standing"][row], c["onset_ms"][row] = sign, onset_ms
        return Finding(row, SENSOR_STUCK, False, onset_ms, Severity.INFO, features, _words(sign, c["sense"][row]), 0.5)

    def _over(self, row: int, features: dict[str, float]) -> Finding:
        c = self.columns
        sign, onset_ms = Sign(int(c["standing"][row])), int(c["onset_ms"][row])
        c["standing"][row] = 0
        return Finding(row, SENSOR_STUCK, True, onset_ms, Severity.INFO, features, _words(sign, c["sense"][row]))

    def state(self, rows: int) -> dict[str, Any]:
        """For a checkpoint."""
        return self.columns.state(rows)

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """From a checkpoint; homes are placed anew."""
        self.columns.restore(state, rows)


def _words(sign: Sign, sense: int) -> dict[str, str]:
    return {"sign": sign.name.lower(), "sense": Sense(int(sense)).name.lower()}
