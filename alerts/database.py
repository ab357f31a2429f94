"""The tables of alerts, and its rows to values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.engine import RowMapping

from alerts import models
from alerts.lifecycle import Incident, Outcome, State
from alerts.policy import Policy
from detectors.detection import Severity, Window
from registry.database import migrate

_INCIDENT_FIELDS = tuple(field.name for field in fields(Incident))


def upgrade(engine: Engine) -> None:
    """Create the tables of alerts or bring them to the newest version. Needs no tables of the registry."""
    migrate(engine, Path(__file__).parent / "migrations", "alembic_version_alerts")


def to_incident(row: RowMapping) -> Incident:
    """The incident of a row that has all columns of the table."""
    values: dict[str, Any] = {name: row[name] for name in _INCIDENT_FIELDS}
    values["severity"] = Severity(values["severity"])
    values["state"] = State(values["state"])
    values["outcome"] = None if values["outcome"] is None else Outcome(values["outcome"])
    values["policy"] = msgspec.convert(values["policy"], Policy)
    return Incident(**values)


def from_incident(incident: Incident) -> dict[str, Any]:
    """The column values of an incident."""
    return {name: column_of(getattr(incident, name)) for name in _INCIDENT_FIELDS}


def column_of(value: Any) -> Any:
    """The column value of a field of an incident."""
    match value:
        case Enum():
            return value.value
        case Policy():
            return _policy_columns(value)
        case Mapping():
            return dict(value)
    return value


@lru_cache(maxsize=256)
def _policy_columns(policy: Policy) -> dict[str, Any]:
    return asdict(policy)


def load_incident(connection: Connection, incident_id: str) -> Incident | None:
    """An incident to be changed in this transaction: locked, where the database locks rows."""
    query = select(models.incident).where(models.incident.c.id == incident_id).with_for_update()
    row = connection.execute(query).mappings().first()
    return None if row is None else to_incident(row)


def raise_change(connection: Connection) -> None:
    """Say that something changed that the console shows."""
    connection.execute(update(models.change).values(revision=models.change.c.revision + 1))


def pack_window(window: Window) -> bytes:
    """The motion around a detection as it is kept with the evidence."""
    return _encode_window(window)


def unpack_window(blob: bytes) -> Window:
    """The motion of an evidence row."""
    return _decode_window(blob)


_encode_window = msgspec.msgpack.Encoder().encode
_decode_window = msgspec.msgpack.Decoder(Window).decode
