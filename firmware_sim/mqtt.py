"""A small MQTT 3.1.1 client for thousands of simulated devices in one event loop.

paho and aiomqtt cost 20 to 60 microseconds a message in Python and a thread or several tasks a client; a fleet needs
some thousands of clients on half a core (`bench/simulate.py` measures it). Real devices should use a library; this
knows QoS 1 and what a simulator needs of it. Section numbers are those of the OASIS standard of 2014.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

from firmware_sim.errors import SimulationError

#: CONNACK return codes (3.2.2.3).
REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it rejects the client id",
    3: "it is unavailable",
    4: "user name or password is wrong",
    5: "not authorised",
}
_CONNACK, _PUBLISH, _PUBACK, _SUBACK = 0x20, 0x30, 0x40, 0x90
_PING = b"\xc0\x00"
_DISCONNECT = b"\xe0\x00"
_FAILURE = 0x80
_TEXT = struct.Struct(">H")


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker is and how devices log in.

    ``username`` and ``password`` may contain ``{device}``, which is replaced by the device's id; ``passwords`` (device
    to password) comes before them, the user name then is the device's id.
    """

    host: str
    port: int = 1883
    tls: bool = False
    ca: Path | None = None
    username: str | None = None
    password: str | None = None
    passwords: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_url(cls, url: str, *, ca: Path | None = None, passwords: dict[str, str] | None = None) -> BrokerAddress:
        """From ``mqtt://user:password@host:port`` or ``mqtts://...``.

        Raises:
            SimulationError: no such URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise SimulationError(f"the broker's URL has a port that is none: {error}") from None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise SimulationError("the broker's URL is not mqtt://[user:password@]host[:port] or mqtts://...")
        tls = parts.scheme == "mqtts"
        return cls(
            parts.hostname,
            port or (8883 if tls else 1883),
            tls,
            ca,
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
            passwords or {},
        )

    def login(self, device: str) -> tuple[str | None, str | None]:
        """User name and password of one device."""
        if device in self.passwords:
            return device, self.passwords[device]
        return (
            None if self.username is None else self.username.replace("{device}", device),
            None if self.password is None else self.password.replace("{device}", device),
        )

    @cached_property
    def tls_context(self) -> ssl.SSLContext | None:
        """What verifies the broker, or None without TLS."""
        return ssl.create_default_context(cafile=self.ca) if self.tls else None


def _text(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return _TEXT.pack(len(raw)) + raw


def _length(n: int) -> bytes:
    """The remaining length, seven bits a byte (2.2.3)."""
    out = bytearray()
    while True:
        n, digit = n >> 7, n & 0x7F
        if not n:
            out.append(digit)
            return bytes(out)
        out.append(digit | 0x80)


def connect_packet(
    client_id: str, login: tuple[str | None, str | None], keepalive_s: int, will: tuple[str, bytes] | None
) -> bytes:
    """CONNECT with a clean session; the will is retained, at QoS 1."""
    username, password = login
    flags = 0x02
    rest = _text(client_id)
    if will is not None:
        flags |= 0x04 | 1 << 3 | 0x20
        rest += _text(will[0]) + _text(will[1])
    if username is not None:
        flags |= 0x80
        rest += _text(username)
        if password is not None:
            flags |= 0x40
            rest += _text(password)
    body = _text("MQTT") + bytes([4, flags]) + _TEXT.pack(keepalive_s) + rest
    return b"\x10" + _length(len(body)) + body


def publish_packet(topic: bytes, payload: bytes, packet_id: int, *, retain: bool = False, dup: bool = False) -> bytes:
    """PUBLISH at QoS 1."""
    first = _PUBLISH | 0x02 | (0x01 if retain else 0) | (0x08 if dup else 0)
    n = 4 + len(topic) + len(payload)
    size = bytes((n & 0x7F | 0x80, n >> 7)) if 128 <= n < 16_384 else _length(n)
    return b"".join((bytes((first,)), size, _TEXT.pack(len(topic)), topic, _TEXT.pack(packet_id), payload))


def subscribe_packet(topics: Iterable[str], packet_id: int) -> bytes:
    """SUBSCRIBE at QoS 1."""
    body = _TEXT.pack(packet_id) + b"".join(_text(topic) + b"\x01" for topic in topics)
    return b"\x82" + _length(len(body)) + body


class Listener(Protocol):
    """Who hears what happens on a link; called from the event loop."""

    def link_up(self) -> None:
        """The broker accepted the connection."""

    def link_down(self, why: str) -> None:
        """The connection is gone, or the broker refused it."""

    def confirmed(self, packet_id: int) -> None:
        """The broker took the message (PUBACK)."""

    def received(self, topic: str, payload: bytes) -> None:
        """A message came for us; it was acknowledged."""

    def subscribed(self, refused: int) -> None:
        """The answer to a SUBSCRIBE; ``refused`` of its topics were not granted."""

    def writable(self) -> None:
        """The socket takes data again."""


class Link(asyncio.Protocol):
    """One connection to the broker, from CONNECT to its end. Packets of one turn of the loop go out in one write."""

    def __init__(self, connect: bytes, keepalive_s: int, listener: Listener) -> None:
        self._connect = connect
        self._keepalive_s = keepalive_s
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._in = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._why = "the broker closed the connection"
        self.is_up = False
        self.is_paused = False
        self.refusal = 0
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def send(self, packet: bytes) -> None:
        """Queue a packet for this turn's write."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packet)

    def close(self, *, politely: bool = True, why: str = "closed here") -> None:
        """End the connection; ``politely`` sends DISCONNECT, so that the broker forgets the will."""
        if self._transport is None or self._transport.is_closing():
            return
        self._why = why
        if politely:
            self.send(_DISCONNECT)
            self._flush()
            self._transport.close()
        else:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT, and start listening for silence."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1 << 20)
        self._heard = self._loop.time()
        self._timer = self._loop.call_later(self._keepalive_s / 2, self._tick)
        self.send(self._connect)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the listener once."""
        if self._timer is not None:
            self._timer.cancel()
        self.is_up = False
        self._listener.link_down(self._why if exc is None else f"{self._why}: {exc}")
        if not self.ended.done():
            self.ended.set_result(None)

    def pause_writing(self) -> None:
        """The peer does not read."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.is_paused = False
        self._listener.writable()

    def data_received(self, data: bytes) -> None:
        """Take whole packets out of what came."""
        self._heard = self._loop.time()
        buffer = self._in
        buffer += data
        at, end = 0, len(buffer)
        confirmed = self._listener.confirmed
        while end - at >= 4:
            if buffer[at] == _PUBACK and buffer[at + 1] == 2:  # nearly all of what comes
                confirmed(buffer[at + 2] << 8 | buffer[at + 3])
                at += 4
                continue
            used = self._packet(at, end)
            if not used:
                break
            at += used
        if end - at in (2, 3) and buffer[at] == 0xD0:  # PINGRESP is the one packet of two bytes
            at += 2
        del buffer[:at]

    def _packet(self, at: int, end: int) -> int:
        """Handle the packet at ``at``; the bytes it took, 0 when it is not whole yet."""
        buffer = self._in
        size = shift = 0
        body = at + 1
        while True:
            if body >= end:
                return 0
            digit = buffer[body]
            size |= (digit & 0x7F) << shift
            body += 1
            if not digit & 0x80:
                break
            shift += 7
        if body + size > end:
            return 0
        kind = buffer[at] & 0xF0
        if kind == _CONNACK:
            self._answered(buffer[body + 1])
        elif kind == _PUBLISH:
            topic_end = body + 2 + _TEXT.unpack_from(buffer, body)[0]
            topic = bytes(buffer[body + 2 : topic_end]).decode("utf-8", "replace")
            if buffer[at] & 0x06:
                self.send(b"\x40\x02" + bytes(buffer[topic_end : topic_end + 2]))
                topic_end += 2
            self._listener.received(topic, bytes(buffer[topic_end : body + size]))
        elif kind == _SUBACK:
            self._listener.subscribed(sum(code == _FAILURE for code in buffer[body + 2 : body + size]))
        elif kind == _PUBACK:
            self._listener.confirmed(_TEXT.unpack_from(buffer, body)[0])
        return body + size - at

    def _answered(self, code: int) -> None:
        self.refusal = code
        if code:
            self.close(politely=False, why=f"the broker refused the connection: {REFUSALS.get(code, f'code {code}')}")
            return
        self.is_up = True
        self._listener.link_up()

    def _flush(self) -> None:
        if self._transport is not None and self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _tick(self) -> None:
        silent_s = self._loop.time() - self._heard
        if silent_s > 1.5 * self._keepalive_s:
            self.close(politely=False, why=f"the broker was silent for {silent_s:.0f} s")
            return
        if silent_s > 0.4 * self._keepalive_s:
            self.send(_PING)
        self._timer = self._loop.call_later(self._keepalive_s / 2, self._tick)


def allow_sockets(count: int) -> None:
    """Have the system allow a socket for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SimulationError(
            f"{count} connections need {wanted} open files, the system allows {hard}: raise it (ulimit -n) or use "
            "connection: {kind: shared}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
