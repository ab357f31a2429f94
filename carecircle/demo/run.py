"""Starts everything, lets the district live for a while, and stops everything."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import Engine

import registry
from alerts import queries
from alerts.queries import IncidentView
from carecircle import roles
from carecircle.demo.audit import Audit
from carecircle.demo.responders import Notice, Responders
from carecircle.demo.summary import Summary, summarise, told
from carecircle.ports import free_port
from carecircle.score import collect
from carecircle.score import folder as run_folder
from carecircle.settings import Settings, load
from carecircle.supervisor import Supervisor
from firmware_sim.district import write_district
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.population import Source
from firmware_sim.progress import Progress
from firmware_sim.scenario import load_scenario, members
from firmware_sim.scoring import Found
from firmware_sim.truth import Truth

#: Escalation should show within a minute.
STEP_S = 10.0
_START_WITHIN_S = 60.0
_DRAIN_WITHIN_S = 60.0
_REFRESH_S = 0.5
_PREFERRED_CONSOLE_PORT = 8080


class DemoError(RuntimeError):
    """The demo could not be set up; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. ``seconds`` None: until Ctrl-C. ``data`` has ``falls/``; ``run`` keeps what was played and found."""

    seconds: float | None
    data: Path
    source: Source = "auto"
    seed: int | None = None
    data_dir: Path | None = None
    run: Path | None = None
    scenario: str = "demo"


@dataclass(frozen=True, slots=True)
class View:
    """What there is to show at one moment."""

    stage: str
    console_url: str
    progress: Progress | None
    journaled: int
    incidents: list[IncidentView]
    notices: list[Notice]
    source: str


@contextmanager
def _broker(port: int) -> Iterator[None]:
    try:
        from iotcore import Broker
    except ImportError as error:
        raise DemoError(f"the demo's broker is not there ({error}): pip install iotcore") from None
    broker = Broker(port=port, listen="127.0.0.1", max_payload_size=1 << 20, max_inflight_count=200)
    broker.start()
    try:
        yield
    finally:
        broker.stop()


def _isolate(data_dir: Path, broker_port: int, console_port: int, *, history: bool) -> tuple[Settings, dict[str, str]]:
    """Settings of the demo alone: what the environment says about a real system must not reach it.

    In ``history`` everybody at home was last seen long ago, so that their routine is not watched.
    """
    for name in [name for name in os.environ if name.startswith("CARECIRCLE_") and name != "CARECIRCLE_DATA"]:
        del os.environ[name]
    environment = {
        "CARECIRCLE_DATA_DIR": str(data_dir),
        "CARECIRCLE_BROKER__URL": f"mqtt://127.0.0.1:{broker_port}",
        "CARECIRCLE_ALERTS__STEP_S": str(STEP_S),
        "CARECIRCLE_CONSOLE__PORT": str(console_port),
        "CARECIRCLE_CONSOLE__LOGIN": "false",  # on this machine only, and nobody there is real
        "CARECIRCLE_JOURNAL__RESERVE_BYTES": str(1 << 20),
        "CARECIRCLE_ROUTINE__ENABLED": "false" if history else "true",
    }
    os.environ.update(environment)
    return load(), environment


async def run(options: Options, show: Callable[[View], None]) -> Summary:
    """The whole demo; ``show`` is called twice a second.

    Raises:
        DemoError: something did not start.
        ScoreError: the folder for the run cannot be used.
    """
    with ExitStack() as stack:
        data_dir = options.data_dir
        if data_dir is None:
            data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carecircle-demo-")))
        elif (data_dir / "journal").exists():
            raise DemoError(f"{data_dir} holds an earlier run: name an empty folder, the counts would be mixed up")
        if options.run is not None:
            run_folder.prepare(options.run)
        broker_port, console_port = free_port(), free_port(_PREFERRED_CONSOLE_PORT)
        stack.enter_context(_broker(broker_port))
        scenario = load_scenario(options.scenario)
        settings, environment = _isolate(data_dir, broker_port, console_port, history=scenario.speed > 1)
        progress = _Latest()
        if scenario.drill:
            raise DemoError(f"{scenario.name} is a drill: play it with `carecircle simulate` against your own system")
        fleet = Fleet(
            scenario,
            BrokerAddress(host="127.0.0.1", port=broker_port),
            seed=options.seed,
            source=options.source,
            recordings=options.data / "falls",
            on_progress=progress.take,
        )
        engine = roles.prepare(settings)
        stack.callback(engine.dispose)
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        responders = stack.enter_context(Responders(secret))
        with tempfile.TemporaryDirectory() as folder:
            write_district(
                Path(folder), members(fleet.scenario), webhook_url=responders.url, webhook_secret=secret,
                seed=fleet.seed, staff=fleet.scenario.staff, plan=fleet.scenario.district,
            )  # fmt: skip
            imported = registry.import_folder(engine, Path(folder))
            if not imported.applied:
                raise DemoError(f"the registry refused the district: {imported.problems[0]}")
        supervisor = Supervisor(log=data_dir / "log", environment=environment)
        stack.callback(supervisor.stop)
        for role in settings.roles:
            supervisor.add_role(role)
        audit = stack.enter_context(Audit(settings.journal_dir / "raw"))
        stage = _Stage(fleet, progress, engine, audit, responders, supervisor, settings, show)
        await stage.wait_until_up(settings)
        return await stage.play(options.seconds, options.run)


class _Latest:
    """Keeps the fleet's last progress report."""

    seen: Progress | None = None

    def take(self, progress: Progress) -> None:
        self.seen = progress


