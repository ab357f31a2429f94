"""Sends many messages at once in a thread of its own, and hands the results back."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass

import httpx

from alerts.delivery import SendResult
from alerts.reasons import Reason
from alerts.webhook import send_webhook
from registry import ChannelEntry

_log = logging.getLogger(__name__)

_MAX_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Job:
    """One send: the attempt ``attempt`` at ``notification``, claimed in the database at ``now_ms``."""

    notification: str
    responder: str
    attempt: int
    channel: ChannelEntry
    body: bytes
    now_ms: int


class Courier:
    """A thread with an event loop: :meth:`submit` never blocks, results wait in :meth:`results`.

    An endpoint that is slow or silent holds up nobody else; how many messages one responder gets at once is the
    caller's business.
    """

    def __init__(self, timeout_s: float) -> None:
        """Start the thread; each send may take ``timeout_s``."""
        self._timeout_s = timeout_s
        self._done: queue.SimpleQueue[tuple[Job, SendResult]] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s),
            limits=httpx.Limits(max_connections=_MAX_AT_ONCE, max_keepalive_connections=_MAX_AT_ONCE),
            trust_env=False,  # neither a proxy nor a .netrc of the account that we run under
        )
        self._gate = asyncio.Semaphore(_MAX_AT_ONCE)
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Send it as soon as may be."""
        asyncio.run_coroutine_threadsafe(self._send(job), self._loop).add_done_callback(self._report_defect)

    def results(self) -> list[tuple[Job, SendResult]]:
        """What has come back since the last call."""
        found = []
        while True:
            try:
                found.append(self._done.get_nowait())
            except queue.Empty:
                return found

    def close(self) -> None:
        """Give up what is on its way and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _send(self, job: Job) -> None:
        if job.channel.type != "webhook":
            error = f"no sender for channel type {job.channel.type!r}"
            self._done.put((job, SendResult(Reason.BAD_CHANNEL, error=error)))
            return
        try:
            async with self._gate:
                result = await send_webhook(
                    self._client,
                    job.channel.url,
                    job.channel.secret,
                    job.notification,
                    job.body,
                    job.now_ms,
                    self._timeout_s,
                )
        except Exception as error:  # a defect of ours must not leave the responder waiting for ever
            _log.exception("sending %s", job.notification)
            result = SendResult(Reason.INTERNAL, recoverable=True, error=repr(error))
        self._done.put((job, result))

    @staticmethod
    def _report_defect(future: Future[None]) -> None:
        if not future.cancelled() and future.exception() is not None:
            _log.error("the courier failed", exc_info=future.exception())
