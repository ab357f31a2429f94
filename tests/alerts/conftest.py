"""Fixtures of the alerts' tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.alerts.story import Story, telling
from tests.servers.sink import Sink

#: What the stories that ask for ``story`` are told on. On PostgreSQL too they take half as long again, so that is for
#: who changes what is asked of the database: CARECIRCLE_TEST_DATABASES=every
_DATABASES = {"sqlite": "sqlite_registry"}
if os.environ.get("CARECIRCLE_TEST_DATABASES") == "every":
    _DATABASES["postgresql"] = "postgres_registry"


@pytest.fixture(params=list(_DATABASES))
def story(request: pytest.FixtureRequest, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """A district on SQLite, or on every database there is."""
    with telling(request.getfixturevalue(_DATABASES[request.param]), tmp_path, sink) as told:
        yield told


@pytest.fixture
def sqlite_story(sqlite_registry: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """A district on SQLite, for what is so there only."""
    with telling(sqlite_registry, tmp_path, sink) as told:
        yield told


@pytest.fixture
def any_story(registry_engine: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """A district on SQLite, and once more on PostgreSQL where that is installed."""
    with telling(registry_engine, tmp_path, sink) as told:
        yield told
