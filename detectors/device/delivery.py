"""Messages lost on the way, and devices that connect or start over and over: counted by the hour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.device.batch import Heard, Messages, Statuses
from detectors.device.columns import Columns, Finding, Rows, Spec
from detectors.device.link_parameters import DeliveryParameters

LOST = "messages_lost"
RECONNECTS = "reconnects"
#: Status is left out: a will takes a number of its own and is rarely sent. So are events: they are few and repeated.
_STREAMS = (Heard.MOTION, Heard.VITALS, Heard.HOME)
#: Boots remembered besides the present one: a buffer delivers frames of those before.
_EARLIER = 3
_UNKNOWN = -1
#: A share of few messages is taken after this long at the latest, of so much fewer.
_LONGEST_H, _FEWER = 24, 3

_COLUMNS = {
    "boot": Spec(np.int64, _UNKNOWN),
    "earlier": Spec(np.int64, _UNKNOWN, (_EARLIER,)),
    "newest": Spec(np.int64, _UNKNOWN, (len(_STREAMS),)),
    "expected": Spec(np.int32, 0),
    "received": Spec(np.int32, 0),
    "hours": Spec(np.uint8, 0),  # that the two counts span
    "lost_hours": Spec(np.uint8, 0),
    "sound_hours": Spec(np.uint8, 0),
    "losing": Spec(np.bool_, False),
    "losing_ms": Spec(np.int64, 0),
    "boots": Spec(np.uint16, 0),  # in this hour
    "wills": Spec(np.uint16, 0),
    "calm_hours": Spec(np.uint8, 0),
    "storming": Spec(np.bool_, False),
    "storming_ms": Spec(np.int64, 0),
}


class Delivery:
    """Counts what came and what should have come. See :class:`detectors.device.link.DeviceBank`."""

    def __init__(self, parameters: DeliveryParameters) -> None:
        self.parameters = parameters
        self.columns = Columns(_COLUMNS)
        self._hour_ms = 0

    def take(self, messages: Messages, statuses: Statuses) -> tuple[Rows, NDArray[np.bool_]]:
        """What came within ten seconds. The rows that have started anew, and which messages are of the present boot."""
        c = self.columns
        fresh = self._take_boots(messages)
        wills = statuses.row[~statuses.online]
        if len(wills):
            np.add.at(c["wills"], wills, 1)
        present = messages.boot == c["boot"][messages.row]
        for which, stream in enumerate(_STREAMS):
            chosen = present & (messages.stream == stream)
            if chosen.any():
                self._count(c["newest"][which], messages.row[chosen], messages.seq[chosen])
        return fresh, present

    def _take_boots(self, messages: Messages) -> Rows:
        c = self.columns
        strange = np.flatnonzero(messages.boot != c["boot"][messages.row])
        if not len(strange):
            return np.zeros(0, np.intp)
        row, boot = messages.row[strange], messages.boot[strange]
        new = (c["earlier"][:, row] != boot).all(axis=0)
        if not new.any():
            return np.zeros(0, np.intp)
        row, boot = row[new], boot[new]
        pairs, first = np.unique(np.stack([row, boot]), axis=1, return_index=True)
        rows, per_row = np.unique(pairs[0], return_counts=True)
        started = c["boot"][rows] != _UNKNOWN
        c["boots"][rows] += (per_row - ~started).astype(np.uint16)  # the first that is seen is no restart
        c["earlier"][1:, rows] = c["earlier"][:-1, rows]
        c["earlier"][0, rows] = c["boot"][rows]
        in_order = np.argsort(first)
        c["boot"][pairs[0, in_order]] = pairs[1, in_order]  # of several the latest stays
        c["newest"][:, rows] = _UNKNOWN
        return rows

    def _count(self, newest: NDArray[np.int64], row: Rows, seq: NDArray[np.int64]) -> None:
        c = self.columns
        received = np.bincount(row, minlength=1)
        rows = np.flatnonzero(received)
        received = received[rows]
        before = newest[rows]
        if (before == _UNKNOWN).any():
            first = np.full(len(newest), np.iinfo(np.int64).max)
            np.minimum.at(first, row, seq)
            before = np.where(before == _UNKNOWN, first[rows] - 1, before)
        np.maximum.at(newest, row, seq)
        ahead = newest[rows] - before
        ahead = np.where(ahead > self.parameters.jump_messages, received, ahead)
        c["expected"][rows] += ahead.astype(np.int32)
        c["received"][rows] += received.astype(np.int32)

    def start(self, hour_ms: int) -> None:
        """The hour that has begun."""
        self._hour_ms = hour_ms

    def storms(self, rows: Rows) -> list[Finding]:
        """Rows that have started or died just now: is it one time too many?"""
        c, p = self.columns, self.parameters
        starts = np.maximum(c["boots"][rows], c["wills"][rows])
        found = []
        for row in rows[(starts >= p.starts_per_hour) & ~c["storming"][rows]].tolist():
            c["storming"][row], c["storming_ms"][row], c["calm_hours"][row] = True, self._hour_ms, 0
            features = {
                "boots_per_hour": float(c["boots"][row]),
                "wills_per_hour": float(c["wills"][row]),
                "limit_per_hour": p.starts_per_hour,
            }
            sign = "boots" if c["boots"][row] >= p.starts_per_hour else "wills"
            found.append(Finding(row, RECONNECTS, False, self._hour_ms, Severity.INFO, features, {"sign": sign}))
        return found

    def new_hour(self, at_ms: int) -> list[Finding]:
        """An hour is over."""
        found = self._losses() + self._calm()
        self._hour_ms = at_ms
        return found

    def _losses(self) -> list[Finding]:
        c, p = self.columns, self.parameters
        counting = np.flatnonzero(c["expected"])
        c["hours"][counting] += 1
        expected = c["expected"][counting]
        long = c["hours"][counting] >= _LONGEST_H
        full = (expected >= p.lost_of_messages) | (long & (expected >= p.lost_of_messages / _FEWER))
        rows = counting[full]
        lost_pct = 100.0 * (1.0 - np.minimum(1.0, c["received"][rows] / expected[full]))
        bad, sound = lost_pct >= p.lost_pct, lost_pct < p.sound_pct
        c["lost_hours"][rows] = np.where(bad, np.minimum(c["lost_hours"][rows] + 1, 250), 0)
        c["sound_hours"][rows] = np.where(sound, np.minimum(c["sound_hours"][rows] + 1, 250), 0)
        found = []
        begins = ~c["losing"][rows] & (c["lost_hours"][rows] >= p.lost_hours)
        ends = c["losing"][rows] & (c["sound_hours"][rows] >= p.sound_hours)
        for i in np.flatnonzero(begins | ends).tolist():
            row = int(rows[i])
            features = {"lost_pct": round(float(lost_pct[i]), 2), "of_messages": float(c["expected"][row])}
            if begins[i]:
                c["losing_ms"][row] = self._hour_ms
                features |= {"limit_lost_pct": p.lost_pct, "limit_hours": p.lost_hours}
            else:
                features |= {"limit_lost_pct": p.sound_pct, "limit_hours": p.sound_hours}
            c["losing"][row] = bool(begins[i])
            onset_ms = int(c["losing_ms"][row])
            found.append(Finding(row, LOST, bool(ends[i]), onset_ms, Severity.INFO, features, {}))
        over = counting[full | long]
        for name in ("expected", "received", "hours"):
            c[name][over] = 0
        return found

    def _calm(self) -> list[Finding]:
        c, p = self.columns, self.parameters
        found = []
        for row in np.flatnonzero(c["storming"]).tolist():
            starts = float(max(c["boots"][row], c["wills"][row]))
            c["calm_hours"][row] = c["calm_hours"][row] + 1 if starts <= p.calm_per_hour else 0
            if c["calm_hours"][row] >= p.calm_hours:
                c["storming"][row] = False
                features = {"starts_per_hour": starts, "limit_per_hour": p.calm_per_hour, "limit_hours": p.calm_hours}
                onset_ms = int(c["storming_ms"][row])
                found.append(Finding(row, RECONNECTS, True, onset_ms, Severity.INFO, features, {}))
        c["boots"][...] = 0
        c["wills"][...] = 0
        return found

    def state(self, rows: int) -> dict[str, Any]:
        """For a checkpoint."""
        return {"columns": self.columns.state(rows), "hour_ms": self._hour_ms}

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """From a checkpoint."""
        self.columns.restore(state["columns"], rows)
        self._hour_ms = state["hour_ms"]
