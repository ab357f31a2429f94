"""What a person lives with, their own limits, and who else lives in the home."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    # the defaults are for the people who are there already, and for a process of the release before
    op.add_column("person", sa.Column("conditions", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("person", sa.Column("spo2_scale", sa.Integer, nullable=False, server_default="1"))
    op.add_column("person", sa.Column("limits", sa.JSON, nullable=False, server_default="{}"))
    op.add_column("person", sa.Column("residents", sa.Integer, nullable=False, server_default="1"))
    op.add_column("person", sa.Column("pets", sa.Boolean, nullable=False, server_default=sa.false()))
