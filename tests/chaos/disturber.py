"""Does to a running system what a schedule says."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from carecircle import supervisor
from tests.chaos.disturbances import ROLES, Disturbance, Kind
from tests.chaos.ledger import Ledger
from tests.chaos.proxy import Proxy
from tests.chaos.recovery import (
    Recoveries,
    Sign,
    alerts_works,
    link_sign,
    moved_sign,
    processor_works,
    restart_sign,
    written,
)
from tests.e2e.system import System
from tests.servers.influxdb import InfluxServer
from tests.servers.mosquitto import Mosquitto

_KILLED = -9
_CHUNKS = (1 << 20, 4096)


@dataclass(slots=True)
class Stage:
    """Everything that can be disturbed. ``disk`` is the mount point that is filled."""

    system: System
    broker: Mosquitto
    influx: InfluxServer
    devices: Proxy
    gateway: Proxy
    from_devices: Ledger
    to_gateway: Ledger
    disk: Path


class Deaths(logging.Handler):
    """What the supervisor says of processes that ended, as (role, exit code) in ``ends``. A context manager."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[str, int]] = []
        self._log = logging.getLogger(supervisor.__name__)

    def emit(self, record: logging.LogRecord) -> None:
        """Take role and exit code out of a record."""
        if isinstance(record.args, tuple) and len(record.args) >= 2:
            self.ends.append((str(record.args[0]), int(str(record.args[1]))))

    def __enter__(self) -> Self:
        self._log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._log.removeHandler(self)


@dataclass
class Disturber:
    """Runs a schedule in threads of its own, from :meth:`start` to :meth:`join`."""

    stage: Stage
    plan: Sequence[Disturbance]
    recoveries: Recoveries
    deaths: Deaths
    broker_kills_ms: list[int] = field(default_factory=list)
    alerts_kills_ms: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)

    def start(self, started_s: float) -> None:
        """Begin; ``started_s`` is when the fleet starts, monotonic."""
        self._thread = threading.Thread(target=self._run, args=(started_s,), name="disturber", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Return when the last disturbance is over."""
        self._thread.join()

    def died_alone(self) -> list[str]:
        """Roles that have ended though nobody killed them."""
        own = [f"{role} ended with {code}" for role, code in self.deaths.ends if code != _KILLED]
        killed = Counter(role for role, code in self.deaths.ends if code == _KILLED)
        return own + [f"{role} was killed by somebody else" for role in (killed - self.kills)]

    def _run(self, started_s: float) -> None:
        threads = []
        for one in self.plan:
            time.sleep(max(0.0, started_s + one.at_s - time.monotonic()))
            thread = threading.Thread(target=self._try, args=(one,), name=f"disturb {one.kind}", daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()

    def _try(self, one: Disturbance) -> None:
        try:
            self._do(one)
        except Exception as error:
            self.problems.append(f"{one}: {type(error).__name__}: {error}")

    def _do(self, one: Disturbance) -> None:
        stage, begun_s = self.stage, time.monotonic()
        match one.kind:
            case kind if kind in ROLES:
                dead = self._kill(kind)
                self.recoveries.wait_for(one, begun_s, self._role_sign(kind, dead, begun_s))
                return
            case Kind.BROKER:
                stage.broker.kill()
                self.broker_kills_ms.append(_now_ms())
                time.sleep(one.lasts_s)
                stage.broker.start()
                sign = link_sign(stage.to_gateway, begun_s)
            case Kind.INFLUX:
                stage.influx.kill()
                time.sleep(one.lasts_s)
                sign = moved_sign(written(stage.system))
                stage.influx.start()
            case Kind.CUT_DEVICES | Kind.CUT_GATEWAY:
                ours = one.kind is Kind.CUT_DEVICES
                link, ledger = (stage.devices, stage.from_devices) if ours else (stage.gateway, stage.to_gateway)
                link.cut()
                time.sleep(one.lasts_s)
                sign = link_sign(ledger, time.monotonic())
                link.mend()
            case Kind.SLOW_DEVICES | Kind.SLOW_GATEWAY:
                link = stage.devices if one.kind is Kind.SLOW_DEVICES else stage.gateway
                link.slow(one.delay_s)
                time.sleep(one.lasts_s)
                link.slow(0.0)
                return  # a slow link works all the time
            case Kind.DISK:
                if not _fill(stage.disk / "ballast", one.lasts_s):
                    self.problems.append(f"{one}: the disk was not full")
                sign = moved_sign(lambda: stage.to_gateway.acks)
            case _:
                raise ValueError(one)
        self.recoveries.wait_for(one, begun_s, sign)

    def _kill(self, role: Kind) -> int:
        system = self.stage.system
        system.kill(role)
        self.kills[role] += 1
        if role is Kind.ALERTS:
            self.alerts_kills_ms.append(_now_ms())
        return system.supervisor.process_ids().get(role, -1)

    def _role_sign(self, role: Kind, dead: int, begun_s: float) -> Sign:
        system = self.stage.system
        if role is Kind.GATEWAY:
            return link_sign(self.stage.to_gateway, begun_s)
        works = {
            Kind.PROCESSOR: processor_works(system),
            Kind.WRITER: lambda _pid: moved_sign(written(system)),
            Kind.ALERTS: alerts_works(system),
        }[role]
        return restart_sign(lambda: system.supervisor.process_ids().get(role), dead, works)


def _fill(ballast: Path, seconds: float) -> bool:
    """Fill the disk to the last byte, take what others give back as well, and then give all of it back.

    Whether it was full.
    """
    was_full = False
    until_s = time.monotonic() + seconds
    with ballast.open("wb", buffering=0) as file:
        while time.monotonic() < until_s:
            for size in _CHUNKS:
                try:
                    while time.monotonic() < until_s and file.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    was_full |= error.errno == errno.ENOSPC
            time.sleep(0.02)
    ballast.unlink()
    return was_full


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
