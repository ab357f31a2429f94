"""`carecircle registry` as an operator meets it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from carecircle.cli.registry import app
from carecircle.doctor import examine
from carecircle.roles import prepare
from carecircle.settings import load
from registry import SealedError
from registry.keys import draw_key
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


def test_a_key_is_made_in_its_file_what_lay_open_is_encrypted_and_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of an operator: a trial without a key, then one, then another, with door codes in between."""
    folder = write_folder(tmp_path / "in")
    run("import", folder)
    assert "set registry.key_file" in run("rotate-key").stderr
    file = tmp_path / "etc" / "registry.key"
    monkeypatch.setenv("CARECIRCLE_REGISTRY__KEY_FILE", str(file))
    assert "cannot be read" in run("import", folder).stderr
    first = run("rotate-key").stdout
    assert "2 phones and channels lay open before" in first
    assert file.stat().st_mode & 0o777 == 0o600
    people = PEOPLE.replace("  name: Zhang Wei\n", "  name: Zhang Wei\n  door_code: 8642#\n")
    assert "door_code changed" in run("import", write_folder(tmp_path / "codes", people=people), "--all").stdout
    (key,) = file.read_text().split()
    second = run("rotate-key").stdout
    assert file.read_text().split()[1] == key
    assert "Backups from before need" in second
    assert second.splitlines()[1] != first.splitlines()[1]
    file.write_text(file.read_text().split()[0])
    run("export", tmp_path / "out", "--secrets")
    assert "8642#" in (tmp_path / "out" / "people.yaml").read_text()
    run("export", tmp_path / "bare")
    assert "8642#" not in (tmp_path / "bare" / "people.yaml").read_text()
    file.write_text(key)
    refused = run("export", tmp_path / "never")
    assert refused.exit_code == 2
    assert "is encrypted with key" in refused.stderr


def test_a_file_that_holds_no_key_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong path in the settings must cost nothing."""
    precious = tmp_path / "letters.txt"
    precious.write_text("Dear Zhang Wei\n")
    monkeypatch.setenv("CARECIRCLE_REGISTRY__KEY_FILE", str(precious))
    assert "is not the base64 of 32 bytes" in run("rotate-key").stderr
    assert precious.read_text() == "Dear Zhang Wei\n"


def test_a_key_from_the_environment_rotates_to_the_first_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one follows until everything is encrypted with the new one."""
    old, new = draw_key(), draw_key()
    monkeypatch.setenv("CARECIRCLE_REGISTRY__KEY", old)
    run("import", write_folder(tmp_path / "in"))
    monkeypatch.setenv("CARECIRCLE_REGISTRY__KEY", f"{new},{old}")
    assert "Everything is encrypted with key" in run("rotate-key").stdout
    monkeypatch.setenv("CARECIRCLE_REGISTRY__KEY", new)
    assert run("export", tmp_path / "out").exit_code == 0


def levels(*, what: str = "secrets") -> list[tuple[str, str]]:
    """What the doctor says of secrets: level and what was found."""
    return [(one.level.value, one.found) for one in examine(load()) if one.what == what]


def test_the_doctor_says_what_lies_open_and_which_key_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key, with one and old rows, with everything in order, with the wrong one, with one that others read."""
    for name in [name for name in os.environ if name.startswith("CARECIRCLE_") and name != "CARECIRCLE_DATA_DIR"]:
        monkeypatch.delenv(name)
    file = tmp_path / "registry.key"
    run("import", write_folder(tmp_path / "in"))
    ((level, found),) = levels()
    assert (level, "2 phones and channels lie open" in found) == ("warning", True)
    monkeypatch.setenv("CARECIRCLE_REGISTRY__KEY_FILE", str(file))
    file.write_text(draw_key())
    file.chmod(0o600)
    ((level, found),) = levels()
    assert (level, found.startswith("2 phones and channels lie open, 0")) == ("warning", True)
    run("rotate-key")
    ((level, found),) = levels()
    assert (level, found.startswith("2 phones, door codes and channels are encrypted")) == ("ok", True)
    file.write_text(draw_key())
    file.chmod(0o640)
    assert [level for level, _ in levels()] == ["problem", "warning"]
    with pytest.raises(SealedError, match=r"the registry .2 phones, door codes, channels. is encrypted with key"):
        prepare(load())
