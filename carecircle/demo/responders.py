"""The demo's responders: one HTTP server that takes their webhooks and presses the acknowledge button for half.

It is a real receiver: it verifies the Standard Webhooks signature and acknowledges as a person would, by a POST to the
link in the message.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from standardwebhooks import Webhook

_BODY_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Notice:
    """One webhook as it arrived."""

    at_ms: int
    webhook_id: str
    incident: str
    responder: str


@dataclass
class Responders:
    """Receives notifications and acknowledges every second incident, ``answer_after_s`` after its first notice.

    ``notices`` are all that arrived, ``refused`` counts messages with a wrong signature, ``acknowledged`` are the
    incidents whose acknowledgement was accepted.
    """

    secret: str
    answer_after_s: float = 2.0
    notices: list[Notice] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, bool] = {}  # incident -> whether it will be acknowledged
        self._timers: list[threading.Timer] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="responders", daemon=True)

    @property
    def url(self) -> str:
        """Where webhooks go."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/notify"

    def __enter__(self) -> Responders:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
        self._server.shutdown()
        self._server.server_close()

    def snapshot(self) -> tuple[list[Notice], set[str]]:
        """What has arrived and been acknowledged so far."""
        with self._lock:
            return list(self.notices), set(self.acknowledged)

    def _take(self, webhook_id: str, data: dict[str, Any]) -> None:
        incident = str(data["incident"])
        with self._lock:
            self.notices.append(Notice(time.time_ns() // 1_000_000, webhook_id, incident, str(data["responder"])))
            if incident in self._seen:
                return
            answers = len(self._seen) % 2 == 0
            self._seen[incident] = answers
        if answers:
            timer = threading.Timer(self.answer_after_s, self._acknowledge, (incident, str(data["ack_url"])))
            timer.daemon = True
            self._timers.append(timer)
            timer.start()

    def _acknowledge(self, incident: str, url: str) -> None:
        try:
            answer = httpx.post(url, timeout=10, follow_redirects=True)
        except httpx.HTTPError:
            return
        if answer.is_success:
            with self._lock:
                self.acknowledged.add(incident)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        responders = self
        webhook = Webhook(self.secret)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                raw = self.rfile.read(min(length, _BODY_LIMIT))
                try:
                    webhook.verify(raw, dict(self.headers.items()))
                    data = json.loads(raw)["data"]
                except Exception:  # whatever is wrong with it, it is not from our sender
                    responders.refused += 1
                    self._answer(401)
                    return
                responders._take(self.headers["webhook-id"], data)
                self._answer(204)

            def _answer(self, code: int) -> None:
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the table shows it."""

        return Handler
