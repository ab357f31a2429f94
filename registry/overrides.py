"""What differs from a roster, changed one at a time: who swaps, who stands in. The plan itself comes with files."""

from __future__ import annotations

from typing import cast

import msgspec
from sqlalchemy import Connection, delete, insert, select

from registry import models
from registry.entries import OverrideEntry, ResponderEntry, RosterEntry
from registry.errors import RegistryError
from registry.rosters.compiling import override_mistakes
from registry.rows import load_table, raise_revision, to_row
from registry.sealing import keys_of


class OverrideError(RegistryError):
    """An override that cannot be written: its id, the field, and what to do."""

    def __init__(self, override: str, field: str, reason: str) -> None:
        super().__init__(f"{override}: {reason}")
        self.override = override
        self.field = field
        self.reason = reason


def add_override(connection: Connection, entry: OverrideEntry) -> int:
    """Write one; the registry's revision after it. The connection is one of :func:`registry.writing`.

    Raises:
        OverrideError: it means nothing, or its id is taken.
    """
    revision = raise_revision(connection)  # first: it is the lock
    try:
        entry = msgspec.convert(msgspec.to_builtins(entry), OverrideEntry)
    except msgspec.ValidationError as error:
        raise OverrideError(entry.id, "", f"cannot be written: {error}") from error
    rosters = cast("dict[str, RosterEntry]", load_table(connection, "rosters"))
    responders = cast("dict[str, ResponderEntry]", load_table(connection, "responders", secrets=False))
    for field, reason in override_mistakes(entry, rosters, responders):
        raise OverrideError(entry.id, field, reason)
    table = models.roster_override
    if connection.execute(select(table.c.id).where(table.c.id == entry.id)).first() is not None:
        raise OverrideError(entry.id, "id", "there is an override of this id: give it another")
    connection.execute(insert(table).values(to_row("roster_overrides", entry, keys_of(connection))))
    return revision


def remove_override(connection: Connection, override: str) -> OverrideEntry | None:
    """Take one out again: the plan holds as if it had never been. Returns it; None when there is none of this id."""
    raise_revision(connection)
    found = load_table(connection, "roster_overrides").get(override)
    if not isinstance(found, OverrideEntry):
        return None
    connection.execute(delete(models.roster_override).where(models.roster_override.c.id == override))
    return found
