"""What a responder answers besides taking an incident: that they cannot come, that more people are needed, or that
somebody else is to take it over. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from alerts.lifecycle import (
    TAKEN,
    Answer,
    Call,
    Change,
    ClearTimer,
    DropPending,
    Effect,
    Incident,
    Note,
    SetTimer,
    State,
    TimerKind,
    What,
    arrival_timer,
    called_anew,
    given_up,
    hand_on,
    move,
    still_declined,
)
from alerts.reasons import Reason
from detectors.detection import Severity


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is being asked in the present round. ``since_ms``: when the responder was, None when they were not;
    ``others``: somebody else has time to answer now."""

    since_ms: int | None = None
    others: bool = False


def cannot_come(incident: Incident, who: str, now_ms: int, *, via: str, asked: Asked) -> tuple[Answer, Change | None]:
    """A responder does not come. Nobody waits for them: the next is called at once, unless others are being asked.

    Whoever has it gives it up, to the first who comes too or to everybody. They are asked again only after all others.
    Somebody who is at the door alone does not give it up so.
    """
    if incident.state is State.RESOLVED:
        return Answer.RESOLVED, None
    stands = who in incident.standing
    if who == incident.offered_to and not stands:  # it stays with who has it
        kept = replace(incident, offered_to=None, declined={**incident.declined, who: now_ms})
        said = (Note(What.CANNOT_COME, who, {"via": via}), DropPending(Reason.CANNOT_COME, only=who))
        return Answer.DONE, Change(incident, kept, said)
    if stands:
        refused = incident.state is State.ON_SCENE and not incident.also_by
    else:
        said_ms = incident.declined.get(who)
        again = said_ms is not None and (asked.since_ms is None or asked.since_ms <= said_ms)
        refused = not incident.wants_calls or again
    if refused:
        return Answer.ALREADY, None
    after = replace(incident, declined={**incident.declined, who: now_ms})
    effects: list[Effect] = [
        Note(What.CANNOT_COME, who, {"via": via} | ({"had_acknowledged": True} if stands else {})),
        DropPending(Reason.CANNOT_COME, only=who),
    ]
    if stands and not incident.also_by:
        after = given_up(after)
        effects += [ClearTimer(TimerKind.ARRIVAL), SetTimer(TimerKind.CALL, now_ms)]
        return Answer.DONE, Change(incident, after, tuple(effects), (State.NOTIFYING,))
    path: tuple[State, ...] = ()
    if who == incident.acknowledged_by:
        handed = hand_on(after)
        after, path = handed.after, handed.path
        effects += handed.effects
    elif stands:
        also = {one: at_ms for one, at_ms in after.also_by.items() if one != who}
        after = replace(called_anew(after), also_by=also)
    if stands or (asked.since_ms is not None and not asked.others):
        effects.append(SetTimer(TimerKind.CALL, now_ms))
    return Answer.DONE, Change(incident, after, tuple(effects), path)


def need_help(incident: Incident, who: str, now_ms: int, *, via: str, note: str = "") -> tuple[Answer, Change | None]:
    """More people are needed: others are called at once, and until one more has acknowledged.

    Who asks stands on the incident from now on, and has it where nobody had. The one place more is not counted twice
    while it is open.
    """
    if incident.state is State.RESOLVED:
        return Answer.RESOLVED, None
    effects: list[Effect] = []
    path: tuple[State, ...] = ()
    after = incident
    if incident.state not in TAKEN:
        after = move(incident, State.ACKNOWLEDGED, acknowledged_ms=now_ms, acknowledged_by=who)
        path = (State.ACKNOWLEDGED,)
        effects += [Note(What.ACKNOWLEDGED, who, {"via": via}), arrival_timer(after)]
    elif who not in incident.standing:
        after = replace(incident, also_by={**incident.also_by, who: now_ms})
        effects.append(Note(What.ACKNOWLEDGED, who, {"via": via, "with": incident.acknowledged_by}))
    needed = max(incident.policy.acknowledgements, len(after.standing)) + 1
    if after is incident and incident.needed >= needed:
        return Answer.ALREADY, None
    if not incident.wants_calls:
        after = called_anew(after)
    after = replace(
        after, needed=max(needed, incident.needed), severity=Severity.CRITICAL, declined=still_declined(after, who)
    )
    data: dict[str, Any] = {"via": via, "needed": after.needed} | ({"note": note} if note else {})
    effects += [
        Note(What.HELP_NEEDED, who, data),
        DropPending(Reason.ACKNOWLEDGED, only=who),
        SetTimer(TimerKind.CALL, now_ms),
    ]
    return Answer.DONE, Change(incident, after, tuple(effects), path)


def hand_over(
    incident: Incident, who: str, to: str, *, via: str, channels: tuple[str, ...], note: str = ""
) -> tuple[Answer, Change | None]:
    """Whoever has it asks another to take it over, who is called on ``channels``. It stays with the first until the
    other has acknowledged; of two who are asked one after the other only the newer still can.

    Already: by whoever has it, where that is somebody else, or ``to`` stands on it or was asked.
    """
    if incident.state is State.RESOLVED:
        return Answer.RESOLVED, None
    if incident.state not in TAKEN or who != incident.acknowledged_by:
        return Answer.ALREADY, None
    if to in incident.standing or to == incident.offered_to:
        return Answer.ALREADY, None
    begun = called_anew(incident)
    if begun is incident and to in incident.declined:  # called in this round before
        begun = replace(incident, round=incident.round + 1, step=0)
    after = replace(begun, step=begun.step + 1, offered_to=to, declined=still_declined(incident, to))
    effects: list[Effect] = [
        Note(What.OFFERED, who, {"via": via, "responder": to} | ({"note": note} if note else {})),
        Call(to, begun.step, begun.round, channels, None if channels else Reason.NO_CHANNEL),
    ]
    if incident.offered_to is not None:
        effects.append(DropPending(Reason.ACKNOWLEDGED, only=incident.offered_to))
    if not channels:
        data = {"responder": to, "reason": Reason.NO_CHANNEL.value}
        effects.append(Note(What.NOT_CALLED, "system", data))
    return Answer.DONE, Change(incident, after, tuple(effects))
