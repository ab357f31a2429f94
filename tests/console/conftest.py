"""A district with a clock that tests set, and the console over it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

import registry
from console.app import create_app
from console.settings import ConsoleSettings
from tests.console import district

#: 2026-03-02 12:00:00 in Shanghai.
NOON_MS = 1_772_424_000_000


@dataclass
class Clock:
    """Now, as the console sees it."""

    now_ms: int = NOON_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at noon until it is set."""
    return Clock()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the district's database, made once."""
    folder = tmp_path_factory.mktemp("district")
    engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
    district.build(engine, folder / "registry")
    engine.dispose()  # the last connection writes everything into the one file
    return folder / "carecircle.db"


def copy_of(built: Path, folder: Path) -> Engine:
    """A database of its own for a test, or for the tests of a module."""
    shutil.copy(built, folder / "carecircle.db")
    return registry.create_engine(f"sqlite:///{folder}/carecircle.db")


@pytest.fixture
def engine(tmp_path: Path, built: Path) -> Iterator[Engine]:
    """The district's database."""
    engine = copy_of(built, tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def settings() -> ConsoleSettings:
    """The console as a district runs it."""
    return ConsoleSettings(
        link_key=district.LINK_KEY, public_url="https://care.example.org", time_zone="Asia/Shanghai", login=False
    )


@pytest.fixture
def browser(engine: Engine, settings: ConsoleSettings, clock: Clock) -> Iterator[TestClient]:
    """A browser on the same machine that follows no redirect by itself; its forms come from the console's pages."""
    app = create_app(engine, settings, now_ms=clock)
    headers = {"sec-fetch-site": "same-origin", "accept-language": "en"}
    with TestClient(
        app, base_url="http://127.0.0.1:8080", headers=headers, follow_redirects=False, raise_server_exceptions=False
    ) as client:
        yield client
