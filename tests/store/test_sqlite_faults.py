"""The embedded store under a killed writer, readers alongside, a full disk, and with files of other versions."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import store.sqlite as sqlite_module
from store import Store, StoreMisconfigured, StoreUnavailable, open_store, schema
from telemetry.records import PointBatch
from tests.store.points import T0_MS, batch

ALL = {"start_ms": T0_MS, "end_ms": T0_MS + 36_000_000}
DAY_MS = 86_400_000

#: Writes batches of 100 points without end and says after each how many are in.
_WRITER = """
import sys
from store import open_store
from tests.store.points import batch

store = open_store(f"sqlite:///{sys.argv[1]}")
done = int(sys.argv[2])
while True:
    rows = range(done, done + 100)
    store.write(batch("vitals", [i * 10 for i in rows], {"device": "d1"}, hr=[float(i) for i in rows]))
    done += 100
    print(done, flush=True)
"""


def _writer(path: Path, done: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(done)], stdout=subprocess.PIPE, text=True)


def _count(store: Store) -> int:
    return len(store.range("vitals", ["hr"], tags={}, **ALL, points=1_000_000))


def test_a_killed_writer_loses_nothing_that_it_said_was_in(sqlite_path: Path) -> None:
    """SIGKILL at a random moment, three times; the file is whole and the next process goes on."""
    done = 0
    for round_number in range(3):
        with _writer(sqlite_path, done) as process:
            assert process.stdout is not None
            for line in process.stdout:
                done = int(line)
                if done >= 1_000 * (round_number + 1):
                    break
            time.sleep(0.013 * (round_number + 1))
            os.kill(process.pid, signal.SIGKILL)
            done = max([done, *(int(line) for line in process.stdout if line.endswith("\n"))])
        with contextlib.closing(sqlite3.connect(sqlite_path)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store = open_store(f"sqlite:///{sqlite_path}")
        there = _count(store)
        store.close()
        assert done <= there <= done + 100
        assert there % 100 == 0, "a batch is in whole or not at all"


def test_another_process_reads_while_one_writes(sqlite_path: Path, sqlite_store: Store) -> None:
    """A hundred reads in a row or more, none refused, each seeing at least what the one before saw."""
    with _writer(sqlite_path, 0) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 20
            times: list[int] = []
            while len(times) < 100 or (times[-1] == times[0] and time.monotonic() < deadline):
                times.append(int(sqlite_store.latest("vitals", ["hr"], by="device")["d1"]["t_ms"]))
        finally:
            process.kill()
    assert times == sorted(times)
    assert times[-1] > times[0], "the writer went on meanwhile"


def _five_thousand(number: int) -> PointBatch:
    rows = range(number, number + 5_000)
    return batch("vitals", list(rows), {"device": f"d{number}"}, hr=[float(i) for i in rows], spo2=[97.0] * 5_000)


def _fill(store: Store) -> int:
    """Write until the disk is full; how many points were taken. Each batch is a new series."""
    number = 0
    while True:
        try:
            store.write(_five_thousand(number))
        except StoreUnavailable:
            return number
        number += 5_000


def test_a_full_disk_is_unavailable_until_there_is_room(small_disk: Path) -> None:
    """No error for good, nothing half stored, reads go on; then the refused batch goes in, its new series too."""
    store = open_store(f"sqlite:///{small_disk / 'store.db'}")
    number = _fill(store)
    assert number > 0
    with pytest.raises(StoreUnavailable, match=r"full|disk I/O"):
        store.write(_five_thousand(number))
    assert _count(store) == number
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    for again in (number, number + 5_000):
        assert store.write(_five_thousand(again)) == []
    assert _count(store) == number + 10_000
    assert store.latest("vitals", ["hr"], by="device", keys=[f"d{number}"])[f"d{number}"]["hr"] == number + 4_999
    store.close()


def test_a_file_that_another_holds_is_unavailable(
    sqlite_path: Path, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the lock, then says so; afterwards the same write goes in."""
    points = batch("vitals", [0], {"device": "d1"}, hr=[60.0])
    monkeypatch.setattr(sqlite_module, "_BUSY_S", 0.1)
    hasty = open_store(f"sqlite:///{sqlite_path}")
    with contextlib.closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            hasty.write(points)
        assert _count(sqlite_store) == 0
        reader = open_store(f"sqlite:///{sqlite_path}")
        assert _count(reader) == 0, "reading needs no lock, not even to open the file"
        reader.close()
        other.execute("ROLLBACK")
    assert hasty.write(points) == []
    hasty.close()


