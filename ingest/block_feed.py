"""Blocks of received messages: ordinary motion frames are taken by column, everything else one by one, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.motion import turns
from ingest.content import contents
from ingest.devices import Devices
from ingest.express import Express
from ingest.motion_batches import Form, Run
from telemetry.blocks import RawBlock
from telemetry.errors import TelemetryError
from telemetry.layouts import Layout, Layouts, rows_of
from telemetry.records import RawMessage
from telemetry.topics import Stream, parse_topic

Longs = NDArray[np.int64]
Chosen = NDArray[np.intp]

#: Payloads of no known layout that are looked at in one go, and in all of one length.
_LOOKED_AT, _GIVEN_UP = 4, 32


class Heard(NamedTuple):
    """What ordinary frames say of their devices, by column."""

    row: Longs
    t_ms: Longs
    seq: Longs
    boot: Longs
    offset_ms: Longs
    recv_ms: Longs
    number: Longs  # of the message, in the order of arrival


class Joined(NamedTuple):
    """Blocks one after another, as one. Columns as in :class:`telemetry.blocks.RawBlock`."""

    recv_ms: Longs
    topic_start: Longs
    topic_end: Longs
    payload_start: Longs
    end: Longs
    plain: NDArray[np.bool_]
    data: NDArray[np.uint8]
    blocks: Sequence[RawBlock]
    first: Longs  # of each block, the number of its first message

    @classmethod
    def of(cls, blocks: Sequence[RawBlock], room: NDArray[np.uint8]) -> Joined:
        """These blocks; :attr:`data` lies in ``room``, which is large enough."""
        sizes = np.array([len(block) for block in blocks])
        lengths = np.array([len(block.data) for block in blocks])
        data = room[: int(lengths.sum())]
        np.concatenate([block.data for block in blocks], out=data)
        shift = np.repeat(np.cumsum(lengths) - lengths, sizes)
        return cls(
            np.repeat(np.array([block.recv_ms for block in blocks], np.int64), sizes),
            np.concatenate([block.topic_start for block in blocks]) + shift,
            np.concatenate([block.topic_end for block in blocks]) + shift,
            np.concatenate([block.payload_start for block in blocks]) + shift,
            np.concatenate([block.end for block in blocks]) + shift,
            np.concatenate([block.flags for block in blocks]) == 0,
            data,
            blocks,
            np.cumsum(sizes) - sizes,
        )

    def message(self, at: int) -> RawMessage:
        """Message ``at``."""
        block = int(np.searchsorted(self.first, at, side="right")) - 1
        return self.blocks[block].message(at - int(self.first[block]))


class Taker(Protocol):
    """The way of single messages, and where runs of frames go."""

    def take_one(self, message: RawMessage, number: int, now_ms: int) -> None:
        """One message, its number in the order of arrival, and what our clock showed."""

    def take_run(self, run: Run, heard: Heard) -> None:
        """Ordinary frames."""


class BlockFeed:
    """Sorts the messages of blocks.

    The order of one device's messages is kept, and that of the messages taken one by one as far as it can be; ordinary
    frames of other devices do not depend on either within a second.
    """

    def __init__(self, devices: Devices, express: Express) -> None:
        self._devices = devices
        self._express = express
        self._layouts = Layouts()
        self._given_up: dict[int, int] = {}
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
        ordinary = motion & it.plain & self._express.here(rows)
        heads, layout = self._read(it, ordinary)
        ordinary &= layout >= 0
        late = np.zeros(len(rows), np.bool_)
        others = np.flatnonzero(~ordinary)
        if len(others):
            late = self._late(rows, ordinary, others)
            ordinary &= ~late
            for at in others[~late[others]].tolist():
                taker.take_one(it.message(at), number + at, int(now[at]))
        left = np.flatnonzero(ordinary)
        stopped: NDArray[np.intp] = np.zeros(0, np.intp)
        for turn in turns(rows[left]):
            chosen = left[turn]
            if len(stopped):
                go_on = ~np.isin(rows[chosen], rows[stopped])
                late[chosen[~go_on]] = True
                chosen = chosen[go_on]
            refused = self._take_turn(it, rows, heads, layout, chosen, taker, number, now)
            late[refused] = True
            stopped = np.concatenate([stopped, refused])
        for at in np.flatnonzero(late).tolist():
            taker.take_one(it.message(at), number + at, int(now[at]))
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

    def _read(self, it: Joined, wanted: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.int16]]:
        """``(3, m)`` time, boot and seq, and the number of the layout, -1 where there is none."""
        heads = np.zeros((3, len(wanted)), np.int64)
        layout = np.full(len(wanted), -1, np.int16)
        left = np.flatnonzero(wanted)
        length = (it.end - it.payload_start)[left]
        for size in self._layouts.lengths():
            left, length = self._fit(it, left, length, size, self._layouts.of(size), heads, layout)
            if not len(left):
                return heads, layout
        for _ in range(_LOOKED_AT):
            hopeful = [at for at in range(min(len(left), _LOOKED_AT * 4)) if self._hopes(int(length[at]))]
            if not hopeful:
                break
            at = int(left[hopeful[0]])
            learnt = self._layouts.learn(it.data[it.payload_start[at] : it.end[at]].tobytes())
            size = int(it.end[at] - it.payload_start[at])
            if learnt is None:
                self._given_up[size] = self._given_up.get(size, 0) + 1
                break
            left, length = self._fit(it, left, length, size, [learnt], heads, layout)
        return heads, layout

    def _hopes(self, length: int) -> bool:
        return self._given_up.get(length, 0) < _GIVEN_UP

    def _fit(
        self, it: Joined, left: Chosen, length: NDArray[Any], size: int, layouts: Sequence[Layout],
        heads: NDArray[Any], layout: NDArray[np.int16],
    ) -> tuple[Chosen, NDArray[Any]]:  # fmt: skip
        """Read those of this size that fit one of the layouts; which are left."""
        alike = length == size
        for one in layouts:
            some = left[alike] if not alike.all() else left
            if not len(some):
                break
            start = it.payload_start[some]
            fits = one.fits(it.data, start)
            if not fits.all():
                some, start = some[fits], start[fits]
            if not len(some):
                continue
            read = np.stack(one.heads(it.data, start))
            valid = (read >= 0).all(axis=0)
            if not valid.all():
                some, read = some[valid], read[:, valid]
            heads[:, some] = read
            layout[some] = one.number
            keep = layout[left] < 0
            left, alike, length = left[keep], alike[keep], length[keep]
        return left, length

    def _late(self, rows: Longs, ordinary: NDArray[np.bool_], others: Chosen) -> NDArray[np.bool_]:
        """``(m,)``: which messages come after the ordinary frames.

        From the first on that follows an ordinary frame of its device all that are not ordinary, so that these keep
        their order; and the ordinary frames behind one of them of their device.
        """
        m = len(rows)
        late = np.zeros(m, np.bool_)
        first = np.full(int(rows.max()) + 2, m, np.int64)  # of a device, its first ordinary frame; -1 is the last place
        frames = np.flatnonzero(ordinary)[::-1]
        first[rows[frames]] = frames
        behind = first[rows[others]] < others
        if behind.any():
            after = others[int(behind.argmax()) :]
            first[:] = m
            first[rows[after[::-1]]] = after[::-1]
            first[-1] = m
            late[after] = True
            late |= ordinary & (first[rows] < np.arange(m))
        return late

    def _take_turn(
        self, it: Joined, rows: Longs, heads: NDArray[Any], layout: NDArray[np.int16], chosen: Chosen, taker: Taker,
        number: int, now: Longs,
    ) -> Chosen:  # fmt: skip
        """Take one frame each of different devices; those that are not ordinary."""
        t_ms, boot, seq = heads[:, chosen]
        row, recv_ms = rows[chosen], it.recv_ms[chosen]
        taken = self._express.take(row, boot, seq, t_ms, recv_ms, self._devices.presence)
        ok = taken.ordinary
        for which in np.unique(layout[chosen]).tolist():
            one = self._layouts[which]
            mine = ok & (layout[chosen] == which)
            if mine.all():
                mine = slice(None)
            elif not mine.any():
                continue
            acc, gyr = one.counts(it.data, it.payload_start[chosen[mine]])
            self._express.remember(row[mine], t_ms[mine], contents(acc))
            form = Form(one.fs, one.samples, one.lsb, one.glsb if gyr is not None else None, gyr is not None)
            heard = Heard(
                row[mine],
                t_ms[mine],
                seq[mine],
                boot[mine],
                taken.offset_ms[mine],
                recv_ms[mine],
                number + chosen[mine],
            )
            run = Run(
                form, heard.row.astype(np.int32), heard.boot.astype(np.uint32), heard.t_ms, heard.offset_ms,
                now[chosen[mine]], acc, gyr,
            )  # fmt: skip
            taker.take_run(run, heard)
        return chosen[~ok]