class _Stage:
    """The running demo, and what is shown of it."""

    def __init__(
        self,
        fleet: Fleet,
        progress: _Latest,
        engine: Engine,
        audit: Audit,
        responders: Responders,
        supervisor: Supervisor,
        settings: Settings,
        show: Callable[[View], None],
    ) -> None:
        self._fleet, self._engine, self._audit = fleet, engine, audit
        self._responders, self._supervisor, self._show = responders, supervisor, show
        self._url, self._quarantine = settings.resolved_public_url(), settings.quarantine_dir
        self._progress = progress
        self._name = "starting"

    async def wait_until_up(self, settings: Settings) -> None:
        """Until the gateway is subscribed, the processor has its journals open and the console answers."""
        deadline = time.monotonic() + _START_WITHIN_S
        subscribed = settings.state_dir / "gateway.subscribed"
        points = settings.journal_dir / "points"
        while not (subscribed.exists() and points.exists() and await self._console_answers()):
            if time.monotonic() > deadline:
                raise DemoError(f"not all roles have started within {_START_WITHIN_S:.0f} s: see the logs in"
                                f" {settings.data_dir / 'log'}")  # fmt: skip
            await self._refresh()

    async def _console_answers(self) -> bool:
        try:
            async with httpx.AsyncClient(timeout=1) as client:
                return (await client.get(f"{self._url}/healthz")).is_success
        except httpx.HTTPError:
            return False

    async def play(self, seconds: float | None, run: Path | None) -> Summary:
        """Publish, drain, and compare with the truth; ``run`` is the folder to leave it all in."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._fleet.stop)
        self._name = "publishing"
        publishing = asyncio.create_task(self._fleet.run(seconds), name="fleet")
        while not publishing.done():
            await self._refresh()
        truth = publishing.result()
        self._name = "draining"
        published = set(truth.keys())
        deadline = time.monotonic() + _DRAIN_WITHIN_S
        while time.monotonic() < deadline and not self._is_drained(truth, published):
            await self._refresh()
        notices, _ = self._responders.snapshot()
        found, refused = self._found(truth, notices), collect.quarantined(self._quarantine, truth)
        if run is not None:
            run_folder.save_run(run, self._fleet.scenario, truth)
            run_folder.save_found(run, found, refused)
        return summarise(
            truth, self._incidents(), notices, found, refused,
            journaled=len(self._audit), lost=len(self._audit.missing(published)),
        )  # fmt: skip

    def _is_drained(self, truth: Truth, published: set[tuple[str, str, int, int]]) -> bool:
        """Whether everything has arrived and each incident was either taken or called a second time."""
        if self._audit.missing(published):
            return False
        notices, _ = self._responders.snapshot()
        incidents = self._incidents()
        so_far = summarise(truth, incidents, notices, self._found(truth, notices), journaled=0, lost=0)
        if so_far.score.falls_missed or so_far.score.sos_missed:
            return False
        return so_far.notified == len(incidents) and all(
            incident.acknowledged_ms is not None
            or len({notice.responder for notice in notices if notice.incident == incident.id}) > 1
            for incident in incidents
        )

    def _found(self, truth: Truth, notices: list[Notice]) -> list[Found]:
        return collect.reported(self._engine, truth, told=told(notices))

    def _incidents(self) -> list[IncidentView]:
        return queries.open_incidents(self._engine, resolved_since_ms=0)

    async def _refresh(self) -> None:
        self._supervisor.poll()
        notices, _ = self._responders.snapshot()
        incidents = await asyncio.to_thread(self._incidents)
        self._show(
            View(
                self._name,
                self._url,
                self._progress.seen,
                len(self._audit),
                incidents,
                notices,
                self._fleet.source.name,
            )
        )
        await asyncio.sleep(_REFRESH_S)


__all__ = ["DemoError", "Options", "View", "run"]
