"""The tables of alerts, in the registry's database. No foreign key leads into the registry: history outlives it."""

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
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

_Serial = BigInteger().with_variant(Integer, "sqlite")

incident = Table(
    "incident",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(16)),
    Column("person", String(64)),
    Column("device", String(64), nullable=False),
    Column("area", String(255), nullable=False),
    Column("historical", Boolean, nullable=False),
    Column("policy", JSON, nullable=False),
    Column("onset_ms", BigInteger, nullable=False),
    Column("said_ms", BigInteger),
    Column("opened_ms", BigInteger, nullable=False),
    Column("last_evidence_ms", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("transitions", Integer, nullable=False),
    Column("retold_ms", BigInteger),
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", String(64)),
    Column("en_route_ms", BigInteger),
    Column("on_scene_ms", BigInteger),
    Column("resolved_ms", BigInteger),
    Column("resolved_by", String(64)),
    Column("needed", Integer, nullable=False, server_default="1"),
    Column("also_by", JSON, nullable=False, server_default="{}"),
    Column("declined", JSON, nullable=False, server_default="{}"),
    Column("offered_to", String(64)),
    Index("ix_incident_state", "state"),
    Index("ix_incident_person", "person", "state"),
    Index("ix_incident_device", "device", "state"),
    Index("ix_incident_opened", "opened_ms"),
)

#: Each detection at each stage, once: what it was, what was done with it, and the incident that it belongs to.
evidence = Table(
    "evidence",
    metadata,
    Column("detection", String(64), primary_key=True),
    Column("stage", String(16), primary_key=True),
    Column("incident", ForeignKey(incident.c.id)),
    Column("verdict", String(16), nullable=False),
    Column("reason", String(32)),
    Column("device", String(64), nullable=False),
    Column("person", String(64)),
    Column("kind", String(64), nullable=False),
    Column("detector", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("score", Float, nullable=False),
    Column("historical", Boolean, nullable=False),
    Column("onset_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("recv_ms", BigInteger, nullable=False),
    Column("taken_ms", BigInteger, nullable=False),
    Column("features", JSON, nullable=False),
    Column("notes", JSON, nullable=False),
    Column("params_hash", String(64), nullable=False),
    Column("window", LargeBinary),
    Index("ix_evidence_incident", "incident"),
    Index("ix_evidence_device", "device", "decided_ms"),
)

#: Questions to wearers.
prompt = Table(
    "prompt",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("detection", String(64), nullable=False, unique=True),
    Column("device", String(64), nullable=False),
    Column("person", String(64)),
    Column("incident", ForeignKey(incident.c.id)),
    Column("asked_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Index("ix_prompt_incident", "incident"),
)

timer = Table(
    "timer",
    metadata,
    Column("incident", ForeignKey(incident.c.id), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("due_ms", BigInteger, nullable=False),
    Index("ix_timer_due", "due_ms"),
)

#: Who stands on an incident: who has it and who comes too. For questions across incidents; what decides about one are
#: its own columns.
acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("incident", ForeignKey(incident.c.id), primary_key=True),
    Column("responder", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_acknowledgement_responder", "responder", "at_ms"),
)

#: The outbox. ``id`` is made of the key below it and is what the receiver sees as the idempotency key.
notification = Table(
    "notification",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("incident", ForeignKey(incident.c.id), nullable=False),
    Column("step", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("responder", String(64), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(32)),
    Column("detail", Text),
    Column("urgency", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Column("purpose", String(16), nullable=False, server_default="call"),
    UniqueConstraint("incident", "step", "round", "responder", "channel", "purpose", name="uq_notification_key"),
    Index("ix_notification_due", "status", "due_ms"),
)

_STILL_OPEN = text("ended_ms IS NULL")

#: Written before each send; one without an end is on its way, or nobody knows its fate. ``target`` is the hash of the
#: address of a channel that may have so many a minute, ``worker`` whose send it is.
attempt = Table(
    "attempt",
    metadata,
    Column("notification", ForeignKey(notification.c.id), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("reason", String(32)),
    Column("detail", Text),
    Column("target", String(32)),
    Column("worker", String(64)),
    Index("ix_attempt_target", "target", "started_ms"),
    Index("ix_attempt_open", "notification", sqlite_where=_STILL_OPEN, postgresql_where=_STILL_OPEN),
)

#: What short messages have in the place of a long link.
short_link = Table(
    "short_link",
    metadata,
    Column("code", String(16), primary_key=True),
    Column("incident", String(64), nullable=False),
    Column("responder", String(64), nullable=False),
    Column("notification", String(64), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

#: What responders answered by text message or telephone keys; ``id`` is made of the provider's own, so that a repeat is
#: found. ``from_hash`` is keyed: no number can be found from it. Without an ``answer`` it is still being done.
reply = Table(
    "reply",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("provider", String(16), nullable=False),
    Column("from_hash", String(64), nullable=False),
    Column("responder", String(64)),
    Column("incident", String(64)),
    Column("meaning", String(16), nullable=False),
    Column("outcome", String(16)),
    Column("answer", Text),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_reply_sender", "from_hash", "at_ms"),
)

#: Who came on call and is told what is open. ``last_ms`` is when its last attempt began, ``started_ms`` the same while
#: that is on its way; ``target`` and ``worker`` as in ``attempt``.
handover_notice = Table(
    "handover_notice",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("responder", String(64), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("areas", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(32)),
    Column("attempts", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("last_ms", BigInteger),
    Column("done_ms", BigInteger),
    Column("target", String(32)),
    Column("worker", String(64)),
    Index("ix_handover_notice_due", "status", "due_ms"),
    Index("ix_handover_notice_target", "target", "last_ms"),
)

#: One row: up to when hand-overs are told, in which revision of the registry, and when the next one is.
handover_look = Table(
    "handover_look",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("next_ms", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

#: What is to be appended to a journal: written with the change that it tells of, moved over after the commit.
journal_outbox = Table(
    "journal_outbox",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("journal", String(16), nullable=False),
    Column("record", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

#: Append-only; the database itself refuses to change or delete a row. The time line of an incident is its rows.
audit = Table(
    "audit",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("incident", String(64)),
    Column("what", String(32), nullable=False),
    Column("who", String(64), nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    Column("data", JSON, nullable=False),
    Index("ix_audit_incident", "incident", "id"),
    sqlite_autoincrement=True,
)

#: Processes that send, each with when it last said that it lives. ``journals`` is where those are that it holds.
worker = Table(
    "alerts_worker",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("journals", String(255)),
    Column("seen_ms", BigInteger, nullable=False),
)

#: One row: the newest audit row whose reason is in the metrics.
counted = Table(
    "alerts_counted",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("audit", BigInteger, nullable=False),
)

#: One row; rises with every transaction that changed anything that the console shows.
change = Table(
    "alerts_change",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
