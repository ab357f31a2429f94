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
from tests.servers.require import require


@dataclass(frozen=True)
class Filled:
    """An InfluxDB with ten days up to ``now_ms`` in it."""

    server: InfluxServer
    now_ms: int


@pytest.fixture(scope="session")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A server of its own, which no other test empties, written by the writer once: nobody may change its past."""
    require("influxd")
    require("nginx")
    folder = tmp_path_factory.mktemp("district")
    shutil.copy(sqlite_template, folder / "carecircle.db")
    now_ms = time.time_ns() // 1_000_000
    with InfluxServer(folder / "influx") as server:
        server.create_buckets()
        engine = registry.create_engine(f"sqlite:///{folder / 'carecircle.db'}")
        store = open_store(server.url, token=server.token, org=server.org)
        try:
            fill(store, folder, engine, now_ms)
        finally:
            store.close()
            engine.dispose()
        yield Filled(server, now_ms)
