"""Between asyncio's transports and whoever reads: straight into the reader's buffer."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Protocol, cast

from ingest.gateway_settings import GatewaySettings


class Reader(Protocol):
    """Who hears of a connection and its bytes."""

    def made(self, wire: Wire) -> None:
        """It is there, TLS included."""

    def room(self) -> memoryview:
        """Where the next bytes go."""

    def received(self, count: int) -> None:
        """So many have come there."""

    def closed(self, error: Exception | None) -> None:
        """It has ended, other than by :meth:`Wire.leave`."""


class Wire(asyncio.BufferedProtocol):
    """Between one transport and its reader. After :meth:`leave` what comes is thrown away."""

    transport: asyncio.Transport

    def __init__(self, reader: Reader) -> None:
        self._reader: Reader | None = reader
        self.closed = asyncio.Event()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        if self._reader is not None:
            self._reader.made(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._reader is None:
            return memoryview(bytearray(max(sizehint, 1 << 16)))
        return self._reader.room()

    def buffer_updated(self, nbytes: int) -> None:
        if self._reader is not None:
            self._reader.received(nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.closed(exc)

    def leave(self) -> None:
        """No word to the reader any more; the writing half ends."""
        self._reader = None
        with contextlib.suppress(OSError, RuntimeError):
            self.transport.resume_reading()
        with contextlib.suppress(OSError, RuntimeError):
            if self.transport.can_write_eof():
                self.transport.write_eof()


def tls_context(settings: GatewaySettings) -> ssl.SSLContext:
    """Verifies the broker, and shows our certificate where there is one. Raises OSError: a file cannot be read."""
    context = ssl.create_default_context(cafile=settings.ca)
    if settings.cert is not None:
        context.load_cert_chain(settings.cert, settings.key)
    return context
