"""Whom to call next, and when to ask again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alerts.beside import Beside, calls_beside
from alerts.channels import first_channels
from alerts.delivery import Purpose
from alerts.lifecycle import Call, Change, Effect, Incident, Note, SetTimer, State, TimerKind, What, move
from alerts.reasons import Reason
from registry import ResponderEntry


@dataclass(frozen=True, slots=True)
class Round:
    """The calls of an incident's present round: the order as it is now, who was called already, and what the time line
    says of why somebody stands where they do (roster, travel time, busy). ``waits``: how long somebody has before the
    next one is called, where that is not ``step_s``. ``next_ms``: when somebody comes on call, where nobody is.
    ``beside``: who is told with the first call, ``know_only``: whose answer ends no call, ``passed``: contacts whom a
    step passes over, and why."""

    order: Sequence[ResponderEntry]
    told: frozenset[str] = frozenset()
    said: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    waits: Mapping[str, float] = field(default_factory=dict)
    next_ms: int | None = None
    beside: Sequence[Beside] = ()
    passed: Sequence[tuple[str, Reason]] = ()
    know_only: frozenset[str] = frozenset()


def call_next(incident: Incident, calls: Round, now_ms: int) -> Change:
    """Call the next responder of the order; at its end, begin the next round from the top.

    Who stands on the incident already is not called, and who said that they cannot come after all others. Responders
    without a channel are passed over with a named reason. When nobody at all can be called, that is written and tried
    again after ``repeat_s``, or as soon as somebody comes on call: the registry may have changed.
    """
    free = [responder for responder in calls.order if responder.id not in incident.standing]
    order = sorted(free, key=lambda responder: responder.id in incident.declined)
    waiting = [responder for responder in order if responder.id not in calls.told]
    before, begins = incident, not calls.told
    if not any(responder.channels for responder in waiting) and calls.told:
        # everybody of this round was called, and the time after the last call has passed
        incident, begins = replace(incident, round=incident.round + 1, step=0), True
        waiting = order
    able = [responder for responder in waiting if responder.channels]
    again_ms = _not_before_ms(incident, able)
    if again_ms > now_ms:
        return Change(before, before, (*_passed_over(able), SetTimer(TimerKind.CALL, again_ms)))
    effects: list[Effect] = []
    while waiting and not waiting[0].channels:
        passed = waiting.pop(0)
        effects += [
            Call(passed.id, incident.step, incident.round, (), Reason.NO_CHANNEL),
            Note(What.NOT_CALLED, "system", {"responder": passed.id, "reason": Reason.NO_CHANNEL.value}),
        ]
    if begins:
        data = [{"responder": one, "reason": reason.value} for one, reason in calls.passed]
        effects += [Note(What.NOT_CALLED, "system", one) for one in data]
    beside = calls_beside(incident, calls.beside, {one.id for one in waiting[:1]})
    policy = incident.policy
    if not waiting:
        nobody = Note(What.NOT_CALLED, "system", {"area": incident.area, "reason": Reason.NOBODY_ON_CALL.value})
        repeat_ms = now_ms + round(policy.repeat_s * 1000)
        comes_ms = repeat_ms if calls.next_ms is None else max(now_ms + 1, calls.next_ms)
        again = SetTimer(TimerKind.CALL, min(repeat_ms, comes_ms))
        return Change(before, incident, (*effects, nobody, *beside, again))
    responder, *rest = waiting
    last = not any(other.channels for other in rest)
    wait_s = policy.repeat_s if last else calls.waits.get(responder.id, policy.step_s)
    due_ms = now_ms + round(wait_s * 1000)
    effects += _call(incident, responder, calls) + beside
    if begins:
        effects += _passed_over([one for one in rest if one.channels and one.id in incident.declined])
    effects.append(SetTimer(TimerKind.CALL, due_ms))
    if last:
        effects.append(Note(What.ALL_CALLED, "system", {"round": incident.round, "again_ms": due_ms}))
    after = replace(incident, step=incident.step + 1)
    if incident.state is State.OPEN:
        if policy.resolve_s is not None:
            effects.append(SetTimer(TimerKind.RESOLVE, incident.opened_ms + round(policy.resolve_s * 1000)))
        return Change(before, move(after, State.NOTIFYING), tuple(effects), (State.NOTIFYING,))
    return Change(before, after, tuple(effects))


def _not_before_ms(incident: Incident, able: Sequence[ResponderEntry]) -> int:
    """When the first of those who can be called may be: who has just said that they cannot come has ``repeat_s``."""
    if not able or any(responder.id not in incident.declined for responder in able):
        return 0
    newest_ms = max(incident.declined[responder.id] for responder in able)
    return newest_ms + round(incident.policy.repeat_s * 1000)


def _passed_over(declined: Sequence[ResponderEntry]) -> list[Effect]:
    reason = Reason.CANNOT_COME.value
    return [Note(What.NOT_CALLED, "system", {"responder": one.id, "reason": reason}) for one in declined]


def call_again(incident: Incident, calls: Round, now_ms: int) -> Change:
    """Tell whoever has taken the incident that there is more: a new SOS, or higher severity.

    When they cannot be reached through a channel of ours the first of the order is told. The same people are not told
    more than once in ``step_s``.
    """
    if incident.retold_ms is not None and now_ms - incident.retold_ms < incident.policy.step_s * 1000:
        note = Note(What.NOT_CALLED, "system", {"reason": Reason.TOLD_JUST_NOW.value})
        return Change(incident, incident, (note,))
    able = [responder for responder in calls.order if responder.channels]
    mine = [responder for responder in able if responder.id == incident.acknowledged_by]
    return call_anew(incident, replace(calls, order=mine or able), now_ms)


def call_anew(incident: Incident, calls: Round, now_ms: int) -> Change:
    """Tell the first of the order about an incident that somebody has taken."""
    chosen = next(iter(calls.order), None)
    if chosen is None:
        note = Note(What.NOT_CALLED, "system", {"area": incident.area, "reason": Reason.NOBODY_ON_CALL.value})
        return Change(incident, incident, (note,))
    told = replace(incident, round=incident.round + 1, step=0, retold_ms=now_ms)
    return Change(incident, replace(told, step=1), tuple(_call(told, chosen, calls)))


def _call(incident: Incident, responder: ResponderEntry, calls: Round) -> list[Effect]:
    channels = first_channels(responder)
    purpose = Purpose.BESIDE if responder.id in calls.know_only else Purpose.CALL
    data = {"responder": responder.id, "step": incident.step, "round": incident.round, "channels": list(channels)}
    data |= calls.said.get(responder.id, {}) | ({"help": True} if incident.is_short else {})
    return [
        Call(responder.id, incident.step, incident.round, channels, purpose=purpose),
        Note(What.CALLED, "system", data),
    ]
