"""From the journals to the store: nothing lost, nothing passed over, nothing held up by one bad point."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest.writer import Writer, WriterSettings, WriterState
from journal import JournalReader
from journal.quarantine import list_entries
from store import Store, open_store
from telemetry.records import PointBatch, pack_points
from tests.ingest.writer_helpers import SETTINGS, Journals, work
from tests.servers.influxdb import InfluxServer
from tests.store.points import T0_MS, batch

NOW_MS = T0_MS + 7_200_000
ALL = {"start_ms": T0_MS, "end_ms": T0_MS + 3_600_000}
TAGS = {"device": "d1", "person": "p-1", "area": "town.a"}


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[Journals]:
    """Empty journals in a data folder of their own."""
    journals = Journals(tmp_path / "data")
    yield journals
    journals.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty embedded store."""
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


@pytest.fixture
def influx_store(influx: InfluxServer) -> Iterator[Store]:
    """A store over empty InfluxDB buckets."""
    store = open_store(influx.url, token=influx.token, org=influx.org, timeout_s=5)
    yield store
    store.close()


def _vitals(first: int, n: int = 1) -> PointBatch:
    """Points ``first`` .. ``first + n - 1``, a second apart, whose value is their number."""
    rows = range(first, first + n)
    return batch("vitals", [i * 1000 for i in rows], TAGS, hr=[float(i) for i in rows])


def _stored(store: Store) -> list[float]:
    return (
        store.range("vitals", ["hr"], tags={}, start_ms=T0_MS, end_ms=T0_MS + 36_000_000, points=100_000)
        .columns["hr"]
        .tolist()
    )


def _committed(journals: Journals, name: str = "points") -> int:
    with JournalReader(journals.data_dir / "journal" / name, "writer") as reader:
        return reader.committed


def test_points_and_reports_reach_the_store_and_their_offsets_move(journals: Journals, sqlite_store: Store) -> None:
    """Both journals, several measurements in one batch."""
    writer = journals.open_writer(sqlite_store)
    journals.put(_vitals(0, 3), batch("motion", [0], TAGS, steps=[4.0]))
    journals.put(batch("area_state", [0], {"area": "town.a"}, people=[40.0]), into="reports")
    work(writer, NOW_MS)
    assert _stored(sqlite_store) == [0.0, 1.0, 2.0]
    assert sqlite_store.range("motion", ["steps"], tags={}, **ALL).columns["steps"].tolist() == [4.0]
    assert sqlite_store.range("area_state", ["people"], tags={}, **ALL).columns["people"].tolist() == [40.0]
    assert writer.state is WriterState.WRITING
    assert writer.lag_bytes() == 0
    assert _committed(journals) == journals.points.position
    assert _committed(journals, "reports") == journals.reports.position
    writer.close()


def test_small_records_become_large_writes_whose_columns_differ(journals: Journals, sqlite_store: Store) -> None:
    """200 records of one point are one write; a field or tag that one of them has not is absent there."""
    writer = journals.open_writer(sqlite_store)
    for i in range(200):
        journals.put(_vitals(i))
    extra = batch("vitals", [500_000], {"device": "d2"}, spo2=[97.0], acvpu=["A"])
    journals.put(extra)
    work(writer, NOW_MS)
    assert writer.counters.writes == 1
    assert writer.counters.points == 201
    assert _stored(sqlite_store) == [float(i) for i in range(200)]
    assert sqlite_store.latest("vitals", ["hr", "spo2", "acvpu"], by="device") == {
        "d1": {"t_ms": T0_MS + 199_000, "hr": 199.0},
        "d2": {"t_ms": T0_MS + 500_000, "spo2": 97.0, "acvpu": "A"},
    }
    writer.close()


def test_points_wait_to_be_gathered_but_not_longer_than_agreed(journals: Journals, sqlite_store: Store) -> None:
    """50 ms here; as soon as there are enough, at once."""
    writer = journals.open_writer(sqlite_store)
    work(writer, NOW_MS)
    journals.put(_vitals(0))
    now_ms = NOW_MS + 10_000
    assert writer.step(now_ms)
    assert not writer.step(now_ms + 49)
    assert _stored(sqlite_store) == []
    assert writer.step(now_ms + 50)
    assert _stored(sqlite_store) == [0.0]
    journals.put(_vitals(1, SETTINGS.max_points))
    assert writer.step(now_ms + 51)
    assert len(_stored(sqlite_store)) == SETTINGS.max_points + 1
    writer.close()


def test_records_that_are_no_points_go_to_the_quarantine_and_the_rest_on(
    journals: Journals, sqlite_store: Store
) -> None:
    """Garbage, a truncated batch, an unknown measurement, an unknown field: four entries; neighbours are stored."""
    writer = journals.open_writer(sqlite_store)
    whole = pack_points(_vitals(7))
    journals.put(_vitals(0), b"\xc1garbage", whole[:-3], _vitals(1))
    journals.put(batch("moods", [0], {}, value=[1.0]), batch("vitals", [0], {}, pulse=[1.0]), _vitals(2))
    work(writer, NOW_MS)
    assert _stored(sqlite_store) == [0.0, 1.0, 2.0]
    writer.close()
    entries = list_entries(journals.data_dir / "quarantine")
    assert sorted(entry.reason for entry in entries) == ["invalid", "invalid", "undecodable", "undecodable"]
    assert any("unknown measurement 'moods'" in entry.detail for entry in entries)
    assert _committed(journals) == journals.points.position


