"""Makes reports beside the pages: one at a time in a thread of its own, month by month, and keeps them until something
changes."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

import registry
from alerts.history import CaseView, cases
from alerts.reporting import Report, build
from registry import Directory

_log = logging.getLogger(__name__)

_CHUNK_MS = 31 * 86_400_000
_KEPT = 16
#: More wait for nobody: whoever asks then is told to ask again.
_WAITING = 6
#: A report of a period that has not ended changes with the time alone, as limits pass.
_FRESH_MS = 60_000
_AGAIN_WAIT_S = 0.5


class Wanted(NamedTuple):
    """A report: ``areas`` with all below each, none within another; () for everything."""

    areas: tuple[str, ...]
    from_ms: int
    to_ms: int


@dataclass
class Making:
    """How far one is: months of months. ``trouble``: it failed, ask again."""

    done: int = 0
    of: int = 1
    report: Report | None = None
    revision: str = ""
    trouble: bool = False
    future: Future[None] | None = field(default=None, repr=False)

    @property
    def running(self) -> bool:
        """Whether it is being made, or waits for its turn."""
        return self.future is not None and not self.future.done()


class ReportMaker:
    """Safe to be asked from several threads. ``revision`` differs whenever anything differs that is counted."""

    def __init__(self, engine: Engine, revision: Callable[[], str], zone: ZoneInfo, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._revision = revision
        self._zone = zone
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._makings: OrderedDict[Wanted, Making] = OrderedDict()
        self._worker: ThreadPoolExecutor | None = None
        self._stopping = threading.Event()
        self._directory: Directory | None = None

    def get(self, wanted: Wanted, *, wait_s: float) -> Making:
        """The report, or how far it is after ``wait_s``. One that is being made again stays what it was until then."""
        making = self._ask(wanted)
        future = making.future
        if future is not None and making.running:
            # the one before is good enough to be shown meanwhile
            with suppress(TimeoutError):
                future.result(wait_s if making.report is None else min(wait_s, _AGAIN_WAIT_S))
        return making

    def close(self) -> None:
        """Give up what is being made, and what waits for its turn."""
        self._stopping.set()
        with self._lock:
            if self._worker is not None:
                self._worker.shutdown(wait=False, cancel_futures=True)
                self._worker = None

    def _ask(self, wanted: Wanted) -> Making:
        revision, now_ms = self._revision(), self._now_ms()
        with self._lock:
            making = self._makings.setdefault(wanted, Making())
            self._makings.move_to_end(wanted)
            for old in [key for key, one in self._makings.items() if not one.running][: len(self._makings) - _KEPT]:
                del self._makings[old]
            if making.running or self._is_fresh(making, wanted, revision, now_ms):
                return making
            waiting = sum(one.running for one in self._makings.values())
            if waiting >= _WAITING:
                return making
            making.done, making.trouble = 0, False
            making.of = max(1, -(-(min(wanted.to_ms, now_ms) - wanted.from_ms) // _CHUNK_MS))
            self._stopping.clear()
            self._worker = self._worker or ThreadPoolExecutor(1, thread_name_prefix="console-reports")
            making.future = self._worker.submit(self._make, wanted, making)
            return making

    def _is_fresh(self, making: Making, wanted: Wanted, revision: str, now_ms: int) -> bool:
        made = making.report
        if made is None or making.revision != revision:
            return False
        settled = made.made_ms >= wanted.to_ms and not any(one.still for one in made.unreached)
        return settled or 0 <= now_ms - made.made_ms < _FRESH_MS

    def _make(self, wanted: Wanted, making: Making) -> None:
        try:
            revision, now_ms = self._revision(), self._now_ms()  # before: what is made is never older than it says
            directory = self._known()
            found: list[CaseView] = []
            end_ms = min(wanted.to_ms, max(now_ms + 1, wanted.from_ms))
            for start_ms in range(wanted.from_ms, end_ms, _CHUNK_MS):
                if self._stopping.is_set():
                    return
                until_ms = min(start_ms + _CHUNK_MS, end_ms)
                for area in wanted.areas or (None,):
                    found += cases(self._engine, start_ms, until_ms, area=area)
                making.done += 1
            report = made_of(found, directory, wanted, now_ms, self._zone)
            making.report, making.revision = report, revision
        except DBAPIError as error:
            _log.warning("a report could not be made: %r", error)
            making.trouble = True
        except Exception:
            _log.exception("a report could not be made")
            making.trouble = True

    def _known(self) -> Directory:
        if self._directory is None or self._directory.revision != registry.current_revision(self._engine):
            self._directory = registry.directory(self._engine, secrets=False)
        return self._directory


def made_of(found: Iterable[CaseView], directory: Directory, wanted: Wanted, now_ms: int, zone: ZoneInfo) -> Report:
    """The report of these incidents. Of several areas, those above them are left out: they are not the reader's."""
    top = wanted.areas[0] if len(wanted.areas) == 1 else None
    report = build(
        found, directory, from_ms=wanted.from_ms, to_ms=wanted.to_ms, now_ms=now_ms, zone=zone, area=top
    )  # fmt: skip
    if len(wanted.areas) < 2:
        return report
    own = [
        row for row in report.areas if any(row.path == one or row.path.startswith(f"{one}.") for one in wanted.areas)
    ]
    base = min((row.path.count(".") for row in own), default=0)
    names = [entry.name if (entry := directory.areas.get(path)) else path for path in wanted.areas]
    return replace(
        report, area="", area_name=", ".join(names),
        areas=tuple(replace(row, depth=row.path.count(".") - base) for row in own),
    )  # fmt: skip


def smallest(areas: Iterable[str]) -> tuple[str, ...]:
    """Areas without those that lie within others of them, sorted."""
    every = set(areas)
    return tuple(sorted(one for one in every if not any(one.startswith(f"{other}.") for other in every)))
