"""Runs each role as a child process and starts it again when it dies."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from carecircle.nursery import Forked, Nursery

_log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
#: A child that has lived this long is started again at once when it dies.
_HEALTHY_S = 10.0
_POLL_S = 0.1
_STOP_WITHIN_S = 10.0


@dataclass(slots=True)
class _Child:
    name: str
    command: Sequence[str]
    is_role: bool = False
    process: subprocess.Popen[bytes] | Forked | None = None
    started_s: float = 0.0
    delay_s: float = _FIRST_DELAY_S
    due_s: float = 0.0
    restarts: int = 0


@dataclass(slots=True)
class Supervisor:
    """Child processes that are kept alive until :meth:`stop`.

    Roles are forks of one process where that is possible (:mod:`carecircle.nursery`), else processes from the start.

    Args:
        log: where the children's output goes; None leaves it on our own.
        environment: added to ours.
    """

    log: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    _children: list[_Child] = field(default_factory=list)
    _nursery: Nursery | None = None

    def add(self, name: str, command: Sequence[str]) -> None:
        """Start a child now and keep it running."""
        self._add(_Child(name, command))

    def add_role(self, role: str) -> None:
        """Start what ``carecircle run --role`` runs."""
        self._add(_Child(role, [sys.executable, "-m", "carecircle", "run", "--role", role], is_role=True))

    def _add(self, child: _Child) -> None:
        self._children.append(child)
        self._start(child)

    def poll(self) -> None:
        """Start again what has died, with a growing delay when it dies soon after its start."""
        now_s = time.monotonic()
        for child in self._children:
            if child.process is not None:
                code = child.process.poll()
                if code is None:
                    continue
                child.process = None
                lived_s = now_s - child.started_s
                child.delay_s = _FIRST_DELAY_S if lived_s > _HEALTHY_S else min(child.delay_s * 2, _LONGEST_DELAY_S)
                child.due_s = now_s + child.delay_s
                child.restarts += 1
                _log.error("%s ended with %s after %.1f s; again in %.1f s", child.name, code, lived_s, child.delay_s)
            if now_s >= child.due_s:
                self._start(child)

    def run(self, stop: threading.Event) -> None:
        """Keep the children alive until ``stop``, then end them."""
        try:
            while not stop.wait(_POLL_S):
                self.poll()
        finally:
            self.stop()

    def process_ids(self) -> dict[str, int]:
        """Name -> process id of the children that run."""
        return {child.name: child.process.pid for child in self._children if child.process is not None}

    @property
    def nursery_id(self) -> int | None:
        """Process id of what the roles are forked from, None without one."""
        return None if self._nursery is None else self._nursery.pid

    def stop(self) -> None:
        """End the children in the order of the data's way: SIGTERM, and SIGKILL for those that do not listen."""
        for child in self._children:
            if child.process is None:
                continue
            child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                _log.warning("%s did not end within %.0f s: killed", child.name, _STOP_WITHIN_S)
                child.process.kill()
                child.process.wait()
            child.process = None
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None

    def _start(self, child: _Child) -> None:
        environment = {**os.environ, **self.environment}
        log = None
        if self.log is not None:
            self.log.mkdir(parents=True, exist_ok=True)
            log = self.log / f"{child.name}.log"
        child.process = self._forked(child.name, environment, log) if child.is_role else None
        if child.process is None:
            output: IO[bytes] | None = None if log is None else log.open("ab")
            child.process = subprocess.Popen(
                child.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches us only: we end them in order
            )
            if output is not None:
                output.close()
        child.started_s = time.monotonic()

    def _forked(self, role: str, environment: Mapping[str, str], log: Path | None) -> Forked | None:
        """The role as a fork, None where it can only be a process from the start."""
        if not Nursery.is_possible():
            return None
        try:
            if self._nursery is not None and self._nursery.lost:
                self._nursery.close()
                self._nursery = None
            if self._nursery is None:
                self._nursery = Nursery()
            return self._nursery.start(role, environment, log)
        except OSError as error:
            _log.warning("%s; it is a process of its own, which takes more memory", error)
            return None
