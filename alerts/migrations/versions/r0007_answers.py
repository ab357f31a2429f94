"""Who stands on an incident beside the one who has it, who cannot come, how many are needed, and messages that call
nobody any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a0007"
down_revision = "a0006"

_KEY = ("incident", "step", "round", "responder", "channel")


def upgrade() -> None:
    for name in ("also_by", "declined"):
        op.add_column("incident", sa.Column(name, sa.JSON, nullable=False, server_default="{}"))
    op.add_column("incident", sa.Column("needed", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "acknowledgement",
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("responder", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("incident", "responder", name="pk_acknowledgement"),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name="fk_acknowledgement_incident"),
    )
    op.create_index("ix_acknowledgement_responder", "acknowledgement", ["responder", "at_ms"])
    op.execute(
        "INSERT INTO acknowledgement (incident, responder, at_ms) SELECT id, acknowledged_by, acknowledged_ms"
        " FROM incident WHERE acknowledged_by IS NOT NULL AND acknowledged_ms IS NOT NULL"
    )
    op.add_column("notification", sa.Column("purpose", sa.String(16), nullable=False, server_default="call"))
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint("uq_notification_key", "notification", type_="unique")
        op.create_unique_constraint("uq_notification_key", "notification", [*_KEY, "purpose"])
        return
    # SQLite changes a constraint by building the table anew; what refers to it must be out of the way meanwhile
    op.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM attempt")
    op.execute("DELETE FROM attempt")
    with op.batch_alter_table("notification") as batch:
        batch.drop_constraint("uq_notification_key", type_="unique")
        batch.create_unique_constraint("uq_notification_key", [*_KEY, "purpose"])
    op.execute("INSERT INTO attempt SELECT * FROM kept")
    op.execute("DROP TABLE kept")
