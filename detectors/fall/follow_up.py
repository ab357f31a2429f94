"""Watches wearers for a minute after a fall, second by second."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.errors import DetectorError
from detectors.fall.gait import walks
from detectors.fall.intake import Intake
from detectors.fall.outcome import Outcome, Seconds, judge, posture, walked
from detectors.fall.ring import FS_HZ, STEP_MS, Rows
from detectors.fall.windows import ACC_LSB_G, hold_over_gaps
from detectors.parameters import FallParameters, FollowUpParameters

#: How long before the impact shows the posture before the fall, in seconds: not the stumble, and still in the ring.
_BEFORE_S = (4.0, 1.0)


class Ended(NamedTuple):
    """A watch that is over: the ``key`` that it was begun with, what became of the wearer, and the figures."""

    key: dict[str, Any]
    outcome: Outcome
    features: dict[str, float]


class FollowUp:
    """The watches over wearers with a confirmed fall. Costs nothing without one.

    A watch goes by whole seconds of sample numbers after the impact, each looked at ``decide_after_s`` after its end:
    when another fall is confirmed meanwhile, nothing of that fall has been taken for a part of the first one's end.
    What it says depends therefore on the samples only, not on how they were cut into frames.

    Args:
        intake: where the samples come from.
        key: the columns (name, type) of what :meth:`begin` is given and :class:`Ended` gives back.
    """

    def __init__(
        self, intake: Intake, parameters: FallParameters, follow_up: FollowUpParameters, key: list[tuple[str, Any]]
    ) -> None:
        self.parameters = follow_up
        self._intake = intake
        self._ring = intake.ring
        self._lag = round(parameters.decide_after_s * FS_HZ)
        self._first = -(-self._lag // FS_HZ)  # the second after the decision
        self._seconds = int(follow_up.watch_s - parameters.decide_after_s)
        self._silent_ms = round((follow_up.watch_s + parameters.silent_s) * 1000)
        self._gait = round(follow_up.gait_s * FS_HZ)
        self._key = [name for name, _ in key]
        n = self._seconds
        self._kind = np.dtype(
            [
                *key,
                ("row", np.int64),
                ("peak", np.int64),  # sample number of the impact
                ("impact_ms", np.int64),  # the same on the corrected clock
                ("parted", np.bool_),  # the stream began anew since: its sample numbers are not those of the impact
                ("done", np.int64),  # seconds since the impact that were looked at
                ("posture_tells", np.bool_),
                ("before_g", np.float32, 3),
                ("seen", np.bool_, n),
                ("std_g", np.float32, n),
                ("gravity_g", np.float32, (n, 3)),
                ("walks", np.bool_, n),
            ]
        )
        self._watches = np.zeros(0, self._kind)

    def begin(self, *, row: int, peak: int, impact_ms: int, posture_tells: bool, key: dict[str, Any]) -> list[Ended]:
        """Watch the wearer of a row from an impact on. The watch of an earlier fall ends with what it has seen."""
        before = self._watches["row"] == row
        self._look(before, until=peak)
        ended = self._end(before)
        watch = np.zeros(1, self._kind)
        watch["row"], watch["peak"], watch["impact_ms"], watch["posture_tells"] = row, peak, impact_ms, posture_tells
        watch["done"] = self._first
        for name, value in key.items():
            watch[name] = value
        start, stop = (round(at_s * FS_HZ) for at_s in _BEFORE_S)
        acc, gaps = self._window(np.array([row]), np.array([peak - start]), start - stop)
        watch["before_g"] = np.nan if gaps.mean() > 0.5 else acc.mean(axis=1)
        self._watches = np.concatenate([self._watches, watch])
        return ended

    def take(self, rows: Rows) -> list[Ended]:
        """Look at what these rows have got; the watches that are over by it."""
        if not len(self._watches):
            return []
        mine = np.isin(self._watches["row"], rows)
        if not mine.any():
            return []
        self._rejoin(mine & self._watches["parted"])
        return self._end(self._look(mine))

    def part(self, rows: Rows) -> list[Ended]:
        """The streams of these rows are about to begin anew: look at all that the ring still has of them."""
        if not len(self._watches):
            return []
        mine = np.isin(self._watches["row"], rows) & ~self._watches["parted"]
        over = self._look(mine, lag=0)
        self._watches["parted"] |= mine
        return self._end(over)

    def silent(self, now_ms: int) -> tuple[list[Ended], Rows]:
        """The watches whose minute has passed without a sound of the device; and their rows."""
        if not len(self._watches):
            return [], np.zeros(0, np.intp)
        rows = self._watches["row"].astype(np.intp)
        heard_ms = (self._ring.head[rows] - self._watches["peak"]) * STEP_MS
        over = heard_ms + (now_ms - self._intake.recv_ms[rows]) >= self._silent_ms
        if over.any():
            self._look(over & ~self._watches["parted"], lag=0)
        return self._end(over), rows[over]

    def _rejoin(self, parted: NDArray[np.bool_]) -> None:
        """Count the samples of streams that began anew from the impact again, by the corrected clock.

        A clock that went back says nothing of the time between: then none has passed.
        """
        if not parted.any():
            return
        watches = self._watches[parted]
        rows = watches["row"].astype(np.intp)
        start = self._ring.start[rows]
        first_ms = self._intake.head_ms(rows) - (self._ring.head[rows] - start) * STEP_MS
        since = np.rint((first_ms + self._intake.offset_ms[rows] - watches["impact_ms"]) / STEP_MS).astype(np.int64)
        watches["peak"] = start - np.maximum(since, watches["done"] * FS_HZ)
        watches["parted"] = False
        self._watches[parted] = watches

    def _look(self, which: NDArray[np.bool_], *, lag: int | None = None, until: int | None = None) -> NDArray[np.bool_]:
        """Look at the whole seconds that are there, ``lag`` samples after their end (0 with ``until``, which is the
        sample where they must end); which watches are over by it."""
        over = np.zeros(len(self._watches), np.bool_)
        waits = 0 if until is not None else self._lag if lag is None else lag
        while True:
            end = self._watches["peak"] + (self._watches["done"] + 1) * FS_HZ
            ready = which & ~over & (self._watches["done"] < self._seconds)
            ready &= end + waits <= self._ring.head[self._watches["row"]]
            if until is not None:
                ready &= end <= until
            if not ready.any():
                return over
            self._see(ready, end[ready])
            seconds = self._judged(ready)
            _, got_up = walked(seconds, posture(seconds, self.parameters, lying_from=self._first), self.parameters)
            over[ready] = got_up | (self._watches["done"][ready] == self._seconds)

    def _see(self, which: NDArray[np.bool_], end: NDArray[np.int64]) -> None:
        """Take in the second of each of these watches that ends at a sample."""
        watches = self._watches[which]
        number = np.arange(len(watches))
        second = watches["done"]
        acc, gaps = self._window(watches["row"].astype(np.intp), end - self._gait, self._gait)
        whole = gaps.mean(axis=1) * 100.0 <= self.parameters.gaps_pct
        # the fall itself is no step
        whole &= end - self._gait >= watches["peak"] + self._lag
        one = acc[:, -FS_HZ:]
        watches["seen"][number, second] = gaps[:, -FS_HZ:].mean(axis=1) * 100.0 <= self.parameters.gaps_pct
        watches["std_g"][number, second] = np.sqrt(one.var(axis=1).sum(axis=1))
        watches["gravity_g"][number, second] = one.mean(axis=1)
        watches["walks"][number, second] = whole & walks(acc, self.parameters)
        watches["done"] += 1
        self._watches[which] = watches

    def _window(self, rows: Rows, first: NDArray[np.int64], n: int) -> tuple[Any, NDArray[np.bool_]]:
        counts, _ = self._ring.window(rows, first, n)
        return hold_over_gaps(counts, ACC_LSB_G)

    def _judged(self, which: NDArray[np.bool_]) -> Seconds:
        return Seconds(*(self._watches[name][which] for name in Seconds._fields))

    def _end(self, over: NDArray[np.bool_]) -> list[Ended]:
        """Close these watches."""
        if not over.any():
            return []
        judged = judge(self._judged(over), self.parameters, lying_from=self._first)
        ended = []
        for i, watch in enumerate(self._watches[over]):
            watched_s = int(watch["done"]) - self._first
            features = {"watched_s": float(watched_s)} | {
                name: round(float(values[i]), 3) for name, values in judged.features.items() if np.isfinite(values[i])
            }
            key = {name: watch[name].item() for name in ("row", *self._key)}
            ended.append(Ended(key, judged.outcome[i], features))
        self._watches = self._watches[~over]
        return ended

    def state(self) -> dict[str, Any]:
        """Copies of everything, by column."""
        return {name: self._watches[name].copy() for name in self._kind.names or ()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave.

        Raises:
            DetectorError: it was made with another length of the watch.
        """
        if state["seen"].shape[1] != self._seconds:
            raise DetectorError(f"watches of {state['seen'].shape[1]} s, not {self._seconds}: start afresh")
        self._watches = np.zeros(len(state["row"]), self._kind)
        for name, column in state.items():
            self._watches[name] = column
