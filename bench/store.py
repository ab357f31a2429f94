"""Points written and read a second, per store, next to influxdb-client's own ``Point`` in the same run.

The hot path that this protects: every point of every device passes :func:`store.lines.build_lines` or the embedded
store's insert. InfluxDB is measured where its programs are installed (the server of the tests is used).
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from store import Store, open_store
from store.lines import build_lines
from store.prepare import prepare
from telemetry.records import Column, PointBatch

_FIELDS = ("enmo_g", "smv_max_g", "posture_deg", "steps", "worn")
_BATCH = 5_000
_DAY_POINTS = 8_640  # one day at 10 s


def run(*, devices: int = 25, batches: int = 45) -> dict[str, Any]:
    """Build and write ``batches`` of 5,000 motion points of ``devices`` wearers, then read them.

    Returns:
        ``building`` (lines a second), ``sqlite`` and ``influxdb`` (points written a second; milliseconds for the points
        of a day downsampled to 500, for the latest of all devices, and for the roll-up of an hour; points a second of
        that roll-up). ``influxdb`` is a sentence where no server is installed.
    """
    points = [_motion(devices, number) for number in range(batches)]
    result: dict[str, Any] = {"building": _building(points[: max(batches // 4, 1)])}
    with tempfile.TemporaryDirectory(prefix="carecircle-bench-") as folder:
        store = open_store(f"sqlite:///{folder}/store.db")
        result["sqlite"] = _measure(store, points)
        result["sqlite"]["bytes_per_point"] = _size(Path(folder)) / (batches * _BATCH)
        store.close()
        result["influxdb"] = _influxdb(Path(folder) / "influx", points)
    return result


def _motion(devices: int, number: int) -> PointBatch:
    """5,000 points, by time, of ``devices`` wearers; all of them lie in the last days."""
    random = np.random.default_rng(number)
    i = np.arange(_BATCH, dtype=np.int64) + number * _BATCH
    start_ms = (int(time.time()) // 3600 - 72) * 3_600_000
    columns: dict[str, Column] = {name: random.normal(1.0, 0.3, _BATCH) for name in _FIELDS}
    device = [f"w{n % devices:05d}" for n in i.tolist()]
    tags = {"device": device, "person": [f"p-{name}" for name in device], "area": ["town.north.elm"] * _BATCH}
    return PointBatch("motion", (start_ms + i // devices * 10_000) * 1_000_000, tags, columns)


def _building(points: list[PointBatch]) -> dict[str, Any]:
    gaps = [_with_gaps(batch) for batch in points]
    lines = len(points) * _BATCH
    return {
        "lines_per_s": lines / _seconds(lambda: [build_lines(prepare(batch)) for batch in points]),
        "lines_per_s_with_gaps": lines / _seconds(lambda: [build_lines(prepare(batch)) for batch in gaps]),
        "influxdb_client_point_lines_per_s": lines / _seconds(lambda: [_client_lines(batch) for batch in points]),
    }


def _with_gaps(batch: PointBatch) -> PointBatch:
    random = np.random.default_rng(0)
    gaps: dict[str, Column] = {
        name: np.where(random.random(len(batch)) < 0.1, np.nan, np.asarray(column, dtype=np.float64))
        for name, column in batch.fields.items()
    }
    return PointBatch(batch.measurement, batch.t_ns, batch.tags, gaps)


def _client_points(batch: PointBatch) -> Iterator[Any]:
    from influxdb_client.client.write.point import Point

    tags, fields = list(batch.tags.items()), list(batch.fields.items())
    for row, t_ns in enumerate(batch.t_ns.tolist()):
        point = Point(batch.measurement)
        for name, values in tags:
            point.tag(name, values[row])
        for name, column in fields:
            point.field(name, float(column[row]))  # type: ignore[arg-type]  # no text among them
        yield point.time(t_ns)


def _client_lines(batch: PointBatch) -> list[str]:
    return [point.to_line_protocol() for point in _client_points(batch)]


def _measure(store: Store, points: list[PointBatch]) -> dict[str, Any]:
    n = len(points) * _BATCH

    def write() -> None:
        for batch in points:
            refused = store.write(batch)
            assert not refused, refused[0]

    first_ms = int(points[0].t_ns[0]) // 1_000_000
    last_ms = int(points[-1].t_ns[-1]) // 1_000_000 + 10_000
    device = points[0].tags["device"][0]
    written_s = _seconds(write)
    made = 0

    def roll_up() -> None:
        nonlocal made
        made = store.rollup(
            "motion",
            start_ms=first_ms,
            end_ms=first_ms + 3_600_000,
            step_s=60,
            source_bucket="telem",
            target_bucket="telem_1m",
        )

    rollup_s = _seconds(roll_up)
    day_s = _seconds(
        lambda: store.range(
            "motion", ["enmo_g"], tags={"device": device}, start_ms=last_ms - _DAY_POINTS * 10_000, end_ms=last_ms
        ),
        times=20,
    )
    latest_s = _seconds(lambda: store.latest("motion", ["enmo_g", "worn"], by="device"), times=10)
    return {
        "points_per_s": n / written_s,
        "day_to_500_points_ms": day_s * 1000,
        "latest_of_all_devices_ms": latest_s * 1000,
        "hour_rollup_ms": rollup_s * 1000,
        "rollup_windows_per_s": made / rollup_s,
    }


def _influxdb(folder: Path, points: list[PointBatch]) -> dict[str, Any] | str:
    if not all(shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin") for name in ("influxd", "nginx")):
        return "not measured: influxd and nginx are not installed"
    try:
        from tests.servers.influxdb import InfluxServer
    except ImportError as error:
        return f"not measured: {error}"
    with InfluxServer(folder) as server:
        store = open_store(server.url, token=server.token, org=server.org, timeout_s=60)
        result = _measure(store, points)
        store.close()
        server.create_buckets()
        few = points[: max(len(points) // 8, 1)]
        result["influxdb_client_point_points_per_s"] = len(few) * _BATCH / _seconds(lambda: _write_points(server, few))
    return result


def _write_points(server: Any, points: list[PointBatch]) -> None:
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.client.write_api import SYNCHRONOUS

    with InfluxDBClient(server.url, token=server.token, org=server.org) as client:
        write_api = client.write_api(write_options=SYNCHRONOUS)
        for batch in points:
            write_api.write(bucket="telem", record=list(_client_points(batch)))


def _seconds(work: Callable[[], object], *, times: int = 1) -> float:
    """Seconds of one call, the mean of ``times``."""
    begin = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begin) / times


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("store.db*"))
