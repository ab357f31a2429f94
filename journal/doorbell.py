"""Wake a journal's readers in other processes: a datagram to an address that both sides derive from the folder's path.

Linux's abstract socket names are used: they need no file (a path may be too long for a socket, and the disk may be
full) and vanish with their process. Where they do not reach, for instance into another container, readers poll.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import select
import socket
from collections.abc import Iterable
from pathlib import Path


def _address(directory: Path, consumer: str) -> bytes:
    digest = hashlib.sha256(f"{directory.resolve()}\0{consumer}".encode()).hexdigest()
    return b"\0carecircle-journal-" + digest[:32].encode()


class Doorbell:
    """The writer's side."""

    def __init__(self, directory: Path, consumers: Iterable[str]) -> None:
        self._addresses = [_address(directory, consumer) for consumer in consumers]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def ring(self) -> None:
        """Wake every consumer that listens. One that does not, or has rings waiting already, is left alone."""
        for address in self._addresses:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"\1", address)

    def close(self) -> None:
        """Stop ringing."""
        self._socket.close()


class Ear:
    """The reader's side. It hears nothing where another reader of the same consumer has the address already."""

    def __init__(self, directory: Path, consumer: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with contextlib.suppress(OSError):
            self._socket.bind(_address(directory, consumer))
        self._poll = select.poll()  # not select(), which knows 1,024 descriptors only
        self._poll.register(self._socket, select.POLLIN)

    def listen(self, timeout_s: float) -> bool:
        """Whether it rang within ``timeout_s``; rings that waited are all taken at once."""
        if not self._poll.poll(math.ceil(max(timeout_s, 0.0) * 1000)):
            return False
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(1)
        return True

    def close(self) -> None:
        """Stop listening and free the address."""
        self._socket.close()
