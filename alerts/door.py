"""Who may know a door code: who has taken an incident of that person, until it is closed. Every look is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Engine

from alerts.database import load_incident, raise_change
from alerts.lifecycle import TAKEN, Incident, Note, State, What
from alerts.writing import write_audit
from registry.database import writing
from registry.sealing import door_code_of


class DoorAnswer(StrEnum):
    """Whether a door code is shown, and why not."""

    SHOWN = "shown"
    NONE = "none"  # the registry has no code, or the incident no person
    NOT_YOURS = "not_yours"  # nobody has taken the incident, or somebody else has
    RESOLVED = "resolved"
    UNKNOWN = "unknown"  # no such incident


@dataclass(frozen=True, slots=True)
class DoorCode:
    """The answer, and the ``code`` where it is shown; a representation of this in a log does not have it."""

    answer: DoorAnswer
    code: str = ""

    def __repr__(self) -> str:
        return f"DoorCode({self.answer.value})"


def may_know(incident: Incident, responder_id: str) -> DoorAnswer:
    """Whether a responder may know the door code of the incident's person. Pure."""
    if incident.state is State.RESOLVED:
        return DoorAnswer.RESOLVED
    if incident.state not in TAKEN or responder_id not in incident.standing:
        return DoorAnswer.NOT_YOURS
    return DoorAnswer.SHOWN if incident.person is not None else DoorAnswer.NONE


def read_door_code(engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str) -> DoorCode:
    """The door code for a responder who has acknowledged the incident, is on the way or at the door.

    The caller has made sure that it is this responder who asks. The audit gets a row for every code that is shown and
    every one that is refused, in the transaction that reads it: what cannot be written down is not shown. ``via`` says
    how they asked, ``console``.

    Raises:
        SealedError: the key that opens it is not given.
    """
    with writing(engine) as connection:
        incident = load_incident(connection, incident_id)
        if incident is None:
            return DoorCode(DoorAnswer.UNKNOWN)
        answer = may_know(incident, responder_id)
        code = ""
        if answer is DoorAnswer.SHOWN and incident.person is not None:
            code = door_code_of(connection, incident.person)
            answer = DoorAnswer.SHOWN if code else DoorAnswer.NONE
        if answer is not DoorAnswer.NONE:
            what = What.DOOR_CODE_SHOWN if code else What.DOOR_CODE_REFUSED
            data = {"person": incident.person, "via": via} | ({} if code else {"refused": answer.value})
            write_audit(connection, Note(what, responder_id, data), now_ms, incident=incident_id)
            raise_change(connection)
    return DoorCode(answer, code)
