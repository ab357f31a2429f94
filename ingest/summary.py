"""Ten-second motion points from the frames of many devices, late frames included.

Each (device, aligned 10-s window) has a slot of running sums. A window is emitted when the device has moved on to a
later one, or has been silent for a while; a frame that comes later updates its slot and the point is emitted again
under the same key.

Measures:
    enmo_g: mean of max(0, SMV - 1 g), the Euclidean norm minus one (van Hees et al. 2013, PLoS ONE 8(4) e61691).
    smv_max_g: the largest signal vector magnitude.
    posture_deg: angle between the mean acceleration and the device's y axis, 0..180.
    steps: upward crossings of 1.1 g by the three-sample mean of the SMV, a coarse count that needs no placement.
    worn: 0 once the device has lain still for an hour (standard deviation below 13 mg on at least two axes, van Hees
        et al. 2011, PLoS ONE 6(7) e22922), else 1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import enlarged, kept
from detectors.motion import AnyBatch, CountedBatch, frames_of, summed, turns

WINDOW_MS = 10_000
#: Windows kept per device: a frame may come this many windows (160 s) late and still be merged into its point.
SLOTS = 16
#: What one batch may hold of one device, so that no two of its windows share a slot.
SPAN_MS = (SLOTS - 2) * WINDOW_MS
#: A window whose device has fallen silent is emitted this long after its last frame, by the caller's clock.
SILENT_MS = 12_000
STEP_CROSSING_G = 1.1
STILL_STD_G = 0.013
STILL_WINDOWS = 360  # one hour

_EMPTY = -1
_NEVER_MS = 1 << 60
#: The number of a window takes four bytes: beyond lies no instant that a point could have.
_FURTHEST = np.iinfo(np.int32).max - 1
#: Frames summed up at a time: what is computed of them stays in the cache of a processor core.
_FRAMES = 512
_SUMS = ("n", "enmo", "steps", "ax", "ay", "az", "ax2", "ay2", "az2")
#: What a device that takes its place has, where it is not 0.
_NEW = {"_window": -1, "_newest": -1, "_last_smv": np.nan}
_SUM_INDEX = {name: i for i, name in enumerate(_SUMS)}


class Windows(NamedTuple):
    """Finished windows: device rows ``(m,)``, their start ``(m,)`` in ms by our clock, fields of ``(m,)`` float64."""

    rows: NDArray[np.intp]
    start_ms: NDArray[np.int64]
    fields: dict[str, NDArray[np.float64]]


class MotionSummary:
    """Running 10-s windows of many devices. A device takes its place, 750 bytes, with its first frame.

    The sums of a frame come in single precision, and the ten or so of a window are added up in it: that is a few parts
    in ten million of the mean square, which makes the 13 mg of a device that lies still 13.0 +- 0.02.
    """

    def __init__(self) -> None:
        self._place = np.zeros(0, np.int32)  # by row; -1: none
        self._row = np.zeros(0, np.intp)  # by place
        self._rows = self._used = 0  # places
        self._window = np.full((0, SLOTS), _EMPTY, np.int32)
        self._sums = np.zeros((0, SLOTS, len(_SUMS)), np.float32)
        self._peak = np.zeros((0, SLOTS), np.float32)
        self._dirty = np.zeros((0, SLOTS), dtype=bool)
        self._newest = np.full(0, _EMPTY, np.int32)
        self._touched_ms = np.zeros(0, np.int64)  # the newest window; the others are due
        self._still = np.zeros(0, dtype=np.int32)
        self._last_smv = np.full((0, 2), np.nan)
        self._evicted: list[Windows] = []  # their slot was needed before they were due
        self._moved: list[NDArray[np.integer]] = []  # rows that have gone on to another window since the last look
        self._silent_ms = 0  # before then no device falls silent

    def _places(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Of these devices; the new ones get theirs."""
        most = int(rows.max())
        if most >= len(self._place):
            more = max(most + 1, 9 * len(self._place) // 8, 64) - len(self._place)
            self._place = np.append(self._place, np.full(more, _EMPTY, np.int32))
        places = self._place[rows]
        if places.min() < 0:
            new = np.unique(rows[places < 0])
            self._place[new] = np.arange(self._used, self._used + len(new))
            self._row = np.append(self._row, new)
            self._used += len(new)
            self._reserve(self._used)
            places = self._place[rows]
        return places

    def _reserve(self, rows: int) -> None:
        """Have room for ``rows`` devices; grows by a quarter."""
        if rows <= self._rows:
            return
        more = max(rows, 5 * self._rows // 4, 64) - self._rows
        for name in self._STATE:
            setattr(self, name, enlarged(getattr(self, name), self._rows + more, _NEW.get(name, 0)))
        self._rows += more

    def covers(self, rows: NDArray[np.integer], t_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``(m,)``: whether the window of ``t_ms`` (our clock) has its slot or can have it: it is near those of the
        device's.

        A late frame opens a window too: the live ones that follow a lost link belong to the same ten seconds, and of
        two points with one key the second would replace the first.
        """
        place = np.full(len(rows), _EMPTY, np.int32)
        known: NDArray[np.bool_] = rows < len(self._place)
        place[known] = self._place[rows[known]]
        known = place != _EMPTY
        known[known] = np.abs(_number(t_ms[known]) - self._newest[place[known]]) < SLOTS
        return known

    def add(self, batch: AnyBatch, *, in_order: bool = True) -> None:
        """Add frames. With ``in_order`` false (late frames) they do not continue the step count of the frame before.

        ``batch.t_ms + batch.offset_ms`` places the samples; NaN samples are left out. The frames of one device in one
        batch must lie within :data:`SPAN_MS`, and :meth:`collect` must be called between batches.
        """
        if not len(batch):
            return
        batch = replace(batch, row=self._places(batch.row))
        for turn in turns(batch.row):
            frames = None if isinstance(turn, slice) else turn
            for first in range(0, len(batch) if frames is None else len(frames), _FRAMES):
                some = slice(first, first + _FRAMES)
                self._add(frames_of(batch, some if frames is None else frames[some]), in_order=in_order)

    def _add(self, batch: AnyBatch, *, in_order: bool) -> None:
        """Add frames of different devices."""
        start_ms = batch.t_ms + batch.offset_ms
        first = _number(start_ms)
        last_ms = (batch.samples - 1) * (1000.0 / batch.fs_hz)
        if isinstance(batch, CountedBatch):
            squared, sums = summed(batch)
            smv = np.sqrt(squared)
            smv *= np.float32(batch.lsb_g)
        else:
            smv = np.sqrt(np.einsum("mnk,mnk->mn", batch.acc_g, batch.acc_g))
        crossings = self._crossings(batch.row, smv, in_order)
        if not isinstance(batch, CountedBatch) or last_ms >= WINDOW_MS:
            self._add_by_sample(batch, smv, crossings)
            return
        enmo = np.maximum(smv - np.float32(1.0), np.float32(0.0))
        whole = np.empty((len(batch), len(_SUMS)))
        whole[:, 0], whole[:, 3:] = batch.samples, sums
        whole[:, 1], whole[:, 2] = enmo.sum(axis=1), crossings.sum(axis=1)
        passes = _number((start_ms + last_ms).astype(np.int64)) != first
        within = np.flatnonzero(~passes)
        self._accumulate(
            batch.row[within], first[within], whole[within], smv.max(axis=1)[within], batch.recv_ms[within]
        )
        passing = np.flatnonzero(passes)
        if not len(passing):
            return
        some = frames_of(batch, passing)
        assert isinstance(some, CountedBatch)
        left_ms = (first[passing] + 1) * WINDOW_MS - start_ms[passing]
        early = np.arange(batch.samples) * (1000.0 / batch.fs_hz) < left_ms[:, None]
        part = np.empty((len(passing), len(_SUMS)))
        part[:, 0], part[:, 2] = early.sum(axis=1), (crossings[passing] & early).sum(axis=1)
        part[:, 1] = (enmo[passing] * early).sum(axis=1)
        part[:, 3:] = summed(replace(some, acc=some.acc * early[..., None]))[1]
        rest = whole[passing] - part
        rest[:, 1] = (enmo[passing] * ~early).sum(axis=1)
        smv = smv[passing]
        self._accumulate(some.row, first[passing], part, (smv * early).max(axis=1), some.recv_ms)
        self._accumulate(some.row, first[passing] + 1, rest, (smv * ~early).max(axis=1), some.recv_ms)

    def _add_by_sample(self, batch: AnyBatch, smv: NDArray[np.float32], crossings: NDArray[np.bool_]) -> None:
        """Add frames that may lack samples or be longer than a window."""
        start_ms = batch.t_ms + batch.offset_ms
        n = batch.samples
        present = np.isfinite(smv)
        smv0 = np.where(present, smv, 0.0)
        offsets_ms = np.arange(n) * (1000.0 / batch.fs_hz)
        first = _number(start_ms)
        spans = int((_number((start_ms + offsets_ms[-1]).astype(np.int64)) - first).max()) + 1
        # sample k belongs to window first + s where s counts the borders it has passed
        passed = ((start_ms - first * WINDOW_MS)[:, None] + offsets_ms[None, :]) // WINDOW_MS
        acc = np.where(present[..., None], batch.acc_g, 0.0)
        enmo = np.where(present, np.maximum(smv0 - 1.0, 0.0), 0.0)
        for span in range(spans):
            here = present if spans == 1 else present & (passed == span)
            mine = here.any(axis=1)
            if not mine.any():
                continue
            weight = here[mine].astype(np.float64)
            a = acc[mine]
            sums = np.empty((int(mine.sum()), len(_SUMS)))
            sums[:, 0] = weight.sum(axis=1)
            sums[:, 1] = (enmo[mine] * weight).sum(axis=1)
            sums[:, 2] = (crossings[mine] * weight).sum(axis=1)
            sums[:, 3:6] = np.einsum("mnk,mn->mk", a, weight)
            sums[:, 6:9] = np.einsum("mnk,mnk,mn->mk", a, a, weight)
            self._accumulate(
                batch.row[mine], first[mine] + span, sums, (smv0[mine] * weight).max(axis=1), batch.recv_ms[mine]
            )

    def collect(self, now_ms: int) -> list[Windows]:
        """Windows that are due by ``now_ms``; they count as emitted."""
        ready, self._evicted = self._evicted, []
        if now_ms >= self._silent_ms:
            rows, slots = np.nonzero(self._dirty)
        elif self._moved:
            moved = np.unique(np.concatenate(self._moved))
            which, slots = np.nonzero(self._dirty[moved])
            rows = moved[which]
        else:
            return ready
        self._moved = []
        window, touched_ms = self._window[rows, slots], self._touched_ms[rows]
        due = (window < self._newest[rows]) | (now_ms - touched_ms >= SILENT_MS)
        if now_ms >= self._silent_ms:  # nothing that was touched later falls silent before
            self._silent_ms = int(touched_ms[~due].min(initial=_NEVER_MS)) + SILENT_MS
        rows, slots, window = rows[due], slots[due], window[due]
        if len(rows):
            order = np.argsort(self._row[rows], kind="stable")
            rows, slots, window = rows[order], slots[order], window[order]
            self._dirty[rows, slots] = False
            ready.append(self._points(rows, slots, window))
        return ready

    def state(self) -> dict[str, Any]:
        """Everything, for a checkpoint: no copies. The same whoever was heard first."""
        order = np.argsort(self._row)
        if (order[1:] < order[:-1]).any():
            for name in self._STATE:
                getattr(self, name)[: self._used] = getattr(self, name)[order]
            self._row = self._row[order]
            self._place[self._row] = np.arange(self._used)
            self._moved, self._silent_ms = [], 0
        return {"rows": self._row} | {name: getattr(self, name)[: self._used] for name in self._STATE}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        for name in self._STATE:
            setattr(self, name, kept(state[name]))
        self._rows = self._used = len(self._window)
        self._row = state["rows"].copy()
        self._place = np.full(int(self._row.max(initial=-1)) + 1, _EMPTY, np.int32)
        self._place[self._row] = np.arange(self._used)
        self._moved, self._silent_ms = [], 0

    _STATE = (
        "_window", "_sums", "_peak", "_dirty", "_touched_ms", "_newest", "_still", "_last_smv",
    )  # fmt: skip

    def _crossings(self, row: NDArray[np.int32], smv: NDArray[np.float32], in_order: bool) -> NDArray[np.bool_]:
        """Where the three-sample mean of the SMV rises through the threshold, ``(m, n)`` bool; rows are different."""
        before = np.full((len(row), 2), np.nan, dtype=smv.dtype)
        if in_order:
            before[:] = self._last_smv[row]
            self._last_smv[row] = smv[:, -2:] if smv.shape[1] > 1 else np.nan
        wide = np.concatenate([before, smv], axis=1)
        total = wide[:, :-2] + wide[:, 1:-1]
        total += wide[:, 2:]
        level = np.float32(3.0 * STEP_CROSSING_G)
        rising = np.zeros(smv.shape, np.bool_)  # the mean before the frame's first is not known
        np.less_equal(total[:, :-1], level, out=rising[:, 1:])
        rising[:, 1:] &= total[:, 1:] > level
        return rising

    def _accumulate(
        self,
        row: NDArray[np.int32],
        window: NDArray[np.int64],
        sums: NDArray[np.floating[Any]],
        peak: NDArray[np.float64],
        recv_ms: NDArray[np.int64],
    ) -> None:
        slot = window % SLOTS
        held = self._window[row, slot]
        older = window < held  # the slot has gone to a later window: too late to merge
        if older.any():
            keep = ~older
            row, window, sums, peak, recv_ms = row[keep], window[keep], sums[keep], peak[keep], recv_ms[keep]
            slot, held = slot[keep], held[keep]
        fresh = held != window
        if fresh.any():
            lost = fresh & self._dirty[row, slot]
            if lost.any():
                rows, slots = row[lost].astype(np.intp), slot[lost].astype(np.intp)
                self._evicted.append(self._points(rows, slots, held[lost]))
            self._window[row[fresh], slot[fresh]] = window[fresh]
            self._sums[row[fresh], slot[fresh]] = 0.0
            self._peak[row[fresh], slot[fresh]] = 0.0
        self._sums[row, slot] += sums
        self._peak[row, slot] = np.maximum(self._peak[row, slot], peak)
        self._dirty[row, slot] = True
        newest = self._newest[row]
        elsewhere = window != newest
        if elsewhere.any():
            self._newest[row] = np.maximum(newest, window)
            self._moved.append(row[elsewhere])
            older = window < newest
            if older.any():
                row, recv_ms = row[~older], recv_ms[~older]
        self._touched_ms[row] = np.maximum(self._touched_ms[row], recv_ms)
        self._silent_ms = min(self._silent_ms, int(recv_ms.min(initial=_NEVER_MS)) + SILENT_MS)

    def _points(self, rows: NDArray[np.intp], slots: NDArray[np.intp], window: NDArray[np.integer]) -> Windows:
        sums = self._sums[rows, slots].astype(np.float64)
        n = np.maximum(sums[:, _SUM_INDEX["n"]], 1.0)
        mean = sums[:, 3:6] / n[:, None]
        variance = np.maximum(sums[:, 6:9] / n[:, None] - mean**2, 0.0)
        still = (np.sqrt(variance) < STILL_STD_G).sum(axis=1) >= 2
        np.add.at(self._still, rows[still], 1)
        self._still[rows[~still]] = 0
        norm = np.maximum(np.sqrt((mean**2).sum(axis=1)), 1e-9)
        fields = {
            "enmo_g": sums[:, _SUM_INDEX["enmo"]] / n,
            "smv_max_g": self._peak[rows, slots].astype(np.float64),
            "posture_deg": np.degrees(np.arccos(np.clip(mean[:, 1] / norm, -1.0, 1.0))),
            "steps": sums[:, _SUM_INDEX["steps"]],
            "worn": np.where(self._still[rows] >= STILL_WINDOWS, 0.0, 1.0),
        }
        return Windows(self._row[rows], window.astype(np.int64) * WINDOW_MS, fields)


def _number(t_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the windows that instants lie in."""
    return np.minimum(np.maximum(t_ms // WINDOW_MS, -_FURTHEST), _FURTHEST)
