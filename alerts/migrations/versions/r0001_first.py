"""Incidents and their evidence, prompts, timers, the two outboxes, and an audit that cannot be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a0001"
down_revision = None

_Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    change = op.create_table(
        "alerts_change",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts_change"),
    )
    op.create_table(
        "audit",
        sa.Column("id", _Serial, nullable=False, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("incident", sa.String(64)),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_incident", "audit", ["incident", "id"])
    op.create_table(
        "incident",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("person", sa.String(64)),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("historical", sa.Boolean, nullable=False),
        sa.Column("policy", sa.JSON, nullable=False),
        sa.Column("onset_ms", sa.BigInteger, nullable=False),
        sa.Column("said_ms", sa.BigInteger),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("last_evidence_ms", sa.BigInteger, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("transitions", sa.Integer, nullable=False),
        sa.Column("retold_ms", sa.BigInteger),
        sa.Column("acknowledged_ms", sa.BigInteger),
        sa.Column("acknowledged_by", sa.String(64)),
        sa.Column("en_route_ms", sa.BigInteger),
        sa.Column("on_scene_ms", sa.BigInteger),
        sa.Column("resolved_ms", sa.BigInteger),
        sa.Column("resolved_by", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_incident"),
    )
    op.create_index("ix_incident_device", "incident", ["device", "state"])
    op.create_index("ix_incident_person", "incident", ["person", "state"])
    op.create_index("ix_incident_state", "incident", ["state"])
    op.create_table(
        "journal_outbox",
        sa.Column("id", _Serial, nullable=False, autoincrement=True),
        sa.Column("journal", sa.String(16), nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_journal_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "evidence",
        sa.Column("detection", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("incident", sa.String(64)),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64)),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("detector", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("historical", sa.Boolean, nullable=False),
        sa.Column("onset_ms", sa.BigInteger, nullable=False),
        sa.Column("decided_ms", sa.BigInteger, nullable=False),
        sa.Column("recv_ms", sa.BigInteger, nullable=False),
        sa.Column("taken_ms", sa.BigInteger, nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.Column("params_hash", sa.String(64), nullable=False),
        sa.Column("window", sa.LargeBinary),
        sa.PrimaryKeyConstraint("detection", "stage", name="pk_evidence"),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name="fk_evidence_incident"),
    )
    op.create_index("ix_evidence_incident", "evidence", ["incident"])
    op.create_table(
        "notification",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("detail", sa.Text),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("done_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_notification"),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name="fk_notification_incident"),
        sa.UniqueConstraint("incident", "step", "round", "responder", "channel", name="uq_notification_key"),
    )
    op.create_index("ix_notification_due", "notification", ["status", "due_ms"])
    op.create_table(
        "prompt",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("detection", sa.String(64), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64)),
        sa.Column("incident", sa.String(64)),
        sa.Column("asked_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prompt"),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name="fk_prompt_incident"),
        sa.UniqueConstraint("detection", name="uq_prompt_detection"),
    )
    op.create_index("ix_prompt_incident", "prompt", ["incident"])
    op.create_table(
        "timer",
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("incident", "kind", name="pk_timer"),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name="fk_timer_incident"),
    )
    op.create_index("ix_timer_due", "timer", ["due_ms"])
    op.create_table(
        "attempt",
        sa.Column("notification", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("reason", sa.String(32)),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("notification", "number", name="pk_attempt"),
        sa.ForeignKeyConstraint(["notification"], ["notification.id"], name="fk_attempt_notification"),
    )
    op.bulk_insert(change, [{"id": 1, "revision": 0}])
    _refuse_changes_of("audit")


def _refuse_changes_of(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
    )
