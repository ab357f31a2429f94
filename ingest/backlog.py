"""What devices send from their buffers, in columns: runs of frames that follow each other in the lane of history.

The counterpart of :mod:`ingest.express`. A run is opened at a device's next frame of history, from what is known of it
as an object; from then on the row counts, until the device is served as an object again (:meth:`Backlog.leave`). Live
frames go on beside it by column, unless history has overtaken them in the numbers that were taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import enlarged
from ingest.clock import LIVE_WITHIN_MS
from ingest.devices import Device, Presence
from ingest.express import Express
from ingest.reorder import HELD_MAX, Reorderer
from telemetry.topics import Stream

Rows = NDArray[np.int64]
Longs = NDArray[np.int64]

_ROW = np.dtype(
    [
        ("boot", np.int64),  # -1: the row is not here
        ("due", np.int64),  # sequence number of the next frame in the lane of history
        ("until", np.int64),  # from this number on one may have been taken before
        ("offset_ms", np.int64),  # added to a frame's time for our clock
        ("first", np.int64),  # number of the first frame since the row was written back
    ]
)
_AWAY = -1


class Runs(NamedTuple):
    """r runs of frames of different devices, one after another: those of a run are of one boot, follow each other in
    their numbers and get newer.

    Attributes:
        row: ``(r,)`` of the device.
        boot: ``(r,)``.
        seq: ``(r,)`` number of the first frame.
        length: ``(r,)`` frames, 1 at least.
        t_ms: ``(m,)`` of the frames, by the device's clock.
        recv_ms: ``(m,)``.
    """

    row: Longs
    boot: Longs
    seq: Longs
    length: Longs
    t_ms: Longs
    recv_ms: Longs

    @property
    def start(self) -> Longs:
        """``(r,)``: the place of each run's first frame."""
        return np.asarray(np.cumsum(self.length) - self.length)

    @property
    def nth(self) -> Longs:
        """``(m,)``: which frame of its run each is."""
        return np.arange(len(self.t_ms)) - np.repeat(self.start, self.length)

    def each(self, of_run: NDArray[Any]) -> NDArray[Any]:
        """Something of each run, for each of its frames."""
        return np.repeat(of_run, self.length)


