"""The tables of users and access, brought to their newest version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from registry.database import migrate


def upgrade(engine: Engine) -> None:
    """Create the tables of the console or bring them to the newest version. Needs no tables of other rooms."""
    migrate(engine, Path(__file__).parent / "migrations", "alembic_version_console")
