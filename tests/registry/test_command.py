"""`carecircle registry` as an operator meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from carecircle.cli.registry import app
from tests.registry.folders import PEOPLE, write_folder


@pytest.fixture(autouse=True)
def _data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))


def run(*arguments: object) -> Result:
    """The command's exit code and what it printed."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_dry_run_then_the_import_then_nothing_to_change(tmp_path: Path) -> None:
    """Each says what it did."""
    folder = write_folder(tmp_path / "in")
    assert "Dry run: nothing was changed" in run("import", folder, "--dry-run").stdout
    assert "at revision 1" in run("import", folder).stdout
    assert "Nothing to change" in run("import", folder).stdout


def test_a_folder_with_mistakes_fails_with_their_lines(tmp_path: Path) -> None:
    """Exit code 2, for scripts."""
    folder = write_folder(tmp_path / "in", people=PEOPLE.replace("lat: 34.2655", "lat: x"))
    for command in ("check", "import"):
        result = run(command, folder)
        assert result.exit_code == 2
        assert "people.yaml:5: lat: Expected `float | null`" in result.stdout


def test_secrets_are_not_printed_when_channels_change(tmp_path: Path) -> None:
    """A dry run may be looked at over a shoulder."""
    folder = write_folder(tmp_path / "in")
    run("import", folder)
    exported = tmp_path / "out"
    assert run("export", exported).exit_code == 0
    text = (exported / "responders.yaml").read_text()
    (exported / "responders.yaml").write_text(text.replace("MfKQ9r8G", "AAAA9r8G"))
    printed = run("import", exported, "--dry-run").stdout
    assert "r-li: channels changed" in printed
    assert "9r8G" not in printed
