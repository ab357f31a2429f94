"""What the database knows around a finding about a whole area, and what is made of it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from alerts import models
from alerts.area_trouble import (
    Said,
    behind,
    incident_of,
    is_area_trouble,
    policy_for,
    still_silent,
    subject_of_area,
    take_area_trouble,
    with_people,
)
from alerts.calling import Round
from alerts.database import load_incident, to_incident
from alerts.known import Known, Subject, Taken
from alerts.lifecycle import Incident, State
from alerts.nearest import calls_for
from alerts.sentences import AREA_TROUBLE
from detectors.detection import Detection, Stage
from registry import Directory
from registry.silences import silence_of

__all__ = ["is_area_trouble", "take_area"]


def take_area(
    connection: Connection, detection: Detection, directory: Directory, now_ms: int
) -> tuple[Detection, Subject, Taken]:
    """The finding with who is behind it, what it is about, and what is to be made of it; nothing is written yet."""
    subject = subject_of_area(detection, directory)
    incident = _bound(connection, detection)
    if incident is None and detection.stage is Stage.CONFIRMED:
        incident = incident_of(subject.area, _open_troubles(connection))
    if incident is not None:
        known = Known(incident, None, False, Round(()))
    else:
        policy = policy_for(directory, subject.area)
        calls = calls_for(connection, directory, subject.area, None, now_ms, policy=policy)
        silence = silence_of(
            directory.silences, area=subject.area, person=None, device=detection.device, kind=AREA_TROUBLE,
            at_ms=now_ms,
        )  # fmt: skip
        known = Known(None, None, False, calls, policy=policy, silenced=silence is not None)
    who = behind(directory, detection.notes["area"])
    told = with_people(detection, who)
    silent = incident is not None and still_silent(_said(connection, incident, detection))
    return told, subject, take_area_trouble(told, subject, known, who, now_ms, silent=silent)


def _bound(connection: Connection, detection: Detection) -> Incident | None:
    table = models.evidence
    query = select(table.c.incident).where(table.c.detection == detection.id, table.c.incident.is_not(None)).limit(1)
    found = connection.execute(query).scalar()
    return None if found is None else load_incident(connection, found)


def _open_troubles(connection: Connection) -> list[Incident]:
    table = models.incident
    query = select(table).where(table.c.kind == AREA_TROUBLE, table.c.state != State.RESOLVED.value).with_for_update()
    return [to_incident(row) for row in connection.execute(query).mappings()]


def _said(connection: Connection, incident: Incident, now: Detection) -> list[Said]:
    """What the incident was told until now, with the finding that is being taken."""
    table = models.evidence
    query = select(table.c.detection, table.c.stage, table.c.decided_ms, table.c.notes).where(
        table.c.incident == incident.id
    )
    rows = connection.execute(query).all()
    over = {row.detection for row in rows if row.stage == Stage.FOLLOW_UP.value}
    if now.stage is Stage.FOLLOW_UP:
        over.add(now.id)
    return [
        Said(row.detection, row.notes.get("area", ""), row.decided_ms, row.detection in over)
        for row in rows
        if row.stage == Stage.CONFIRMED.value
    ]
