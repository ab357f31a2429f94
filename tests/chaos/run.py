"""A whole system with a fleet, disturbed by a schedule, and the account of what became of everything."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import Scenario, members, parse_scenario
from firmware_sim.truth import Truth
from tests.chaos.account import Account, settle
from tests.chaos.disturbances import Disturbance, schedule
from tests.chaos.disturber import Deaths, Disturber, Stage
from tests.chaos.proxy import Proxy
from tests.chaos.recovery import Recoveries
from tests.chaos.report import Report
from tests.chaos.witness import Case, Witness
from tests.e2e.system import STAGES, System, wait_until
from tests.servers.influxdb import InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.sink import Answer, Sink

_SCENARIO = """
name: chaos
wearers: {{count: {wearers}, gyroscope: false}}
buttons: {presses}
falls: {{count: {falls}, between_s: [10, {last_fall_s}]}}
sos: {{count: {presses}, between_s: [6, {last_press_s}]}}
vitals: {{every_s: 10}}
"""
#: A fall is decided on some seconds after it, and its frames must go out before the fleet stops.
_AFTER_FALL_S, _AFTER_PRESS_S = 12.0, 5.0
#: Making the wearers takes this long at most; the fleet starts then.
_MAKING_S = 8.0
#: What the sink takes to answer: long enough for alerts to be killed with a message on its way.
_ANSWERS_AFTER_S = 0.2
#: How long the devices go on trying, and how long the stages may take to come to rest.
_DRAIN_S, _REST_S = 90.0, 120.0
#: An account with something open that has not changed for this long does not change any more.
_STANDS_S = 30.0
#: After the last thing that was due: long enough for something to be told twice.
_QUIET_S = 4.0


def chosen_seed() -> int:
    """``CHAOS_SEED``, or another one each time; the report names it."""
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much, how often. ``longer`` multiplies how long disturbances last at most."""

    seed: int
    seconds: float
    wearers: int = 300
    falls: int = 25
    presses: int = 10
    every_s: float = 4.5
    longer: float = 1.0

    def scenario(self) -> Scenario:
        """Who is there and what happens to them."""
        text = _SCENARIO.format(
            wearers=self.wearers,
            falls=self.falls,
            presses=self.presses,
            last_fall_s=self.seconds - _AFTER_FALL_S,
            last_press_s=self.seconds - _AFTER_PRESS_S,
        )
        return parse_scenario(text, "chaos")

    def disturbances(self) -> list[Disturbance]:
        """What happens to the system."""
        return schedule(self.seed, self.seconds, every_s=self.every_s, longer=self.longer)


def run(plan: Plan, folder: Path, disk: Path, broker: Mosquitto, influx: InfluxServer, sink: Sink) -> Report:
    """Disturb a system for ``plan.seconds`` and settle the account. ``broker`` runs and saves every second.

    Args:
        folder: for everything that is not on ``disk``.
        disk: mount point of a disk of its own for the journals, which is filled.
    """
    print(f"chaos run of {plan.seconds:.0f} s, again with CHAOS_SEED={plan.seed}", flush=True)
    scenario, witness = plan.scenario(), Witness()
    sink.default["notify"] = Answer(delay_s=_ANSWERS_AFTER_S)
    environment = {
        "CARECIRCLE_DATA_DIR": str(disk / "data"),
        "CARECIRCLE_DATABASE_URL": f"sqlite:///{folder}/carecircle.db",
        "CARECIRCLE_STORE__URL": influx.url,
        "CARECIRCLE_STORE__TOKEN": influx.token,
        "CARECIRCLE_JOURNAL__SEGMENT_BYTES": str(4 << 20),
        "CARECIRCLE_JOURNAL__CHECKPOINT_S": "2",
        "CARECIRCLE_ALERTS__STEP_S": "86400",  # nobody acknowledges: a second call of an incident would be a wrong one
        "CARECIRCLE_ALERTS__REPEAT_S": "86400",
    }
    with (
        Proxy(broker.port, witness.from_devices.watch) as devices,
        Proxy(broker.port, witness.to_gateway.watch) as gateway,
        System(
            folder, members(scenario),
            broker_url=f"mqtt://127.0.0.1:{gateway.port}", webhook_url=sink.url("notify"), environment=environment,
        ) as system,
        ExitStack() as followed,
        Recoveries() as recoveries,
        Deaths() as deaths,
    ):  # fmt: skip
        followers = [followed.enter_context(one) for one in witness.followers(system.settings.journal_dir)]
        stage = Stage(system, broker, influx, devices, gateway, witness.from_devices, witness.to_gateway, disk)
        disturber = Disturber(stage, plan.disturbances(), recoveries, deaths)
        truth = _publish(scenario, plan, devices.port, disturber)
        disturber.join()
        _come_to_rest(disturber)
        account = _settled(Case(witness, truth, disturber, system, influx, sink))
        for one in followers:
            one.check()
        account.failures += _problems(disturber)
        return Report(
            seed=plan.seed,
            seconds=plan.seconds,
            disturbances=[str(one) for one in disturber.plan],
            staged_falls=len(truth.falls),
            delivered_again=witness.to_gateway.repeated,
            gateway_held=_log(system, "gateway").count("resumed after holding"),
            account=account,
            recoveries=recoveries.table(),
        )


