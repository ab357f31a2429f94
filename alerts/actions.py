"""What people do about an incident, from the console or a link. One winner, however many press at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select

from alerts import answers, lifecycle, models
from alerts.answers import Asked
from alerts.beside import BESIDE_STEP
from alerts.channels import first_channels
from alerts.database import load_incident, raise_change
from alerts.delivery import Purpose, Status
from alerts.knowing import is_beside, noted_beside
from alerts.lifecycle import Answer, Change, Incident, Outcome, State, What
from alerts.writing import write_change
from registry import directory
from registry.database import writing
from registry.models import responder as responders


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What became of an action.

    Attributes:
        answer: done; already (by ``by``, who may be the same person pressing twice); resolved; unknown incident.
        state: where the incident stands now; None when it is unknown.
        by: the id of whoever has it (acknowledged, or resolved it when it is resolved); the responder themselves, where
            they come too, or said that they cannot come while nobody has it.
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


_Decide = Callable[[Connection, Incident], tuple[Answer, Change | None]]


def acknowledge(
    engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console"
) -> ActionResult:
    """Take an incident. ``via`` says how: ``link``, ``console``."""
    return _say(
        engine, incident_id, responder_id, now_ms, via, What.ACKNOWLEDGED,
        lambda _, i: lifecycle.acknowledge(i, responder_id, now_ms, via=via),
    )  # fmt: skip


def en_route(engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console") -> ActionResult:
    """On the way; takes the incident if nobody has."""
    return _say(
        engine, incident_id, responder_id, now_ms, via, What.EN_ROUTE,
        lambda _, i: lifecycle.en_route(i, responder_id, now_ms, via=via),
    )  # fmt: skip


def on_scene(engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console") -> ActionResult:
    """At the door; takes the incident if nobody has."""
    return _say(
        engine, incident_id, responder_id, now_ms, via, What.ON_SCENE,
        lambda _, i: lifecycle.on_scene(i, responder_id, now_ms, via=via),
    )  # fmt: skip


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
        responder_id,
        now_ms,
        lambda _, i: lifecycle.resolve(i, responder_id, now_ms, outcome=outcome, note=note, via=via),
    )


def cannot_come(
    engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console"
) -> ActionResult:
    """Say that a responder does not come: the next is called at once; an incident that they have is open to others
    again. Already: by whoever has it, where nobody waits for them any more; by themselves, who said so before."""
    return _say(
        engine,
        incident_id,
        responder_id,
        now_ms,
        via,
        What.CANNOT_COME,
        lambda connection, i: answers.cannot_come(
            i, responder_id, now_ms, via=via, asked=_asked(connection, i, responder_id, now_ms)
        ),
    )


def need_help(
    engine: Engine, incident_id: str, responder_id: str, now_ms: int, *, via: str = "console", note: str = ""
) -> ActionResult:
    """Ask for more people: others are called at once, until one more has acknowledged. Takes the incident if nobody
    has. Already: somebody is being called for it."""
    return _say(
        engine,
        incident_id,
        responder_id,
        now_ms,
        via,
        What.HELP_NEEDED,
        lambda _, i: answers.need_help(i, responder_id, now_ms, via=via, note=note),
    )


def hand_over(
    engine: Engine, incident_id: str, responder_id: str, to: str, now_ms: int, *, via: str = "console", note: str = ""
) -> ActionResult:
    """Ask another responder to take an incident over: they are called, and it stays with ``responder_id``, who has it,
    until they acknowledge. Already: somebody else has it, or ``to`` stands on it or was asked. Unknown: no such
    incident, or no such responder."""
    entry = directory(engine, secrets=False).responder(to)
    if entry is None:
        return ActionResult(Answer.UNKNOWN)
    channels = first_channels(entry)
    return _act(
        engine, incident_id, responder_id, now_ms,
        lambda _, i: answers.hand_over(i, responder_id, to, via=via, channels=channels, note=note),
    )  # fmt: skip


def _asked(connection: Connection, incident: Incident, responder: str, now_ms: int) -> Asked:
    """When a responder was called in the present round, and whether others have time to answer now. Who was called
    beside the order takes nobody's place in it."""
    rows = models.notification
    query = select(rows.c.responder, rows.c.created_ms, rows.c.step).where(
        rows.c.incident == incident.id,
        rows.c.round == incident.round,
        rows.c.purpose == Purpose.CALL.value,
        rows.c.status.in_([Status.PENDING.value, Status.SENT.value]),
    )
    called = connection.execute(query).all()
    since_ms = max((row.created_ms for row in called if row.responder == responder), default=None)
    begin_ms = now_ms - round(incident.policy.step_s * 1000)
    out = {responder, *incident.declined, *incident.standing}
    others = any(row.created_ms > begin_ms and row.step > BESIDE_STEP for row in called if row.responder not in out)
    return Asked(since_ms, others)


def _say(
    engine: Engine, incident_id: str, responder_id: str, now_ms: int, via: str, said: What, decide: _Decide
) -> ActionResult:
    """As :func:`_act`, but what somebody says who was only told beside the calls is written, and nothing else."""

    def decided(connection: Connection, incident: Incident) -> tuple[Answer, Change | None]:
        if not is_beside(connection, incident, responder_id):
            return decide(connection, incident)
        return noted_beside(connection, incident, responder_id, said, via=via)

    return _act(engine, incident_id, responder_id, now_ms, decided)


def _act(engine: Engine, incident_id: str, responder_id: str, now_ms: int, decide: _Decide) -> ActionResult:
    with writing(engine) as connection:
        incident = load_incident(connection, incident_id)
        if incident is None:
            return ActionResult(Answer.UNKNOWN)
        answer, change = decide(connection, incident)
        if change is not None:
            write_change(connection, change, now_ms)
            raise_change(connection)
            incident = change.after
        return _result(connection, answer, incident, responder_id)


def _result(connection: Connection, answer: Answer, incident: Incident, responder: str) -> ActionResult:
    by, at_ms = incident.acknowledged_by, incident.acknowledged_ms
    if incident.state is State.RESOLVED:
        by, at_ms = incident.resolved_by, incident.resolved_ms
    elif responder in incident.also_by:  # they have it too
        by, at_ms = responder, incident.also_by[responder]
    elif by is None and responder in incident.declined:
        by, at_ms = responder, incident.declined[responder]
    name = connection.execute(select(responders.c.name).where(responders.c.id == by)).scalar() if by else None
    return ActionResult(answer, incident.state, by, name, at_ms)