def test_files_that_are_no_store_are_an_operators_matter(tmp_path: Path) -> None:
    """No folder, not a database, of a newer layout: each says what to do."""
    with pytest.raises(StoreMisconfigured, match="folder"):
        open_store(f"sqlite:///{tmp_path / 'no' / 'folder' / 'store.db'}")
    text = tmp_path / "text.db"
    text.write_text("this is no database at all, " * 100)
    with pytest.raises(StoreMisconfigured, match="backup"):
        open_store(f"sqlite:///{text}")
    newer = tmp_path / "newer.db"
    with contextlib.closing(sqlite3.connect(newer)) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreMisconfigured, match="layout 99"):
        open_store(f"sqlite:///{newer}")


def test_a_field_that_an_older_file_has_not_is_added(sqlite_path: Path, sqlite_store: Store) -> None:
    """The schema grows; what is stored stays."""
    sqlite_store.write(batch("vitals", [0], {"device": "d1"}, hr=[60.0]))
    sqlite_store.close()
    with contextlib.closing(sqlite3.connect(sqlite_path)) as file:
        file.execute("ALTER TABLE telem__vitals DROP COLUMN spo2")
    store = open_store(f"sqlite:///{sqlite_path}")
    store.write(batch("vitals", [1000], {"device": "d1"}, spo2=[97.0]))
    series = store.range("vitals", ["hr", "spo2"], tags={}, **ALL)
    np.testing.assert_array_equal(series.columns["hr"], [60.0, np.nan])
    np.testing.assert_array_equal(series.columns["spo2"], [np.nan, 97.0])
    store.close()


def test_what_is_older_than_its_bucket_keeps_goes(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each bucket's own retention, to the millisecond, however much it is."""
    monkeypatch.setattr(sqlite_module, "_EXPIRE_ROWS", 100)
    tags = {"device": "d1", "person": "p-1"}
    n = 1_000
    sqlite_store.write(batch("vitals", [i * 1000 for i in range(n)], tags, hr=[60.0] * n))
    sqlite_store.write(batch("vitals", [0], {"device": "d2"}, hr=[60.0]))
    sqlite_store.write(batch("motion_raw", [0], tags, ax=[0.1]))
    sqlite_store.rollup("vitals", start_ms=T0_MS, end_ms=T0_MS + 3_600_000, step_s=3600, **_TO_HOURS)
    assert sqlite_store.expire(T0_MS + 7 * DAY_MS) == 0
    assert sqlite_store.expire(T0_MS + 7 * DAY_MS + 1) == 1
    assert len(sqlite_store.range("motion_raw", ["ax"], tags={}, **ALL)) == 0
    assert sqlite_store.expire(T0_MS + 90 * DAY_MS + 700_000) == 701
    assert _count(sqlite_store) == 300
    assert len(sqlite_store.range("vitals", ["hr"], tags={}, **ALL, bucket="telem_1h")) == 2
    assert sqlite_store.expire(T0_MS + 11 * 365 * DAY_MS) == 302
    assert sqlite_store.latest("vitals", ["hr"], by="device") == {}
    assert sqlite_store.write(batch("vitals", [0], tags, hr=[60.0])) == []


_TO_HOURS = {"source_bucket": "telem", "target_bucket": "telem_1h"}


def test_a_person_deleted_by_another_process_may_come_back(sqlite_path: Path, sqlite_store: Store) -> None:
    """The writer remembers series; after somebody else removed one, its next point makes it anew."""
    points = batch("vitals", [0], {"device": "d1", "person": "p-1"}, hr=[60.0])
    sqlite_store.write(points)
    console = open_store(f"sqlite:///{sqlite_path}")
    console.delete_person("p-1")
    assert _count(console) == 0
    sqlite_store.write(points)
    assert sqlite_store.latest("vitals", ["hr"], by="person") == {"p-1": {"t_ms": T0_MS, "hr": 60.0}}
    console.close()


def test_a_deleted_person_is_no_longer_in_the_file(sqlite_path: Path, sqlite_store: Store) -> None:
    """Not in a free page, not in the write-ahead log."""
    person = "p-erase-me-please"
    sqlite_store.write(batch("vitals", [0], {"device": "d1", "person": person}, hr=[60.0], acvpu=["secret-word"]))
    sqlite_store.delete_person(person)
    paths = list(sqlite_path.parent.glob("store.db*"))
    assert sqlite_path in paths
    for path in paths:
        content = path.read_bytes()
        assert person.encode() not in content, path
        assert b"secret-word" not in content, path


def test_every_measurement_has_its_tables(sqlite_path: Path, sqlite_store: Store) -> None:
    """One per bucket that keeps it; no more."""
    sqlite_store.check()
    with contextlib.closing(sqlite3.connect(sqlite_path)) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    expected = {f"{bucket.name}__{m.name}" for m in schema.MEASUREMENTS.values() for bucket in schema.buckets_of(m)}
    assert tables - {"series", "sqlite_sequence"} == expected
