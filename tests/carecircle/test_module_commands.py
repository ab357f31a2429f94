"""Modules that are run by themselves say what they do, and what they take."""

from __future__ import annotations

import subprocess
import sys

import pytest


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    """``python -m ...``, to its end."""
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("module", "teaches"),
    [
        ("bench.whole_path", ["frames_per_cpu_s", "DEVICES", "CPU time", "carecircle bench ingest", "example: "]),
        ("carecircle.healthy", ["ROLE", "gateway, processor", "Exits with 0", "carecircle doctor", "example: "]),
    ],
)
def test_help_says_what_is_measured_or_looked_at_and_gives_an_example(module: str, teaches: list[str]) -> None:
    """And does nothing else."""
    done = ran(module, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: python -m {module}" in done.stdout
    assert [word for word in teaches if word not in done.stdout] == []


@pytest.mark.parametrize("given", ["many", "0"])
def test_a_number_of_devices_that_is_none_is_said_and_nothing_is_measured(given: str) -> None:
    """Without a traceback."""
    done = ran("bench.whole_path", given)
    assert done.returncode == 2
    assert "DEVICES" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_role_that_there_is_not_is_unhealthy() -> None:
    """With 1, as a health check of a container has it."""
    done = ran("carecircle.healthy", "gatewya")
    assert done.returncode == 1
    assert "gatewya" in done.stdout
