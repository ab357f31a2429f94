"""Fixtures of the alerts' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.alerts.story import Story, telling
from tests.servers.sink import Sink


@pytest.fixture
def story(sqlite_registry: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """A district on SQLite."""
    with telling(sqlite_registry, tmp_path, sink) as told:
        yield told


@pytest.fixture
def any_story(registry_engine: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """A district on SQLite, and once more on PostgreSQL where that is installed."""
    with telling(registry_engine, tmp_path, sink) as told:
        yield told
