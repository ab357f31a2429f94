"""Tells every open page that something changed: one look at the database per process, whoever listens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_log = logging.getLogger(__name__)

#: A database that has not answered for so long does not answer.
_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class News:
    """The newest revision that was read, and whether the database still answers. A revision is only ever compared."""

    revision: str
    healthy: bool


class Feed:
    """Reads a revision every ``poll_s`` in a thread of its own and wakes all listeners when it differs.

    Listeners get the newest news, never a queue: a slow one misses what was in between and loses nothing, since a page
    always shows the state of the newest revision.
    """

    def __init__(self, read_revision: Callable[[], str], *, poll_s: float) -> None:
        self._read = read_revision
        self._poll_s = poll_s
        self._changed = asyncio.Event()
        self.news = News("", healthy=True)
        self.closed = False
        self.listeners = 0

    async def run(self) -> None:
        """Follow the database until cancelled. Whatever the database does, this goes on."""
        executor = ThreadPoolExecutor(1, thread_name_prefix="console-feed")
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[str] | None = None
        try:
            while True:
                reading = reading or loop.run_in_executor(executor, self._read)
                await asyncio.wait({reading}, timeout=_PATIENCE_S)
                if not reading.done():
                    self._tell(News(self.news.revision, healthy=False), "no answer for %s s", _PATIENCE_S)
                    continue
                error = reading.exception()
                if error is None:
                    self._tell(News(reading.result(), healthy=True), "answers again")
                else:
                    self._tell(News(self.news.revision, healthy=False), "%r", error)
                reading = None
                await asyncio.sleep(self._poll_s)
        finally:
            self.close()
            executor.shutdown(wait=False, cancel_futures=True)

    def _tell(self, news: News, why: str, *values: object) -> None:
        if news == self.news:
            return
        if news.healthy != self.news.healthy:
            _log.warning("the console's view of the database: " + why, *values)
        self.news = news
        self._wake()

    def close(self) -> None:
        """End every stream, so that the server can stop."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    async def stream(
        self, last_event_id: str | None, *, heartbeat_s: float, tell: Callable[[str], Awaitable[bytes]] | None = None
    ) -> AsyncIterator[bytes]:
        """Server-sent events (https://html.spec.whatwg.org/#server-sent-events), from the newest revision on.

        ``revision``: something changed, its id is the revision. A client that names this revision as its last one
        hears of the next. ``stale`` (data ``1`` or ``0``): the database does not answer, answers again. ``beat``: the
        stream is alive, data is our clock in epoch ms; it has no id. ``tell`` gives the event to send for a revision,
        in the place of ``revision``; b"" where it can say nothing of it.
        """
        self.listeners += 1
        told = last_event_id
        told_healthy = True
        try:
            yield b"retry: 1000\n" + _beat()
            while not self.closed:
                changed, news = self._changed, self.news
                if news.healthy != told_healthy:
                    told_healthy = news.healthy
                    yield b"event: stale\ndata: %d\n\n" % (not news.healthy)
                if news.revision and news.revision != told:
                    told = news.revision
                    event = await tell(told) if tell is not None else b""
                    yield event or f"id: {told}\nevent: revision\ndata: {_now_ms()}\n\n".encode()
                try:
                    async with asyncio.timeout(heartbeat_s):
                        await changed.wait()
                except TimeoutError:
                    yield _beat()
        finally:
            self.listeners -= 1

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Feed]:
        """Run in the background for as long as the block lasts."""
        self.closed = False
        task = asyncio.create_task(self.run(), name="console-feed")
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _beat() -> bytes:
    return f"event: beat\ndata: {_now_ms()}\n\n".encode()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
