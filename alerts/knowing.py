"""What somebody answers who was told beside the calls: it is written, and the calls go on."""

from __future__ import annotations

from sqlalchemy import Connection, select

from alerts import models
from alerts.delivery import Purpose
from alerts.lifecycle import Answer, Change, Incident, Note, State, What


def is_beside(connection: Connection, incident: Incident, responder: str) -> bool:
    """Whether all that a responder was told of an incident stood beside the calls: relatives who read their message
    must not silence the district. Who is called too, or was told nothing and acts in the console, counts."""
    rows = models.notification
    query = select(rows.c.purpose).where(rows.c.incident == incident.id, rows.c.responder == responder).distinct()
    told = set(connection.execute(query).scalars())
    return Purpose.BESIDE.value in told and Purpose.CALL.value not in told and responder not in incident.standing


def noted_beside(
    connection: Connection, incident: Incident, who: str, said: What, *, via: str
) -> tuple[Answer, Change | None]:
    """A row on the time line, once for each thing they say."""
    if incident.state is State.RESOLVED:
        return Answer.RESOLVED, None
    audit = models.audit
    before = select(audit.c.data).where(
        audit.c.incident == incident.id, audit.c.what == What.KNOWN_BESIDE.value, audit.c.who == who
    )
    if any(data.get("said") == said.value for data in connection.execute(before).scalars()):
        return Answer.NOTED, None
    note = Note(What.KNOWN_BESIDE, who, {"via": via, "said": said.value})
    return Answer.NOTED, Change(incident, incident, (note,))
