"""What has been received and is not yet safe: it becomes safe in one commit, and only then may be acknowledged.

The messages of a run become one block of the journal, with columns that point into the packets as they came; in Python
each costs a slice and a look into a table. What cannot be kept goes to the quarantine, with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.mqtt.publishes import Index, Publishes
from ingest.routes import RouteTable
from journal import JournalWriter
from journal.quarantine import Quarantine
from telemetry.blocks import RawBlock, pack_columns
from telemetry.codec import MAX_PAYLOAD, decode_event, rescue_event
from telemetry.errors import Reason, TelemetryError
from telemetry.records import MAX_TOPIC, Flag, RawMessage, pack_raw
from telemetry.topics import Stream, parse_topic
from telemetry.zigbee2mqtt.topics import Address, BaseTopics

#: Distinct topics kept taken apart; at the limit the table starts anew.
_ROUTES = 1 << 20
#: Bytes that are in a block for nothing, because their message is not kept; beyond it the others are copied together.
_WASTE = 4_096
_RETAIN, _DUP = np.uint8(1), np.uint8(8)  # in a packet's first byte

# What the table has of a topic: the largest payload, shifted, and these bits; or one of the others.
_EVENT, _HUB, _LIMIT_AT = 1, 2, 2
_UNKNOWN, _UNWANTED, _BAD = -1, -2, -3


class EventKey(NamedTuple):
    """Which event is acknowledged: ``boot`` and ``seq`` as the device sent them."""

    device: str
    boot: int
    seq: int


class _Refusal(NamedTuple):
    error: TelemetryError
    message: RawMessage
    device: str | None


class _Event(NamedTuple):
    device: str
    recv_ms: int
    payload: bytes


@dataclass
class Load:
    """What one commit makes safe: ``publishes`` can be acknowledged after it, and :meth:`events` answered."""

    publishes: list[Publishes] = field(default_factory=list)
    records: list[bytes | tuple[bytes, ...]] = field(default_factory=list)
    messages: int = 0
    size: int = 0
    refused: list[_Refusal] = field(default_factory=list)
    heard: list[_Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.records or self.refused or self.publishes)

    def events(self) -> list[EventKey]:
        """The events that can be named in an answer."""
        return [key for event in self.heard if (key := _event_key(event))]

    def write(self, journal: JournalWriter, quarantine: Quarantine) -> None:
        """Make it safe. May run in another thread, one load at a time.

        Raises:
            JournalFull: nothing may be acknowledged yet; this can be called again and goes on where it was.
            CommitFailedError: the disk fails.
        """
        while self.refused:
            error, message, device = self.refused[0]
            quarantine.put(error.reason, error.detail, message, device)
            del self.refused[0]
        quarantine.ensure()
        if self.records:
            journal.append(self.records)
            self.records = []
        journal.commit()


class Inbox:
    """Messages between the connection and the journal."""

    def __init__(self, clock_ms: Callable[[], int], hubs: BaseTopics | None = None) -> None:
        self.received = 0
        self.unwanted = 0
        self.received_bytes = 0
        self.journaled = 0
        self.pending_bytes = 0
        self.quarantined: dict[Reason, int] = {}
        self._clock_ms = clock_ms
        self._hubs = hubs or BaseTopics(())
        self._routes = RouteTable(_UNKNOWN)
        self._load = Load()
        self._under_way = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a commit, or for the end of one."""
        return not (self._load or self._under_way)

    def receive(self, publishes: Publishes) -> None:
        """Take messages over. Never raises: what is wrong with one of them goes to the quarantine."""
        recv_ms = self._clock_ms()
        sizes = publishes.end - publishes.payload_start
        self.received += len(publishes) - len(publishes.repeated)
        self.received_bytes += int(sizes.sum())
        codes = self._codes(publishes)
        errors: dict[int, TelemetryError] = {}
        for row in np.flatnonzero(codes == _UNKNOWN).tolist():
            try:
                codes[row] = self._learn(publishes.topic(row))
            except TelemetryError as error:
                codes[row] = _BAD
                errors[row] = error
        kept = (codes >= 0) & (sizes <= codes >> _LIMIT_AT)
        news = np.ones(len(publishes), np.bool_)
        news[list(publishes.repeated)] = False
        self.unwanted += int((news & (codes == _UNWANTED)).sum())
        for row in np.flatnonzero(news & ~kept & (codes != _UNWANTED)).tolist():
            self._refuse(publishes, row, recv_ms, errors.get(row), int(codes[row]) >> _LIMIT_AT)
        kept &= news
        for row in np.flatnonzero(kept & (codes & _EVENT != 0) & (publishes.first & _RETAIN == 0)).tolist():
            device, _ = parse_topic(publishes.topic(row))
            self._load.heard.append(_Event(device, recv_ms, publishes.payload(row)))
        self._load.publishes.append(publishes)
        bits = int(np.bitwise_or.reduce(codes[kept]))
        self._keep(publishes, kept, recv_ms, events=bool(bits & _EVENT), hubs=bool(bits & _HUB))

    def mark(self, topic: bytes, payload: bytes) -> None:
        """Put a record of our own among the messages, at this place."""
        self._add((pack_raw(self._clock_ms(), 0, topic, payload),), 1)

    def gather(self) -> Load:
        """Everything that has come since the last time, to be written; false where there is nothing."""
        load, self._load = self._load, Load()
        self._under_way += bool(load)
        return load

    def written(self, load: Load) -> None:
        """``load`` is safe."""
        self._under_way -= 1
        self.journaled += load.messages
        self.pending_bytes -= load.size

    # ---- inside

    def _codes(self, publishes: Publishes) -> NDArray[np.int64]:
        data = publishes.data
        topics = [data[a:b] for a, b in zip(publishes.topic_start.tolist(), publishes.topic_end.tolist(), strict=True)]
        for row, topic in publishes.aliased.items():
            topics[row] = topic
        return self._routes.find(topics, len(topics))

    def _learn(self, raw: bytes) -> int:
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            raise TelemetryError(Reason.BAD_TOPIC, "the topic is not UTF-8") from None
        address = self._hubs.split(name)
        if address is not None:
            code = _hub_code(raw, address)
        else:
            _, stream = parse_topic(raw)
            code = (MAX_PAYLOAD[stream] << _LIMIT_AT) | (_EVENT if stream is Stream.EVENT else 0)
        if len(self._routes) >= _ROUTES:
            self._routes.clear()
        self._routes.learn(raw, code)
        return code

    def _refuse(self, publishes: Publishes, row: int, recv_ms: int, error: TelemetryError | None, limit: int) -> None:
        topic, payload = publishes.topic(row), publishes.payload(row)
        device = None
        if error is None:
            name = topic.decode()
            error = TelemetryError(Reason.TOO_LARGE, f"{len(payload)} bytes, {name} takes {limit}")
            address = self._hubs.split(name)
            device = parse_topic(topic)[0] if address is None else address.hub
        self.quarantined[error.reason] = self.quarantined.get(error.reason, 0) + 1
        flags = Flag(int(_flags_of(publishes.first[row : row + 1])[0]))
        message = RawMessage(recv_ms, flags, _text_or_nothing(topic), payload)
        self._load.refused.append(_Refusal(error, message, device))
        self._load.size += len(payload)
        self.pending_bytes += len(payload)

    def _keep(self, publishes: Publishes, kept: NDArray[np.bool_], recv_ms: int, *, events: bool, hubs: bool) -> None:
        count = int(np.count_nonzero(kept))
        if not count:
            return
        data, first = publishes.data, publishes.first
        columns = [publishes.topic_start, publishes.topic_end, publishes.payload_start, publishes.end]
        if count < len(publishes):
            first, columns = first[kept], [column[kept] for column in columns]
        if publishes.aliased or len(data) - int((columns[3] - columns[0]).sum()) > _WASTE + 16 * count:
            data, columns = _put_together(publishes, np.flatnonzero(kept))
        nothing = np.empty(0, np.uint8)
        topic_start, topic_end, payload_start, end = (column.astype(np.uint32) for column in columns)
        block = RawBlock(recv_ms, topic_start, topic_end, payload_start, end, _flags_of(first), nothing)
        head = pack_columns(block, events=events, hubs=hubs)
        self._add((head, data), count)

    def _add(self, record: tuple[bytes, ...], messages: int) -> None:
        self._load.records.append(record)
        self._load.messages += messages
        size = sum(map(len, record))
        self._load.size += size
        self.pending_bytes += size


