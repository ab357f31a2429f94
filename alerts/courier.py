"""Sends many messages at once in a thread of its own, and hands the results back."""

from __future__ import annotations

import asyncio
import functools
import logging
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from alerts.delivery import SendResult
from alerts.reasons import Reason
from alerts.texts import TextMessage
from alerts.webhook import send_webhook
from registry import ChannelEntry

_log = logging.getLogger(__name__)

_MAX_AT_ONCE = 200
#: Through Apprise, each in a thread of its own that waits for its service.
_MAX_THREADS = 32


@dataclass(frozen=True, slots=True)
class Job:
    """One send: the attempt ``attempt`` at ``notification``, claimed in the database at ``now_ms``. ``message`` is the
    body of a webhook, or a text for people."""

    notification: str
    responder: str
    attempt: int
    channel: ChannelEntry
    message: bytes | TextMessage
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
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="apprise")
        self._thread_gate = asyncio.Semaphore(_MAX_THREADS)
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
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _send(self, job: Job) -> None:
        try:
            match job.channel.type, job.message:
                case "webhook", bytes() as body:
                    result = await self._post(job, body)
                case "apprise", TextMessage() as text:
                    result = await self._tell(job, text)
                case kind, _:
                    result = SendResult(Reason.BAD_CHANNEL, error=f"no sender for channel type {kind!r}")
        except Exception as error:  # a defect of ours must not leave the responder waiting for ever
            _log.exception("sending %s", job.notification)
            result = SendResult(Reason.INTERNAL, recoverable=True, error=repr(error))
        self._done.put((job, result))

    async def _post(self, job: Job, body: bytes) -> SendResult:
        async with self._gate:
            url, secret = job.channel.url, job.channel.secret
            return await send_webhook(self._client, url, secret, job.notification, body, job.now_ms, self._timeout_s)

    async def _tell(self, job: Job, text: TextMessage) -> SendResult:
        from alerts.apprise_channel import send_apprise  # many imports, for those who use it

        async with self._thread_gate:
            send = functools.partial(send_apprise, job.channel.url, text, self._timeout_s)
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._loop.run_in_executor(self._threads, send)
            except TimeoutError:
                error = f"the service did not take it within {self._timeout_s:g} s"
                return SendResult(Reason.TIMEOUT, recoverable=True, error=error)

    @staticmethod
    def _report_defect(future: Future[None]) -> None:
        if not future.cancelled() and future.exception() is not None:
            _log.error("the courier failed", exc_info=future.exception())
