"""A whole district on this machine: scenario `lianhu` through broker, gateway, processor, writer and alerts to a
webhook.

    carecircle bench lianhu [--seconds 600] [--json FILE] [--plot FILE]

Everything is the real thing: a broker process, the roles as `carecircle run` starts them, journals with fsync, the
embedded store, a registry with everybody in it, and a simulator in a process of its own. Protects what the project
promises for one small machine: processor time and memory of our processes, nothing lost, time from impact to notice.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Engine

import registry
from alerts import actions
from bench.lianhu_audit import Kept, LianhuAudit
from bench.lianhu_publish import Publisher
from bench.system import lag_bytes, settings_in
from bench.waiting import BenchError, patiently
from bench.watching import MACHINE, Watch
from carecircle import roles
from carecircle.demo.responders import Responders
from carecircle.demo.summary import told
from carecircle.ports import free_port, wait_for_port
from carecircle.score.collect import quarantined, reported
from carecircle.settings import Settings
from carecircle.supervisor import Supervisor
from firmware_sim.district import write_district
from firmware_sim.scenario import Scenario, Spread, load_scenario, members
from firmware_sim.scoring import HIT_MS, Found, match

OURS = ("gateway", "processor", "writer", "alerts")
#: What they are forked from; its memory counts as theirs.
_NURSERY = "nursery"
_JOURNALS = (("raw", "processor"), ("points", "writer"), ("detections", "alerts"))
#: Nothing happens so soon after the start, nor so late before the end: the last falls have time to be told.
_EDGE_S = 20.0
_UP_WITHIN_S = 60.0
_DRAIN_WITHIN_S = 120.0
#: Connections, births and the first points are a start, not a mean.
_SETTLED_AFTER_S = 10.0
_SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()
_IOTCORE = (
    "import sys, time; from iotcore import Broker; "
    "Broker(port=int(sys.argv[1]), listen='127.0.0.1', max_payload_size=1 << 20, max_inflight_count=200).start(); "
    "time.sleep(1e9)"
)


class _Answering(Responders):
    """Responders who take every second incident; they write it themselves, no console runs here."""

    engine: Engine
    first: dict[str, str]

    def _take(self, webhook_id: str, data: dict[str, Any]) -> None:
        self.first.setdefault(str(data["incident"]), str(data["responder"]))
        super()._take(webhook_id, data)

    def _acknowledge(self, incident: str, _url: str) -> None:
        if actions.acknowledge(self.engine, incident, self.first[incident], _now_ms()).done:
            with self._lock:
                self.acknowledged.add(incident)


def planned(seconds: float, wearers: int | None) -> Scenario:
    """The scenario of the box for ``seconds`` and, where it is given, another number of wearers."""
    scenario = load_scenario("lianhu")
    count = scenario.wearers.count if wearers is None else wearers
    share = count / scenario.wearers.count
    span = (min(_EDGE_S, seconds / 3), seconds - min(_EDGE_S, seconds / 3))
    assert isinstance(scenario.falls, Spread)
    assert isinstance(scenario.sos, Spread)
    buttons = max(1, round(scenario.buttons * share))
    return msgspec.structs.replace(
        scenario,
        lasts_s=seconds,
        wearers=msgspec.structs.replace(scenario.wearers, count=count),
        buttons=buttons,
        falls=Spread(count=min(scenario.falls.count, count // 2), between_s=span),
        sos=Spread(count=min(scenario.sos.count, buttons), between_s=span),
    )


def run(
    *,
    seconds: float = 600,
    wearers: int | None = None,
    source: str = "synthetic",
    recordings: Path | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Play the scenario and say what it took, what was lost, and how long a responder waited. Raises BenchError."""
    scenario = planned(seconds, wearers)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carecircle-lianhu-")))
        port = free_port()
        broker, broker_pid = stack.enter_context(_broker(folder, port))
        settings, environment = settings_in(folder, port)
        engine = roles.prepare(settings)
        stack.callback(engine.dispose)
        responders = _Answering(_SECRET)
        responders.engine, responders.first = engine, {}
        stack.enter_context(responders)
        say(f"registering {scenario.wearers.count} people")
        imported_s = _register(engine, scenario, folder / "district", responders.url)
        supervisor = Supervisor(log=folder / "log", environment=environment)
        stack.callback(supervisor.stop)
        for role in OURS:
            supervisor.add_role(role)
        _wait_until_up(settings, folder / "log")
        audit = stack.enter_context(LianhuAudit(settings.journal_dir / "raw"))
        started = supervisor.process_ids()
        say(f"publishing for {seconds:.0f} s through {broker}")
        publisher = Publisher(folder, scenario, port, seconds, source, recordings)
        stack.callback(publisher.end)
        forks = {} if supervisor.nursery_id is None else {_NURSERY: supervisor.nursery_id}
        watched = {**started, **forks, "broker": broker_pid, "simulator": publisher.pid, "bench": os.getpid()}
        gauges = {f"{journal}_bytes": partial(lag_bytes, settings, journal, who) for journal, who in _JOURNALS}
        with Watch(watched, {**gauges, "simulator_messages": publisher.backlog}) as watch:
            begin_s = publisher.wait_until_begun(watch)
            truth = publisher.wait(seconds + 180, lambda: _alive(supervisor, started))
            end_s = begin_s + seconds
            drained = patiently(lambda: not any(gauge() for gauge in gauges.values()), _DRAIN_WITHIN_S)
            drained_s = watch.now_s - end_s
            patience_s = _EDGE_S - drained_s  # the last falls are being told
            if patience_s > 0:
                time.sleep(patience_s)
        patiently(lambda: audit.compare(truth).lost == 0, 10)
        kept = audit.compare(truth)
        notices, _ = responders.snapshot()
        found = reported(engine, truth, told=told(notices))
        score = match(truth, found, quarantined(settings.quarantine_dir, truth))
        window = (begin_s + min(_SETTLED_AFTER_S, seconds / 4), end_s)
        return {
            "broker": broker,
            "seconds": seconds,
            "wearers": scenario.wearers.count,
            "devices": truth.devices,
            "motion": truth.source,
            "cores": os.cpu_count(),
            "registry_import_s": round(imported_s, 1),
            "messages": _messages(kept, seconds),
            "cpu_share_of_a_core": _shares(watch, *window),
            "cpu_us_per_message": _costs(watch, kept.published, begin_s),
            "memory_mb": _memory(watch),
            "drained": {"after_s": round(drained_s, 1), "everything": drained},
            "falls": {"happened": score.falls_injected, "found": score.falls_detected},
            "sos": {"happened": score.sos_injected, "found": score.sos_detected},
            "false_alarms": len(score.false_alarms),
            "false_others": len(score.false_others),
            "duplicates": len(score.duplicates),
            "notices": len(notices),
            "impact_to_notified_s": _latency([(f.device, f.impact_ms) for f in truth.falls], found, "fall"),
            "press_to_notified_s": _latency([(p.device, p.pressed_ms) for p in truth.sos], found, "sos"),
            "series": [
                {
                    "at_s": round(s.at_s - begin_s, 1),
                    "cpu_s": {name: round(used, 2) for name, used in s.cpu_s.items()},
                    "pss_mb": {name: round(m[0] / 2**20, 1) for name, m in s.memory.items()},
                    "backlog": s.gauges,
                }
                for s in watch.samples
            ],
        }


