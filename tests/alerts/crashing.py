"""Points at which an alerts service kills itself, as a power cut would: around each commit, send and append."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

from alerts import moving, service
from alerts.courier import Courier
from alerts.moving import Mover
from alerts.service import AlertService
from journal import JournalReader, JournalWriter
from registry.database import writing

#: The transactions of a service, by the method that has them.
_WORK = {
    AlertService: {"_beat": "beat", "_record": "record", "_take": "take", "_turn": "turn"},
    Mover: {"_move": "move"},
}


def crash_at(point: str, turn: int) -> None:
    """Make this process kill itself when it comes to ``point`` for the ``turn``-th time.

    Points: ``before commit of`` and ``after commit of`` each of beat, record, take, turn, move; ``before`` and ``after
    sending by`` webhook and apprise; ``before`` and ``after append`` to a journal; ``before`` and ``after offset``.
    """
    left = turn
    work: list[str] = []

    def come_to(here: str) -> None:
        nonlocal left
        if here == point:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def crashing(engine: Engine) -> Iterator[Connection]:
        with writing(engine) as connection:
            yield connection
            come_to(f"before commit of {work[-1]}")
        come_to(f"after commit of {work[-1]}")

    for module in (service, moving):
        module.writing = crashing
    for owner, methods in _WORK.items():
        for method, name in methods.items():
            setattr(owner, method, _named(getattr(owner, method), name, work))
    for method, name in (("_post", "webhook"), ("_tell", "apprise")):
        setattr(Courier, method, _sending(getattr(Courier, method), name, come_to))
    JournalWriter.append = _around(JournalWriter.append, "append", come_to)
    JournalReader.commit = _around(JournalReader.commit, "offset", come_to)


def _named(method: Callable[..., Any], name: str, work: list[str]) -> Callable[..., Any]:
    @functools.wraps(method)
    def named(*args: Any) -> Any:
        work.append(name)
        try:
            return method(*args)
        finally:
            work.pop()

    return named


def _sending(method: Callable[..., Any], name: str, come_to: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def sending(*args: Any) -> Any:
        come_to(f"before sending by {name}")
        result = await method(*args)
        come_to(f"after sending by {name}")
        return result

    return sending


def _around(method: Callable[..., Any], name: str, come_to: Callable[[str], None]) -> Callable[..., Any]:
    @functools.wraps(method)
    def around(*args: Any) -> Any:
        come_to(f"before {name}")
        result = method(*args)
        come_to(f"after {name}")
        return result

    return around
