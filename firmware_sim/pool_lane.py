"""The motion of many pooled wearers on one connection, as arrays.

Everybody sends one frame a second, in the order of their phases, so that the frames of a lane are one endless row:
the frame at *position* ``p`` is that of wearer ``p % n`` with seq ``p // n``. What is due, what went out, what the
broker took and what was dropped are ranges of positions; nothing exists per message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware_sim.errors import SimulationError
from firmware_sim.frames import BODY_AT, BOOT_AT, SEQ_AT, T_AT, motion_payload, with_hist
from firmware_sim.mqtt import publish_packet
from firmware_sim.pool import PooledWearer
from firmware_sim.ranges import Ranges
from firmware_sim.truth import Published
from telemetry.topics import Stream, topic

Positions = NDArray[np.int64]

#: In a PUBLISH of 128 to 16,383 bytes: type, two bytes of length, two of the topic's length; then the topic.
_TOPIC_AT = 5


class PoolLane:
    """What a connection sends for its pooled wearers.

    Args:
        wearers: at least one; the topics of all are equally long.
        room: the frames that a device keeps while its link is down; the oldest are dropped.

    Raises:
        SimulationError: the ids are not equally long.
    """

    def __init__(self, wearers: Sequence[PooledWearer], room: int) -> None:
        self.wearers = sorted(wearers, key=lambda wearer: (wearer.origin_ms, wearer.id))
        topics = [topic(wearer.id, Stream.MOTION).encode() for wearer in self.wearers]
        if len({len(text) for text in topics}) > 1:
            raise SimulationError("pooled wearers need ids of one length: 99,999 wearers at most")
        self._n = len(self.wearers)
        self._room = room * self._n
        self._origins = np.array([wearer.origin_ms for wearer in self.wearers], np.int64)
        self._boots = np.array([wearer.boot for wearer in self.wearers], ">u4").view(np.uint8).reshape(-1, 4)
        self._topics = np.frombuffer(b"".join(topics), np.uint8).reshape(self._n, -1)
        self._loops = np.array([wearer.place.loop for wearer in self.wearers], np.int64)
        self._shifts = np.array([wearer.place.shift for wearer in self.wearers], np.int64)
        pool = self.wearers[0].place.pool
        self._bodies = pool.bodies
        self._blank = {hist: self._template(topics[0], pool.gyroscope, hist=hist) for hist in (False, True)}
        self._due = 0
        self._next = 0
        self._late: list[tuple[int, int]] = []  # positions [first, end) that waited for a link
        self._taken = Ranges()
        self._dropped = Ranges()

    @property
    def waiting(self) -> int:
        """Frames that are due and have not been sent."""
        return self._due - self._next

    def advance(self, now_ms: int) -> None:
        """Whatever ended by ``now_ms`` is due; what does not fit into the devices' buffers is dropped."""
        second, rest = divmod(now_ms - 1000 - int(self._origins[0]), 1000)
        if second < 0:
            return
        within = int(np.searchsorted(self._origins - self._origins[0], rest, side="right"))
        self._due = max(self._due, second * self._n + within)
        if self.waiting > self._room:
            keep = self._due - self._room
            self._dropped.add_run(self._next, keep - 1)
            self._next = keep

    def link_up(self) -> None:
        """What waits was made while there was no link, or for one that broke: it goes out as history."""
        if self.waiting:
            self._late.append((self._next, self._due))

    def take(self, most: int) -> Positions:
        """The next positions to send, ``most`` at most."""
        end = min(self._due, self._next + most)
        positions = np.arange(self._next, end)
        self._next = end
        return positions

    def packets(self, positions: Positions, packet_ids: NDArray[np.int64], *, dup: bool = False) -> Iterator[bytes]:
        """PUBLISH packets of these frames, in their order; one piece for each run of history or of none."""
        late = np.zeros(len(positions), bool)
        for first, end in self._late:
            late |= (positions >= first) & (positions < end)
        edges = [0, *(np.flatnonzero(np.diff(late)) + 1).tolist(), len(positions)]
        for start, stop in pairwise(edges):
            if stop > start:
                yield self._packed(positions[start:stop], packet_ids[start:stop], hist=bool(late[start]), dup=dup)

    def confirmed(self, positions: Positions) -> None:
        """The broker has these."""
        edges = np.flatnonzero(np.diff(positions) != 1) + 1
        for run in np.split(positions, edges):
            self._taken.add_run(int(run[0]), int(run[-1]))

    def published(self) -> list[Published]:
        """What the broker took and what was dropped, of each wearer."""
        found = []
        for at, wearer in enumerate(self.wearers):
            taken, dropped = self._seqs(at, self._taken), self._seqs(at, self._dropped)
            if taken or dropped:
                found.append(
                    Published(
                        device=wearer.id, stream=Stream.MOTION.value, boot=wearer.boot, seq=taken, dropped=dropped
                    )
                )
        return found

    def _seqs(self, at: int, positions: Ranges) -> list[tuple[int, int]]:
        seqs = Ranges()
        for first, last in positions.pairs():
            begin, end = -((at - first) // self._n), (last - at) // self._n
            if begin <= end:
                seqs.add_run(begin, end)
        return seqs.pairs()

    def _template(self, on: bytes, gyro: bool, *, hist: bool) -> NDArray[np.uint8]:
        payload = motion_payload(0, 0, 0, self._bodies[0, 0].tobytes(), gyro=gyro)
        packet = publish_packet(on, with_hist(payload) if hist else payload, 0)
        return np.frombuffer(packet, np.uint8)

    def _packed(self, positions: Positions, packet_ids: NDArray[np.int64], *, hist: bool, dup: bool) -> bytes:
        seqs, who = np.divmod(positions, self._n)
        rows = np.empty((len(positions), len(self._blank[hist])), np.uint8)
        ids_at = _TOPIC_AT + self._topics.shape[1]
        payload_at = ids_at + 2
        body_at = payload_at + BODY_AT
        body_end = body_at + self._bodies.shape[2]
        rows[:, :body_at] = self._blank[hist][:body_at]
        rows[:, body_end:] = self._blank[hist][body_end:]
        if dup:
            rows[:, 0] |= 0x08
        rows[:, _TOPIC_AT:ids_at] = self._topics[who]
        rows[:, ids_at:payload_at] = _bytes(packet_ids, ">u2")
        rows[:, payload_at + T_AT : payload_at + T_AT + 8] = _bytes(self._origins[who] + seqs * 1000, ">u8")
        rows[:, payload_at + BOOT_AT : payload_at + BOOT_AT + 4] = self._boots[who]
        rows[:, payload_at + SEQ_AT : payload_at + SEQ_AT + 8] = _bytes(seqs, ">u8")
        rows[:, body_at:body_end] = self._bodies[self._loops[who], (seqs + self._shifts[who]) % self._bodies.shape[1]]
        return rows.tobytes()


def _bytes(numbers: NDArray[np.int64], kind: str) -> NDArray[np.uint8]:
    """``(n,)`` numbers as ``(n, k)`` bytes."""
    return numbers.astype(kind).view(np.uint8).reshape(len(numbers), -1)
