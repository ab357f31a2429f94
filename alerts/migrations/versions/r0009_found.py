"""What was found about a device is found by the device."""

from __future__ import annotations

from alembic import op

revision = "a0009"
down_revision = "a0008"


def upgrade() -> None:
    op.create_index("ix_evidence_device", "evidence", ["device", "decided_ms"])
