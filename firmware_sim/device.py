"""What a device does, without a socket and without a clock: it is woken at instants and says what it publishes.

Every device sends a birth message when its link comes up, leaves a will, repeats an event until the gateway
acknowledges it from end to end (`cmd` of type ``ack`` with the event's boot and seq), and counts seq per stream.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from firmware_sim.session import Message, Outbox
from firmware_sim.truth import Happening
from telemetry.codec import encode_json
from telemetry.messages import Command, Event, Status
from telemetry.topics import Stream, topic

FIRMWARE = "sim-1.0"
#: An event is repeated after this, then after twice as long each time, up to the second figure.
REPEAT_S = (2.0, 60.0)
#: From full to empty, where no model says so.
_BATTERY_H = 100.0

Task = Callable[[int], Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What devices have in common.

    ``room`` is how many messages of motion and vitals a device can keep, ``heartbeat_s`` how often it says that it is
    there, ``vitals_s`` how often it reads vital signs (0: never), ``motion`` whether a wearable sends frames of motion.
    """

    heartbeat_s: float = 60.0
    vitals_s: float = 30.0
    room: int = 3600
    gyroscope: bool = True
    answers_prompts: bool = False
    motion: bool = True


@dataclass(frozen=True, slots=True)
class Identity:
    """A device in one run: its id (the MQTT user name), who has it (a pseudonymous key, or None), where, which boot."""

    device: str
    person: str | None
    placement: str
    boot: int


@dataclass(slots=True)
class Call:
    """An event on its way: repeated until ``acked_ms`` is set. ``boot`` is the one it was made in."""

    message: Message
    kind: str
    made_ms: int
    boot: int
    repeats: int = 0
    acked_ms: int | None = None


