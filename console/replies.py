"""Where the replies of responders come in, from gateways of text messages and telephone calls."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping

import msgspec
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from sqlalchemy import Engine
from starlette.requests import ClientDisconnect

from alerts.links import REPLY_PATH
from alerts.replies import Incoming, Replied, Replies
from alerts.reply_numbers import PhoneBook
from alerts.reply_texts import Said, press_text
from console.access.rules import OPEN, Permission, allow, whole
from console.errors import ReplyError, ReplyFault
from console.render import Renderer
from console.reply_providers import (
    MAX_BYTES,
    STANDARD,
    TWILIO,
    CallBegins,
    read_standard,
    read_twilio,
    twiml_ask,
    twiml_message,
    twiml_say,
)
from console.settings import ConsoleSettings
from registry import SealedError

_log = logging.getLogger(__name__)
_STATUS = {
    ReplyFault.UNSIGNED: 401,
    ReplyFault.FORGED: 403,
    ReplyFault.STALE: 403,
    ReplyFault.UNREADABLE: 400,
    ReplyFault.TOO_LONG: 413,
}
#: The first refusals are logged, then one in so many: whoever knocks must not fill the log.
_LOG_FIRST, _LOG_EVERY = 3, 100


class ReplyCounts:
    """How many replies were taken and refused since the start, by name. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> int:
        """Count one more; returns how many there are of this name."""
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def read(self) -> dict[str, int]:
        """The numbers so far."""
        with self._lock:
            return dict(self._counts)


def reply_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer) -> APIRouter:
    """What gateways may reach from outside through a reverse proxy; each needs its signature. A provider whose secret
    is not set is not there."""
    router = APIRouter()
    counts = ReplyCounts()
    book = PhoneBook(engine, key=settings.link_key, country=settings.reply_country)
    strangers = "zh" if settings.reply_country == "CN" else settings.language
    replies = Replies(engine, book, zone=settings.zone, language=strangers)

    @router.get(REPLY_PATH.rstrip("/"))
    @allow(whole(Permission.METRICS_READ))
    def counted() -> Response:
        """How many were taken and refused."""
        return _json(counts.read(), 200)

    @router.post(REPLY_PATH + STANDARD)
    @allow(OPEN)
    async def standard(request: Request) -> Response:
        if not settings.reply_secret:
            return _json({"error": "not configured"}, 404)
        return await _answered(request, STANDARD)

    @router.post(REPLY_PATH + TWILIO)
    @allow(OPEN)
    async def twilio(request: Request) -> Response:
        if not settings.twilio_token:
            return _json({"error": "not configured"}, 404)
        return await _answered(request, TWILIO)

    async def _answered(request: Request, provider: str) -> Response:
        try:
            if int(request.headers.get("content-length", "0")) > MAX_BYTES:
                raise ReplyError(ReplyFault.TOO_LONG)
            body = await request.body()
        except ClientDisconnect:
            return _json({"error": "the request broke off"}, 400)
        except ReplyError as error:
            return _refused(provider, error)
        return await run_in_threadpool(_take, provider, request.url.query, request.headers, body)

    def _take(provider: str, query: str, headers: Mapping[str, str], body: bytes) -> Response:
        now_ms = renderer.now_ms()
        try:
            incoming: Incoming | CallBegins
            if provider == STANDARD:
                incoming = read_standard(settings.reply_secret, headers, body, now_ms)
            else:
                incoming = read_twilio(settings.twilio_token, settings.public_url, query, headers, body)
        except ReplyError as error:
            return _refused(provider, error)
        try:
            if isinstance(incoming, CallBegins):
                language = replies.language_of(incoming.sender)
                return _xml(twiml_ask(press_text(language), language))
            replied = replies.take(incoming, now_ms)
        except SealedError as error:
            _log.error("a reply cannot be taken: %s", error)
            return _json({"error": "the registry cannot be read"}, 503)
        counts.add(f"{provider}:{replied.said.value}")
        return _said(incoming, replied)

    def _refused(provider: str, error: ReplyError) -> Response:
        count = counts.add(f"{provider}:{error.fault.value}")
        if count <= _LOG_FIRST or count % _LOG_EVERY == 0:
            _log.warning("a reply by %s was refused: %s (%d so far)", provider, error, count)
        return _json({"error": str(error)}, _STATUS[error.fault])

    return router


def _said(incoming: Incoming, replied: Replied) -> Response:
    status = 429 if replied.said is Said.TOO_MANY else 200
    if incoming.provider == STANDARD:
        body = {"said": replied.said.value, "answer": replied.answer, "language": replied.language}
        return _json(body | ({"incident": replied.incident} if replied.incident else {}), status)
    if incoming.via == "sms":
        return _xml(twiml_message(replied.answer), status)
    ask_again = replied.said in (Said.UNCLEAR, Said.WHICH)
    return _xml((twiml_ask if ask_again else twiml_say)(replied.answer, replied.language), status)


def _json(body: object, status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _xml(body: str, status: int = 200) -> Response:
    return Response(body, status, media_type="text/xml")
