"""Faults of the link: lost for a while, dropped for all at once, slow, repeating itself, out of order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firmware_sim.faults.afflicted import KEPT, Afflicted, Dice, Do, Order, Said, Span, copy_of
from firmware_sim.faults.record import Record
from firmware_sim.faults.settings import Delay, Duplicates, LinkLoss, PowerCut, Reordering
from firmware_sim.frames import with_hist
from firmware_sim.session import Message
from firmware_sim.truth import Happening
from telemetry.topics import Stream

#: What is measured until so long after a link is back still counts as kept: the device has to connect first.
SETTLE_MS = 2_000
#: A last will stands for a minute before it is a silence (`docs/devices.md`); single devices wait up to 90 s for word
#: of their area, and the bank looks once a second.
WILL_MS, AREA_MS, LOOK_MS = 60_000, 90_000, 30_000
#: So many wills, or starts, within an hour are a storm.
STORM = 6
HOUR_MS = 3_600_000


def silence_ms(heartbeat_s: float) -> int:
    """After how long of nothing a device with such a heartbeat counts as silent: three of them missed and 10 s."""
    return max(WILL_MS, int(3000 * heartbeat_s) + 10_000)


def lose_link(to: Afflicted, fault: LinkLoss, rng: np.random.Generator, span: Span) -> None:
    """Outages, each of its length; one that begins within another is part of it."""
    lasts_ms = int(fault.outage_s * 1000)
    outages: list[tuple[int, int]] = []
    for begin_ms in span.moments(fault.times, rng):
        if outages and begin_ms <= outages[-1][1]:
            continue
        outages.append((begin_ms, begin_ms + lasts_ms))
        to.at(begin_ms, lambda _: to.cut())
        to.at(begin_ms + lasts_ms, lambda _: to.mend())
        to.record.fault("link_loss", to.id, begin_ms, f"for {fault.outage_s:g} s")
        _silence(to, begin_ms, lasts_ms)
    storm([begin_ms for begin_ms, _ in outages], to)
    _keep(to, outages)


def cut_power(to: Afflicted, _fault: PowerCut, _rng: np.random.Generator, span: Span) -> None:
    """One outage that everybody in a street has in common. That somebody is silent alone is due for nobody."""
    to.at(span.begin_ms, lambda _: to.cut())
    to.at(span.end_ms, lambda _: to.mend())
    to.record.due("offline", to.id, span.begin_ms, None, end_ms=span.end_ms, detail="the street has no power")
    _keep(to, [(span.begin_ms, span.end_ms)])


def area_silent(record: Record, fault: PowerCut, heartbeat_s: float, devices: int, span: Span) -> None:
    """The one finding that is due for a whole street."""
    told_ms = span.begin_ms + silence_ms(heartbeat_s) + AREA_MS + LOOK_MS
    record.fault("power_cut", "", span.begin_ms, f"street {fault.street}, {devices} devices")
    record.happenings.append(
        Happening(
            kind="area_offline",
            begin_ms=span.begin_ms,
            due_ms=told_ms if told_ms < span.end_ms else None,
            end_ms=span.end_ms,
            detail=f"street {fault.street}",
        )
    )


def drop_link(to: Afflicted, at_ms: int) -> None:
    """The link breaks and comes back by itself. The run's record has it once for all devices."""

    def strike(_: int) -> list[Said]:
        return [Order(Do.DROP)]

    to.at(at_ms, strike)
    _keep(to, [(at_ms, at_ms)])


def delay(to: Afflicted, fault: Delay, rng: np.random.Generator, span: Span) -> None:
    """Each message later, none before the one that was sent before it; calls have an order of their own."""
    dice = Dice(rng)
    newest_ms = {True: 0, False: 0}

    def way(at_ms: int, message: Message) -> list[tuple[int, Message]]:
        if at_ms in span:
            at_ms += int(dice.of(message).uniform(*fault.delay_s) * 1000)
        is_call = message.stream is Stream.EVENT
        newest_ms[is_call] = max(newest_ms[is_call], at_ms)
        return [(newest_ms[is_call], message)]

    to.ways.append(way)
    to.record.fault("delay", to.id, span.begin_ms, f"{fault.delay_s[0]:g} to {fault.delay_s[1]:g} s")


def duplicate(to: Afflicted, fault: Duplicates, rng: np.random.Generator, span: Span) -> None:
    """A share of the messages twice."""

    def twice(at_ms: int, message: Message, throws: np.random.Generator) -> list[tuple[int, Message]]:
        return [(at_ms, message), (at_ms + int(throws.uniform(*fault.after_s) * 1000), copy_of(message))]

    _on_some(to, fault.of_messages, rng, span, twice)
    to.record.fault("duplicates", to.id, span.begin_ms, f"{fault.of_messages:.0%} of the messages")


def reorder(to: Afflicted, fault: Reordering, rng: np.random.Generator, span: Span) -> None:
    """A share of the messages overtaken by those after them."""

    def later(at_ms: int, message: Message, throws: np.random.Generator) -> list[tuple[int, Message]]:
        return [(at_ms + int(throws.uniform(*fault.late_s) * 1000), message)]

    _on_some(to, fault.of_messages, rng, span, later)
    late = f"{fault.late_s[0]:g} to {fault.late_s[1]:g} s late"
    to.record.fault("reordering", to.id, span.begin_ms, f"{fault.of_messages:.0%} of the messages {late}")


def storm(starts_ms: list[int], to: Afflicted) -> None:
    """The finding that is due when a device starts or loses its link over and over."""
    for first_ms, last_ms in zip(starts_ms, starts_ms[STORM - 1 :], strict=False):
        if last_ms - first_ms < HOUR_MS:
            to.record.due("reconnects", to.id, first_ms, last_ms + LOOK_MS, detail=f"{STORM} within an hour")
            return


def _on_some(
    to: Afflicted,
    share: float,
    rng: np.random.Generator,
    span: Span,
    strike: Callable[[int, Message, np.random.Generator], list[tuple[int, Message]]],
) -> None:
    """Have ``strike`` decide the way of a share of the messages."""
    dice = Dice(rng)

    def way(at_ms: int, message: Message) -> list[tuple[int, Message]]:
        throws = dice.of(message)
        if at_ms not in span or throws.random() >= share:
            return [(at_ms, message)]
        return strike(at_ms, message, throws)

    to.ways.append(way)


def _silence(to: Afflicted, begin_ms: int, lasts_ms: int) -> None:
    after_ms = silence_ms(to.device.setup.heartbeat_s)
    if lasts_ms <= after_ms:
        return
    told_ms = begin_ms + after_ms + AREA_MS + LOOK_MS
    due_ms = told_ms if begin_ms + lasts_ms > told_ms else None
    to.record.due("offline", to.id, begin_ms, due_ms, end_ms=begin_ms + lasts_ms, detail="the link is lost")


def _keep(to: Afflicted, outages: list[tuple[int, int]]) -> None:
    """Hold back what comes during an outage, and mark what was in the buffer."""

    def way(at_ms: int, message: Message) -> list[tuple[int, Message]]:
        for begin_ms, end_ms in outages:
            if begin_ms <= at_ms < end_ms + SETTLE_MS:
                if message.stream in KEPT and not message.sealed:
                    message.payload = with_hist(message.payload)
                    message.sealed = True
                return [(max(at_ms, end_ms), message)]
        return [(at_ms, message)]

    to.ways.append(way)
