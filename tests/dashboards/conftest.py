"""One filled InfluxDB for all that is asked of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import registry
from store import open_store
from tests.dashboards.district import fill
from tests.servers.influxdb import InfluxServer


@dataclass(frozen=True)
class Filled:
    """An InfluxDB with ten days up to ``now_ms`` in it."""

    server: InfluxServer
    now_ms: int


@pytest.fixture(scope="module")
def filled(
    influx_server: InfluxServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    """Written by the writer, once for a module: nobody may write into it."""
    influx_server.start()
    influx_server.create_buckets()
    folder = tmp_path_factory.mktemp("district")
    shutil.copy(sqlite_template, folder / "carecircle.db")
    engine = registry.create_engine(f"sqlite:///{folder / 'carecircle.db'}")
    store = open_store(influx_server.url, token=influx_server.token, org=influx_server.org)
    now_ms = time.time_ns() // 1_000_000
    try:
        fill(store, folder, engine, now_ms)
        yield Filled(influx_server, now_ms)
    finally:
        store.close()
        engine.dispose()