def _flags_of(first: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bits of :class:`telemetry.records.Flag` from packets' first bytes."""
    return (first & _RETAIN) | ((first & _DUP) >> np.uint8(2))


def _put_together(publishes: Publishes, rows: NDArray[np.intp]) -> tuple[bytes, list[Index]]:
    """Topics and payloads of ``rows`` only, back to back, and where they are."""
    parts = [part for row in rows.tolist() for part in (publishes.topic(row), publishes.payload(row))]
    places = np.cumsum([0, *map(len, parts)], dtype=np.intp)
    return b"".join(parts), [places[:-1:2], places[1::2], places[1::2], places[2::2]]


def _text_or_nothing(topic: bytes) -> bytes:
    try:
        topic.decode()
    except UnicodeDecodeError:
        return b""
    return topic


def _hub_code(raw: bytes, address: Address) -> int:
    if len(raw) > MAX_TOPIC:
        raise TelemetryError(
            Reason.BAD_TOPIC, f"{len(raw)} bytes of topic, {MAX_TOPIC} are kept: give the device a shorter name"
        )
    return (address.limit << _LIMIT_AT) | _HUB if address.wanted else _UNWANTED


def _event_key(said: _Event) -> EventKey | None:
    """None where the event cannot be read at all: there is nothing to name in an answer."""
    try:
        event = decode_event(said.payload)
    except TelemetryError:
        rescued = rescue_event(said.payload, said.recv_ms)
        if rescued is None:
            return None
        event = rescued
    return EventKey(said.device, event.boot, event.seq)
