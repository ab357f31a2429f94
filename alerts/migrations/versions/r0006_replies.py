"""Replies of responders by text message and telephone keys, each taken once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a0006"
down_revision = "a0005"


def upgrade() -> None:
    op.create_table(
        "reply",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("from_hash", sa.String(64), nullable=False),
        sa.Column("responder", sa.String(64)),
        sa.Column("incident", sa.String(64)),
        sa.Column("meaning", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("answer", sa.Text),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reply"),
    )
    op.create_index("ix_reply_sender", "reply", ["from_hash", "at_ms"])
