"""What simulated devices cost: CPU of the publisher, so that it is not what a benchmark measures.

    python bench/simulate.py [--broker mqtt://127.0.0.1:1883] [--devices 5000] [--seconds 10] [--json FILE]

Protects `firmware_sim.fleet` (one connection each, and hubs) and `firmware_sim.load`: a fleet of 5,000 frames a second
should need half a core at most, the load generator and a fleet with pooled motion 20,000 a second on one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from pathlib import Path

import uvloop

from firmware_sim.fleet import Fleet
from firmware_sim.load import publish_load
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.progress import Progress
from firmware_sim.scenario import parse_scenario


def fleet_cost(broker: BrokerAddress, kind: str, devices: int, seconds: float, motion: str = "own") -> dict[str, float]:
    """Frames a second and share of a core, after everybody is connected."""
    text = (
        f"{{name: bench, wearers: {{count: {devices}, motion: {motion}}}, connection: {{kind: {kind}}}, "
        "vitals: {every_s: 30}, falls: {count: 5, between_s: [8, 12]}}"
    )
    marks: list[tuple[float, float, int]] = []

    def note(progress: Progress) -> None:
        if progress.connected == progress.connections:
            marks.append((time.monotonic(), time.process_time(), progress.published))

    fleet = Fleet(parse_scenario(text, "bench"), broker, source="synthetic", on_progress=note)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        truth = runner.run(fleet.run(seconds))
    lasting = [mark for mark in marks if mark[0] < marks[-1][0] - 1]
    first, last = lasting[0], lasting[-1]
    frames, elapsed_s, busy_s = last[2] - first[2], last[0] - first[0], last[1] - first[1]
    return {
        "devices": devices,
        "messages_per_s": round(frames / elapsed_s),
        "share_of_a_core": round(busy_s / elapsed_s, 3),
        "us_per_message": round(busy_s / frames * 1e6, 1),
        "published": truth.messages_published,
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def load_cost(broker: BrokerAddress, frames_per_s: int, seconds: int) -> dict[str, float]:
    """Frames a second and share of a core."""
    result = publish_load(broker, frames_per_s=frames_per_s, seconds=seconds, source="synthetic")
    return {
        "asked_per_s": frames_per_s,
        "frames_per_s": round(result.rate),
        "share_of_a_core": round(result.busy_s / result.elapsed_s, 3),
        "us_per_frame": round(result.busy_s / result.confirmed * 1e6, 1),
        "lost": result.sent - result.confirmed,
    }


def main() -> None:
    """Run all and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="mqtt://127.0.0.1:1883")
    parser.add_argument("--devices", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    broker = BrokerAddress.from_url(options.broker)
    results = {
        "load": load_cost(broker, options.devices, options.seconds),
        "load_20k": load_cost(broker, 20_000, options.seconds),
        "shared": fleet_cost(broker, "shared, links: 4", options.devices, options.seconds + 5),
        "each": fleet_cost(broker, "each", options.devices, options.seconds + 15),
        "pool": fleet_cost(broker, "shared, links: 8", options.devices, options.seconds + 5, "pool"),
        "pool_20k": fleet_cost(broker, "shared, links: 8", 20_000, options.seconds + 15, "pool"),
        "pool_50k": fleet_cost(broker, "shared, links: 16", 50_000, options.seconds + 30, "pool"),
    }
    for name in ("pool", "pool_20k", "pool_50k"):
        results[name]["times_cheaper_than_shared"] = round(
            results["shared"]["us_per_message"] / results[name]["us_per_message"], 1
        )
    for name, result in results.items():
        print(f"{name:9}", "  ".join(f"{key} {value}" for key, value in result.items()))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
