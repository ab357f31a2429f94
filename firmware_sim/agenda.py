"""Who is to be woken next."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Sleeper(Protocol):
    """Somebody who wants to be woken. ``planned_ms`` is the agenda's: which of its entries is the valid one."""

    planned_ms: int | None

    @property
    def due_ms(self) -> int | None:
        """When; None: never, as things stand."""


One = TypeVar("One", bound=Sleeper)


class Agenda(Generic[One]):
    """Everybody who sleeps, by when they want to be woken, and then by who said so first."""

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, One]] = []  # when, order of entry, who
        self._entries = itertools.count()

    @property
    def next_ms(self) -> int | None:
        """When somebody is to be woken next; nobody may be, as it may have happened earlier."""
        return self._queue[0][0] if self._queue else None

    def plan(self, one: One) -> None:
        """Note when ``one`` wants to be woken, where that is earlier than was known."""
        due_ms, planned_ms = one.due_ms, one.planned_ms
        if due_ms is not None and (planned_ms is None or due_ms < planned_ms):
            one.planned_ms = due_ms
            heapq.heappush(self._queue, (due_ms, next(self._entries), one))

    def due(self, now_ms: int) -> Iterator[One]:
        """Who is to be woken by ``now_ms``, in order; each is planned again once it has been."""
        queue = self._queue
        while queue and queue[0][0] <= now_ms:
            due_ms, _, one = heapq.heappop(queue)
            if due_ms != one.planned_ms:
                continue  # woken earlier meanwhile
            one.planned_ms = None
            yield one
            self.plan(one)
