"""How tests are shared out to processes, on a small project of its own with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from tests.lanes import LANES, heavy_tests

CONFTEST = """
import os, time
import pytest
from tests.lanes import Lanes

def pytest_xdist_make_scheduler(config, log):
    return Lanes(config, log)

@pytest.fixture(autouse=True)
def noted(request):
    began_s = time.monotonic()
    yield
    with open("ran", "a") as file:
        file.write(f"{request.node.nodeid} {os.getpid()} {began_s} {time.monotonic()}\\n")
"""
ORDINARY = "".join(f"def test_{k}(): pass\n" for k in range(4))
HEAVY = "import time, pytest\n" + "".join(f"@pytest.mark.heavy\ndef test_{k}(): time.sleep(0.3)\n" for k in range(5))
CRASH = """
import os, pathlib
def test_0(): pass
def test_1():
    if not pathlib.Path("crashed").exists():
        pathlib.Path("crashed").touch()
        os._exit(3)
def test_2(): pass
def test_3(): pass
"""


class Ran(NamedTuple):
    """One test to its end; seconds of the machine's monotonic clock."""

    test: str
    pid: int
    began_s: float
    ended_s: float


def run(folder: Path, files: dict[str, str]) -> tuple[list[Ran], subprocess.CompletedProcess[str]]:
    """These files, in four processes."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = heavy\n")
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in files.items():
        path = folder / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "4", "--dist", "loadfile", "-p", "no:cacheprovider", "tests"],
        cwd=folder, env=environment | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    lines = (folder / "ran").read_text().splitlines() if (folder / "ran").exists() else []
    parts = [line.split() for line in lines]
    return [Ran(test, int(pid), float(begun), float(ended)) for test, pid, begun, ended in parts], done


def test_each_runs_once_files_stay_together_and_heavy_ones_keep_to_their_lanes(tmp_path: Path) -> None:
    """Also when nothing else is left for the other processes."""
    files = {f"test_{name}.py": ORDINARY for name in "abcdef"}
    files |= {"dashboards/test_one.py": ORDINARY, "dashboards/test_two.py": ORDINARY, "test_systems.py": HEAVY}
    ran, done = run(tmp_path, files)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = {f"tests/{name}::test_{k}" for name in files for k in range(5 if "systems" in name else 4)}
    assert Counter(one.test for one in ran) == Counter(expected)
    together: dict[str, set[int]] = defaultdict(set)
    for one in ran:
        name = one.test.partition("::")[0]
        together["dashboards" if "dashboards" in name else name].add(one.pid)
    heavy = [one for one in ran if "systems" in one.test]
    assert {name: len(pids) for name, pids in together.items() if "systems" not in name} == dict.fromkeys(
        together.keys() - {"tests/test_systems.py"}, 1
    )
    assert len({one.pid for one in heavy}) == LANES
    at_once = [sum(other.began_s <= one.began_s < other.ended_s for other in heavy) for one in heavy]
    assert max(at_once) <= LANES
    assert min(one.began_s for one in ran if one.pid in together["tests/test_systems.py"]) == min(
        one.began_s for one in heavy
    ), "they begin with them"


def test_a_process_that_dies_is_told_and_what_it_had_left_runs_elsewhere(tmp_path: Path) -> None:
    """The test that it died of fails the run, though it passes with the next."""
    files = {"test_a.py": ORDINARY, "test_crash.py": CRASH, "test_systems.py": HEAVY}
    ran, done = run(tmp_path, files)
    assert done.returncode == 1
    assert "crashed while running 'tests/test_crash.py::test_1'" in done.stdout
    expected = {f"tests/{name}::test_{k}" for name in files for k in range(5 if "systems" in name else 4)}
    assert {one.test for one in ran} == expected
    assert max(Counter(one.test for one in ran).values()) == 1


def test_heavy_tests_are_found_in_the_source() -> None:
    """By their marks, with others above or below; this project has some."""
    found = heavy_tests(Path(__file__).parents[1])
    assert (
        "tests/chaos/test_chaos.py::test_nothing_acknowledged_is_lost_and_nothing_is_told_twice_whatever_dies" in found
    )
    assert not [one for one in found if one.startswith("tests/test_lanes.py")]
