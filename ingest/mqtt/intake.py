"""The receive buffer: bytes in, the boundaries of the packets in them out.

Messages stay in the buffer, one after the other, until they are all taken at once; per message nothing is made here but
one number in a list. What else arrives (acknowledgements, pings, QoS 2) is handed out at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ingest.mqtt.errors import ProtocolError
from ingest.mqtt.packets import Type
from ingest.mqtt.reasons import Code
from ingest.mqtt.wire import MAX_VARINT, read_varint

#: PUBLISH with QoS 0 or 1, retained or not; DUP belongs to QoS 1 only (3.3.1.1).
_PLAIN = frozenset((0x30, 0x31, 0x32, 0x33, 0x3A, 0x3B))
_EXACTLY_ONCE = frozenset((0x34, 0x35, 0x3C, 0x3D))
#: The lower half of the first byte is fixed for all others (2.1.3).
_FIRST_BYTES = frozenset(
    (Type.CONNACK << 4, Type.PUBACK << 4, Type.PUBREC << 4, Type.PUBREL << 4 | 2, Type.PUBCOMP << 4, Type.SUBACK << 4,
     Type.UNSUBACK << 4, Type.PINGRESP << 4, Type.DISCONNECT << 4)
)  # fmt: skip
#: A header is 5 bytes at most: with so many there no look for the end of the data is needed.
_HEADER = 5
#: Where a packet ends whose length has not come yet: beyond any other.
_NOT_THERE = 2 * MAX_VARINT


class Packet(NamedTuple):
    """One packet that is not plain: its first byte, its body, and which message it is where it is one, else -1."""

    first: int
    body: bytes
    row: int


@dataclass(frozen=True, slots=True)
class Run:
    """Messages as they came: message ``i`` is the packet ``data[starts[i]:ends[i]]``."""

    data: bytes
    starts: list[int]
    ends: list[int]

    def __len__(self) -> int:
        return len(self.starts)


class Intake:
    """Fill :meth:`room`, tell :meth:`received` how much, :meth:`take` the messages.

    Args:
        capacity: bytes that are held at most, but for a single packet that is larger.
        max_packet: the largest packet taken; one that announces more is refused before it is read.
    """

    def __init__(self, capacity: int, max_packet: int) -> None:
        self._capacity = min(capacity, max_packet)  # so that only a packet that is not whole can be too large
        self._max_packet = max_packet
        self._buffer = bytearray(self._capacity)
        self._view = memoryview(self._buffer)
        self.reset()

    def reset(self) -> None:
        """A new connection: nothing of the last one is left."""
        self._at = 0  # every packet before it is whole and known
        self._end = 0
        self._need = 0  # of the packet at `_at`, where its header is there
        self._starts: list[int] = []
        self._breaks: list[tuple[int, int]] = []  # (messages before, where the last of them ends)

    @property
    def pending_bytes(self) -> int:
        """What is held: whole messages and the beginning of the next packet."""
        return self._end

    def __len__(self) -> int:
        """Whole messages that can be taken."""
        return len(self._starts)

    @property
    def is_full(self) -> bool:
        """Whether nothing can be received before :meth:`take`."""
        return bool(self._starts) and max(self._at + self._need, self._end + 1) > len(self._buffer)

    def room(self) -> memoryview:
        """Where the next bytes go; at least one. While :attr:`is_full` it grows: who fills it should have stopped."""
        if self.is_full:
            self._buffer = self._buffer[: self._end] + bytearray(len(self._buffer))
            self._view = memoryview(self._buffer)
        elif max(self._at + self._need, self._end + 1) > len(self._buffer):
            self._move(max(self._need, self._capacity))
        return self._view[self._end :]

    def received(self, count: int) -> list[Packet]:
        """``count`` bytes were written to :meth:`room`; what they completed and is not plain, in order.

        Raises:
            ProtocolError: no packet, or a larger one than allowed. Nothing more can be made of this connection; of this
                read nothing is kept, what came before can be taken.
        """
        at, messages, breaks = self._at, len(self._starts), len(self._breaks)
        self._end += count
        try:
            return self._found()
        except ProtocolError:
            self._at, self._need = at, 0
            del self._starts[messages:], self._breaks[breaks:]
            raise

    def _found(self) -> list[Packet]:
        """Look through what is new: whole messages are noted, the packets that are not plain returned."""
        others: list[Packet] = []
        buffer, at, end = self._buffer, self._at, self._end
        append = self._starts.append
        self._need = 0
        sure = end - _HEADER
        while at < end:
            # the common case: a plain message of less than 16,384 bytes
            if at <= sure:
                low = buffer[at + 1]
                if low < 128:
                    after = at + 2 + low
                else:
                    high = buffer[at + 2]
                    after = at + 3 + (low & 127 | high << 7) if 0 < high < 128 else self._after(at)
            else:
                after = self._after(at)
            if after > end:
                break
            if buffer[at] in _PLAIN:
                append(at)
            else:
                others.append(self._other(at, after))
            at = after
        self._at = at
        if at < end:
            self._check_begun(at)
            if at + 2 <= end and (after := self._after(at)) < _NOT_THERE:
                self._need = after - at
                if self._need > self._max_packet:
                    raise ProtocolError(
                        Code.PACKET_TOO_LARGE, f"a packet of {self._need} bytes, {self._max_packet} are taken"
                    )
        elif not self._starts:
            self._at = self._end = 0
        return others

    def take(self) -> Run:
        """All whole messages, copied out; the buffer has room again."""
        starts, at = self._starts, self._at
        if not starts:
            return Run(b"", [], [])
        first = starts[0]
        data = bytes(self._view[first:at])
        ends = starts[1:]
        ends.append(at)
        for count, end in self._breaks:
            if count:
                ends[count - 1] = end
        if first:
            starts = [start - first for start in starts]
            ends = [end - first for end in ends]
        self._starts, self._breaks = [], []
        self._move(max(self._need, self._capacity))
        return Run(data, starts, ends)

    def _after(self, at: int) -> int:
        """One past the packet at ``at``; beyond any data where its length is not there yet."""
        found = read_varint(self._buffer, at + 1, self._end)
        return _NOT_THERE if found is None else found[0] + found[1]

    def _check_begun(self, at: int) -> None:
        first = self._buffer[at]
        if first not in _PLAIN and first not in _EXACTLY_ONCE and first not in _FIRST_BYTES:
            raise ProtocolError(Code.MALFORMED_PACKET, f"no packet for a client begins with 0x{first:02x}")

    def _other(self, at: int, after: int) -> Packet:
        self._check_begun(at)
        first = self._buffer[at]
        found = read_varint(self._buffer, at + 1, after)
        assert found is not None
        body = bytes(self._view[found[1] : after])
        if first in _EXACTLY_ONCE:
            self._starts.append(at)
            return Packet(first, body, len(self._starts) - 1)
        # an earlier break at the same message stays: that is where the message ends
        if not self._breaks or self._breaks[-1][0] != len(self._starts):
            self._breaks.append((len(self._starts), at))
        return Packet(first, body, -1)

    def _move(self, size: int) -> None:
        """What is begun goes to the front of a buffer of ``size`` bytes."""
        rest = self._end - self._at
        if size == len(self._buffer):
            self._buffer[:rest] = self._buffer[self._at : self._end]
        else:
            fresh = bytearray(size)
            fresh[:rest] = self._view[self._at : self._end]
            self._buffer, self._view = fresh, memoryview(fresh)
        self._at, self._end = 0, rest
