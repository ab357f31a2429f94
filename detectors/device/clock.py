"""Clocks that are wrong, or run so fast or slow that they soon will be.

Ingest follows every clock and corrects one that is wrong (``ingest.clock``). Here it is measured how far off it is: the
least of our receive time minus the device's time within a quarter of an hour, because the way here only ever adds. What
is off by less is no fault, and corrected for by :meth:`Clocks.correction_ms`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.device.batch import Messages
from detectors.device.columns import Columns, Finding, Rows, Spec
from detectors.device.link_parameters import ClockParameters
from detectors.device.trend import deviation, median, slopes

CLOCK = "clock"
CLOCK_DRIFT = "clock_drift"
WINDOW_MS = 900_000
_KEPT = 8
#: A clock that jumps by more was set: what was kept of it says nothing any more.
_ANOTHER_MS = 60_000

_COLUMNS = {
    "base_ms": Spec(np.int64, 0),  # about how far off; what is kept is relative to it
    "known": Spec(np.bool_, False),
    "least_s": Spec(np.float32, np.inf),  # of this quarter of an hour
    "kept_s": Spec(np.float32, np.nan, (_KEPT,)),  # the newest last
    "wrong": Spec(np.bool_, False),
    "wrong_since_ms": Spec(np.int64, 0),
    "wrong_seen_ms": Spec(np.int64, 0),
    "drifts": Spec(np.bool_, False),
    "drifts_since_ms": Spec(np.int64, 0),
    "drift_looks": Spec(np.uint8, 0),
}


class Clocks:
    """How far off the clocks of many devices are. See :class:`detectors.device.link.DeviceBank`."""

    def __init__(self, parameters: ClockParameters) -> None:
        self.parameters = parameters
        self.columns = Columns(_COLUMNS)
        self._window_ms = 0  # until when the newest of what is kept was measured

    def take(self, messages: Messages, restarted: Rows, present: NDArray[np.bool_]) -> list[Finding]:
        """What came within ten seconds; ``restarted`` devices may have set their clocks."""
        c = self.columns
        c["known"][restarted] = False
        chosen = present & messages.live
        row = messages.row[chosen]
        if not len(row):
            return []
        off_ms = messages.at_ms[chosen] - messages.t_ms[chosen]
        unknown = ~c["known"][row] | (np.abs(off_ms - c["base_ms"][row]) > _ANOTHER_MS)
        if unknown.any():
            self._begin(row[unknown], off_ms[unknown])
        np.minimum.at(c["least_s"], row, ((off_ms - c["base_ms"][row]) / 1000.0).astype(np.float32))
        offset_ms = messages.offset_ms[chosen]
        return self._corrected(row, offset_ms, messages.at_ms[chosen])

    def _begin(self, row: Rows, off_ms: NDArray[np.int64]) -> None:
        c = self.columns
        c["base_ms"][row], c["known"][row] = off_ms, True
        c["kept_s"][:, row] = np.nan
        c["least_s"][row] = np.inf
        c["drift_looks"][row] = 0

    def _corrected(self, row: Rows, offset_ms: NDArray[np.int64], at_ms: NDArray[np.int64]) -> list[Finding]:
        """What ingest takes for a wrong clock is one."""
        c, p = self.columns, self.parameters
        wrong = offset_ms != 0
        found = []
        if wrong.any():
            c["wrong_seen_ms"][row[wrong]] = at_ms[wrong]
            places = np.flatnonzero(wrong & ~c["wrong"][row])
            rows, first = np.unique(row[places], return_index=True)
            for one, which in zip(rows.tolist(), places[first].tolist(), strict=True):
                c["wrong"][one], c["wrong_since_ms"][one] = True, at_ms[which]
                found.append(self._wrong(one, float(offset_ms[which]) / 1000.0))
        right = ~wrong & c["wrong"][row] & (at_ms - c["wrong_seen_ms"][row] >= p.right_for_s * 1000)
        for one in np.unique(row[right]).tolist():
            off_s = float(c["base_ms"][one] / 1000.0 + min(c["least_s"][one], 1e9))
            if abs(off_s) < p.right_s:
                c["wrong"][one] = False
                features = {"offset_s": round(off_s, 3), "limit_offset_s": p.right_s}
                found.append(Finding(one, CLOCK, True, int(c["wrong_since_ms"][one]), Severity.INFO, features, {}))
        return found

    def _wrong(self, row: int, off_s: float) -> Finding:
        features = {"offset_s": round(off_s, 3), "limit_offset_s": self.parameters.off_s}
        notes = {"fault": "behind" if off_s > 0 else "ahead"}
        return Finding(row, CLOCK, False, int(self.columns["wrong_since_ms"][row]), Severity.INFO, features, notes)

    def next_window(self, at_ms: int, rows: int) -> list[Finding]:
        """A quarter of an hour is over."""
        c, p = self.columns, self.parameters
        self._window_ms = at_ms
        least_s = c["least_s"][:rows]
        c["kept_s"][:-1, :rows] = c["kept_s"][1:, :rows]
        c["kept_s"][-1, :rows] = np.where(np.isfinite(least_s), least_s, np.nan)
        least_s[...] = np.inf
        found = []
        off_s = c["base_ms"][:rows] / 1000.0 + c["kept_s"][:, :rows]
        there = np.isfinite(off_s[-1])
        last = off_s[-int(p.off_windows) :]
        off = (np.abs(last) >= p.off_s).all(axis=0) & (np.sign(last) == np.sign(off_s[-1])).all(axis=0)
        c["wrong_seen_ms"][:rows][off] = at_ms
        for row in np.flatnonzero(off & ~c["wrong"][:rows]).tolist():
            c["wrong"][row], c["wrong_since_ms"][row] = True, at_ms - int(p.off_windows) * WINDOW_MS
            found.append(self._wrong(row, float(off_s[-1, row])))
        enough = np.flatnonzero(there & (np.isfinite(off_s).sum(axis=0) >= p.drift_windows))
        return found + self._drifts(enough, at_ms)

    def _drifts(self, rows: Rows, at_ms: int) -> list[Finding]:
        c, p = self.columns, self.parameters
        if not len(rows):
            return []
        kept_s = c["kept_s"][:, rows].astype(np.float64)
        # most clocks are good: the ends of the course tell, and only what may drift is looked at closely
        ppm = np.zeros(len(rows))
        straight = np.ones(len(rows), np.bool_)
        least_change_s = p.drift_ppm / 2 * 1e-6 * (p.drift_windows - 1) * WINDOW_MS / 1000
        moved = np.fmax.reduce(kept_s, axis=0) - np.fmin.reduce(kept_s, axis=0) >= least_change_s
        if moved.any():
            course = kept_s[:, moved]
            slope = slopes(course)
            change_s = np.abs(slope) * (_KEPT - 1)
            ppm[moved] = slope * 1e9 / WINDOW_MS
            straight[moved] = deviation(course, slope) <= np.maximum(p.straight_share * change_s, 0.25)
        fast = (np.abs(ppm) >= p.drift_ppm) & straight
        c["drift_looks"][rows] = np.where(fast, np.minimum(c["drift_looks"][rows] + 1, 250), 0)
        begins = ~c["drifts"][rows] & (c["drift_looks"][rows] >= p.drift_looks)
        ends = c["drifts"][rows] & (np.abs(ppm) < p.drift_ppm / 2)
        found = []
        for i in np.flatnonzero(begins | ends).tolist():
            row, over = int(rows[i]), bool(ends[i])
            c["drifts"][row] = not over
            if not over:
                c["drifts_since_ms"][row] = at_ms - _KEPT * WINDOW_MS
            features = {
                "drift_ppm": round(float(ppm[i]), 1),
                "drift_s_per_day": round(float(ppm[i]) * 0.0864, 2),
                "limit_drift_ppm": p.drift_ppm / 2 if over else p.drift_ppm,
            }
            notes = {} if over else {"fault": "slow" if ppm[i] > 0 else "fast"}
            onset_ms = int(c["drifts_since_ms"][row])
            found.append(Finding(row, CLOCK_DRIFT, over, onset_ms, Severity.INFO, features, notes))
        return found

    def correction_ms(self, rows: Rows, at_ms: int) -> NDArray[np.int64]:
        """``(m,)``: what to add to the time of devices for ours; 0 where it is not known, or so much that ingest does.

        The course of the last two hours with its slope, at ``at_ms``.
        """
        p = self.parameters
        off_s = self.columns["base_ms"][rows] / 1000.0 + self.columns["kept_s"][:, rows].astype(np.float64)
        there = np.isfinite(off_s)
        known = there.sum(axis=0)
        slope = np.where(known >= p.drift_windows, slopes(off_s), 0.0)
        ahead = np.arange(_KEPT)[:, None] - (_KEPT - 1) - (at_ms - self._window_ms) / WINDOW_MS
        level_s = median(off_s - ahead * np.nan_to_num(slope))
        small = (known >= p.known_windows) & (np.abs(level_s) < p.off_s) & self.columns["known"][rows]
        return np.rint(np.where(small, level_s, 0.0) * 1000.0).astype(np.int64)

    def set_back(self, at_ms: int) -> None:
        """The clock stands at ``at_ms`` and had been ahead: what was measured by it says nothing."""
        self.columns.set_back(at_ms)
        self.columns["known"][...] = False
        self._window_ms = min(self._window_ms, at_ms)

    def state(self, rows: int) -> dict[str, Any]:
        """For a checkpoint."""
        return {"columns": self.columns.state(rows), "window_ms": self._window_ms}

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """From a checkpoint."""
        self.columns.restore(state["columns"], rows)
        self._window_ms = state["window_ms"]
