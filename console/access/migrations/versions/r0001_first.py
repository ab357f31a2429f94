"""Users, sessions, tokens, second factor, attempts to log in, and an audit that cannot be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c0001"
down_revision = None

_Serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "console_user",
        sa.Column("id", _Serial, nullable=False, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("full_name", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("areas", sa.JSON, nullable=False),
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(255)),
        sa.Column("subject", sa.String(255)),
        sa.Column("totp_secret", sa.Text, nullable=False),
        sa.Column("totp_ready", sa.Boolean, nullable=False),
        sa.Column("totp_step", sa.BigInteger, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_user"),
        sa.UniqueConstraint("name", name="uq_console_user_name"),
        sa.UniqueConstraint("issuer", "subject", name="uq_console_user_subject"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "console_session",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user", _Serial, nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("remember", sa.Boolean, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.Column("idle_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_session"),
        sa.ForeignKeyConstraint(["user"], ["console_user.id"], name="fk_console_session_user"),
    )
    op.create_index("ix_console_session_user", "console_session", ["user"])
    op.create_table(
        "console_token",
        sa.Column("id", _Serial, nullable=False, autoincrement=True),
        sa.Column("user", _Serial, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_console_token"),
        sa.ForeignKeyConstraint(["user"], ["console_user.id"], name="fk_console_token_user"),
        sa.UniqueConstraint("hash", name="uq_console_token_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_console_token_user", "console_token", ["user"])
    op.create_table(
        "console_recovery",
        sa.Column("user", _Serial, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("user", "hash", name="pk_console_recovery"),
        sa.ForeignKeyConstraint(["user"], ["console_user.id"], name="fk_console_recovery_user"),
    )
    op.create_table(
        "console_invitation",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("user", _Serial),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_console_invitation"),
        sa.ForeignKeyConstraint(["user"], ["console_user.id"], name="fk_console_invitation_user"),
    )
    op.create_table(
        "console_attempt",
        sa.Column("id", _Serial, nullable=False, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_attempt"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_console_attempt_account", "console_attempt", ["account", "at_ms"])
    op.create_index("ix_console_attempt_address", "console_attempt", ["address", "at_ms"])
    op.create_table(
        "console_audit",
        sa.Column("id", _Serial, nullable=False, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("user", sa.BigInteger),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_console_audit_subject", "console_audit", ["kind", "subject", "id"])
    op.create_index("ix_console_audit_at", "console_audit", ["at_ms"])
    _refuse_changes_of("console_audit")


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
