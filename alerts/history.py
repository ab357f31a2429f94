"""What became of the incidents of a period: who was called, who took them, when somebody stood at the door."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, select

from alerts import models
from alerts.delivery import Purpose, Status
from alerts.drills import TEST_KIND
from alerts.lifecycle import Outcome, What
from alerts.reasons import Reason

#: What an audit row must be to take an incident, where nobody has it.
_TAKES = (What.ACKNOWLEDGED.value, What.EN_ROUTE.value, What.ON_SCENE.value, What.TAKEN_OVER.value)
#: Looked up once: a year's report asks for each of them a million times.
_ON_SCENE, _NOT_ARRIVED, _RESOLVED = What.ON_SCENE.value, What.NOT_ARRIVED.value, What.RESOLVED.value
_CANNOT_COME = What.CANNOT_COME.value
_STEPS = (*_TAKES, _NOT_ARRIVED, _CANNOT_COME, _RESOLVED)
_OUTCOMES: dict[str | None, Outcome | None] = {None: None} | {one.value: one for one in Outcome}
_SENT, _FAILED = Status.SENT.value, Status.FAILED.value
_NOBODY = "system"
#: Not sent though there was need of it: the responder has no way that works.
_NO_WAY = frozenset({Reason.NO_CHANNEL.value, Reason.RESPONDER_GONE.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """One responder called about one incident in one round, on all channels together.

    ``reached_ms`` is when the first channel had the message, None when none had. ``failed``: every channel was given
    up, or there was none; ``reasons`` are the channels' own, sorted. Neither reached nor failed: nobody needed it any
    more, or it is still on its way.
    """

    responder: str
    round: int
    called_ms: int
    reached_ms: int | None
    failed: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingView:
    """Somebody took the incident at ``taken_ms``, or closed it when nobody had it. ``lost_ms`` is when it was open to
    everybody again, as nobody had arrived in time; None when it stayed theirs."""

    responder: str
    taken_ms: int
    lost_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """An incident as a report counts it. ``test``: a test call, or closed as one. ``on_scene_ms`` is the first time
    that somebody was at the door."""

    id: str
    kind: str
    severity: str
    test: bool
    historical: bool
    person: str | None
    device: str
    area: str
    opened_ms: int
    calls: tuple[CallView, ...]
    takings: tuple[TakingView, ...]
    on_scene_ms: int | None
    resolved_ms: int | None
    outcome: Outcome | None


#: What a case is made of; the policy, which is long, is not.
_COLUMNS = (
    "id", "kind", "severity", "historical", "person", "device", "area", "opened_ms", "resolved_ms", "outcome",
)  # fmt: skip


def cases(engine: Engine, from_ms: int, to_ms: int, *, area: str | None = None) -> list[CaseView]:
    """The incidents opened from ``from_ms`` to before ``to_ms``, tests too, in the order of their opening.

    With ``area`` those of this area and of all below it.
    """
    table = models.incident
    wanted: ColumnElement[bool] = (table.c.opened_ms >= from_ms) & (table.c.opened_ms < to_ms)
    if area is not None:
        wanted &= (table.c.area == area) | table.c.area.startswith(f"{area}.", autoescape=True)
    with engine.connect() as connection:
        calls = _calls(connection, wanted)
        steps = _steps(connection, wanted)
        columns = [table.c[name] for name in _COLUMNS]
        rows = connection.execute(select(*columns).where(wanted).order_by(table.c.opened_ms, table.c.id)).all()
    return [_case(row, calls[row.id], steps[row.id]) for row in rows]


def _case(row: Row[Any], calls: Iterable[CallView], steps: Sequence[Row[Any]]) -> CaseView:
    outcome = _OUTCOMES[row.outcome]
    arrivals = [step.at_ms for step in steps if step.what == _ON_SCENE]
    return CaseView(
        id=row.id,
        kind=row.kind,
        severity=row.severity,
        test=row.kind == TEST_KIND or outcome is Outcome.TEST,
        historical=row.historical,
        person=row.person,
        device=row.device,
        area=row.area,
        opened_ms=row.opened_ms,
        calls=tuple(calls),
        takings=tuple(_takings(steps)),
        on_scene_ms=min(arrivals, default=None),
        resolved_ms=row.resolved_ms,
        outcome=outcome,
    )


def _takings(steps: Iterable[Row[Any]]) -> list[TakingView]:
    """Whoever came first has it, until nobody arrived in time or they cannot come."""
    found: list[TakingView] = []
    holder: tuple[str, int] | None = None
    for step in steps:
        if step.what in _TAKES or (step.what == _RESOLVED and step.who != _NOBODY):
            holder = holder or (step.who, step.at_ms)
        elif holder is not None and (
            step.what == _NOT_ARRIVED or (step.what == _CANNOT_COME and step.who == holder[0])
        ):
            found.append(TakingView(responder=holder[0], taken_ms=holder[1], lost_ms=step.at_ms))
            holder = None
    if holder is not None:
        found.append(TakingView(responder=holder[0], taken_ms=holder[1], lost_ms=None))
    return found


def _steps(connection: Connection, wanted: ColumnElement[bool]) -> dict[str, list[Any]]:
    audit, incident = models.audit, models.incident
    query = (
        select(audit.c.incident, audit.c.what, audit.c.who, audit.c.at_ms)
        .join(incident, incident.c.id == audit.c.incident)
        .where(wanted, audit.c.what.in_(_STEPS))
        .order_by(audit.c.id)
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.incident].append(row)
    return found


def _calls(connection: Connection, wanted: ColumnElement[bool]) -> dict[str, list[CallView]]:
    sent, incident = models.notification, models.incident
    query = (
        select(
            sent.c.incident, sent.c.round, sent.c.responder, sent.c.status, sent.c.reason, sent.c.created_ms,
            sent.c.done_ms,
        )
        .join(incident, incident.c.id == sent.c.incident)
        .where(wanted, sent.c.purpose == Purpose.CALL.value)
        .order_by(sent.c.incident, sent.c.created_ms, sent.c.step)
    )  # fmt: skip
    channels: dict[tuple[str, int, str], list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        channels[row.incident, row.round, row.responder].append(row)
    found: dict[str, list[CallView]] = defaultdict(list)
    for (incident_id, round_, responder), rows in channels.items():
        reached = [row.done_ms for row in rows if row.status == _SENT and row.done_ms is not None]
        found[incident_id].append(
            CallView(
                responder=responder,
                round=round_,
                called_ms=min(row.created_ms for row in rows),
                reached_ms=min(reached, default=None),
                failed=all(row.status == _FAILED or row.reason in _NO_WAY for row in rows),
                reasons=tuple(sorted({row.reason for row in rows if row.reason})),
            )
        )
    return found
