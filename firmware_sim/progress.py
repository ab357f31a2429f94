"""How a run stands, twice a second."""

from __future__ import annotations

from dataclasses import dataclass

_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands. ``rate`` is messages taken by the broker per second of real time, since the last report."""

    elapsed_s: float
    published: int
    rate: float
    connected: int
    connections: int
    backlog: int
    falls: int
    calls: int
    calls_open: int
    problem: str


class Pace:
    """When a report is due, and how fast it goes. Instants are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._last_s, self._last_taken = 0.0, 0

    def is_due(self, at_s: float) -> bool:
        """Whether it is time for another."""
        return at_s - self._last_s >= _EVERY_S

    def rate(self, at_s: float, taken: int) -> float:
        """Messages per second since the last report; this is one."""
        last_s, last_taken = self._last_s, self._last_taken
        self._last_s, self._last_taken = at_s, taken
        return (taken - last_taken) / (at_s - last_s) if last_s and at_s > last_s else 0.0
