"""The console in a thread of the test, on a free port of 127.0.0.1, over a database of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from console.access import sessions, users
from console.access.sessions import Lifetimes
from console.app import create_app, wall_clock_ms
from console.server import serve
from console.settings import ConsoleSettings
from registry import writing
from tests.console.district import LINK_KEY

_START_S = 15.0


@dataclass(frozen=True)
class Site:
    """A console that answers at ``url`` over ``engine``."""

    url: str
    engine: Engine

    def session(self, user: str) -> str:
        """A new session of a user, as it stands in the cookie ``session``."""
        with writing(self.engine) as connection:
            return sessions.start(
                connection, users.find_user(connection, user), stage="full", remember=False, now_ms=wall_clock_ms(),
                address="127.0.0.1", agent="test", lifetimes=Lifetimes(),
            )  # fmt: skip


@contextmanager
def running_site(
    engine: Engine, *, store_url: str = "", folder: Path | None = None, now_ms: Callable[[], int] = wall_clock_ms
) -> Iterator[Site]:
    """Serve until the block ends. The tables must be there. ``folder``: the data folder of gateway and processor."""
    settings = ConsoleSettings(
        link_key=LINK_KEY, time_zone="Asia/Shanghai", poll_s=0.05, heartbeat_s=0.5, store_url=store_url,
        quarantine_dir=folder / "quarantine" if folder else None, journal_dir=folder / "journal" if folder else None,
    )  # fmt: skip
    app = create_app(engine, settings, now_ms=now_ms)
    stop, started, urls = threading.Event(), threading.Event(), list[str]()

    def ready(url: str) -> None:
        urls.append(url)
        started.set()

    thread = threading.Thread(target=serve, args=(app, "127.0.0.1", 0, stop), kwargs={"ready": ready}, daemon=True)
    thread.start()
    try:
        assert started.wait(_START_S), f"the console has not started after {_START_S} s"
        yield Site(urls[0], engine)
    finally:
        stop.set()
        thread.join(_START_S)
