"""What the database knows of one person: who they are, whom they have, their devices and incidents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from alerts import models as alert_tables
from alerts.lifecycle import State
from console.devices.faults import BACK_MS, Fault, standing_of
from registry import SealedError
from registry import models as registry_tables
from registry.entries import PersonEntry
from registry.sealing import keys_of, open_row, phone_of
from registry.thresholds import ThresholdChange, Thresholds, threshold_changes

#: As many incidents stand on the page; the drawing marks those of its span.
INCIDENTS_SHOWN = 40
_CHANGES_SHOWN = 30
_MARKS = 300


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody who stands by a person."""

    name: str
    relation: str
    phone: str
    has_key: bool


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as the registry has it."""

    id: str
    kind: str
    placement: str
    model: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident in one line."""

    id: str
    kind: str
    severity: str
    state: str
    outcome: str | None
    onset_ms: int
    resolved_ms: int | None

    @property
    def open(self) -> bool:
        """Whether it is not over."""
        return self.state != State.RESOLVED.value


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything of the database on the page. ``areas``: names, nearest first; ``entry`` has no door code."""

    entry: PersonEntry
    areas: tuple[str, ...]
    contacts: tuple[Contact, ...]
    devices: tuple[DeviceRow, ...]
    faults: tuple[Fault, ...]
    incidents: tuple[IncidentRow, ...]
    changes: tuple[ThresholdChange, ...]

    @property
    def thresholds(self) -> Thresholds:
        """What is set for the person."""
        return Thresholds(self.entry.fall_point, self.entry.spo2_scale, dict(self.entry.limits))


def read_entry(connection: Connection, key: str) -> PersonEntry | None:
    """The person's row without the door code, phone opened ("" where its key is missing); None without."""
    table = registry_tables.person
    names = [name for name in PersonEntry.__struct_fields__ if name != "door_code"]
    found = connection.execute(select(*(table.c[name] for name in names)).where(table.c.key == key)).first()
    if found is None:
        return None
    row = dict(zip(names, found, strict=True))
    try:
        phone = phone_of(connection, key, row["phone"])
    except SealedError:
        phone = ""  # the page must be there all the same; the doctor names the key that is missing
    # as it is stored: what an import would refuse is shown all the same
    return PersonEntry(
        **{**row, "phone": phone, "risks": tuple(row["risks"] or ()), "conditions": tuple(row["conditions"] or ())}
    )


def read_profile(connection: Connection, key: str, now_ms: int) -> Profile | None:
    """A person with everything about them; None when there is none of this key."""
    entry = read_entry(connection, key)
    if entry is None:
        return None
    devices = _devices(connection, key)
    return Profile(
        entry=entry,
        areas=_areas(connection, entry.area),
        contacts=_contacts(connection, key),
        devices=devices,
        faults=standing_of(connection, [device.id for device in devices], now_ms - BACK_MS),
        incidents=_incidents(connection, key),
        changes=tuple(threshold_changes(connection, key, limit=_CHANGES_SHOWN)),
    )


def read_marks(connection: Connection, key: str, start_ms: int, end_ms: int) -> list[IncidentRow]:
    """The incidents that began in a span of time, in its order; of very many the newest."""
    table = alert_tables.incident
    query = _incident_query(key).where(table.c.onset_ms >= start_ms, table.c.onset_ms < end_ms)
    rows = connection.execute(query.order_by(table.c.onset_ms.desc()).limit(_MARKS)).all()
    return [IncidentRow(*row) for row in reversed(rows)]


def _incident_query(key: str) -> Select[Any]:
    c = alert_tables.incident.c
    return select(c.id, c.kind, c.severity, c.state, c.outcome, c.onset_ms, c.resolved_ms).where(c.person == key)


def _incidents(connection: Connection, key: str) -> tuple[IncidentRow, ...]:
    c = alert_tables.incident.c
    still = (c.state == State.RESOLVED.value).asc()
    query = _incident_query(key).order_by(still, c.onset_ms.desc()).limit(INCIDENTS_SHOWN)
    return tuple(IncidentRow(*row) for row in connection.execute(query))


def _areas(connection: Connection, path: str) -> tuple[str, ...]:
    parts = path.split(".")
    tiers = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    table = registry_tables.area
    query = select(table.c.path, table.c.name).where(table.c.path.in_(tiers))
    names = {row.path: row.name for row in connection.execute(query)}
    return tuple(names.get(tier, tier) for tier in tiers)


def _contacts(connection: Connection, key: str) -> tuple[Contact, ...]:
    contact, responder = registry_tables.contact, registry_tables.responder
    query = (
        select(responder.c.id, responder.c.name, contact.c.relation, responder.c.phone, contact.c.has_key)
        .join(responder, responder.c.id == contact.c.responder)
        .where(contact.c.person == key)
        .order_by(contact.c.relation, contact.c.position)
    )
    keys = keys_of(connection)
    found = []
    for row in connection.execute(query):
        try:
            phone = open_row(keys, "responders", row.id, {"phone": row.phone})["phone"]
        except SealedError:
            phone = ""
        found.append(Contact(row.name, row.relation, phone, row.has_key))
    return tuple(found)


def _devices(connection: Connection, key: str) -> tuple[DeviceRow, ...]:
    c = registry_tables.device.c
    query = select(c.id, c.kind, c.placement, c.model).where(c.person == key).order_by(c.kind.desc(), c.id)
    return tuple(DeviceRow(*row) for row in connection.execute(query))
