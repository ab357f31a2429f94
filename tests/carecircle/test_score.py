"""`carecircle score`: the findings of a real database and quarantine, or of a file, against a truth file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from carecircle.cli import app
from carecircle.score import ScoreError, collect, folder
from firmware_sim.scenario import load_scenario
from firmware_sim.scoring import Found
from firmware_sim.scoring_quarantine import Quarantined
from firmware_sim.truth import Fall, Press, Published, Spoiled, Truth
from journal.quarantine import Quarantine
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage
from tests.alerts.story import START_MS, Story, telling
from tests.servers.sink import Answer, Sink

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of b"test"


def truth(**parts: object) -> Truth:
    """Wang fell two seconds before the story begins; her button is silent."""
    fall = Fall(device="w-wang", person="wang", impact_ms=START_MS - 2_500, motion="forward")
    run = {"scenario": "t", "source": "synthetic", "seed": 1, "start_ms": START_MS - 60_000, "devices": 3}
    run |= {"end_ms": START_MS + 60_000, "falls": [fall], "sos": []}
    devices = ("w-wang", "b-wang", "w-zhao")
    published = [Published(device=device, stream="status", boot=1, seq=[(0, 0)]) for device in devices]
    return Truth(**(run | {"published": published} | parts))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The folder of a run."""
    path = tmp_path / "run"
    folder.prepare(path)
    folder.save_run(path, load_scenario("quiet"), truth())
    return path


def score(*arguments: object) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(app, ["score", *(str(argument) for argument in arguments)], env={"COLUMNS": "200"})


def test_findings_of_the_database_with_their_first_notification_are_scored(
    sqlite_registry: Engine, tmp_path: Path, sink: Sink, run_dir: Path
) -> None:
    """A fall found, an SOS that is none, what is not of the run left out; kept in the folder when asked for."""
    with telling(sqlite_registry, tmp_path, sink) as story:
        tell(story)
    url = sqlite_registry.url.render_as_string(hide_password=False)
    result = score(run_dir, "--database", url, "--export", "--strict", "--json", tmp_path / "score.json")
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "score.json").read_text())
    rows = {row["kind"]: row for row in said["kinds"]}
    assert (rows["fall"]["happened"], rows["fall"]["found"], rows["fall"]["false"]) == (1, 1, 0)
    assert rows["fall"]["to_detected_s"]["max"] == 2.5
    assert 2.5 <= rows["fall"]["to_notified_s"]["max"] < 20
    assert (rows["sos"]["happened"], rows["sos"]["false"]) == (0, 1)
    assert rows["offline"]["noted"] == 1
    assert "false  sos of b-wang at 78.0 s" in result.output
    kept = score(run_dir)
    assert kept.output == result.output
    assert "cancel" not in (run_dir / "incidents.json").read_text()


def test_what_no_channel_took_was_told_to_nobody(sqlite_registry: Engine, tmp_path: Path, sink: Sink) -> None:
    """A send that failed is no notification."""
    with telling(sqlite_registry, tmp_path, sink) as story:
        for path in ("ann", "bob", "chen", "desk"):
            story.sink.default[path] = Answer(status=400)
        story.happens("fall")
        story.forward(5)
        (found,) = collect.reported(sqlite_registry, truth())
    assert story.told() != []
    assert (found.kind, found.detected_ms, found.notified_ms) == ("fall", START_MS, None)


def tell(story: Story) -> None:
    """What the system makes of the run, and of what is not part of it."""
    story.happens("fall")
    story.happens("fall", device="other", person=None)
    story.happens("offline", device="w-zhao", person="zhao", detector="device.link")
    story.forward(20)
    story.happens("sos")
    story.happens("cancel", device="b-wang", notes={"re": "nothing"})
    story.happens("fall", onset_ms=START_MS - 3_600_000)


