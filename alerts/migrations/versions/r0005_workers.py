"""Several workers: who they are, whose an attempt is, and up to where reasons are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a0005"
down_revision = "a0004"


def upgrade() -> None:
    op.create_table(
        "alerts_worker",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("journals", sa.String(255)),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts_worker"),
    )
    op.create_table(
        "alerts_counted",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("audit", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts_counted"),
    )
    op.add_column("attempt", sa.Column("worker", sa.String(64)))
    op.add_column("handover_notice", sa.Column("worker", sa.String(64)))
    still_open = sa.text("ended_ms IS NULL")
    op.create_index(
        "ix_attempt_open", "attempt", ["notification"], sqlite_where=still_open, postgresql_where=still_open
    )
