"""The real gateway for tests: in a thread, to look at its counters, or in a process of its own, to kill it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from ingest.gateway import Gateway, wall_clock_ms
from ingest.gateway_settings import GatewaySettings
from journal import JournalReader
from telemetry.blocks import messages_of
from telemetry.records import RawMessage


def wait_until(true: Callable[[], object], timeout_s: float = 10.0, *, what: str = "") -> None:
    """Return once ``true()`` is; fail with ``what`` otherwise."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what or true}"
        time.sleep(0.01)


def raw_messages(directory: Path, *, markers: bool = False) -> list[RawMessage]:
    """Everything in the journal `raw` of ``directory``, without the gateway's own marks unless ``markers``."""
    messages = []
    with JournalReader(directory / "journal" / "raw", "test") as reader:
        while batches := reader.read():
            messages += [m for batch in batches for record in batch.records for m in messages_of(record)]
    return [message for message in messages if markers or not message.topic.startswith(b"$")]


def markers(directory: Path) -> list[dict[str, object]]:
    """The payloads of the gateway's own marks in `raw`, in order."""
    return [json.loads(m.payload) for m in raw_messages(directory, markers=True) if m.topic == b"$gateway/connected"]


class GatewayThread:
    """A gateway with its folders under ``directory``; ``gateway.stats()`` tells how it goes. A context manager."""

    def __init__(self, settings: GatewaySettings, directory: Path, clock: Callable[[], int] = wall_clock_ms) -> None:
        self.directory = directory
        self.gateway = Gateway(
            settings, directory / "journal", directory / "quarantine", directory / "state", clock=clock
        )
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def _run(self) -> None:
        try:
            self.gateway.run(self._stop)
        except BaseException as error:
            self.error = error
            raise

    def stats(self) -> dict[str, float]:
        """The gateway's counters."""
        return self.gateway.stats()

    def wait(self, name: str, at_least: float, timeout_s: float = 10.0) -> None:
        """Until the counter ``name`` has reached ``at_least``."""
        wait_until(lambda: self.stats().get(name, 0) >= at_least, timeout_s, what=f"{name} >= {at_least}")

    def start(self, *, connected: bool = True) -> Self:
        """Start it, and wait for its connection unless ``connected`` is False."""
        self._thread.start()
        if connected:
            self.wait("subscribed", 1)
            if not self.stats()["publisher_connected"]:
                self.wait("publisher_connected", 1)
        return self

    def stop(self) -> None:
        """Stop it cleanly."""
        self._stop.set()
        self._thread.join(timeout=15)
        assert not self._thread.is_alive(), "the gateway does not stop"
        assert self.error is None, f"the gateway died: {self.error!r}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class GatewayProcess:
    """A gateway as a process of its own, to be killed at any moment and started again on the same folders."""

    def __init__(self, settings: GatewaySettings, directory: Path) -> None:
        self.settings = settings
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; returns at once."""
        assert self._process is None
        settings = {name: value for name, value in dataclasses.asdict(self.settings).items() if value is not None}
        root = Path(__file__).parents[2]
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.gateway", str(self.directory), json.dumps(settings, default=str)],
                cwd=root,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(root)},
            )
        return self

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it with a signal and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(timeout=15)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.end()


def _main(directory: Path, settings: dict[str, object]) -> None:
    for name in ("ca", "cert", "key"):
        if name in settings:
            settings[name] = Path(str(settings[name]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Gateway(
        GatewaySettings(**settings),
        directory / "journal",
        directory / "quarantine",
        directory / "state",
    ).run(stop)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), json.loads(sys.argv[2]))