def test_a_point_that_the_store_refuses_is_kept_with_its_line(
    journals: Journals, influx: InfluxServer, influx_store: Store
) -> None:
    """The server's words as detail, the point as the message; the others of the same write are stored."""
    influx.query('ALTER RETENTION POLICY "autogen" ON telem DURATION 60d')
    old_ms = -80 * 86_400_000
    writer = journals.open_writer(influx_store)
    journals.put(_vitals(0, 50), batch("vitals", [old_ms], TAGS, hr=[55.5]), _vitals(50, 50))
    work(writer, NOW_MS)
    assert writer.state is WriterState.WRITING
    assert _stored(influx_store) == [float(i) for i in range(100)]
    assert (writer.counters.rejected, writer.counters.points) == (1, 100)
    writer.close()
    (entry,) = list_entries(journals.data_dir / "quarantine")
    assert (entry.reason, entry.device) == ("store_rejected", "d1")
    assert "beyond retention policy" in entry.detail
    assert entry.payload == (f"vitals,device=d1,person=p-1,area=town.a hr=55.5 {(T0_MS + old_ms) * 1_000_000}".encode())


def test_nothing_is_lost_while_influxdb_is_away_for_seconds(
    journals: Journals, influx: InfluxServer, influx_store: Store
) -> None:
    """Points flow all the time; the server is stopped, killed, and asks for patience; every point is there once."""
    writer = journals.open_writer(influx_store)
    stop = threading.Event()
    states: set[WriterState] = set()
    thread = threading.Thread(target=writer.run, args=(stop,), name="writer")
    thread.start()
    sent = 0

    def flow(seconds: float) -> None:
        nonlocal sent
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            journals.put(_vitals(sent, 20))
            sent += 20
            states.add(writer.state)
            time.sleep(0.005)

    flow(0.3)
    influx.stop()
    flow(1.0)
    influx.start()
    flow(0.7)
    influx.kill()
    flow(0.5)
    influx.start()
    with influx.pause(503):
        flow(0.5)
    deadline = time.monotonic() + 10
    while writer.lag_bytes() and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    thread.join(timeout=5)
    writer.close()
    assert {WriterState.WRITING, WriterState.WAITING} <= states
    assert writer.counters.retries > 3
    assert _stored(influx_store) == [float(i) for i in range(sent)]
    assert list_entries(journals.data_dir / "quarantine") == []


def test_a_server_that_names_a_time_is_left_alone_until_then(
    journals: Journals, influx: InfluxServer, influx_store: Store
) -> None:
    """Retry-After: 2. The next attempt is not made before, and is made then."""
    writer = journals.open_writer(influx_store)
    now_ms = work(writer, NOW_MS)
    journals.put(_vitals(0))
    with influx.pause(429, retry_after=True):
        now_ms = work(writer, now_ms)
        assert writer.state is WriterState.WAITING
        assert "429" in writer.detail
        retries = writer.counters.retries
        assert not writer.step(now_ms + 1_999)
        assert writer.counters.retries == retries
    assert not writer.step(now_ms + 1_999)
    assert writer.step(now_ms + 2_000)
    assert _stored(influx_store) == [0.0]
    writer.close()


def test_waiting_grows_and_stays_bounded_for_hours(journals: Journals) -> None:
    """Connection refused for ten hours of the caller's clock: an attempt every 30 to 60 s, to the end."""
    dead = open_store("http://127.0.0.1:1", token="t", timeout_s=1)
    writer = journals.open_writer(dead, WriterSettings(first_retry_s=1.0, max_retry_s=60.0))
    attempts: list[int] = []
    for now_ms in range(NOW_MS, NOW_MS + 36_000_000, 500):
        before = writer.counters.retries
        writer.step(now_ms)
        if writer.counters.retries > before:
            attempts.append(now_ms)
    gaps_s = np.diff(attempts) / 1000
    assert gaps_s[0] <= 1.5
    assert gaps_s.max() <= 60.5
    assert (gaps_s[10:] >= 30.0).all()
    assert len(set(gaps_s[10:].tolist())) > 10, "jittered"
    writer.close()
    dead.close()


def test_a_clock_that_is_set_back_does_not_stop_the_writer(
    journals: Journals, influx: InfluxServer, influx_store: Store
) -> None:
    """It backs off until some instant; then the clock jumps a day into the past."""
    writer = journals.open_writer(influx_store)
    journals.put(_vitals(0))
    with influx.pause(503, retry_after=True):
        work(writer, NOW_MS)
        assert writer.state is WriterState.WAITING
    work(writer, NOW_MS - 86_400_000)
    assert _stored(influx_store) == [0.0]
    writer.close()


