"""What has been received and is not yet safe: it becomes safe in one commit, and only then may be acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import paho.mqtt.client as paho

from journal import JournalWriter
from journal.quarantine import Quarantine
from telemetry.codec import MAX_PAYLOAD, decode_event, rescue_event
from telemetry.errors import Reason, TelemetryError
from telemetry.records import MAX_TOPIC, Flag, RawMessage, pack_raw
from telemetry.topics import Stream, parse_topic
from telemetry.zigbee2mqtt.topics import Address, BaseTopics

#: Distinct topics kept taken apart; at the limit the table starts anew.
_ROUTES = 1 << 18
#: What a record costs beside its payload: header, topic, framing. Only for the bound on memory.
_OVERHEAD_BYTES = 128
_RETAIN = int(Flag.RETAIN)
_DUP = int(Flag.DUP)


class EventKey(NamedTuple):
    """Which event is acknowledged: ``boot`` and ``seq`` as the device sent them."""

    device: str
    boot: int
    seq: int


class Committed(NamedTuple):
    """What one commit made safe: the message ids to acknowledge in this order, the events to answer."""

    mids: list[int]
    events: list[EventKey]


class _Route(NamedTuple):
    """What to do with a topic. ``wanted`` False: acknowledge it and forget it."""

    topic: bytes
    device: str
    limit: int
    is_event: bool
    wanted: bool = True


class Inbox:
    """Messages between the socket and the journal."""

    def __init__(
        self,
        journal: JournalWriter,
        quarantine: Quarantine,
        clock_ms: Callable[[], int],
        hubs: BaseTopics | None = None,
    ) -> None:
        self.received = 0
        self.unwanted = 0
        self.received_bytes = 0
        self.journaled = 0
        self.pending_bytes = 0
        self.quarantined: dict[Reason, int] = {}
        self._journal = journal
        self._quarantine = quarantine
        self._clock_ms = clock_ms
        self._hubs = hubs or BaseTopics(())
        self._routes: dict[str, _Route] = {}
        self._records: list[bytes] = []
        self._refused: list[tuple[TelemetryError, RawMessage, str | None]] = []
        self._mids: list[int] = []
        self._events: list[tuple[str, int, bytes]] = []
        self._appended = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for a commit."""
        return not (self._records or self._refused or self._appended or self._mids)

    def receive(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        """Take one message over; paho's ``on_message``. Never raises: what is wrong with it is part of the record."""
        payload = bytes(message.payload)
        recv_ms = self._clock_ms()
        flags = (_RETAIN if message.retain else 0) | (_DUP if message.dup else 0)
        self.received += 1
        self.received_bytes += len(payload)
        if message.qos:
            self._mids.append(message.mid)
        try:
            name = message.topic
            route = self._routes.get(name) or self._learn(name)
        except UnicodeDecodeError:
            not_text = TelemetryError(Reason.BAD_TOPIC, "the topic is not UTF-8")
            self._refuse(not_text, RawMessage(recv_ms, Flag(flags), b"", payload), None)
            return
        except TelemetryError as error:
            self._refuse(error, RawMessage(recv_ms, Flag(flags), name.encode(), payload), None)
            return
        if not route.wanted:
            self.unwanted += 1
            return
        if len(payload) > route.limit:
            too_large = TelemetryError(Reason.TOO_LARGE, f"{len(payload)} bytes, {name} takes {route.limit}")
            self._refuse(too_large, RawMessage(recv_ms, Flag(flags), route.topic, payload), route.device)
            return
        self.pending_bytes += len(payload) + _OVERHEAD_BYTES
        self._records.append(pack_raw(recv_ms, flags, route.topic, payload))
        if route.is_event and not flags & _RETAIN:
            self._events.append((route.device, recv_ms, payload))

    def mark(self, topic: bytes, payload: bytes) -> None:
        """Put a record of our own among the messages, at this place."""
        self._records.append(pack_raw(self._clock_ms(), 0, topic, payload))
        self.pending_bytes += len(payload) + _OVERHEAD_BYTES

    def forget_acknowledgements(self) -> None:
        """The connection is gone and its message ids with it; the broker will send again what it heard no word of."""
        self._mids.clear()

    def commit(self) -> Committed:
        """Make everything received so far safe.

        Raises:
            JournalFull: nothing may be acknowledged yet; what was received is held, and this can be called again.
        """
        for error, message, device in self._refused:
            self._quarantine.put(error.reason, error.detail, message, device)
            self.quarantined[error.reason] = self.quarantined.get(error.reason, 0) + 1
        self._refused = []
        self._quarantine.ensure()
        if self._records:
            self._journal.append(self._records)
            self._appended += len(self._records)
            self._records = []
        if self._appended:
            self._journal.commit()
        self.journaled += self._appended
        committed = Committed(self._mids, [key for event in self._events if (key := _event_key(*event))])
        self._mids, self._events = [], []
        self._appended = self.pending_bytes = 0
        return committed

    def close(self) -> None:
        """Let the next gateway in. What is not committed is not acknowledged either: the broker delivers it again."""
        self._journal.close()
        self._quarantine.close()

    def _refuse(self, error: TelemetryError, message: RawMessage, device: str | None) -> None:
        self._refused.append((error, message, device))
        self.pending_bytes += len(message.payload) + _OVERHEAD_BYTES

    def _learn(self, name: str) -> _Route:
        raw = name.encode()
        address = self._hubs.split(name)
        if address is not None:
            route = _hub_route(raw, address)
        else:
            device, stream = parse_topic(raw)
            route = _Route(raw, device, MAX_PAYLOAD[stream], stream is Stream.EVENT)
        if len(self._routes) >= _ROUTES:
            self._routes.clear()
        self._routes[name] = route
        return route


def _hub_route(raw: bytes, address: Address) -> _Route:
    if len(raw) > MAX_TOPIC:
        raise TelemetryError(
            Reason.BAD_TOPIC, f"{len(raw)} bytes of topic, {MAX_TOPIC} are kept: give the device a shorter name"
        )
    return _Route(raw, address.hub, address.limit, is_event=False, wanted=address.wanted)


def _event_key(device: str, recv_ms: int, payload: bytes) -> EventKey | None:
    """None where the event cannot be read at all: there is nothing to name in an answer."""
    try:
        event = decode_event(payload)
    except TelemetryError:
        rescued = rescue_event(payload, recv_ms)
        if rescued is None:
            return None
        event = rescued
    return EventKey(device, event.boot, event.seq)
