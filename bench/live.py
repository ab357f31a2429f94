"""Frames per second through gateway, journal, detector and store, broker and publisher on the same machine.

Protects the whole hot path: the MQTT session, the commit, decode, reorder, fall bank, ten-second points, store.
Everything is the real thing: a broker process, the roles as `carecircle run` starts them, and a publisher at QoS 1.
"""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

import registry
from bench.broker import any_broker
from bench.children import cpu_s
from bench.system import lag_bytes, settings_in
from bench.waiting import BenchError, wait_for
from carecircle import roles
from carecircle.ports import free_port
from carecircle.supervisor import Supervisor
from firmware_sim.district import write_district
from firmware_sim.load import load_device, publish_load
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import Member
from journal.quarantine import read_tally, stages
from store import open_store

_ROLES = ("gateway", "processor", "writer", "alerts")
_DRAIN_WITHIN_S = 120.0
_SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()


def _members(count: int) -> list[Member]:
    return [Member(device, person, "wearable", place) for device, person, place in map(load_device, range(count))]


def run(*, seconds: int = 20, rate: int = 6000, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Publish ``rate`` frames of 50 samples x 3 axes a second for ``seconds`` s and follow them to the store.

    Returns rates, the CPU seconds of each process, memory, and what was lost. Raises BenchError.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carecircle-bench-")))
        port = free_port()
        broker = stack.enter_context(any_broker(folder, port))
        settings, environment = settings_in(folder, port)
        engine = roles.prepare(settings)
        stack.callback(engine.dispose)
        say(f"registering {rate} wearers")
        write_district(folder / "district", _members(rate), webhook_url="http://127.0.0.1:9/", webhook_secret=_SECRET)
        imported = registry.import_folder(engine, folder / "district")
        if not imported.applied:
            raise BenchError(f"the registry refused the wearers: {imported.problems[0]}")
        supervisor = Supervisor(log=folder / "log", environment=environment)
        stack.callback(supervisor.stop)
        for role in _ROLES:
            supervisor.add_role(role)
        wait_for(lambda: (settings.state_dir / "gateway.subscribed").exists(), 60, f"the gateway: {folder / 'log'}")
        wait_for(lambda: (settings.journal_dir / "detections").exists(), 60, "the processor")
        processes = {role: psutil.Process(pid) for role, pid in supervisor.process_ids().items()}
        before_s = {role: cpu_s(process) for role, process in processes.items()}
        memory = _PeakMemory(processes)
        say(f"publishing {rate} frames/s for {seconds} s through {broker}")
        started = time.monotonic()
        result = publish_load(
            BrokerAddress(host="127.0.0.1", port=port), frames_per_s=rate, seconds=seconds, on_taken=memory.look
        )
        wait_for(lambda: lag_bytes(settings, "raw", "processor") == 0, _DRAIN_WITHIN_S, "the processor to take all")
        processed_s = time.monotonic() - started
        wait_for(lambda: lag_bytes(settings, "points", "writer") == 0, _DRAIN_WITHIN_S, "the writer to store all")
        stored_s = time.monotonic() - started
        used_s = {role: round(cpu_s(process) - before_s[role], 2) for role, process in processes.items()}
        memory.look(0)
        frames = result.confirmed
        store = open_store(settings.resolved_store_url())
        stored = len(store.latest("motion", ["enmo_g"], by="device"))
        store.close()
        quarantined = sum(
            sum(read_tally(settings.quarantine_dir, s).total().values()) for s in stages(settings.quarantine_dir)
        )
        if stored != rate or quarantined:
            raise BenchError(f"{stored} of {rate} wearers have a point, {quarantined} messages are in the quarantine")
        return {
            "broker": broker,
            "frames": frames,
            "wearers_with_points": stored,
            "frames_offered_per_s": rate,
            "published_per_s": round(result.rate),
            "whole_path": {
                "frames_per_s": round(frames / processed_s),
                "frames_per_cpu_s": round(frames / sum(used_s.values())),
                "processed_after_s": round(processed_s, 2),
                "stored_after_s": round(stored_s, 2),
            },
            "cpu_s": {**used_s, "publisher": round(result.busy_s, 2)},
            "frames_per_cpu_s": {role: round(frames / max(used, 0.01)) for role, used in used_s.items()},
            "memory_mb": {"peak_all_roles": round(memory.peak / 2**20), **memory.by_role()},
        }


class _PeakMemory:
    """The largest sum of the roles' resident memory, looked at about once a second."""

    def __init__(self, processes: dict[str, psutil.Process]) -> None:
        self._processes = processes
        self._next_s = 0.0
        self.peak = 0
        self._last: dict[str, int] = {}

    def look(self, _taken: int) -> None:
        if _taken and time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + 1
        self._last = {role: process.memory_info().rss for role, process in self._processes.items()}
        self.peak = max(self.peak, sum(self._last.values()))

    def by_role(self) -> dict[str, int]:
        return {role: round(size / 2**20) for role, size in self._last.items()}
