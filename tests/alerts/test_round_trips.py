"""What many at once cost: counted in statements, as on a server each is a round trip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, select

from alerts import fusion, models
from alerts.database import from_incident
from alerts.gathering import gathering, kept
from alerts.guarding import guarded
from alerts.incidents import Incident, State
from alerts.policy import IMMEDIATE
from detectors.detection import Detection, Severity, pack_detection
from registry.database import writing
from tests.alerts.story import Story

#: A bite of the backlog.
_BITE = 16
#: Transactions around a step, what is read before it and what is written after it; a detection adds nothing to that.
_STEP = 75


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What is executed on a database in the block, in order; many rows in one statement are one."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def falls(story: Story, count: int) -> list[Detection]:
    """So many devices that nobody has send an alarm each."""
    return [
        story.detection("fall", id=f"many-{n}", device=f"x{n}", person=None, severity=Severity.URGENT)
        for n in range(count)
    ]


def test_a_bite_of_detections_costs_few_statements_more_than_one(any_story: Story) -> None:
    """Its step: detections, timers and the claim of what is sent."""
    costs = []
    for count in (1, _BITE):
        one = falls(any_story, 2 * _BITE)[_BITE if count == 1 else 0 :][:count]
        any_story._detections.append([pack_detection(detection) for detection in one])
        any_story._detections.commit()
        with statements(any_story.engine) as seen:
            any_story.service.step(any_story.now_ms)
        costs.append(len(seen))
        any_story.settle()
    assert len(any_story.incidents()) == 1 + _BITE
    assert costs[1] <= _STEP
    assert costs[1] - costs[0] <= _BITE


def test_timers_that_are_due_together_cost_few_statements(any_story: Story) -> None:
    """Sixteen are called again at once. In a later round each is asked for messages that are not to go out any more."""
    any_story.deliver(*falls(any_story, _BITE))
    any_story.news()
    any_story.now_ms += 121_000
    with statements(any_story.engine) as seen:
        any_story.service.step(any_story.now_ms)
    assert len(seen) <= _STEP + 5 * _BITE
    any_story.settle()
    assert len(any_story.told()) == _BITE


def test_a_defect_among_many_is_refused_alone(any_story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written together with it is undone with it, and written again one by one."""

    def take(detection: Detection, *arguments: Any) -> Any:
        if detection.id == "many-7":
            raise ValueError("a defect")
        return real(detection, *arguments)

    real = fusion.take
    monkeypatch.setattr(fusion, "take", take)
    any_story.deliver(*falls(any_story, _BITE))
    assert sorted(one.device for one in any_story.incidents()) == sorted(f"x{n}" for n in range(_BITE) if n != 7)
    with any_story.engine.connect() as connection:
        refused = connection.execute(select(models.audit.c.data).where(models.audit.c.what == "record_refused"))
        assert ["many-7" in data["detail"] for data in refused.scalars()] == [True]
        assert len(connection.execute(select(models.evidence)).all()) == _BITE - 1


def test_two_stages_and_a_repeat_in_one_bite_are_one_incident(any_story: Story) -> None:
    """The second is about what the first has only just written."""
    first = any_story.detection("fall")
    again = any_story.detection("sos")
    any_story.deliver(first, first, again)
    assert (any_story.incident().kind, any_story.incident().severity) == ("sos", "critical")
    assert any_story.timeline().count("opened") == 1
    assert any_story.service.counts["duplicate"] == 1


def test_what_is_kept_is_seen_by_the_next_statement_and_undone_with_its_savepoint(registry_engine: Engine) -> None:
    """As if each row had been written at once."""
    with writing(registry_engine) as connection, gathering(connection):
        _keep(connection, "a")
        assert _ids(connection) == ["a"]
        _keep(connection, "b")
        with guarded(connection, "this") as outcome:
            _keep(connection, "c")
            _defect()
        assert outcome.error is not None
        with guarded(connection, "that") as outcome:
            connection.execute(insert(models.timer), {"incident": "a", "kind": "call", "due_ms": 1})
            _keep(connection, "a")  # there is one: seen when it is written
        assert outcome.error is not None
        with guarded(connection, "both") as outcome:
            _keep(connection, "a")  # it is never written, so that nobody sees it
            _defect()
        assert isinstance(outcome.error, ArithmeticError)
        _keep(connection, "d")
    with registry_engine.connect() as connection:
        assert _ids(connection) == ["a", "b", "d"]
        assert connection.execute(select(models.timer)).all() == []


def test_a_transaction_that_fails_writes_nothing_of_what_was_kept(registry_engine: Engine) -> None:
    """Also not later, on the same connection."""

    def fail() -> None:
        with writing(registry_engine) as connection, gathering(connection):
            _keep(connection, "a")
            raise ValueError("so")

    with pytest.raises(ValueError, match="so"):
        fail()
    with writing(registry_engine) as connection:
        assert _ids(connection) == []


def _defect() -> None:
    raise ArithmeticError


def _keep(connection: Connection, name: str) -> None:
    incident = Incident(
        id=name, kind="fall", severity=Severity.URGENT, state=State.OPEN, person=None, device="w", area="d",
        historical=False, policy=IMMEDIATE, onset_ms=1, opened_ms=1, last_evidence_ms=1,
    )  # fmt: skip
    with kept(connection) as rows:
        rows.add_incident(from_incident(incident), new=True)
        rows.set_timer(name, "arrival", 5)
        rows.set_timer(name, "arrival", None)


def _ids(connection: Connection) -> list[str]:
    return sorted(connection.execute(select(models.incident.c.id)).scalars())
