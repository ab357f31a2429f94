"""Alembic's entry into the migrations of alerts; called by ``alerts.database.upgrade`` only."""

from alembic import context

from registry.database import run_migrations

run_migrations(context)