def test_an_operators_mistake_blocks_and_loses_nothing(
    journals: Journals, influx: InfluxServer, influx_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong token, then a bucket that is gone: said as an error each time, no offset moved, nothing quarantined."""
    journals.put(_vitals(0, 10))
    wrong = open_store(influx.url, token="care:wrong", org="x")
    writer = journals.open_writer(wrong)
    work(writer, NOW_MS)
    assert writer.state is WriterState.BLOCKED
    assert "token" in writer.detail
    assert any(record.levelname == "ERROR" and "token" in record.message for record in caplog.records)
    assert _committed(journals) == 0
    writer.close()
    wrong.close()

    writer = journals.open_writer(influx_store)
    now_ms = work(writer, NOW_MS)
    assert _stored(influx_store) == [float(i) for i in range(10)]
    influx.drop_bucket("telem")
    journals.put(_vitals(10, 10))
    now_ms = work(writer, now_ms)
    assert writer.state is WriterState.BLOCKED
    assert "docs/store.md" in writer.detail
    influx.create_buckets(["telem"])
    work(writer, now_ms + 1_000)
    assert writer.state is WriterState.WRITING
    assert _stored(influx_store) == [float(i) for i in range(10, 20)]
    writer.close()
    assert list_entries(journals.data_dir / "quarantine") == []


def test_a_defect_of_ours_holds_the_points_back(
    journals: Journals, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception nobody thought of: state FAILED, the points stay, and are written when it is gone."""
    writer = journals.open_writer(sqlite_store)
    work(writer, NOW_MS)
    journals.put(_vitals(0, 10))
    with monkeypatch.context() as patch:
        patch.setattr(type(sqlite_store), "write", lambda *_, **__: 1 / 0)
        now_ms = work(writer, NOW_MS + 1_000)
        assert writer.state is WriterState.FAILED
        assert _committed(journals) == 0
    work(writer, now_ms + 60_000)
    assert _stored(sqlite_store) == [float(i) for i in range(10)]
    writer.close()


def test_a_full_disk_does_not_keep_the_journal_from_draining(small_disk: Path, sqlite_store: Store) -> None:
    """Offsets and the windows' file are overwritten in place: the writer goes on and the journal can be dropped."""
    journals = Journals(small_disk / "data")
    writer = journals.open_writer(sqlite_store)
    journals.put(_vitals(0, 10))
    now_ms = work(writer, NOW_MS)
    journals.put(_vitals(10, 500), b"no points at all")
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
    work(writer, now_ms)
    assert writer.state is WriterState.WRITING
    assert _stored(sqlite_store) == [float(i) for i in range(510)]
    assert _committed(journals) == journals.points.position
    writer.close()
    journals.close()


def test_the_writer_reports_on_itself(journals: Journals, sqlite_store: Store) -> None:
    """A `pipeline` point every 10 s with rates, lag and retries."""
    writer = journals.open_writer(sqlite_store)
    now_ms = NOW_MS - NOW_MS % 10_000
    writer.step(now_ms)
    journals.put(_vitals(0, 100))
    work(writer, now_ms)
    work(writer, now_ms + 10_000)
    span = {"start_ms": now_ms, "end_ms": now_ms + 20_000}
    tags = {"stage": "writer", "host": "test-host"}
    names = ["points_per_s", "lag_bytes", "retries", "rejected", "write_ms"]
    series = sqlite_store.range("pipeline", names, tags=tags, **span)
    assert series.t_ms.tolist() == [now_ms + 10_000]
    assert [series.columns[name][0] for name in names[:4]] == [10.0, 0.0, 0.0, 0.0]
    assert series.columns["write_ms"][0] > 0
    writer.close()


def test_the_embedded_store_forgets_what_is_too_old(journals: Journals, sqlite_store: Store) -> None:
    """The writer runs retention every hour."""
    writer = journals.open_writer(sqlite_store)
    now_ms = work(writer, NOW_MS)
    journals.put(_vitals(0, 10))
    work(writer, now_ms)
    work(writer, T0_MS + 91 * 86_400_000)
    assert _stored(sqlite_store) == []
    assert writer.counters.expired >= 10
    writer.close()


def test_stopping_writes_what_was_read(journals: Journals, sqlite_store: Store) -> None:
    """Even when the gathering time is long."""
    writer: Writer = journals.open_writer(sqlite_store, WriterSettings(max_wait_s=3600.0))
    stop = threading.Event()
    thread = threading.Thread(target=writer.run, args=(stop,))
    thread.start()
    journals.put(_vitals(0, 10))
    deadline = time.monotonic() + 5
    while not writer._pending.points and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _stored(sqlite_store) == []
    stop.set()
    thread.join(timeout=5)
    assert _stored(sqlite_store) == [float(i) for i in range(10)]
    assert writer.lag_bytes() == 0
    writer.close()
