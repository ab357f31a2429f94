"""Silences in files: each mistake with its file and line, and the way out and in again."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

import registry
from tests.registry.folders import write_folder

SILENCES = """\
- id: trial
  area: lianhu.taoyuan
  kinds: [smoke, gas]
  begin: 2026-03-03T09:00
  end: 2026-03-03T12:00
  reason: smoke detectors are tried
"""


def folder_with(tmp_path: Path, silences: str) -> Path:
    """The good files, and silences."""
    folder = write_folder(tmp_path / "in")
    (folder / "silences.yaml").write_text(silences, encoding="utf-8")
    return folder


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_silences_survive_export_and_import(sqlite_registry: Engine, tmp_path: Path, form: str) -> None:
    """All their fields."""
    assert not registry.import_folder(sqlite_registry, folder_with(tmp_path, SILENCES)).problems
    (silence,) = registry.directory(sqlite_registry).silences
    assert (silence.kinds, silence.reason) == (("smoke", "gas"), "smoke detectors are tried")
    registry.export_folder(sqlite_registry, tmp_path / "out", form=form)
    again = registry.import_folder(sqlite_registry, tmp_path / "out")
    assert (again.problems, again.changes) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("area: lianhu.taoyuan", "area: nowhere", "silences.yaml:2: there is no area 'nowhere'"),
        ("area: lianhu.taoyuan", "person: p-9", "silences.yaml:2: there is no person 'p-9'"),
        ("area: lianhu.taoyuan", "device: w-9", "silences.yaml:2: there is no device 'w-9'"),
        ("  area: lianhu.taoyuan\n", "", "silences.yaml:1: a silence is for one of area, person and device"),
        ("smoke, gas", "sos", "silences.yaml:3: kinds: 'sos' is never silent"),
        ("2026-03-03T12:00", "2026-03-03T08:00", "silences.yaml:5: end: 2026-03-03T08:00 is not within"),
        ("2026-03-03T12:00", "2027-03-03T08:00", "silences.yaml:5: end: 2027-03-03T08:00 is not within"),
        ("2026-03-03T12:00", "''", "silences.yaml:5: end: '' is no time"),
        ("reason: smoke detectors are tried", "zone: Nowhere\n  reason: x", "silences.yaml:6: zone: 'Nowhere' is no"),
        ("  reason: smoke detectors are tried\n", "", "silences.yaml:1: reason is missing"),
    ],
)
def test_a_mistake_in_a_silence_is_named_with_its_file_and_line(
    sqlite_registry: Engine, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    """And nothing is imported."""
    assert SILENCES.count(old) == 1
    folder = folder_with(tmp_path, SILENCES.replace(old, new))
    problems = [str(problem) for problem in registry.import_folder(sqlite_registry, folder).problems]
    assert any(problem.startswith(complaint) for problem in problems), problems
    assert registry.current_revision(sqlite_registry) == 0
