"""What a device does, without a socket and without a clock: it is woken at instants and says what it publishes.

Every device sends a birth message when its link comes up, leaves a will, repeats an event until the gateway
acknowledges it from end to end (`cmd` of type ``ack`` with the event's boot and seq), and counts seq per stream.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from firmware_sim.answers import answer
from firmware_sim.frames import motion_body, motion_payload, with_idle
from firmware_sim.illness import happenings
from firmware_sim.models import Sensing
from firmware_sim.motion import FS_HZ, LSB_G, Counts, Motion
from firmware_sim.people import Aftermath
from firmware_sim.session import Message, Outbox
from firmware_sim.track import Track
from firmware_sim.truth import Happening
from firmware_sim.vitals import VitalSigns
from telemetry.codec import encode_json
from telemetry.messages import Command, Event, Status, Vitals
from telemetry.topics import Stream, topic

FIRMWARE = "sim-1.0"
#: An event is repeated after this, then after twice as long each time, up to the second figure.
REPEAT_S = (2.0, 60.0)
#: Who answers a prompt does so after this long.
_ANSWERS_AFTER_S = (3.0, 6.0)
#: A model that rests does so after this long without motion, and promises at most so long a silence, in s.
_RESTS_AFTER_S = 120
_RESTS_AT_MOST_S = 600
#: A model whose battery is this low, in %, is charged; full again within two hours.
_CHARGED_AT = 15.0
_CHARGING_PCT_H = 50.0
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


class Wearer(Device):
    """A person with a wearable: a motion frame a second, vital signs now and then.

    Args:
        origin_ms: instant of the track's first sample.
        track: the motion.
        vitals: the vital signs.
        aftermaths: of each fall of the track, how it ends.
        sensing: the model that is worn; None for what all have in common.
        others: see :class:`Device`.
    """

    def __init__(
        self,
        identity: Identity,
        setup: Setup,
        rng: np.random.Generator,
        *,
        origin_ms: int,
        track: Motion,
        vitals: VitalSigns,
        aftermaths: Sequence[Aftermath] | None = None,
        sensing: Sensing | None = None,
    ) -> None:
        super().__init__(identity, setup, rng)
        self.origin_ms = origin_ms
        self.track = track
        self.aftermaths = aftermaths or [Aftermath("", 0.0)] * len(track.falls)
        self._vitals = vitals
        self._effort = 0.0
        self._sensing = sensing
        self._charging = False
        self._still_s = 0
        if self.setup.motion:
            self.at(origin_ms + 1000, self._frame)
        if self.setup.vitals_s:
            first = origin_ms + int(self.rng.uniform(0, self.setup.vitals_s) * 1000)
            self.at(first, self._reading)
        self.start(origin_ms)

    def happened(self, until_ms: int) -> list[Happening]:
        """The illnesses of the wearer."""
        return [one for span in self._vitals.illness for one in happenings(span, self.id, self.person)
                if span.begin_ms <= until_ms]  # fmt: skip

    def impact_ms(self, sample: int) -> int:
        """The instant of a sample of the track."""
        return self.origin_ms + sample * 1000 // FS_HZ

    def falls_by(self, now_ms: int) -> list[tuple[int, str]]:
        """(impact_ms, key) of the falls of which the frame with the impact is over by ``now_ms``."""
        frames = (now_ms - self.origin_ms) // 1000
        return [(self.impact_ms(sample), key) for sample, key in self.track.falls if sample < frames * FS_HZ]

    def command(self, command: Command, now_ms: int) -> None:
        """Besides what every device does: answer a prompt when one is well."""
        super().command(command, now_ms)
        if command.type != "prompt" or not self.setup.answers_prompts or command.expires_ms < now_ms:
            return
        falls = ((at_ms, after) for (at_ms, _), after in zip(self.falls_by(now_ms), self.aftermaths, strict=False))
        said = answer(falls, now_ms, command.expires_ms)
        if said is not None:
            answer_ms = said.from_ms + int(self.rng.uniform(*_ANSWERS_AFTER_S) * 1000)
            re = command.id if said.kind == "cancel" else None
            self.at(answer_ms, lambda at_ms: self.call(said.kind, at_ms, re=re))

    def _drain(self) -> None:
        if self._sensing is None:
            super()._drain()
            return
        hours = self.setup.heartbeat_s / 3600
        self._charging = self._battery < _CHARGED_AT or (self._charging and self._battery < 100.0)
        gain = _CHARGING_PCT_H if self._charging else -100.0 / self._sensing.model.battery_h
        self._battery = min(100.0, max(1.0, self._battery + gain * hours))

    def _frame(self, due_ms: int) -> list[Message]:
        acc, gyr = self.track.take(FS_HZ)
        seq = next(self._seq[Stream.MOTION])
        if seq % 5 == 0:
            self._effort = 0.7 * self._effort + 0.3 * effort(acc)
        if self._sensing is None:
            with_gyro = self.setup.gyroscope
            body = motion_body(acc, gyr if with_gyro else None)
        else:
            model = self._sensing.model
            felt, turned = self._sensing.read(acc, gyr)
            with_gyro = turned is not None
            body = motion_body(felt, turned, fs_hz=model.fs, lsb_g=model.lsb)
        payload = motion_payload(due_ms - 1000, self.boot, seq, body, gyro=with_gyro)
        rests_s = self._rests()
        if rests_s:
            self.track.take(rests_s * FS_HZ)
            self._effort = 0.0
            payload = with_idle(payload, due_ms + _RESTS_AT_MOST_S * 1000)
        self.at(due_ms + (rests_s + 1) * 1000, self._frame)
        return [self._message(Stream.MOTION, seq, payload)]

    def _rests(self) -> int:
        """Seconds without a frame from now on: of a model that rests, when nothing has moved for a while."""
        if self._sensing is None or not self._sensing.model.rests or not isinstance(self.track, Track):
            return 0
        still = self.track.still
        self._still_s = self._still_s + 1 if still else 0
        if self._still_s < _RESTS_AFTER_S:
            return 0
        return min(still // FS_HZ, _RESTS_AT_MOST_S)

    def _reading(self, due_ms: int) -> list[Message]:
        self.at(due_ms + int(self.setup.vitals_s * 1000), self._reading)
        seq = next(self._seq[Stream.VITALS])
        reading = {"t": due_ms, "boot": self.boot, "seq": seq, **self._vitals.read(due_ms, self._effort)}
        return [self._message(Stream.VITALS, seq, encode_json(msgspec.convert(reading, Vitals)))]


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


def effort(acc: Counts) -> float:
    """How much somebody moves, 0 at rest to 1 at a brisk walk, from ``(n, 3)`` counts of :data:`LSB_G`."""
    length = np.sqrt(np.einsum("ij,ij->i", acc, acc, dtype=np.float64)) * LSB_G
    return float(min(1.0, np.abs(length - 1.0).mean() / 0.3))
