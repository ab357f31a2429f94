"""Asks an application directly, and hangs up on a stream after a moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.types import ASGIApp, Message

#: A stream is listened to for so long; everything else has answered by far.
_LISTEN_S = 0.7
_PATIENCE_S = 20.0


@dataclass
class Answer:
    """What came back; of a stream what came until the line was cut."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    streaming: bool = False

    @property
    def text(self) -> str:
        """Headers and body, where anything may be told."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return f"{head}\n\n{self.body.decode('utf-8', 'replace')}"


async def ask(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    """One request from this machine."""
    given = {"host": "127.0.0.1:8080", "sec-fetch-site": "same-origin", "content-length": str(len(body))}
    given |= dict(headers or {})
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": quote(path).encode(), "root_path": "", "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8080),
    }  # fmt: skip
    answer, chunks = Answer(), [body]
    forever, begun = asyncio.Event(), asyncio.Event()

    async def receive() -> Message:
        if not chunks:
            await forever.wait()
        return {"type": "http.request", "body": chunks.pop(), "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
            answer.streaming = "text/event-stream" in answer.headers.get("content-type", "")
            begun.set()
        else:
            answer.body += message.get("body", b"")

    running = asyncio.ensure_future(app(scope, receive, send))
    waiting = asyncio.ensure_future(begun.wait())
    await asyncio.wait({running, waiting}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await asyncio.wait({running}, timeout=_LISTEN_S if answer.streaming else _PATIENCE_S)
    if not running.done():
        assert answer.streaming, f"{method} {path} gives no answer"
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    elif (error := running.exception()) is not None and answer.status != 500:
        raise error
    return answer