def _register(engine: Engine, scenario: Scenario, folder: Path, url: str) -> float:
    write_district(
        folder, members(scenario), webhook_url=url, webhook_secret=_SECRET, seed=scenario.seed, plan=scenario.district
    )
    begun = time.monotonic()
    imported = registry.import_folder(engine, folder)
    if not imported.applied:
        raise BenchError(f"the registry refused the district: {imported.problems[0]}")
    return time.monotonic() - begun


@contextmanager
def _broker(folder: Path, port: int) -> Iterator[tuple[str, int]]:
    """mosquitto where it is installed, else iotcore, as a process; yields its name and process id."""
    program = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if program is None:
        name, command = "iotcore", [sys.executable, "-c", _IOTCORE, str(port)]
    else:
        name, config = "mosquitto", folder / "mosquitto.conf"
        command = [program, "-c", str(config)]
        lines = (
            f"listener {port} 127.0.0.1",
            "allow_anonymous true",
            "max_queued_messages 0",
            "max_inflight_messages 1000",
        )
        config.write_text("\n".join(lines) + "\n")
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for_port(port)
        yield name, process.pid
    finally:
        process.terminate()
        process.wait()


def _alive(supervisor: Supervisor, started: dict[str, int]) -> None:
    supervisor.poll()
    if supervisor.process_ids() != started:
        raise BenchError("one of the roles died")


