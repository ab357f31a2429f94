"""Both stores under one name, so that the contract is one suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Store, open_store
from tests.servers.influxdb import InfluxServer


@pytest.fixture
def influx_store(influx: InfluxServer) -> Iterator[Store]:
    """A store over empty InfluxDB buckets."""
    store = open_store(influx.url, token=influx.token, org=influx.org)
    yield store
    store.close()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where the embedded store of this test lies."""
    return tmp_path / "store.db"


@pytest.fixture
def sqlite_store(sqlite_path: Path) -> Iterator[Store]:
    """An empty embedded store."""
    store = open_store(f"sqlite:///{sqlite_path}")
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "influx"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each implementation in turn, empty."""
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found
