"""A device with what strikes it: between what the device makes and the connection that sends it.

The device is woken at each of its instants alone, however late the run looks, so that what a fault does to a message
depends on when the message was made and on nothing else.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from firmware_sim.device import Device
from firmware_sim.faults.payloads import fields_of, with_fields
from firmware_sim.faults.record import Aside, Record
from firmware_sim.session import Message, Outbox
from telemetry.topics import Stream

#: What a buffer keeps; calls for help and status messages are sent as soon as the link is up.
KEPT = (Stream.MOTION, Stream.VITALS)

Change = Callable[[Message, int], None]
#: From (instant, message) to when what of it goes out.
Way = Callable[[int, Message], list[tuple[int, Message]]]


class Do(Enum):
    """What is to be done to the connection of a device."""

    CUT = "cut"  # and make no other
    MEND = "mend"
    DROP = "drop"  # it comes back by itself
    FORGET = "forget"  # what of an outbox is not sent yet


@dataclass(frozen=True, slots=True)
class Order:
    """For the fleet: what happens to the connection of a device now."""

    do: Do
    outbox: Outbox | None = None  # of FORGET


Said = Message | Order
_Stroke = Callable[[int], list[Said]]


class Afflicted:
    """A device and its faults. The fleet wakes this in the place of the device.

    Args:
        device: the device.
        start_ms: when the run starts.
        record: where the faults write down what they do.
        own_link: False where a hub speaks for the device: then the device's link is the one to the hub.
    """

    def __init__(self, device: Device, start_ms: int, record: Record, *, own_link: bool) -> None:
        self.device = device
        self.id = device.id
        self.start_ms = start_ms
        self.record = record
        self.own_link = own_link
        self.aside = Aside(device.setup.room)
        self.planned_ms: int | None = None
        self.is_dead = False
        #: Put in by the faults, in this order: to what a message says, to its time (what is added at an instant by the
        #: simulation's clock; of what stands still for a while also when and how much), to a good message as a whole,
        #: to its way.
        self.changes: list[Change] = []
        self.shifts: list[Callable[[int], int]] = []
        self.clock_spans: list[tuple[Span, int]] = []
        self.spoils: list[Change] = []
        self.ways: list[Way] = []
        self._off_until_ms: int | None = None
        self._cuts = 0
        self._changed: set[Message] = set()
        self._entries = itertools.count()
        self._held: list[tuple[int, int, Message]] = []
        self._strokes: list[tuple[int, int, _Stroke]] = []

    @property
    def due_ms(self) -> int | None:
        """When there is something to do next."""
        instants = [heap[0][0] for heap in (self._strokes, self._held) if heap]
        if not self.is_dead and self.device.due_ms is not None:
            instants.append(self.device.due_ms)
        return min(instants, default=None)

    def at(self, at_ms: int, stroke: _Stroke) -> None:
        """Have ``stroke`` happen at ``at_ms``, before what the device does then."""
        heapq.heappush(self._strokes, (at_ms, next(self._entries), stroke))

    def wake(self, now_ms: int) -> list[Said]:
        """Everything that is due by ``now_ms``, in order: messages to send, and what happens to the connection."""
        said: list[Said] = []
        while (at_ms := self.due_ms) is not None and at_ms <= now_ms:
            if self._strokes and self._strokes[0][0] <= at_ms:
                said += heapq.heappop(self._strokes)[2](at_ms)
            elif self._held and self._held[0][0] <= at_ms:
                said.append(heapq.heappop(self._held)[2])
            else:
                for message in self.device.wake(at_ms):
                    said += self._on_its_way(message, at_ms)
        return said

    def flush(self) -> list[Said]:
        """The end of the run: what is held back goes out, and cut links are mended, but those of the dead."""
        held: list[Said] = [message for _, _, message in sorted(self._held, key=lambda one: one[:2])]
        self._held.clear()
        self._strokes.clear()
        self._off_until_ms = None
        if self.is_dead or not self._cuts:
            return [] if self.is_dead else held
        self._cuts = 0
        return [Order(Do.MEND), *held] if self.own_link else held

    # What is said at the connection's instants.

    def greet(self, now_ms: int) -> list[Message]:
        """The birth message and open calls, as a device with such faults says them."""
        said = self.device.greet(now_ms)
        for message in said:
            self._change(message, now_ms)
        return said

    def will(self, now_ms: int) -> tuple[str, bytes]:
        """Topic and payload of the last will."""
        topic, payload = self.device.will(now_ms)
        message = Message(self.aside, Stream.STATUS, topic.encode(), 0, payload)
        self._change(message, now_ms)
        return topic, message.payload

    def farewell(self, now_ms: int) -> Message:
        """The death message of a device that is switched off."""
        message = self.device.farewell(now_ms)
        self._change(message, now_ms)
        return message

    # What strikes.

    def cut(self) -> list[Said]:
        """The link is gone; several reasons may overlap."""
        self._cuts += 1
        return [Order(Do.CUT)] if self._cuts == 1 and self.own_link else []

    def mend(self) -> list[Said]:
        """One reason less for the link to be gone."""
        self._cuts -= 1
        return [Order(Do.MEND)] if not self._cuts and self.own_link else []

    def switch_off(self, until_ms: int) -> list[Said]:
        """Nothing is measured until then, and the buffer is lost; a call for help is kept, as devices do in flash."""
        self._off_until_ms = max(until_ms, self._off_until_ms or 0)
        kept = [one for one in self._held if one[2].stream is Stream.EVENT]
        for _, _, message in self._held:
            if message.stream is not Stream.EVENT:
                message.outbox.lost(message)
        self._held = kept
        heapq.heapify(self._held)
        return [Order(Do.FORGET, self.device.outbox), Order(Do.FORGET, self.aside), *self.cut()]

    def switch_on(self, boot: int, now_ms: int) -> list[Said]:
        """Another boot; later, where something else keeps the device off for longer."""
        if self._off_until_ms is not None and now_ms < self._off_until_ms:
            return self.mend()
        self._off_until_ms = None
        self.device.restart(boot)
        births: list[Said] = [] if self.own_link else list(self.greet(now_ms))
        return [*self.mend(), *births]

    def die(self) -> list[Said]:
        """Nothing comes any more."""
        said = self.switch_off(0)
        self._held.clear()
        self._strokes.clear()
        self.is_dead = True
        return said

    # Messages.

    def _on_its_way(self, message: Message, at_ms: int) -> list[Said]:
        if self._off_until_ms is not None:
            if message.stream is Stream.EVENT:
                self._change(message, at_ms)
                self._hold(self._off_until_ms, message)
            return []
        self._change(message, at_ms)
        for spoil in self.spoils:
            spoil(message, at_ms)
        on_the_way = [(at_ms, message)]
        for way in self.ways:
            on_the_way = [later for one in on_the_way for later in way(*one)]
        now: list[Said] = []
        for release_ms, one in on_the_way:
            if release_ms <= at_ms:
                now.append(one)
            else:
                self._hold(release_ms, one)
        return now

    def _hold(self, release_ms: int, message: Message) -> None:
        heapq.heappush(self._held, (release_ms, next(self._entries), message))

    def _change(self, message: Message, at_ms: int) -> None:
        """Do once to each message what the faults do to it; a call for help is made once and sent many times."""
        if message.stream is Stream.EVENT:
            if message in self._changed:
                return
            self._changed.add(message)
        for change in self.changes:
            change(message, at_ms)
        if self.shifts:
            message.payload = self._by_own_clock(message.payload)

    def _by_own_clock(self, payload: bytes) -> bytes:
        fields = fields_of(payload)
        added_ms = sum(shift(fields["t"]) for shift in self.shifts)
        times = {name: max(0, fields[name] + added_ms) for name in ("t", "idle_until") if name in fields}
        return with_fields(payload, **times)


def copy_of(message: Message) -> Message:
    """The same once more, as it is now."""
    again = Message(message.outbox, message.stream, message.topic, message.seq, message.payload, message.retain)
    again.sealed = message.sealed
    return again


class Dice:
    """One generator for what is measured and one for calls: how often a call is repeated depends on the broker."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._measured, self._calls = rng, rng.spawn(1)[0]

    def of(self, message: Message) -> np.random.Generator:
        """What draws for ``message``."""
        return self._calls if message.stream is Stream.EVENT else self._measured


@dataclass(frozen=True, slots=True)
class Span:
    """From ``begin_ms`` until before ``end_ms``; ``lasts`` when the scenario names no end."""

    begin_ms: int
    end_ms: int
    lasts: bool

    def __contains__(self, at_ms: int) -> bool:
        return self.begin_ms <= at_ms < self.end_ms

    def moments(self, times: int, rng: np.random.Generator) -> list[int]:
        """So many instants within, one in each of as many equal parts."""
        part_ms = (self.end_ms - self.begin_ms) / times
        return [self.begin_ms + int(part_ms * (i + rng.random())) for i in range(times)]
