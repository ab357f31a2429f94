"""The simulation's time: the wall clock, or one that runs faster for tests."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Epoch milliseconds that pass ``speed`` times as fast as the wall clock, from now or from ``start_ms``."""

    def __init__(self, *, speed: float = 1.0, start_ms: int | None = None) -> None:
        self._speed = speed
        self._start_ms = time.time() * 1000 if start_ms is None else float(start_ms)
        self._start_s = time.monotonic()

    def now_ms(self) -> int:
        """What time it is."""
        return int(self._start_ms + (time.monotonic() - self._start_s) * 1000 * self._speed)

    async def sleep_until(self, instant_ms: float) -> None:
        """Return at ``instant_ms``, or at once when it has passed."""
        await asyncio.sleep(max(0.0, (instant_ms - self.now_ms()) / 1000 / self._speed))
