"""Devices that have fallen silent: since when, by which sign, alone or with all of their area."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.device.area import Areas
from detectors.device.batch import Messages, Rests, Statuses
from detectors.device.columns import NEVER_MS, Columns, Finding, Rows, Spec, Touched
from detectors.device.link_parameters import AreaParameters, SilenceParameters
from detectors.device.rhythm import Rhythm

OFFLINE = "offline"
#: A week, as the wire contract has it: another promise is none.
_LONGEST_HEARTBEAT_S = 604_800.0
#: How a device stands.
HEARD, ALONE, WITH_AREA = 0, 1, 2

_COLUMNS = {
    "last_ms": Spec(np.int64, 0),  # 0 before it was ever heard
    "rest_ms": Spec(np.int64, 0),
    "will_ms": Spec(np.int64, 0),
    "limit_s": Spec(np.float32, np.inf),
    "how": Spec(np.uint8, HEARD),
    "onset_ms": Spec(np.int64, 0),
    "back_ms": Spec(np.int64, 0),  # a silent device has been heard again since
    "watched": Spec(np.bool_, False),
    "has_person": Spec(np.bool_, False),
}
#: What follows from them: not kept in a checkpoint.
_DERIVED = {"due_ms": Spec(np.int64, NEVER_MS)}


class Silence:
    """Finds devices and areas that are silent. Decides by the instants that it is told; see :class:`DeviceBank`."""

    def __init__(self, parameters: SilenceParameters, area: AreaParameters) -> None:
        self.parameters = parameters
        self.columns = Columns(_COLUMNS)
        self._derived = Columns(_DERIVED)
        self.rhythm = Rhythm(parameters)
        self.areas = Areas(area)
        self._rows = 0
        self._floor_ms = 0  # what was silent before counts from here: nobody was listening

    def add(self, row: int, *, area: str, person: str | None, watched: bool) -> None:
        """A device, or what is new about it."""
        self._rows = max(self._rows, row + 1)
        self.columns.reserve(self._rows)
        self._derived.reserve(self._rows)
        self.rhythm.columns.reserve(self._rows)
        self.columns["watched"][row] = watched
        self.columns["has_person"][row] = person is not None
        self.areas.place(row, area, person)

    def take(self, heard: Touched, messages: Messages, statuses: Statuses, rests: Rests) -> None:
        """What came within ten seconds."""
        c, p, rhythm = self.columns, self.parameters, self.rhythm.columns
        rows = heard.rows
        fresh = np.zeros(0, np.intp)
        bit = np.left_shift(np.uint8(1), messages.stream)
        strange = (rhythm["streams"][messages.row] & bit) == 0
        if strange.any():
            np.bitwise_or.at(rhythm["streams"], messages.row[strange], bit[strange])
            fresh = messages.row[strange]
        if len(rests.row):
            until_ms = np.minimum(rests.until_ms, rests.at_ms + int(p.rest_max_s * 1000))
            np.maximum.at(c["rest_ms"], rests.row, until_ms)
        before_ms = np.maximum(c["last_ms"][rows], np.minimum(c["rest_ms"][rows], heard.first_ms))
        learns = (c["last_ms"][rows] > self._floor_ms) & (c["how"][rows] != WITH_AREA)
        reported = (c["how"][rows] == ALONE) & (c["back_ms"][rows] == 0)
        self.rhythm.learn(
            rows[learns],
            ((heard.first_ms - before_ms) / 1000.0)[learns],
            np.where(reported, p.silence_share, 1.0)[learns],
        )
        c["last_ms"][rows] = np.maximum(c["last_ms"][rows], heard.last_ms)
        back = (c["how"][rows] != HEARD) & (c["back_ms"][rows] == 0)
        c["back_ms"][rows[back]] = heard.first_ms[back]
        declares = (statuses.heartbeat_s > 0) & (statuses.heartbeat_s <= _LONGEST_HEARTBEAT_S)
        declares &= statuses.heartbeat_s != rhythm["heartbeat_s"][statuses.row]
        if declares.any():
            rhythm["heartbeat_s"][statuses.row[declares]] = statuses.heartbeat_s[declares]
            fresh = np.concatenate([fresh, statuses.row[declares]])
        if len(fresh):
            self._set_limits(np.unique(fresh))
        wills = np.flatnonzero(~statuses.online)
        c["will_ms"][statuses.row[wills]] = statuses.at_ms[wills]
        self._set_due(np.union1d(rows, statuses.row[wills]) if len(wills) else rows)

    def set_back(self, at_ms: int) -> None:
        """The clock stands at ``at_ms`` and had been ahead."""
        self.columns.set_back(at_ms)
        self.areas.set_back(at_ms)
        self.missed(at_ms)

    def missed(self, until_ms: int) -> None:
        """Nobody listened until then: who is not known to be silent has all of its time again."""
        self._floor_ms = until_ms
        self._set_due(self._known())

    def new_hour(self, at_ms: int) -> None:
        """Rhythms are looked at anew, once a day with what was learned in it."""
        last_ms, known = self.columns["last_ms"][: self._rows], self._known()
        if at_ms % 86_400_000 == 0:
            self.rhythm.next_day(np.flatnonzero(last_ms > at_ms - 86_400_000))
        self._set_limits(known)
        self._set_due(known)

    def decide(self, at_ms: int) -> list[Finding]:
        """What has become due."""
        c, n = self.columns, self._rows
        found: list[Finding] = []
        back_ms = c["back_ms"][:n]
        returned = np.flatnonzero(back_ms > 0)
        if len(returned):
            again = self._due_ms[returned] <= at_ms
            back_ms[returned[again]] = 0
            kept = returned[~again & (at_ms >= back_ms[returned] + self._back_for_ms)]
            found += [self._over(row, at_ms) for row in kept[c["how"][kept] == ALONE].tolist()]
        gone = np.flatnonzero((c["how"][:n] == ALONE) & ~c["watched"][:n])
        found += [self._over(row, at_ms) for row in gone.tolist()]
        ended, freed, there = self.areas.returned(self._is_back(at_ms), at_ms)
        found += ended
        c["how"][freed] = HEARD
        c["back_ms"][freed] = 0
        if len(there):
            c["rest_ms"][there] = np.maximum(c["rest_ms"][there], at_ms)
            self._set_due(there)
        silent = np.flatnonzero((self._due_ms[:n] <= at_ms) & (c["how"][:n] == HEARD) & c["watched"][:n])
        if not len(silent):
            return found
        judged = self.areas.judge(silent, self._view(), at_ms)
        found += judged.found
        c["how"][judged.members] = WITH_AREA
        c["back_ms"][judged.members] = 0
        found += [self._report(row, at_ms) for row in judged.alone.tolist()]
        return found

    def next_ms(self, at_ms: int, step_ms: int) -> int:
        """When there may be something to decide if nothing comes."""
        c, n = self.columns, self._rows
        if self.areas.standing or c["back_ms"][:n].any():
            return at_ms + step_ms
        waiting = self._due_ms[:n][(c["how"][:n] == HEARD) & c["watched"][:n]]
        return int(waiting.min(initial=NEVER_MS))

    def heard(self) -> NDArray[np.bool_]:
        """``(n,)``: which devices have ever been heard."""
        return np.asarray(self.columns["last_ms"][: self._rows] > 0)

    def silent(self) -> NDArray[np.bool_]:
        """``(n,)``: which devices are known to be silent."""
        return np.asarray(self.columns["how"][: self._rows] != HEARD)

    @property
    def _due_ms(self) -> NDArray[np.int64]:
        return self._derived["due_ms"]

    @property
    def _back_for_ms(self) -> int:
        return int(self.parameters.back_s * 1000)

    def _is_back(self, at_ms: int) -> NDArray[np.bool_]:
        back_ms = self.columns["back_ms"][: self._rows]
        back = (back_ms > 0) & (at_ms >= back_ms + self._back_for_ms)
        return np.asarray(back | ~self.columns["watched"][: self._rows])

    def _view(self) -> dict[str, NDArray[Any]]:
        c, n = self.columns, self._rows
        view: dict[str, NDArray[Any]] = {"last_ms": c["last_ms"][:n], "due_ms": self._due_ms[:n]}
        view["limit_ms"] = c["limit_s"][:n] * 1000.0
        view["base_ms"] = np.maximum(np.maximum(view["last_ms"], c["rest_ms"][:n]), self._floor_ms)
        view["dead"] = (c["will_ms"][:n] > view["last_ms"]) | (c["how"][:n] == WITH_AREA)
        view["counts"] = c["watched"][:n] & (c["how"][:n] != ALONE) & (view["last_ms"] > 0)
        return view

    def _known(self) -> Rows:
        c, n = self.columns, self._rows
        return np.flatnonzero((c["last_ms"][:n] > 0) | (c["will_ms"][:n] > 0))

    def _set_limits(self, rows: Rows) -> None:
        self.columns["limit_s"][rows] = self.rhythm.limit_s(rows)

    def _set_due(self, rows: Rows) -> None:
        c = self.columns
        last_ms, will_ms = c["last_ms"][rows], c["will_ms"][rows]
        base_ms = np.maximum(np.maximum(last_ms, c["rest_ms"][rows]), self._floor_ms)
        limit_s = c["limit_s"][rows].astype(np.float64)
        promises = np.isfinite(limit_s)
        due_ms = np.where(promises, base_ms + np.rint(np.where(promises, limit_s, 0) * 1000).astype(np.int64), NEVER_MS)
        by_will_ms = np.maximum(will_ms, self._floor_ms) + int(self.parameters.will_s * 1000)
        self._due_ms[rows] = np.where(will_ms > last_ms, np.minimum(due_ms, by_will_ms), due_ms)

    def _sign(self, row: int) -> str:
        c = self.columns
        if c["will_ms"][row] > c["last_ms"][row]:
            return "will"
        return "rhythm" if np.isnan(self.rhythm.columns["heartbeat_s"][row]) else "heartbeat"

    def _report(self, row: int, at_ms: int) -> Finding:
        c = self.columns
        c["how"][row], c["back_ms"][row], c["onset_ms"][row] = ALONE, 0, c["last_ms"][row] or c["will_ms"][row]
        onset_ms, sign = int(c["onset_ms"][row]), self._sign(row)
        features = {"silent_s": (at_ms - onset_ms) / 1000.0}
        if sign == "will":
            features["limit_will_s"] = self.parameters.will_s
        else:
            features["limit_silent_s"] = round(float(c["limit_s"][row]), 1)
        heartbeat_s = float(self.rhythm.columns["heartbeat_s"][row])
        if not np.isnan(heartbeat_s):
            features["heartbeat_s"] = round(heartbeat_s, 3)
        severity = Severity.WARNING if c["has_person"][row] else Severity.INFO
        return Finding(row, OFFLINE, False, onset_ms, severity, features, {"sign": sign})

    def _over(self, row: int, at_ms: int) -> Finding:
        c = self.columns
        onset_ms, back_ms = int(c["onset_ms"][row]), int(c["back_ms"][row])
        c["how"][row], c["back_ms"][row] = HEARD, 0
        features = {"silent_s": ((back_ms or at_ms) - onset_ms) / 1000.0, "limit_back_s": self.parameters.back_s}
        return Finding(row, OFFLINE, True, onset_ms, Severity.INFO, features, {})

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "columns": self.columns.state(self._rows),
            "rhythm": self.rhythm.state(self._rows),
            "areas": self.areas.state(),
            "floor_ms": self._floor_ms,
            "rows": self._rows,
        }

    def restore(self, state: dict[str, Any], places: Sequence[tuple[str, str | None]]) -> None:
        """From a checkpoint; ``places`` are area and person of every row."""
        self._floor_ms, self._rows = state["floor_ms"], state["rows"]
        self.columns.restore(state["columns"], self._rows)
        self.rhythm.restore(state["rhythm"], self._rows)
        self._derived = Columns(_DERIVED)
        self._derived.reserve(self._rows)
        self._set_due(self._known())
        for row, (area, person) in enumerate(places):
            self.areas.place(row, area, person)
        self.areas.restore(state["areas"])
