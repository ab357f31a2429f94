"""grafana-client in a folder of its own, so that what it brings never takes the place of what influxdb-client needs.

Installed as docs/grafana.md tells users to, at the first use; then it takes no time.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.require import missing

_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_CLIENT = "grafana-client"
_LIMIT_S = 120


@pytest.fixture(scope="session")
def grafana_client_folder() -> Path:
    """The folder; it is at the end of ``sys.path`` from then on, so that ours win."""
    folder = Path(sys.prefix) / ".grafana"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists() or done.read_text() != _pins():
            _install(folder)
            done.write_text(_pins())
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return folder


def _pins() -> str:
    return _CONSTRAINTS.read_text()


def _install(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=0"]
    command += ["--timeout=10", "--upgrade", "--target", str(folder), "--no-binary=urllib3-future"]
    command += ["--constraint", str(_CONSTRAINTS), _CLIENT]
    environment = {**os.environ, "URLLIB3_NO_OVERRIDE": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        missing(f"pip needed more than {_LIMIT_S} s for {_CLIENT}")
        return
    if done.returncode:
        missing(f"pip could not install {_CLIENT}: {done.stderr.strip().splitlines()[-1:]}")
