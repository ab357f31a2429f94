"""The embedded store: one SQLite file, for one small machine and the demo.

One process writes at a time (others wait for the lock), any number read alongside (WAL).
"""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from store import schema, sqlite_reads, sqlite_tables
from store.errors import StoreError, StoreMisconfigured, StoreUnavailable
from store.interface import Rejected, Series, Value
from store.prepare import Prepared, RangeQuery, prepare
from store.sqlite_series import UNKNOWN, Key, SeriesIds
from telemetry.records import PointBatch

log = logging.getLogger(__name__)

_NS_PER_MS = 1_000_000
#: Waiting for another process's write transaction; then it is StoreUnavailable and tried again.
_BUSY_S = 10.0
#: Rows that one transaction of expire() deletes at most, so that the writer never waits long: some 50 ms.
_EXPIRE_ROWS = 20_000
#: Rows that are objects at once; a batch of births or of what a device had buffered has many times that.
_ROWS = 4_000
#: Primary result codes of what passes by itself or when an operator makes room; the rest is for good.
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_PROTOCOL,
}


class SqliteStore:
    """:class:`store.interface.Store` over one SQLite file, made where it is missing."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises StoreUnavailable, StoreMisconfigured."""
        self.path = path
        self.empty_points = 0
        self._lock = threading.Lock()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._series = SeriesIds()
        self._columns: dict[str, set[str]] = {}
        self._seen_version = -1
        with _translated(path):
            self._writer = self._connect()
            # A reader must be able to open the file while another process holds the lock, or on a full disk.
            if not sqlite_tables.is_current(self._writer):
                with _transaction(self._writer):
                    sqlite_tables.create(self._writer)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on the disk before the journal's offset moves past it. One sync per batch costs little.
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _translated(self.path):
            try:
                connection = self._readers.get_nowait()
            except queue.Empty:
                connection = self._connect()
            try:
                yield connection
            finally:
                self._readers.put(connection)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction; what is remembered of the file is dropped when another process changed it."""
        with self._lock, _translated(self.path):
            try:
                with _transaction(self._writer):
                    version = self._writer.execute("PRAGMA data_version").fetchone()[0]
                    if version != self._seen_version:
                        self._forget()
                        self._seen_version = version
                    yield self._writer
            except BaseException:
                self._forget()  # series made in the transaction that was rolled back are gone
                raise

    def _forget(self) -> None:
        self._series.forget()
        self._columns.clear()

    def check(self) -> None:
        """See Store. The file opens, has our tables and takes a write."""
        with self._writing() as connection:
            connection.execute(f"PRAGMA user_version = {sqlite_tables.LAYOUT}")

    def write(self, batch: PointBatch, *, bucket: str | None = None) -> list[Rejected]:
        """See Store."""
        ready = prepare(batch, bucket)
        fields = (*ready.numbers, *ready.strings)
        if ready.rows:
            name = sqlite_tables.table(ready.bucket, ready.measurement)
            with self._writing() as connection:
                self._ensure_columns(connection, name, ready.numbers)
                for begin in range(0, len(ready.rows), _ROWS):
                    part = slice(begin, begin + _ROWS)
                    ids = self._ids(connection, ready, part)
                    columns: list[Sequence[Any]] = [_nan_to_none(column[part]) for column in ready.numbers.values()]
                    columns += [column[part] for column in ready.strings.values()]
                    rows = zip(ids, ready.t_ns[part], *columns, strict=True)
                    connection.executemany(sqlite_tables.upsert(name, fields), rows)
        self.empty_points += ready.empty
        return ready.rejected

    def _ensure_columns(self, connection: sqlite3.Connection, name: str, fields: Iterable[str]) -> None:
        fields = list(fields)
        known = self._columns.get(name)
        if known is None or not known.issuperset(fields):
            sqlite_tables.add_columns(connection, name, fields)
            self._columns[name] = sqlite_tables.columns_of(connection, name)

    def _ids(self, connection: sqlite3.Connection, ready: Prepared, part: slice) -> list[int]:
        """The series of some points, made where it is new."""
        n = len(ready.rows[part])
        nothing = [""] * n
        tags = (ready.tags[tag][part] if tag in ready.tags else nothing for tag in schema.TAGS)
        keys: list[Key] = list(zip([ready.measurement.name] * n, *tags, strict=True))
        ids = dict.fromkeys(keys, UNKNOWN)
        each = list(ids)
        ids.update(zip(each, self._series.find(each), strict=True))
        new = [key for key in each if ids[key] == UNKNOWN]
        if new:
            made = [_series_id(connection, key) for key in new]
            self._series.remember(new, made)
            ids.update(zip(new, made, strict=True))
        return [ids[key] for key in keys]

    def range(
        self,
        measurement: str,
        field_names: Sequence[str],
        *,
        tags: dict[str, str],
        start_ms: int,
        end_ms: int,
        points: int = 500,
        bucket: str | None = None,
    ) -> Series:
        """See Store."""
        query = RangeQuery.checked(measurement, field_names, tags, start_ms, end_ms, points, bucket)
        with self._reading() as connection:
            return sqlite_reads.read_range(connection, query)

    def latest(
        self,
        measurement: str,
        field_names: Sequence[str],
        *,
        by: Literal["device", "person"],
        keys: Sequence[str] | None = None,
    ) -> dict[str, dict[str, Value]]:
        """See Store."""
        spec = schema.checked_fields(measurement, field_names)
        schema.check_tags(spec, [by])
        with self._reading() as connection:
            return sqlite_reads.read_latest(connection, spec, field_names, by, keys)

    def delete_person(self, person: str) -> None:
        """See Store. What is deleted is overwritten in the file."""
        key = schema.clean_tag(person)
        if not key:
            raise StoreError("delete_person needs a person key, got an empty one")
        with self._writing() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            try:
                for bucket, spec in sqlite_tables.places():
                    if "person" in spec.tags:
                        connection.execute(
                            f"DELETE FROM {sqlite_tables.table(bucket, spec)} WHERE _series IN "
                            "(SELECT _id FROM series WHERE _measurement = ? AND person = ?)",
                            (spec.name, key),
                        )
                connection.execute("DELETE FROM series WHERE person = ?", (key,))
            finally:
                connection.execute("PRAGMA secure_delete = OFF")
            self._forget()
        with self._lock, _translated(self.path):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def rollup(
        self,
        measurement: str,
        *,
        start_ms: int,
        end_ms: int,
        step_s: int,
        source_bucket: str,
        target_bucket: str,
        devices: Collection[str] | None = None,
    ) -> int:
        """See Store. One transaction: a person deleted at the same time does not come back."""
        spec = schema.measurement(measurement)
        source = sqlite_tables.table(schema.bucket_of(measurement, source_bucket), spec)
        target = sqlite_tables.table(schema.rollup_bucket(spec, target_bucket, step_s, start_ms, end_ms), spec)
        with self._writing() as connection:
            fields = spec.numbers
            if spec.open_numbers:
                fields = tuple(sorted(sqlite_tables.columns_of(connection, source)))
                self._ensure_columns(connection, target, [f"{f}_{s}" for f in fields for s in schema.STATISTICS])
            if not fields:
                return 0
            return connection.execute(
                sqlite_tables.rollup(source, target, fields),
                {
                    "devices": None if devices is None else json.dumps([schema.clean_tag(d) for d in devices]),
                    "measurement": spec.name,
                    "step_ns": step_s * 1_000_000_000,
                    "start_ns": start_ms * _NS_PER_MS,
                    "end_ns": end_ms * _NS_PER_MS,
                },
            ).rowcount

    def expire(self, now_ms: int) -> int:
        """See Store. Per series, in short transactions between which others write."""
        deleted = 0
        for bucket, spec in sqlite_tables.places():
            name = sqlite_tables.table(bucket, spec)
            oldest_ns = (now_ms - bucket.retention_s * 1000) * _NS_PER_MS
            with self._reading() as connection:
                ids = [i for (i,) in connection.execute("SELECT _id FROM series WHERE _measurement = ?", (spec.name,))]
            for part in range(0, len(ids), 200):
                deleted += self._expire_series(name, ids[part : part + 200], oldest_ns)
        return deleted

    def _expire_series(self, name: str, ids: list[int], oldest_ns: int) -> int:
        deleted = 0
        for series in ids:
            while True:
                # Looking is a read; most series have nothing to delete and must not cost a write transaction.
                with self._reading() as reader:
                    row = reader.execute(
                        f"SELECT _t_ns FROM {name} WHERE _series = ? AND _t_ns < ? ORDER BY _t_ns LIMIT 1 OFFSET ?",
                        (series, oldest_ns, _EXPIRE_ROWS),
                    ).fetchone()
                    some = (
                        row is not None
                        or reader.execute(
                            f"SELECT 1 FROM {name} WHERE _series = ? AND _t_ns < ? LIMIT 1", (series, oldest_ns)
                        ).fetchone()
                    )
                if not some:
                    break
                until_ns = oldest_ns if row is None else row[0]
                with self._writing() as connection:
                    deleted += connection.execute(
                        f"DELETE FROM {name} WHERE _series = ? AND _t_ns < ?", (series, until_ns)
                    ).rowcount
        return deleted

    def close(self) -> None:
        """See Store."""
        with self._lock:
            self._writer.close()
        while not self._readers.empty():
            self._readers.get_nowait().close()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in _PASSING:
            raise StoreUnavailable(f"{path}: {error} ({getattr(error, 'sqlite_errorname', '')})") from error
        if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            raise StoreMisconfigured(f"{path}: {error}: make the folder, and the file writable by this user") from error
        if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise StoreMisconfigured(f"{path}: {error}: move the file away, or restore it from a backup") from error
        raise StoreError(f"{path}: {error}") from error


def _series_id(connection: sqlite3.Connection, key: Key) -> int:
    same = " AND ".join(f"{tag} = ?" for tag in schema.TAGS)
    found = connection.execute(f"SELECT _id FROM series WHERE _measurement = ? AND {same}", key).fetchone()
    if found is None:
        columns = f"_measurement, {', '.join(schema.TAGS)}"
        found = connection.execute(
            f"INSERT INTO series ({columns}) VALUES ({', '.join('?' * len(key))}) RETURNING _id", key
        ).fetchone()
    return int(found[0])


def _nan_to_none(column: NDArray[np.float64]) -> list[float | None]:
    values: list[float | None] = column.tolist()
    for row in np.flatnonzero(np.isnan(column)).tolist():
        values[row] = None
    return values