def _wait_until_up(settings: Settings, logs: Path) -> None:
    for role, sign in (
        ("gateway", settings.state_dir / "gateway.subscribed"),
        ("processor", settings.journal_dir / "detections"),
    ):
        if not patiently(sign.exists, _UP_WITHIN_S):
            log = logs / f"{role}.log"
            said = log.read_text()[-800:] if log.exists() else ""
            raise BenchError(f"the {role} was not up after {_UP_WITHIN_S:.0f} s: {said}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _messages(kept: Kept, seconds: float) -> dict[str, Any]:
    return {
        "published": kept.published,
        "per_s": round(kept.published / seconds),
        "journaled": kept.journaled,
        "lost": kept.lost,
        "journaled_again": kept.again,
        "unseen_bytes": kept.unseen_bytes,
    }


def _shares(watch: Watch, begin_s: float, end_s: float) -> dict[str, float]:
    """``others`` is what ran beside the benchmark: with much of it nothing here says what the machine can do."""
    shares = {name: watch.share(name, begin_s, end_s) for name in (*OURS, "broker", "simulator", "bench")}
    ours = sum(shares[name] for name in OURS)
    shares["others"] = max(0.0, watch.share(MACHINE, begin_s, end_s) - sum(shares.values()))
    return {"ours_together": round(ours, 3), **{name: round(share, 3) for name, share in shares.items()}}


def _costs(watch: Watch, messages: int, begin_s: float) -> dict[str, float]:
    """From the first message until everything was drained: on a busy machine too this says what the work takes."""
    before = max((s for s in watch.samples if s.at_s <= begin_s), key=lambda s: s.at_s, default=watch.samples[0])
    spent = {name: watch.samples[-1].cpu_s[name] - before.cpu_s.get(name, 0.0) for name in (*OURS, "broker")}
    each = {name: round(cpu_s / max(1, messages) * 1e6, 2) for name, cpu_s in spent.items()}
    return {"ours_together": round(sum(each[name] for name in OURS), 2), **each}


def _memory(watch: Watch) -> dict[str, Any]:
    """The most that was seen. ``pss``: pages that processes share are divided among them; ``rss``: counted by each."""
    both = {}
    for which, name in enumerate(("pss", "rss")):
        each = {role: round(watch.most(role, which) / 2**20) for role in (*OURS, _NURSERY, "broker", "simulator")}
        both[name] = {"ours_together": round(watch.most_together([*OURS, _NURSERY], which) / 2**20), **each}
    return both


def _latency(happened: Sequence[tuple[str, int]], found: Sequence[Found], kind: str) -> dict[str, float | None]:
    """From what happened to the first notice of it, seconds."""
    waited = []
    for device, at_ms in happened:
        notified = [
            one.notified_ms
            for one in found
            if one.kind == kind and one.device == device and one.notified_ms and abs(one.onset_ms - at_ms) <= HIT_MS
        ]
        if notified:
            waited.append((min(notified) - at_ms) / 1000)
    if not waited:
        return {"p50": None, "p99": None, "max": None}
    p50, p99, most = np.percentile(waited, [50, 99, 100])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(float(most), 3)}
