"""A TCP link that can be cut and slowed down, and that shows what passes to whoever wants to know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol, Self

_CHUNK = 1 << 16


class Watcher(Protocol):
    """Sees the bytes of one connection as they come in, before they go on."""

    def feed(self, data: bytes, *, from_client: bool) -> None:
        """Some more of one direction."""


class Proxy:
    """Listens on ``port`` of 127.0.0.1 and passes on to ``target_port``, in a thread of its own. A context manager.

    What it has read and not passed on when it is cut is gone, as on a real link. It reads no faster than the other side
    takes, so that who stops reading behind it stops the sender in front of it.

    Args:
        target_port: where to pass on to; nobody need listen there yet.
        watch: called for each new connection.
    """

    def __init__(self, target_port: int, watch: Callable[[], Watcher]) -> None:
        self.port = 0
        self.problem = ""
        self._target_port = target_port
        self._watch = watch
        self._is_cut = False
        self._delay_s = 0.0
        self._open: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"proxy to {target_port}", daemon=True)

    def cut(self) -> None:
        """Break every connection and refuse new ones until :meth:`mend`."""

        def now() -> None:
            self._is_cut = True
            for writer in self._open:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(now)

    def mend(self) -> None:
        """Let connections through again."""
        self._loop.call_soon_threadsafe(lambda: setattr(self, "_is_cut", False))

    def slow(self, delay_s: float) -> None:
        """Pass everything on this much later, in its order; 0: as fast as it goes."""
        self._loop.call_soon_threadsafe(lambda: setattr(self, "_delay_s", delay_s))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target: asyncio.StreamWriter | None = None
        try:
            if self._is_cut:
                return
            self._open.add(writer)
            answers, target = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._open.add(target)
            watcher = self._watch()
            pumps = [
                asyncio.create_task(self._pump(reader, target, watcher, from_client=True)),
                asyncio.create_task(self._pump(answers, writer, watcher, from_client=False)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # nobody listens behind us: the client sees its connection end
        finally:
            for one in (writer, target):
                if one is not None:
                    self._open.discard(one)
                    one.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watcher: Watcher, *, from_client: bool
    ) -> None:
        due_s = 0.0
        try:
            while data := await reader.read(_CHUNK):
                watcher.feed(data, from_client=from_client)
                now_s = self._loop.time()
                if self._delay_s or due_s > now_s:
                    due_s = max(now_s + self._delay_s, due_s + 1e-5)  # two at one instant might change places
                    self._loop.call_at(due_s, _write, writer, data)
                else:
                    writer.write(data)
                    await writer.drain()
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            await writer.drain()
        except OSError:
            pass
        except Exception as error:  # of the watcher: what it says from here on cannot be believed
            self.problem = f"{type(error).__name__}: {error}"
            raise

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.transport.is_closing():
        writer.write(data)
