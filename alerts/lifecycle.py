"""What becomes of an incident. Pure: an incident and ``now_ms`` in, the changed incident and what is to be done out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from alerts.delivery import Purpose
from alerts.errors import TransitionError
from alerts.incidents import NEXT, TAKEN, Incident, Outcome, State, TimerKind, What
from alerts.reasons import Reason
from detectors.detection import Severity

__all__ = [
    "NEXT", "TAKEN", "Answer", "AskWearer", "Call", "Change", "ClearTimer", "DropPending", "Effect", "Incident", "Note",
    "Outcome", "SetTimer", "StandDown", "State", "TimerKind", "What", "acknowledge", "arrival_timer", "called_anew",
    "cancel_by_wearer", "en_route", "given_up", "hand_on", "move", "not_arrived", "not_resolved", "on_scene", "resolve",
    "still_declined",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """An audit row to be written: who did what, and the words and numbers that belong to it."""

    what: What
    who: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Start or restart a timer."""

    kind: TimerKind
    due_ms: int


@dataclass(frozen=True, slots=True)
class ClearTimer:
    """Stop a timer."""

    kind: TimerKind


@dataclass(frozen=True, slots=True)
class Call:
    """Queue a notification on each of ``channels``; with none, ``reason`` says why nothing goes out."""

    responder: str
    step: int
    round: int
    channels: tuple[str, ...]
    reason: Reason | None = None
    purpose: Purpose = Purpose.CALL


@dataclass(frozen=True, slots=True)
class DropPending:
    """Calls that were not sent yet are not to be sent any more: those of ``only`` one responder, or of all but
    ``spare``."""

    reason: Reason
    only: str | None = None
    spare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandDown:
    """Those who were told and do not stand on the incident learn that they need not go; sirens end."""


@dataclass(frozen=True, slots=True)
class AskWearer:
    """Send a ``prompt`` command to a device. The id is the same for the same detection."""

    command: str
    device: str
    detection: str
    expires_ms: int


Effect = Note | SetTimer | ClearTimer | Call | DropPending | StandDown


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an incident (``before`` None: it is new) and what is to be done with it."""

    before: Incident | None
    after: Incident
    effects: tuple[Effect, ...] = ()
    #: the states gone through on the way to ``after.state``, in order
    path: tuple[State, ...] = ()

    def then(self, other: Change) -> Change:
        """This change, and ``other`` made to its result."""
        return Change(self.before, other.after, self.effects + other.effects, self.path + other.path)


def move(incident: Incident, state: State, **values: Any) -> Incident:
    """The incident in another state.

    Raises:
        TransitionError: the table has no such transition.
    """
    if state not in NEXT[incident.state]:
        raise TransitionError(incident.id, incident.state, state)
    return replace(incident, state=state, transitions=incident.transitions + 1, **values)


class Answer(StrEnum):
    """What became of somebody's action."""

    DONE = "done"
    ALREADY = "already"  # it stands there already, or further; ``by`` says who was first
    RESOLVED = "resolved"  # too late: the incident is over
    UNKNOWN = "unknown"  # no such incident
    NOTED = "noted"  # by somebody told beside the calls: written, and the calls go on


def acknowledge(incident: Incident, who: str, now_ms: int, *, via: str) -> tuple[Answer, Change | None]:
    """Take the incident, or join whoever has it while more people are needed: when there are enough nobody else is
    called. Somebody should be at the door within ``arrival_s``."""
    return _advance(incident, State.ACKNOWLEDGED, What.ACKNOWLEDGED, who, now_ms, via)


def en_route(incident: Incident, who: str, now_ms: int, *, via: str) -> tuple[Answer, Change | None]:
    """On the way. From ``notifying`` it acknowledges too."""
    return _advance(incident, State.EN_ROUTE, What.EN_ROUTE, who, now_ms, via)


def on_scene(incident: Incident, who: str, now_ms: int, *, via: str) -> tuple[Answer, Change | None]:
    """At the door. From an earlier state it acknowledges too."""
    return _advance(incident, State.ON_SCENE, What.ON_SCENE, who, now_ms, via)


