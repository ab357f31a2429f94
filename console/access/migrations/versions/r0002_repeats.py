"""What programs asked for under a key of their own, so that a repeat is answered and not done again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c0002"
down_revision = "c0001"


def upgrade() -> None:
    op.create_table(
        "console_repeat",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("asked", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_console_repeat"),
    )
    op.create_index("ix_console_repeat_at", "console_repeat", ["at_ms"])
