"""What nobody is called for, until when, and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    op.create_table(
        "silence",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("area", sa.String(255)),
        sa.Column("person", sa.String(64)),
        sa.Column("device", sa.String(64)),
        sa.Column("kinds", sa.JSON, nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("begin", sa.String(32), nullable=False),
        sa.Column("end", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silence"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_silence_area"),
        sa.ForeignKeyConstraint(["person"], ["person.key"], name="fk_silence_person"),
        sa.ForeignKeyConstraint(["device"], ["device.id"], name="fk_silence_device"),
    )
