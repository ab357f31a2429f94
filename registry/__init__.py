"""Who and where: areas, people, devices, responders, and who is on call.

One database, shared with alerts; names and addresses stay in here (the time series know device ids and pseudonymous
person keys only).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from registry.database import create_engine, is_retryable, writing
from registry.entries import (
    AreaEntry,
    ChannelEntry,
    ContactEntry,
    DeviceEntry,
    HolidayEntry,
    OnCallEntry,
    OverrideEntry,
    PersonEntry,
    PolicyEntry,
    PolicyStep,
    ResponderEntry,
    RosterEntry,
    VisitEntry,
)
from registry.errors import RegistryError, SealedError
from registry.exporting import export_folder
from registry.importing import Diff, import_folder
from registry.keys import Keys
from registry.snapshot import Directory, current_revision, directory

__all__ = [
    "AreaEntry",
    "ChannelEntry",
    "ContactEntry",
    "DeviceEntry",
    "Diff",
    "Directory",
    "HolidayEntry",
    "Keys",
    "OnCallEntry",
    "OverrideEntry",
    "PersonEntry",
    "PolicyEntry",
    "PolicyStep",
    "RegistryError",
    "ResponderEntry",
    "RosterEntry",
    "SealedError",
    "VisitEntry",
    "create_engine",
    "current_revision",
    "directory",
    "export_folder",
    "import_folder",
    "is_retryable",
    "upgrade",
    "writing",
]


def upgrade(engine: Engine) -> None:
    """Create the registry's tables or bring them to the newest version. Safe to call at every start."""
    from registry.database import migrate

    migrate(engine, Path(__file__).parent / "migrations", "alembic_version_registry")
