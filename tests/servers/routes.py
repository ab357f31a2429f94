"""A small server of routes that speaks OSRM's table service over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Routes:
    """``speed_mps`` along meridians and parallels, by profile; ``seconds_from`` (lat, lon) in its place; ``asked`` has
    the path of each request.

    ``delay_s`` before each answer; ``status`` and ``body`` in the place of a table, where they are set.
    """

    url: str = ""
    speed_mps: dict[str, float] = field(default_factory=lambda: {"foot": 1.0, "bike": 4.0, "car": 10.0})
    delay_s: float = 0.0
    status: int = 200
    body: bytes | None = None
    no_road_from: set[tuple[float, float]] = field(default_factory=set)
    seconds_from: dict[tuple[float, float], float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def table(self, path: str) -> dict[str, Any]:
        """The answer to a request of the table service."""
        parts = urlsplit(path)
        _, service, version, profile, places = parts.path.split("/")
        assert (service, version) == ("table", "v1")
        points = [tuple(float(part) for part in place.split(",")) for place in places.split(";")]
        query = parse_qs(parts.query)
        sources = [int(at) for at in query["sources"][0].split(";")]
        (destination,) = [int(at) for at in query["destinations"][0].split(";")]
        return {
            "code": "Ok",
            "durations": [[self._seconds(profile, points[at], points[destination])] for at in sources],
        }

    def _seconds(self, profile: str, one: tuple[float, ...], other: tuple[float, ...]) -> float | None:
        if (one[1], one[0]) in self.no_road_from:
            return None
        if (one[1], one[0]) in self.seconds_from:
            return self.seconds_from[one[1], one[0]]
        metres = (abs(one[0] - other[0]) + abs(one[1] - other[1])) * 100_000
        return round(metres / self.speed_mps[profile], 1)


@contextmanager
def serve_routes() -> Iterator[Routes]:
    """The server on a free port of 127.0.0.1."""
    routes = Routes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            routes.asked.append(self.path)
            time.sleep(routes.delay_s)
            body = json.dumps(routes.table(self.path)).encode() if routes.body is None else routes.body
            try:
                self.send_response(routes.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                pass  # who asked has not waited

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    routes.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield routes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
