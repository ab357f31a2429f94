"""A real PostgreSQL as a child process, and the databases that registry and alerts are tested on."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

import alerts
import registry
from tests.servers.ports import free_port, wait_for_port
from tests.servers.require import missing


def _program(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


def _unprivileged() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return account.pw_uid, account.pw_gid
    return None


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server of our own, database ``postgres``; without durability, as nothing here cuts the power."""
    initdb, server = _program("initdb"), _program("postgres")
    if initdb is None or server is None:
        missing("PostgreSQL is not installed: apt-get install postgresql")
        raise AssertionError("unreachable")
    account = _unprivileged()
    if os.geteuid() == 0 and account is None:
        missing("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
    user = {} if account is None else {"user": account[0], "group": account[1], "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="carecircle-postgres-"))
    try:
        if account is not None:
            os.chown(folder, *account)
        data, port = folder / "data", free_port()
        subprocess.run(
            [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd=folder, **user,
        )  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off",
            "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB",
        }  # fmt: skip
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([server, "-D", data, *arguments], stdout=log, stderr=log, cwd=folder, **user)
        try:
            wait_for_port(port)
            _wait_until_ready(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres")
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: what it holds is thrown away
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(url: str) -> None:
    engine = registry.create_engine(url)
    for _ in range(200):
        try:
            with engine.connect():
                break
        except OperationalError:  # "the database system is starting up"
            time.sleep(0.05)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new empty database, once on SQLite and once on PostgreSQL where that is installed."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'carecircle.db'}"
        return
    with _database(request.getfixturevalue("postgres_url")) as url:
        yield url


@contextmanager
def _database(server: str) -> Iterator[str]:
    """A new empty database, dropped at the end."""
    name = f"test_{uuid.uuid4().hex}"
    admin = registry.create_engine(server).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield server.rpartition("/")[0] + "/" + name
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def _migrate(url: str) -> None:
    engine = registry.create_engine(url)
    registry.upgrade(engine)
    alerts.upgrade(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest tables and nothing in them: to copy it takes a millisecond, to make it 60."""
    path = tmp_path_factory.mktemp("template") / "carecircle.db"
    _migrate(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


class Emptied:
    """A database with the newest tables that is emptied for each test: that takes 15 ms, to make one half a second."""

    def __init__(self, url: str) -> None:
        _migrate(url)
        self.url = url
        self._engine = sqlalchemy.create_engine(url)
        tables = sqlalchemy.MetaData()
        tables.reflect(self._engine)
        self._tables = [table for name, table in tables.tables.items() if not name.startswith("alembic_version")]
        with self._engine.connect() as connection:
            self._first = [(table, connection.execute(table.select()).mappings().all()) for table in self._tables]
            sequences = connection.execute(text("SELECT schemaname || '.' || sequencename FROM pg_sequences")).scalars()
            self._restart = "; ".join(f"SELECT setval('{name}', 1, false)" for name in sequences)

    def empty(self) -> None:
        """Nothing is in it but what the migrations put there; whoever a test left connected is not any more."""
        with self._engine.begin() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            connection.execute(text(f"{others} AND pid <> pg_backend_pid() AND backend_type = 'client backend'"))
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # rows that refuse to be deleted
            deleted = "; ".join(f'DELETE FROM "{table.name}"' for table in self._tables)
            connection.execute(text(f"{deleted}; {self._restart}"))
            for table, rows in self._first:
                if rows:
                    connection.execute(table.insert(), [dict(row) for row in rows])

    def close(self) -> None:
        """Let go of it."""
        self._engine.dispose()


@pytest.fixture(scope="session")
def postgres_emptied(postgres_url: str) -> Iterator[Emptied]:
    """A database with the newest tables, for one test after the other."""
    with _database(postgres_url) as url:
        emptied = Emptied(url)
        yield emptied
        emptied.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database with the newest tables, once on SQLite and once on PostgreSQL where that is installed."""
    if request.param == "sqlite":
        path = tmp_path / "carecircle.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    emptied: Emptied = request.getfixturevalue("postgres_emptied")
    emptied.empty()
    yield emptied.url


@pytest.fixture
def registry_engine(database_url: str) -> Iterator[Engine]:
    """An engine on a new database with the tables of registry and alerts."""
    engine = registry.create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_registry(sqlite_template: Path, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a new SQLite database with the same tables, for what does not depend on the database."""
    path = tmp_path / "carecircle.db"
    shutil.copy(sqlite_template, path)
    engine = registry.create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_registry(postgres_emptied: Emptied) -> Iterator[Engine]:
    """An engine on PostgreSQL with the same tables."""
    postgres_emptied.empty()
    engine = registry.create_engine(postgres_emptied.url)
    yield engine
    engine.dispose()
