"""`carecircle quarantine` as an operator types it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from carecircle.cli.quarantine import app
from journal.quarantine import Quarantine
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage, unpack_raw
from tests.journal.helpers import read_all

NOW_MS = 1_780_000_000_000
Run = Callable[..., Result]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with three quarantined messages: a good one now, a bad one, a cut one."""
    quarantine = Quarantine(tmp_path / "quarantine", "processor")
    good = b'{"t":1,"boot":2,"seq":3,"hr":70}'
    bad = b'{"t":1,"boot":2,"seq":4,"hr":9999}'
    quarantine.put(Reason.UNKNOWN_DEVICE, "no w-1", RawMessage(NOW_MS, Flag.NONE, b"care/v1/w-1/vitals", good), "w-1")
    quarantine.put(
        Reason.INVALID, "\x1b[2J[red]hr", RawMessage(NOW_MS + 1, Flag.NONE, b"care/v1/w-2/vitals", bad), "w-2"
    )
    quarantine.put(
        Reason.TOO_LARGE, "70 kB", RawMessage(NOW_MS + 2, Flag.RETAIN, b"care/v1/w-3/home", bytes(70_000)), "w-3"
    )
    quarantine.close()
    return tmp_path


@pytest.fixture
def run(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command on that data folder, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(data_dir))
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_list_shows_what_is_kept_and_the_counts(run: Run) -> None:
    """The newest first; a device's words cannot play with the terminal."""
    result = run("list")
    assert result.exit_code == 0
    assert re.findall(r"processor-0-\d", result.stdout) == ["processor-0-2", "processor-0-1", "processor-0-0"]
    assert "2026-05-28 20:26:40" in result.stdout
    assert "\\x1b[2J[red]hr" in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert "no, cut" in result.stdout
    assert re.search(r"processor\W+too_large\W+1\W+0", result.stdout)


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--reason", "invalid"], ["processor-0-1"]),
        (["--device", "w-3"], ["processor-0-2"]),
        (["--stage", "gateway"], []),
        (["--since", "2026-05-28T20:26:40.001"], ["processor-0-2", "processor-0-1"]),
        (["--limit", "1"], ["processor-0-2"]),
    ],
)
def test_list_takes_filters(run: Run, options: list[str], ids: list[str]) -> None:
    """The same in JSON, with the counts."""
    said = json.loads(run("list", "--json", *options).stdout)
    assert [entry["id"] for entry in said["entries"]] == ids
    assert said["counts"]["processor"]["kept"] == {"unknown_device": 1, "invalid": 1, "too_large": 1}


def test_list_of_a_system_without_bad_input_says_so(run: Run, tmp_path: Path) -> None:
    """Not an empty table."""
    (tmp_path / "new").mkdir()
    assert "Nothing in the quarantine" in run("list", "--data-dir", str(tmp_path / "new")).stdout


def test_show_explains_one_message(run: Run) -> None:
    """Why it is here, what this version says of it, its fields, its bytes."""
    good, bad, cut = (run("show", f"processor-0-{n}").stdout for n in range(3))
    assert "unknown_device: no w-1" in good
    assert "decodes as vitals of w-1 now" in good
    assert "hr = 70.0" in good
    assert '00000000  7b 22 74 22 3a 31 2c 22 62 6f 6f 74 22 3a 32 2c  {"t":1,"boot":2,' in good
    assert re.search(r"now +invalid: .*hr", bad)
    assert "retain" in cut
    assert "70,000 bytes, 65,536 kept" in cut
    assert "not possible: only the first 65,536" in cut
    assert json.loads(run("show", "processor-0-1", "--json").stdout)["now"]["content"]["hr"] == 9999


def test_replay_puts_back_says_what_not_and_refuses_twice(run: Run, data_dir: Path) -> None:
    """The first time, the second time, and with --again."""
    first = run("replay", "--stage", "processor")
    assert first.exit_code == 0
    assert "2 put back, 1 not." in first.stdout
    assert "processor-0-2: only the first 65,536 of 70,000 bytes were kept" in first.stdout
    assert "done" in run("list", "--reason", "invalid").stdout
    second = run("replay", "processor-0-0")
    assert second.exit_code == 1
    assert "--again" in second.stdout
    assert json.loads(run("replay", "processor-0-0", "--again", "--json").stdout)["replayed"] == ["processor-0-0"]
    messages = [unpack_raw(record) for record in read_all(data_dir / "journal" / "replayed", "processor")]
    assert [message.topic for message in messages] == [
        b"care/v1/w-1/vitals",
        b"care/v1/w-2/vitals",
        b"care/v1/w-1/vitals",
    ]
    assert all(message.flags & Flag.REPLAY for message in messages)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "nonsense"], 1, "no id of a quarantine entry"),
        (["show", "processor-77-0"], 1, "no entry processor-77-0"),
        (["replay"], 2, "Say which"),
        (["replay", "processor-0-0", "--all"], 2, "Say which"),
        (["list", "--since", "yesterday"], 2, "neither an age like 2h nor an ISO time"),
        (["list", "--stage", "../x"], 1, "must match"),
        (["list", "--data-dir", "no/such/folder"], 2, "There is no data folder no/such/folder"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(run: Run, arguments: list[str], code: int, said: str) -> None:
    """No traceback, and an exit code for scripts."""
    result = run(*arguments)
    assert result.exit_code == code
    assert said in re.sub(r"[\s│]+", " ", result.output)
