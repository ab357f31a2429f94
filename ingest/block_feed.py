"""Blocks of received messages: ordinary motion frames are taken by column, everything else one by one, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ingest.backlog import Backlog, Runs
from ingest.block_order import taken_last, turns_of
from ingest.block_read import Chosen, FrameReader, Joined, Longs
from ingest.content import FRAMES_COMPARED, contents
from ingest.devices import Devices
from ingest.express import Express
from ingest.motion_batches import Form, Run
from telemetry.blocks import RawBlock
from telemetry.errors import TelemetryError
from telemetry.layouts import rows_of
from telemetry.records import RawMessage
from telemetry.topics import Stream, parse_topic


class Heard(NamedTuple):
    """What ordinary frames say of their devices, by column."""

    row: Longs
    t_ms: Longs
    seq: Longs
    boot: Longs
    offset_ms: Longs
    recv_ms: Longs
    number: Longs  # of the message, in the order of arrival


class Taker(Protocol):
    """The way of single messages, and where runs of frames go."""

    def take_one(self, message: RawMessage, number: int, now_ms: int) -> None:
        """One message, its number in the order of arrival, and what our clock showed."""

    def take_run(self, run: Run, heard: Heard) -> None:
        """Ordinary frames."""

    def take_buffered(self, run: Run, heard: Heard, *, historical: bool) -> None:
        """Frames from devices' buffers, of history or to go on where the live ones stopped."""


class _Messages(NamedTuple):
    """m messages, what was read of them, and where they go."""

    it: Joined
    rows: Longs
    heads: NDArray[Any]  # ``(3, m)`` time, boot and seq
    layout: NDArray[np.int16]
    now_ms: Longs
    number: int  # of the first
    taker: Taker

    def one_by_one(self, chosen: Chosen) -> None:
        """Some of them go the way of single messages."""
        for at in chosen.tolist():
            self.taker.take_one(self.it.message(at), self.number + at, int(self.now_ms[at]))