def _settled(case: Case) -> Account:
    """The account when nothing changes any more."""
    account, since_s = settle(case.evidence()), time.monotonic()
    while account.failures and time.monotonic() - since_s < _STANDS_S:
        time.sleep(2.0)
        now = settle(case.evidence())
        if now != account:
            account, since_s = now, time.monotonic()
    time.sleep(_QUIET_S)
    return settle(case.evidence())


def _problems(disturber: Disturber) -> list[str]:
    """What went wrong beside the account."""
    stage = disturber.stage
    problems = disturber.problems + [one.problem for one in (stage.devices, stage.gateway) if one.problem]
    problems += disturber.died_alone()
    problems += [f"a traceback in the log of {role}" for role in STAGES if "Traceback" in _log(stage.system, role)]
    return problems + [f"no sign that it works again: {one}" for one in disturber.recoveries.pending]


def _log(system: System, role: str) -> str:
    """All of a role's log, over its deaths."""
    return (system.folder / "log" / f"{role}.log").read_text(errors="replace")


def _publish(scenario: Scenario, plan: Plan, port: int, disturber: Disturber) -> Truth:
    start_s = time.monotonic() + _MAKING_S
    start_ms = time.time_ns() // 1_000_000 + round(_MAKING_S * 1000)
    fleet = Fleet(scenario, BrokerAddress("127.0.0.1", port), seed=plan.seed, source="synthetic", start_ms=start_ms)
    disturber.start(start_s)
    return asyncio.run(fleet.run(plan.seconds, drain_s=_DRAIN_S))


def _come_to_rest(disturber: Disturber) -> None:
    """Wait until everything works again and nothing is on its way; what does not come to rest is a problem."""
    stage, problems = disturber.stage, disturber.problems
    system = stage.system
    killed_ms = max(disturber.broker_kills_ms, default=0)

    def is_delivered(digest: bytes) -> bool:
        taken, passed = stage.from_devices.messages[digest], stage.to_gateway.messages.get(digest)
        lost = taken.acked_ms is not None and taken.acked_ms <= killed_ms  # perhaps
        return lost or (passed is not None and passed.acked_ms is not None)

    def all_delivered() -> bool:
        return all(is_delivered(digest) for digest in list(stage.from_devices.newest.values()))

    for ready, what in (
        (lambda: not disturber.recoveries.pending, "everything works again"),
        (all_delivered, "the broker has delivered the last message of every device"),
        (lambda: system.lag("raw", "processor") == 0, "the processor has taken everything"),
        (lambda: system.lag("detections", "alerts") == 0, "alerts has taken everything"),
        (lambda: system.lag("points", "writer") == 0, "the writer has taken everything"),
    ):
        try:
            wait_until(ready, _REST_S, what)
        except TimeoutError as error:
            problems.append(str(error))
