"""One MQTT session over as many connections as it takes, without a socket or a clock: bytes in, bytes and events out.

Received messages are neither acknowledged nor handed out one by one: :meth:`Session.take` gives all that have come, and
:meth:`Session.acknowledge` says that they are safe.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Sequence, Set
from enum import Enum

from ingest.mqtt import packets
from ingest.mqtt.errors import NotConnectedError, ProtocolError
from ingest.mqtt.events import Connected, Dismissed, Event, Pong, Published, Refused, Subscribed
from ingest.mqtt.intake import Intake, Packet, Run
from ingest.mqtt.packets import MQTT_3_1_1, MQTT_5, Connack, Connect, Type
from ingest.mqtt.publishes import Aliases, Publishes, read_publishes
from ingest.mqtt.reasons import Code

_QOS = 1
_MIDS = 0xFFFF


class State(Enum):
    """Where the connection stands, as far as the session can see."""

    CLOSED = "closed"
    CONNECTING = "connecting"  # CONNECT is sent, CONNACK awaited
    UP = "up"


class Session:
    """Call :meth:`open` when a connection is made, :meth:`lost` when it has ended; write out what :meth:`output` gives.

    A session outlives its connections: packet identifiers of QoS 2 messages that were received stay known, so that
    what the broker repeats on the next connection is not received twice. Topic aliases do not outlive them.
    """

    def __init__(self, connect: Connect, *, level: int = MQTT_5, capacity: int = 1 << 20) -> None:
        self.state = State.CLOSED
        self.level = level
        self.connections = 0
        self._connect = connect
        self._intake = Intake(capacity, connect.maximum_packet_bytes)
        self._aliases = Aliases(0)
        self._exactly_once: set[int] = set()
        self._repeated: set[int] = set()
        self._out = bytearray()
        self._broker = Connack(False, 0, "")
        self._mid = 0
        self._subscribing: set[int] = set()
        self._unsubscribing: set[int] = set()
        self._in_flight: set[int] = set()
        self._waiting: deque[tuple[int, bytes]] = deque()

    # ---- what the transport does

    def open(self) -> None:
        """A connection is made: CONNECT."""
        self.connections += 1
        self.state = State.CONNECTING
        self._forget_connection()
        connect = self._connect
        if self.level == MQTT_3_1_1:  # has no such limit to tell the broker
            connect = dataclasses.replace(connect, topic_alias_maximum=0)
        self._aliases = Aliases(connect.topic_alias_maximum)
        self._out += packets.connect(connect, self.level)

    def lost(self) -> None:
        """The connection has ended. What was not taken is gone: its acknowledgement was never sent."""
        self.state = State.CLOSED
        self._forget_connection()

    def _forget_connection(self) -> None:
        self.discard()
        self._intake.reset()
        self._out.clear()
        self._subscribing.clear()
        self._unsubscribing.clear()
        self._in_flight.clear()
        self._waiting.clear()
        self._mid = 0

    def room(self) -> memoryview:
        """Where received bytes go; not while :attr:`is_full`."""
        return self._intake.room()

    @property
    def is_full(self) -> bool:
        """Whether no more can be received before :meth:`take`."""
        return self._intake.is_full

    @property
    def pending_bytes(self) -> int:
        """What was received and not taken."""
        return self._intake.pending_bytes

    @property
    def pending(self) -> int:
        """How many messages :meth:`take` would give, or a few more."""
        return len(self._intake)

    def received(self, count: int) -> list[Event]:
        """``count`` bytes were written to :meth:`room`; what happened by that, in order.

        Raises:
            ProtocolError: the connection is of no use any more. Send :meth:`disconnect` with its code and close.
        """
        events: list[Event] = []
        for packet in self._intake.received(count):
            event = self._handle(packet)
            if event is not None:
                events.append(event)
        if self.state is State.CONNECTING and self._intake.pending_bytes and len(self._intake):
            raise ProtocolError(Code.PROTOCOL_ERROR, "a PUBLISH before CONNACK")
        return events

    def output(self) -> bytes:
        """What is to be sent now; forgets it."""
        out = bytes(self._out)
        self._out.clear()
        return out

    # ---- received messages

    def take(self) -> Publishes | None:
        """All messages that have come and were not taken yet; None where there are none.

        Raises:
            ProtocolError: as :meth:`received`; the messages are given up, the broker repeats them.
        """
        run = self._intake.take()
        if not len(run):
            return None
        repeated, self._repeated = frozenset(self._repeated), set()
        try:
            publishes = read_publishes(run, self.level, self._aliases)
        except ProtocolError:
            self._give_up(run, repeated)
            raise
        publishes.connection = self.connections
        publishes.repeated = repeated
        return publishes

    def discard(self) -> None:
        """Give up what was not taken: as if it had never come."""
        self._give_up(self._intake.take(), self._repeated)
        self._repeated.clear()

    def _give_up(self, run: Run, repeated: Set[int]) -> None:
        if self._exactly_once:
            for row, (start, end) in enumerate(zip(run.starts, run.ends, strict=True)):
                if run.data[start] & 4 and row not in repeated:
                    body = run.data[start + 1 : end]
                    self._exactly_once.discard(_packet_id(body[next(k for k, b in enumerate(body) if b < 128) + 1 :]))

    def acknowledge(self, publishes: Publishes) -> int:
        """These are safe: PUBACK and PUBREC, each in the order of arrival; how many.

        Nothing is sent for another connection than the one they came on: their numbers mean nothing on this one.
        """
        if self.state is not State.UP or publishes.connection != self.connections:
            return 0
        qos = publishes.qos
        at_least_once = publishes.mid[qos == 1]
        self._out += packets.pubacks(at_least_once)
        exactly_once = publishes.mid[qos == 2].tolist()
        for mid in exactly_once:
            self._out += packets.pubrec(mid)
        return len(at_least_once) + len(exactly_once)

    # ---- what is asked of the broker; raises NotConnectedError unless UP

    def subscribe(self, filters: Sequence[str], qos: int = _QOS) -> None:
        """Subscribe to ``filters``; the answer is a :class:`Subscribed`."""
        self._subscribing.add(mid := self._next_mid("subscribe"))
        self._out += packets.subscribe(mid, filters, qos, self.level)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End the subscriptions to ``filters``."""
        self._unsubscribing.add(mid := self._next_mid("unsubscribe"))
        self._out += packets.unsubscribe(mid, filters, self.level)

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish with QoS 1; the number that :class:`Published` will have.

        It waits here while as many are under way as the broker allows.
        """
        mid = self._next_mid("publish")
        packet = packets.publish(mid, topic, payload, self.level)
        if len(self._in_flight) < self._broker.receive_maximum:
            self._send_publish(mid, packet)
        else:
            self._waiting.append((mid, packet))
        return mid

    def ping(self) -> None:
        """PINGREQ."""
        self._out += packets.PINGREQ

    def disconnect(self, code: int = Code.SUCCESS) -> None:
        """DISCONNECT; the broker keeps the session as long as CONNECT said. Nothing is sent or read after it."""
        if self.state is not State.CLOSED:
            self._out += packets.disconnect(code, self.level)
        self.state = State.CLOSED

    # ---- inside

    def _send_publish(self, mid: int, packet: bytes) -> None:
        self._in_flight.add(mid)
        self._out += packet

    def _next_mid(self, what: str) -> int:
        if self.state is not State.UP:
            raise NotConnectedError(what)
        taken = {mid for mid, _ in self._waiting} if self._waiting else ()
        while True:
            self._mid = self._mid % _MIDS + 1
            used = (self._in_flight, self._subscribing, self._unsubscribing, taken)
            if not any(self._mid in one for one in used):
                return self._mid

    def _handle(self, packet: Packet) -> Event | None:
        kind = Type(packet.first >> 4)
        if (self.state is State.CONNECTING) is not (kind is Type.CONNACK) and self.state is not State.CLOSED:
            raise ProtocolError(Code.PROTOCOL_ERROR, f"{kind.name} while {self.state.value}")
        if kind is Type.PUBLISH:
            self._exactly_once_arrived(packet)
            return None
        return _HANDLERS[kind](self, packet.body)

    def _exactly_once_arrived(self, packet: Packet) -> None:
        mid = _packet_id(packet.body)
        if mid in self._exactly_once:
            self._repeated.add(packet.row)
        else:
            self._exactly_once.add(mid)

    def _on_connack(self, body: bytes) -> Event:
        answer = packets.read_connack(body, self.level)
        if answer.code >= Code.FAILURE:
            self.state = State.CLOSED
            return Refused(answer.code, answer.reason, self.level)
        if answer.code:
            raise ProtocolError(Code.PROTOCOL_ERROR, f"CONNACK with reason code {answer.code}")
        self.state = State.UP
        self._broker = answer
        if not answer.session_present:
            self._exactly_once.clear()
        keepalive_s = self._connect.keepalive_s if answer.keepalive_s is None else answer.keepalive_s
        return Connected(answer.session_present, keepalive_s)

    def _on_puback(self, body: bytes) -> Event | None:
        answer = packets.read_answer(body, self.level)
        if answer.mid not in self._in_flight:
            return None
        self._in_flight.remove(answer.mid)
        if self._waiting:
            self._send_publish(*self._waiting.popleft())
        return Published(*answer)

    def _on_pubrel(self, body: bytes) -> None:
        mid = packets.read_answer(body, self.level).mid
        known = mid in self._exactly_once
        self._exactly_once.discard(mid)
        self._out += packets.pubcomp(mid, self.level, known=known)

    def _on_suback(self, body: bytes) -> Event | None:
        answer = packets.read_granted(body, self.level)
        if answer.mid not in self._subscribing:
            raise ProtocolError(Code.PROTOCOL_ERROR, f"SUBACK for {answer.mid}, which was not asked for")
        self._subscribing.remove(answer.mid)
        return Subscribed(answer.codes)

    def _on_unsuback(self, body: bytes) -> None:
        self._unsubscribing.discard(packets.read_granted(body, self.level, codes=False).mid)

    def _on_pingresp(self, body: bytes) -> Event:
        if body:
            raise ProtocolError(Code.MALFORMED_PACKET, f"a PINGRESP of {len(body)} bytes")
        return Pong()

    def _on_disconnect(self, body: bytes) -> Event:
        self.state = State.CLOSED
        return Dismissed(*packets.read_disconnect(body, self.level))

    def _on_unasked(self, _body: bytes) -> None:
        raise ProtocolError(Code.PROTOCOL_ERROR, "PUBREC or PUBCOMP, and nothing was published with QoS 2")


_HANDLERS = {
    Type.CONNACK: Session._on_connack,
    Type.PUBACK: Session._on_puback,
    Type.PUBREC: Session._on_unasked,
    Type.PUBCOMP: Session._on_unasked,
    Type.PUBREL: Session._on_pubrel,
    Type.SUBACK: Session._on_suback,
    Type.UNSUBACK: Session._on_unsuback,
    Type.PINGRESP: Session._on_pingresp,
    Type.DISCONNECT: Session._on_disconnect,
}


def _packet_id(body: bytes) -> int:
    """Of a PUBLISH with QoS 1 or 2, from its body."""
    at = 2 + int.from_bytes(body[:2], "big")
    mid = int.from_bytes(body[at : at + 2], "big")
    if at + 2 > len(body) or not mid:
        raise ProtocolError(Code.MALFORMED_PACKET, "a PUBLISH without a packet identifier")
    return mid
