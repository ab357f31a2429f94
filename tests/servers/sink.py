"""A responder's webhook endpoint: a real HTTP server that records what arrives and answers as it is told."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest
from standardwebhooks.webhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes....").decode()


@dataclass(frozen=True)
class Answer:
    """What the sink does with one request: answer ``status`` after ``delay_s``, or drop the connection unanswered.

    ``trickle_s``: afterwards keep sending a byte of the body every so often, without end.
    """

    status: int = 200
    delay_s: float = 0.0
    drop: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trickle_s: float | None = None


@dataclass(frozen=True)
class Received:
    """One request: ``at_s`` by the monotonic clock, its path, and whether its signature is right."""

    at_s: float
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    genuine: bool

    @property
    def id(self) -> str:
        """The webhook id."""
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        """The message itself."""
        data: dict[str, Any] = self.body["data"]
        return data


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512  # with the usual five, connections of a storm are refused

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # senders are killed in tests
            super().handle_error(request, client_address)


class Sink:
    """Listens on a free port of 127.0.0.1; ``received`` is in the order of arrival.

    ``answers[path]`` is used up one by one, then ``default[path]``, then 200.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[str, deque[Answer]] = defaultdict(deque)
        self.default: dict[str, Answer] = {}
        self._news = threading.Condition()
        self._closing = threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sink._handle(self)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def of(self, path: str) -> list[Received]:
        """What arrived under a path."""
        with self._news:
            return [request for request in self.received if request.path == "/" + path]

    def ids(self) -> list[str]:
        """The webhook ids in the order of arrival."""
        with self._news:
            return [request.id for request in self.received]

    def wait_for(self, count: int, timeout_s: float = 10.0) -> list[Received]:
        """The first ``count`` requests; raises TimeoutError when they do not come."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.received) >= count, timeout_s):
                raise TimeoutError(f"{len(self.received)} of {count} requests after {timeout_s} s")
            return self.received[:count]

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        name = request.path.lstrip("/")
        with self._news:
            genuine = _is_genuine(headers, body)
            self.received.append(Received(time.monotonic(), request.path, headers, json.loads(body), genuine))
            queue = self.answers[name]
            answer = queue.popleft() if queue else self.default.get(name, Answer())
            self._news.notify_all()
        self._closing.wait(answer.delay_s)
        if answer.drop:
            request.close_connection = True
            return
        try:
            self._answer(request, answer)
        except OSError:  # the sender gave up waiting
            request.close_connection = True

    def _answer(self, request: BaseHTTPRequestHandler, answer: Answer) -> None:
        request.send_response(answer.status)
        for key, value in answer.headers.items():
            request.send_header(key, value)
        if answer.trickle_s is None:
            request.send_header("content-length", str(len(answer.body)))
        request.end_headers()
        request.wfile.write(answer.body)
        while answer.trickle_s is not None and not self._closing.wait(answer.trickle_s):
            request.wfile.write(b".")
            request.wfile.flush()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


def _is_genuine(headers: dict[str, str], body: bytes) -> bool:
    """By the library's own signature; its ``verify`` looks at the wall clock, and tests have a clock of their own."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    expected = Webhook(SECRET).sign(msg_id=headers["webhook-id"], timestamp=at, data=body.decode())
    return headers["webhook-signature"] == expected and headers["idempotency-key"] == headers["webhook-id"]


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A webhook endpoint."""
    with Sink() as server:
        yield server
