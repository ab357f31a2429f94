"""Roles are forked from one process, share what it has imported, and outlive no confusion about who has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carecircle.nursery import SHARED, Forked, Nursery, NurseryLostError
from carecircle.supervisor import Supervisor
from tests.e2e.system import wait_until

pytestmark = pytest.mark.skipif(not Nursery.is_possible(), reason="roles are forked on Linux only")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """With settings of its own; stopped at the end."""
    it = Supervisor(log=tmp_path / "log", environment={"CARECIRCLE_DATA_DIR": str(tmp_path / "data")})
    yield it
    it.stop()


def until(what: Callable[[], bool], supervisor: Supervisor) -> None:
    """Look after the children until something is so."""
    deadline = time.monotonic() + 15
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        supervisor.poll()
        time.sleep(0.02)


def works(data: Path) -> bool:
    """Whether the writer has opened its store."""
    return any(data.glob("*.db"))


def shared_bytes(pid: int) -> int:
    """Memory of a process that was written before the fork and is still one with others'."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Shared_Dirty:"))


def test_a_role_shares_what_was_imported_before_and_ends_when_told(supervisor: Supervisor, tmp_path: Path) -> None:
    """It is a fork with the role's name, tens of megabytes of it are not its own, and SIGTERM ends it well."""
    supervisor.add_role("writer")
    until(lambda: works(tmp_path / "data"), supervisor)
    pid = supervisor.process_ids()["writer"]
    assert supervisor.nursery_id is not None
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "writer"
    assert os.getsid(pid) == pid
    assert shared_bytes(pid) > 30 << 20
    nursery = supervisor.nursery_id
    supervisor.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{nursery}").exists()
    assert (tmp_path / "log" / "writer.log").read_text().count("Traceback") == 0


def test_a_killed_role_is_forked_again(supervisor: Supervisor, caplog: pytest.LogCaptureFixture) -> None:
    """From the same process, and the log says with what it ended."""
    supervisor.add_role("writer")
    first, nursery = supervisor.process_ids()["writer"], supervisor.nursery_id
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.process_ids().get("writer") not in (first, None), supervisor)
    assert supervisor.nursery_id == nursery
    assert "writer ended with -9" in caplog.text


def test_when_what_forks_them_dies_the_roles_are_started_again_by_another(supervisor: Supervisor) -> None:
    """Nobody could tell any more whether they run, so they are ended first: two of one role are one too many."""
    supervisor.add_role("writer")
    first, nursery = supervisor.process_ids()["writer"], supervisor.nursery_id
    assert nursery is not None
    os.kill(nursery, signal.SIGKILL)
    until(lambda: supervisor.process_ids().get("writer") not in (first, None), supervisor)
    until(lambda: not Path(f"/proc/{first}").exists() or _is_dead(first), supervisor)
    assert supervisor.nursery_id not in (nursery, None)


def test_a_role_that_cannot_run_says_why_and_ends_with_2(
    supervisor: Supervisor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A setting that is wrong: its text, no traceback."""
    supervisor.environment = {**supervisor.environment, "CARECIRCLE_JOURNAL__CHECKPOINT_S": "often"}
    supervisor.add_role("writer")
    until(lambda: "writer ended with 2" in caplog.text, supervisor)
    said = (tmp_path / "log" / "writer.log").read_text()
    assert "checkpoint_s" in said.lower()
    assert "Traceback" not in said


def test_a_role_that_cannot_be_forked_is_a_process_of_its_own(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes more memory and works as well."""

    def start(*_: object) -> None:
        raise NurseryLostError("there is no room for a fork")

    monkeypatch.setattr(Nursery, "start", start)
    supervisor.add_role("writer")
    until(lambda: works(tmp_path / "data"), supervisor)
    assert "no room for a fork; it is a process of its own" in caplog.text


def test_settings_that_have_changed_since_are_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read once before the roles are forked; a role that is forked later has those of then."""
    file = tmp_path / "carecircle.toml"
    monkeypatch.setenv("CARECIRCLE_SETTINGS", str(file))
    monkeypatch.delenv("CARECIRCLE_DATA_DIR", raising=False)

    def forked(nursery: Nursery, data: str, **environment: str) -> None:
        role = nursery.start("writer", {**os.environ, **environment}, tmp_path / "log")
        try:
            wait_until(lambda: works(tmp_path / data), 15, f"the store of the {data}")
        finally:
            role.kill()
            role.wait(5)

    file.write_text(f'data_dir = "{tmp_path / "first"}"')
    nursery = Nursery()
    try:
        forked(nursery, "first")
        file.write_text(f'data_dir = "{tmp_path / "second"}"')
        forked(nursery, "second")
        forked(nursery, "third", CARECIRCLE_DATA_DIR=str(tmp_path / "third"))
    finally:
        nursery.close()


def test_who_waits_for_the_end_of_one_role_holds_up_no_other(tmp_path: Path) -> None:
    """Another is started, looked after and ends meanwhile, and each is told of the one that it waits for."""
    nursery = Nursery()

    def start(name: str) -> Forked:
        return nursery.start("writer", {"CARECIRCLE_DATA_DIR": str(tmp_path / name)}, tmp_path / "log")

    with ThreadPoolExecutor() as pool:
        first = start("first")
        waiting = pool.submit(first.wait)
        try:
            wait_until(lambda: works(tmp_path / "first"), 20, "the first works, and its end is waited for")
            second = pool.submit(start, "second").result(20)
            assert second.pid != first.pid
            assert pool.submit(first.poll).result(20) is None
            pool.submit(second.kill).result(20)
            assert pool.submit(second.wait, 20).result(20) == -signal.SIGKILL
            assert not waiting.done()
        finally:
            os.kill(first.pid, signal.SIGTERM)
        assert waiting.result(20) == 0
    nursery.close()


def test_what_is_imported_ahead_leaves_no_thread_behind() -> None:
    """A thread would be missing in the forks, with whatever lock it held."""
    code = (
        "import importlib, os; from carecircle.nursery import SHARED\n"
        "os.environ['OPENBLAS_NUM_THREADS'] = '1'\n"
        "[importlib.import_module(one) for one in SHARED]; print(len(os.listdir('/proc/self/task')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["1"]
    assert len(SHARED) == len(set(SHARED))


def _is_dead(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state in "ZX"
