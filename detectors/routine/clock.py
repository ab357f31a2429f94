"""Local time of a district, for many instants at once."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
DAY_MIN = 1440


class LocalClock:
    """Turns epoch milliseconds into local minutes, through every change of daylight saving time.

    Offsets change on the quarter hour at the earliest anywhere, so that one is looked up per quarter hour and kept.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._offsets_min: dict[int, int] = {}

    def minutes(self, t_ms: NDArray[np.int64]) -> NDArray[np.float64]:
        """Local minutes since the epoch: modulo 1440 the time of day, the rest of the division the local day."""
        quarters = t_ms // (15 * MINUTE_MS)
        if len(quarters) and (quarters == quarters[0]).all():
            return np.asarray(t_ms / MINUTE_MS + self._offset_min(int(quarters[0])), np.float64)
        some, which = np.unique(quarters, return_inverse=True)
        offsets = np.array([self._offset_min(int(quarter)) for quarter in some], np.float64)
        return np.asarray(t_ms / MINUTE_MS + offsets[which], np.float64)

    def minute(self, t_ms: int) -> float:
        """The same of one instant."""
        return t_ms / MINUTE_MS + self._offset_min(t_ms // (15 * MINUTE_MS))

    def next_ms(self, t_ms: int, clock_min: float) -> int:
        """The first instant after ``t_ms`` at which the local clock shows ``clock_min`` minutes past midnight."""
        local = self.minute(t_ms)
        ahead_min = (clock_min - local) % DAY_MIN or DAY_MIN
        found_ms = round(t_ms + ahead_min * MINUTE_MS)
        shift_min = self._offset_min(found_ms // (15 * MINUTE_MS)) - self._offset_min(t_ms // (15 * MINUTE_MS))
        found_ms -= shift_min * MINUTE_MS  # the clock was set in between
        return found_ms if found_ms > t_ms else found_ms + DAY_MIN * MINUTE_MS

    def _offset_min(self, quarter: int) -> int:
        offset_min = self._offsets_min.get(quarter)
        if offset_min is None:
            if len(self._offsets_min) > 5_000:
                self._offsets_min.clear()
            at = datetime.fromtimestamp(quarter * 15 * 60, self.zone).utcoffset()
            offset_min = self._offsets_min[quarter] = int(at.total_seconds() // 60) if at else 0
        return offset_min
