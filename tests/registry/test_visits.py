"""Visits that are due again and again: local time, months without the day, files with their lines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

import registry
from registry import VisitEntry
from registry.visits import deadline_ms, due_ms, last_due, next_due

BERLIN = "Europe/Berlin"
DISTRICT = """\
areas: [{path: d, name: D}]
people: [{key: wang, name: Wang, area: d}]
responders: [{id: li, name: Li, area: d}]
visits:
"""


def plan(start: str, unit: str = "week", zone: str = "Asia/Shanghai", **values: Any) -> VisitEntry:
    """A plan of visits."""
    return VisitEntry(id="v", person="wang", zone=zone, start=start, unit=unit, **values)


def wall(ms: int, zone: str = "Asia/Shanghai") -> str:
    """What the clock on the wall shows."""
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (plan("2026-03-02T10:00"), ["2026-03-02 10:00", "2026-03-09 10:00", "2026-03-16 10:00"]),
        (plan("2026-03-02T10:00", every=2), ["2026-03-02 10:00", "2026-03-16 10:00", "2026-03-30 10:00"]),
        (plan("2026-12-31T09:00", "month"), ["2026-12-31 09:00", "2027-01-31 09:00", "2027-02-28 09:00"]),
        (plan("2028-01-30T09:00", "month"), ["2028-01-30 09:00", "2028-02-29 09:00", "2028-03-30 09:00"]),
        (
            plan("2026-03-28T10:00", "day", BERLIN),
            ["2026-03-28 10:00", "2026-03-29 10:00", "2026-03-30 10:00"],
        ),
        # the hour between two and three is left out on the 29th, and comes twice on 25 October
        (
            plan("2026-03-28T02:30", "day", BERLIN),
            ["2026-03-28 02:30", "2026-03-29 03:30", "2026-03-30 02:30"],
        ),
        (
            plan("2026-10-24T02:30", "day", BERLIN),
            ["2026-10-24 02:30", "2026-10-25 02:30", "2026-10-26 02:30"],
        ),
    ],
)
def test_a_visit_is_due_at_the_same_hour_on_the_wall(entry: VisitEntry, shown: list[str]) -> None:
    """Over changes of the clocks, and in months that are too short."""
    assert [wall(due_ms(entry, number), entry.zone) for number in range(3)] == shown


@given(
    st.sampled_from(["day", "week", "month"]),
    st.integers(1, 60),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    st.integers(0, 4000),
    st.sampled_from(["Europe/Berlin", "Asia/Shanghai", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_the_last_one_due_is_the_last_one_due(unit: str, every: int, start: datetime, days: int, zone: str) -> None:
    """Of any plan at any instant: it is not later, and the next is; dues only rise."""
    entry = plan(start.strftime("%Y-%m-%dT%H:%M"), unit, zone, every=every)
    at_ms = round(start.replace(tzinfo=UTC).timestamp() * 1000) + days * 86_400_000
    last = last_due(entry, at_ms)
    number = -1 if last is None else last
    assert due_ms(entry, number + 1) > at_ms
    if last is not None:
        assert due_ms(entry, last) <= at_ms
        assert due_ms(entry, last) < due_ms(entry, last + 1)
    assert next_due(entry, at_ms) == number + 1


def test_a_plan_that_has_ended_is_due_no_more() -> None:
    """The end itself does not count."""
    entry = plan("2026-03-02T10:00", end="2026-03-16T10:00")
    assert last_due(entry, due_ms(entry, 0) - 1) is None
    assert last_due(entry, due_ms(entry, 50)) == 1
    assert (next_due(entry, due_ms(entry, 0)), next_due(entry, due_ms(entry, 1))) == (1, None)
    assert deadline_ms(entry, 0) - due_ms(entry, 0) == 86_400_000


def test_plans_come_in_and_go_out_with_the_registry(sqlite_registry: Engine, tmp_path: Path) -> None:
    """As YAML and as CSV, the same."""
    (tmp_path / "district.yaml").write_text(
        DISTRICT
        + "  - {id: v1, person: wang, zone: Asia/Shanghai, start: 2026-03-02T10:00, unit: month, responder: li}\n"
    )
    diff = registry.import_folder(sqlite_registry, tmp_path)
    assert diff.problems == []
    assert registry.directory(sqlite_registry).visits["v1"].unit == "month"
    registry.export_folder(sqlite_registry, tmp_path / "out", form="csv")
    assert registry.import_folder(sqlite_registry, tmp_path / "out").changes == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{id: v, person: nobody, zone: Asia/Shanghai, start: 2026-03-02T10:00}", "there is no person 'nobody'"),
        ("{id: v, person: wang, zone: Mars/Base, start: 2026-03-02T10:00}", "no time zone 'Mars/Base'"),
        ("{id: v, person: wang, zone: Asia/Shanghai, start: 2026-03-02T10:00+08:00}", "no local time"),
        ("{id: v, person: wang, zone: Asia/Shanghai, start: 2026-03-02T10:00, responder: bo}", "no responder 'bo'"),
        ("{id: v, person: wang, zone: Asia/Shanghai, start: 2026-03-02T10:00, end: 2026-03-01T10:00}", "before start"),
        ("{id: v, person: wang, zone: Asia/Shanghai, start: 2026-03-02T10:00, unit: year}", "none of day, week, month"),
    ],
)
def test_a_wrong_plan_is_said_with_its_line(sqlite_registry: Engine, tmp_path: Path, row: str, said: str) -> None:
    """And nothing is imported."""
    (tmp_path / "district.yaml").write_text(DISTRICT + f"  - {row}\n")
    (problem,) = registry.import_folder(sqlite_registry, tmp_path).problems
    assert said in problem.message
    assert problem.line == 5
