"""A TCP relay in front of a broker that notes every MQTT packet that passes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from typing import Self

PUBLISH, PUBACK, PINGREQ, PINGRESP = 3, 4, 12, 13


@dataclass(frozen=True)
class Packet:
    """``kind`` is MQTT's packet type; ``mid`` its message id where it is a PUBLISH with QoS 1 or a PUBACK, else 0."""

    at_s: float
    from_client: bool
    kind: int
    mid: int
    size: int


class MqttTap:
    """Listens on ``port`` and relays to ``broker_port``. A context manager; for MQTT 3.1.1 without TLS."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.packets: list[Packet] = []
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def of(self, kind: int, *, from_client: bool) -> list[Packet]:
        """What has passed in one direction so far."""
        return [p for p in list(self.packets) if p.kind == kind and p.from_client is from_client]

    def cut(self) -> None:
        """Break every connection."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._broker_port))
                except OSError:
                    client.close()
                    continue
                self._sockets += [client, broker]
                for source, target in ((client, broker), (broker, client)):
                    threading.Thread(target=self._relay, args=(source, target, source is client), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        held = b""
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                held = self._note(held + data, from_client)
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _note(self, held: bytes, from_client: bool) -> bytes:
        now_s = time.monotonic()
        while len(held) >= 2:
            length, shift, at = 0, 0, 1
            while True:
                if at >= len(held):
                    return held
                length |= (held[at] & 127) << shift
                shift += 7
                at += 1
                if not held[at - 1] & 128:
                    break
            if len(held) < at + length:
                return held
            body = held[at : at + length]
            kind, mid = held[0] >> 4, 0
            if kind == PUBACK:
                mid = int.from_bytes(body[:2], "big")
            elif kind == PUBLISH and held[0] & 6:
                after = 2 + int.from_bytes(body[:2], "big")
                mid = int.from_bytes(body[after : after + 2], "big")
            self.packets.append(Packet(now_s, from_client, kind, mid, at + length))
            held = held[at + length :]
        return held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
