"""The simulator of `carecircle bench lianhu` as a process of its own, so that what it uses can be told apart."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import uvloop

from firmware_sim.fleet import Fleet, Progress
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import load_scenario


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
