"""The house itself: packages, what a wheel carries, pins, make targets, the command line's help, the tree's hygiene."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tools import check_tree

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["mypy"]["packages"]


def tracked() -> list[str]:
    """The files that git knows, as paths from the root; skipped where this is no checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return [path.relative_to(ROOT).as_posix() for path in check_tree.committed(ROOT)]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_is_a_package_that_says_what_it_is(package: str) -> None:
    """Its docstring is the first thing that somebody new reads."""
    assert importlib.import_module(package).__doc__


def test_every_room_is_checked_for_types_and_imports_and_installed() -> None:
    """A new top-level package must be named in each of the lists."""
    rooms = sorted({Path(name).parts[0] for name in tracked() if name.endswith("/__init__.py")} - {"tests"})
    assert rooms == sorted(PACKAGES)
    assert rooms == sorted(PYPROJECT["tool"]["importlinter"]["root_packages"])
    installed = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {f"{room}*" for room in rooms} <= set(installed)


def requirements() -> Iterator[str]:
    """The names of everything that the project and its extras ask for."""
    project = PYPROJECT["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (text for texts in lists for text in texts):
        name = re.split(r"[\[<>=;~! ]", requirement)[0]
        if name != project["name"]:
            yield re.sub(r"[-_.]+", "-", name).lower()


def test_every_requirement_is_pinned_by_name_and_version_only() -> None:
    """No address in the constraints: they must work with whatever registry a machine uses."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [re.fullmatch(r"([A-Za-z0-9._-]+)==[A-Za-z0-9.!+]+", line) for line in lines]
    assert all(pins)
    names = {re.sub(r"[-_.]+", "-", pin[1]).lower() for pin in pins if pin}
    assert set(requirements()) - names == set()


@pytest.mark.heavy
def test_a_wheel_carries_every_committed_file_of_the_rooms(tmp_path: Path) -> None:
    """Weights, templates, migrations: what is not Python is easily forgotten, and found out at a customer's."""
    wanted = [name for name in tracked() if Path(name).parts[0] in (*PACKAGES, "bench")]
    for name in [*wanted, "pyproject.toml", "README.md"]:
        copy = tmp_path / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(tmp_path / "source")], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    assert sorted(set(wanted) - carried) == []
    assert not [name for name in carried if name.startswith("tests")]


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command of typer's and everything below it, each with its path."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*path, name))


def test_every_command_and_option_has_a_help_text() -> None:
    """``carecircle --help`` is where operators look first."""
    from carecircle.cli import app

    found = dict(commands(typer.main.get_command(app)))
    assert found.keys() >= {("demo",), ("run",), ("quarantine", "list"), ("setup", "mosquitto"), ("bench", "ingest")}
    silent = [" ".join(path) for path, command in found.items() if path and not (command.help or "").strip()]
    for path, command in found.items():
        options = (parameter for parameter in command.params if parameter.param_type_name == "option")
        silent += [" ".join((*path, *option.opts)) for option in options if not option.help]
    assert silent == []


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a make call would do, without doing it."""
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **environment},
        check=False,
    )


def test_make_alone_lists_the_targets() -> None:
    """Every target that the README and the issues name."""
    done = make()
    assert done.returncode == 0
    listed = re.findall(r"^  make ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert {"demo", "test", "lint", "bench", "train-falls", "venv", "clean"} <= set(listed)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("demo", "ARGS=--seconds 60"), "carecircle demo --seconds 60"),
        (("bench",), "carecircle bench ingest"),
        (("bench", "WHAT=store"), "carecircle bench store"),
        (("train-falls",), '--out "detectors/fall"'),
        (("train-falls", "LEAVE_OUT=weda"), '--out "out/falls-without-weda" --leave-out weda'),
    ],
)
def test_a_make_target_runs_the_command_with_its_arguments(arguments: tuple[str, ...], expected: str) -> None:
    """Weights learned from less never overwrite those that ship."""
    assert expected in make("--dry-run", *arguments).stdout


def a_checkout(folder: Path, name: str, data: bytes) -> Path:
    """A git repository with one committed file."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    (folder / name).write_bytes(data)
    subprocess.run(["git", "add", name], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "index = 'https://files.python" + "hosted.org/simple'",
        "--index" + "-url https://example.com/simple",
        "resolved: https://registry.npm" + "js.org/x",
        "deb http://deb.deb" + "ian.org/debian bookworm main",
        "DATA = '/ro" + "ot/data'",
        "see /wo" + "rk/main/x.py",
        "open('/home/" + "me/x.csv')",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "url = 'http://admin:hunter22" + "@db.internal/'",
    ],
)
def test_what_must_not_be_committed_is_found(tmp_path: Path, line: str) -> None:
    """With its file and line."""
    found = list(check_tree.findings(a_checkout(tmp_path, "a.txt", f"fine\n{line}\n".encode())))
    assert len(found) == 1
    assert found[0].startswith("a.txt:2: ")


@pytest.mark.parametrize(
    "data",
    [
        b"care/v1/d/home/ and ../shared/data/home/index.csv and ~/work/x",
        b"mqtt://carecircle:secret" + b"@127.0.0.1:1883 and https://www.debian.org/",
        b"BROKER is mqtt://[user:password@]host[:port], say mqtt://u:secret" + b"@host",
        b"\0/ro" + b"ot/ in a binary file",
    ],
)
def test_what_may_be_committed_is_not_found(tmp_path: Path, data: bytes) -> None:
    """Topics, relative folders, passwords of this machine's own test servers, binary files."""
    assert list(check_tree.findings(a_checkout(tmp_path, "a.txt", data))) == []


def test_a_file_too_large_to_be_read_is_found(tmp_path: Path) -> None:
    """A recording or a build product."""
    folder = a_checkout(tmp_path, "a.npz", bytes(check_tree.MAX_BYTES + 1))
    assert list(check_tree.findings(folder)) == ["a.npz: 6 MiB, more than 6"]


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_between_the_documents_leads_somewhere(page: Path) -> None:
    """Relative ones; what is outside is not asked."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []
