"""Everything below ``/administration``."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import Engine

from console.administration.audit_routes import audit_routes
from console.administration.desk import desk_of
from console.administration.import_routes import import_routes
from console.administration.overview import overview_routes
from console.administration.policies import policy_routes
from console.administration.rows import row_routes
from console.administration.silences import silence_routes
from console.administration.users import user_routes
from console.render import Renderer
from console.settings import ConsoleSettings


def administration_routes(engine: Engine, settings: ConsoleSettings, renderer: Renderer) -> list[APIRouter]:
    """The registry, policies, silences, import, users and the audit."""
    desk = desk_of(engine, settings, renderer)
    makers = (overview_routes, row_routes, policy_routes, silence_routes, import_routes, user_routes, audit_routes)
    return [make(desk) for make in makers]
