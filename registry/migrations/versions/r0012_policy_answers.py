"""Policies: whether the wearer is asked before anybody is called, for how long, and how many must acknowledge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0012"
down_revision = "r0011"


def upgrade() -> None:
    op.add_column("policy", sa.Column("ask", sa.String(16), nullable=False, server_default="immediate"))
    op.add_column("policy", sa.Column("prompt_s", sa.Float))
    op.add_column("policy", sa.Column("acknowledgements", sa.Integer, nullable=False, server_default="1"))
