"""Who is told beside the calls: relatives and others who should know, and whose answer ends no call. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from alerts.channels import first_channels
from alerts.delivery import Purpose
from alerts.lifecycle import Call, Effect, Incident, Note, What
from alerts.reasons import Reason
from detectors.detection import Severity
from registry import ResponderEntry

#: The step of every call beside the order: no place in it, so that the same person can be called there too.
BESIDE_STEP = -1
_EMERGENCIES = frozenset({Severity.URGENT, Severity.CRITICAL})


@dataclass(frozen=True, slots=True)
class Beside:
    """Somebody who is told with the first call. ``counts``: whether their answer takes the incident; ``policy_step``
    is where the policy has them, None for contacts who are told at every emergency, and at nothing less."""

    responder: ResponderEntry
    relation: str = ""
    counts: bool = False
    policy_step: int | None = None


def calls_beside(incident: Incident, beside: Sequence[Beside], called: Collection[str]) -> list[Effect]:
    """The calls beside the order, to those who are not among ``called``."""
    effects: list[Effect] = []
    for one in beside:
        responder = one.responder
        emergency = one.policy_step is not None or incident.severity in _EMERGENCIES
        if responder.id in called or not emergency:
            continue
        channels = first_channels(responder)
        if not channels:
            effects.append(Call(responder.id, BESIDE_STEP, incident.round, (), Reason.NO_CHANNEL, _purpose(one)))
            data = {"responder": responder.id, "reason": Reason.NO_CHANNEL.value, "beside": True}
            effects.append(Note(What.NOT_CALLED, "system", data))
            continue
        said = {"responder": responder.id, "round": incident.round, "channels": list(channels), "beside": True}
        said |= {"relation": one.relation} if one.relation else {}
        said |= {"policy_step": one.policy_step} if one.policy_step is not None else {}
        effects.append(Call(responder.id, BESIDE_STEP, incident.round, channels, purpose=_purpose(one)))
        effects.append(Note(What.CALLED, "system", said))
    return effects


def _purpose(one: Beside) -> Purpose:
    return Purpose.CALL if one.counts else Purpose.BESIDE