class Device:
    """What wearers and buttons share.

    Args:
        identity: which device this is.
        setup: see :class:`Setup`.
        rng: draws battery and reactions.
    """

    def __init__(self, identity: Identity, setup: Setup, rng: np.random.Generator) -> None:
        self.id = identity.device
        self.person = identity.person
        self.placement = identity.placement
        self.boot = identity.boot
        self.setup = setup
        self.rng = rng
        self.outbox = Outbox(setup.room)
        #: What each boot so far had to send and got rid of.
        self.outboxes = {self.boot: self.outbox}
        self.calls: list[Call] = []
        self._battery = float(rng.uniform(55, 100))
        self._seq: dict[Stream, itertools.count[int]] = {stream: itertools.count() for stream in Stream}
        self._topics = {stream: topic(self.id, stream).encode() for stream in Stream}
        #: When the fleet will wake this device; kept here so that one entry in its queue is the valid one.
        self.planned_ms: int | None = None
        self._agenda: list[tuple[int, int, bool, Task]] = []
        self._entries = itertools.count()

    def happened(self, _until_ms: int) -> list[Happening]:
        """What has befallen whoever has the device, and has begun by ``until_ms``."""
        return []

    @property
    def due_ms(self) -> int | None:
        """When the device wants to be woken next."""
        return self._agenda[0][0] if self._agenda else None

    def wake(self, now_ms: int) -> list[Message]:
        """Everything that is due by ``now_ms``, in order."""
        said: list[Message] = []
        while self._agenda and self._agenda[0][0] <= now_ms:
            due_ms, _, _, task = heapq.heappop(self._agenda)
            said += task(due_ms)
        return said

    def at(self, due_ms: int, task: Task, *, lasting: bool = False) -> None:
        """Do ``task`` at ``due_ms``; it is told that instant. A ``lasting`` one survives :meth:`halt`."""
        heapq.heappush(self._agenda, (due_ms, next(self._entries), lasting, task))

    def halt(self) -> None:
        """Measure nothing more; calls that nobody acknowledged go on."""
        self._agenda = sorted(entry for entry in self._agenda if entry[2])

    def will(self, now_ms: int) -> tuple[str, bytes]:
        """Topic and payload of the death message that the broker keeps; it takes a seq of its own."""
        return self._topics[Stream.STATUS].decode(), self._status(now_ms, online=False).payload

    def greet(self, now_ms: int) -> list[Message]:
        """What to say when the link came up: the birth message, then calls that nobody acknowledged."""
        open_calls = [c.message for c in self.calls if c.acked_ms is None and not c.message.waits]
        return [self._status(now_ms, online=True), *open_calls]

    def farewell(self, now_ms: int) -> Message:
        """The death message of a device that is switched off."""
        return self._status(now_ms, online=False)

    def start(self, start_ms: int) -> None:
        """Begin the heartbeats."""
        first = start_ms + int(self.setup.heartbeat_s * 1000 * self.rng.uniform(0.5, 1.0))
        self.at(first, self._heartbeat)

    def restart(self, boot: int) -> Outbox:
        """Begin anew: every sequence from 0, nothing left to send but open calls. Returns what the old boot had."""
        before = self.outbox
        self.boot = boot
        self.outbox = self.outboxes[boot] = Outbox(self.setup.room)
        self._seq = {stream: itertools.count() for stream in Stream}
        return before

    def command(self, command: Command, now_ms: int) -> None:
        """React to a command. Kinds that the device does not know are ignored."""
        if command.type == "ack":
            for call in self.calls:
                if call.message.seq == command.seq and call.boot == command.boot and call.acked_ms is None:
                    call.acked_ms = now_ms

    def call(self, kind: str, at_ms: int, re: str | None = None) -> list[Message]:
        """An event, now and again until it is acknowledged."""
        seq = next(self._seq[Stream.EVENT])
        payload = encode_json(Event(t=at_ms, boot=self.boot, seq=seq, type=kind, re=re))
        call = Call(self._message(Stream.EVENT, seq, payload), kind, at_ms, self.boot)
        self.calls.append(call)
        self.at(at_ms + int(REPEAT_S[0] * 1000), lambda due_ms: self._repeat(call, due_ms), lasting=True)
        return [call.message]

    def _repeat(self, call: Call, due_ms: int) -> list[Message]:
        if call.acked_ms is not None:
            return []
        call.repeats += 1
        wait_s = min(REPEAT_S[1], REPEAT_S[0] * 2**call.repeats) * self.rng.uniform(0.9, 1.1)
        self.at(due_ms + int(wait_s * 1000), lambda again_ms: self._repeat(call, again_ms), lasting=True)
        return [] if call.message.waits else [call.message]

    def _heartbeat(self, due_ms: int) -> list[Message]:
        self.at(due_ms + int(self.setup.heartbeat_s * 1000), self._heartbeat)
        self._drain()
        return [self._status(due_ms, online=True)]

    def _drain(self) -> None:
        self._battery = max(1.0, self._battery - self.setup.heartbeat_s / (36 * _BATTERY_H))

    def _status(self, now_ms: int, *, online: bool) -> Message:
        seq = next(self._seq[Stream.STATUS])
        status = Status(t=now_ms, boot=self.boot, seq=seq, online=online)
        if online:
            status = Status(
                t=now_ms,
                boot=self.boot,
                seq=seq,
                online=True,
                battery=round(self._battery, 1),
                fw=FIRMWARE,
                placement=self.placement,
                heartbeat_s=self.setup.heartbeat_s,
            )
        return self._message(Stream.STATUS, seq, encode_json(status), retain=True)

    def _message(self, stream: Stream, seq: int, payload: bytes, *, retain: bool = False) -> Message:
        return Message(self.outbox, stream, self._topics[stream], seq, payload, retain)


class SosButton(Device):
    """A button on a cord: silent but for its heartbeat, until it is pressed.

    Args:
        presses_ms: instants of the presses.
        start_ms: when it was switched on.
        others: see :class:`Device`.
    """

    def __init__(
        self, identity: Identity, setup: Setup, rng: np.random.Generator, *, presses_ms: Sequence[int], start_ms: int
    ) -> None:
        super().__init__(identity, setup, rng)
        self.presses = len(presses_ms)
        for press_ms in presses_ms:
            self.at(press_ms, lambda at_ms: self.call("sos", at_ms))
        self.start(start_ms)
