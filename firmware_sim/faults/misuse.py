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

    def replayed(self, at_ms: int) -> None:
        """Who subscribes anew gets the newest of them again, with the retain flag."""
        sent = [one for one in self._left if one.seq in one.outbox.published.get(Stream.EVENT, ())]
        if sent:
            self._to.record.spoiled(
                sent[-1], lambda: True, device=self._to.id, at_ms=at_ms, reason=Reason.RETAINED.value,
                fault="retained_sos", boot=int(fields_of(sent[-1].payload)["boot"]), seq=sent[-1].seq,
            )  # fmt: skip

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


def retain(to: Afflicted, fault: RetainedSos, rng: np.random.Generator, span: Span) -> Retained:  # noqa: ARG001
    """Every SOS of the device within the span is left with the broker."""
    retained = Retained(to)

    def change(message: Message, at_ms: int) -> None:
        if at_ms in span:
            retained.leave(message, at_ms)

    to.changes.append(change)
    return retained


def steal(
    to: Afflicted,
    fault: StolenCredential,
    rng: np.random.Generator,
    span: Span,
    *,
    others: list[tuple[str, str | None]],
) -> None:
    """With the login of ``to``, an SOS of somebody else: ``others`` are devices to choose from, and who has them."""
    for at_ms in span.moments(fault.times, rng):
        victim, person = others[int(rng.integers(len(others)))]
        event = Event(t=at_ms, boot=int(rng.integers(2**32)), seq=0, type="sos")
        forged = Forged(to.device.setup.room)
        on = topic(victim, Stream.EVENT).encode()
        message = Message(forged, Stream.EVENT, on, event.seq, encode_json(event))
        message.sealed = True

        def strike(_: int, message: Message = message) -> list[Said]:
            return [message]

        to.at(at_ms, strike)
        to.record.later(lambda one=(at_ms, victim, person, message, forged): _told(to.id, *one))  # type: ignore[misc]


def _told(
    thief: str, at_ms: int, victim: str, person: str | None, message: Message, forged: Forged
) -> tuple[Fault, Happening | None]:
    taken = message in forged.messages_taken
    outcome = "the broker acknowledged it: it has no ACL, or it does not say" if taken else "the broker did not take it"
    fault = Fault(
        kind="stolen_credential", device=thief, at_ms=at_ms, detail=f"an SOS in the name of {victim}; {outcome}"
    )
    if not taken:
        return fault, None
    return fault, Happening(
        kind="sos", begin_ms=at_ms, device=victim, person=person, detail="forged; a broker without an ACL lets it pass"
    )
