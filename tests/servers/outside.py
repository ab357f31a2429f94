"""What lies outside: a dead-man's switch and a pager's webhook on HTTP, and a mail server."""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Outside:
    """A server of others; ``calls`` are (method, path, body). ``status`` is what it answers from now on."""

    port: int = 0
    status: int = 200
    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def url(self, path: str) -> str:
        """An address on it."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def paths(self) -> list[str]:
        """The paths that were called, in order."""
        return [path for _, path, _ in list(self.calls)]


@contextmanager
def outside_server() -> Iterator[Outside]:
    """An HTTP server that takes GET and POST."""
    found = Outside()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            found.calls.append((self.command, self.path.lstrip("/"), body))
            self.send_response(found.status)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST = _take  # noqa: N815

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailServer:
    """``mails`` are what was accepted, ``logins`` (user, password). With ``refuse`` it takes no recipient."""

    port: int = 0
    refuse: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server that speaks as much SMTP (RFC 5321, AUTH PLAIN of RFC 4954) as handing over mail needs."""
    found = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            self._say(b"220 ready")
            while line := self.rfile.readline():
                verb, _, rest = line.decode().strip().partition(" ")
                match verb.upper():
                    case "EHLO":
                        self._say(b"250-outside\r\n250 AUTH PLAIN")
                    case "AUTH":
                        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                        found.logins.append((user, password))
                        self._say(b"235 yes")
                    case "RCPT":
                        self._say(b"550 nobody of that name" if found.refuse else b"250 yes")
                    case "DATA":
                        self._say(b"354 go on")
                        found.mails.append(self._mail())
                        self._say(b"250 taken")
                    case "QUIT":
                        self._say(b"221 bye")
                        return
                    case _:
                        self._say(b"250 yes")

        def _mail(self) -> EmailMessage:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            return message_from_bytes(b"".join(lines), policy=policy.default)

        def _say(self, what: bytes) -> None:
            self.wfile.write(what + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
