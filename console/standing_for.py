"""In whose name the desk may act: those of its own areas, those above, and whoever was called to the incident."""

from __future__ import annotations

from sqlalchemy import Engine, exists, select

from alerts.models import notification
from console.access.viewer import Viewer
from registry.models import responder


def may_stand_for(engine: Engine, viewer: Viewer, incident: str, name: str) -> bool:
    """Whether somebody who may act for others may act for the responder ``name``; not for one who is not there."""
    called = exists().where(notification.c.incident == incident, notification.c.responder == name)
    with engine.connect() as connection:
        area = connection.execute(select(responder.c.area).where(responder.c.id == name)).scalar()
        if area is None:
            return False
        return is_within_reach(viewer, area) or bool(connection.execute(select(called)).scalar())


def is_within_reach(viewer: Viewer, area: str) -> bool:
    """Whether responders of an area are called to incidents of the viewer's areas."""
    return viewer.sees(area) or any(one.startswith(f"{area}.") for one in viewer.areas)
