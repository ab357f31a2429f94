"""Whom the one who has an incident asks to take it over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a0008"
down_revision = "a0007"


def upgrade() -> None:
    op.add_column("incident", sa.Column("offered_to", sa.String(64)))
