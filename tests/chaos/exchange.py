"""What passes over one MQTT connection: who published what, and whether the other side acknowledged it.

MQTT 3.1.1 (OASIS 2014) and 5 (OASIS 2019), as the CONNECT says. It reads copies of the bytes of both directions, so
that what was acknowledged is known without asking either side.
"""

from __future__ import annotations

from collections.abc import Callable

_CONNECT, _PUBLISH, _PUBACK = 1, 3, 4
_V5 = 5
_QOS = 0x06
#: Reason codes of a PUBACK from here on are refusals (MQTT 5, 3.4.2.1).
_REFUSED = 0x80

#: Called with whether the client is the one who published, with topic and payload.
Heard = Callable[[bool, bytes, bytes], None]


class ExchangeError(Exception):
    """Bytes that this cannot follow, in words: from here on nothing it says could be believed."""


class Exchange:
    """One connection.

    Args:
        on_published: called for each PUBLISH, repetitions too.
        on_acked: called when its PUBACK passes, for QoS 1.
    """

    def __init__(self, on_published: Heard, on_acked: Heard) -> None:
        self.version: int | None = None
        self._on_published = on_published
        self._on_acked = on_acked
        self._held = {True: bytearray(), False: bytearray()}
        self._open: dict[bool, dict[int, tuple[bytes, bytes]]] = {True: {}, False: {}}

    def feed(self, data: bytes, *, from_client: bool) -> None:
        """Take what passed next in one direction.

        Raises:
            ExchangeError: it is no MQTT, or uses what is not followed here (topic aliases).
        """
        held = self._held[from_client]
        held += data
        at = 0
        while (body := _body(held, at)) is not None:
            start, end = body
            self._packet(held[at], bytes(held[start:end]), from_client)
            at = end
        del held[:at]

    def _packet(self, first: int, body: bytes, from_client: bool) -> None:
        kind = first >> 4
        if kind == _CONNECT:
            name_end = 2 + int.from_bytes(body[:2], "big")
            self.version = body[name_end]
        elif self.version is None:
            raise ExchangeError(f"a packet of type {kind} before any CONNECT")
        elif kind == _PUBLISH:
            self._publish(first, body, from_client)
        elif kind == _PUBACK:
            self._puback(body, from_client)

    def _publish(self, first: int, body: bytes, from_client: bool) -> None:
        at = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:at]
        if not topic:
            raise ExchangeError("a PUBLISH with a topic alias instead of a topic")
        packet_id = 0
        if first & _QOS:
            packet_id = int.from_bytes(body[at : at + 2], "big")
            at += 2
        if self.version == _V5:
            size, at = _number(body, at)
            at += size
        payload = body[at:]
        self._on_published(from_client, topic, payload)
        if packet_id:
            self._open[from_client][packet_id] = topic, payload

    def _puback(self, body: bytes, from_client: bool) -> None:
        published = self._open[not from_client].pop(int.from_bytes(body[:2], "big"), None)
        refused = len(body) > 2 and body[2] >= _REFUSED
        if published is not None and not refused:
            self._on_acked(not from_client, *published)


def _body(held: bytearray, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at ``at`` begins and ends; None while it is not whole."""
    size = shift = 0
    for start in range(at + 1, at + 5):
        if start >= len(held):
            return None
        size |= (held[start] & 0x7F) << shift
        shift += 7
        if not held[start] & 0x80:
            end = start + 1 + size
            return (start + 1, end) if end <= len(held) else None
    raise ExchangeError("a length of more than four bytes: this is no MQTT")


def _number(body: bytes, at: int) -> tuple[int, int]:
    """The variable byte integer at ``at``, and where it ends (MQTT 5, 1.5.5)."""
    number = shift = 0
    while True:
        number |= (body[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not body[at - 1] & 0x80:
            return number, at
