"""What a responder was told of, and where they stand on it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Engine, exists, select

from alerts import models
from alerts.database import to_incident
from alerts.delivery import Purpose, Status
from alerts.knowing import is_beside
from alerts.lifecycle import State
from alerts.reply_words import Told, code_of
from alerts.standing import Stand, stand_of

#: Who was told longer ago says nothing of it by a bare key.
_TOLD_MS = 24 * 3_600_000


def read_stand(engine: Engine, incident_id: str, responder_id: str) -> Stand | None:
    """Where a responder stands on an incident; None when there is no such incident."""
    with engine.connect() as connection:
        row = connection.execute(select(models.incident).where(models.incident.c.id == incident_id)).mappings().first()
        if row is None:
            return None
        incident = to_incident(row)
        return stand_of(incident, responder_id, beside=is_beside(connection, incident, responder_id))


def _was_told(responder: str, now_ms: int) -> ColumnElement[bool]:
    sent = models.notification
    return exists().where(
        sent.c.incident == models.incident.c.id,
        sent.c.responder == responder,
        sent.c.created_ms > now_ms - _TOLD_MS,
        sent.c.purpose.in_([Purpose.CALL.value, Purpose.BESIDE.value]),
        (sent.c.status == Status.SENT.value) | (sent.c.attempts > 0),
    )


def told_to(connection: Connection, responder: str, now_ms: int) -> list[Told]:
    """What a responder was told of within a day, or has and is not closed, the newest first."""
    incident, sent, standing = models.incident, models.notification, models.acknowledgement
    stands = exists().where(standing.c.incident == incident.c.id, standing.c.responder == responder)
    is_open = incident.c.state != State.RESOLVED.value
    wanted = _was_told(responder, now_ms) | (stands & is_open)
    query = select(incident).where(wanted).order_by(incident.c.opened_ms.desc(), incident.c.id)
    found = [to_incident(row) for row in connection.execute(query).mappings()]
    called = select(sent.c.incident).where(sent.c.responder == responder, sent.c.purpose == Purpose.CALL.value)
    beside = select(sent.c.incident).where(sent.c.responder == responder, sent.c.purpose == Purpose.BESIDE.value)
    only_beside = set(connection.execute(beside).scalars()) - set(connection.execute(called).scalars())
    return [Told(one.id, stand_of(one, responder, beside=one.id in only_beside)) for one in found]


def reply_code(connection: Connection, incident: str, responder: str, now_ms: int) -> str:
    """The code that a reply about an incident needs: "" where the responder was told of no other that is open."""
    table = models.incident
    others = (table.c.id != incident) & (table.c.state != State.RESOLVED.value) & _was_told(responder, now_ms)
    found = connection.execute(select(table.c.id).where(others).limit(1)).first()
    return code_of(incident) if found is not None else ""
