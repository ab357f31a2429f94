"""Who sends: each process says in the database that it lives, so that what a dead one had begun is begun again.

On PostgreSQL several may run. The one that has the journals takes detections and moves the outbox to the journals; the
others fire timers and send. On SQLite there is one.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, insert, select, text, update

from alerts import models
from alerts.errors import JournalsElsewhereError

#: Who has said nothing for so long is dead. Long beside a step under load, short beside the 30 s of a call.
LEASE_MS = 15_000
#: How often each says that it lives.
BEAT_MS = 4_000

_rows = models.worker
#: Any constant will do; it keeps what we lock apart from what others lock by number.
_LOCK_SPACE = 0x43617265


def new_worker_id(host: str) -> str:
    """A name for this process that no other one has."""
    return f"{host[:40]}-{os.getpid()}-{secrets.token_hex(4)}"


def place_of(journal_dir: Path, host: str | None = None) -> str:
    """What names a folder of journals among those of all machines."""
    return f"{host or socket.gethostname()}:{journal_dir.resolve()}"[-255:]


def is_shared(connection: Connection) -> bool:
    """Whether several processes may send from this database."""
    return connection.dialect.name == "postgresql"


def beat(connection: Connection, worker: str, journals: str | None, now_ms: int) -> int:
    """Say that ``worker`` lives and which journals it holds, and forget the dead; returns how many live.

    The clock is the server's where there is one, as machines differ. Who holds the same journals is dead: their lock
    was free.

    Raises:
        JournalsElsewhereError: another one that lives holds other journals.
    """
    at_ms = _lease_clock_ms(connection, now_ms)
    # a clock that was put back must not let the dead live
    dead = (_rows.c.seen_ms <= at_ms - LEASE_MS) | (_rows.c.seen_ms > at_ms + LEASE_MS)
    if journals is not None:
        dead |= _rows.c.journals == journals
    connection.execute(delete(_rows).where(dead, _rows.c.id != worker))
    others = {row.id: row.journals for row in connection.execute(select(_rows).where(_rows.c.id != worker))}
    elsewhere = next((place for place in others.values() if place is not None), None)
    if journals is not None and elsewhere is not None:
        raise JournalsElsewhereError(elsewhere)
    values = {"journals": journals, "seen_ms": at_ms}
    if connection.execute(update(_rows).where(_rows.c.id == worker).values(values)).rowcount == 0:
        connection.execute(insert(_rows).values(id=worker, **values))
    return 1 + len(others)


def is_of_the_dead(worker: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether what has this ``worker`` is of nobody who lives: asked in the statement that it is for, as somebody may
    begin at this moment."""
    return worker.is_(None) | worker.not_in(select(_rows.c.id))


def leave(connection: Connection, worker: str) -> None:
    """Say that ``worker`` is gone: what it has not ended others may begin again at once."""
    connection.execute(delete(_rows).where(_rows.c.id == worker))


def try_locks(connection: Connection, names: list[str]) -> set[str]:
    """Those of ``names`` that no other transaction has, locked until the end of this one; never waits. All of them on
    SQLite, where one transaction writes at a time."""
    if not is_shared(connection):
        return set(names)
    query = text(
        "SELECT name FROM unnest(CAST(:names AS text[])) AS name "
        "WHERE pg_try_advisory_xact_lock(:space, hashtext(name))"
    )
    return set(connection.execute(query, {"names": names, "space": _LOCK_SPACE}).scalars())


def _lease_clock_ms(connection: Connection, now_ms: int) -> int:
    if not is_shared(connection):
        return now_ms
    return int(connection.execute(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")).scalar_one())
