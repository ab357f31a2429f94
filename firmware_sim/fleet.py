"""Many devices at once, from a scenario, against a broker; afterwards, the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from firmware_sim.agenda import Agenda
from firmware_sim.clock import Clock
from firmware_sim.device import Device
from firmware_sim.errors import BrokerRefusedError, SimulationError
from firmware_sim.faults.afflicted import Afflicted
from firmware_sim.faults.cast import Faults
from firmware_sim.faults.disturbance import Disturbance, RestartBroker
from firmware_sim.faults.record import Record
from firmware_sim.history import BACKLOG, History
from firmware_sim.mqtt import REFUSALS, BrokerAddress, allow_sockets
from firmware_sim.pool import PooledWearer
from firmware_sim.pool_lane import PoolLane
from firmware_sim.pool_session import PoolSession
from firmware_sim.population import Source, build_devices, motion_pool, motion_source
from firmware_sim.progress import Pace, Progress
from firmware_sim.scenario import Scenario, members
from firmware_sim.session import Message, Session
from firmware_sim.truth import Fault, Truth
from firmware_sim.wearer import Wearer
from firmware_sim.what_happened import what_happened
from telemetry.codec import decode_command
from telemetry.errors import TelemetryError
from telemetry.topics import Stream, topic

#: Connections being made at the same time; mosquitto's backlog is 100.
_CONNECTING = 64
#: Of a hub: it speaks for many.
_HUB_WINDOW = 512
#: Making one device takes about as long; a district's must not begin with seconds of history.
_MAKING_S = 200e-6
#: The loop looks up this often at most and at least, in s of real time.
_SHORTEST_NAP_S, _LONGEST_NAP_S = 0.005, 0.05
_CMD = f"/{Stream.CMD.value}"


class Fleet:
    """The devices of a scenario.

    Everything that does not depend on the broker follows from scenario, seed, source and ``start_ms``: the same four
    make the same motion, vitals and events, bit for bit with the synthetic source. Status messages carry the time of
    their connection.

    Args:
        scenario: who there is and what happens.
        broker: where to publish.
        seed: instead of the scenario's.
        source: ``auto``, ``recordings`` or ``synthetic``.
        recordings: folder of the recordings, for the first two.
        start_ms: when the motion starts, by ``clock``; default: when :meth:`run` is called, or with ``speed`` so that
            it ends then.
        speed: instead of the scenario's; above 1 the run is published as history, see :mod:`firmware_sim.history`.
        clock: default: the wall clock, or one of that speed. A clock that is given is live at whatever pace it runs.
        on_progress: called twice a second.
        on_broker_restart: restarts the broker and returns when it is back, for a scenario with that fault.
    """

    def __init__(
        self,
        scenario: Scenario,
        broker: BrokerAddress,
        *,
        seed: int | None = None,
        source: Source = "auto",
        recordings: Path | None = None,
        start_ms: int | None = None,
        speed: float | None = None,
        clock: Clock | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_broker_restart: RestartBroker | None = None,
    ) -> None:
        self.scenario = scenario
        speed = scenario.speed if speed is None else speed
        self._history = History(scenario, speed) if speed > 1 and clock is None else None
        self.seed = scenario.seed if seed is None else seed
        self.source = motion_source(source, self.seed, recordings, activities=scenario.wearers.activities)
        self._pool = motion_pool(scenario, self.source, self.seed)
        self.faults: list[Fault] = []
        self._broker = broker
        self._clock = clock or Clock()
        self._start_ms = start_ms
        self._on_progress = on_progress
        self._on_broker_restart = on_broker_restart
        self._disturbance: Disturbance | None = None
        self._stop = asyncio.Event()
        self._devices: dict[str, Device] = {}
        self._fallers: list[Wearer] = []
        self._sessions: list[Session] = []
        self._pools: list[PoolSession] = []
        self._session_of: dict[str, Session] = {}
        self._pace = Pace()
        self._agenda: Agenda[Device | Afflicted] = Agenda()

    @property
    def devices(self) -> Sequence[Device]:
        """The devices, once :meth:`run` has made them."""
        return list(self._devices.values())

    @property
    def problem(self) -> str:
        """What troubles a connection now or did last, in words; empty when all is well."""
        return next((session.problem for session in self._sessions if session.problem), "")

    @property
    def waiting(self) -> int:
        """Messages that the broker has not taken."""
        return sum(session.pending for session in self._sessions)

    def stop(self) -> None:
        """End the run early, as if its time were over."""
        self._stop.set()

    async def run(self, duration_s: float | None, *, drain_s: float = 15.0) -> Truth:
        """Publish for ``duration_s`` simulated seconds, then drain for ``drain_s`` at most.

        None: as long as the scenario lasts, which may be until :meth:`stop`.

        Draining means: no new motion, but what waits goes out, and calls are repeated until acknowledged.

        Raises:
            BrokerRefusedError: the broker refuses every device.
            SimulationError: the scenario cannot be played, or the system allows too few connections.
        """
        duration_s = self.scenario.lasts_s if duration_s is None else duration_s
        start_ms = self._start_ms = self._begin_ms(duration_s)
        scenario = self.scenario if self._history is None else self._history.scenario
        devices = build_devices(scenario, self.source, self.seed, start_ms, self._pool)
        if self._history is not None:
            self._clock = Clock(speed=self._history.speed, start_ms=start_ms)
        clock = self._clock
        self._devices = {device.id: device for device in devices}
        self._fallers = [device for device in devices if isinstance(device, Wearer) and device.track.falls]
        self._disturbance = self._disturb(devices, start_ms)
        self._connect_all(devices)
        gate = asyncio.Semaphore(_CONNECTING)
        links = [asyncio.create_task(s.run(gate), name=f"session {s.name}") for s in self._sessions]
        end_ms = None if duration_s is None else start_ms + int(duration_s * 1000)
        try:
            for device in devices:
                self._agenda.plan(self._speaker(device))
            await self._publish(end_ms)
            ended_ms = clock.now_ms() if end_ms is None or self._stop.is_set() else end_ms
            await self._drain(drain_s)
            return self.truth(ended_ms)
        finally:
            for session in self._sessions:
                session.stop()
            for task in links:
                task.cancel()
            await asyncio.gather(*links, return_exceptions=True)
            await asyncio.sleep(0)  # let the sockets close

    def _begin_ms(self, duration_s: float | None) -> int:
        if self._start_ms is not None:
            return self._start_ms
        now_ms = self._clock.now_ms()
        if self._history is None:
            lead_s = _MAKING_S * len(members(self.scenario))
            return now_ms + int(lead_s * 1000)
        if duration_s is None:
            raise SimulationError(f"{self.scenario.name}: with a speed it must be known how long it lasts: `lasts_s`")
        return now_ms - int(duration_s * 1000)

    def truth(self, end_ms: int) -> Truth:
        """What happened up to ``end_ms``, and what the broker took until now."""
        assert self._start_ms is not None
        record = Record() if self._disturbance is None else self._disturbance.record
        happened = what_happened(
            self.scenario,
            self._devices.values(),
            record,
            source=self.source.name,
            seed=self.seed,
            start_ms=self._start_ms,
            end_ms=end_ms,
        )
        pooled = [part for session in self._pools for part in session.lane.published()]
        return msgspec.structs.replace(
            happened,
            published=[*happened.published, *pooled],
            faults=[*self.faults, *happened.faults],
            happenings=happened.happenings if self._history is None else self._history.explained(happened.happenings),
        )

    def drop_links(self) -> None:
        """Break every connection at once, as a lost network does. They come back by themselves."""
        self.faults.append(Fault(kind="links_dropped", device="", at_ms=self._clock.now_ms()))
        for session in self._sessions:
            session.drop_link()

    # Connections.

    def _connect_all(self, devices: Sequence[Device]) -> None:
        connection = self.scenario.connection
        if connection.kind == "each":
            groups = [(device.id, [device]) for device in devices]
        else:
            links = min(connection.links, max(1, len(devices)))
            groups = [(f"hub-{i + 1:03}", list(devices[i::links])) for i in range(links)]
        allow_sockets(len(groups))
        self._sessions = []
        for index, (name, group) in enumerate(groups):
            session = self._session(name, group, np.random.default_rng([self.seed, index, 2]))
            self._sessions.append(session)
            if isinstance(session, PoolSession):
                self._pools.append(session)
            for device in group:
                self._session_of[device.id] = session

    def _session(self, name: str, group: list[Device], rng: np.random.Generator) -> Session:
        speakers = [self._speaker(device) for device in group]
        beside = [] if self._disturbance is None else self._disturbance.listens_to(group)

        def greet() -> list[Message]:
            now_ms = self._clock.now_ms()
            return [self._said(message) for speaker in speakers for message in speaker.greet(now_ms)]

        def will() -> tuple[str, bytes] | None:
            # A hub's will could name one of its devices only; theirs is the silence that follows.
            if self.scenario.connection.kind != "each":
                return None
            on, payload = speakers[0].will(self._clock.now_ms())
            return on, payload if self._history is None else self._history.said_now(payload, on.encode())

        make: Callable[..., Session] = Session
        pooled = [device for device in group if isinstance(device, PooledWearer)]
        if pooled:
            make = partial(PoolSession, lane=PoolLane(pooled, max(1, int(self.scenario.buffer_s))))
        return make(
            name,
            self._broker,
            greet=greet,
            will=will,
            on_message=self._command,
            topics=[topic(device.id, Stream.CMD) for device in group] + beside,
            rng=rng,
            window=64 if len(group) == 1 else _HUB_WINDOW,
        )

    def _said(self, message: Message) -> Message:
        return message if self._history is None else self._history.said(message)

    def _command(self, on: str, payload: bytes) -> None:
        device = self._devices.get(on.split("/")[2] if on.count("/") == 3 else "")
        if self._disturbance is not None and not on.endswith(_CMD):
            self._disturbance.heard(on, payload)
            return
        if device is None:
            return
        try:
            command = decode_command(payload)
        except TelemetryError as error:
            self.faults.append(
                Fault(kind="bad_command", device=device.id, at_ms=self._clock.now_ms(), detail=error.detail)
            )
            return
        device.command(command, self._clock.now_ms())
        self._agenda.plan(self._speaker(device))

    # Faults.

    def _disturb(self, devices: Sequence[Device], start_ms: int) -> Disturbance | None:
        scenario = self.scenario
        if not scenario.faults:
            return None
        if self._history is not None:
            speed = self._history.speed
            raise SimulationError(f"{scenario.name}: faults are for real time only, not for speed {speed:g}")
        own_links = scenario.connection.kind == "each"
        faults = Faults(scenario.faults, devices, seed=self.seed, start_ms=start_ms, own_links=own_links)
        return Disturbance(faults, self._clock, self._on_broker_restart)

    def _speaker(self, device: Device) -> Device | Afflicted:
        return device if self._disturbance is None else self._disturbance.speaker(device)

    # Time.

    def _wake(self, now_ms: int) -> None:
        for session in self._pools:
            session.advance(now_ms)
        self._wake_devices(now_ms)

    def _wake_devices(self, now_ms: int) -> None:
        for device in self._agenda.due(now_ms):
            session = self._session_of[device.id]
            if isinstance(device, Device):
                for message in device.wake(now_ms):
                    session.send(self._said(message))
            elif self._disturbance is not None:
                for said in device.wake(now_ms):
                    self._disturbance.let_out(session, said)

    async def _publish(self, end_ms: int | None) -> None:
        """Wake devices at their instants until ``end_ms`` or until told to stop."""
        clock = self._clock
        while not self._stop.is_set():
            now_ms = clock.now_ms()
            until_ms = now_ms if end_ms is None else min(now_ms, end_ms)
            self._wake(until_ms)
            if self._disturbance is not None:
                self._disturbance.strike_broker(until_ms)
            self._report()
            if end_ms is not None and now_ms >= end_ms:
                return
            next_ms = now_ms + 1000 if self._agenda.next_ms is None else self._agenda.next_ms
            shortest_ms, longest_ms = (nap_s * 1000 * clock.speed for nap_s in (_SHORTEST_NAP_S, _LONGEST_NAP_S))
            await clock.sleep_until(min(max(next_ms, now_ms + shortest_ms), now_ms + longest_ms))
            self._check_refusals()
            while self._history is not None and self.waiting > BACKLOG and not self._stop.is_set():
                self._report()
                await clock.stand_still(_SHORTEST_NAP_S)
                self._check_refusals()

    async def _drain(self, drain_s: float) -> None:
        """Let everything out that waits; then say farewell for each device."""
        loop = asyncio.get_running_loop()
        for device in self._devices.values():
            device.halt()
        if self._disturbance is not None:
            await self._disturbance.finish(self._session_of)
        deadline = loop.time() + drain_s
        while loop.time() < deadline and (any(s.pending for s in self._sessions) or self._open_calls()):
            self._wake_devices(self._clock.now_ms())
            self._report()
            await asyncio.sleep(0.02)
        if self._disturbance is not None:
            self._disturbance.take_back(self._session_of)
        for device in self._living():
            session = self._session_of[device.id]
            if session.is_up:
                session.send(self._said(self._speaker(device).farewell(self._clock.now_ms())))
        while loop.time() < deadline + 1 and any(s.is_up and s.pending for s in self._sessions):
            await asyncio.sleep(0.01)
        self._report(final=True)

    def _open_calls(self) -> int:
        return sum(call.acked_ms is None for device in self._living() for call in device.calls)

    def _living(self) -> Iterable[Device]:
        devices, disturbance = self._devices.values(), self._disturbance
        return devices if disturbance is None else [one for one in devices if not disturbance.is_dead(one)]

    def _check_refusals(self) -> None:
        if self._sessions and all(s.refusal and not s.links for s in self._sessions):
            first = self._sessions[0]
            raise BrokerRefusedError(first.name, first.refusal, REFUSALS.get(first.refusal, "unknown reason"))

    def _report(self, *, final: bool = False) -> None:
        if self._on_progress is None:
            return
        at_s = asyncio.get_running_loop().time()
        if not (final or self._pace.is_due(at_s)):
            return
        taken = sum(session.taken for session in self._sessions)
        assert self._start_ms is not None
        now_ms = self._clock.now_ms()
        devices = self._devices.values()
        callers = [device for device in devices if device.calls]
        self._on_progress(
            Progress(
                elapsed_s=(now_ms - self._start_ms) / 1000,
                published=taken,
                rate=self._pace.rate(at_s, taken),
                connected=sum(session.is_up for session in self._sessions),
                connections=len(self._sessions),
                backlog=self.waiting,
                falls=sum(len(faller.falls_by(now_ms)) for faller in self._fallers),
                calls=sum(len(caller.calls) for caller in callers),
                calls_open=self._open_calls(),
                problem=self.problem,
            )
        )
