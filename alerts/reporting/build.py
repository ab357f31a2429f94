"""From incidents to the report: totals, and the same by area, hour, responder and provider. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.history import CaseView
from alerts.reporting.measures import Calls, Incidents, calls_by_responder, end_of, never_answered
from alerts.reporting.rating import Rating, rate
from alerts.sentences import AREA_TROUBLE
from registry import Directory
from registry.entries import parent_of


@dataclass(frozen=True, slots=True)
class AreaRow:
    """An area with all below it; ``depth`` counts from the top of the report, ``leaf``: nothing lies below (a station
    or estate)."""

    path: str
    name: str
    depth: int
    leaf: bool
    incidents: Incidents


@dataclass(frozen=True, slots=True)
class ResponderRow:
    """One responder; ``provider`` is "" where the registry has none."""

    id: str
    name: str
    provider: str
    calls: Calls


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """All responders of an organisation; ``name`` "" are those without one. No rating: too few cases."""

    name: str
    responders: int
    calls: Calls
    rating: Rating | None


@dataclass(frozen=True, slots=True)
class Unreached:
    """An incident that nobody took. ``called`` responders of which ``reached`` had a message; ``open_s`` is how long it
    waited, until it was closed or, with ``still``, until now."""

    id: str
    person: str
    area: str
    kind: str
    opened_ms: int
    called: int
    reached: int
    open_s: float
    still: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is shown. ``tests`` were left out. ``hours`` are 24, of local time."""

    from_ms: int
    to_ms: int
    made_ms: int
    zone: ZoneInfo
    area: str
    area_name: str
    tests: int
    total: Incidents
    areas: tuple[AreaRow, ...]
    hours: tuple[Incidents, ...]
    responders: tuple[ResponderRow, ...]
    providers: tuple[ProviderRow, ...]
    unreached: tuple[Unreached, ...]

    @property
    def silent(self) -> tuple[ResponderRow, ...]:
        """The responders whom not one message reached."""
        return tuple(row for row in self.responders if row.calls.count and row.calls.unreached == row.calls.count)


def build(
    cases: Iterable[CaseView],
    directory: Directory,
    *,
    from_ms: int,
    to_ms: int,
    now_ms: int,
    zone: ZoneInfo,
    area: str | None = None,
) -> Report:
    """Count. ``cases`` are those of the period and area; tests among them are only counted as such, and areas without
    connection not at all: nobody waits at a door there."""
    every = list(cases)
    counted = [case for case in every if not case.test and case.kind != AREA_TROUBLE]
    total = Incidents()
    hours = tuple(Incidents() for _ in range(24))
    areas: dict[str, Incidents] = {}
    top = area if area is not None else directory.root or ""
    for case in counted:
        total.add(case, now_ms)
        hours[datetime.fromtimestamp(case.opened_ms / 1000, zone).hour].add(case, now_ms)
        for path in _up_to(case.area, top):
            areas.setdefault(path, Incidents()).add(case, now_ms)
    responders = _responders(calls_by_responder(counted, now_ms), directory)
    return Report(
        from_ms=from_ms,
        to_ms=to_ms,
        made_ms=now_ms,
        zone=zone,
        area=top,
        area_name=_area_name(directory, top),
        tests=sum(case.test for case in every),
        total=total,
        areas=tuple(_areas(areas, directory, top)),
        hours=hours,
        responders=responders,
        providers=_providers(responders),
        unreached=tuple(_unreached(case, now_ms) for case in counted if never_answered(case, now_ms)),
    )


def _up_to(path: str, top: str) -> Iterable[str]:
    """``path`` and its parents, up to and with ``top`` where that is one of them."""
    at: str | None = path
    while at is not None:
        yield at
        at = None if at == top else parent_of(at)


def _areas(areas: dict[str, Incidents], directory: Directory, top: str) -> Iterable[AreaRow]:
    above = {parent_of(path) for path in directory.areas}
    base = top.count(".")
    for path in sorted(areas, key=lambda path: path.split(".")):
        depth = max(0, path.count(".") - base)
        yield AreaRow(path, _area_name(directory, path), depth, path not in above, areas[path])


def _area_name(directory: Directory, path: str) -> str:
    entry = directory.areas.get(path)
    return path if entry is None else entry.name


def _responders(found: dict[str, Calls], directory: Directory) -> tuple[ResponderRow, ...]:
    rows = []
    for key, calls in found.items():
        entry = directory.responder(key)
        rows.append(ResponderRow(key, entry.name if entry else key, entry.provider if entry else "", calls))
    return tuple(sorted(rows, key=lambda row: (-row.calls.count, row.name, row.id)))


def _providers(responders: Iterable[ResponderRow]) -> tuple[ProviderRow, ...]:
    found: dict[str, Calls] = {}
    people: dict[str, int] = {}
    for row in responders:
        found.setdefault(row.provider, Calls()).add(row.calls)
        people[row.provider] = people.get(row.provider, 0) + 1
    rows = [ProviderRow(name, people[name], calls, rate(calls)) for name, calls in found.items()]
    return tuple(sorted(rows, key=lambda row: (-(row.rating.score if row.rating else -1.0), row.name)))


def _unreached(case: CaseView, now_ms: int) -> Unreached:
    called = {call.responder for call in case.calls}
    reached = {call.responder for call in case.calls if call.reached_ms is not None}
    return Unreached(
        id=case.id,
        person=case.person or "",
        area=case.area,
        kind=case.kind,
        opened_ms=case.opened_ms,
        called=len(called),
        reached=len(reached),
        open_s=(end_of(case, now_ms) - case.opened_ms) / 1000,
        still=case.resolved_ms is None,
    )
