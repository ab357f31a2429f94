"""Fixtures shared by the tests: real servers as child processes on free ports of 127.0.0.1."""

from __future__ import annotations

import gc

import pytest

from tests.servers.grafana_client import grafana_client_folder  # noqa: F401
from tests.servers.influxdb import influx, influx_server  # noqa: F401
from tests.servers.mosquitto import mosquitto, start_mosquitto  # noqa: F401
from tests.servers.postgres import (  # noqa: F401
    database_url,
    empty_url,
    postgres_emptied,
    postgres_registry,
    postgres_url,
    registry_engine,
    sqlite_registry,
    sqlite_template,
)
from tests.servers.services import mail, push  # noqa: F401
from tests.servers.sink import sink  # noqa: F401
from tests.servers.small_disk import larger_disk, small_disk  # noqa: F401


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not look through all of it again and again, which took a quarter
    of the time of tests that make a console each."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
