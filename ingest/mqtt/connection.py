"""The connection of a session to its broker: it comes back whenever it is lost, and stands still when told to.

An ``asyncio.BufferedProtocol``: the event loop reads straight into the session's buffer. A connection that is not read
for minutes, because there is no room for what would come, neither goes silent nor is taken for dead: pings go out, and
nobody waits for their answers, which stand behind the messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.gateway_settings import GatewaySettings
from ingest.mqtt.errors import ProtocolError
from ingest.mqtt.events import Connected, Dismissed, Event, Published, Refused, Subscribed
from ingest.mqtt.packets import MQTT_3_1_1, MQTT_5, Connect
from ingest.mqtt.publishes import Publishes
from ingest.mqtt.reasons import Code, describe
from ingest.mqtt.retries import STABLE_S, Retries
from ingest.mqtt.session import Session, State
from ingest.mqtt.transport import Wire, tls_context

_log = logging.getLogger(__name__)

#: How long leaving may take.
_CLOSING_S = 1.0
#: After a read of less than this nothing is read for a moment: a broker writes every message by itself, and to be woken
#: for each costs ten times more than to take the messages of the moment at once.
_SMALL_READ = 64 << 10
_BREATH_S = 0.004
#: For the log: name of the connection, host, port, user, client id, the broker's reason in two parts.
REFUSED = (
    "%s: %s:%d refuses user %r with client id %r: %s %s. Check user name, password and ACL of the broker"
    " (`carecircle setup mosquitto` makes them)"
)
#: For the log: name of the connection, seconds, client id.
ENDS_EARLY = (
    "%s: connections ended again and again within %.0f s: is another client using the id %r? Run one gateway per"
    " broker, and set `use_username_as_clientid true` there. Or does the broker's ACL refuse what we publish"
    " (care/v1/+/cmd)? mosquitto then closes the connection"
)
_VERSION = {MQTT_5: "MQTT 5", MQTT_3_1_1: "MQTT 3.1.1"}


@dataclass(frozen=True)
class ReceiverEvents:
    """What a receiver tells its owner, from within the event loop."""

    connected: Callable[[bool], None]  # session_present
    arrived: Callable[[], None]  # there are messages to take
    lost: Callable[[], None]  # the connection; what had come can be taken now for the last time
    published: Callable[[int, int], None]  # the number of a message that the broker acknowledged, and its reason code
    subscribed: Callable[[bool], None]  # whether every filter was granted


class Receiver:
    """:meth:`run` keeps it connected; call :meth:`advance` a few times a second. ``heard_s`` is when the broker was.

    Instants are seconds of ``time.monotonic``.
    """

    def __init__(
        self, name: str, settings: GatewaySettings, connect: Connect, events: ReceiverEvents, *, capacity: int = 1 << 20
    ) -> None:
        self.name = name
        self.connections = 0
        self.refused = 0
        self.ended_in_silence = False
        self.heard_s = 0.0
        self._settings = settings
        self._connect = connect
        self._events = events
        self._session = Session(connect, capacity=capacity)
        self._wire: Wire | None = None
        self._over = asyncio.Event()
        self._held = False
        self._paused = False
        self._breathing = False
        self._retry_in_s: float | None = None
        self._deadline_s = 0.0
        self._up_since_s = 0.0
        self._ping_at_s = 0.0
        self._keepalive_s = settings.keepalive_s
        self._retries = Retries(settings.backoff_min_s, settings.backoff_max_s)

    @property
    def is_up(self) -> bool:
        """Whether the broker has accepted the connection and it is not known to be lost."""
        return self._wire is not None and self._session.state is State.UP

    @property
    def pending_bytes(self) -> int:
        """Received and not taken."""
        return self._session.pending_bytes

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be received before :meth:`take`."""
        return self._session.is_full

    # ---- what the owner does

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled."""
        while True:
            began_s = time.monotonic()
            wait_s = await self._live_once()
            await asyncio.sleep(max(began_s + wait_s - time.monotonic(), 0))

    def advance(self, now_s: float) -> None:
        """Do what is due: ping, give a dead connection up."""
        if self._wire is None:
            return
        if self._session.state is State.CONNECTING:
            if now_s >= self._deadline_s:
                self._end("no CONNACK in time", abort=True)
        elif not self._paused and now_s - self.heard_s > 1.5 * self._keepalive_s:
            self._end(f"nothing heard for {now_s - self.heard_s:.0f} s", abort=True)
        elif now_s >= self._ping_at_s:
            self._ping_at_s = now_s + self._keepalive_s / 2
            self._session.ping()
            self.flush()

    def take(self) -> Publishes | None:
        """The messages that have come and were not taken yet."""
        try:
            publishes = self._session.take()
        except ProtocolError as error:
            self._break(error)
            return None
        self._read_or_not()
        return publishes

    def discard(self) -> None:
        """Give up what was not taken; the broker sends it again on the next connection."""
        self._session.discard()

    def acknowledge(self, publishes: Publishes) -> int:
        """These are safe; how many acknowledgements went out."""
        count = self._session.acknowledge(publishes)
        self.flush()
        return count

    def hold(self, held: bool) -> None:
        """Stop reading, or go on; the silence in between was ours."""
        self._held = held
        self._read_or_not()

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1. Raises NotConnectedError."""
        self._session.subscribe(filters)
        self.flush()

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End these subscriptions. Raises NotConnectedError."""
        if filters:
            self._session.unsubscribe(filters)
            self.flush()

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish with QoS 1 at the next :meth:`flush`; the number that ``published`` will have.

        Raises NotConnectedError.
        """
        return self._session.publish(topic, payload)

    def flush(self) -> None:
        """Send what waits."""
        if self._wire is not None and (out := self._session.output()):
            self._wire.transport.write(out)

    def drop(self, why: str) -> None:
        """Give this connection up and try again later."""
        self._session.disconnect()
        self.flush()
        self._end(why)

    async def close(self) -> None:
        """Send what is waiting and leave, telling the broker (the session is kept).

        What still comes is read and thrown away until the broker has closed: closing a socket with unread bytes resets
        the connection, and the broker would throw away the acknowledgements that it has not read yet.
        """
        wire = self._wire
        if wire is None:
            return
        self._session.disconnect()
        self.flush()
        self._wire = None
        wire.leave()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wire.closed.wait(), _CLOSING_S)
        wire.transport.abort()

    # ---- one connection

    async def _live_once(self) -> float:
        """Connect and stay until the connection is lost; how long after this attempt the next may be, in seconds."""
        settings = self._settings
        wire = Wire(self)
        self._over.clear()
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                context = await asyncio.to_thread(tls_context, settings) if settings.tls else None
                loop = asyncio.get_running_loop()
                name = settings.host if context else None
                await loop.create_connection(
                    lambda: wire, settings.host, settings.port, ssl=context, server_hostname=name
                )
        except (OSError, ValueError, TimeoutError) as error:
            _log.warning("%s: cannot connect to %s:%d: %s: %s", self.name, *self._address, type(error).__name__, error)
            if self._wire is wire:  # the time was up at the very moment
                self._end("connected too late", abort=True)
            return self._retries.wait_s()
        await self._over.wait()
        return self._retries.wait_s() if self._retry_in_s is None else self._retry_in_s

    def made(self, wire: Wire) -> None:
        """See :class:`ingest.mqtt.transport.Reader`."""
        self._wire = wire
        self._retry_in_s = None
        self._paused = False
        self._deadline_s = time.monotonic() + self._settings.connect_timeout_s
        self._session.open()
        self.flush()

    def room(self) -> memoryview:
        """See :class:`ingest.mqtt.transport.Reader`."""
        return self._session.room()

    def received(self, count: int) -> None:
        """See :class:`ingest.mqtt.transport.Reader`."""
        self.heard_s = time.monotonic()
        session = self._session
        try:
            for event in session.received(count):
                self._happened(event)
                if self._wire is None:
                    return
        except ProtocolError as error:
            self._break(error)
            return
        self.flush()
        if session.pending:
            self._events.arrived()
            if count < _SMALL_READ and not self._breathing:
                self._breathing = True
                asyncio.get_running_loop().call_later(_BREATH_S, self._breathed)
        self._read_or_not()

    def _breathed(self) -> None:
        self._breathing = False
        self._read_or_not()

    def _happened(self, event: Event) -> None:
        match event:
            case Connected(session_present, keepalive_s):
                self._up_since_s = self.heard_s
                self._keepalive_s = keepalive_s or self._settings.keepalive_s
                self._ping_at_s = self.heard_s + self._keepalive_s / 2
                self.connections += 1
                _log.info(
                    "%s: connected to %s:%d with %s, session present: %s",
                    self.name, *self._address, _VERSION[self._session.level], session_present,
                )  # fmt: skip
                self._events.connected(session_present)
            case Refused(Code.UNSUPPORTED_PROTOCOL, _, level) if level == MQTT_5:
                self._fall_back("the broker does not speak MQTT 5")
            case Refused(code, reason, _):
                self.refused += 1
                user, client_id = self._connect.username, self._connect.client_id
                _log.error(REFUSED, self.name, *self._address, user, client_id, describe(code), reason)
                self._end("refused")
            case Subscribed():
                self._events.subscribed(event.granted)
            case Published(mid, code):
                self._events.published(mid, code)
            case Dismissed(code, reason):
                self._end(f"the broker says: {describe(code)} {reason}".rstrip())

    def _read_or_not(self) -> None:
        """Nothing is read while the owner holds, or while there is no room; but for the answer to CONNECT."""
        if self._wire is None:
            return
        pause = (self._held and self._session.state is State.UP) or self._session.is_full or self._breathing
        if pause is self._paused:
            return
        self._paused = pause
        if pause:
            self._wire.transport.pause_reading()
        else:
            self.heard_s = time.monotonic()
            self._wire.transport.resume_reading()

    # ---- the end of one

    def _break(self, error: ProtocolError) -> None:
        self._session.disconnect(error.code)
        self.flush()
        self._end(f"the broker's packet cannot be read: {error}")

    def closed(self, error: Exception | None) -> None:
        """See :class:`ingest.mqtt.transport.Reader`."""
        if self._session.state is State.CONNECTING and self._session.level == MQTT_5:
            self._fall_back("the broker closed the connection without an answer to CONNECT")
        else:
            self._end("closed by the broker" if error is None else f"{type(error).__name__}: {error}")

    def _fall_back(self, why: str) -> None:
        """A broker that does not know MQTT 5 may say so or just close; the next attempt is made with MQTT 3.1.1."""
        self._end(why)
        self._session.level = MQTT_3_1_1
        self._retry_in_s = 0.0

    def _end(self, why: str, *, abort: bool = False) -> None:
        wire = self._wire
        if wire is None:
            return
        was_up = self._up_since_s > 0
        lived_s = time.monotonic() - self._up_since_s
        _log.warning("%s: connection to %s:%d lost: %s", self.name, *self._address, why)
        self._wire = None
        self._over.set()  # before anything that may fail: without it no other connection is made
        self._up_since_s = 0.0
        if was_up:
            self.ended_in_silence = self._session.level == MQTT_3_1_1 and lived_s < STABLE_S
            self._events.lost()
        self._session.lost()
        self._session.level = MQTT_5
        if abort:
            wire.transport.abort()
        else:
            wire.leave()
            wire.transport.close()
        if was_up and self._retries.ended(lived_s):
            _log.error(ENDS_EARLY, self.name, STABLE_S, self._connect.client_id)

    @property
    def _address(self) -> tuple[str, int]:
        return self._settings.host, self._settings.port
