"""What `simulate --district` writes, in a real registry: few staff at night, and a drill that is nothing but a test."""

from __future__ import annotations

import csv
from pathlib import Path

from sqlalchemy import Engine
from typer.testing import CliRunner

import registry
from carecircle.cli import app
from tests.alerts.story import telling
from tests.servers.sink import SECRET, Sink


def written(scenario: str, folder: Path) -> Path:
    """The folder for a scenario of the box."""
    done = CliRunner().invoke(app, ["simulate", scenario, "--district", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def test_at_night_one_carer_has_two_stations_and_then_there_is_the_desk(
    sqlite_registry: Engine, tmp_path: Path
) -> None:
    """Three people are on call for a hundred and twenty; the registry takes it."""
    folder = written("night", tmp_path / "night")
    diff = registry.import_folder(sqlite_registry, folder)
    assert diff.applied, diff.problems
    with (folder / "on_call.csv").open(encoding="utf-8") as file:
        on_call = {row["area"]: row["responder"] for row in csv.DictReader(file)}
    assert on_call == {
        "willow": "desk-willow", "willow.east": "carer-lotus", "willow.river": "carer-bridge",
    }  # fmt: skip


def test_what_a_drill_does_reaches_the_role_test_and_nobody_else(
    sqlite_registry: Engine, tmp_path: Path, sink: Sink
) -> None:
    """A fall and a call of its devices are tests, over at once; a district's own responders hear nothing."""
    folder = written("rehearsal", tmp_path / "drill")
    channel = f'{{type: webhook, url: "{sink.url("group")}", secret: {SECRET}}}'
    (folder / "responders.yaml").write_text(
        f"- {{id: group, name: Group, area: d, roles: [test], channels: [{channel}]}}\n"
    )
    with telling(sqlite_registry, tmp_path, sink) as story:
        assert registry.import_folder(story.engine, folder).applied
        story.happens("sos", device="drill-button-00001", person=None)
        story.happens("fall", device="drill-wrist-00001", person=None)
        assert story.told() == ["group", "group"]
        story.forward(3600)
        assert story.told() == []
        assert {incident.kind for incident in story.incidents()} == {"test"}
        assert not any(incident.desk for incident in story.incidents())
