"""The calls of a round by the steps of a policy. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from alerts.beside import Beside
from alerts.calling import Round
from alerts.policy import Policy, Step
from alerts.reasons import Reason
from registry import ContactEntry, ResponderEntry

#: Of these it is said that they know, and the calls go on, unless a step says otherwise.
_KNOW_ONLY = frozenset({"family", "friend"})
_ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class OnCall:
    """Somebody who may be called: ``tier`` is "own", "above" or "desk", ``layer`` that of their roster (0: of none)."""

    responder: ResponderEntry
    tier: str
    layer: int


@dataclass(frozen=True, slots=True)
class PersonContact:
    """Somebody who stands by the person. ``seconds`` to the door, None when that is not known; ``available``: they
    have not reported that they cannot come; ``said``: for the time line."""

    contact: ContactEntry
    responder: ResponderEntry
    seconds: float | None = None
    available: bool = True
    said: Mapping[str, Any] = field(default_factory=dict)


def by_steps(
    policy: Policy,
    calls: Round,
    on_call: Sequence[OnCall],
    named: Mapping[str, ResponderEntry],
    *,
    workday: bool,
    contacts: Sequence[PersonContact] = (),
    emergency: Sequence[ResponderEntry] = (),
) -> Round:
    """The round with the policy's steps in the place of the usual order; a responder is in the first step that fits.

    ``on_call`` has those of ``calls`` in the same order, ``named`` the responders whom steps may name, ``contacts``
    those of the person in the order of the calls, ``emergency`` who takes over in the end. Who is told beside the order
    is not in it. Where the steps lead to nobody who could take the incident, the usual order follows: a policy leaves
    nobody alone.
    """
    always = tuple(Beside(one.responder, one.contact.relation) for one in contacts if one.contact.notify == _ALWAYS)
    if not policy.steps:
        return replace(calls, beside=always) if always else calls
    order: list[ResponderEntry] = []
    waits: dict[str, float] = {}
    said = dict(calls.said)
    beside: list[Beside] = []
    passed: list[tuple[str, Reason]] = []
    know_only: set[str] = set()
    first: set[str] = set()
    for number, step in enumerate(policy.steps, start=1):
        if step.workdays and not workday:
            continue
        passed += _passed_over(step, contacts)
        chosen = [_with_channels(one, step) for one in _who(step, on_call, named, contacts, emergency)]
        if step.beside:
            beside += [Beside(one, step.relation, _counts(step), number) for one in chosen]
            continue
        ids = {responder.id for responder in order}
        called = [one for one in chosen if one.id not in ids]
        for responder in called:
            waits[responder.id] = 0.0 if step.together and responder is not called[-1] else step.after_s
            said[responder.id] = said.get(responder.id, {}) | _said(step, number, contacts, responder.id)
        if not _counts(step):
            know_only.update(responder.id for responder in called)
        first = first or {responder.id for responder in called if responder.channels}
        order += called
    if not any(responder.channels and responder.id not in know_only for responder in order):
        able = [responder for responder in order if responder.channels]
        ids = {responder.id for responder in able}
        order = [*able, *(responder for responder in calls.order if responder.id not in ids)]
    told = {one.responder.id: one for one in (*always, *beside)}  # what a step says goes before "always"
    return replace(
        calls,
        order=order,
        said=said,
        waits=waits,
        beside=tuple(one for one in told.values() if one.responder.id not in first),
        passed=tuple(dict.fromkeys(passed)),
        know_only=frozenset(know_only),
    )


def _counts(step: Step) -> bool:
    """Whether somebody of the step who answers has taken the incident."""
    return step.counts if step.counts is not None else not step.beside and step.relation not in _KNOW_ONLY


def _who(
    step: Step,
    on_call: Sequence[OnCall],
    named: Mapping[str, ResponderEntry],
    contacts: Sequence[PersonContact],
    emergency: Sequence[ResponderEntry],
) -> Iterator[ResponderEntry]:
    if step.responders:
        yield from (named[one] for one in dict.fromkeys(step.responders) if one in named)
        return
    if step.emergency:
        yield from emergency
        return
    if step.relation:
        yield from (one.responder for one in _of(step, contacts) if _unfit(step, one) is None)
        return
    for one in on_call:
        fits_tier = not step.tier or one.tier == step.tier
        fits_layer = step.layer is None or one.layer == step.layer
        if fits_tier and fits_layer and (not step.role or step.role in one.responder.roles):
            yield one.responder


def _of(step: Step, contacts: Sequence[PersonContact]) -> Iterable[PersonContact]:
    return (one for one in contacts if step.relation and one.contact.relation == step.relation)


def _unfit(step: Step, one: PersonContact) -> Reason | None:
    """Why a contact of the step's relation is not called."""
    if not one.available:
        return Reason.NOT_AVAILABLE
    if step.within_min is not None and (one.seconds is None or one.seconds > step.within_min * 60):
        return Reason.TOO_FAR
    return None


def _passed_over(step: Step, contacts: Sequence[PersonContact]) -> Iterator[tuple[str, Reason]]:
    for one in _of(step, contacts):
        reason = _unfit(step, one)
        if reason is not None:
            yield one.responder.id, reason


def _said(step: Step, number: int, contacts: Sequence[PersonContact], responder: str) -> dict[str, Any]:
    said: dict[str, Any] = {"policy_step": number}
    if step.relation:
        said["relation"] = step.relation
        said |= next((one.said for one in contacts if one.responder.id == responder), {})
    return said | ({"emergency": True} if step.emergency else {})


def _with_channels(responder: ResponderEntry, step: Step) -> ResponderEntry:
    """With the channels that the step is for only."""
    if not step.channels:
        return responder
    channels = tuple(channel for channel in responder.channels if channel.type in step.channels)
    return msgspec.structs.replace(responder, channels=channels)
