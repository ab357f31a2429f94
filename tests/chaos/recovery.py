"""How long it takes until what was disturbed works again, told by signs that are seen from outside."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from sqlalchemy import select

from alerts import models
from journal.offsets import load_offset, offset_path
from journal.segments import list_segments
from tests.chaos.disturbances import Disturbance, Kind
from tests.chaos.ledger import Ledger
from tests.e2e.system import System

Sign = Callable[[], bool]
_LOOK_S = 0.02


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of all recoveries from one kind of disturbance.

    ``from_begin`` counts from the kill or the beginning, ``from_end`` from when the cause was over: the same for a role
    that the supervisor starts again. ``pending`` had no sign before the run was over.
    """

    kind: str
    times: int
    pending: int
    from_begin_p50_s: float | None
    from_begin_max_s: float | None
    from_end_p50_s: float | None
    from_end_max_s: float | None


@dataclass(slots=True)
class _Wait:
    what: Disturbance
    begun_s: float
    ended_s: float
    sign: Sign
    over_s: float | None = None


class Recoveries:
    """Looks for the signs that are waited for, in a thread of its own. A context manager."""

    def __init__(self) -> None:
        self._waits: list[_Wait] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recoveries", daemon=True)

    def wait_for(self, what: Disturbance, begun_s: float, sign: Sign) -> None:
        """The cause is over now; ``sign`` says true once it works again. Monotonic seconds."""
        self._waits.append(_Wait(what, begun_s, time.monotonic(), sign))

    @property
    def pending(self) -> list[Disturbance]:
        """What does not work again yet."""
        return [wait.what for wait in list(self._waits) if wait.over_s is None]

    def table(self) -> list[Recovered]:
        """By kind, in the order of :class:`Kind`."""
        by_kind: dict[Kind, list[_Wait]] = defaultdict(list)
        for wait in self._waits:
            by_kind[wait.what.kind].append(wait)
        return [_row(kind, by_kind[kind]) for kind in Kind if kind in by_kind]

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            for wait in list(self._waits):
                if wait.over_s is None and wait.sign():
                    wait.over_s = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _row(kind: Kind, waits: Sequence[_Wait]) -> Recovered:
    begin = [wait.over_s - wait.begun_s for wait in waits if wait.over_s is not None]
    end = [wait.over_s - wait.ended_s for wait in waits if wait.over_s is not None]

    def figure(seconds: list[float], q: float) -> float | None:
        return round(float(np.percentile(seconds, q)), 2) if seconds else None

    return Recovered(
        kind=kind.value,
        times=len(waits),
        pending=len(waits) - len(end),
        from_begin_p50_s=figure(begin, 50),
        from_begin_max_s=figure(begin, 100),
        from_end_p50_s=figure(end, 50),
        from_end_max_s=figure(end, 100),
    )


def link_sign(ledger: Ledger, since_s: float) -> Sign:
    """A PUBACK passed on a connection that was opened after ``since_s``."""
    return lambda: ledger.first_ack_since(since_s) is not None


def moved_sign(position: Callable[[], int]) -> Sign:
    """``position`` has moved from where it stands now."""
    before = position()
    return lambda: position() != before


def restart_sign(pid: Callable[[], int | None], dead: int, works: Callable[[int], Sign]) -> Sign:
    """Another process than ``dead`` runs, and then the sign that ``works`` makes of its id."""
    sign: list[Sign] = []

    def look() -> bool:
        if not sign:
            now = pid()
            if now is None or now == dead:
                return False
            sign.append(works(now))
        return sign[0]()

    return look


def journal_end(directory: Path) -> int:
    """The position behind the last byte of a journal."""
    last = list_segments(directory)[-1:]
    return last[0].start + last[0].size() if last else 0


def processor_works(system: System) -> Callable[[int], Sign]:
    """It has appended points; asked for before it can have."""
    return lambda _pid: moved_sign(lambda: journal_end(system.settings.journal_dir / "points"))


def written(system: System) -> Callable[[], int]:
    """How far the writer has the points in the store."""
    path = offset_path(system.settings.journal_dir / "points", "writer")
    return lambda: load_offset(path) or 0


def alerts_works(system: System) -> Callable[[int], Sign]:
    """It has entered itself in the database as one who sends."""

    def sign(pid: int) -> Sign:
        query = select(models.worker.c.id).where(models.worker.c.id.like(f"%-{pid}-%"))

        def entered() -> bool:
            with system.engine.connect() as connection:
                return connection.execute(query).first() is not None

        return entered

    return sign
