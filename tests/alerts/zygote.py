"""Alerts services in processes of their own, to be killed: one process imports everything and forks the others.

Run as a program it reads commands from its standard input: ``start`` forks a service and prints its process id.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self


class Zygote:
    """Starts and kills services on one database and one folder of journals. The clock is the real one."""

    def __init__(self, database_url: str, journal_dir: Path, public_url: str) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.alerts.zygote", database_url, str(journal_dir), public_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._running: int | None = None

    def start(self) -> None:
        """Fork a service."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write("start\n")
        self._running = int(self._program.stdout.readline())

    def kill(self) -> None:
        """SIGKILL it, and return once it is gone."""
        if self._running is None:
            return
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        os.kill(self._running, signal.SIGKILL)
        self._program.stdin.write("reap\n")
        assert int(self._program.stdout.readline()) == self._running
        self._running = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._program.poll() is None:
            self.kill()
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.wait(10)


def _serve(database_url: str, journal_dir: str, public_url: str) -> None:
    import threading

    import registry
    from alerts.service import AlertService, AlertSettings

    settings = AlertSettings(link_key="a key for links, long enough", public_url=public_url, step_s=600.0)
    AlertService(registry.create_engine(database_url), Path(journal_dir), settings).run(threading.Event())


def _main() -> None:
    import alerts.service
    import registry.database

    assert alerts.service
    assert registry.database
    for line in sys.stdin:
        if line == "start\n":
            child = os.fork()
            if child == 0:
                try:
                    _serve(*sys.argv[1:4])
                finally:
                    os._exit(1)
            print(child, flush=True)
        else:
            print(os.wait()[0], flush=True)


if __name__ == "__main__":
    _main()