def _advance(
    incident: Incident, state: State, what: What, who: str, now_ms: int, via: str
) -> tuple[Answer, Change | None]:
    if incident.state is State.RESOLVED:
        return Answer.RESOLVED, None
    if who == incident.offered_to:
        taken = _take_over(incident, who, now_ms, via)
        further = None if state is State.ACKNOWLEDGED else _advance(taken.after, state, what, who, now_ms, via)[1]
        return Answer.DONE, taken if further is None else taken.then(further)
    first = incident.state not in TAKEN
    joins = incident.is_short and who not in incident.standing
    moves = state in NEXT[incident.state] and (first or state is not State.ACKNOWLEDGED)  # a press leads forward only
    if not moves and not joins:
        return Answer.ALREADY, None
    values: dict[str, Any] = {}
    if first:
        values |= {"acknowledged_ms": now_ms, "acknowledged_by": who}
    elif joins:
        values["also_by"] = {**incident.also_by, who: now_ms}
    if who in incident.declined and (first or joins):  # they can come after all
        values["declined"] = still_declined(incident, who)
    if moves and state is State.EN_ROUTE:
        values["en_route_ms"] = now_ms
    if moves and state is State.ON_SCENE:
        values["on_scene_ms"] = now_ms
    after = move(incident, state, **values) if moves else replace(incident, **values)
    effects: list[Effect] = [Note(what, who, {"via": via} | ({"with": incident.acknowledged_by} if joins else {}))]
    if first or joins:
        effects += _enough(incident) if not after.is_short else [DropPending(Reason.ACKNOWLEDGED, only=who)]
    if first and state is not State.ON_SCENE:
        effects.append(arrival_timer(after))
    if moves and state is State.ON_SCENE:
        effects.append(ClearTimer(TimerKind.ARRIVAL))
    return Answer.DONE, Change(incident, after, tuple(effects), (state,) if moves else ())


def _take_over(incident: Incident, who: str, now_ms: int, via: str) -> Change:
    """Who was asked to take it over has it, with a time of their own to be there; who had it need not go."""
    also = {one: at_ms for one, at_ms in incident.also_by.items() if one != who}
    after = replace(
        incident, acknowledged_by=who, also_by=also, offered_to=None, declined=still_declined(incident, who)
    )
    effects: list[Effect] = [
        Note(What.TAKEN_OVER, who, {"via": via, "instead_of": incident.acknowledged_by}),
        DropPending(Reason.ACKNOWLEDGED, only=who),
    ]
    path: tuple[State, ...] = ()
    if incident.state is not State.ON_SCENE:
        after = replace(after, acknowledged_ms=now_ms, en_route_ms=None)
        effects.append(arrival_timer(after))
    if incident.state is State.EN_ROUTE:
        after, path = move(after, State.ACKNOWLEDGED), (State.ACKNOWLEDGED,)
    if not after.is_short:
        effects.append(StandDown())
    elif not incident.is_short:  # they came too, and that place is free now
        begun = called_anew(incident)
        after = replace(after, round=begun.round, step=begun.step)
        effects.append(SetTimer(TimerKind.CALL, now_ms))
    return Change(incident, after, tuple(effects), path)


def still_declined(incident: Incident, who: str) -> dict[str, int]:
    """Who said that they cannot come, but for one who comes after all."""
    return {one: at_ms for one, at_ms in incident.declined.items() if one != who}


def _enough(before: Incident) -> list[Effect]:
    """As many as are needed have acknowledged: nobody else is called, and who was told need not go."""
    return [
        ClearTimer(TimerKind.CALL),
        DropPending(Reason.ACKNOWLEDGED, spare=before.standing),
        StandDown(),
    ]


def arrival_timer(incident: Incident) -> SetTimer:
    """When whoever has it should be at the door."""
    assert incident.acknowledged_ms is not None  # otherwise nobody has it
    return SetTimer(TimerKind.ARRIVAL, incident.acknowledged_ms + round(incident.policy.arrival_s * 1000))


