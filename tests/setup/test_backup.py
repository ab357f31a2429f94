"""`carecircle backup` and `restore`: a running system is copied, lost, put back and goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from carecircle.backup import BackupError, make_backup, read_manifest, restore
from carecircle.backup_databases import DatabaseCopyError, dump_database, load_database
from carecircle.settings import Settings
from firmware_sim.scenario import Member
from journal import JournalReader, JournalWriter
from telemetry.codec import encode_json
from telemetry.messages import Event
from tests.e2e.system import System, wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.postgres import _database
from tests.servers.sink import Sink

NOW_MS = 1_770_000_000_000


def carecircle(*arguments: object, environment: dict[str, str]) -> str:
    """Run the command as a user would; its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CARECIRCLE_")}
    command = [sys.executable, "-m", "carecircle", *map(str, arguments)]
    done = subprocess.run(
        command, env={**clean, **environment, "COLUMNS": "300"}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A data folder with a journal of three records, two of which are read, a database and some state."""
    settings = Settings(data_dir=tmp_path / "data")
    writer = JournalWriter(settings.journal_dir / "detections", consumers=("alerts",), reserve_bytes=1 << 16)
    for text in (b"one", b"two", b"three"):
        writer.append([text])
        writer.commit()
    with JournalReader(settings.journal_dir / "detections", "alerts") as reader:
        first = reader.read()
        reader.commit(first[1].end)
    writer.close()
    settings.state_dir.mkdir()
    (settings.state_dir / "processor.checkpoint").write_bytes(b"what it knows")
    settings.link_key()
    with contextlib.closing(sqlite3.connect(settings.data_dir / "carecircle.db")) as connection:
        connection.execute("CREATE TABLE told (id INTEGER)")
    return settings


def test_what_is_read_again_after_a_restore_is_what_was_not_read_before(site: Settings, tmp_path: Path) -> None:
    """Journals, positions, state and database; the reserve, locks and keys stay away."""
    made = make_backup(site, tmp_path / "backups", NOW_MS, "one")
    held = {file.path for file in made.manifest.files}
    assert {"carecircle.db", "state/processor.checkpoint", "journal/detections/alerts.offset"} <= held
    assert not any(Path(path).name in ("reserve", "lock", "link.key") for path in held)
    assert made.manifest.secrets == [str((site.state_dir / "link.key").absolute())]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path / "backups").rglob("*")} == {0}

    elsewhere = Settings(data_dir=tmp_path / "elsewhere")
    restore(elsewhere, made.folder)
    with JournalReader(elsewhere.journal_dir / "detections", "alerts") as reader:
        assert [bytes(record) for batch in reader.read() for record in batch.records] == [b"three"]
        assert (reader.gap_bytes, reader.damaged_bytes) == (0, 0)
    assert (elsewhere.state_dir / "processor.checkpoint").read_bytes() == b"what it knows"


def test_a_backup_goes_only_into_an_empty_place(site: Settings, tmp_path: Path) -> None:
    """What is there may be all that is left."""
    made = make_backup(site, tmp_path / "backups", NOW_MS, "one")
    with pytest.raises(BackupError, match="already has journal, state"):
        restore(site, made.folder)
    other = Settings(data_dir=tmp_path / "other", database_url=f"sqlite:///{site.data_dir / 'carecircle.db'}")
    with pytest.raises(BackupError, match="database is not empty"):
        restore(other, made.folder)
    assert not (tmp_path / "other").exists()
    with pytest.raises(BackupError, match="is there already"):
        make_backup(site, tmp_path / "backups", NOW_MS, "one")


@pytest.mark.parametrize("harm", ["changed", "missing", "unfinished", "newer"])
def test_a_backup_that_is_not_as_it_was_made_is_refused(site: Settings, tmp_path: Path, harm: str) -> None:
    """Before anything is written."""
    folder = make_backup(site, tmp_path / "backups", NOW_MS, "one").folder
    if harm == "changed":
        with (folder / "carecircle.db").open("r+b") as file:
            file.seek(100)
            file.write(b"x")
    elif harm == "missing":
        (folder / "state" / "processor.checkpoint").unlink()
    elif harm == "unfinished":
        (folder / "manifest.json").unlink()
    else:
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    elsewhere = Settings(data_dir=tmp_path / "elsewhere")
    with pytest.raises(BackupError, match=r"changed since|no finished backup|with that version or newer"):
        restore(elsewhere, folder)
    assert not elsewhere.data_dir.exists()


def test_a_sqlite_database_is_copied_whole_while_somebody_writes(tmp_path: Path) -> None:
    """Two rows of one transaction: both or none."""
    path, stop = tmp_path / "carecircle.db", threading.Event()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE pair (a INTEGER)")

    def write() -> None:
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            while not stop.is_set():
                connection.execute("INSERT INTO pair VALUES (1)")
                connection.execute("INSERT INTO pair VALUES (2)")
                connection.commit()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = []
        for number in range(5):
            folder = tmp_path / str(number)
            folder.mkdir()
            name, _ = dump_database(f"sqlite:///{path}", folder)
            with contextlib.closing(sqlite3.connect(folder / name)) as copy:
                counts.append(copy.execute("SELECT count(*), sum(a) FROM pair").fetchone())
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join()
    assert all(rows % 2 == 0 and (total or 0) == rows * 3 // 2 for rows, total in counts), counts
    assert counts[-1][0] > counts[0][0]


def test_no_password_is_on_a_command_line_and_what_postgresql_says_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody on the machine sees command lines."""
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@ / $PGPASSWORD" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    with pytest.raises(DatabaseCopyError) as caught:
        dump_database("postgresql+psycopg://care:hidden@db.example:5433/circle", tmp_path)
    arguments, password = str(caught.value).split(" / ")
    assert "--dbname=postgresql://care@db.example:5433/circle" in arguments
    assert ("hidden" in arguments, password) == (False, "hidden")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatabaseCopyError, match="apt-get install postgresql-client"):
        load_database("postgresql+psycopg://care@db.example/circle", tmp_path)


