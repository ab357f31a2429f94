"""What people do about an incident, from the console or a link. One winner, however many press at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from alerts import lifecycle
from alerts.database import load_incident, raise_change
from alerts.lifecycle import Answer, Change, Incident, Outcome, State
from alerts.writing import write_change
from registry.database import writing
from registry.models import responder as responders


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What became of an action.

    Attributes:
        answer: done; already (by ``by``, who may be the same person pressing twice); resolved; unknown incident.
        state: where the incident stands now; None when it is unknown.
        by: the id of whoever has it (acknowledged, or resolved it when it is resolved).
        by_name: their name, where ``by`` is a responder.
        at_ms: when they did.
    """

    answer: Answer
    state: State | None = None
    by: str | None = None
    by_name: str | None = None
    at_ms: int | None = None

    @property
    def done(self) -> bool:
        """Whether this very call did it."""
        return self.answer is Answer.DONE


_Decide = Callable[[Incident], tuple[Answer, Change | None]]


def acknowledge(
    engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console"
) -> ActionResult:
    """Take an incident. ``via`` says how: ``link``, ``console``."""
    return _act(engine, incident_id, now_ms, lambda i: lifecycle.acknowledge(i, responder_id, now_ms, via=via))


def en_route(engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console") -> ActionResult:
    """On the way; takes the incident if nobody has."""
    return _act(engine, incident_id, now_ms, lambda i: lifecycle.en_route(i, responder_id, now_ms, via=via))


def on_scene(engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console") -> ActionResult:
    """At the door; takes the incident if nobody has."""
    return _act(engine, incident_id, now_ms, lambda i: lifecycle.on_scene(i, responder_id, now_ms, via=via))


def resolve(
    engine: Engine,
    incident_id: str,
    responder_id: str,
    now_ms: int,
    *,
    outcome: Outcome,
    note: str = "",
    via: str = "console",
) -> ActionResult:
    """Close an incident with what it was."""
    return _act(
        engine,
        incident_id,
        now_ms,
        lambda i: lifecycle.resolve(i, responder_id, now_ms, outcome=outcome, note=note, via=via),
    )


def _act(engine: Engine, incident_id: str, now_ms: int, decide: _Decide) -> ActionResult:
    with writing(engine) as connection:
        incident = load_incident(connection, incident_id)
        if incident is None:
            return ActionResult(Answer.UNKNOWN)
        answer, change = decide(incident)
        if change is not None:
            write_change(connection, change, now_ms)
            raise_change(connection)
            incident = change.after
        return _result(connection, answer, incident)


def _result(connection: Connection, answer: Answer, incident: Incident) -> ActionResult:
    over = incident.state is State.RESOLVED
    by = incident.resolved_by if over else incident.acknowledged_by
    at_ms = incident.resolved_ms if over else incident.acknowledged_ms
    name = connection.execute(select(responders.c.name).where(responders.c.id == by)).scalar() if by else None
    return ActionResult(answer, incident.state, by, name, at_ms)
