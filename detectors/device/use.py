"""Devices that work and are not used: a wearable that nobody wears, a button that nobody has tried for a week."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.device.batch import Presses, Wears
from detectors.device.battery import Batteries
from detectors.device.columns import Columns, Finding, Spec
from detectors.device.link_parameters import UseParameters

NOT_WORN = "not_worn"
TEST_OVERDUE = "test_overdue"
#: Kinds of devices that people press.
TESTED_KINDS = frozenset({"wearable", "button"})
#: A ten-second summary is worth as much.
_SUMMARY_MS = 10_000
_DAY_MS = 86_400_000

_COLUMNS = {
    "assigned": Spec(np.bool_, False),  # registered, and somebody has it
    "tested": Spec(np.bool_, False),  # and is to press it now and then
    "off_ms": Spec(np.int64, 0),  # not worn since; 0: worn
    "off_seen_ms": Spec(np.int64, 0),
    "worn_ms": Spec(np.int32, 0),  # how long it has been worn without a break
    "unworn": Spec(np.bool_, False),
    "pressed_ms": Spec(np.int64, 0),
    "known_ms": Spec(np.int64, 0),
    "overdue": Spec(np.bool_, False),
    "overdue_ms": Spec(np.int64, 0),
}


class Use:
    """Whether devices are worn and tried. See :class:`detectors.device.link.DeviceBank`."""

    def __init__(self, parameters: UseParameters) -> None:
        self.parameters = parameters
        self.columns = Columns(_COLUMNS)

    def assign(self, row: int, *, kind: str, assigned: bool, anew: bool) -> None:
        """A device, or whose it is now. Another wearer starts a week of their own."""
        c = self.columns
        if assigned and (anew or not c["assigned"][row]):
            c["known_ms"][row], c["off_ms"][row] = 0, 0
        c["assigned"][row] = assigned
        c["tested"][row] = assigned and kind in TESTED_KINDS

    def take(self, wears: Wears, batteries: Batteries) -> list[Finding]:
        """Summaries that came within ten seconds."""
        if not len(wears.row):
            return []
        c, p = self.columns, self.parameters
        off = ~wears.worn
        rows, at_ms = wears.row[off], wears.at_ms[off]
        begins = c["off_ms"][rows] == 0
        c["off_ms"][rows[begins]] = at_ms[begins]
        c["off_seen_ms"][rows] = at_ms
        worn = np.bincount(wears.row[wears.worn], minlength=1)
        again = np.flatnonzero(worn)
        enough_ms = p.worn_s * 1000
        c["worn_ms"][again] = np.minimum(c["worn_ms"][again] + _SUMMARY_MS * worn[again], enough_ms)
        c["worn_ms"][rows] = 0
        found = []
        is_worn = again[(c["worn_ms"][again] >= enough_ms) & (c["off_ms"][again] > 0)]
        for row in is_worn[c["unworn"][is_worn]].tolist():
            c["unworn"][row] = False
            off_s = (int(c["off_seen_ms"][row]) - int(c["off_ms"][row])) / 1000.0
            features = {"off_body_s": off_s, "limit_worn_s": p.worn_s}
            found.append(Finding(row, NOT_WORN, True, int(c["off_ms"][row]), Severity.INFO, features, {}))
        c["off_ms"][is_worn] = 0
        due = np.unique(rows[c["assigned"][rows] & ~c["unworn"][rows]])
        due = due[c["off_seen_ms"][due] - c["off_ms"][due] >= p.off_body_s * 1000]
        for row in due.tolist():
            c["unworn"][row] = True
            off_ms = int(c["off_ms"][row])
            off_s = (int(c["off_seen_ms"][row]) - off_ms) / 1000.0
            sign = "charging" if batteries.charging_since(row, off_ms) else "still"
            features = {"off_body_s": off_s, "limit_off_body_s": p.off_body_s}
            found.append(Finding(row, NOT_WORN, False, off_ms, Severity.INFO, features, {"sign": sign}, 0.5))
        return found

    def press(self, presses: Presses) -> list[Finding]:
        """Buttons pressed within ten seconds."""
        c = self.columns
        np.maximum.at(c["pressed_ms"], presses.row, presses.at_ms)
        rows = np.unique(presses.row[c["overdue"][presses.row]])
        return [self._tried(row, int(c["pressed_ms"][row]), {}) for row in rows.tolist()]

    def new_hour(self, at_ms: int, silent: NDArray[np.bool_], heard: NDArray[np.bool_]) -> list[Finding]:
        """Whose test is overdue? Devices that are ``silent``, ``(n,)``, have another finding already."""
        c, n, p = self.columns, len(silent), self.parameters
        known_ms, pressed_ms = c["known_ms"][:n], c["pressed_ms"][:n]
        known_ms[heard & (known_ms == 0)] = at_ms
        since_ms = np.maximum(known_ms, pressed_ms)
        late = c["tested"][:n] & (since_ms > 0) & (at_ms - since_ms >= p.test_days * _DAY_MS)
        found = []
        for row in np.flatnonzero(late & ~silent & ~c["overdue"][:n]).tolist():
            c["overdue"][row], c["overdue_ms"][row] = True, since_ms[row]
            features = {
                "untested_days": round((at_ms - int(since_ms[row])) / _DAY_MS, 2),
                "limit_untested_days": p.test_days,
            }
            notes = {"sign": "tested_before" if pressed_ms[row] else "never_tested"}
            onset_ms = int(since_ms[row])
            found.append(Finding(row, TEST_OVERDUE, False, onset_ms, Severity.INFO, features, notes))
        idle = np.flatnonzero(c["overdue"][:n] & ~c["tested"][:n])
        found += [self._tried(row, at_ms, {"reason": "unassigned"}) for row in idle.tolist()]
        for row in np.flatnonzero(c["unworn"][:n] & ~c["assigned"][:n]).tolist():
            c["unworn"][row] = False
            onset_ms = int(c["off_ms"][row])
            features = {"off_body_s": (int(c["off_seen_ms"][row]) - onset_ms) / 1000.0}
            found.append(Finding(row, NOT_WORN, True, onset_ms, Severity.INFO, features, {"reason": "unassigned"}))
        return found

    def _tried(self, row: int, at_ms: int, notes: dict[str, str]) -> Finding:
        c = self.columns
        c["overdue"][row] = False
        features = {"untested_days": round((at_ms - int(c["overdue_ms"][row])) / _DAY_MS, 2)}
        return Finding(row, TEST_OVERDUE, True, int(c["overdue_ms"][row]), Severity.INFO, features, notes)

    def state(self, rows: int) -> dict[str, Any]:
        """For a checkpoint."""
        return self.columns.state(rows)

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """From a checkpoint."""
        self.columns.restore(state, rows)
