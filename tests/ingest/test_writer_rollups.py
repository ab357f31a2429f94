"""Roll-ups: made when their window is over, made again for late points, and none forgotten by a process that dies."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.durable import DurableValue
from ingest.rollups import DirtyWindows
from ingest.writer import WriterState
from journal import JournalReader
from store import Store, open_store, schema
from telemetry.records import PointBatch
from tests.ingest.writer_helpers import Journals, work
from tests.servers.influxdb import InfluxServer
from tests.store.points import T0_MS, batch

TAGS = {"device": "d1", "person": "p-1", "area": "town.a"}
SPAN = {"start_ms": T0_MS, "end_ms": T0_MS + 7_200_000}
MINUTE_MS = 60_000


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[Journals]:
    """Empty journals in a data folder of their own."""
    journals = Journals(tmp_path / "data")
    yield journals
    journals.close()


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Address of the embedded store."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty embedded store."""
    store = open_store(store_url)
    yield store
    store.close()


def _minutes(store: Store, bucket: str = "telem_1m") -> dict[int, float]:
    """Mean heart rate by minutes since T0."""
    series = store.range("vitals", ["hr"], tags={}, **SPAN, bucket=bucket)
    return {int(t - T0_MS) // MINUTE_MS: v for t, v in zip(series.t_ms, series.columns["hr"].tolist(), strict=True)}


def test_a_window_is_rolled_up_a_grace_time_after_its_end(journals: Journals, store: Store) -> None:
    """Not before, so that ordinary lateness costs nothing; the hour likewise."""
    writer = journals.open_writer(store)
    work(writer, T0_MS)
    journals.put(batch("vitals", [1_000, 2_000], TAGS, hr=[60.0, 62.0]))
    work(writer, T0_MS + 3_000)
    journals.put(batch("vitals", [59_000], TAGS, hr=[70.0]))
    work(writer, T0_MS + 100_000)
    work(writer, T0_MS + 118_000)
    assert _minutes(store) == {}
    work(writer, T0_MS + 120_000)
    assert _minutes(store) == {0: 64.0}
    assert _minutes(store, "telem_1h") == {}
    work(writer, T0_MS + 3_660_000)
    assert _minutes(store, "telem_1h") == {0: 64.0}
    writer.close()


def test_late_points_make_their_windows_again(
    journals: Journals, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device empties its buffer an hour later: once all of it had time to come, minute and hour show it."""
    writer = journals.open_writer(store)
    journals.put(batch("vitals", [0, MINUTE_MS], TAGS, hr=[60.0, 80.0]))
    now_ms = work(writer, T0_MS + 70_000)
    now_ms = work(writer, T0_MS + 2 * 3_600_000)
    assert _minutes(store) == {0: 60.0, 1: 80.0}
    made: list[tuple[str, int]] = []
    rollup = store.rollup

    def noted(measurement: str, **span: Any) -> int:
        made.append((measurement, span["step_s"]))
        return rollup(measurement, **span)

    monkeypatch.setattr(store, "rollup", noted)
    for i in range(10):
        journals.put(batch("vitals", [1_000 + i], TAGS, hr=[100.0]))
        now_ms = work(writer, now_ms)
    assert _minutes(store)[0] == 60.0
    work(writer, now_ms + 300_000)
    assert _minutes(store) == {0: pytest.approx(1060 / 11), 1: 80.0}
    assert _minutes(store, "telem_1h") == {0: pytest.approx(1140 / 12)}
    assert sorted(call for call in made if call[0] == "vitals") == [("vitals", 60), ("vitals", 3600)], "once each"
    writer.close()


def test_windows_that_wait_survive_a_restart(journals: Journals, store: Store) -> None:
    """The points are committed; their windows are not yet over when the process ends without warning."""
    first = journals.open_writer(store)
    journals.put(batch("vitals", [0], TAGS, hr=[60.0]), batch("home", [0], {**TAGS, "kind": "bed"}, value=[1.0]))
    work(first, T0_MS + 1_000)
    first._quarantine.close()  # the lock, which the kernel takes back from a dead process
    with JournalReader(journals.data_dir / "journal" / "points", "writer") as reader:
        assert reader.committed == journals.points.position
    second = journals.open_writer(store)
    work(second, T0_MS + 3_700_000)
    assert _minutes(store) == {0: 60.0}
    assert _minutes(store, "telem_1h") == {0: 60.0}
    bed = store.range("home", ["value"], tags={"kind": "bed"}, **SPAN, bucket="telem_1h")
    assert bed.columns["value"].tolist() == [1.0]
    second.close()
    third = journals.open_writer(store)
    work(third, T0_MS + 3_700_000)
    assert third.counters.rollups <= 4, "what stands in the file may be made again, once"
    third.close()


def test_windows_are_on_disk_before_the_offset_moves(
    journals: Journals, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where saving them fails, the offset stays; when it works again, so does all else."""
    writer = journals.open_writer(store)
    work(writer, T0_MS)
    journals.put(batch("vitals", [0], TAGS, hr=[60.0]))

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(DurableValue, "save", no_room)
        now_ms = work(writer, T0_MS + 1_000)
        assert writer.state is WriterState.BLOCKED
        assert "No space left" in writer.detail
        with JournalReader(journals.data_dir / "journal" / "points", "writer") as reader:
            assert reader.committed == 0
    work(writer, now_ms + 1_000)
    assert writer.lag_bytes() == 0
    work(writer, T0_MS + 120_000)
    assert _minutes(store) == {0: 60.0}
    writer.close()


def test_a_roll_up_that_fails_does_not_hold_up_points(journals: Journals, influx: InfluxServer) -> None:
    """The bucket for minutes is gone; points are still written, and the roll-ups come when it is back."""
    store = open_store(influx.url, token=influx.token, org=influx.org)
    writer = journals.open_writer(store)
    journals.put(batch("vitals", [0], TAGS, hr=[60.0]))
    work(writer, T0_MS + 1_000)
    influx.drop_bucket("telem_1m")
    now_ms = work(writer, T0_MS + 200_000)
    journals.put(batch("vitals", [200_000], TAGS, hr=[61.0]))
    now_ms = work(writer, now_ms)
    assert writer.state is WriterState.WRITING
    assert len(store.range("vitals", ["hr"], tags={}, **SPAN)) == 2
    influx.create_buckets(["telem_1m"])
    work(writer, now_ms + 60_000)
    assert _minutes(store) == {0: 60.0}
    writer.close()
    store.close()


#: A writer process over real time: argv is the folder of data and the store's address.
_PROCESS = """
import pathlib, sys, threading
from ingest.writer import WriterSettings, open_writer
from store import open_store

address, token = sys.argv[2], sys.argv[3]
writer = open_writer(
    open_store(address, token=token),
    pathlib.Path(sys.argv[1]),
    host="h",
    settings=WriterSettings(max_wait_s=0.02, grace_s=0.05, late_grace_s=0.05, max_points=500),
)
print("ready", flush=True)
writer.run(threading.Event())
"""


@contextlib.contextmanager
def _store_away(server: InfluxServer | None, sqlite_file: Path) -> Iterator[None]:
    """The store takes no write meanwhile."""
    if server is not None:
        with server.pause(503):
            yield
        return
    with contextlib.closing(sqlite3.connect(sqlite_file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("kind", ["sqlite", "influx"])
def test_a_writer_killed_again_and_again_leaves_everything_there_once(
    journals: Journals, store_url: str, kind: str, request: pytest.FixtureRequest
) -> None:
    """SIGKILL at random moments while points flow, once while the store takes nothing.

    Each point is there once, and each roll-up is what numpy makes of the points.
    """
    sqlite_file = Path(store_url.removeprefix("sqlite:///"))
    server: InfluxServer | None = request.getfixturevalue("influx") if kind == "influx" else None
    token = ""
    if server is not None:
        store_url, token = server.url, server.token
    random = np.random.default_rng(11)
    arguments = [sys.executable, "-c", _PROCESS, str(journals.data_dir), store_url, token]
    sent: list[PointBatch] = []

    def send() -> None:
        """30 points of three devices anywhere in two hours, the last of them on time."""
        n = 30
        t_ms = random.integers(0, 7_200_000, n) // 1_000 * 1_000 + len(sent)
        device = [f"d{i % 3}" for i in range(n)]
        points = batch("vitals", t_ms.tolist(), {"device": device}, hr=random.normal(70, 5, n).tolist())
        sent.append(points)
        journals.put(points)

    def flow(seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            send()
            time.sleep(0.004)

    for away in (False, True, False):
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            flow(random.uniform(0.2, 0.5))
            with _store_away(server, sqlite_file) if away else contextlib.nullcontext():
                flow(0.1)
                os.kill(process.pid, signal.SIGKILL)
    store = open_store(store_url, token=token)
    writer = journals.open_writer(store)
    now_ms = int(time.time() * 1000)
    work(writer, now_ms)
    assert writer.lag_bytes() == 0
    work(writer, now_ms + 400_000)
    writer.close()

    t_ms = np.concatenate([points.t_ns for points in sent]) // 1_000_000
    hr = np.concatenate([points.fields["hr"] for points in sent])
    device = np.concatenate([points.tags["device"] for points in sent])
    for name in ("d0", "d1", "d2"):
        mine = device == name
        # Two points of one device at one instant are one point with the later value.
        last = dict(zip(t_ms[mine].tolist(), hr[mine].tolist(), strict=True))
        series = store.range("vitals", ["hr"], tags={"device": name}, **SPAN, points=1_000_000)
        assert series.t_ms.tolist() == sorted(last)
        assert series.columns["hr"].tolist() == [last[t] for t in sorted(last)]
        for bucket in schema.ROLLUP_BUCKETS:
            assert bucket.step_s is not None
            windows: dict[int, list[float]] = {}
            for t, value in last.items():
                windows.setdefault(t // (bucket.step_s * 1000) * bucket.step_s * 1000, []).append(value)
            rolled = store.range("vitals", ["hr"], tags={"device": name}, **SPAN, points=10_000, bucket=bucket.name)
            assert rolled.t_ms.tolist() == sorted(windows)
            expected = [windows[t] for t in sorted(windows)]
            np.testing.assert_allclose(rolled.columns["hr"], [np.mean(w) for w in expected], rtol=1e-12)
            np.testing.assert_array_equal(rolled.maximum["hr"], [max(w) for w in expected])
    store.close()


def _points(measurement: str, device: str, *t_ms: int) -> PointBatch:
    times = (T0_MS + np.array(t_ms, dtype=np.int64)) * 1_000_000
    return PointBatch(measurement, times, {"device": [device] * len(t_ms)}, {})


def _marked(*t_ms: int, now_ms: int = T0_MS) -> DirtyWindows:
    windows = DirtyWindows(grace_s=60, late_grace_s=300)
    windows.mark(_points("vitals", "d1", *t_ms), now_ms)
    return windows


def _runs(windows: DirtyWindows) -> list[tuple[str, int, frozenset[str] | None]]:
    """What is due in a day: bucket, number of windows, devices."""
    found = []
    while (run := windows.due(T0_MS + 86_400_000)) is not None:
        found.append((run.bucket.name, len(run.starts_s), run.devices))
        windows.done(run)
    return found


def test_a_window_is_made_again_for_the_late_devices_only() -> None:
    """Windows that were over when the points came; one that was not is made for all, many devices likewise."""
    now_ms = T0_MS + 3_600_000
    windows = DirtyWindows(grace_s=60, late_grace_s=300)
    windows.mark(_points("vitals", "d1", 0, 60_000), now_ms)
    windows.mark(_points("vitals", "d2", 60_000, 3_599_000), now_ms)
    assert _runs(windows) == [
        ("telem_1m", 2, {"d1", "d2"}),
        ("telem_1m", 1, None),
        ("telem_1h", 1, None),
    ]
    for i in range(101):
        windows.mark(_points("vitals", f"d{i}", 0), now_ms)
    windows.mark(_points("vitals", "", 60_000), now_ms)
    assert _runs(windows)[0] == ("telem_1m", 2, None)


def test_devices_that_came_late_after_a_restart_are_among_all() -> None:
    """Which they were is not saved: the window is made for everybody."""
    before = DirtyWindows(grace_s=60, late_grace_s=300)
    before.mark(_points("vitals", "d1", 0), T0_MS + 10_000_000)
    after = DirtyWindows(grace_s=60, late_grace_s=300)
    after.restore(before.encode(), T0_MS)
    after.mark(_points("vitals", "d2", 0), T0_MS + 10_000_000)
    assert _runs(after) == [("telem_1m", 1, None), ("telem_1h", 1, None)]


def test_neighbouring_windows_are_one_run_of_a_bounded_length() -> None:
    """25 minutes in a row and one apart: runs of 10, 10, 5 and 1; hours one at a time."""
    windows = _marked(*(i * MINUTE_MS for i in range(25)), 40 * MINUTE_MS)
    run = windows.due(T0_MS + 86_400_000)
    assert run is not None
    assert (run.start_ms, run.end_ms, run.step_s) == (T0_MS, T0_MS + 10 * MINUTE_MS, 60)
    assert [(bucket, n) for bucket, n, _ in _runs(windows)] == [
        ("telem_1m", 10),
        ("telem_1m", 10),
        ("telem_1m", 5),
        ("telem_1m", 1),
        ("telem_1h", 1),
    ]
    assert len(windows) == 0


def test_windows_come_back_from_their_encoding() -> None:
    """The same windows are due, and nothing has to be saved again."""
    before = _marked(*(i * MINUTE_MS for i in range(0, 120, 7)), 0, 1)
    assert before.unsaved
    encoded = before.encode()
    assert not before.unsaved
    after = DirtyWindows(grace_s=60, late_grace_s=300)
    after.restore(encoded, T0_MS)
    assert len(after) == len(before) == 18 + 2
    assert not after.unsaved
    after.mark(_points("vitals", "d1", 0), T0_MS)
    assert not after.unsaved
    after.mark(_points("motion", "d1", 0), T0_MS)
    assert after.unsaved


def test_windows_that_cannot_be_made_whole_are_not_made() -> None:
    """Half of an expired window would replace a better roll-up; a window of next year would stand there until then."""
    day_ms = 86_400_000
    now_ms = T0_MS + 90 * day_ms
    assert len(_marked(-1, now_ms=now_ms)) == 0
    assert len(_marked(60_000, now_ms=now_ms + 30_000)) == 1, "the minute is whole, its hour is not"
    assert len(_marked(2 * day_ms)) == 0
    windows = _marked(0)
    assert windows.due(T0_MS + 91 * day_ms) is None
    assert len(windows) == 0, "it expired while it waited"
    untouched = DirtyWindows(grace_s=60, late_grace_s=300)
    for measurement in ("incident", "motion_raw"):
        untouched.mark(_points(measurement, "d1", 0), T0_MS)
    assert len(untouched) == 0


def test_a_durable_value_survives_a_torn_slot_and_growth(tmp_path: Path) -> None:
    """The value before the torn one; values of more than a slot; the same after opening the file again."""
    path = tmp_path / "folder" / "value"
    value = DurableValue(path)
    assert value.load() is None
    for i in range(5):
        value.save(b"value %d" % i)
    value.close()
    content = bytearray(path.read_bytes())
    torn = content.index(b"value 4")
    content[torn] ^= 0xFF
    path.write_bytes(content)
    value = DurableValue(path)
    assert value.load() == b"value 3"
    for length in (10, 70_000, 5, 300_000, 0, 65_000):
        value.save(b"x" * length)
        assert value.load() == b"x" * length
        value.close()
        value = DurableValue(path)
        assert value.load() == b"x" * length
    value.close()


def test_a_durable_value_that_cannot_grow_keeps_the_one_before(small_disk: Path) -> None:
    """A full disk: replacing in place works, growing does not, and nothing is torn by the attempt."""
    value = DurableValue(small_disk / "value")
    value.save(b"before")
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass
    for i in range(4):
        value.save(b"in place %d" % i)
        with pytest.raises(OSError, match="No space left"):
            value.save(bytes(100_000))
        assert value.load() == b"in place %d" % i
    value.close()
    value = DurableValue(small_disk / "value")
    assert value.load() == b"in place 3"
    value.close()
