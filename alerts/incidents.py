"""An incident as it is kept: its states, what a time line tells, what timers wait for. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from alerts.policy import Policy
from detectors.detection import Severity


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"  # nobody was told yet
    NOTIFYING = "notifying"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"


#: Somebody has taken it.
TAKEN: frozenset[State] = frozenset({State.ACKNOWLEDGED, State.EN_ROUTE, State.ON_SCENE})

#: The transitions there are. Back lead the clock (acknowledged, but nobody arrived) and whoever has it and cannot come:
#: to ``notifying``, or to ``acknowledged`` where somebody comes too.
NEXT: dict[State, frozenset[State]] = {
    State.OPEN: frozenset({State.NOTIFYING, State.ACKNOWLEDGED, State.EN_ROUTE, State.ON_SCENE, State.RESOLVED}),
    State.NOTIFYING: frozenset({State.ACKNOWLEDGED, State.EN_ROUTE, State.ON_SCENE, State.RESOLVED}),
    State.ACKNOWLEDGED: frozenset({State.EN_ROUTE, State.ON_SCENE, State.NOTIFYING, State.RESOLVED}),
    State.EN_ROUTE: frozenset({State.ON_SCENE, State.ACKNOWLEDGED, State.NOTIFYING, State.RESOLVED}),
    State.ON_SCENE: frozenset({State.RESOLVED}),
    State.RESOLVED: frozenset(),
}


class Outcome(StrEnum):
    """What a resolved incident was."""

    TRUE = "true"
    FALSE_ALARM = "false_alarm"
    CANCELLED = "cancelled"  # by the wearer
    TEST = "test"
    DEVICE_FAULT = "device_fault"


class What(StrEnum):
    """What an audit row tells."""

    OPENED = "opened"
    EVIDENCE = "evidence"  # another detection joined
    FOLLOWED_UP = "followed_up"  # how it went on after a finding
    ASKED_WEARER = "asked_wearer"
    WEARER_CANCELLED = "wearer_cancelled"
    CANCEL_UNMATCHED = "cancel_unmatched"  # answers no prompt of ours: written, and nothing else
    WITHDRAWN = "withdrawn"  # the detector took it back
    CALLED = "called"  # a responder's notifications were queued
    NOT_CALLED = "not_called"
    ALL_CALLED = "all_called"  # the order is at its end: it starts again later
    SENT = "sent"
    NOT_SENT = "not_sent"
    HELD = "held"  # a channel is at its limit: later
    FAILED_OVER = "failed_over"  # a channel does not deliver: the responder's next one too
    ACKNOWLEDGED = "acknowledged"
    KNOWN_BESIDE = "known_beside"  # somebody told beside the calls answered; the calls go on
    REFERRED = "referred"  # to a doctor or hospital team
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CANNOT_COME = "cannot_come"  # says a responder who is called or has it
    TAKEN_OVER = "taken_over"  # whoever came too has it, as the first does not come; or who was asked to
    OFFERED = "offered"  # whoever has it asks another to take it over
    HELP_NEEDED = "help_needed"  # more people, says whoever has it
    STAND_DOWN = "stand_down"  # who was told is told that they need not go
    NOT_ARRIVED = "not_arrived"  # acknowledged, and nobody on scene in time
    NOT_RESOLVED = "not_resolved"  # open for longer than its policy has it
    RESOLVED = "resolved"
    HANDED_OVER = "handed_over"  # who came on call is told what is open
    DOOR_CODE_SHOWN = "door_code_shown"  # to who has taken the incident
    DOOR_CODE_REFUSED = "door_code_refused"
    REPLIED = "replied"  # by text message or telephone keys, where nothing was changed by it
    RECORD_REFUSED = "record_refused"  # a journal record that could not be handled


class TimerKind(StrEnum):
    """What a timer waits for. An incident has at most one of each kind."""

    CALL = "call"  # the next responder
    ARRIVAL = "arrival"  # somebody on scene
    RESOLVE = "resolve"  # the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One emergency of one person (or device, when no person is known).

    ``said_ms`` is what the device's clock says of the onset, where that is implausible and ``onset_ms`` our receipt.
    ``step`` counts the responders called in this ``round``; a round begins when the order starts from the top or a
    responder is told anew. ``transitions`` counts the states gone through. ``needed`` different people must
    acknowledge: the first is ``acknowledged_by``, the others stand in ``also_by`` with their times. ``declined`` has
    who said that they cannot come, and when. ``offered_to`` was asked by whoever has it to take it over, and has not
    answered.
    """

    id: str
    kind: str
    severity: Severity
    state: State
    person: str | None
    device: str
    area: str
    historical: bool
    policy: Policy
    onset_ms: int
    opened_ms: int
    last_evidence_ms: int
    said_ms: int | None = None
    step: int = 0
    round: int = 0
    transitions: int = 0
    retold_ms: int | None = None  # when whoever has taken it was told anew
    outcome: Outcome | None = None
    acknowledged_ms: int | None = None
    acknowledged_by: str | None = None
    en_route_ms: int | None = None
    on_scene_ms: int | None = None
    resolved_ms: int | None = None
    resolved_by: str | None = None
    needed: int = 1
    also_by: Mapping[str, int] = field(default_factory=dict)
    declined: Mapping[str, int] = field(default_factory=dict)
    offered_to: str | None = None

    @property
    def standing(self) -> tuple[str, ...]:
        """Who has it, and who comes too; nobody while it is not taken."""
        return () if self.acknowledged_by is None else (self.acknowledged_by, *self.also_by)

    @property
    def is_short(self) -> bool:
        """Taken, and more people are needed."""
        return self.state in TAKEN and len(self.standing) < self.needed

    @property
    def wants_calls(self) -> bool:
        """Whether the calls go on."""
        return self.state in (State.OPEN, State.NOTIFYING) or self.is_short

    @property
    def help_asked(self) -> bool:
        """Whether whoever has it has asked for more people than the policy wants."""
        return self.needed > self.policy.acknowledgements
