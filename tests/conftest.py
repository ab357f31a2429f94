"""Fixtures shared by the tests: real servers as child processes on free ports of 127.0.0.1."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer

from tests.lanes import Lanes, OneOfMany
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

# How long one example takes says something of the machine only.
settings.register_profile("carecircle", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("carecircle")

#: Rooms of long tests. They begin first, so that none of them is left for the end, when the other processes have
#: nothing to do any more.
_FIRST = {"chaos": 0, "e2e": 1, "carecircle": 2, "setup": 3, "browser": 4, "dashboards": 5, "detectors": 6}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; within a file nothing changes its place."""
    items.sort(key=lambda item: _FIRST.get(item.path.relative_to(item.config.rootpath).parts[1], len(_FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes | None:
    """With ``--dist loadfile``, as `make test` has it."""
    return Lanes(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_configure(config: pytest.Config) -> None:
    """Of many processes this is one."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        config.pluginmanager.register(OneOfMany())


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not look through all of it again and again, which took a quarter
    of the time of tests that make a console each."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
