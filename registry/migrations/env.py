"""Alembic's entry into the registry's migrations; called by ``registry.upgrade`` only."""

from alembic import context

from registry.database import run_migrations

run_migrations(context)
