"""What the faults of a run did, for its truth file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from firmware_sim.session import Message, Outbox
from firmware_sim.truth import Fault, Happening, Spoiled


class Aside(Outbox):
    """For messages that are not a device's own good ones: the truth counts them apart from what was published."""

    def __init__(self, room: int) -> None:
        super().__init__(room)
        self.messages_taken: set[Message] = set()

    def taken(self, message: Message) -> None:
        """The broker has ``message``."""
        message.waits = False
        self.messages_taken.add(message)


class Forged(Aside):
    """For what a broker refuses by closing the connection: it must not be tried again at the next one."""

    insists = False


@dataclass(slots=True)
class Record:
    """Everything for the truth. Instants may lie in the future: a run that ends earlier leaves them out."""

    faults: list[Fault] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    _late: list[Callable[[], tuple[Fault, Happening | None]]] = field(default_factory=list)
    _spoiled: list[tuple[Spoiled, Callable[[], bool]]] = field(default_factory=list)

    def fault(self, kind: str, device: str, at_ms: int, detail: str = "") -> None:
        """Something went wrong at ``at_ms``."""
        self.faults.append(Fault(kind=kind, device=device, at_ms=at_ms, detail=detail))

    def later(self, told: Callable[[], tuple[Fault, Happening | None]]) -> None:
        """A fault of which only the end of the run tells how it went, and what it explains."""
        self._late.append(told)

    def due(
        self, kind: str, device: str, begin_ms: int, due_ms: int | None, *, end_ms: int | None = None, detail: str = ""
    ) -> None:
        """A finding about ``device`` is due by ``due_ms``, or (None) may come and is explained by this."""
        self.happenings.append(
            Happening(kind=kind, device=device, begin_ms=begin_ms, due_ms=due_ms, end_ms=end_ms, detail=detail)
        )

    def spoiled(
        self, message: Message, sent: Callable[[], bool], *, device: str, at_ms: int, reason: str, fault: str,
        boot: int | None = None, seq: int | None = None,
    ) -> None:  # fmt: skip
        """``message`` must not be taken by any system; ``sent`` tells at the end whether the broker has it."""
        spoiled = Spoiled(
            device=device,
            stream=message.stream.value,
            at_ms=at_ms,
            reason=reason,
            sha256=hashlib.sha256(message.payload).hexdigest(),
            fault=fault,
            boot=boot,
            seq=seq,
        )
        self._spoiled.append((spoiled, sent))

    def faults_by(self, end_ms: int) -> list[Fault]:
        """What had begun by ``end_ms``."""
        return [one for one in (*self.faults, *(late()[0] for late in self._late)) if one.at_ms <= end_ms]

    def happenings_by(self, end_ms: int) -> list[Happening]:
        """What had begun by ``end_ms``; what would be found later than that explains only what was found before."""
        late = [explained for told in self._late if (explained := told()[1]) is not None]
        begun = [one for one in (*self.happenings, *late) if one.begin_ms <= end_ms]
        return [
            msgspec.structs.replace(one, due_ms=None) if one.due_ms is not None and one.due_ms > end_ms else one
            for one in begun
        ]

    def spoiled_taken(self) -> list[Spoiled]:
        """The spoiled messages that the broker has."""
        return [spoiled for spoiled, sent in self._spoiled if sent()]
