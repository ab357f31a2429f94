"""Listening: anywhere where people must log in, else on this machine only."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from console.errors import BadHostError, NotLoopbackError

_STOP_LOOK_S = 0.1


def serve(
    app: FastAPI,
    host: str,
    port: int,
    stop: threading.Event,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until ``stop`` is set, from any thread. Signals are left to the caller.

    ``port`` 0 takes a free one. ``ready`` is called with ``http://host:port`` once connections are accepted: the
    socket listens already, so that a request at that moment is answered.

    Raises:
        NotLoopbackError: ``host`` is reachable from other machines, and nobody has to log in.
        OSError: the port is taken.
    """
    address = numeric_address(host) if app.state.login else loopback_address(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=512) as listener:
        listener.setblocking(False)
        bound = listener.getsockname()[1]
        url = f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}"
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # addresses of links are secrets
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )

        def tell() -> None:
            app.state.announce(url)
            if ready:
                ready(url)

        asyncio.run(_serve(app, _Server(config), listener, stop, tell))


def numeric_address(host: str) -> str:
    """The numeric address to bind. Raises BadHostError for what is none."""
    name = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        raise BadHostError(host) from None


def loopback_address(host: str) -> str:
    """The numeric address to bind. Raises NotLoopbackError for one that others can reach."""
    name = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        address = ipaddress.ip_address(name)
    except ValueError as error:
        raise NotLoopbackError(host) from error
    if not address.is_loopback:
        raise NotLoopbackError(host)
    return str(address)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    app: FastAPI, server: _Server, listener: socket.socket, stop: threading.Event, ready: Callable[[], None]
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="console-server")
    told = False
    while not serving.done():
        if server.started and not told:
            told = True
            ready()
        if stop.is_set():
            app.state.feed.close()
            server.should_exit = True
        await asyncio.wait({serving}, timeout=_STOP_LOOK_S)
    await serving
