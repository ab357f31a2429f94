"""A wall clock that never goes back."""

from __future__ import annotations

import time
from collections.abc import Callable

#: How fast our time runs while the wall clock is behind it: a call after 30 s then comes after 33 s, and ten minutes
#: are made good in 100.
_SLOW = 0.9


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _run_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class SteadyClock:
    """Epoch milliseconds by the wall clock, but when that is put back our time runs on, slower, until it is met again.

    So the time line never tells of an answer before its call, and calls do not wait for the time that was put back. A
    wall clock that is put forward is followed at once.
    """

    def __init__(self, wall_ms: Callable[[], int] = _wall_ms, run_ms: Callable[[], int] = _run_ms) -> None:
        """``wall_ms`` may be put to any time, ``run_ms`` only counts how long it has run."""
        self._wall_ms, self._run_ms = wall_ms, run_ms
        self._last_ms, self._ran_ms = float(wall_ms()), run_ms()

    def __call__(self) -> int:
        """Now."""
        ran_ms = self._run_ms()
        least_ms = self._last_ms + _SLOW * (ran_ms - self._ran_ms)
        self._last_ms, self._ran_ms = max(float(self._wall_ms()), least_ms), ran_ms
        return int(self._last_ms)
