"""Notices of hand-overs, and up to when they are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a0003"
down_revision = "a0002"


def upgrade() -> None:
    op.create_table(
        "handover_notice",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("areas", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("last_ms", sa.BigInteger),
        sa.Column("done_ms", sa.BigInteger),
        sa.Column("target", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_handover_notice"),
    )
    op.create_index("ix_handover_notice_due", "handover_notice", ["status", "due_ms"])
    op.create_index("ix_handover_notice_target", "handover_notice", ["target", "last_ms"])
    op.create_table(
        "handover_look",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("next_ms", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_handover_look"),
    )
