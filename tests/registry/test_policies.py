"""Policies in files: what is taken, what is refused with its file and line, and which one an incident has."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

import registry
from registry.policies import Policies, policies_of
from tests.registry.folders import write_folder

POLICIES = """\
- id: all
  area: lianhu
  steps:
    - {tier: own, together: true, after_s: 60}
    - {tier: desk, channels: [console, webhook]}
- id: sos
  area: lianhu.taoyuan
  kinds: [sos, smoke]
  zone: Asia/Urumqi
  steps: [{role: nurse, workdays: true}, {responders: [r-desk]}]
  repeat_s: 300
  resolve_h: 4
  ask_wearer: false
"""


def folder_with(tmp_path: Path, policies: str) -> Path:
    """The good files, and policies."""
    folder = write_folder(tmp_path / "in")
    (folder / "policies.yaml").write_text(policies, encoding="utf-8")
    return folder


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_policies_survive_export_and_import(sqlite_registry: Engine, tmp_path: Path, form: str) -> None:
    """In YAML in either case: steps have no room in a line."""
    folder = folder_with(tmp_path, POLICIES)
    assert [str(problem) for problem in registry.import_folder(sqlite_registry, folder).problems] == []
    before = registry.directory(sqlite_registry).policies
    assert sorted(before.by_area) == ["lianhu", "lianhu.taoyuan"]
    registry.export_folder(sqlite_registry, tmp_path / "out", form=form)
    assert (tmp_path / "out" / "policies.yaml").exists()
    again = registry.import_folder(sqlite_registry, tmp_path / "out")
    assert (again.problems, again.changes) == ([], [])


def test_the_nearest_area_and_the_named_kind_come_first(sqlite_registry: Engine, tmp_path: Path) -> None:
    """Up to none, which is the built-in one."""
    registry.import_folder(sqlite_registry, folder_with(tmp_path, POLICIES))
    known: Policies = registry.directory(sqlite_registry).policies
    found = [
        (entry.id if (entry := known.of(area, kind)) else None)
        for area, kind in (
            ("lianhu.taoyuan.s1", "sos"), ("lianhu.taoyuan.s1", "fall"), ("lianhu", "sos"), ("elsewhere", "sos"),
        )
    ]  # fmt: skip
    assert found == ["sos", "all", "all", None]
    assert policies_of([], {}).of("lianhu", "sos") is None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("area: lianhu.taoyuan", "area: lianhu.nowhere", "policies.yaml:7: there is no area 'lianhu.nowhere'"),
        ("zone: Asia/Urumqi", "zone: Asia/Nowhere", "policies.yaml:9: zone: 'Asia/Nowhere' is no time zone"),
        ("role: nurse", "role: pilot", "policies.yaml:10: steps: step 1 calls the role 'pilot', which no responder"),
        ("[r-desk]", "[r-who]", "policies.yaml:10: steps: step 2 calls 'r-who': there is no such responder"),
        ("responders: [r-desk]", "responders: [r-desk], tier: own", "policies.yaml:10: steps: step 2 names responders"),
        ("tier: desk", "tier: top", "policies.yaml:3: steps: Invalid enum value 'top'"),
        ("after_s: 60", "after_s: 0", "policies.yaml:3: steps: Expected `float` >= 1"),
        ("after_s: 60", "after: 60", "policies.yaml:3: steps: Object contains unknown field `after`"),
        ("webhook]", "pigeon]", "policies.yaml:3: steps: Invalid enum value 'pigeon'"),
        ("repeat_s: 300", "repeat_s: 1", "policies.yaml:11: repeat_s: Expected `float` >= 10"),
        (
            "area: lianhu.taoyuan\n  kinds: [sos, smoke]",
            "area: lianhu",
            "policies.yaml:6: kinds: 'all' is for all kinds",
        ),
        ("steps: [{role: nurse, workdays: true}, {responders: [r-desk]}]", "steps: []", "policies.yaml:10: steps: Exp"),
    ],
)
def test_a_mistake_in_a_policy_is_named_with_its_file_and_line(
    sqlite_registry: Engine, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    """And nothing is imported."""
    assert POLICIES.count(old) == 1
    folder = folder_with(tmp_path, POLICIES.replace(old, new))
    problems = [str(problem) for problem in registry.import_folder(sqlite_registry, folder).problems]
    assert any(problem.startswith(complaint) for problem in problems), problems
    assert registry.current_revision(sqlite_registry) == 0


def test_policies_are_not_read_from_csv(sqlite_registry: Engine, tmp_path: Path) -> None:
    """It says from what they are."""
    folder = write_folder(tmp_path / "in")
    (folder / "policies.csv").write_text("id,area\n")
    problems = [str(problem) for problem in registry.import_folder(sqlite_registry, folder).problems]
    assert problems == ["policies.csv: policies are read from policies.yaml only"]
