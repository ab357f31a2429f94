"""The faults of a run as they happen: what they do to connections and to the broker."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping

from firmware_sim.clock import Clock
from firmware_sim.device import Device
from firmware_sim.errors import SimulationError
from firmware_sim.faults.afflicted import Afflicted, Do, Order
from firmware_sim.faults.cast import Faults
from firmware_sim.session import Message, Session
from telemetry.topics import Stream

RestartBroker = Callable[[], Awaitable[None]]


def by_command(command: str) -> RestartBroker:
    """A hook that runs ``command``, split as a shell would, and waits for its end.

    Raises:
        SimulationError: the command is empty; when it is run, it ended with an error.
    """
    words = shlex.split(command)
    if not words:
        raise SimulationError("the command that restarts the broker is empty: name a program")

    async def restart() -> None:
        process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL)
        code = await process.wait()
        if code:
            raise SimulationError(f"{command!r} ended with {code}")

    return restart


class Disturbance:
    """Carries out what :class:`Faults` decides.

    Args:
        faults: of the run.
        clock: of the run.
        restart_broker: restarts the broker and returns when it is back; None: that fault is left out.
    """

    def __init__(self, faults: Faults, clock: Clock, restart_broker: RestartBroker | None) -> None:
        self.record = faults.record
        self._faults = faults
        self._clock = clock
        self._restart_broker = restart_broker
        self._restarting: asyncio.Task[None] | None = None

    def speaker(self, device: Device) -> Device | Afflicted:
        """Who is woken and asked for ``device``."""
        return self._faults.afflicted.get(device.id, device)

    def is_dead(self, device: Device) -> bool:
        """Whether its battery is empty."""
        found = self._faults.afflicted.get(device.id)
        return found is not None and found.is_dead

    def listens_to(self, devices: Iterable[Device]) -> list[str]:
        """Topics to which the connection of ``devices`` subscribes beside their own, because a login was stolen."""
        return sorted({on for device in devices for on in self._faults.listens_to(device.id)})

    def heard(self, on: str, payload: bytes) -> None:
        """Something that is no command came down."""
        self._faults.heard(on, payload)

    def let_out(self, session: Session, said: Message | Order) -> None:
        """Send a message, or do to the connection what the fault does."""
        if isinstance(said, Message):
            session.send(said)
        elif said.do is Do.CUT:
            session.cut()
        elif said.do is Do.MEND:
            session.mend()
        elif said.do is Do.DROP:
            session.drop_link()
        elif said.outbox is not None:
            for message in session.forget(said.outbox):
                if message.stream is Stream.EVENT:
                    message.waits = False  # the device has it still, and will send it again
                else:
                    said.outbox.lost(message)

    def strike_broker(self, now_ms: int) -> None:
        """Begin a restart of the broker that is due by ``now_ms``."""
        due_ms = self._faults.broker_restarts_ms
        if not due_ms or now_ms < due_ms[0] or self._restarting is not None:
            return
        due_ms.pop(0)
        if self._restart_broker is None:
            detail = "left out: the run was given nothing that restarts the broker"
            self.record.fault("broker_restart", "", now_ms, detail)
            return
        self._restarting = asyncio.create_task(self._restart(self._restart_broker, now_ms), name="broker restart")

    async def finish(self, session_of: Mapping[str, Session]) -> None:
        """The end of the run: the broker is back, links are mended, what is held back goes out."""
        if self._restarting is not None:
            await self._restarting
        for one in self._faults.afflicted.values():
            for said in one.flush():
                self.let_out(session_of[one.id], said)

    def take_back(self, session_of: Mapping[str, Session]) -> None:
        """Leave nothing with the broker that a fault has put there."""
        for device_id, message in self._faults.taken_back(self._clock.now_ms()):
            session_of[device_id].send(message)

    async def _restart(self, restart: RestartBroker, at_ms: int) -> None:
        try:
            await restart()
        except Exception as error:  # the hook is the caller's: the run goes on without it, and says so
            self.record.fault("broker_restart", "", at_ms, f"failed: {type(error).__name__}: {error}")
        else:
            took_s = (self._clock.now_ms() - at_ms) / 1000
            self.record.fault("broker_restart", "", at_ms, f"back after {took_s:.1f} s")
        finally:
            self._restarting = None
