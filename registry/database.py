"""The one place that opens the database of registry and alerts, with what each engine needs to be safe.

SQLite runs in WAL mode with ``synchronous=FULL`` (a commit survives a power cut, because the journal's offset moves on
after it), foreign keys on, a busy timeout, and explicit ``BEGIN``: ``BEGIN IMMEDIATE`` for a transaction that writes,
since a deferred one that turns into a writer fails at once instead of waiting
(https://www.sqlite.org/lang_transaction.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, String, column, event, inspect, select, table, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from registry.errors import UnsupportedDatabaseError
from registry.keys import Keys

#: The option of every connection that holds the keys of sealed texts.
KEYS_OPTION = "registry_keys"
_BUSY_TIMEOUT_S = 5.0
#: Any constant will do; it keeps two processes from migrating one PostgreSQL database at once.
_MIGRATION_LOCK = 0x43617265


def create_engine(url: str, *, busy_timeout_s: float = _BUSY_TIMEOUT_S, keys: Keys | None = None) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql+psycopg://...``; the folder of a SQLite file is made.

    ``keys`` seal and open phones, door codes and channels; without them only what lies open can be read.

    Raises:
        UnsupportedDatabaseError: another kind of database.
    """
    parsed = sqlalchemy.make_url(url)
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        return sqlalchemy.create_engine(parsed, pool_pre_ping=True, execution_options={KEYS_OPTION: keys})
    if kind != "sqlite":
        raise UnsupportedDatabaseError(kind)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(
        parsed,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        execution_options={KEYS_OPTION: keys},
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not guess where transactions begin
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes: committed at the end of the block, rolled back when it raises."""
    with engine.execution_options(writes=True).begin() as connection:
        yield connection


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may succeed later: locked, disk full, connection lost, server restarting."""
    if isinstance(error, OperationalError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def migrate(engine: Engine, migrations: Path, version_table: str) -> None:
    """Bring one room's tables to its newest version; several processes may do so at once.

    ``migrations`` is an Alembic script folder whose ``env.py`` calls :func:`run_migrations`. Each room counts its
    versions in a ``version_table`` of its own.
    """
    if _is_newest(engine, migrations, version_table):
        return
    from alembic import command  # 11 MB, for a few processes in the life of a database
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes.update(connection=connection, version_table=version_table)
        command.upgrade(config, "head")


def _is_newest(engine: Engine, migrations: Path, version_table: str) -> bool:
    """Whether the last of the scripts, which are named by their revisions, has been run."""
    newest = max(path.name.partition("_")[0] for path in (migrations / "versions").glob("r*.py"))
    with engine.connect() as connection:
        if not inspect(connection).has_table(version_table):
            return False
        query = select(column("version_num", String)).select_from(table(version_table))
        known: Sequence[str] = connection.execute(query).scalars().all()
    return known == [newest]


def run_migrations(context: Any) -> None:
    """The body of a room's ``env.py``, given ``alembic.context``: run inside the caller's transaction."""
    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], version_table=attributes["version_table"])
    with context.begin_transaction():
        context.run_migrations()
