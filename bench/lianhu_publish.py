"""The simulator of `carecircle bench lianhu` as a process of its own, so that what it uses can be told apart."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvloop

from bench.waiting import BenchError, wait_for
from bench.watching import Watch
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.progress import Progress
from firmware_sim.scenario import Scenario, load_scenario
from firmware_sim.truth import Truth


class Publisher:
    """The simulator's process."""

    def __init__(
        self, folder: Path, scenario: Scenario, port: int, seconds: float, source: str, recordings: Path | None
    ) -> None:
        self._truth, self._progress, self._log = folder / "truth.json", folder / "progress", folder / "simulator.log"
        plan = folder / "scenario.yaml"
        plan.write_bytes(msgspec.json.encode(scenario))  # JSON is YAML
        command = [
            sys.executable, "-m", "bench.lianhu_publish", str(plan), "--broker", f"mqtt://127.0.0.1:{port}",
            "--seconds", str(seconds), "--source", source, "--progress", str(self._progress),
            "--truth", str(self._truth), *(["--recordings", str(recordings)] if recordings else []),
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def backlog(self) -> float:
        """Messages that it made and the broker has not taken."""
        return self._last()[2]

    def wait_until_begun(self, watch: Watch) -> float:
        """When its first second began, by the clock of ``watch``."""
        wait_for(lambda: self._last()[0] > 0 or self._process.poll() is not None, 120, "the simulator")
        return watch.now_s - self._last()[0]

    def wait(self, within_s: float, alive: Callable[[], None]) -> Truth:
        """The truth, once it has ended; ``alive`` is asked every second and raises when something is wrong."""
        deadline = time.monotonic() + within_s
        while self._process.poll() is None:
            alive()
            if time.monotonic() > deadline:
                raise BenchError(f"the simulator did not end within {within_s:.0f} s")
            time.sleep(1)
        if self._process.returncode:
            raise BenchError(f"the simulator ended with {self._process.returncode}: {self._log.read_text()[-800:]}")
        return Truth.load(self._truth)

    def end(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _last(self) -> tuple[float, int, int]:
        """(elapsed_s, published, backlog) of its last report."""
        try:
            with self._progress.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 400))
                lines = [
                    line for line in file.read().split(b"\n")[:-1] if line.startswith(b"[") and line.endswith(b"]")
                ]
        except FileNotFoundError:
            return 0.0, 0, 0
        elapsed_s, published, backlog = json.loads(lines[-1]) if lines else (0.0, 0, 0)
        return elapsed_s, published, backlog


def main() -> None:
    """Play a scenario file; write a line of progress twice a second, and the truth at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--source", default="synthetic")
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--progress", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    options = parser.parse_args()
    with options.progress.open("w") as file:

        def note(progress: Progress) -> None:
            file.write(json.dumps([round(progress.elapsed_s, 2), progress.published, progress.backlog]) + "\n")
            file.flush()

        fleet = Fleet(
            load_scenario(options.scenario),
            BrokerAddress.from_url(options.broker),
            source=options.source,
            recordings=options.recordings,
            on_progress=note,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            truth = runner.run(fleet.run(options.seconds, drain_s=30))
    truth.save(options.truth)


if __name__ == "__main__":
    main()
