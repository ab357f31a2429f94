"""Sends what devices produce, over one connection, and keeps what the broker has not taken.

A message counts as published when its PUBACK came. What is in flight when the link breaks goes out again first, with
the same seq and the DUP flag; what was made while the link was down follows in its order, marked ``hist``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from firmware_sim.frames import with_hist
from firmware_sim.mqtt import BrokerAddress, Link, connect_packet, publish_packet, subscribe_packet
from firmware_sim.ranges import Ranges
from telemetry.topics import Stream

#: Reconnecting: the first wait and the longest, each shortened by chance to spread a crowd.
_BACKOFF_S = (0.3, 15.0)
_CONNECT_TIMEOUT_S = 10.0
#: Topics in one SUBSCRIBE, which stays far below every broker's limit of a packet.
_TOPICS_AT_ONCE = 100
_PACKET_IDS = 65_535


class Message:
    """One message from when it is made until the broker has it.

    ``made_in`` is the number of the link it was made in, 0 when there was none. ``waits`` is true from when it is
    handed over until its PUBACK. ``sealed``: it goes out as it is, without a mark of the buffer.
    """

    __slots__ = ("made_in", "outbox", "payload", "retain", "sealed", "seq", "stream", "topic", "waits")

    def __init__(
        self, outbox: Outbox, stream: Stream, topic: bytes, seq: int, payload: bytes, retain: bool = False
    ) -> None:
        self.outbox = outbox
        self.stream = stream
        self.topic = topic
        self.seq = seq
        self.payload = payload
        self.retain = retain
        self.made_in = 0
        self.waits = False
        self.sealed = False


class Outbox:
    """What one device has yet to get rid of, in order, and what the broker took of it.

    When ``room`` messages of motion or vitals wait, the oldest of them is dropped; calls for help and status are not.
    """

    #: Whether what was in flight when the link broke goes out again.
    insists = True

    def __init__(self, room: int) -> None:
        self._room = room
        self.queue: deque[Message] = deque()
        self.published: dict[Stream, Ranges] = {}
        self.dropped: dict[Stream, Ranges] = {}

    def put(self, message: Message) -> None:
        """Add the newest."""
        message.waits = True
        self.queue.append(message)
        if len(self.queue) > self._room:
            self._drop_oldest()

    def taken(self, message: Message) -> None:
        """The broker has ``message``."""
        message.waits = False
        ranges = self.published.get(message.stream)
        if ranges is None:
            ranges = self.published[message.stream] = Ranges()
        ranges.add(message.seq)

    def lost(self, message: Message) -> None:
        """``message`` will never be sent."""
        message.waits = False
        self.dropped.setdefault(message.stream, Ranges()).add(message.seq)

    def _drop_oldest(self) -> None:
        for at, message in enumerate(self.queue):
            if message.stream in (Stream.MOTION, Stream.VITALS):
                del self.queue[at]
                self.lost(message)
                return


class Session:
    """One connection, kept up, for one device or for several.

    Args:
        name: client id, and the device whose login is used.
        address: the broker.
        greet: called at each link-up: what to say first (birth messages, calls nobody answered).
        will: called at each connect: topic and payload of the last will, or None.
        on_message: called with topic and payload of what comes down.
        topics: what to subscribe to.
        rng: jitter of the reconnects.
        window: messages in flight.
        keepalive_s: of the MQTT connection.
    """

    def __init__(
        self,
        name: str,
        address: BrokerAddress,
        *,
        greet: Callable[[], Sequence[Message]],
        will: Callable[[], tuple[str, bytes] | None],
        on_message: Callable[[str, bytes], None],
        topics: Sequence[str],
        rng: np.random.Generator,
        window: int = 64,
        keepalive_s: int = 30,
    ) -> None:
        self.name = name
        self.problem = ""
        self.refusal = 0
        self.links = 0  # how many times the link came up
        self.taken = 0  # PUBACKs of messages
        self._address = address
        self._greet = greet
        self._will = will
        self._on_message = on_message
        self._topics = topics
        self._rng = rng
        self._window = window
        self._keepalive_s = keepalive_s
        self._link: Link | None = None
        self._in_flight: dict[int, tuple[Message, bytes]] = {}
        self._again: deque[tuple[Message, bytes]] = deque()
        self._ready: deque[Outbox] = deque()
        self._packet_id = 0
        self._failures = 0
        self._stopping = False
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._answer: asyncio.Future[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._link is not None and self._link.is_up

    @property
    def pending(self) -> int:
        """Messages that the broker has not taken."""
        return len(self._in_flight) + len(self._again) + sum(len(outbox.queue) for outbox in self._ready)

    def send(self, message: Message) -> None:
        """Hand over a message; it goes out when the link and the window allow."""
        message.made_in = self.links if self.is_up else 0
        outbox = message.outbox
        if not outbox.queue:
            self._ready.append(outbox)
        outbox.put(message)
        if self.is_up:
            self._pump()

    async def run(self, gate: asyncio.Semaphore) -> None:
        """Stay connected until :meth:`stop`. ``gate`` bounds how many connect at the same time."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            link: Link | None = None
            await self._may_connect.wait()
            try:
                async with gate:
                    packet = connect_packet(self.name, self._address.login(self.name), self._keepalive_s, self._will())
                    async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                        self._answer = loop.create_future()
                        _, link = await loop.create_connection(
                            partial(Link, packet, self._keepalive_s, self),
                            self._address.host,
                            self._address.port,
                            ssl=self._address.tls_context,
                        )
                        self._link = link
                        await self._answer
                await link.ended
            except (OSError, TimeoutError) as error:
                self.problem = f"{self._address.host}:{self._address.port}: {error or 'no answer'}"
            finally:
                if link is not None and not link.ended.done():
                    link.close(politely=False)
            if not self._stopping:
                self._failures += 1
                longest = min(_BACKOFF_S[1], _BACKOFF_S[0] * 2 ** (self._failures - 1))
                await asyncio.sleep(longest * self._rng.uniform(0.5, 1.0))

    def stop(self) -> None:
        """Say goodbye and connect no more."""
        self._stopping = True
        if self._link is not None:
            self._link.close()

    def drop_link(self) -> None:
        """Break the connection as a lost radio does: no DISCONNECT, so that the will is published."""
        if self._link is not None:
            self._link.close(politely=False, why="dropped here")

    def cut(self) -> None:
        """Break the connection and make no other until :meth:`mend`."""
        self._may_connect.clear()
        self.drop_link()

    def mend(self) -> None:
        """Connect again."""
        self._failures = 0
        self._may_connect.set()

    def forget(self, outbox: Outbox) -> list[Message]:
        """Send nothing more of ``outbox``; what of it the broker has not taken."""
        sent = [message for message, _ in (*self._in_flight.values(), *self._again)]
        self._in_flight = {number: one for number, one in self._in_flight.items() if one[0].outbox is not outbox}
        self._again = deque(one for one in self._again if one[0].outbox is not outbox)
        if outbox.queue:
            self._ready.remove(outbox)
        waiting = [*(message for message in sent if message.outbox is outbox), *outbox.queue]
        outbox.queue.clear()
        return waiting

    # What the link says.

    def link_up(self) -> None:
        """The broker accepted us: subscribe, greet, send again what was in flight, then what waits."""
        assert self._link is not None
        if not self._may_connect.is_set():
            self._link.close(politely=False, why="cut here")
            return
        self._failures = 0
        self.problem = ""
        self.refusal = 0
        self.links += 1
        for start in range(0, len(self._topics), _TOPICS_AT_ONCE):
            self._link.send(subscribe_packet(self._topics[start : start + _TOPICS_AT_ONCE], self._free_id()))
        for message in self._greet():
            message.made_in = self.links
            message.waits = True
            self._transmit(message, message.payload)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)
        self._pump()

    def link_down(self, why: str) -> None:
        """Keep what was in flight for the next link."""
        if self._link is not None and self._link.refusal:
            self.refusal = self._link.refusal
        if not self._stopping:
            self.problem = why
        self._link = None
        in_flight = [*self._in_flight.values(), *self._again]
        # of a status message a birth comes instead
        self._again = deque(
            sent for sent in in_flight if sent[0].stream is not Stream.STATUS and sent[0].outbox.insists
        )
        self._in_flight.clear()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(why))

    def confirmed(self, packet_id: int) -> None:
        """The broker took a message."""
        sent = self._in_flight.pop(packet_id, None)
        if sent is None:
            return
        self.taken += 1
        sent[0].outbox.taken(sent[0])
        if self._ready or self._again:
            self._pump()

    def received(self, topic: str, payload: bytes) -> None:
        """A command came."""
        self._on_message(topic, payload)

    def subscribed(self, refused: int) -> None:
        """Not being allowed to hear commands is worth a word: calls for help will never be acknowledged."""
        if refused:
            self.problem = f"{self.name} may not subscribe to {refused} of its cmd topics"

    def writable(self) -> None:
        """Go on sending."""
        self._pump()

    # Sending.

    def _pump(self) -> None:
        link = self._link
        if link is None or not link.is_up:
            return
        while len(self._in_flight) < self._window and not link.is_paused:
            if self._again:
                message, payload = self._again.popleft()
                self._transmit(message, payload, dup=True)
            elif self._ready:
                outbox = self._ready[0]
                message = outbox.queue.popleft()
                if outbox.queue:
                    self._ready.rotate(-1)
                else:
                    self._ready.popleft()
                stale = message.made_in != self.links and message.stream in (Stream.MOTION, Stream.VITALS)
                keeps = stale and not message.sealed
                self._transmit(message, with_hist(message.payload) if keeps else message.payload)
            else:
                return

    def _transmit(self, message: Message, payload: bytes, *, dup: bool = False) -> None:
        assert self._link is not None
        packet_id = self._free_id()
        self._in_flight[packet_id] = (message, payload)
        self._link.send(publish_packet(message.topic, payload, packet_id, retain=message.retain, dup=dup))

    def _free_id(self) -> int:
        while True:
            self._packet_id = self._packet_id % _PACKET_IDS + 1
            if self._packet_id not in self._in_flight:
                return self._packet_id
