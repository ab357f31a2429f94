"""Alembic's entry into the migrations of access; called by ``console.access.database.upgrade`` only."""

from alembic import context

from registry.database import run_migrations

run_migrations(context)
