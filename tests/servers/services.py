"""What Apprise talks to, on free ports of 127.0.0.1: a mail server, and an HTTP service such as ntfy."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.ports import free_port


class MailSink:
    """Takes mail; ``answer`` is what it says to a message, 250 when it is taken."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 taken"
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """A message has come."""
        assert isinstance(envelope.content, bytes)
        if self.answer.startswith("250"):
            self.mails.append(
                email.message_from_bytes(envelope.content, _class=EmailMessage, policy=email.policy.default)
            )
        return self.answer

    @property
    def url(self) -> str:
        """The Apprise url of somebody's mailbox here."""
        return f"mailto://127.0.0.1:{self._controller.port}?from=care@example.org&to=ann@example.org"

    def texts(self) -> list[str]:
        """The plain text of each message."""
        bodies = [mail.get_body(("plain",)) for mail in self.mails]
        return [body.get_content() for body in bodies if body is not None]


class PushSink:
    """Takes JSON by POST; ``status`` is what it answers, ``silent_s`` how long it takes to."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.status = 200
        self.silent_s = 0.0
        self._closing = threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                sink.requests.append({name.lower(): value for name, value in self.headers.items()})
                if sink.status == 200:
                    sink.messages.append(json.loads(body))
                sink._closing.wait(sink.silent_s)
                self.send_response(sink.status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """The Apprise url of a topic here."""
        return f"ntfy://127.0.0.1:{self._server.server_address[1]}/ann"


@contextmanager
def mail_server() -> Iterator[MailSink]:
    """A mail server that runs for as long as the block."""
    sink = MailSink()
    sink._controller.start()
    try:
        yield sink
    finally:
        sink._controller.stop()


@contextmanager
def push_server() -> Iterator[PushSink]:
    """A push service that runs for as long as the block."""
    sink = PushSink()
    thread = threading.Thread(target=sink._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink._closing.set()
        sink._server.shutdown()
        sink._server.server_close()


@pytest.fixture
def mail() -> Iterator[MailSink]:
    """A mail server."""
    with mail_server() as sink:
        yield sink


@pytest.fixture
def push() -> Iterator[PushSink]:
    """A push service."""
    with push_server() as sink:
        yield sink
