"""At which operating point of the fall detector a person is watched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    # the default is for the people who are there already, and for a process of the release before
    op.add_column("person", sa.Column("fall_point", sa.String(16), nullable=False, server_default=""))
