"""From a detection to somebody at the door: incidents, whom to call and when, and messages that arrive.

A pure core (:mod:`alerts.lifecycle`, :mod:`alerts.fusion`, :mod:`alerts.policy`, :mod:`alerts.delivery`) takes values
and ``now_ms`` and returns values; the shell around it keeps everything in the database, so that a process may be
killed at any moment and goes on where it stood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["upgrade"]


def upgrade(engine: Engine) -> None:
    """Create the tables of alerts or bring them to the newest version. Needs no tables of the registry."""
    from alerts.database import upgrade as upgrade_tables  # who imports an error of ours needs no database

    upgrade_tables(engine)
