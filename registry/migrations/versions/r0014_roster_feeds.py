"""The address at which a responder's calendar fetches their shifts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0014"
down_revision = "r0013"


def upgrade() -> None:
    op.create_table(
        "roster_feed",
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("responder", name="pk_roster_feed"),
        sa.ForeignKeyConstraint(["responder"], ["responder.id"], name="fk_roster_feed_responder", ondelete="CASCADE"),
        sa.UniqueConstraint("hash", name="uq_roster_feed_hash"),
    )
