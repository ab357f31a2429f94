"""A description of an HTTP API (OpenAPI) that watches over a server: prism between a client and a small stateful fake.

Prism's mock keeps no state, so it cannot show that a second run changes nothing. As a proxy with ``--errors`` it checks
every request (422, 401) and every answer of the fake (500) against the vendor's own description: the fake cannot take
what the real server would not, nor answer what it would not.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.servers.ports import free_port, wait_for_port
from tests.servers.require import data_root, missing

_PRISM = "@stoplight/prism-cli@5.14.2"
_START_S = 30.0


@dataclass
class Request:
    """What came: method, path without query, query, headers in lower case, and the body's JSON."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


#: Answers a request: status and what is sent as JSON; None sends nothing.
Handler = Callable[[Request], tuple[int, Any]]


@dataclass
class Fake:
    """A server on a free port that does what ``handler`` says; ``requests`` are those that came through prism."""

    handler: Handler
    requests: list[Request] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fake = self

        class _Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                text = self.rfile.read(length)
                parts = urllib.parse.urlsplit(self.path)
                request = Request(
                    self.command,
                    parts.path,
                    dict(urllib.parse.parse_qsl(parts.query)),
                    {name.lower(): value for name, value in self.headers.items()},
                    json.loads(text) if text else None,
                )
                fake.requests.append(request)
                status, answer = fake.handler(request)
                body = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in fake.headers.items():
                    self.send_header(name, value)
                if body:
                    self.send_header("content-type", "application/json")
                if status != 204:
                    self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def changes(self) -> list[str]:
        """``METHOD path`` of every request that is not a mere look."""
        return [f"{request.method} {request.path}" for request in self.requests if request.method != "GET"]


@contextlib.contextmanager
def serve(fake: Fake) -> Iterator[Fake]:
    """Run the fake for as long as the block."""
    thread = threading.Thread(target=fake._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake._server.shutdown()
        fake._server.server_close()


def specification(name: str) -> dict[str, Any]:
    """A vendor's description from the folder ``specs`` beside the recordings, or a skip."""
    path = data_root().parent / "specs" / name
    if not path.is_file():
        pytest.skip(f"no {path}: put the vendor's OpenAPI file there")
    described: dict[str, Any] = json.loads(path.read_text())
    return described


def only_paths(described: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any]:
    """The description with the paths ``wanted`` (as in there -> as served): with few of them prism starts quicker."""
    return described | {"paths": {served: described["paths"][path] for path, served in wanted.items()}}


def _program() -> list[str]:
    """Prism's command; installed with npm at the first use, into the environment that runs the tests."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("node and npm are not installed: apt-get install npm")
        raise AssertionError("unreachable")
    folder = Path(sys.prefix) / ".prism"
    program = folder / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists() or (folder / "installed").read_text() != _PRISM:
            command = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=0", "--prefix", folder, _PRISM]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
                failed = done.stderr.strip().splitlines()[-1:] if done.returncode else []
            except subprocess.TimeoutExpired:
                failed = ["it took more than 3 minutes"]
            if failed:
                missing(f"npm could not install {_PRISM}: {failed[0]}")
            (folder / "installed").write_text(_PRISM)
    return [node, str(program)]


@contextlib.contextmanager
def watched(described: dict[str, Any], fake: Fake, folder: Path) -> Iterator[str]:
    """The address of a prism that lets only what ``described`` allows through to ``fake``, and back."""
    program = _program()
    folder.mkdir(parents=True, exist_ok=True)
    document, port = folder / "openapi.json", free_port()
    document.write_text(json.dumps(described))
    command = [*program, "proxy", str(document), fake.url, "--errors", "--port", str(port), "--host", "127.0.0.1"]
    with serve(fake), (folder / "prism.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "NO_COLOR": "1"}
        )
        try:
            _wait(process, port, folder / "prism.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return wait_for_port(port, timeout_s=0.5)
        except TimeoutError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"prism did not start:\n{log.read_text()}") from None
