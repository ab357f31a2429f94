"""What goes down to the devices under a login of its own, where the settings name one: published with paho.

Each connection has a paho client of its own, so that paho repeats nothing: that is the outbox's affair. A thread of
ours calls its ``loop``: that of ``loop_start`` tries again by itself, and keeps it from us why it has to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.gateway_settings import GatewaySettings
from ingest.mqtt.connection import ENDS_EARLY, REFUSED
from ingest.mqtt.errors import NotConnectedError
from ingest.mqtt.reasons import Code, describe
from ingest.mqtt.retries import STABLE_S, Retries
from ingest.mqtt.transport import tls_context

_log = logging.getLogger(__name__)

_CLOSING_S = 1.0  # how long the last acknowledgements and leaving may take
_ENDING_S = 0.2  # and then the thread; it stays longer only while the system connects
_LOOK_S = 1.0  # how often a thread without traffic looks around: whether to ping, whether its event loop is there
_NAME = "gateway commands"


class CommandPublisher:
    """A :class:`ingest.mqtt_outbox.Publisher` for as long as :meth:`run` runs; nothing here blocks the event loop.

    Args:
        settings: where the broker is.
        user: also the client id; the password is ``settings.command_password``.
        lost: the connection is gone; what was not acknowledged by then never will be.
        published: the number of a message that the broker acknowledged, and its reason code.
    """

    name = _NAME

    def __init__(
        self, settings: GatewaySettings, user: str, lost: Callable[[], None], published: Callable[[int, int], None]
    ) -> None:
        self._settings, self._user, self._lost, self._published = settings, user, lost, published
        self._connection: _Connection | None = None
        self.ended_in_silence = False
        self._retries = Retries(settings.backoff_min_s, settings.backoff_max_s)

    @property
    def is_up(self) -> bool:
        """Whether the broker has accepted the connection and it is not known to be lost."""
        return self._connection is not None and self._connection.is_up

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish with QoS 1; the number that ``published`` will have. Raises NotConnectedError."""
        if self._connection is None or not self.is_up:
            raise NotConnectedError("publish")
        return self._connection.publish(topic, payload)

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled; then :meth:`close`."""
        protocol = MQTTProtocolVersion.MQTTv5
        while True:
            began_s = time.monotonic()
            one = self._connection = _Connection(self._settings, self._user, protocol, self._published)
            await one.over.wait()
            if one.up_since_s:
                lived_s = time.monotonic() - one.up_since_s
                self.ended_in_silence = protocol is MQTTProtocolVersion.MQTTv311 and lived_s < STABLE_S
                self._lost()
                if self._retries.ended(lived_s):
                    _log.error(ENDS_EARLY, self.name, STABLE_S, self._user)
            protocol = MQTTProtocolVersion.MQTTv311 if one.too_new else MQTTProtocolVersion.MQTTv5
            if not one.too_new:
                await asyncio.sleep(max(began_s + self._retries.wait_s() - time.monotonic(), 0))

    async def close(self) -> None:
        """Wait a moment for what is under way, and leave."""
        if self._connection is not None:
            await self._connection.leave()


class _Connection:
    """One attempt and the connection that comes of it; after ``over`` nothing more comes from its thread.

    ``too_new``: the broker said, or hung up as if, it knew MQTT 3.1.1 only.
    """

    def __init__(
        self, settings: GatewaySettings, user: str, protocol: MQTTProtocolVersion, published: Callable[[int, int], None]
    ) -> None:
        self.is_up = self.too_new = False
        self.up_since_s = 0.0
        self.over = asyncio.Event()
        self._settings, self._published = settings, published
        self._is_5 = protocol is MQTTProtocolVersion.MQTTv5
        self._opened = self._answered = self._given_up = self._leaving = False
        self._why = ""
        self._count = 0
        self._waiting: deque[tuple[int, str, bytes]] = deque()
        self._under_way: dict[int, int] = {}  # number by paho's
        self._receive_maximum = 65_535
        client = self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=user, protocol=protocol, reconnect_on_failure=False
        )
        client.connect_timeout = settings.connect_timeout_s
        client.max_inflight_messages_set(0)  # it cannot be told the broker's limit, which comes too late for it
        client.username_pw_set(user, settings.command_password)
        client.on_connect, client.on_publish, client.on_disconnect = self._on_connect, self._on_publish, self._on_end
        client.on_socket_register_write = lambda *_: None  # with it, nothing is sent by the thread that publishes
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.call_later(settings.connect_timeout_s, self._cut, "no CONNACK in time")
        threading.Thread(target=self._live, name=_NAME, daemon=True).start()

    # ---- in the event loop

    def publish(self, topic: str, payload: bytes) -> int:
        self._count += 1
        self._waiting.append((self._count, topic, payload))
        self._send()
        return self._count

    def _send(self) -> None:
        while self._waiting and len(self._under_way) < self._receive_maximum:
            number, topic, payload = self._waiting.popleft()
            self._under_way[self._client.publish(topic, payload, qos=1).mid] = number

    async def leave(self) -> None:
        self._leaving = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                while self.is_up and self._under_way:
                    await asyncio.sleep(0.01)
                if self.is_up:
                    self._client.disconnect()
                    await self.over.wait()
        self._cut("given up")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), _ENDING_S)

    def _cut(self, why: str) -> None:
        """End it from here, however far it is: the thread sees one of the two."""
        self._given_up, self._why = True, why
        if isinstance(sock := self._client.socket(), socket.socket):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own takes away what the thread is using

    def _accepted(self, receive_maximum: int) -> None:
        self._deadline.cancel()
        if self._given_up:
            return
        self.is_up, self.up_since_s, self._receive_maximum = True, time.monotonic(), receive_maximum
        version = "MQTT 5" if self._is_5 else "MQTT 3.1.1"
        _log.info("%s: connected to %s:%d with %s", _NAME, self._settings.host, self._settings.port, version)

    def _acknowledged(self, mid: int, code: int) -> None:
        number = self._under_way.pop(mid)
        self._send()
        self._published(number, code)

    def _ended(self, why: str) -> None:
        self._deadline.cancel()
        self.is_up = False
        self.too_new |= self._is_5 and self._opened and not self._answered and not self._given_up
        if not self._leaving:
            what = "connection lost" if self.up_since_s else "cannot connect"
            why = (self._opened and self._why) or why
            _log.warning("%s: %s: %s:%d: %s", _NAME, what, self._settings.host, self._settings.port, why)
        self.over.set()

    # ---- in the thread

    def _live(self) -> None:
        client, settings, why = self._client, self._settings, "its thread failed"
        try:
            if settings.tls:
                client.tls_set_context(tls_context(settings))
            client.connect(settings.host, settings.port, round(settings.keepalive_s))
            self._opened = True
            code, look_s = paho.MQTT_ERR_SUCCESS, min(_LOOK_S, settings.keepalive_s / 4)
            while code == paho.MQTT_ERR_SUCCESS and not self._given_up and not self._loop.is_closed():
                code = client.loop(look_s)
            why = paho.error_string(code)
        except (OSError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        finally:
            if isinstance(sock := client.socket(), socket.socket):
                sock.close()
            client.on_connect = client.on_publish = client.on_disconnect = None  # else only gc ends the two of us
            self._tell(self._ended, why)

    def _tell(self, what: Callable[..., None], *values: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nobody to be told
            self._loop.call_soon_threadsafe(what, *values)

    def _on_connect(
        self, client: paho.Client, _: object, __: object, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._answered = True
        if not code.is_failure:
            self._tell(self._accepted, getattr(properties, "ReceiveMaximum", self._receive_maximum))
        elif self._is_5 and code.value == Code.UNSUPPORTED_PROTOCOL:
            self.too_new = True
        else:
            user, settings = client.username, self._settings
            _log.error(REFUSED, _NAME, settings.host, settings.port, user, user, describe(code.value), "")

    def _on_publish(self, _: object, __: object, mid: int, code: ReasonCode, ___: object) -> None:
        self._tell(self._acknowledged, mid, code.value)

    def _on_end(self, _: object, __: object, flags: paho.DisconnectFlags, code: ReasonCode, ___: object) -> None:
        if flags.is_disconnect_packet_from_server:
            self._why = f"the broker says: {describe(code.value)}"
