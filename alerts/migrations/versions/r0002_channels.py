"""Limits of channels, and short links for short messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a0002"
down_revision = "a0001"


def upgrade() -> None:
    op.add_column("attempt", sa.Column("target", sa.String(32)))
    op.create_index("ix_attempt_target", "attempt", ["target", "started_ms"])
    op.create_table(
        "short_link",
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("notification", sa.String(64), nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_short_link"),
    )
