"""What is known of devices that send one frame after another, in columns: it decides whether a frame is ordinary.

An ordinary frame is the next of its boot, of a settled clock, newer than all before, and live. Many are taken at once;
and so are those from a device's buffer that come so soon that they go on where the live ones stopped. Whatever is not
ordinary goes the way of single messages, which knows devices as objects: before it touches one, :meth:`Express.leave`
writes back what has changed in its row, and afterwards :meth:`Express.enter` reads it again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.clock import DRIFT_MS_PER_S, LIVE_WITHIN_MS
from ingest.devices import Device, Presence
from ingest.recent import RecentFrames
from ingest.reorder import Reorderer
from telemetry.topics import Stream

Rows = NDArray[np.int64]
Longs = NDArray[np.int64]

_ROW = np.dtype(
    [
        ("boot", np.int64),  # -1: the row is not here
        ("due", np.int64),  # sequence number of the next frame
        ("offset_ms", np.float64),  # running, of the boot's clock
        ("clock_ms", np.int64),  # receive time of what it was last judged by
        ("stored_offset_ms", np.int64),  # with which its points are stored
        ("newest_ms", np.int64),  # the greatest time of the frames that a conflict would be told by
        ("taken", np.int64),  # frames since the row was written back
        ("buffered", np.int64),  # of these, from the device's buffer: they say nothing of its clock
    ]
)
_AWAY = -1


class Taken(NamedTuple):
    """Which of the frames were ordinary, and the correction of their times."""

    ordinary: NDArray[np.bool_]
    offset_ms: Longs


class Express:
    """Rows of devices whose next frame may be an ordinary one.

    Args:
        order: of the live lane.
        reported: whether a wrong clock is reported by somebody else, or has to go the other way once.
    """

    def __init__(self, order: Reorderer, *, reported: bool) -> None:
        self._order = order
        self._reported = reported
        self._rows = np.zeros(0, _ROW)
        self.recent = RecentFrames()

    def here(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of these rows (-1: none) may have an ordinary frame."""
        known = (rows >= 0) & (rows < len(self._rows))
        if len(self._rows):
            known &= self._rows["boot"][np.where(known, rows, 0)] != _AWAY
        return known

    def take(self, rows: Rows, boot: Longs, seq: Longs, t_ms: Longs, recv_ms: Longs, presence: Presence) -> Taken:
        """Take those of m frames of different rows, each :meth:`here`, that are ordinary."""
        mine = self._rows[rows]
        delay_ms = recv_ms - t_ms
        # as DeviceClock.judge does it, to the last bit
        elapsed_s = np.maximum(0, recv_ms - mine["clock_ms"]) / 1000
        running_ms = mine["offset_ms"] + elapsed_s * DRIFT_MS_PER_S
        ordinary = (mine["boot"] == boot) & (mine["due"] == seq) & (t_ms > mine["newest_ms"])
        ordinary &= (delay_ms >= running_ms - LIVE_WITHIN_MS) & (delay_ms <= running_ms + LIVE_WITHIN_MS)
        mine["due"] += 1
        mine["offset_ms"] = np.minimum(running_ms, delay_ms)
        mine["clock_ms"] = np.maximum(mine["clock_ms"], recv_ms)
        mine["newest_ms"] = t_ms
        mine["taken"] += 1
        if ordinary.all():
            self._rows[rows] = mine
        else:
            rows, recv_ms = rows[ordinary], recv_ms[ordinary]
            self._rows[rows] = mine[ordinary]
        presence.heard_ms[rows] = np.maximum(presence.heard_ms[rows], recv_ms)
        presence.online[rows] = True
        return Taken(ordinary, mine["stored_offset_ms"])

    def due(self, rows: Rows) -> tuple[Longs, Longs]:
        """Boot, and number of the next frame in the order of live ones, of devices that are known; -1 before their
        first."""
        here = self.here(rows)
        boot, due = np.full(len(rows), _AWAY, np.int64), np.zeros(len(rows), np.int64)
        boot[here], due[here] = self._rows["boot"][rows[here]], self._rows["due"][rows[here]]
        for at in np.flatnonzero(~here).tolist():
            lane = self._order.lane(int(rows[at]))
            if lane is not None:
                boot[at], due[at] = lane.boot, lane.due
        return boot, due

    def corrections(self, rows: Rows) -> tuple[Longs, Longs]:
        """Of rows that are :meth:`here`: what is added to a frame's time for our clock; the time that the next frame
        must be newer than."""
        return self._rows["stored_offset_ms"][rows], self._rows["newest_ms"][rows]

    def go_on(self, rows: Rows, frames: Longs, last_ms: Longs) -> None:
        """Different rows, :meth:`here`, go on by frames from their buffers, the last of them of these times."""
        mine = self._rows[rows]
        mine["due"] += frames
        mine["taken"] += frames
        mine["buffered"] += frames
        mine["newest_ms"] = last_ms
        self._rows[rows] = mine

    def heard_of(self, rows: Rows, last_ms: Longs) -> None:
        """Frames of history, the last of them of these times, were taken of different rows, here or not: what comes
        live is compared with them too."""
        rows, last_ms = rows[(here := self.here(rows))], last_ms[here]
        self._rows["newest_ms"][rows] = np.maximum(self._rows["newest_ms"][rows], last_ms)

    def enter(self, device: Device) -> None:
        """The device has been served as an object: from here on its row counts, if its next frame may be ordinary."""
        row = device.row
        if row >= len(self._rows):
            self._grow(row + 1)
        self.leave(device)
        lane = self._order.lane(row)
        if lane is None or lane.held or not device.registered:
            return
        clock = next((one for one in device.clock.boots if one.boot == lane.boot), None)
        if clock is None or clock.offset_ms is None:
            return
        if clock.first_offset_ms and not self._reported and device.clock_boot != lane.boot:
            return
        seen = device.seen.get(Stream.MOTION)
        if seen is None or seen.newest(lane.boot) != lane.due - 1:
            return
        self.recent.hold(device)
        self._rows[row] = (
            lane.boot, lane.due, clock.offset_ms, clock.last_recv_ms, clock.first_offset_ms,
            self.recent.newest_ms(row), 0, 0,
        )  # fmt: skip

    def leave(self, device: Device) -> None:
        """The device is about to be served as an object: write back what its row has been through."""
        self.recent.release(device)
        row = device.row
        if row >= len(self._rows):
            return
        boot, due, offset_ms, clock_ms, _, _, taken, buffered = self._rows[row].item()
        if boot == _AWAY:
            return
        self._rows["boot"][row] = _AWAY
        if not taken:
            return
        device.seen.of(Stream.MOTION).run(boot, due - taken, taken)
        lane = self._order.lane(row)
        assert lane is not None, f"row {row} has no place in the order"
        lane.due = due
        if taken == buffered:
            return
        clock = next(one for one in device.clock.boots if one.boot == boot)
        clock.offset_ms, clock.last_recv_ms, clock.candidate_offset_ms = offset_ms, clock_ms, None

    def leave_all(self, devices: list[Device]) -> None:
        """Write everything back."""
        for row in np.flatnonzero(self._rows["boot"] != _AWAY).tolist():
            self.leave(devices[row])

    def state(self) -> tuple[NDArray[Any], tuple[NDArray[Any], ...]]:
        """For a checkpoint: what has not been written back is in it."""
        return self._rows, self.recent.state()

    def restore(self, state: tuple[NDArray[Any], tuple[NDArray[Any], ...]]) -> None:
        """From a checkpoint."""
        rows, recent = state
        self._rows = np.array(rows)
        self.recent.restore(recent)

    def _grow(self, rows: int) -> None:
        more = max(rows, 64, len(self._rows) * 9 // 8) - len(self._rows)
        fresh = np.zeros(more, _ROW)
        fresh["boot"] = _AWAY
        self._rows = np.append(self._rows, fresh)
