"""In what order the messages of blocks are taken: what can go together, and what has to wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.motion import turns
from ingest.block_read import Chosen, Longs


class Turn(NamedTuple):
    """Frames that are taken together: single live ones, and runs from buffers, of different devices.

    Attributes:
        live: places.
        buffered: places, run after run.
        length: of each run, in frames.
    """

    live: Chosen
    buffered: Chosen
    length: Longs

    def without(self, rows: Longs, stopped: Longs) -> tuple[Turn, Chosen]:
        """Without those of some devices, ``rows`` being of all places; and these."""
        live = ~np.isin(rows[self.live], stopped)
        buffered = ~np.isin(rows[self.buffered], stopped)
        length = self.length[buffered[np.cumsum(self.length) - self.length]]
        behind = np.append(self.live[~live], self.buffered[~buffered])
        return Turn(self.live[live], self.buffered[buffered], length), behind


def taken_last(rows: Longs, ordinary: NDArray[np.bool_], others: Chosen) -> NDArray[np.bool_]:
    """``(m,)``: which messages are taken after the ordinary frames.

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


def turns_of(
    heads: NDArray[Any], rows: Longs, layout: NDArray[np.int16], history: NDArray[np.bool_], chosen: Chosen
) -> Iterator[Turn]:
    """The chosen ones of m frames, one turn after another, so that those of a device keep their order.

    Args:
        heads: ``(3, m)`` time, boot and seq.
        rows: ``(m,)`` of the devices.
        layout: ``(m,)`` numbers.
        history: ``(m,)`` whether they come from a buffer.
        chosen: places, ascending.
    """
    nothing, none = chosen[:0], np.zeros(0, np.int64)
    if not history[chosen].any():
        for turn in turns(rows[chosen]):
            yield Turn(chosen[turn], nothing, none)
        return
    places = chosen[np.argsort(rows[chosen], kind="stable")]
    t_ms, boot, seq = heads[:, places]
    row, kind, buffered = rows[places], layout[places], history[places]
    same = row[1:] == row[:-1]
    follows = same & buffered[1:] & (kind[1:] == kind[:-1]) & (boot[1:] == boot[:-1])
    follows &= (seq[1:] == seq[:-1] + 1) & (t_ms[1:] > t_ms[:-1])
    first = np.flatnonzero(np.append([True], ~follows))  # of runs; a live frame is one of its own
    length = np.diff(np.append(first, len(places)))
    new = np.append([True], row[first[1:]] != row[first[:-1]])
    nth = np.arange(len(first)) - np.maximum.accumulate(np.where(new, np.arange(len(first)), 0))
    of_history = buffered[first]
    for at in range(int(nth.max()) + 1):
        mine = nth == at
        some = mine & of_history
        yield Turn(
            np.sort(places[first[mine & ~of_history]]),
            places[np.repeat(some, length)],
            length[some],
        )
