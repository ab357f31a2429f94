"""The test channel: a webhook endpoint that notes when the message about an incident has arrived."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from standardwebhooks import Webhook, WebhookVerificationError

from carecircle.probe.errors import ProbeError

_log = logging.getLogger(__name__)

_LARGEST = 64 << 10
_READ_S = 10.0
#: As many receipts are kept.
_KEPT = 100


class TestChannel:
    """Listens from entry to exit. Only messages with a valid signature count, refused ones are answered with 401.

    Raises:
        ProbeError: the address cannot be listened on.
    """

    __test__ = False  # not a class of tests, whatever pytest thinks

    def __init__(self, host: str, port: int, secret: str) -> None:
        self._received: OrderedDict[str, float] = OrderedDict()
        self._news = threading.Condition()
        self._webhook = Webhook(secret)
        channel = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _READ_S

            def do_POST(self) -> None:
                size = self.headers.get("content-length", "")
                if not size.isascii() or not size.isdigit() or int(size) > _LARGEST:
                    self.close_connection = True
                    self.send_error(413)
                    return
                self.send_response(channel._take(self.rfile.read(int(size)), dict(self.headers.items())))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                _log.debug(format, *args)

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ProbeError(
                f"{host}:{port}",
                f"cannot be listened on ({error.strerror}): is another probe running? else set probe.listen_port",
            ) from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def wait(self, incident: str, timeout_s: float) -> float | None:
        """When the message about an incident arrived, by the monotonic clock; None when it has not after a while."""
        with self._news:
            self._news.wait_for(lambda: incident in self._received, max(0.0, timeout_s))
            return self._received.get(incident)

    def _take(self, body: bytes, headers: dict[str, str]) -> int:
        at_s = time.monotonic()
        try:
            self._webhook.verify(body, {name.lower(): value for name, value in headers.items()})
            incident = str(json.loads(body)["data"]["incident"])
        except WebhookVerificationError as error:
            _log.warning("a message to the test channel is not genuine (%s): is the secret the registry's?", error)
            return 401
        except (ValueError, KeyError, TypeError):
            return 400
        with self._news:
            self._received.setdefault(incident, at_s)
            while len(self._received) > _KEPT:
                self._received.popitem(last=False)
            self._news.notify_all()
        return 204

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