def resolve(
    incident: Incident, who: str, now_ms: int, *, outcome: Outcome, note: str = "", via: str
) -> tuple[Answer, Change | None]:
    """Close the incident with what it was."""
    if incident.state is State.RESOLVED:
        return Answer.RESOLVED, None
    data = {"via": via, "outcome": outcome.value} | ({"note": note} if note else {})
    after = move(incident, State.RESOLVED, outcome=outcome, resolved_ms=now_ms, resolved_by=who, offered_to=None)
    effects = (Note(What.RESOLVED, who, data), *_over(Reason.RESOLVED))
    return Answer.DONE, Change(incident, after, effects, (State.RESOLVED,))


def cancel_by_wearer(incident: Incident, now_ms: int, *, prompt: str, settles: bool) -> Change:
    """The wearer answered "I am all right" to the prompt of this incident.

    ``settles`` says that the answer covers everything that is known (no SOS, no later prompt without an answer). It
    then ends an incident that nobody has taken; one that somebody has taken stays theirs, with less urgency unless they
    have asked for more people.
    """
    note = Note(What.WEARER_CANCELLED, "wearer", {"prompt": prompt, "settles": settles})
    if not settles or incident.state is State.RESOLVED:
        return Change(incident, incident, (note,))
    if incident.state in TAKEN:
        after = incident if incident.help_asked else replace(incident, severity=Severity.WARNING)
        return Change(incident, after, (note,))
    after = move(incident, State.RESOLVED, outcome=Outcome.CANCELLED, resolved_ms=now_ms, resolved_by="wearer")
    return Change(incident, after, (note, *_over(Reason.WEARER_CANCELLED)), (State.RESOLVED,))


def not_arrived(incident: Incident) -> Change:
    """Acknowledged, but nobody is on scene in time: calls are due. Whoever comes too has it from now on; without such a
    new round is open to everybody."""
    note = Note(What.NOT_ARRIVED, "system", {"acknowledged_by": incident.acknowledged_by or ""})
    if incident.also_by:
        handed = hand_on(incident)
        return replace(handed, effects=(note, *handed.effects))
    after = given_up(incident)
    return Change(incident, after, (note,), (State.NOTIFYING,))


def given_up(incident: Incident) -> Incident:
    """The incident as nobody has it any more: open to everybody, in a new round."""
    return move(
        incident,
        State.NOTIFYING,
        round=incident.round + 1,
        step=0,
        acknowledged_ms=None,
        acknowledged_by=None,
        en_route_ms=None,
        offered_to=None,
    )


def called_anew(incident: Incident) -> Incident:
    """The incident before more calls. Where they had ended a new round begins, so that those who were told that they
    need not go can be called again."""
    return incident if incident.wants_calls else replace(incident, round=incident.round + 1, step=0)


def hand_on(incident: Incident) -> Change:
    """Whoever has it does not come: the first of those who come too has it, with a time of their own to be there, and
    somebody is called for the place."""
    also = dict(incident.also_by)
    following = next(iter(also))
    since_ms = also.pop(following)
    after = replace(called_anew(incident), acknowledged_by=following, also_by=also, offered_to=None)
    note = Note(What.TAKEN_OVER, following, {"instead_of": incident.acknowledged_by})
    if incident.state is State.ON_SCENE:
        return Change(incident, after, (note,))
    after = replace(after, acknowledged_ms=since_ms, en_route_ms=None)
    effects = (note, arrival_timer(after))
    if incident.state is State.EN_ROUTE:
        return Change(incident, move(after, State.ACKNOWLEDGED), effects, (State.ACKNOWLEDGED,))
    return Change(incident, after, effects)


def not_resolved(incident: Incident, now_ms: int) -> Change:
    """Open for longer than the policy has it; it is said again after as long."""
    assert incident.policy.resolve_s is not None  # otherwise there is no such timer
    note = Note(What.NOT_RESOLVED, "system", {"since_ms": incident.opened_ms})
    again = SetTimer(TimerKind.RESOLVE, now_ms + round(incident.policy.resolve_s * 1000))
    return Change(incident, incident, (note, again))


def _over(reason: Reason) -> tuple[Effect, ...]:
    return (*(ClearTimer(kind) for kind in TimerKind), DropPending(reason), StandDown())
