"""A session that, besides the messages of its devices, sends the frames of a :class:`PoolLane`."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from firmware_sim.pool_lane import PoolLane
from firmware_sim.session import Session

#: Packet ids up to this are the lane's, those above the other messages'.
_LANE_IDS = 49_151
#: Frames of a lane in flight.
_WINDOW = 4096
#: PUBACKs of frames are gathered for this long.
_SETTLE_S = 0.01
_NONE = -1


class PoolSession(Session):
    """One connection for devices and for a lane of frames. Which frames are in flight is an array by packet id.

    Args:
        lane: the frames.
        others: see :class:`Session`.
    """

    def __init__(self, name: str, *args: Any, lane: PoolLane, **others: Any) -> None:
        super().__init__(name, *args, **others)
        self._lane = lane
        self._position = np.full(_LANE_IDS + 1, _NONE, np.int64)  # by packet id
        self._flying = 0
        self._next_id = 1
        self._resend = np.zeros(0, np.int64)
        self._acknowledged: list[int] = []
        self._packet_id = _LANE_IDS

    @property
    def lane(self) -> PoolLane:
        """The frames that this connection sends."""
        return self._lane

    @property
    def pending(self) -> int:
        """Messages and frames that the broker has not taken."""
        return super().pending + self._flying + len(self._resend) + self._lane.waiting

    def advance(self, now_ms: int) -> None:
        """Send the frames that are due by ``now_ms``, as far as link and window allow."""
        self._lane.advance(now_ms)
        self._pump_lane()

    def link_up(self) -> None:
        """Frames that waited go out as history, after those that were in flight."""
        self._lane.link_up()
        super().link_up()
        self._pump_lane()

    def link_down(self, why: str) -> None:
        """Keep what was in flight for the next link."""
        self._settle()
        left = self._position[self._position != _NONE]
        self._resend = np.sort(np.concatenate([self._resend, left]))
        self._position.fill(_NONE)
        self._flying = 0
        super().link_down(why)

    def confirmed(self, packet_id: int) -> None:
        """The broker took a message or a frame; frames are counted a little later, many at once."""
        if packet_id > _LANE_IDS:
            super().confirmed(packet_id)
            return
        if not self._acknowledged:
            asyncio.get_running_loop().call_later(_SETTLE_S, self._settle)
        self._acknowledged.append(packet_id)

    def _settle(self) -> None:
        if not self._acknowledged:
            return
        ids = np.array(self._acknowledged)
        self._acknowledged.clear()
        positions = self._position[ids]
        self._position[ids] = _NONE
        positions = positions[positions != _NONE]
        if len(positions):
            self._flying -= len(positions)
            self.taken += len(positions)
            self._lane.confirmed(positions)
        if len(self._resend) or self._lane.waiting:
            self._pump_lane()

    def writable(self) -> None:
        """Go on sending."""
        super().writable()
        self._pump_lane()

    def _pump_lane(self) -> None:
        link = self._link
        while link is not None and link.is_up and not link.is_paused:
            room = min(_WINDOW - self._flying, _LANE_IDS + 1 - self._next_id)
            ids = np.arange(self._next_id, self._next_id + room)
            taken = np.flatnonzero(self._position[ids] != _NONE)  # one that the broker is slow to confirm
            room = int(taken[0]) if len(taken) else room
            dup = bool(len(self._resend))
            if dup:
                positions, self._resend = self._resend[:room], self._resend[room:]
            else:
                positions = self._lane.take(room)
            if not len(positions):
                return
            ids = ids[: len(positions)]
            self._position[ids] = positions
            self._flying += len(positions)
            self._next_id = int(ids[-1]) % _LANE_IDS + 1
            for packets in self._lane.packets(positions, ids, dup=dup):
                link.send(packets)

    def _free_id(self) -> int:
        while True:
            self._packet_id = _LANE_IDS + 1 if self._packet_id >= 65_535 else self._packet_id + 1
            if self._packet_id not in self._in_flight:
                return self._packet_id