@pytest.mark.heavy
@pytest.mark.timeout(120)
def test_a_system_that_was_lost_goes_on_from_its_backup_and_tells_nobody_twice(
    tmp_path: Path, mosquitto: Mosquitto, sink: Sink, postgres_url: str
) -> None:
    """Copied while it runs, with PostgreSQL. The same call again is known; a new one is not."""
    members = [Member(f"wrist-{k}", f"p-{k}", "wearable", "wrist") for k in (1, 2)]

    with contextlib.ExitStack() as stack:

        def environment(folder: Path) -> dict[str, str]:
            return {
                "CARECIRCLE_ALERTS__STEP_S": "3600",
                "CARECIRCLE_JOURNAL__CHECKPOINT_S": "1",
                "CARECIRCLE_DATABASE_URL": stack.enter_context(_database(postgres_url)),
                "CARECIRCLE_DATA_DIR": str(folder / "data"),
            }

        def system(folder: Path, told: dict[str, str]) -> System:
            return System(
                folder, members, broker_url=mosquitto.url, webhook_url=sink.url("notify"), environment=told,
                wanted=("gateway", "processor", "alerts"),
            )  # fmt: skip

        def press(device: str) -> None:
            with MqttDevice(mosquitto.port, device) as button:
                now_ms = time.time_ns() // 1_000_000
                button.publish("event", encode_json(Event(t=now_ms, boot=7, seq=0, type="sos")))
                button.flush()

        before, after = tmp_path / "before", tmp_path / "after"
        first = environment(before)
        with system(before, first) as running:
            press("wrist-1")
            wait_until(lambda: len(sink.received) >= 1, 30, f"somebody is called\n{running.log('alerts')}")
            wait_until(lambda: running.lag("detections", "alerts") == 0, 10, "the detection is done with")
            time.sleep(1.5)  # a checkpoint has it
            said = carecircle("backup", "--out", tmp_path / "backups", environment=first)
            (incident,) = running.incidents()
        called = [received.id for received in sink.received]
        shutil.rmtree(before / "data")

        (folder,) = (tmp_path / "backups").iterdir()
        assert str(folder) in said
        assert read_manifest(folder).dialect == "postgresql"
        second = environment(after)
        carecircle("restore", folder, environment=second)
        with system(after, second) as running:
            press("wrist-1")
            press("wrist-2")
            wait_until(lambda: len(sink.received) > len(called), 30, f"the new call\n{running.log('alerts')}")
            wait_until(lambda: running.lag("detections", "alerts") == 0, 10, "the detections are done with")
            time.sleep(1)
            again = [received.id for received in sink.received]
            assert (len(again), len(set(again))) == (len(called) + 1, len(called) + 1), "nobody is told twice"
            assert [view.id for view in running.incidents()].count(incident.id) == 1
            assert len(running.incidents()) == 2
