"""Areas, people, devices, responders, the simple on-call order, and the revision counter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "area",
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_area"),
    )
    op.create_table(
        "person",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("lat", sa.Float),
        sa.Column("lon", sa.Float),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column("risks", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_person"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_person_area"),
    )
    op.create_index("ix_person_area", "person", ["area"])
    op.create_table(
        "device",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64)),
        sa.Column("area", sa.String(255)),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("placement", sa.String(64), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
        sa.ForeignKeyConstraint(["person"], ["person.key"], name="fk_device_person"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_device_area"),
    )
    op.create_index("ix_device_person", "device", ["person"])
    op.create_table(
        "responder",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("lat", sa.Float),
        sa.Column("lon", sa.Float),
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column("languages", sa.JSON, nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("channels", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_responder"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_responder_area"),
    )
    op.create_table(
        "on_call",
        sa.Column("area", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("responder", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("area", "position", name="pk_on_call"),
        sa.ForeignKeyConstraint(["area"], ["area.path"], name="fk_on_call_area"),
        sa.ForeignKeyConstraint(["responder"], ["responder.id"], name="fk_on_call_responder"),
    )
    revision_table = op.create_table(
        "registry_revision",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registry_revision"),
    )
    op.bulk_insert(revision_table, [{"id": 1, "revision": 0}])