def test_the_quarantine_beside_the_database_is_held_against_what_was_spoiled(tmp_path: Path, run_dir: Path) -> None:
    """What came before the run or from another's device does not count; a wrong reason fails a strict run."""
    spoiled = Spoiled(
        device="w-wang", stream="motion", at_ms=START_MS, reason="undecodable", sha256=SHA, fault="garbage"
    )
    folder.save_run(run_dir, load_scenario("quiet"), truth(falls=[], spoiled=[spoiled]))
    quarantine = Quarantine(tmp_path / "quarantine", "processor")
    for device, reason, at_ms in (
        ("w-wang", Reason.UNDECODABLE, START_MS - 100_000),
        ("other", Reason.UNDECODABLE, START_MS),
        ("w-wang", Reason.INVALID, START_MS),
    ):
        message = RawMessage(at_ms, Flag(0), b"care/v1/w-wang/motion", b"test")
        quarantine.put(reason, "no detail", message, device)
    quarantine.close()
    found = collect.quarantined(tmp_path / "quarantine", truth(spoiled=[spoiled]))
    assert [(one.device, one.reason, one.sha256) for one in found] == [("w-wang", "invalid", SHA)]
    folder.save_found(run_dir, [], found)
    result = score(run_dir, "--strict")
    assert result.exit_code == 1
    assert "quarantine: 0 of 1 spoiled messages with the right reason, 1 with another" in result.output
    assert "garbage is undecodable, not invalid" in result.output


@pytest.mark.parametrize("form", ["csv", "json"])
def test_findings_of_another_system_come_from_a_file(tmp_path: Path, run_dir: Path, form: str) -> None:
    """A spreadsheet's columns or a list; what was missed is named and fails a strict run."""
    path = tmp_path / f"found.{form}"
    rows = [Found(kind="fall", device="w-wang", onset_ms=START_MS - 2_000, detected_ms=START_MS)]
    if form == "csv":
        path.write_text(
            "\ufeffkind,device,person,onset_ms,detected_ms,historical\n"
            f"fall,w-wang,,{START_MS - 2_000},{START_MS},false\n"
        )
    else:
        folder.save_found(tmp_path, rows, None)
        (tmp_path / "incidents.json").rename(path)
    assert folder.load_found(path) == rows
    press = Press(device="b-wang", person="wang", boot=1, seq=0, pressed_ms=START_MS)
    folder.save_run(run_dir, load_scenario("quiet"), truth(sos=[press]))
    result = score(run_dir / "truth.json", "--incidents", path)
    assert result.exit_code == 0
    assert "missed  call of b-wang at 60.0 s" in result.output
    assert score(run_dir, "--incidents", path, "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "kind,device,onset_ms\nfall,w,soon\n", "onset_ms"),
        ("a.json", '[{"kind": "fall"}]', "missing required field `onset_ms`"),
        ("a.json", "[", "truncated"),
        ("b.csv", None, "No such file"),
    ],
)
def test_a_file_that_is_wrong_is_said_in_a_line(
    tmp_path: Path, run_dir: Path, name: str, text: str | None, said: str
) -> None:
    """With its name and the field."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ScoreError, match=said) as caught:
        folder.load_found(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert score(run_dir, "--incidents", tmp_path / name).exit_code == 2


def test_a_folder_that_is_no_run_or_a_database_that_is_none_is_said(tmp_path: Path, run_dir: Path) -> None:
    """And a second run does not go over the first."""
    for arguments, said in (
        ((tmp_path / "none",), "carecircle simulate"),
        ((run_dir, "--data-dir", tmp_path), "there is no database"),
        ((run_dir / "truth.json", "--export"), "folder of a run"),
    ):
        result = score(*arguments)
        assert result.exit_code == 2
        assert said in " ".join(result.output.split())
    (tmp_path / "wrong.json").write_text("{}")
    with pytest.raises(ScoreError, match="is no truth file"):
        folder.load_truth(tmp_path / "wrong.json")
    with pytest.raises(ScoreError, match="holds an earlier run"):
        folder.prepare(run_dir)


def test_what_was_refused_reads_back(tmp_path: Path) -> None:
    """Or is None where nobody looked."""
    assert folder.load_refused(tmp_path / "quarantine.json") is None
    refused = [Quarantined(reason="invalid", sha256=SHA, device=None, recv_ms=START_MS)]
    folder.save_found(tmp_path, [], refused)
    assert folder.load_refused(tmp_path / "quarantine.json") == refused
