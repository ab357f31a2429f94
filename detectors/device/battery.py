"""Batteries that are low, and how many days they have left."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.detection import Severity
from detectors.device.batch import Statuses
from detectors.device.columns import Columns, Finding, Rows, Spec
from detectors.device.link_parameters import BatteryParameters
from detectors.device.trend import slopes

BATTERY_LOW = "battery_low"
#: Means kept since the last charge. When they are full, or too narrow for a device that speaks seldom, two become one
#: of double the span, up to 64 hours: what is kept reaches back to the charge, or a month.
_KEPT = 12
_SHORTEST_S, _LONGEST = 3_600, 6  # 2**6 hours
_DAY_S = 86_400.0

_COLUMNS = {
    "level_pct": Spec(np.float32, np.nan),  # the middle one of the last three
    "before_pct": Spec(np.float32, np.nan, (2,)),  # the last but one reading, the last
    "least_pct": Spec(np.float32, np.nan),  # since the last charge
    "span": Spec(np.uint8, 0),  # a mean is of 2**span hours
    "start_ms": Spec(np.int64, 0),  # of the running mean
    "sum": Spec(np.float32, 0.0),
    "count": Spec(np.float32, 0.0),
    "means": Spec(np.float16, np.nan, (_KEPT,)),  # the newest last
    "low_looks": Spec(np.uint8, 0),
    "good_looks": Spec(np.uint8, 0),
    "first_low_ms": Spec(np.int64, 0),
    "standing": Spec(np.bool_, False),
    "onset_ms": Spec(np.int64, 0),
    "charged_ms": Spec(np.int64, 0),
    "loss": Spec(np.float32, np.nan),  # per cent a day, once it was watched for long enough
    "soon": Spec(np.bool_, False),  # it will be empty soon
    "worn": Spec(np.bool_, False),  # charged by who wears it
}


class Batteries:
    """The charge of many devices over time. See :class:`detectors.device.link.DeviceBank`."""

    def __init__(self, parameters: BatteryParameters) -> None:
        self.parameters = parameters
        self.columns = Columns(_COLUMNS)

    def assign(self, row: int, *, kind: str) -> None:
        """A device, or what is new about it."""
        self.columns.reserve(row + 1)
        self.columns["worn"][row] = kind == "wearable"

    def take(self, statuses: Statuses) -> list[Finding]:
        """What came within ten seconds; of several readings of a device the last counts."""
        pct = statuses.battery_pct
        says = (pct >= 0.0) & (pct <= 100.0)
        if not says.any():
            return []
        c, p = self.columns, self.parameters
        rows, last = np.unique(statuses.row[says][::-1], return_index=True)
        at_ms = statuses.at_ms[says][::-1][last]
        level = c["level_pct"][rows] = self._smooth(rows, pct[says][::-1][last].astype(np.float32))
        risen = level >= c["least_pct"][rows] + p.charging_pct
        fresh = risen | (c["start_ms"][rows] == 0)
        again = rows[fresh]
        c["charged_ms"][rows[risen]] = at_ms[risen]
        c["means"][:, again] = np.nan
        c["span"][again], c["count"][again], c["sum"][again], c["loss"][again] = 0, 0, 0, np.nan
        c["start_ms"][again] = at_ms[fresh]
        c["least_pct"][rows] = np.where(fresh, level, np.fmin(level, c["least_pct"][rows]))
        done = at_ms - c["start_ms"][rows] >= self._span_ms(rows)
        if done.any():
            self._keep(rows[done], at_ms[done])
        c["sum"][rows] += level
        c["count"][rows] += 1
        return self._look(rows, at_ms)

    def _smooth(self, rows: Rows, now: Any) -> Any:
        """The middle one of the last three readings: a single wrong one is neither a charge nor a loss."""
        c = self.columns
        first, second = c["before_pct"][:, rows]
        c["before_pct"][0, rows], c["before_pct"][1, rows] = second, now
        middle = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), now))
        return np.where(np.isnan(first), now, middle)

    def _span_ms(self, rows: Rows) -> Any:
        return (_SHORTEST_S * 1000) << self.columns["span"][rows].astype(np.int64)

    def _keep(self, rows: Rows, at_ms: Any) -> None:
        """The running mean is complete."""
        c, p = self.columns, self.parameters
        asked = rows
        lost = at_ms - c["start_ms"][rows] >= _KEPT * self._span_ms(rows) * 2 ** (
            _LONGEST - c["span"][rows].astype(int)
        )
        c["means"][:, rows[lost]] = np.nan
        c["start_ms"][rows[lost]] = at_ms[lost]
        while len(rows):
            narrow = (at_ms - c["start_ms"][rows] >= 2 * self._span_ms(rows)) | ~np.isnan(c["means"][0, rows])
            wider = rows[narrow & (c["span"][rows] < _LONGEST)]
            if len(wider):
                self._join(wider)
            else:
                self._push(rows)
            late = at_ms - c["start_ms"][rows] >= self._span_ms(rows)
            rows, at_ms = rows[late], at_ms[late]
        _, span_s, per_day = self.left(asked)
        least_days = np.where(c["worn"][asked], p.soon_worn_days, p.soon_span_days)
        c["loss"][asked] = np.where(span_s >= least_days * _DAY_S, per_day, np.nan)

    def _join(self, rows: Rows) -> None:
        """Two means become one of double the span."""
        c = self.columns
        pairs = c["means"][:, rows].astype(np.float32).reshape(_KEPT // 2, 2, len(rows))
        there = np.count_nonzero(~np.isnan(pairs), axis=1)
        joined = np.where(there > 0, np.nansum(pairs, axis=1) / np.maximum(there, 1), np.nan)
        c["means"][: _KEPT // 2, rows] = np.nan
        c["means"][_KEPT // 2 :, rows] = joined
        c["span"][rows] += 1

    def _push(self, rows: Rows) -> None:
        """The running mean is the newest now; one of a span in which nothing came is missing."""
        c = self.columns
        c["means"][:-1, rows] = c["means"][1:, rows]
        count = c["count"][rows]
        c["means"][-1, rows] = np.where(count > 0, c["sum"][rows] / np.maximum(count, 1), np.nan)
        c["start_ms"][rows] += self._span_ms(rows)
        c["sum"][rows], c["count"][rows] = 0, 0

    def _look(self, rows: Rows, at_ms: Any) -> list[Finding]:
        c, p = self.columns, self.parameters
        level, standing, soon = c["before_pct"][1, rows], c["standing"][rows], c["soon"][rows]
        reach_days = np.where(soon, p.later_factor, 1.0) * p.soon_days
        soon = c["soon"][rows] = c["level_pct"][rows] <= c["loss"][rows] * reach_days
        low = (level <= p.low_pct) | soon
        good = (level >= p.charged_pct) & ~soon
        c["first_low_ms"][rows] = np.where(low & (c["low_looks"][rows] == 0), at_ms, c["first_low_ms"][rows])
        c["low_looks"][rows] = np.where(low, np.minimum(c["low_looks"][rows] + 1, 250), 0)
        c["good_looks"][rows] = np.where(good, np.minimum(c["good_looks"][rows] + 1, 250), 0)
        begins = ~standing & (c["low_looks"][rows] >= p.agreeing_readings)
        ends = standing & (c["good_looks"][rows] >= p.agreeing_readings)
        found = []
        for row in rows[begins | ends].tolist():
            over = bool(c["standing"][row])
            c["standing"][row] = not over
            if not over:
                c["onset_ms"][row] = c["first_low_ms"][row]
            features = {"battery_pct": round(float(c["level_pct"][row]), 1)}
            days, span, per_day = (float(part[0]) for part in self.left(np.array([row])))
            if not over and np.isfinite(days):
                features |= {"left_days": round(days, 1), "loss_pct_per_day": round(per_day, 3)}
                features["watched_days"] = round(span / _DAY_S, 2)
            features["limit_battery_pct"] = p.charged_pct if over else p.low_pct
            if not over and features["battery_pct"] > p.low_pct:
                features["limit_left_days"] = p.soon_days
            severity = Severity.INFO if over else Severity.WARNING
            found.append(Finding(row, BATTERY_LOW, over, int(c["onset_ms"][row]), severity, features, {}))
        return found

    def left(self, rows: Rows) -> tuple[Any, Any, Any]:
        """``(days left, watched s, loss per day in %)`` of rows; NaN where the loss is not known or is none."""
        c, p = self.columns, self.parameters
        means = c["means"][:, rows].astype(np.float64)
        span_s = self._span_ms(rows) / 1000.0
        there = ~np.isnan(means)
        reaches = np.where(there.any(axis=0), _KEPT - np.argmax(there, axis=0), 0)
        known = (there.sum(axis=0) >= p.trend_readings) & (reaches * span_s >= p.trend_span_s)
        per_day = np.full(len(rows), np.nan)
        if known.any():
            per_day[known] = -slopes(means[:, known]) * _DAY_S / span_s[known]
        with np.errstate(divide="ignore", invalid="ignore"):
            days = np.where(per_day > 0, c["level_pct"][rows] / per_day, np.nan)
        return days, reaches * span_s, per_day

    def charging_since(self, row: int, since_ms: int) -> bool:
        """Whether the battery has been charged after ``since_ms``."""
        return bool(self.columns["charged_ms"][row] > since_ms)

    def state(self, rows: int) -> dict[str, Any]:
        """For a checkpoint."""
        return self.columns.state(rows)

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """From a checkpoint."""
        self.columns.restore(state, rows)
