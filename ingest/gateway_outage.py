"""Bookkeeping of when messages may have waited at the broker. Pure: instants are the caller's, of a monotonic clock."""

from __future__ import annotations

#: The broker's queue is taken for empty when nothing comes for this long, or after a minute in which it never pauses.
_QUIET_S = 0.1
_DRAINED_S = 60.0


class Drain:
    """Whether the broker has delivered what had waited there."""

    def __init__(self) -> None:
        self.done = False
        self._since_s = 0.0
        self._message_at_s = 0.0

    def begin(self, now_s: float, *, empty: bool = False) -> None:
        """The broker begins to deliver; with ``empty`` it is known to have had nothing."""
        self.done = empty
        self._since_s = self._message_at_s = now_s

    def message(self, now_s: float) -> None:
        """A message has come."""
        self._message_at_s = now_s

    def look(self, now_s: float) -> None:
        """Everything received is committed and acknowledged: has there been a pause since?"""
        self.done = self.done or now_s - self._message_at_s > _QUIET_S or now_s - self._since_s > _DRAINED_S


class Hold:
    """The times in which nothing was read because the journal had no room."""

    def __init__(self) -> None:
        self.count = 0
        self.since_ms = 0
        self._since_s: float | None = None
        self._before_s = 0.0

    @property
    def active(self) -> bool:
        """Whether it holds now."""
        return self._since_s is not None

    def begin(self, now_s: float, now_ms: int) -> None:
        """Stop; ``now_ms`` is the wall clock, kept as :attr:`since_ms`."""
        self.count += 1
        self._since_s, self.since_ms = now_s, now_ms

    def end(self, now_s: float) -> float:
        """Go on; how long it was, in seconds."""
        held_s = 0.0 if self._since_s is None else now_s - self._since_s
        self._before_s += held_s
        self._since_s = None
        return held_s

    def total_s(self, now_s: float) -> float:
        """All of it so far, in seconds."""
        return self._before_s + (0.0 if self._since_s is None else now_s - self._since_s)
