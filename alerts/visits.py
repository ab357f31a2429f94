"""Visits and calls that are due again and again: what became of each, and one incident for one that was missed."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row, func, insert, select

from alerts.database import raise_change
from alerts.errors import VisitError
from alerts.intake import take_detections
from alerts.known import Rules
from detectors.detection import Detection, Severity, Stage
from registry import Directory, VisitEntry, directory, models
from registry.database import writing
from registry.visits import deadline_ms, due_ms, last_due, next_due

DETECTOR = "visits"
MISSED_KIND = "visit_missed"
_SYSTEM = "system"


class VisitState(StrEnum):
    """What became of a visit."""

    DONE = "done"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitView:
    """One visit of a plan. ``state`` None: it is open, until ``deadline_ms``. ``who`` wrote the newest record, ``note``
    is theirs."""

    plan: VisitEntry
    due_ms: int
    deadline_ms: int
    state: VisitState | None = None
    who: str = ""
    at_ms: int | None = None
    note: str = ""


class VisitWatch:
    """Finds the visits whose time has passed. For one thread; a heap of deadlines, so that a look costs nothing."""

    def __init__(self) -> None:
        self._revision = -1
        self._deadlines: list[tuple[int, str, int]] = []  # (deadline, plan, number)
        self._seen: dict[str, int] = {}  # plan -> since when it is known

    def look(self, connection: Connection, known: Directory, rules: Rules, now_ms: int) -> Counter[str]:
        """Open an incident for each visit that was missed by now and is not done; what was missed while nobody looked
        is found by the last visit of its plan. What was due before the plan was known is nobody's fault."""
        if known.revision != self._revision:
            self._read(connection, known, now_ms)
        missed = []
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            _, plan_id, number = heapq.heappop(self._deadlines)
            plan = known.visits[plan_id]
            due = due_ms(plan, number)
            if due >= self._seen[plan_id] and _newest(connection, plan_id, due) is None:
                missed.append((plan, number))
            self._wait_for_next(plan, number)
        found: Counter[str] = Counter()
        if missed:
            raise_change(connection)
        for plan, number in missed:
            _record(connection, plan.id, due_ms(plan, number), VisitState.MISSED, _SYSTEM, now_ms, "")
            found += take_detections(connection, [_finding(plan, number, now_ms)], known, rules, now_ms)
        return found

    def _read(self, connection: Connection, known: Directory, now_ms: int) -> None:
        seen = {row.plan: row.at_ms for row in connection.execute(select(models.visit_seen))}
        new = [{"plan": plan, "at_ms": now_ms} for plan in known.visits if plan not in seen]
        if new:
            connection.execute(insert(models.visit_seen), new)
        self._seen = {plan: seen.get(plan, now_ms) for plan in known.visits}
        table = models.visit_record
        query = select(table.c.plan, func.max(table.c.due_ms).label("due_ms")).group_by(table.c.plan)
        recorded = {row.plan: row.due_ms for row in connection.execute(query)}
        self._deadlines = []
        for plan in known.visits.values():
            number = last_due(plan, now_ms - round(plan.within_h * 3_600_000))
            if number is not None and due_ms(plan, number) > recorded.get(plan.id, -1):
                heapq.heappush(self._deadlines, (deadline_ms(plan, number), plan.id, number))
            else:
                self._wait_for_next(plan, -1 if number is None else number)
        self._revision = known.revision

    def _wait_for_next(self, plan: VisitEntry, number: int) -> None:
        following = next_due(plan, due_ms(plan, number)) if number >= 0 else 0
        if following is not None:
            heapq.heappush(self._deadlines, (deadline_ms(plan, following), plan.id, following))


def visits(engine: Engine, from_ms: int, to_ms: int) -> list[VisitView]:
    """Every visit due from ``from_ms`` to before ``to_ms``, in the order of their time."""
    with engine.connect() as connection:
        known = directory(connection, secrets=False)
        newest = _records(connection, from_ms, to_ms)
    found = []
    for plan in known.visits.values():
        number = next_due(plan, from_ms - 1)
        while number is not None and due_ms(plan, number) < to_ms:
            found.append(_view(plan, number, newest.get((plan.id, due_ms(plan, number)))))
            number = next_due(plan, due_ms(plan, number))
    return sorted(found, key=lambda view: (view.due_ms, view.plan.id))


def visit_done(engine: Engine, plan_id: str, who: str, now_ms: int, *, on: str = "", note: str = "") -> VisitView:
    """Write that a visit was made: the last that was due and is not done, else the next one (made early). ``on`` is the
    local day of another, ``2026-03-02``. One that was missed before is done late; its incident stays people's.

    Raises:
        VisitError: no such plan or day, or it is done already.
    """
    return _write(engine, plan_id, who, now_ms, on, note, VisitState.DONE, None)


def visit_missed(
    engine: Engine, plan_id: str, who: str, now_ms: int, rules: Rules, *, on: str = "", note: str = ""
) -> VisitView:
    """Write that nobody was met: its incident is opened now, not when the time has passed.

    Raises:
        VisitError: no such plan or day, or it is done or missed already.
    """
    return _write(engine, plan_id, who, now_ms, on, note, VisitState.MISSED, rules)


