"""The calls of a round by the steps of a policy. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from alerts.calling import Round
from alerts.policy import Policy, Step
from registry import ResponderEntry


@dataclass(frozen=True, slots=True)
class OnCall:
    """Somebody who may be called: ``tier`` is "own", "above" or "desk", ``layer`` that of their roster (0: of none)."""

    responder: ResponderEntry
    tier: str
    layer: int


def by_steps(
    policy: Policy, calls: Round, on_call: Sequence[OnCall], named: Mapping[str, ResponderEntry], *, workday: bool
) -> Round:
    """The round with the policy's steps in the place of the usual order; a responder is in the first step that fits.

    ``on_call`` has those of ``calls`` in the same order, ``named`` the responders whom steps may name. Where the steps
    lead to nobody who has a channel, the usual order holds: a policy leaves nobody alone.
    """
    if not policy.steps:
        return calls
    order: list[ResponderEntry] = []
    waits: dict[str, float] = {}
    said = dict(calls.said)
    for number, step in enumerate(policy.steps, start=1):
        if step.workdays and not workday:
            continue
        ids = {responder.id for responder in order}
        called = [_with_channels(one, step) for one in _who(step, on_call, named) if one.id not in ids]
        for responder in called:
            waits[responder.id] = 0.0 if step.together and responder is not called[-1] else step.after_s
            said[responder.id] = said.get(responder.id, {}) | {"policy_step": number}
        order += called
    if not any(responder.channels for responder in order):
        return calls
    return replace(calls, order=order, said=said, waits=waits)


def _who(step: Step, on_call: Sequence[OnCall], named: Mapping[str, ResponderEntry]) -> Iterator[ResponderEntry]:
    if step.responders:
        yield from (named[one] for one in dict.fromkeys(step.responders) if one in named)
        return
    for one in on_call:
        fits_tier = not step.tier or one.tier == step.tier
        fits_layer = step.layer is None or one.layer == step.layer
        if fits_tier and fits_layer and (not step.role or step.role in one.responder.roles):
            yield one.responder


def _with_channels(responder: ResponderEntry, step: Step) -> ResponderEntry:
    """With the channels that the step is for only."""
    if not step.channels:
        return responder
    channels = tuple(channel for channel in responder.channels if channel.type in step.channels)
    return msgspec.structs.replace(responder, channels=channels)
