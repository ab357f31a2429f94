"""Roles as forks of one process that has imported what most of them need: what none of them changes is in memory once.

The supervisor starts it (``python -m carecircle.nursery DESCRIPTOR``), once, before it starts a role, and asks it for
each. It has a single thread and nothing open but the line to the supervisor, so that a fork takes nothing over that it
should not. With the supervisor it ends; the roles go on, as they would without it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from carecircle.settings import Settings

#: What roles import when they run. Whatever is missing here is imported by each that needs it.
SHARED: tuple[str, ...] = (
    "carecircle.alone",
    "alerts.database",
    "alerts.service",
    "detectors.fall.bank",
    "ingest.adapters.zigbee2mqtt",
    "ingest.gateway",
    "ingest.lanes",
    "ingest.processor",
    "ingest.shards",
    "ingest.writer",
    "registry.database",
    "registry.presence",
    "registry.sealing",
    "registry.snapshot",
    "registry.wearing",
    "store.sqlite",
    "threadpoolctl",
    "uvloop",
)
_LOST = "the process that forks the roles has ended"
_STARTS_WITHIN_S = 30.0
_ENDS_WITHIN_S = 5.0
_COMM_MOST = 15


class Known(NamedTuple):
    """Settings, and what they were read from; a role for which that is the same has the same."""

    said: tuple[dict[str, str], bytes]
    settings: Settings


class NurseryLostError(OSError):
    """No role can be forked."""


class Nursery:
    """The supervisor's side. Any thread may use it.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "carecircle.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the supervisor only
            )
        self._ours, self._line = ours, Connection(os.dup(ours.fileno()))
        self._starting = threading.Lock()  # one at a time: the answer does not say which role it is
        self._news = threading.Condition()  # over what follows
        self._begun: int | None = None
        self._ended: dict[int, int] = {}
        self.lost = False
        self._listening = threading.Thread(target=self._listen, name="nursery", daemon=True)
        self._listening.start()

    @staticmethod
    def is_possible() -> bool:
        """Whether processes may be forked after imports: on macOS system libraries do not survive it."""
        return sys.platform == "linux"

    @property
    def pid(self) -> int:
        """Of the process that forks."""
        return self._process.pid

    def start(self, role: str, environment: Mapping[str, str], log: Path | None) -> Forked:
        """Fork a role.

        Args:
            role: which.
            environment: all of it.
            log: where its output goes, appended; None: where ours goes.

        Raises:
            NurseryLostError: it cannot be.
        """
        with self._starting:
            self._begun = None
            try:
                self._line.send((role, dict(environment), None if log is None else str(log)))
            except OSError as error:
                self._lose()
                raise NurseryLostError(f"{role} cannot be forked: {error}") from None
            if (pid := self._answer()) is not None:
                return Forked(self, pid)
            why = _LOST if self.lost else f"it was not within {_STARTS_WITHIN_S:.0f} s"
            self._lose()  # an answer that came now would be taken for that to the next
            raise NurseryLostError(f"{role} cannot be forked: {why}")

    def ended(self, pid: int, within_s: float = 0.0) -> int | None:
        """With what a fork has ended, None while it runs; waits at most ``within_s`` for it, and nobody for us."""
        with self._news:
            self._news.wait_for(lambda: pid in self._ended or self.lost, within_s)
            if pid not in self._ended and self.lost:  # nobody can tell any more how it is: another takes its place
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                self._ended[pid] = -signal.SIGKILL
            return self._ended.get(pid)

    def close(self) -> None:
        """End it; forks that still run go on."""
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        self._listening.join()
        self._line.close()
        self._ours.close()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> int | None:
        with self._news:
            self._news.wait_for(lambda: self._begun is not None or self.lost, _STARTS_WITHIN_S)
            return self._begun

    def _lose(self) -> None:
        with self._news:
            self.lost = True
            self._news.notify_all()

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                what, pid, code = self._line.recv()
                with self._news:
                    if what == "ended":
                        self._ended[pid] = code
                    else:
                        self._ended.pop(pid, None)  # of another that had the number before
                        self._begun = pid
                    self._news.notify_all()
        self._lose()


class Forked:
    """A role that runs; as :class:`subprocess.Popen`, as far as a supervisor needs it."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def poll(self) -> int | None:
        """With what it has ended, a signal as a negative number; None while it runs."""
        return self._nursery.ended(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        while (code := self._nursery.ended(self.pid, 3600.0 if timeout is None else timeout)) is None:
            if timeout is not None:
                raise subprocess.TimeoutExpired(f"role {self.pid}", timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def serve(line: Connection, known: Known | None = None) -> None:
    """Fork a role for each request, and tell how it ends, until the other side is closed. ``known``: settings that were
    read before."""
    context: Any = get_context("fork")
    children: dict[Any, Any] = {}  # sentinel -> process
    while True:
        for ready in connection.wait([line, *children]):
            if ready is not line:
                child = children.pop(ready)
                child.join()
                line.send(("ended", child.pid, child.exitcode))
                child.close()
                continue
            child = context.Process(target=_be, args=(line, known, *line.recv()))
            child.start()
            children[child.sentinel] = child
            line.send(("started", child.pid, 0))


def _be(line: Connection, known: Known | None, role: str, environment: dict[str, str], log: str | None) -> None:
    """The role, in a process of its own."""
    line.close()  # else nobody notices the end of the process that forks
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(role[:_COMM_MOST])  # so that lists of processes tell them apart
    if log is not None:
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
    from carecircle.alone import run_alone, stop_on_signals, told_in_words
    from carecircle.settings import Role, load

    stop = stop_on_signals()
    try:
        said = _said(environment)
        run_alone(Role(role), load() if known is None or said is None or said != known.said else known.settings, stop)
    except told_in_words() as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _said(environment: Mapping[str, str]) -> tuple[dict[str, str], bytes] | None:
    """All that settings are made of: what the environment has of ours, and the text of the file. None: no such file."""
    from carecircle.settings import FILE_VARIABLE

    ours = {name: value for name, value in environment.items() if name.upper().startswith("CARECIRCLE_")}
    named = environment.get(FILE_VARIABLE)
    try:
        return ours, Path(named).read_bytes() if named else b""
    except OSError:
        return None


def main(descriptor: int) -> None:
    """Import, and serve until the supervisor is gone."""
    # httpx takes its command line along where it can, and with it rich and pygments: 5 MB that no role has a use for
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    for module in SHARED:
        importlib.import_module(module)
    import httpx
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    from carecircle.alone import told_in_words
    from carecircle.settings import SettingsError, load

    told_in_words()  # these import, too
    httpx.AsyncClient(trust_env=False)
    known = None
    with contextlib.suppress(SettingsError, ArgumentError):  # the role's settings may be others
        said = _said(os.environ)
        settings = load()  # reading them writes to 2 MB of what is shared
        if said is not None:
            known = Known(said, settings)
        settings.registry_keys()  # with keys what ciphers is there, else nobody needs it
        make_url(settings.resolved_database_url()).get_dialect()
    gc.collect()
    gc.freeze()  # a collection would write to all there is, and each fork have its own of it
    with contextlib.suppress(EOFError, OSError), Connection(descriptor) as line:
        serve(line, known)
    os._exit(0)  # forks that still run are not waited for


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads do not survive a fork; no role uses more
    main(int(sys.argv[1]))
