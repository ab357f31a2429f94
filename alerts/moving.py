"""Move records from the journal outbox to the journals.

They are written in the transaction of the change they tell of, and appended after it; a crash between the append and
the deletion appends them again, which their keys make harmless (a command has its id, a point its series and time).
"""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Engine, delete, select

from alerts import models
from journal import JournalFull, JournalWriter
from registry.database import writing

_log = logging.getLogger(__name__)

_AT_ONCE = 500
#: Commands and incident reports are few; small segments give their room back early.
_SEGMENT_BYTES = 8 << 20
_RETRY_MS = 1_000
_DROP_EVERY_MS = 60_000

CONSUMERS = {"commands": ("gateway",), "reports": ("writer",)}


class Mover:
    """The one writer of the journals `commands` and `reports`. For one thread.

    A full disk holds the records in the outbox; they are tried again after a second.
    """

    def __init__(self, engine: Engine, journal_dir: Path) -> None:
        self._engine = engine
        self._journal_dir = journal_dir
        self._writers: dict[str, JournalWriter] = {}
        self._not_before_ms: dict[str, int] = {}
        self._dropped_ms = 0
        self.full: set[str] = set()

    def open(self, now_ms: int) -> None:
        """Make the journals, so that their readers find them; a full disk is tried again later.

        Raises:
            JournalLocked: another process has them.
        """
        for journal in CONSUMERS:
            try:
                self._writer(journal)
            except JournalFull as error:
                self._wait(journal, error, now_ms)

    def move(self, now_ms: int) -> int:
        """Move what waits; returns how many records were moved."""
        journals = [name for name in CONSUMERS if now_ms >= self._not_before_ms.get(name, 0)]
        moved = self._move(journals, now_ms) if journals else 0
        if now_ms - self._dropped_ms >= _DROP_EVERY_MS:
            self._dropped_ms = now_ms
            for writer in self._writers.values():
                writer.drop_consumed()
        return moved

    def _move(self, journals: list[str], now_ms: int) -> int:
        table = models.journal_outbox
        mine = select(table).where(table.c.journal.in_(journals)).order_by(table.c.id).limit(_AT_ONCE)
        with self._engine.connect() as connection:
            rows = connection.execute(mine).all()
        moved: list[int] = []
        for journal in dict.fromkeys(row.journal for row in rows):
            records = {row.id: row.record for row in rows if row.journal == journal}
            try:
                writer = self._writer(journal)
                writer.append(list(records.values()))
                writer.commit()
            except JournalFull as error:
                self._wait(journal, error, now_ms)
                continue
            self.full.discard(journal)
            moved += records
        if moved:
            with writing(self._engine) as connection:
                connection.execute(delete(table).where(table.c.id.in_(moved)))
        return len(moved)

    def _writer(self, journal: str) -> JournalWriter:
        if journal not in self._writers:
            self._writers[journal] = JournalWriter(
                self._journal_dir / journal,
                consumers=CONSUMERS[journal],
                segment_bytes=_SEGMENT_BYTES,
                reserve_bytes=0,
            )
        return self._writers[journal]

    def _wait(self, journal: str, error: JournalFull, now_ms: int) -> None:
        if journal not in self.full:
            _log.warning("%s; what is to go into %s stays in the outbox", error, journal)
        self.full.add(journal)
        self._not_before_ms[journal] = now_ms + _RETRY_MS

    def close(self) -> None:
        """Close the journals."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
