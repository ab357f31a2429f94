"""Ports of 127.0.0.1, for the demo and the benchmarks."""

from __future__ import annotations

import socket
import time


def free_port(preferred: int = 0) -> int:
    """``preferred`` if nothing listens there, else any free port of 127.0.0.1."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")


def wait_for_port(port: int, timeout_s: float = 15.0) -> None:
    """Return once something accepts on 127.0.0.1:port. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens on 127.0.0.1:{port} after {timeout_s:.0f} s") from None
            time.sleep(0.02)
