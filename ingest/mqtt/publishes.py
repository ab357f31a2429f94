"""A run of received messages by column, checked: what is in here can be read without another look at a bound."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest.mqtt.errors import ProtocolError
from ingest.mqtt.intake import Run
from ingest.mqtt.packets import MQTT_5
from ingest.mqtt.reasons import Code
from ingest.mqtt.wire import IN_PUBLISH, Prop, read_properties

Index = NDArray[np.intp]
_MAX_VARINTS = (2 + 0x7F, 3 + 0x3FFF, 4 + 0x1FFFFF)  # the longest packet with a length of 1, 2 and 3 bytes


@dataclass(slots=True)
class Publishes:
    """n messages in the order of their arrival; message ``i`` is at ``data[topic_start[i]:end[i]]``.

    Attributes:
        data: the packets; what lies between topics and payloads is framing.
        first: ``(n,)`` uint8, the packet's first byte: type, DUP, QoS, RETAIN.
        mid: ``(n,)`` uint16, its packet identifier; 0 with QoS 0.
        topic_start, topic_end, payload_start, end: ``(n,)``, places in ``data``.
        aliased: the topic of each message that named its topic by an alias only; its own is empty.
        repeated: rows that are no news: the broker repeats a QoS 2 message that is here already.
        connection: on which of the session's connections they came.
    """

    data: bytes
    first: NDArray[np.uint8]
    mid: NDArray[np.uint16]
    topic_start: Index
    topic_end: Index
    payload_start: Index
    end: Index
    aliased: dict[int, bytes] = field(default_factory=dict)
    repeated: frozenset[int] = frozenset()
    connection: int = 0

    def __len__(self) -> int:
        return len(self.first)

    @property
    def qos(self) -> NDArray[np.uint8]:
        """``(n,)`` 0, 1 or 2."""
        return self.first >> np.uint8(1) & np.uint8(3)

    def topic(self, row: int) -> bytes:
        """The topic of one message."""
        return self.aliased.get(row) or self.data[self.topic_start[row] : self.topic_end[row]]

    def payload(self, row: int) -> bytes:
        """The payload of one message."""
        return self.data[self.payload_start[row] : self.end[row]]


class Aliases:
    """The topics that the broker has given numbers on this connection (3.3.2.3.4); the next one begins with none."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._topics: dict[int, bytes] = {}

    def resolve(self, alias: int, topic: bytes) -> bytes:
        """The topic of a message with ``alias``; one that says its ``topic`` sets it.

        Raises:
            ProtocolError: 0, more than was allowed, or never set.
        """
        if not 0 < alias <= self._maximum:
            raise ProtocolError(Code.TOPIC_ALIAS_INVALID, f"topic alias {alias}, 1 to {self._maximum} are allowed")
        if topic:
            self._topics[alias] = topic
        elif alias not in self._topics:
            raise ProtocolError(Code.PROTOCOL_ERROR, f"topic alias {alias} is used and was never set")
        return self._topics[alias]


def read_publishes(run: Run, level: int, aliases: Aliases) -> Publishes:
    """The columns of ``run``.

    Raises:
        ProtocolError: one of the messages breaks MQTT. What came with it is given up too: the broker repeats it.
    """
    starts = np.array(run.starts, dtype=np.intp)
    end = np.array(run.ends, dtype=np.intp)
    octets = np.frombuffer(run.data, np.uint8)
    size = end - starts
    first = octets[starts]
    body = starts + 2
    for longest in _MAX_VARINTS:
        body += size > longest
    _require(body + 2 <= end, "a PUBLISH without a topic")
    topic_start = body + 2
    topic_end = topic_start + (octets[body].astype(np.intp) << 8 | octets[body + 1])
    acknowledged = (first & 6) != 0
    after = topic_end + 2 * acknowledged
    _require(after + (level == MQTT_5) <= end, "a PUBLISH that ends within its topic or packet identifier")
    mid = np.zeros(len(starts), np.uint16)
    of = topic_end[acknowledged]
    mid[acknowledged] = octets[of].astype(np.uint16) << 8 | octets[of + 1]
    _require(mid[acknowledged] != 0, "a PUBLISH with packet identifier 0")
    publishes = Publishes(run.data, first, mid, topic_start, topic_end, after, end)
    if level == MQTT_5:
        publishes.payload_start = after + 1
        for row in np.flatnonzero(octets[after]).tolist():
            _read_row(publishes, row, int(after[row]), aliases)
        nameless = np.flatnonzero(topic_end == topic_start)
        if len(nameless) > len(publishes.aliased):
            raise ProtocolError(Code.PROTOCOL_ERROR, "a PUBLISH with neither a topic nor an alias for one")
    return publishes


def _read_row(publishes: Publishes, row: int, at: int, aliases: Aliases) -> None:
    found = read_properties(publishes.data, at, int(publishes.end[row]), IN_PUBLISH)
    publishes.payload_start[row] = found.end
    if Prop.TOPIC_ALIAS in found.numbers:
        said = publishes.topic(row)
        topic = aliases.resolve(found.numbers[Prop.TOPIC_ALIAS], said)
        if not said:
            publishes.aliased[row] = topic


def _require(holds: NDArray[np.bool_], otherwise: str) -> None:
    if not holds.all():
        raise ProtocolError(Code.MALFORMED_PACKET, otherwise)
