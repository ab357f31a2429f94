"""Receiving and the whole path, side by side with others in one run: what `carecircle bench ingest` says.

Four parts, each a module of its own: :mod:`bench.firehose` (receiving, without a broker), :mod:`bench.whole_path`
(journal to lines, by the number of devices), :mod:`bench.through_mosquitto` (frames that wait in a real broker), and
:mod:`bench.live` (the roles as they run, at a rate). This one runs them in turn and puts them together.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import firehose, live, through_mosquitto, whole_path
from bench.waiting import BenchError

#: Whose figure stands for the district.
_DISTRICT = "18000"
__all__ = ["GOALS", "BenchError", "Goal", "composed", "run"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should be. ``path`` leads to it in the result; ``least``: a lower bound, else an upper one."""

    what: str
    path: tuple[str, ...]
    floor: float
    goal: float
    least: bool = True

    def verdict(self, result: dict[str, Any]) -> tuple[float | None, str]:
        """The figure (None: not measured) and ``goal``, ``floor`` or ``missed``, whichever it reaches."""
        value: Any = result
        for name in self.path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            return None, "not measured"
        sign = 1 if self.least else -1
        for bound, word in ((self.goal, "goal"), (self.floor, "floor")):
            if sign * value >= sign * bound:
                return float(value), word
        return float(value), "missed"


#: Of issue 9, "A whole district on two cores".
GOALS = (
    Goal("receive motion, times a bare paho", ("firehose", "motion", "ratio_to_paho"), 3, 7),
    Goal("receive vitals, times a bare paho", ("firehose", "vitals", "ratio_to_paho"), 4, 12),
    Goal("whole path, frames a CPU second", ("whole_path", "frames_per_cpu_s"), 60_000, 200_000),
    Goal("cost by devices, dearest to cheapest", ("whole_path", "spread"), 2.0, 1.2, least=False),
    Goal("through mosquitto, times mosquitto_sub", ("mosquitto", "ratio"), 0.8, 1.0),
)


def run(
    *, quick: bool = False, seconds: int = 20, rate: int = 6000, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """All four parts, in about four minutes; ``quick``: shorter and with one round each, without the live part.

    ``seconds`` and ``rate`` are those of the live part.

    Raises:
        BenchError: a part could not run, or somebody did not take everything.
    """
    say("receiving: ours, paho and aiomqtt behind a broker that only sends")
    hose = firehose.run(seconds=1.5 if quick else 3.0, rounds=1 if quick else 3, say=say)
    say("journal to lines at 1,000 to 50,000 devices")
    path = whole_path.run(seconds=10 if quick else 20, rounds=1 if quick else 3)  # points come every 10 s
    say("frames that wait in mosquitto: ours and mosquitto_sub")
    queue = through_mosquitto.run(seconds=20 if quick else 60, rounds=1 if quick else 3, say=say)
    running = None if quick else live.run(seconds=seconds, rate=rate, say=say)
    return composed(hose, path, queue, running)


def composed(
    hose: dict[str, Any], path: dict[str, Any], queue: dict[str, Any], running: dict[str, Any] | None
) -> dict[str, Any]:
    """The results of the parts as one.

    Returns:
        ``firehose``, ``mosquitto`` and ``live`` as the parts give them; ``machine``; and ``whole_path``:
        ``frames_per_cpu_s`` of gateway (from the fire-hose), processor and writer together at 18,000 devices,
        ``us_per_frame`` of each, ``devices`` (both by the number of devices), ``spread`` (the dearest frame as a
        multiple of the cheapest: with few devices a turn of the processor has few frames to share its fixed cost),
        ``growth`` (the frame at the most devices, as a multiple of the cheapest), ``processor_and_writer`` (without the
        gateway), and ``shares_pct`` of their profile.
    """
    gateway_us = round(1e6 / hose["motion"]["ours_per_cpu_s"], 3)
    devices = {count: _whole(gateway_us, one) for count, one in path["devices"].items()}
    rates = [one["frames_per_cpu_s"] for one in devices.values()]
    return {
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()},
        "firehose": hose,
        "whole_path": {
            **devices[_DISTRICT],
            "spread": round(max(rates) / min(rates), 2),
            "growth": round(max(rates) / rates[-1], 2),
            "devices": devices,
            "processor_and_writer": {
                "frames_per_cpu_s": {count: one["frames_per_cpu_s"] for count, one in path["devices"].items()},
                "spread": max(path["flatness"].values()),
                "flat_out_frames_per_cpu_s": path["flat_out"]["frames_per_cpu_s"],
            },
            "shares_pct": path["shares_pct"],
        },
        "mosquitto": queue,
        "live": running,
    }


def _whole(gateway_us: float, one: dict[str, Any]) -> dict[str, Any]:
    costs_us = {"gateway": gateway_us, **one["us_per_frame"]}
    return {"frames_per_cpu_s": round(1e6 / sum(costs_us.values())), "us_per_frame": costs_us}