def _write(
    engine: Engine, plan_id: str, who: str, now_ms: int, on: str, note: str, state: VisitState, rules: Rules | None
) -> VisitView:
    with writing(engine) as connection:
        known = directory(connection, secrets=False)
        plan = known.visits.get(plan_id)
        if plan is None:
            raise VisitError(plan_id, "is no plan of visits: see `carecircle visits list`")
        number = _meant(connection, plan, on, now_ms)
        before = _newest(connection, plan_id, due_ms(plan, number))
        if before is not None and (before.state == VisitState.DONE.value or state is VisitState.MISSED):
            raise VisitError(plan_id, f"of {_day(plan, number)} is {before.state} already, says {before.who}")
        _record(connection, plan_id, due_ms(plan, number), state, who, now_ms, note)
        if rules is not None:
            take_detections(connection, [_finding(plan, number, now_ms)], known, rules, now_ms)
            raise_change(connection)
        return _view(plan, number, _newest(connection, plan_id, due_ms(plan, number)))


def _meant(connection: Connection, plan: VisitEntry, on: str, now_ms: int) -> int:
    last = last_due(plan, now_ms)
    if not on:
        newest = None if last is None else _newest(connection, plan.id, due_ms(plan, last))
        if last is not None and (newest is None or newest.state != VisitState.DONE.value):
            return last
        following = next_due(plan, now_ms)
        if following is None:
            raise VisitError(plan.id, "has ended, and its last visit is done")
        return following
    try:
        day = datetime.fromisoformat(on).replace(tzinfo=ZoneInfo(plan.zone))
    except ValueError:
        raise VisitError(plan.id, f"on {on!r}: that is no day, write it as 2026-03-02") from None
    number = next_due(plan, round(day.timestamp() * 1000) - 1)
    if number is None or _day(plan, number) != f"{day:%Y-%m-%d}":
        raise VisitError(plan.id, f"is not due on {on}: see `carecircle visits list`")
    return number


def _finding(plan: VisitEntry, number: int, now_ms: int) -> Detection:
    """What a missed visit is to the rest of alerts: a finding, the same however often it is looked for."""
    at = f"{_day(plan, number)} {_at(plan, number):%H:%M}"
    what = {"call": ("call", "电话问候"), "visit": ("visit", "上门探访")}[plan.kind]
    digest = hashlib.blake2b(f"visit\0{plan.id}\0{due_ms(plan, number)}".encode(), digest_size=12).hexdigest()
    return Detection(
        id=digest,
        stage=Stage.CONFIRMED,
        device=f"visit:{plan.id}",
        person=plan.person,
        detector=DETECTOR,
        version="1",
        kind=MISSED_KIND,
        onset_ms=min(deadline_ms(plan, number), now_ms),
        decided_ms=now_ms,
        recv_ms=now_ms,
        severity=Severity.WARNING,
        score=1.0,
        notes={
            "visit": plan.id,
            "en": f"The {what[0]} that was due on {at} was not made, or nobody was met: see that all is well.",
            "zh": f"{at} 应进行的{what[1]}未完成或未见到本人，请确认是否平安。",
        },
    )


def _at(plan: VisitEntry, number: int) -> datetime:
    return datetime.fromtimestamp(due_ms(plan, number) / 1000, ZoneInfo(plan.zone))


def _day(plan: VisitEntry, number: int) -> str:
    return f"{_at(plan, number):%Y-%m-%d}"


def _record(connection: Connection, plan: str, due: int, state: VisitState, who: str, now_ms: int, note: str) -> None:
    row = {"plan": plan, "due_ms": due, "state": state.value, "who": who, "at_ms": now_ms, "note": note}
    connection.execute(insert(models.visit_record), row)


def _newest(connection: Connection, plan: str, due: int) -> Row[tuple[object, ...]] | None:
    table = models.visit_record
    of_visit = (table.c.plan == plan) & (table.c.due_ms == due)
    return connection.execute(select(table).where(of_visit).order_by(table.c.id.desc()).limit(1)).first()


def _records(connection: Connection, from_ms: int, to_ms: int) -> dict[tuple[str, int], Row[tuple[object, ...]]]:
    table = models.visit_record
    within = (table.c.due_ms >= from_ms) & (table.c.due_ms < to_ms)
    rows: Iterable[Row[tuple[object, ...]]] = connection.execute(select(table).where(within).order_by(table.c.id))
    return {(row.plan, row.due_ms): row for row in rows}


def _view(plan: VisitEntry, number: int, row: Row[tuple[object, ...]] | None) -> VisitView:
    due, deadline = due_ms(plan, number), deadline_ms(plan, number)
    if row is None:
        return VisitView(plan=plan, due_ms=due, deadline_ms=deadline)
    return VisitView(
        plan=plan, due_ms=due, deadline_ms=deadline, state=VisitState(row.state), who=row.who, at_ms=row.at_ms,
        note=row.note,
    )  # fmt: skip
