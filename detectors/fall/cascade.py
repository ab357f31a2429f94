"""From samples in the ring to verdicts: which impacts are suspected, and which are confirmed or withdrawn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Stage
from detectors.fall.features import FeatureTable
from detectors.fall.intake import Intake
from detectors.fall.look import Looks, look
from detectors.fall.model import OPERATING_POINTS, FallModel, probability
from detectors.fall.peaks import find_impacts, has_trigger, squared_magnitude
from detectors.fall.ring import FS_HZ, STEP_MS, Rows
from detectors.fall.windows import ACC_LSB_G, Counts
from detectors.parameters import FallParameters

_NEVER = -(10**9)
#: More samples than a stream ever has: 700 years.
_PLACES = 1 << 40
#: Log-odds of what cannot be a fall: the sensor is at fault.
_SURE = np.float32(20.0)

#: An impact that waits for its decision.
CANDIDATE = np.dtype(
    [
        ("row", np.int64),
        ("peak", np.int64),  # sample number
        ("size_g", np.float32),  # its magnitude
        ("onset_ms", np.int64),  # device clock
        ("first_ms", np.int64),  # onset of the impact under which it was suspected: what its id is made of
        ("offset_ms", np.int64),
        ("boot", np.uint32),
        ("head", np.int16),  # of the model
        ("suspected", np.bool_),
    ]
)

#: Features that go with a detection: what a person can check on the plot.
EXPLAINED: tuple[str, ...] = (
    "peak_g",
    "freefall_min_g",
    "freefall_s",
    "posture_change_deg",
    "after_vector_std_g",
    "before_vector_std_g",
    "impact_width_s",
    "turned_deg",
)

#: How many reasons go with a decision.
_REASONS = 6

_COLUMNS: dict[str, tuple[Any, Any]] = {
    "hot": (np.int64, _NEVER),  # sample number behind the last piece that may hold an impact
    "searched": (np.int64, _NEVER),  # impacts before this sample number were found ahead of time
    "glanced": (np.int64, _NEVER),  # where the stream stood when it was last judged by what was there
    "alarm": (np.int64, _NEVER),  # sample number of the last confirmed impact
    "alarm_g": (np.float32, 0.0),  # and its magnitude
}


class Verdict(NamedTuple):
    """What was decided of an impact: a record of :data:`CANDIDATE`, the log-odds, and what made the decision."""

    candidate: Any
    stage: Stage
    odds: float
    features: dict[str, float]


class Cascade:
    """Looks for impacts in the pieces of many streams and decides on each in two stages.

    An impact is suspected ``peak_radius_s`` after its peak and confirmed or withdrawn ``decide_after_s`` after it. With
    a higher one behind it (a stumble, then the floor) it gives way to that one, and what was suspected goes on there.
    """

    def __init__(self, intake: Intake, model: FallModel, parameters: FallParameters) -> None:
        self.model = model
        self.parameters = parameters
        self.before = round(parameters.before_s * FS_HZ)
        self.after = round(parameters.decide_after_s * FS_HZ)
        self._intake = intake
        self._ring = intake.ring
        self._radius = round(parameters.peak_radius_s * FS_HZ)
        self._refractory = round(parameters.refractory_s * FS_HZ)
        self._heads = np.zeros((0, 2), np.int16)  # of the model, without and with a gyroscope
        self._points = np.zeros(0, np.int8)  # index of the operating point
        self._reject_below = np.array([head.reject_below for head in model.heads])
        self._suspect_above = np.array([head.suspect_above for head in model.heads])
        self._thresholds = np.array([[head.thresholds[point] for point in OPERATING_POINTS] for head in model.heads])
        self._hot = self._searched = self._glanced = self._alarm = np.zeros(0, np.int64)
        self._alarm_g = np.zeros(0, np.float32)
        self._open = np.zeros(0, CANDIDATE)

    @property
    def waiting(self) -> int:
        """How many impacts have passed the first stage and wait for their decision."""
        return len(self._open)

    def grow(self, rows: int) -> None:
        """Make room for ``rows`` streams."""
        if rows > len(self._hot):
            more = max(rows, 64, len(self._hot) * 3 // 2) - len(self._hot)
            self._heads = np.append(self._heads, np.zeros((more, 2), np.int16), axis=0)
            self._points = np.append(self._points, np.zeros(more, np.int8))
            for name, (kind, empty) in _COLUMNS.items():
                setattr(self, f"_{name}", np.append(getattr(self, f"_{name}"), np.full(more, empty, kind)))

    def serve(self, row: int, *, placement: str, operating_point: str) -> None:
        """Judge a stream as one of this placement, at a point of OPERATING_POINTS, from now on."""
        self._heads[row] = [self.model.head_for(placement, gyroscope) for gyroscope in (False, True)]
        self._points[row] = OPERATING_POINTS.index(operating_point)

    def take(self, rows: Rows, acc: Counts) -> list[Verdict]:
        """Look at what was just added to the ring: ``acc`` ``(m, n, 3)`` of m different rows."""
        n = acc.shape[1]
        head = self._ring.head[rows]
        hot = np.flatnonzero(has_trigger(acc, self.parameters.trigger_g))
        first = head - self._radius - n
        # what was just added lies behind what is looked at now, unless it is longer than the radius
        if n > self._radius:
            self._hot[rows[hot]] = head[hot]
        active = np.flatnonzero(self._hot[rows] > first)
        self._hot[rows[hot]] = head[hot]
        found: list[Verdict] = []
        # Decisions first: whatever is found now lies more than a second behind what is decided now.
        if len(self._open):
            found += self._decide(self._ring.head[self._open["row"]] > self._open["peak"] + self.after)
        if len(active):
            found += self._search(rows[active], first[active], n)
        return found

    def undecided(self, rows: Rows) -> Rows:
        """Those of the rows in which there may be an impact that was not decided on."""
        return rows[self._hot[rows] > self._searched[rows]]

    def unglanced(self, rows: Rows) -> Rows:
        """Those of the :meth:`undecided` rows to which something was added since their last :meth:`glance`."""
        rows = self.undecided(rows)
        return rows[np.not_equal(self._glanced[rows], self._ring.head[rows])]

    def glance(self, rows: Rows) -> list[Verdict]:
        """What is confirmed although the rest has not come; a row without such an impact stands as it stood.

        The rest may come yet: a link that was lost brings it, and what looks like no fall without its end may be one.
        """
        self._glanced[rows] = self._ring.head[rows]
        before, searched = self._open.copy(), self._searched[rows]
        found = self.flush(rows)
        sure = {int(verdict.candidate["row"]) for verdict in found if verdict.stage is Stage.CONFIRMED}
        unsure = np.array([row for row in rows.tolist() if row not in sure], np.intp)
        self._searched[unsure] = searched[np.isin(rows, unsure)]
        again = before[np.isin(before["row"], unsure)]
        self._open = np.concatenate([self._open[~np.isin(self._open["row"], unsure)], again])
        return [verdict for verdict in found if int(verdict.candidate["row"]) in sure]

    def flush(self, rows: Rows) -> list[Verdict]:
        """Decide on everything that :meth:`undecided` rows have, taking what has not come as missing."""
        head = self._ring.head[rows]
        found = self._decide(np.isin(self._open["row"], rows), last=True)
        found += self._search(rows, head - self._radius, self._radius)
        self._searched[rows] = head
        return found + self._decide(np.isin(self._open["row"], rows), last=True)

    def _search(self, rows: Rows, first: NDArray[np.int64], n: int) -> list[Verdict]:
        """Look for impacts among n samples of each row from ``first`` on, and open the ones worth it."""
        squared = squared_magnitude(self._ring.acceleration(rows, first - self._radius, n + 2 * self._radius))
        which, offset = find_impacts(squared, trigger_g=self.parameters.trigger_g, radius=self._radius)
        if not len(which):
            return []
        size_g = (np.sqrt(squared[which, self._radius + offset]) * ACC_LSB_G).astype(np.float32)
        peak = first[which] + offset
        row = rows[which]
        new = (peak >= self._searched[row]) & ~self._same_fall(row, peak, size_g)
        if len(self._open):
            known = set(_place(self._open).tolist())
            new &= [place not in known for place in (row * _PLACES + peak).tolist()]
        row, peak = row[new], peak[new]
        if not len(row):
            return []
        candidates = np.zeros(len(row), CANDIDATE)
        candidates["row"], candidates["peak"], candidates["size_g"] = row, peak, size_g[new]
        since_ms = (self._ring.head[row] - peak) * STEP_MS
        candidates["onset_ms"] = np.rint(self._intake.head_ms(row) - since_ms).astype(np.int64)
        candidates["first_ms"] = candidates["onset_ms"]
        candidates["offset_ms"] = self._intake.offset_ms[row]
        candidates["boot"] = self._intake.boot[row]
        looks = self._look(candidates, self._radius)
        candidates["head"] = self._heads[row, looks.turns.astype(np.intp)]
        found: list[Verdict] = []
        keep = np.zeros(len(candidates), np.bool_)
        for view, members in self.model.views_of(candidates["head"]):
            members = members[looks.plausible[members]]
            if not len(members):
                continue
            heads = candidates["head"][members]
            doubt, table = self.model.first(
                view, heads, looks.acc[members], None if looks.gyr is None else looks.gyr[members], peak=self.before
            )
            doubt = doubt - self._penalty(looks.missing[members])
            keep[members] = doubt >= self._reject_below[heads]
            for i in np.flatnonzero(doubt >= self._suspect_above[heads]).tolist():
                one = candidates[members[i]]
                if self._suspected(int(one["row"])) or (candidates["suspected"] & (row == one["row"])).any():
                    continue
                candidates["suspected"][members[i]] = True
                features = table.row(i, EXPLAINED) | {"missing_pct": _pct(looks.missing[members[i]])}
                found.append(Verdict(candidates[members[i]].copy(), Stage.SUSPECTED, float(doubt[i]), features))
        self._open = np.concatenate([self._open, candidates[keep]])
        return found

    def _suspected(self, row: int) -> bool:
        return bool((self._open["suspected"] & (self._open["row"] == row)).any())

    def _decide(self, due: NDArray[np.bool_], *, last: bool = False) -> list[Verdict]:
        """Confirm or drop the open impacts that ``due`` marks.

        An impact that gives way to a higher one waits with it, unless this is the ``last`` look.
        """
        if not due.any():
            return []
        candidates = self._open[due]
        candidates = candidates[np.lexsort((candidates["peak"], candidates["row"]))]
        self._open = self._open[~due]
        climbed = self._climb(candidates)
        if climbed.any():
            candidates, climbed = (part[~climbed | candidates["suspected"]] for part in (candidates, climbed))
            taken = np.isin(_place(self._open), _place(candidates[climbed]))
            early = climbed & (self._ring.head[candidates["row"]] <= candidates["peak"] + self.after) & (not last)
            self._open = np.concatenate([self._open[~taken], candidates[early]])
            candidates = candidates[~early]
        if not len(candidates):
            return []
        looks = self._look(candidates, self.after)
        judged: list[tuple[int, float, dict[str, float]]] = []
        for view, members in self.model.views_of(candidates["head"]):
            heads = candidates["head"][members]
            log_odds, table = self.model.second(
                view, heads, looks.acc[members], None if looks.gyr is None else looks.gyr[members], peak=self.before
            )
            penalty = self._penalty(looks.missing[members])
            log_odds = log_odds - penalty
            log_odds[~looks.plausible[members]] = -_SURE
            limits = self._thresholds[heads, self._points[candidates["row"][members]]]
            scores = probability(log_odds)
            for i in np.flatnonzero((scores >= limits) | candidates["suspected"][members]).tolist():
                because = {}
                if looks.plausible[members[i]]:
                    because = self.model.reasons(int(heads[i]), table, i, float(log_odds[i] + penalty[i]))
                    because["missing"] = -float(penalty[i])
                features = _explained(table, i, because) | {
                    "missing_pct": _pct(looks.missing[members[i]]),
                    "threshold": float(limits[i]),
                }
                judged.append((int(members[i]), float(log_odds[i]), features))
        found = []
        for i, odds, features in sorted(judged, key=lambda one: one[0]):
            row, peak, size_g = candidates[["row", "peak", "size_g"]][i].item()
            fell = score_of(odds) >= features["threshold"] and not bool(self._same_fall(row, peak, size_g))
            if fell:
                self._alarm[row], self._alarm_g[row] = peak, size_g
            if fell or candidates["suspected"][i]:
                stage = Stage.CONFIRMED if fell else Stage.WITHDRAWN
                found.append(Verdict(candidates[i].copy(), stage, odds, features))
        return found

    def _climb(self, candidates: NDArray[Any]) -> NDArray[np.bool_]:
        """Move candidates to the highest sample of the time until their decision; which were moved.

        Those that even then are due are not the last of their climb, and move on.
        """
        rows = candidates["row"].astype(np.intp)
        squared = squared_magnitude(self._ring.acceleration(rows, candidates["peak"].copy(), self.after + 1))
        step = squared.argmax(axis=1)
        climbed = np.asarray(step > 0)
        candidates["peak"] += step
        candidates["onset_ms"] += np.rint(step * STEP_MS).astype(np.int64)
        candidates["size_g"][climbed] = np.sqrt(squared[climbed, step[climbed]]) * ACC_LSB_G
        on = climbed & (self._ring.head[rows] > candidates["peak"] + self.after)
        if on.any():
            further = candidates[on]
            self._climb(further)
            candidates[on] = further
        return climbed

    def _same_fall(self, row: Any, peak: Any, size_g: Any) -> Any:
        """Whether an impact is one more of the fall that was last confirmed: soon after it, and no higher."""
        return (peak - self._alarm[row] < self._refractory) & (size_g <= self._alarm_g[row])

    def _penalty(self, missing: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.float32(self.parameters.missing_penalty) * missing

    def _look(self, candidates: NDArray[Any], after: int) -> Looks:
        rows = candidates["row"].astype(np.intp)
        return look(self._ring, rows, candidates["peak"], before=self.before, after=after, parameters=self.parameters)

    def state(self, rows: int) -> dict[str, Any]:
        """Copies of everything but what :meth:`serve` was told."""
        columns = {name: getattr(self, f"_{name}")[:rows].copy() for name in _COLUMNS}
        return {**columns, "open": {name: self._open[name].copy() for name in CANDIDATE.names or ()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave; each row must be served again."""
        for name, (kind, _) in _COLUMNS.items():
            setattr(self, f"_{name}", np.array(state[name], kind))
        self._heads = np.zeros((len(self._hot), 2), np.int16)
        self._points = np.zeros(len(self._hot), np.int8)
        self._open = np.zeros(len(state["open"]["row"]), CANDIDATE)
        for name, column in state["open"].items():
            self._open[name] = column


def score_of(odds: float) -> float:
    """Log-odds as a probability."""
    return float(probability(np.array([odds]))[0])


def _place(candidates: NDArray[Any]) -> NDArray[np.int64]:
    """One number for each candidate's sample of its device."""
    return np.asarray(candidates["row"] * _PLACES + candidates["peak"])


def _explained(table: FeatureTable, row: int, because: dict[str, float]) -> dict[str, float]:
    """The numbers that go with a decision: EXPLAINED, and ``because.<name>`` and the value of what mattered most."""
    most = sorted(because, key=lambda name: -abs(because[name]))[:_REASONS]
    names = EXPLAINED + tuple(name for name in most if name not in EXPLAINED)
    return table.row(row, names) | {f"because.{name}": round(because[name], 2) for name in most if because[name]}


def _pct(share: np.float32) -> float:
    return round(float(share) * 100.0, 1)
