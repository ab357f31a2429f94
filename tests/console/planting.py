"""Two streets of one district, each with a row in every table there is: made from the tables themselves, so that a new
table is planted without anybody thinking of it. Every text of a street holds its word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    select,
)

import alerts.database
import alerts.models
import console.access.database
import console.access.models
import registry
import registry.models
from alerts.policy import IMMEDIATE
from journal.quarantine import Quarantine
from store import open_store
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage
from tests.console.district import motion
from tests.console.person_points import write

METADATA: tuple[MetaData, ...] = (registry.models.metadata, alerts.models.metadata, console.access.models.metadata)
DISTRICT = "city"
_HOUR_MS = 3_600_000
#: Tables of one row, which is there already: counters and marks of the system itself.
SINGLE = frozenset({"registry_revision", "alerts_change", "alerts_counted", "handover_look"})


@dataclass
class Street:
    """One of the two; ``word`` is in all its texts. ``rows`` has what was planted, by table."""

    word: str
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def area(self) -> str:
        """Its dotted path."""
        return f"{DISTRICT}.{self.word}"

    def id(self, table: str) -> Any:
        """The key of its row of a table."""
        (column, *_) = _table(table).primary_key.columns
        return self.rows[table][column.name]


def _table(name: str) -> Table:
    return next(metadata.tables[name] for metadata in METADATA if name in metadata.tables)


def tables() -> Iterator[Table]:
    """All of them, parents first."""
    for metadata in METADATA:
        yield from (table for table in metadata.sorted_tables if table.name not in SINGLE)


def _names(street: Street) -> Mapping[str, Any]:
    """Columns that name a thing of another table without the database knowing, and those with a vocabulary."""
    word = street.word
    return {
        "area": street.area, "path": street.area, "person": f"{word}-person", "device": f"{word}-device",
        "responder": f"{word}-responder", "who": f"{word}-responder", "incident": f"{word}-incident",
        "notification": f"{word}-notification", "plan": f"{word}-visit", "roster": f"{word}-roster",
        "detection": f"{word}-evidence", "zone": "Asia/Shanghai", "start": "2026-01-01T00:00", "language": "en",
        "begin": "2026-03-01T00:00", "end": "2026-03-20T00:00", "date": "2026-03-05", "unit": "week",
        "severity": "critical", "stage": "confirmed", "purpose": "call", "channel": "webhook-1", "status": "sent",
        "round": 1, "step": 0, "number": 1, "languages": ["en"], "kinds": [], "conditions": [], "limits": {},
        "attempts": 1, "lat": 29.5, "lon": 106.5, "revision": 1, "residents": 1, "layer": 1, "every": 1,
        "transitions": 1, "acknowledgements": 1, "needed": 1, "also_by": {}, "declined": {}, "instead_of": "",
        "contact_of": "", "swap": [], "hours": [], "calendar": "", "areas": [street.area],
    }  # fmt: skip


def _special(street: Street) -> Mapping[str, Any]:
    """Columns whose name does not say it all."""
    word, responder = street.word, f"{street.word}-responder"
    return {
        "person.fall_point": "", "person.spo2_scale": 1, "person.risks": [f"{word}-risk"],
        "device.kind": "wearable", "device.area": None, "responder.travel": "", "responder.channels": [],
        "responder.roles": [f"{word}-role"], "contact.notify": "policy", "contact.relation": "family",
        "contact.position": 1, "on_call.position": 1, "roster.turns": [responder], "roster.turn_days": 7,
        "roster.end": "", "roster_override.responders": [responder], "visit.kind": "visit", "visit.unit": "day",
        "acknowledgement.responder": f"{word}-other", "visit.end": "",
        "visit.within_h": 24.0, "visit_record.state": "done", "policy.steps": [{"tier": "own"}], "policy.ask": "first",
        "policy.ask_wearer": True,
        "policy.repeat_s": 120.0, "policy.arrival_s": 900.0, "policy.prompt_s": None, "policy.resolve_h": None,
        "silence.person": None, "silence.device": None, "incident.kind": "fall", "incident.state": "notifying",
        "incident.outcome": None, "incident.acknowledged_by": None, "incident.resolved_by": None,
        "incident.policy": msgspec.to_builtins(IMMEDIATE), "evidence.kind": "fall", "evidence.verdict": "opened",
        "evidence.reason": None, "evidence.detector": "fall", "evidence.features": {"peak_g": 4.0},
        "evidence.notes": {"en": f"{word} said", "zh": f"{word} said"},
        "evidence.window": alerts.database.pack_window(motion(1_772_424_000_000)), "prompt.state": "asked",
        "timer.kind": "call", "notification.reason": "delivered", "reply.meaning": "acknowledge",
        "reply.outcome": None, "audit.what": "sent", "audit.before": None, "audit.after": None,
        "audit.data": {"responder": responder, "note": f"{word} note", "reason": "delivered"},
        "journal_outbox.journal": "reports", "journal_outbox.record": b"",
        "console_user.roles": ["coordinator"], "console_user.issuer": None, "console_user.subject": None,
        "console_token.scopes": ["read:incidents"], "console_attempt.result": "failed",
        "console_session.stage": "full", "console_audit.what": "view", "console_audit.kind": "person",
        "console_audit.subject": f"{word}-person", "console_audit.data": {"note": f"{word} note"},
        "console_repeat.status": 200,
    }  # fmt: skip


def _value(street: Street, table: Table, column: Column[Any], now_ms: int) -> Any:
    special, names = _special(street), _names(street)
    if (key := f"{table.name}.{column.name}") in special:
        return special[key]
    for foreign in column.foreign_keys:
        return street.id(foreign.column.table.name)
    if column.primary_key and len(table.primary_key.columns) == 1 and isinstance(column.type, String):
        return street.area if column.name == "path" else f"{street.word}-{table.name.rpartition('_')[2]}"
    if column.name in names:
        return names[column.name]
    if column.name.endswith("_ms"):
        late = column.name in ("expires_ms", "due_ms", "idle_ms")
        return None if column.nullable else now_ms + (_HOUR_MS if late else -_HOUR_MS)
    kind = column.type
    if isinstance(kind, String):
        return f"{street.word} {table.name} {column.name}"[: kind.length or 200]
    if isinstance(kind, JSON):
        return {}
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, LargeBinary):
        return None if column.nullable else b""
    if isinstance(kind, Float):
        return 1.0
    assert isinstance(kind, (Integer, BigInteger)), f"{key}: say in planting.py what it holds"
    return None if column.nullable else 1


def _plant(connection: Connection, street: Street, now_ms: int) -> None:
    for table in tables():
        serial = table.primary_key.columns.values()[0] if len(table.primary_key.columns) == 1 else None
        serial = serial if serial is not None and not isinstance(serial.type, String) else None
        row = {
            column.name: _value(street, table, column, now_ms) for column in table.columns if column is not serial
        }  # fmt: skip
        found = connection.execute(insert(table).values(row))
        if serial is not None:
            row[serial.name] = found.inserted_primary_key[0]
        street.rows[table.name] = row
    incident = _table("incident")
    over = {"id": f"{street.word}-over", "state": "resolved", "outcome": "true", "resolved_ms": now_ms - 1000}
    took = {"acknowledged_ms": now_ms - 2000, "acknowledged_by": f"{street.word}-responder"}
    connection.execute(insert(incident).values({**street.rows["incident"], **over, **took}))
    device = _table("device")
    hub = {"id": f"{street.word}-hub", "person": None, "area": street.area}
    connection.execute(insert(device).values({**street.rows["device"], **hub}))


def plant(folder: Path, now_ms: int, *words: str) -> tuple[Engine, list[Street]]:
    """The database, the store (``points.db``) and the quarantine of a district with these streets."""
    engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
    registry.upgrade(engine)
    alerts.database.upgrade(engine)
    console.access.database.upgrade(engine)
    streets = [Street(word) for word in words]
    with registry.writing(engine) as connection:
        connection.execute(insert(registry.models.area).values(path=DISTRICT, name="The city"))
        for street in streets:
            _plant(connection, street, now_ms)
    _plant_points(folder, streets, now_ms)
    _plant_quarantine(folder / "quarantine", streets, now_ms)
    return engine, streets


def _plant_points(folder: Path, streets: list[Street], now_ms: int) -> None:
    store = open_store(f"sqlite:///{folder}/points.db")
    for street in streets:
        who = {"person": f"{street.word}-person", "area": street.area}
        on = {**who, "device": f"{street.word}-device"}
        t_ms = [now_ms - 60_000]
        write(store, "vitals", t_ms, {"hr": [71.0], "sbp": [130.0], "dbp": [80.0]}, **on)
        write(store, "score", t_ms, {"value": [2.0], "lower": [2.0], "upper": [4.0]}, **who, detector="vitals.news2")
        write(store, "home", t_ms, {"value": [1.0]}, **on, kind="presence")
        write(store, "device", t_ms, {"online": [1.0], "battery": [80.0]}, device=on["device"], area=street.area)
    store.close()


def _plant_quarantine(folder: Path, streets: list[Street], now_ms: int) -> None:
    quarantine = Quarantine(folder, "processor")
    for street in streets:
        device = f"{street.word}-device"
        topic = f"care/v1/{device}/vitals".encode()
        raw = RawMessage(now_ms - 1000, Flag(0), topic, json.dumps({"text": street.word}).encode())
        quarantine.put(next(iter(Reason)), f"{street.word} detail", raw, device)
    quarantine.commit()
    quarantine.close()


def rows_with(engine: Engine, word: str) -> dict[str, list[str]]:
    """Every row in which a word stands, by table."""
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for table in tables():
            every = (repr(tuple(row)) for row in connection.execute(select(table)))
            found[table.name] = sorted(row for row in every if word in row)
    return found
