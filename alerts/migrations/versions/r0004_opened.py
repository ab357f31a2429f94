"""The incidents of a period are found by when they were opened."""

from __future__ import annotations

from alembic import op

revision = "a0004"
down_revision = "a0003"


def upgrade() -> None:
    op.create_index("ix_incident_opened", "incident", ["opened_ms"])
