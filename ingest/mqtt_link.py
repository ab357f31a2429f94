"""One MQTT connection that comes back: paho-mqtt driven by the caller's own loop, on one thread.

Only paho's public interface is used. Each connection gets a fresh paho client, so no state of the last one is left in
it. Acknowledgements and pings are written here rather than by paho: a thousand PUBACKs are one ``send``, and a
connection whose socket is deliberately not read for minutes must neither go silent nor be taken for dead.
"""

from __future__ import annotations

import contextlib
import logging
import random
import selectors
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.gateway_settings import GatewaySettings
from ingest.mqtt_opening import Login, Opening

_log = logging.getLogger(__name__)

_PINGREQ = b"\xc0\x00"
_DISCONNECT = b"\xe0\x00"
_PUBACK = 0x4002  # packet type and remaining length
_SUBSCRIPTION_REFUSED = 0x80  # [MQTT-3.9.3-2]
#: How long leaving may take.
_CLOSING_S = 1.0
#: A connection that lived this long was a good one: the back-off starts again from its minimum.
_STABLE_S = 10.0
#: This many connections in a row that ended early are more than a restart of the broker.
_SUSPICIOUS = 3

MessageCallback = Callable[[paho.Client, object, paho.MQTTMessage], None]


class LinkState(Enum):
    """Where a connection stands."""

    WAITING = "waiting"  # until the next attempt
    OPENING = "opening"  # a thread resolves, connects and shakes hands
    CONNECTING = "connecting"  # CONNECT is sent, CONNACK awaited
    UP = "up"
    CLOSED = "closed"  # for good, by us


@dataclass(frozen=True)
class LinkEvents:
    """What a link tells its owner, always from within the owner's own call into the link."""

    connected: Callable[[bool], None]  # session_present
    lost: Callable[[], None]
    published: Callable[[int], None]  # the message id that the broker acknowledged
    subscribed: Callable[[bool], None]  # whether every filter was granted
    message: MessageCallback


