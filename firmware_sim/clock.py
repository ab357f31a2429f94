"""The simulation's time: the wall clock, or one that runs faster."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Epoch milliseconds that pass ``speed`` times as fast as the wall clock, from now or from ``start_ms``."""

    def __init__(self, *, speed: float = 1.0, start_ms: int | None = None) -> None:
        self.speed = speed
        self._start_ms = time.time() * 1000 if start_ms is None else float(start_ms)
        self._start_s = time.monotonic()
        self._stood_at_s: float | None = None

    def now_ms(self) -> int:
        """What time it is."""
        at_s = time.monotonic() if self._stood_at_s is None else self._stood_at_s
        return int(self._start_ms + (at_s - self._start_s) * 1000 * self.speed)

    async def sleep_until(self, instant_ms: float) -> None:
        """Return at ``instant_ms``, or at once when it has passed."""
        await asyncio.sleep(max(0.0, (instant_ms - self.now_ms()) / 1000 / self.speed))

    async def stand_still(self, real_s: float) -> None:
        """Return after so long by the wall clock, at the same instant by this one."""
        self._stood_at_s = time.monotonic()
        try:
            await asyncio.sleep(real_s)
        finally:
            self._start_s += time.monotonic() - self._stood_at_s
            self._stood_at_s = None