class Backlog:
    """Rows of devices that empty their buffers.

    Args:
        order: of the frames of history.
        express: of the live ones.
        reported: whether a wrong clock is reported by somebody else, or has to go the other way once.
    """

    def __init__(self, order: Reorderer, express: Express, *, reported: bool) -> None:
        self._order = order
        self._express = express
        self._reported = reported
        self._rows = np.zeros(0, _ROW)

    def take(self, runs: Runs, presence: Presence) -> tuple[Longs, NDArray[np.bool_], Longs]:
        """Take of each run as many frames from its first on as can be.

        Returns:
            ``(r,)`` how many; whether they go on where the live ones stopped, and are to go there; and what is added
            to their times for our clock.
        """
        live_boot, live_due = self._express.due(runs.row)
        goes_on, taken, offset_ms = self._going_on(runs, live_boot, live_due)
        rest = np.flatnonzero(~goes_on)
        if len(rest):
            some = _part(runs, ~goes_on)
            taken[rest], offset_ms[rest] = self._history(some, live_boot[rest], live_due[rest])
        any_taken = np.flatnonzero(taken)
        if len(any_taken):
            row, start = runs.row[any_taken], runs.start[any_taken]
            came_ms = np.where(runs.nth < runs.each(taken), runs.recv_ms, np.iinfo(np.int64).min)
            came_ms = np.maximum.reduceat(came_ms, runs.start)[any_taken]
            presence.heard_ms[row] = np.maximum(presence.heard_ms[row], came_ms)
            presence.online[row] = True
            last_ms = runs.t_ms[start + taken[any_taken] - 1]
            on = goes_on[any_taken]
            self._express.go_on(row[on], taken[any_taken][on], last_ms[on])
            self._express.heard_of(row[~on], last_ms[~on])
            self._rows["due"][row[~on]] += taken[any_taken][~on]
        return taken, goes_on, offset_ms

    def _going_on(self, runs: Runs, live_boot: Longs, live_due: Longs) -> tuple[NDArray[np.bool_], Longs, Longs]:
        """Which runs go on where the live frames stopped and came within their time; how many frames, and the offset.

        A link that breaks and comes back breaks up no fall: its beginning and its end are looked at together.
        """
        taken, offset_ms = np.zeros(len(runs.row), np.int64), np.zeros(len(runs.row), np.int64)
        goes_on = self._express.here(runs.row) & (live_boot == runs.boot) & (live_due == runs.seq)
        if not goes_on.any():
            return goes_on, taken, offset_ms
        on = np.flatnonzero(goes_on)
        offset_ms[on], newest_ms = self._express.corrections(runs.row[on])
        soon = runs.recv_ms - runs.t_ms - runs.each(offset_ms) <= LIVE_WITHIN_MS
        goes_on[on] = soon[runs.start[on]]
        # one that is not newer than all before may be for the same instant as one of them
        newer = runs.t_ms[runs.start[on]] > newest_ms
        taken[on] = np.where(goes_on[on] & newer, _prefix(runs, soon)[on], 0)
        return goes_on, taken, offset_ms

    def _history(self, runs: Runs, live_boot: Longs, live_due: Longs) -> tuple[Longs, Longs]:
        """How many frames of each run are the next of history, and the offset."""
        here = self._next(runs.row, runs.boot, runs.seq)
        mine = self._rows[np.where(here, runs.row, 0)] if len(self._rows) else np.zeros(len(runs.row), _ROW)
        seq = runs.each(runs.seq) + runs.nth
        fine = runs.each(here) & (seq < runs.each(mine["until"]))
        # near the live ones, whose way is theirs then
        ahead = seq - runs.each(live_due)
        soon = runs.recv_ms - runs.t_ms - runs.each(mine["offset_ms"]) <= LIVE_WITHIN_MS
        fine &= ~(soon & runs.each(live_boot == runs.boot) & (ahead >= 0) & (ahead <= HELD_MAX))
        fine[fine] = ~self._express.recent.are_there(runs.each(runs.row)[fine], runs.t_ms[fine])
        return _prefix(runs, fine), mine["offset_ms"]

    def are_open(self, runs: Runs) -> NDArray[np.bool_]:
        """``(r,)``: whose first frame can be taken by column as far as the order goes."""
        return self._next(runs.row, runs.boot, runs.seq) | self._going_on(runs, *self._express.due(runs.row))[0]

    def _next(self, rows: Rows, boot: Longs, seq: Longs) -> NDArray[np.bool_]:
        """Which of these frames are the next of their rows' runs."""
        here = rows < len(self._rows)
        if len(self._rows):
            mine = self._rows[np.where(here, rows, 0)]
            here = here & (mine["boot"] == boot) & (mine["due"] == seq)
        return here

    def open(self, device: Device, boot: int, seq: int) -> bool:
        """Whether from this frame on, which is of history, the device's row counts."""
        row = device.row
        self._write_back(device)
        lane = self._order.lane(row)
        if lane is None or lane.held or lane.boot != boot or lane.due != seq or not device.registered:
            return False
        clock = next((one for one in device.clock.boots if one.boot == boot), None)
        if clock is None or (clock.first_offset_ms and not self._reported and device.clock_boot != boot):
            return False
        self._express.leave(device)
        until = device.seen.of(Stream.MOTION).next_taken(boot, seq)
        if until == seq:
            self._express.enter(device)
            return False
        if row >= len(self._rows):
            self._grow(row + 1)
        self._rows[row] = (boot, seq, until, clock.first_offset_ms, seq)
        self._express.enter(device)  # not where history has overtaken the live numbers
        self._express.recent.hold(device)
        return True

    def leave(self, device: Device) -> None:
        """The device is about to be served as an object: write back what its rows have been through, live ones too."""
        self._write_back(device)
        self._express.leave(device)

    def _write_back(self, device: Device) -> None:
        row = device.row
        if row >= len(self._rows):
            return
        boot, due, _, _, first = self._rows[row].item()
        if boot == _AWAY:
            return
        self._rows["boot"][row] = _AWAY
        if due == first:
            return
        device.seen.of(Stream.MOTION).run(boot, first, due - first)
        lane = self._order.lane(row)
        assert lane is not None, f"row {row} has no place in the order of history"
        lane.due = due

    def leave_all(self, devices: list[Device]) -> None:
        """Write everything back, of live frames too."""
        for row in np.flatnonzero(self._rows["boot"] != _AWAY).tolist():
            self.leave(devices[row])
        self._express.leave_all(devices)

    def state(self) -> NDArray[Any]:
        """For a checkpoint: what has not been written back is in it."""
        return self._rows

    def restore(self, state: NDArray[Any]) -> None:
        """From a checkpoint."""
        self._rows = np.array(state)

    def _grow(self, rows: int) -> None:
        used = len(self._rows)
        self._rows = enlarged(self._rows, max(rows, 64, used * 3 // 2))
        self._rows["boot"][used:] = _AWAY


def _part(runs: Runs, chosen: NDArray[np.bool_]) -> Runs:
    frames = runs.each(chosen)
    return Runs(*(column[chosen] for column in runs[:4]), *(column[frames] for column in runs[4:]))


def _prefix(runs: Runs, fine: NDArray[np.bool_]) -> Longs:
    """``(r,)``: how many frames of each run there are before the first that is not fine."""
    bad = np.where(fine, runs.each(runs.length), runs.nth)
    return np.asarray(np.minimum.reduceat(bad, runs.start))
