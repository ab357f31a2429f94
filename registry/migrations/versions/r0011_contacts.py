"""Who stands by somebody: relatives, neighbours, volunteers, the family doctor, hospital teams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0011"
down_revision = "r0010"


def upgrade() -> None:
    op.create_table(
        "contact",
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("relation", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("notify", sa.String(16), nullable=False),
        sa.Column("has_key", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("person", "responder", name="pk_contact"),
        sa.ForeignKeyConstraint(["person"], ["person.key"], name="fk_contact_person"),
        sa.ForeignKeyConstraint(["responder"], ["responder.id"], name="fk_contact_responder"),
    )
    op.create_index("ix_contact_responder", "contact", ["responder"])
    op.add_column("responder", sa.Column("contact_of", sa.String(64), nullable=False, server_default=""))
