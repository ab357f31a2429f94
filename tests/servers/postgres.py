"""A real PostgreSQL as a child process, and the databases that registry and alerts are tested on."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

import registry
from tests.servers.ports import free_port, wait_for_port


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
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    account = _unprivileged()
    if os.geteuid() == 0 and account is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
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
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new empty database, once on SQLite and once on PostgreSQL where that is installed."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'carecircle.db'}"
        return
    server: str = request.getfixturevalue("postgres_url")
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


@pytest.fixture
def registry_engine(database_url: str) -> Iterator[Engine]:
    """An engine on a new database with the registry's tables."""
    engine = registry.create_engine(database_url)
    registry.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_registry(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a new SQLite database with the registry's tables, for what does not depend on the database."""
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'carecircle.db'}")
    registry.upgrade(engine)
    yield engine
    engine.dispose()
