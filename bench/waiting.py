"""Waiting for the parts of a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable


class BenchError(RuntimeError):
    """The benchmark could not run; the text says why."""


def patiently(done: Callable[[], bool], within_s: float, *, every_s: float = 0.5) -> bool:
    """Whether ``done`` came true in time."""
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def wait_for(ready: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return once ``ready``. Raises BenchError that says ``what`` was waited for."""
    if not patiently(ready, timeout_s, every_s=0.1):
        raise BenchError(f"waited {timeout_s:.0f} s in vain for {what}")
