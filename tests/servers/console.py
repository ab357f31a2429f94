"""The console as a child process on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running_console(database_url: str, link_key: str) -> Iterator[str]:
    """Serve the console over a database whose tables are there; yields its address."""
    command = [sys.executable, "-m", "tests.servers.console", database_url]
    environment = {**os.environ, "CONSOLE_TEST_KEY": link_key}
    with subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()  # what the child waits for
            try:
                process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _main() -> None:
    from console.app import create_app
    from console.server import serve
    from console.settings import ConsoleSettings
    from registry import create_engine

    stop = threading.Event()

    def wait_for_parent() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_parent, daemon=True).start()
    settings = ConsoleSettings(link_key=os.environ["CONSOLE_TEST_KEY"], heartbeat_s=0.5, login=False)
    app = create_app(create_engine(sys.argv[1]), settings)
    serve(app, "127.0.0.1", 0, stop, ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    _main()
