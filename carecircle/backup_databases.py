"""Copying databases that are in use: SQLite by its online backup, PostgreSQL by pg_dump and pg_restore."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

import registry

_SQLITE, _POSTGRES = "carecircle.db", "carecircle.pgdump"
_BUSY_S = 30.0


class DatabaseCopyError(Exception):
    """A database could not be copied; the text says what to do."""


def dump_database(url: str, folder: Path) -> tuple[str, str]:
    """Copy registry and incidents into ``folder``; the file's name and the kind of database. Raises
    DatabaseCopyError."""
    if not url.startswith("postgresql"):
        path = Path(url.removeprefix("sqlite:///"))
        if not path.exists():
            raise DatabaseCopyError(f"there is no database {path}: has CareCircle run here?")
        dump_sqlite(path, folder / _SQLITE)
        return _SQLITE, "sqlite"
    target = folder / _POSTGRES
    _run("pg_dump", url, ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"])
    target.chmod(0o600)
    return _POSTGRES, "postgresql"


def dump_sqlite(source: Path, target: Path) -> None:
    """A copy of the moment, while others write. Raises DatabaseCopyError where it is damaged."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=_BUSY_S)) as there,
        closing(sqlite3.connect(target)) as copy,
    ):
        there.backup(copy)
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, not three
    target.chmod(0o600)
    if found != "ok":
        raise DatabaseCopyError(f"{source} is damaged ({found}): restore an older backup")


def is_empty(url: str) -> bool:
    """Whether nothing is in the database yet, or it is a file that is not there. Raises DatabaseCopyError."""
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return True
    engine = registry.create_engine(url)
    try:
        return not inspect(engine).get_table_names()
    except SQLAlchemyError as error:
        raise DatabaseCopyError(f"the database cannot be read: {str(error).splitlines()[0]}") from None
    finally:
        engine.dispose()


def load_database(url: str, dump: Path) -> None:
    """Put a copy into an empty database. Raises DatabaseCopyError."""
    if not url.startswith("postgresql"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dump, path)
        path.chmod(0o600)
        return
    _run("pg_restore", url, ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(dump)])


def _run(program: str, url: str, arguments: list[str]) -> None:
    """A program of PostgreSQL's. The password goes by the environment: everybody sees what a program is called with."""
    path = shutil.which(program)
    if path is None:
        raise DatabaseCopyError(f"{program} is not installed: apt-get install postgresql-client")
    given = make_url(url)
    environment = {**os.environ} | ({"PGPASSWORD": str(given.password)} if given.password else {})
    shown = URL.create("postgresql", given.username, None, given.host, given.port, given.database, given.query)
    address = shown.render_as_string(hide_password=False)
    done = subprocess.run(
        [path, f"--dbname={address}", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DatabaseCopyError(f"{program}: {done.stderr.strip() or f'ended with {done.returncode}'}")
