"""When to connect again, and when somebody should look at why that is needed so often."""

from __future__ import annotations

import random

#: A connection that lived this long was a good one: the back-off starts again from its minimum.
STABLE_S = 10.0
#: This many connections in a row that ended early are more than a restart of the broker.
_SUSPICIOUS = 3
_MOST_DOUBLINGS = 32


class Retries:
    """Waits twice as long each time, from ``min_s`` to ``max_s``, less up to a half so that not all come at once."""

    def __init__(self, min_s: float, max_s: float) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._attempt = 0
        self._early_ends = 0

    def wait_s(self) -> float:
        """How long to wait before the next attempt."""
        ceiling_s = min(self._max_s, self._min_s * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, _MOST_DOUBLINGS)
        return random.uniform(0.5, 1.0) * ceiling_s

    def ended(self, lived_s: float) -> bool:
        """A connection that was accepted has ended after ``lived_s``; whether that is suspicious by now."""
        if lived_s >= STABLE_S:
            self._attempt = self._early_ends = 0
            return False
        self._early_ends += 1
        return self._early_ends >= _SUSPICIOUS
