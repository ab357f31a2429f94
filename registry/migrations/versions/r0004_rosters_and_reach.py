"""Rosters, their overrides, holidays; how responders travel, for whom they work, where they said that they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"


def upgrade() -> None:
    # the defaults are for the responders who are there already, and for a process of the release before
    op.add_column("responder", sa.Column("travel", sa.String(16), nullable=False, server_default=""))
    op.add_column("responder", sa.Column("provider", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "holiday",
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("date", sa.String(10), nullable=False),
        sa.Column("workday", sa.Boolean, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("area", "date", name="pk_holiday"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_holiday_area"),
    )
    op.create_table(
        "roster",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("layer", sa.Integer, nullable=False),
        sa.Column("start", sa.String(32), nullable=False),
        sa.Column("end", sa.String(32), nullable=False),
        sa.Column("turn_days", sa.Integer, nullable=False),
        sa.Column("turns", sa.JSON, nullable=False),
        sa.Column("hours", sa.JSON, nullable=False),
        sa.Column("calendar", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roster"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_roster_area"),
    )
    op.create_table(
        "roster_override",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("roster", sa.String(64), nullable=False),
        sa.Column("begin", sa.String(32), nullable=False),
        sa.Column("end", sa.String(32), nullable=False),
        sa.Column("responders", sa.JSON, nullable=False),
        sa.Column("instead_of", sa.String(64), nullable=False),
        sa.Column("swap", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roster_override"),
        sa.ForeignKeyConstraint(["roster"], ["roster.id"], name="fk_roster_override_roster"),
    )
    op.create_table(
        "responder_presence",
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("lat", sa.Float),
        sa.Column("lon", sa.Float),
        sa.Column("available", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("responder", name="pk_responder_presence"),
        sa.ForeignKeyConstraint(
            ["responder"], ["responder.id"], name="fk_responder_presence_responder", ondelete="CASCADE"
        ),
    )
