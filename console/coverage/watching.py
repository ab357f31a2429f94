"""Keeps the state of the district at hand, so that a page waits for it only when it is not known at all."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from console.coverage.state import Population, State, district, population_of
from console.duty.knowing import Book, BookKeeper
from registry.models import person
from registry.presence import presences_now
from registry.rows import read_revision

_log = logging.getLogger(__name__)

_MINUTE_MS = 60_000
#: A state that is older is not shown while a new one is made: the page waits for the new one.
_STALE_MS = 3 * _MINUTE_MS


class Watch:
    """Safe to be asked from several threads. A state holds for a revision of the registry and a minute."""

    def __init__(self, engine: Engine, keeper: BookKeeper) -> None:
        self._engine = engine
        self._keeper = keeper
        self._making = threading.Lock()
        self._population = Population()
        self._state: State | None = None

    def state(self, now_ms: int) -> State:
        """The newest state. Within three minutes the one before is returned while a new one is made beside the pages;
        after a change of the registry, the new one."""
        book = self._keeper.book()
        known = self._state
        if known is not None and known.book.revision == book.revision:
            age_ms = now_ms - known.at_ms
            if 0 <= age_ms < _MINUTE_MS:
                return known
            if 0 <= age_ms < _STALE_MS:
                if self._making.acquire(blocking=False):
                    threading.Thread(target=self._beside, args=(book, now_ms), name="console-coverage").start()
                return known
        with self._making:
            done = self._state
            if done is not known and done is not None and done.book.revision == book.revision:
                return done
            return self._make(book, now_ms)

    def _beside(self, book: Book, now_ms: int) -> None:
        try:
            self._make(book, now_ms)
        except DBAPIError as error:
            _log.warning("the coverage is not made anew: %r", error)
        finally:
            self._making.release()

    def _make(self, book: Book, now_ms: int) -> State:
        """With the lock held."""
        with self._engine.connect() as connection:
            revision = read_revision(connection)
            if self._population.revision != revision:
                columns = (person.c.key, person.c.name, person.c.area, person.c.lat, person.c.lon)
                rows = connection.execute(select(*columns).order_by(person.c.key))
                self._population = population_of(revision, (tuple(row) for row in rows))
            reported = presences_now(connection, now_ms)
        self._state = district(book, self._population, reported, now_ms // _MINUTE_MS * _MINUTE_MS)
        return self._state
