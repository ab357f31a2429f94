"""Door codes. What is secret becomes text that may be sealed, which the columns hold already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"


def upgrade() -> None:
    # the default is for the people who are there already, and for a process of the release before
    op.add_column("person", sa.Column("door_code", sa.Text, nullable=False, server_default=""))
