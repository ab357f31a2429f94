"""A whole system with a fleet, disturbed by a schedule, and the account of what became of everything."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from carecircle.roles import owners_of
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.scenario import Scenario, members, parse_scenario
from firmware_sim.truth import Truth
from journal.quarantine import list_entries
from telemetry.blocks import messages_of
from telemetry.codec import Motion, decode
from telemetry.messages import Vitals
from telemetry.topics import Stream, parse_topic
from tests.chaos.account import Account, Delivery, Evidence, Frame, PointKey, Reported, Sent, settle
from tests.chaos.disturbances import Disturbance, schedule
from tests.chaos.disturber import Deaths, Disturber, Stage
from tests.chaos.followers import Follower
from tests.chaos.ledger import Ledger, digest_of
from tests.chaos.points import Fields, add_built, expected_points, stored_points
from tests.chaos.proxy import Proxy
from tests.chaos.recovery import Recoveries
from tests.chaos.report import Report
from tests.chaos.undisturbed import undisturbed
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
#: Points of these measurements are made of messages or incidents.
_MEASUREMENTS = (
    "motion",
    "motion_raw",
    "vitals",
    "device",
    "device_finding",
    "area_state",
    "incident",
    "score",
    "baseline",
)


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
    scenario = plan.scenario()
    from_devices, to_gateway = Ledger(by_client=True), Ledger(by_client=False)
    journaled: set[bytes] = set()
    built: dict[PointKey, Fields] = {}
    print(f"chaos run of {plan.seconds:.0f} s, again with CHAOS_SEED={plan.seed}", flush=True)
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

    def take_raw(record: bytes) -> None:
        journaled.update(digest_of(message.topic, message.payload) for message in messages_of(record))

    with (
        Proxy(broker.port, from_devices.watch) as devices,
        Proxy(broker.port, to_gateway.watch) as gateway,
        System(
            folder, members(scenario),
            broker_url=f"mqtt://127.0.0.1:{gateway.port}", webhook_url=sink.url("notify"), environment=environment,
        ) as system,
        Follower(system.settings.journal_dir / "raw", take_raw) as raw,
        Follower(system.settings.journal_dir / "points", lambda record: add_built(built, record)) as points,
        Follower(system.settings.journal_dir / "reports", lambda record: add_built(built, record)) as reports,
        Recoveries() as recoveries,
        Deaths() as deaths,
    ):  # fmt: skip
        stage = Stage(system, broker, influx, devices, gateway, from_devices, to_gateway, disk)
        disturber = Disturber(stage, plan.disturbances(), recoveries, deaths)
        truth = _publish(scenario, plan, devices.port, disturber)
        disturber.join()
        _come_to_rest(disturber)
        said = _Said.of(from_devices)
        owners = owners_of(system.engine)() or {}
        calm = undisturbed(said.motion.values(), owners)
        kept = to_gateway.acked().keys() | journaled
        moved = undisturbed((frame for digest, frame in said.motion.items() if digest in kept), owners)
        evidence = Evidence(
            sent=said.sent,
            published=set(truth.keys()),
            broker_kills_ms=disturber.broker_kills_ms,
            alerts_kills_ms=disturber.alerts_kills_ms,
            presses=truth.sos,
            falls=calm.falls,
            frames=said.frames,
            built=built,
        )

        def look() -> Account:
            evidence.acked = to_gateway.acked()
            evidence.journaled = journaled
            evidence.refused = [
                f"{one.reason} ({one.stage}): {one.detail}" for one in list_entries(system.settings.quarantine_dir)
            ]
            evidence.reported = _reported(system)
            evidence.deliveries = _deliveries(sink)
            readings = [(device, one) for digest, device, one in said.readings if digest in kept]
            evidence.expected = expected_points(readings, moved.movement, owners)
            evidence.built = {key: fields for key, fields in list(built.items()) if key[0] in _MEASUREMENTS}
            evidence.stored = stored_points(influx, _MEASUREMENTS)
            return settle(evidence)

        before, since_s = look(), time.monotonic()
        while before.failures and time.monotonic() - since_s < _STANDS_S:
            time.sleep(2.0)
            now = look()
            if now != before:
                before, since_s = now, time.monotonic()
        time.sleep(_QUIET_S)
        account = look()
        for one in (raw, points, reports):
            one.check()
        problems = disturber.problems + [proxy.problem for proxy in (devices, gateway) if proxy.problem]
        problems += disturber.died_alone()
        problems += [f"a traceback in the log of {role}" for role in STAGES if "Traceback" in _log(system, role)]
        problems += [f"no sign that {one.kind} works again after {one.at_s:.1f} s" for one in recoveries.pending]
        account.failures += problems
        return Report(
            seed=plan.seed,
            seconds=plan.seconds,
            disturbances=[
                f"{d.at_s:7.1f} s  {d.kind} {d.lasts_s or ''} {d.delay_s or ''}".rstrip() for d in disturber.plan
            ],
            staged_falls=len(truth.falls),
            delivered_again=to_gateway.repeated,
            gateway_held=_log(system, "gateway").count("resumed after holding"),
            account=account,
            recoveries=recoveries.table(),
        )


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


@dataclass(slots=True)
class _Said:
    """What devices sent, decoded, by digest where it matters."""

    sent: dict[bytes, Sent]
    motion: dict[bytes, tuple[bytes, Motion]]
    frames: dict[str, list[Frame]]
    readings: list[tuple[bytes, str, Vitals]]

    @classmethod
    def of(cls, ledger: Ledger) -> _Said:
        said = cls({}, {}, defaultdict(list), [])
        for digest, one in ledger.messages.items():
            device, stream = parse_topic(one.topic)
            message = decode(stream, one.payload)
            said.sent[digest] = Sent((device, stream.value, message.boot, message.seq), one.acked_ms)
            if isinstance(message, Motion):
                said.motion[digest] = one.topic, message
                said.frames[device].append(Frame(message.t, digest))
            elif stream is Stream.VITALS and isinstance(message, Vitals):
                said.readings.append((digest, device, message))
        return said


def _log(system: System, role: str) -> str:
    """All of a role's log, over its deaths."""
    return (system.folder / "log" / f"{role}.log").read_text(errors="replace")


def _reported(system: System) -> list[Reported]:
    return [
        Reported(incident.id, one.kind, one.device, one.detection, one.onset_ms)
        for incident in system.incidents()
        for one in incident.evidence
        if one.stage == "confirmed"
    ]


def _deliveries(sink: Sink) -> list[Delivery]:
    to_epoch_ms = time.time_ns() // 1_000_000 - round(time.monotonic() * 1000)
    return [
        Delivery(
            id=one.id,
            incident=one.data["incident"],
            step=(one.data["round"], one.data["step"], one.data["beside"]),
            at_ms=round(one.at_s * 1000) + to_epoch_ms,
            is_repeat=one.data["repeat"],
            is_genuine=one.genuine,
        )
        for one in list(sink.received)
        if one.body["type"] == "incident.notify"
    ]
