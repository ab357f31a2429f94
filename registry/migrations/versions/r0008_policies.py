"""How incidents are carried to people, by area and kind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"


def upgrade() -> None:
    op.create_table(
        "policy",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Column("repeat_s", sa.Float, nullable=False),
        sa.Column("arrival_s", sa.Float, nullable=False),
        sa.Column("resolve_h", sa.Float),
        sa.Column("ask_wearer", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policy"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_policy_area"),
    )