class BlockFeed:
    """Sorts the messages of blocks.

    The order of one device's messages is kept, and that of the messages taken one by one as far as it can be; motion
    frames of other devices do not depend on either within a second.
    """

    def __init__(self, devices: Devices, express: Express, backlog: Backlog) -> None:
        self._devices = devices
        self._express = express
        self._backlog = backlog
        self._reader = FrameReader()
        self._rows: dict[bytes, int] = {}  # of topics of motion
        self._room = np.zeros(0, np.uint8)  # used again: fresh memory costs more than the copy

    def know(self, topic_name: bytes, row: int, stream: Stream) -> None:
        """Messages with this topic are of a device in this row. The others, few of all, are taken apart each time."""
        if stream is Stream.MOTION:
            self._rows[topic_name] = row

    def take(self, blocks: Sequence[RawBlock], taker: Taker, number: int, now_ms: int) -> int:
        """Take blocks of messages that came within one second, none of them our own or put back.

        Args:
            blocks: in the order of arrival.
            taker: takes what is in them.
            number: of the first message.
            now_ms: our clock so far, which does not go back.

        Returns:
            our clock behind them.
        """
        size = sum(len(block.data) for block in blocks)
        if size > len(self._room):
            self._room = np.empty(size, np.uint8)
        it = Joined.of(blocks, self._room)
        now = np.maximum(np.maximum.accumulate(it.recv_ms), now_ms)
        rows, motion = self._lookup(it)
        heads, layout = self._reader.read(it, motion & it.plain)
        messages = _Messages(it, rows, heads, layout, now, number, taker)
        history = self._reader.of_history(layout)
        ordinary = (layout >= 0) & (history | self._express.here(rows))
        late = np.zeros(len(rows), np.bool_)
        others = np.flatnonzero(~ordinary)
        if len(others):
            late = taken_last(rows, ordinary, others)
            ordinary &= ~late
            messages.one_by_one(others[~late[others]])
        left = np.flatnonzero(ordinary)
        stopped: Chosen = np.zeros(0, np.intp)  # whose next frame was not ordinary after all
        for turn in turns_of(messages.heads, rows, layout, history, left):
            if len(stopped):
                turn, behind = turn.without(rows, rows[stopped])
                late[behind] = True
            refused = self._take_live(messages, turn.live)
            if len(turn.buffered):
                refused = np.append(refused, self._take_buffered(messages, turn.buffered, turn.length))
            late[refused] = True
            stopped = np.append(stopped, refused)
        messages.one_by_one(np.flatnonzero(late))
        return int(now[-1])

    def _lookup(self, it: Joined) -> tuple[Longs, NDArray[np.bool_]]:
        """The row of each message's device, -1 where it is not known yet; and which are of motion."""
        motion_of = self._rows.get
        # a zero byte at the end would be missing from a name below; no topic of a device has one
        length = np.where(it.data[it.topic_end - 1] == 0, 0, it.topic_end - it.topic_start)
        rows = np.full(len(length), -1, np.int64)
        for size in np.unique(length[length > 0]).tolist():
            alike = np.flatnonzero(length == size)
            names = rows_of(it.data, it.topic_start[alike], size).view(f"S{size}")[:, 0].tolist()
            rows[alike] = [motion_of(name, -1) for name in names]
        motion = rows >= 0
        for at in np.flatnonzero(~motion).tolist():
            rows[at] = self._row_of(it.data[it.topic_start[at] : it.topic_end[at]].tobytes())
        return rows, motion

    def _row_of(self, name: bytes) -> int:
        """Of a topic that is not of motion, or that no message had before."""
        try:
            device = self._devices.by_id.get(parse_topic(name)[0])
        except TelemetryError:
            return -1
        return -1 if device is None else device.row

    def _take_live(self, of: _Messages, chosen: Chosen) -> Chosen:
        """Take one live frame each of different devices; those that are not ordinary."""
        if not len(chosen):
            return chosen
        t_ms, boot, seq = of.heads[:, chosen]
        row, recv_ms = of.rows[chosen], of.it.recv_ms[chosen]
        taken = self._express.take(row, boot, seq, t_ms, recv_ms, self._devices.presence)
        ok = taken.ordinary
        if ok.all():
            self._hand_over(of, chosen, taken.offset_ms)
            return chosen[:0]
        self._hand_over(of, chosen[ok], taken.offset_ms[ok])
        return chosen[~ok]

    def _take_buffered(self, of: _Messages, chosen: Chosen, length: Longs) -> Chosen:
        """Take runs of frames from the buffers of different devices; those that are not ordinary."""
        chosen, length = self._opened(of, chosen, length)
        if not len(length):
            return chosen
        runs = _runs(of, chosen, length)
        taken, goes_on, offset_ms = self._backlog.take(runs, self._devices.presence)
        nth, each = runs.nth, runs.each(taken)
        ok = nth < each
        kept = nth - np.maximum(each - FRAMES_COMPARED, 0)  # which of those that are compared, if not below 0
        for historical in (False, True):
            mine = ok & runs.each(goes_on != historical)
            if mine.any():
                self._hand_over(of, chosen[mine], runs.each(offset_ms)[mine], kept[mine], historical=historical)
        return chosen[~ok]

    def _opened(self, of: _Messages, chosen: Chosen, length: Longs) -> tuple[Chosen, Longs]:
        """The same runs without the frames that had to go the way of single messages before theirs could be opened."""
        runs = _runs(of, chosen, length)
        missing = np.zeros(len(length), np.int64)
        for at in np.flatnonzero(~self._backlog.are_open(runs)).tolist():
            device, boot, seq = self._devices.rows[runs.row[at]], int(runs.boot[at]), int(runs.seq[at])
            first = int(runs.start[at])
            for frame in range(int(length[at])):
                if self._backlog.open(device, boot, seq + frame):
                    break
                of.one_by_one(chosen[first + frame : first + frame + 1])
                missing[at] += 1
        if not missing.any():
            return chosen, length
        left = runs.nth >= runs.each(missing)
        return chosen[left], (length - missing)[length > missing]

    def _hand_over(
        self, of: _Messages, chosen: Chosen, offset_ms: Longs, kept: Longs | None = None, *,
        historical: bool | None = None,
    ) -> None:  # fmt: skip
        """Frames that were taken, live ones (``historical`` None) or from buffers, on their way to the banks.

        Args:
            of: among which they are.
            chosen: their places, those of one device of one layout.
            offset_ms: what is added to their times.
            kept: which of them are compared with those that come, as :meth:`RecentFrames.add` has it; below 0: it is
                not. None: all, of different devices.
            historical: where those from buffers go.
        """
        for which in np.unique(of.layout[chosen]).tolist():
            one = self._reader[which]
            mine = of.layout[chosen] == which
            frames, offset = (chosen, offset_ms) if mine.all() else (chosen[mine], offset_ms[mine])
            acc, gyr = one.counts(of.it.data, of.it.payload_start[frames])
            t_ms, boot, seq = of.heads[:, frames]
            row = of.rows[frames]
            if kept is None:
                self._express.recent.add(row, t_ms, contents(acc))
            else:
                last = np.flatnonzero((nth := kept[mine]) >= 0)
                self._express.recent.add(row[last], t_ms[last], contents(acc[last]), nth[last])
            form = Form(one.fs, one.samples, one.lsb, one.glsb if gyr is not None else None, gyr is not None)
            heard = Heard(row, t_ms, seq, boot, offset, of.it.recv_ms[frames], of.number + frames)
            run = Run(
                form, row.astype(np.int32), boot.astype(np.uint32), t_ms, offset, of.now_ms[frames], acc, gyr
            )  # fmt: skip
            if historical is None:
                of.taker.take_run(run, heard)
            else:
                of.taker.take_buffered(run, heard, historical=historical)


def _runs(of: _Messages, chosen: Chosen, length: Longs) -> Runs:
    first = chosen[np.cumsum(length) - length]
    _, boot, seq = of.heads[:, first]
    return Runs(of.rows[first], boot, seq, length, of.heads[0, chosen], of.it.recv_ms[chosen])
