"""Blocks of received messages as one, and the heads of the motion frames among them, all read at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from telemetry.blocks import RawBlock
from telemetry.layouts import Layout, Layouts
from telemetry.records import RawMessage

Longs = NDArray[np.int64]
Chosen = NDArray[np.intp]

#: Payloads of no known layout that are looked at in one go, and in all of one length.
_LOOKED_AT, _GIVEN_UP = 4, 32


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


class FrameReader:
    """Reads motion frames by their layouts, which it learns as they come."""

    def __init__(self) -> None:
        self._layouts = Layouts()
        self._given_up: dict[int, int] = {}

    def __getitem__(self, number: int) -> Layout:
        """The layout that was learnt as this one."""
        return self._layouts[number]

    def of_history(self, layout: NDArray[np.int16]) -> NDArray[np.bool_]:
        """``(m,)``: which frames come from a device's buffer, by their layouts as :meth:`read` gave them."""
        return self._layouts.history[layout]

    def read(self, it: Joined, wanted: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.int16]]:
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
