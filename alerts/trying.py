"""A test message to one responder, by the whole way of an alarm: an incident that is a test, with a call of its own."""

from __future__ import annotations

from sqlalchemy import Connection

from alerts.calling import Round, call_next
from alerts.database import load_incident, raise_change
from alerts.drills import TEST_KIND, TEST_POLICY
from alerts.fusion import incident_id
from alerts.lifecycle import Change, Incident, Note, State, What
from alerts.writing import write_change
from detectors.detection import Severity
from registry import ResponderEntry

#: No second one to the same responder before so long.
_AT_MOST_EVERY_S = 120
#: Stands for the device.
BY_HAND = "test"


def try_responder(connection: Connection, responder: ResponderEntry, who: str, now_ms: int) -> str | None:
    """Call a responder for a test; the incident's id, or None where there was one within the last two minutes.

    Whoever receives it acknowledges like any call; what nobody answers is closed as every test is. The connection is
    one of :func:`registry.writing`.
    """
    number = incident_id(f"try:{responder.id}:{now_ms // (_AT_MOST_EVERY_S * 1000)}")
    if load_incident(connection, number) is not None:
        return None
    incident = Incident(
        id=number, kind=TEST_KIND, severity=Severity.WARNING, state=State.OPEN, person=None, device=BY_HAND,
        area=responder.area, historical=False, policy=TEST_POLICY, onset_ms=now_ms, opened_ms=now_ms,
        last_evidence_ms=now_ms, needed=TEST_POLICY.acknowledgements,
    )  # fmt: skip
    opened = Note(What.OPENED, who, {"policy": TEST_POLICY.name, "kind": TEST_KIND, "responder": responder.id})
    change = Change(None, incident, (opened,), (State.OPEN,))
    write_change(connection, change.then(call_next(incident, Round([responder]), now_ms)), now_ms)
    raise_change(connection)
    return number