class Link:
    """Call :meth:`advance` and :meth:`register` often, :meth:`read` when its socket is readable.

    :meth:`flush` belongs to a writable socket. ``heard_s`` is when the broker was last heard.

    Instants are seconds of one monotonic clock, given by the caller.
    """

    def __init__(
        self, name: str, settings: GatewaySettings, login: Login, events: LinkEvents, selector: selectors.BaseSelector
    ) -> None:
        self.name = name
        self.state = LinkState.WAITING
        self.connections = 0
        self.refused = 0
        self.heard_s = 0.0
        self.reading = True
        self._settings = settings
        self._login = login
        self._events = events
        self._client: paho.Client | None = None
        self._sock: socket.socket | None = None
        self._opening: Opening | None = None
        self._retry_at_s = 0.0
        self._attempt = 0
        self._deadline_s = 0.0
        self._up_since_s = 0.0
        self._ping_at_s = 0.0
        self._now_s = 0.0
        self._early_ends = 0
        self._raw = bytearray()
        self._raw_begun = False
        self._selector = selector
        self._registered = 0

    @property
    def is_up(self) -> bool:
        """Whether the broker has accepted the connection and it is not known to be lost."""
        return self.state is LinkState.UP

    # ---- driven by the owner's loop

    def advance(self, now_s: float) -> None:
        """Do what is due: try to connect, take over an opened connection, ping, give up on a dead one."""
        self._now_s = now_s
        if self.state is LinkState.WAITING:
            if now_s >= self._retry_at_s:
                self._opening = Opening(self._settings, self._login)
                self.state = LinkState.OPENING
        elif self.state is LinkState.OPENING:
            self._take_over()
        elif self.state is LinkState.CONNECTING:
            if now_s >= self._deadline_s:
                self._drop("no CONNACK in time")
        elif self.state is LinkState.UP:
            keepalive_s = self._settings.keepalive_s
            if self.reading and now_s - self.heard_s > 1.5 * keepalive_s:
                self._drop(f"nothing heard for {now_s - self.heard_s:.0f} s")
                return
            if now_s >= self._ping_at_s:
                self._ping_at_s = now_s + keepalive_s / 2
                self._raw += _PINGREQ
            self.flush()

    def register(self) -> None:
        """Bring the selector to what this link waits for now. The key's data is the link."""
        mask = 0
        if self._sock is not None:
            mask = (selectors.EVENT_READ if self._wants_read else 0) | (
                selectors.EVENT_WRITE if self._wants_write else 0
            )
        if mask == self._registered:
            return
        assert self._sock is not None
        if not mask:
            self._selector.unregister(self._sock)
        elif self._registered:
            self._selector.modify(self._sock, mask, self)
        else:
            self._selector.register(self._sock, mask, self)
        self._registered = mask

    def has_buffered(self) -> bool:
        """Whether TLS has decrypted bytes that no selector can see."""
        return self._wants_read and isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def read(self, now_s: float, more: Callable[[], bool]) -> None:
        """Take in what has come, until nothing is left, or ``more`` (asked after each packet) says no."""
        self._now_s = self.heard_s = now_s
        while self._client is not None and self._wants_read:
            try:
                code = self._client.loop_read()
            except (struct.error, IndexError, ValueError, OSError) as error:
                self._drop(f"the broker's packet cannot be read: {error!r}")
                return
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._drop(f"{paho.error_string(code)}")
                return
            if not more():
                break
        self.flush()

    def flush(self) -> None:
        """Write what is waiting, as far as the socket takes it."""
        client = self._client
        if client is None:
            return
        # A packet that was cut in two must be finished before any other starts.
        if self._raw_begun and not self._send_raw():
            return
        if client.want_write():
            code = client.loop_write()
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._drop(paho.error_string(code))
                return
            if client.want_write():
                return
        if self._raw:
            self._send_raw()

    # ---- what the owner sends

    def ack(self, mids: Sequence[int]) -> None:
        """PUBACK for each, in this order."""
        if self.is_up and mids:
            packets = np.empty((len(mids), 2), dtype=">u2")
            packets[:, 0] = _PUBACK
            packets[:, 1] = mids
            self._raw += packets.tobytes()
            self.flush()

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish with QoS 1; the message id that ``published`` will be called with. Only while :attr:`is_up`."""
        assert self._client is not None
        info = self._client.publish(topic, payload, qos=1)
        return info.mid

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1. Only while :attr:`is_up`."""
        assert self._client is not None
        self._client.subscribe([(one, 1) for one in filters])

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End these subscriptions. Only while :attr:`is_up`."""
        assert self._client is not None
        if filters:
            self._client.unsubscribe(list(filters))

    def resume_reading(self, now_s: float) -> None:
        """Read again after :attr:`reading` was False; the silence in between was ours."""
        self.reading = True
        self.heard_s = now_s

    def drop(self, why: str) -> None:
        """Give this connection up and try again later."""
        self._drop(why)

    def close(self) -> None:
        """Write what is waiting and leave for good, telling the broker (no will is sent, the session is kept)."""
        if self._sock is not None and self.is_up:
            self._sock.settimeout(_CLOSING_S)
            self.flush()
            self._raw += _DISCONNECT
            self.flush()
        if self._sock is not None:
            _let_go(self._sock)
        self.state = LinkState.CLOSED
        self._forget_socket()

    # ---- inside

    @property
    def _wants_read(self) -> bool:
        return self.reading or self.state is LinkState.CONNECTING

    @property
    def _wants_write(self) -> bool:
        return bool(self._raw) or (self._client is not None and self._client.want_write())

    def _take_over(self) -> None:
        opening = self._opening
        assert opening is not None
        if opening.is_alive():
            return
        self._opening = None
        if opening.client is None:
            _log.warning("%s: cannot connect to %s:%d: %s", self.name, *self._address, opening.error)
            self._schedule_retry()
            return
        client = opening.client
        client.on_message = self._events.message
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        sock = client.socket()
        assert isinstance(sock, socket.socket)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client, self._sock = client, sock
        self._deadline_s = self._now_s + self._settings.connect_timeout_s
        self.state = LinkState.CONNECTING

    def _on_connect(
        self, _client: paho.Client, _: object, flags: paho.ConnectFlags, code: ReasonCode, __: Properties | None
    ) -> None:
        if code.is_failure:
            self.refused += 1
            _log.error(
                "%s: %s:%d refuses user %r with client id %r: %s. Check user name, password and ACL of the broker"
                " (`carecircle setup mosquitto` makes them)",
                self.name,
                *self._address,
                self._login.username,
                self._login.client_id,
                code,
            )
            return
        self.state = LinkState.UP
        self._up_since_s = self.heard_s = self._now_s
        self._ping_at_s = self._now_s + self._settings.keepalive_s / 2
        self.connections += 1
        _log.info("%s: connected to %s:%d, session present: %s", self.name, *self._address, flags.session_present)
        self._events.connected(flags.session_present)

    def _on_subscribe(
        self, _client: paho.Client, _: object, _mid: int, codes: list[ReasonCode], __: Properties | None
    ) -> None:
        self._events.subscribed(all(code.value < _SUBSCRIPTION_REFUSED for code in codes))

    def _on_publish(self, _client: paho.Client, _: object, mid: int, _code: ReasonCode, __: Properties | None) -> None:
        self._events.published(mid)

    def _send_raw(self) -> bool:
        assert self._sock is not None
        try:
            sent = self._sock.send(self._raw)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
            self._raw_begun = self._raw_begun or isinstance(self._sock, ssl.SSLSocket)
        except OSError as error:
            self._drop(f"cannot send: {error}")
            return False
        if sent:
            del self._raw[:sent]
            self._raw_begun = bool(self._raw)
        return not self._raw

    def _drop(self, why: str) -> None:
        if self._client is None:
            return
        was_up = self.state is LinkState.UP
        lived_s = self._now_s - self._up_since_s if was_up else 0.0
        self._forget_socket()
        _log.warning("%s: connection to %s:%d lost: %s", self.name, *self._address, why)
        if lived_s >= _STABLE_S:
            self._attempt = self._early_ends = 0
        elif was_up:
            self._early_ends += 1
            if self._early_ends >= _SUSPICIOUS:
                _log.error(
                    "%s: %d connections in a row ended within %.0f s: is another client using the id %r? Run one"
                    " gateway per broker, and set `use_username_as_clientid true` there. Or does the broker's ACL"
                    " refuse what we publish (care/v1/+/cmd)? mosquitto then closes the connection",
                    self.name,
                    self._early_ends,
                    _STABLE_S,
                    self._login.client_id,
                )
        self._schedule_retry()
        if was_up:
            self._events.lost()

    def _schedule_retry(self) -> None:
        ceiling_s = min(self._settings.backoff_max_s, self._settings.backoff_min_s * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, 32)
        self._retry_at_s = self._now_s + random.uniform(0.5, 1.0) * ceiling_s
        self.state = LinkState.WAITING

    def _forget_socket(self) -> None:
        if self._sock is not None:
            # Before another thread can be given the same descriptor.
            if self._registered:
                self._selector.unregister(self._sock)
            self._sock.close()
        self._registered = 0
        self._client = self._sock = None
        self._raw.clear()
        self._raw_begun = False

    @property
    def _address(self) -> tuple[str, int]:
        return self._settings.host, self._settings.port


def _let_go(sock: socket.socket) -> None:
    """End the stream and read on until the broker has ended its own.

    Closing a socket with unread bytes resets the connection, and the broker would throw away the acknowledgements that
    it has not read yet.
    """
    deadline_s = time.monotonic() + _CLOSING_S
    with contextlib.suppress(OSError):
        sock.settimeout(_CLOSING_S)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1 << 16) and time.monotonic() < deadline_s:
            pass
