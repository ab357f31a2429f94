"""The commits of the journal `raw`: when one is due, one at a time, beside the connection in a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ingest.gateway_outage import Hold
from ingest.mqtt_inbox import Inbox, Load
from journal import JournalFull, JournalWriter
from journal.quarantine import Quarantine

_log = logging.getLogger(__name__)

_RETRY_S = 0.1  # while the journal is full


@dataclass(frozen=True)
class CommitEvents:
    """What the owner of the connection does for commits, always in the event loop."""

    take: Callable[[], None]  # give the inbox what has come
    committed: Callable[[Load], None]  # acknowledge it
    hold: Callable[[], None]  # read no more
    resume: Callable[[], None]  # read again


class Commits:
    """:meth:`run` commits what the inbox has, ``interval_s`` after :meth:`arrived`, or at once when told so.

    Attributes:
        hold: whether, and how long, the journal has had no room.
        count, total_s, longest_s: commits, and what they took; who reads ``longest_s`` may set it back.
    """

    def __init__(
        self,
        inbox: Inbox,
        journal: JournalWriter,
        quarantine: Quarantine,
        events: CommitEvents,
        *,
        interval_s: float,
        clock_ms: Callable[[], int],
    ) -> None:
        self.hold = Hold()
        self.count = 0
        self.total_s = 0.0
        self.longest_s = 0.0
        self._inbox = inbox
        self._journal = journal
        self._quarantine = quarantine
        self._events = events
        self._interval_s = interval_s
        self._clock_ms = clock_ms
        self._disk = ThreadPoolExecutor(1, "gateway-disk")
        self._dropping: Future[int] | None = None
        self._ripe = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False

    def arrived(self, *, at_once: bool = False) -> None:
        """There is something to commit; ``at_once``: and no room for more."""
        if at_once:
            self._ripe.set()
        elif self._timer is None and not self._ripe.is_set():
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._ripe.set)

    async def run(self) -> None:
        """Until :meth:`stop`, and then once more.

        Raises:
            CommitFailedError: the disk refuses to commit. Nothing of that was acknowledged.
        """
        last = False
        while not last:
            await self._ripe.wait()
            last = self._stopping
            self._ripe.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._events.take()
            if load := self._inbox.gather():
                await self._commit(load)

    def stop(self) -> None:
        """Commit what there is, if there is room for it, and end :meth:`run`."""
        self._stopping = True
        self._ripe.set()

    def drop_consumed(self) -> None:
        """Have the segments deleted that every consumer has passed; between commits."""
        if self._dropping is None or self._dropping.done():
            if self._dropping is not None:
                self._dropping.result()
            self._dropping = self._disk.submit(self._journal.drop_consumed)

    def close(self) -> None:
        """Let the next gateway in. What is not committed is not acknowledged either: the broker delivers it again."""
        self._disk.shutdown()
        self._journal.close()
        self._quarantine.close()

    async def _commit(self, load: Load) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = time.monotonic()
            try:
                await loop.run_in_executor(self._disk, load.write, self._journal, self._quarantine)
                break
            except JournalFull as error:
                if self._stopping:
                    return
                self._begin_hold(began_s, error)
                await asyncio.sleep(_RETRY_S)
        now_s = time.monotonic()
        self.count += 1
        self.total_s += now_s - began_s
        self.longest_s = max(self.longest_s, now_s - began_s)
        self._inbox.written(load)
        self._events.committed(load)
        if self.hold.active:
            held_s = self.hold.end(now_s)
            self._events.resume()
            _log.warning("resumed after holding for %.1f s", held_s)

    def _begin_hold(self, now_s: float, why: JournalFull) -> None:
        if not self.hold.active:
            self.hold.begin(now_s, self._clock_ms())
            self._events.hold()
            _log.error("holding: the broker keeps what comes until there is room. %s", why)
