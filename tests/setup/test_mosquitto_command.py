"""`carecircle setup mosquitto` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import registry
from carecircle.cli import app
from carecircle.settings import load


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["setup", "mosquitto", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_dry_run_says_what_would_be_new_and_writes_nothing(tmp_path: Path) -> None:
    """Not even the folder."""
    code, said = run("--out", tmp_path / "broker", "--device", "w-1", "--dry-run")
    assert code == 0
    assert f"new  {tmp_path / 'broker' / 'acl'}" in said
    assert "new passwords: carecircle, carecircle-cmd, w-1" in said
    assert not (tmp_path / "broker").exists()


def test_the_settings_that_it_prints_are_settings_that_work(tmp_path: Path) -> None:
    """Copied into a file they name the broker and its passwords; no password is on the screen."""
    code, said = run("--out", tmp_path / "broker", "--device", "w-1", "--port", 18830)
    assert code == 0
    block = said[said.index("[broker]") : said.index("The devices'")]
    (tmp_path / "settings.toml").write_text(block)
    settings = load(tmp_path / "settings.toml")
    assert (settings.broker.port, settings.broker.command_username) == (18830, "carecircle-cmd")
    for user, password in (
        ("carecircle", settings.broker_password()),
        ("carecircle-cmd", settings.command_password()),
    ):
        assert password == (tmp_path / "broker" / f"{user}.password").read_text().strip()
        assert str(password) not in said


def test_the_devices_come_from_a_file_and_from_the_registry(tmp_path: Path) -> None:
    """Each of them is given a password once."""
    folder = tmp_path / "district"
    folder.mkdir()
    (folder / "areas.yaml").write_text("- path: a\n  name: A\n")
    (folder / "devices.yaml").write_text("- id: r-1\n  area: a\n- id: r-2\n  area: a\n")
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    engine = registry.create_engine(url)
    registry.upgrade(engine)
    assert not registry.import_folder(engine, folder).problems
    (tmp_path / "list").write_text("f-1\nr-1\n")
    code, said = run("--out", tmp_path / "broker", "--devices-from", tmp_path / "list", "--registry", url)
    assert code == 0, said
    users = [line.split(",")[0] for line in (tmp_path / "broker" / "devices.csv").read_text().splitlines()]
    assert users == ["f-1", "r-1", "r-2"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--device", "no/such"), "cannot be a device id"),
        (("--hub", "hub"), "give HUB:device,device"),
        (("--renew", "nobody"), "name it with --device"),
        (("--require-certificate",), "needs --cert"),
        (("--registry", "sqlite:////nowhere/registry.db"), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and nothing is written."""
    code, output = run("--out", tmp_path / "broker", *arguments)
    assert (code, said in output) == (2, True), output
    assert not (tmp_path / "broker").exists()


def test_a_listener_on_the_network_without_tls_is_warned_about(tmp_path: Path) -> None:
    """Passwords would cross it in the clear."""
    assert "in the clear" in run("--out", tmp_path / "broker", "--bind", "0.0.0.0")[1]
    assert "in the clear" not in run("--out", tmp_path / "broker", "--bind", "127.0.0.1")[1]
