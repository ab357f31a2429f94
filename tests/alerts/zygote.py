"""Alerts services in processes of their own, to be killed: one process imports everything and forks the others.

Run as a program it reads orders from its standard input, a line of JSON each: to fork a service, which it answers with
the process id, or to wait for the end of one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self


class Zygote:
    """Starts and kills services on one database and one folder of journals. The clock is the real one."""

    def __init__(self, database_url: str, journal_dir: Path, public_url: str) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.alerts.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._usual = {"database_url": database_url, "journal_dir": str(journal_dir), "public_url": public_url}
        self._running: list[int] = []

    def start(self, **options: Any) -> int:
        """Fork a service and return its process id.

        Options: ``database_url`` and ``journal_dir`` other than the usual ones (None: timers and messages only),
        ``lease_ms``, ``crash_at`` and ``turn`` (see tests/alerts/crashing.py).
        """
        process = int(self._order({**self._usual, **options}))
        self._running.append(process)
        return process

    def kill(self, process: int | None = None) -> None:
        """SIGKILL one, or the only one, and return once it is gone."""
        if process is None and not self._running:
            return
        os.kill(self._running[-1] if process is None else process, signal.SIGKILL)
        self.wait(process)

    def wait(self, process: int | None = None) -> None:
        """Return once one, or the only one, is gone."""
        process = self._running[-1] if process is None else process
        assert int(self._order({"reap": process})) == process
        self._running.remove(process)

    def _order(self, order: dict[str, Any]) -> str:
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps(order) + "\n")
        return self._program.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program.poll() is None:
            for process in list(self._running):
                self.kill(process)
        assert self._program.stdin is not None
        self._program.stdin.close()
        self._program.wait(10)


def _serve(order: dict[str, Any]) -> None:
    import threading

    import registry
    from alerts import service, workers
    from alerts.service import AlertService, AlertSettings
    from tests.alerts.crashing import crash_at

    if "lease_ms" in order:
        workers.LEASE_MS = order["lease_ms"]
        service.BEAT_MS = order["lease_ms"] // 4
    if "crash_at" in order:
        crash_at(order["crash_at"], order.get("turn", 1))
    settings = AlertSettings(link_key="a key for links, long enough", public_url=order["public_url"], step_s=600.0)
    journals = order["journal_dir"]
    engine = registry.create_engine(order["database_url"])
    AlertService(engine, None if journals is None else Path(journals), settings).run(threading.Event())


def _main() -> None:
    import alerts.apprise_channel
    import alerts.service
    import registry.database
    from tests.alerts import crashing

    assert alerts.apprise_channel
    assert alerts.service
    assert crashing
    assert registry.database
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            print(os.waitpid(order["reap"], 0)[0], flush=True)
            continue
        child = os.fork()
        if child == 0:
            try:
                _serve(order)
            finally:
                os._exit(1)
        print(child, flush=True)


if __name__ == "__main__":
    _main()
