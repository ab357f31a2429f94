"""Children that die are started again, and stop in order."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from carecircle.supervisor import Supervisor

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def wait_for_line(path: Path, count: int) -> None:
    """Until the log has ``count`` lines."""
    deadline = time.monotonic() + 10
    while not path.exists() or path.read_text().count("up") < count:
        assert time.monotonic() < deadline, "the child did not come up"
        time.sleep(0.02)


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    """SIGKILL, and a moment later there is another process."""
    supervisor = Supervisor(log=tmp_path)
    supervisor.add("sleeper", [sys.executable, "-c", SLEEPER])
    wait_for_line(tmp_path / "sleeper.log", 1)
    first = supervisor.process_ids()["sleeper"]
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while supervisor.process_ids().get("sleeper") in (first, None):
        supervisor.poll()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    wait_for_line(tmp_path / "sleeper.log", 2)
    supervisor.stop()
    assert supervisor.process_ids() == {}


def test_a_child_that_cannot_start_is_tried_with_growing_patience(tmp_path: Path) -> None:
    """It ends at once each time: not a start every poll."""
    supervisor = Supervisor(log=tmp_path)
    supervisor.add("broken", [sys.executable, "-c", "print('up', flush=True); raise SystemExit(1)"])
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline:
        supervisor.poll()
        time.sleep(0.02)
    supervisor.stop()
    assert 2 <= (tmp_path / "broken.log").read_text().count("up") <= 4


def test_a_child_that_does_not_listen_is_killed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM first; SIGKILL when it stays."""
    monkeypatch.setattr("carecircle.supervisor._STOP_WITHIN_S", 0.3)
    supervisor = Supervisor(log=tmp_path)
    supervisor.add("deaf", [sys.executable, "-c", DEAF])
    wait_for_line(tmp_path / "deaf.log", 1)
    pid = supervisor.process_ids()["deaf"]
    supervisor.stop()
    assert not Path(f"/proc/{pid}").exists()
