"""Messages that should not be: an SOS left with the broker, and one in the name of another device."""

from __future__ import annotations

import numpy as np

from firmware_sim.faults.afflicted import Afflicted, Said, Span
from firmware_sim.faults.payloads import fields_of
from firmware_sim.faults.record import Forged
from firmware_sim.faults.settings import RetainedSos, StolenCredential
from firmware_sim.session import Message
from firmware_sim.truth import Fault, Happening
from telemetry.codec import encode_json
from telemetry.errors import Reason
from telemetry.messages import Event
from telemetry.topics import Stream, topic


class Retained:
    """The SOS that one device leaves with the broker, until it is taken back."""

    def __init__(self, to: Afflicted) -> None:
        self.device = to.id
        self._to = to
        self._left: list[Message] = []

    def leave(self, message: Message, at_ms: int) -> None:
        """Set the retain flag on an SOS."""
        if message.stream is Stream.EVENT and fields_of(message.payload)["type"] == "sos":
            message.retain = True
            self._left.append(message)
            self._to.record.fault("retained_sos", self._to.id, at_ms, f"seq {message.seq}")

    def take_back(self, at_ms: int) -> list[Message]:
        """The empty message that has the broker forget it; who listens gets an event without a content."""
        if not self._left:
            return []
        last = self._left[-1]
        aside = self._to.aside
        message = Message(aside, Stream.EVENT, last.topic, last.seq, b"", retain=True)
        message.sealed = True
        self._to.record.spoiled(
            message, lambda: message in aside.messages_taken, device=self._to.id, at_ms=at_ms,
            reason=Reason.UNDECODABLE.value, fault="retained_sos: taken back",
        )  # fmt: skip
        return [message]


def retain(to: Afflicted, _fault: RetainedSos, _rng: np.random.Generator, span: Span) -> Retained:
    """Every SOS of the device within the span is left with the broker."""
    retained = Retained(to)

    def change(message: Message, at_ms: int) -> None:
        if at_ms in span:
            retained.leave(message, at_ms)

    to.changes.append(change)
    return retained


class Forgery:
    """One SOS in the name of another device.

    MQTT 3.1.1 has no word for a publish that is not allowed: a broker closes the connection, or acknowledges and drops
    the message. So who has the stolen login listens to the other device's topic too: what comes back was let through.
    """

    def __init__(self, thief: Afflicted, at_ms: int, victim: str, person: str | None, boot: int) -> None:
        event = Event(t=at_ms, boot=boot, seq=0, type="sos")
        self.thief = thief.id
        self.on = topic(victim, Stream.EVENT)
        self._at_ms = at_ms
        self._victim, self._person = victim, person
        self._outbox = Forged(thief.device.setup.room)
        self.message = Message(self._outbox, Stream.EVENT, self.on.encode(), event.seq, encode_json(event))
        self.message.sealed = True
        self._came_back = False

    def publish(self, _at_ms: int) -> list[Said]:
        """It goes out."""
        return [self.message]

    def heard(self, on: str, payload: bytes) -> None:
        """Something came on a topic that is not the thief's."""
        self._came_back |= on == self.on and payload == self.message.payload

    def told(self) -> tuple[Fault, Happening | None]:
        """How it went, and what a system cannot but make of it."""
        outcome = "the broker did not take it"
        if self._came_back:
            outcome = "the broker let it through: it has no ACL"
        elif self.message in self._outbox.messages_taken:
            outcome = "the broker acknowledged it and let nothing through"
        detail = f"an SOS in the name of {self._victim}; {outcome}"
        fault = Fault(kind="stolen_credential", device=self.thief, at_ms=self._at_ms, detail=detail)
        if not self._came_back:
            return fault, None
        return fault, Happening(
            kind="sos",
            begin_ms=self._at_ms,
            end_ms=self._at_ms,
            device=self._victim,
            person=self._person,
            detail="forged",
        )


def steal(
    to: Afflicted,
    fault: StolenCredential,
    rng: np.random.Generator,
    span: Span,
    *,
    others: list[tuple[str, str | None]],
) -> list[Forgery]:
    """With the login of ``to``, an SOS of somebody else: ``others`` are devices to choose from, and who has them."""
    forgeries = []
    for at_ms in span.moments(fault.times, rng):
        victim, person = others[int(rng.integers(len(others)))]
        forgery = Forgery(to, at_ms, victim, person, int(rng.integers(2**32)))
        to.at(at_ms, forgery.publish)
        to.record.later(forgery.told)
        forgeries.append(forgery)
    return forgeries
