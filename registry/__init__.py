"""Who and where: areas, people, devices, responders, and who is on call.

One database, shared with alerts; names and addresses stay in here (the time series know device ids and pseudonymous
person keys only).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from registry.rows import current_revision
    from registry.snapshot import Directory, directory
    from registry.wearing import Worn, worn_devices

# Who wants to know how a key of the registry looks needs no database: names are looked up when they are used.
_MODULES = {
    "registry.database": ("create_engine", "is_retryable", "writing"),
    "registry.entries": (
        "AreaEntry",
        "ChannelEntry",
        "ContactEntry",
        "DeviceEntry",
        "HolidayEntry",
        "OnCallEntry",
        "OverrideEntry",
        "PersonEntry",
        "PolicyEntry",
        "PolicyStep",
        "ResponderEntry",
        "RosterEntry",
        "VisitEntry",
    ),
    "registry.errors": ("RegistryError", "SealedError"),
    "registry.exporting": ("export_folder",),
    "registry.importing": ("Diff", "import_folder"),
    "registry.keys": ("Keys",),
    "registry.rows": ("current_revision",),
    "registry.snapshot": ("Directory", "directory"),
    "registry.wearing": ("Worn", "worn_devices"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}

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
    "Worn",
    "create_engine",
    "current_revision",
    "directory",
    "export_folder",
    "import_folder",
    "is_retryable",
    "upgrade",
    "worn_devices",
    "writing",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_WHERE[name]), name)
    return value


def upgrade(engine: Engine) -> None:
    """Create the registry's tables or bring them to the newest version. Safe to call at every start."""
    from registry.database import migrate

    migrate(engine, Path(__file__).parent / "migrations", "alembic_version_registry")
