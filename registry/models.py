"""The tables of the registry."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

area = Table(
    "area",
    metadata,
    Column("path", String(255), primary_key=True),
    Column("name", Text, nullable=False),
)

person = Table(
    "person",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("area", ForeignKey(area.c.path), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("lat", Float),
    Column("lon", Float),
    Column("language", String(16), nullable=False),
    Column("phone", Text, nullable=False),
    Column("door_code", Text, nullable=False, server_default=""),
    Column("risks", JSON, nullable=False),
    Column("fall_point", String(16), nullable=False, server_default=""),
    Column("conditions", JSON, nullable=False, server_default="[]"),
    Column("spo2_scale", Integer, nullable=False, server_default="1"),
    Column("limits", JSON, nullable=False, server_default="{}"),
    Column("residents", Integer, nullable=False, server_default="1"),
    Column("pets", Boolean, nullable=False, server_default=false()),
)

device = Table(
    "device",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("person", ForeignKey(person.c.key), index=True),
    Column("area", ForeignKey(area.c.path)),
    Column("kind", String(64), nullable=False),
    Column("placement", String(64), nullable=False),
    Column("model", Text, nullable=False),
)

responder = Table(
    "responder",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("area", ForeignKey(area.c.path), nullable=False),
    Column("lat", Float),
    Column("lon", Float),
    Column("phone", Text, nullable=False),
    Column("languages", JSON, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("channels", JSON, nullable=False),
    Column("travel", String(16), nullable=False, server_default=""),
    Column("provider", Text, nullable=False, server_default=""),
    Column("contact_of", String(64), nullable=False, server_default=""),
)

#: Who stands by whom.
contact = Table(
    "contact",
    metadata,
    Column("person", ForeignKey(person.c.key), primary_key=True),
    Column("responder", ForeignKey(responder.c.id), primary_key=True, index=True),
    Column("relation", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("notify", String(16), nullable=False),
    Column("has_key", Boolean, nullable=False),
)

on_call = Table(
    "on_call",
    metadata,
    Column("area", ForeignKey(area.c.path), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("responder", ForeignKey(responder.c.id), nullable=False),
)

holiday = Table(
    "holiday",
    metadata,
    Column("area", ForeignKey(area.c.path), primary_key=True),
    Column("date", String(10), primary_key=True),
    Column("workday", Boolean, nullable=False),
    Column("name", Text, nullable=False),
)

roster = Table(
    "roster",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("area", ForeignKey(area.c.path), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("layer", Integer, nullable=False),
    Column("start", String(32), nullable=False),
    Column("end", String(32), nullable=False),
    Column("turn_days", Integer, nullable=False),
    Column("turns", JSON, nullable=False),
    Column("hours", JSON, nullable=False),
    Column("calendar", Text, nullable=False),
)

roster_override = Table(
    "roster_override",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("roster", ForeignKey(roster.c.id), nullable=False),
    Column("begin", String(32), nullable=False),
    Column("end", String(32), nullable=False),
    Column("responders", JSON, nullable=False),
    Column("instead_of", String(64), nullable=False),
    Column("swap", JSON, nullable=False),
    Column("note", Text, nullable=False),
)

visit = Table(
    "visit",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("person", ForeignKey(person.c.key), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("start", String(32), nullable=False),
    Column("end", String(32), nullable=False),
    Column("every", Integer, nullable=False),
    Column("unit", String(16), nullable=False),
    Column("within_h", Float, nullable=False),
    Column("responder", String(64), nullable=False),
)

#: Since when a plan of visits is known: what was due before is not missed.
visit_seen = Table(
    "visit_seen",
    metadata,
    Column("plan", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)

#: What became of each visit; rows are only added, the newest counts. It outlives its plan.
visit_record = Table(
    "visit_record",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("plan", String(64), nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("who", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Index("ix_visit_record_plan_due_ms", "plan", "due_ms"),
    sqlite_autoincrement=True,
)

policy = Table(
    "policy",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("area", ForeignKey(area.c.path), nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("steps", JSON, nullable=False),
    Column("repeat_s", Float, nullable=False),
    Column("arrival_s", Float, nullable=False),
    Column("resolve_h", Float),
    Column("ask_wearer", Boolean, nullable=False),
    Column("ask", String(16), nullable=False, server_default="immediate"),
    Column("prompt_s", Float),
    Column("acknowledgements", Integer, nullable=False, server_default="1"),
)

silence = Table(
    "silence",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("area", ForeignKey(area.c.path)),
    Column("person", ForeignKey(person.c.key)),
    Column("device", ForeignKey(device.c.id)),
    Column("kinds", JSON, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("begin", String(32), nullable=False),
    Column("end", String(32), nullable=False),
    Column("reason", Text, nullable=False),
)

#: Who changed when what is too much for a person; rows are only added. It outlives the person and its limits.
threshold_change = Table(
    "threshold_change",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("person", String(64), nullable=False),
    Column("field", String(64), nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("who", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_threshold_change_person", "person", "id"),
    sqlite_autoincrement=True,
)

#: Where responders said that they are. It changes often and does not raise the revision.
presence = Table(
    "responder_presence",
    metadata,
    Column("responder", ForeignKey(responder.c.id, ondelete="CASCADE"), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("lat", Float),
    Column("lon", Float),
    Column("available", Boolean, nullable=False),
)

#: Where a responder's calendar fetches their shifts: the SHA-256 of the secret in its address. It is no part of the
#: directory and does not raise the revision.
roster_feed = Table(
    "roster_feed",
    metadata,
    Column("responder", ForeignKey(responder.c.id, ondelete="CASCADE"), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("made_ms", BigInteger, nullable=False),
    Column("made_by", String(64), nullable=False),
)

#: How well each provider answered, as the last report that was written here has it. Raises the revision.
provider_rating = Table(
    "provider_rating",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("score", Float, nullable=False),
    Column("grade", String(8), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("written_ms", BigInteger, nullable=False),
)

#: Seconds on the way, by means and both ends. It can be asked for again at any time and does not raise the revision.
route = Table(
    "route",
    metadata,
    Column("way", String(96), primary_key=True),
    Column("seconds", Float, nullable=False),
)

#: One row. Its number rises with each change of any table above, so that a reader knows when to read again.
revision = Table(
    "registry_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
