"""Escalation policies as data."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from registry import PolicyEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Whom a policy calls, as :class:`registry.PolicyStep` has it."""

    tier: str = ""
    layer: int | None = None
    role: str = ""
    responders: tuple[str, ...] = ()
    after_s: float = 30.0
    together: bool = False
    channels: tuple[str, ...] = ()
    workdays: bool = False
    relation: str = ""
    within_min: float | None = None
    beside: bool = False
    counts: bool | None = None
    emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an incident is carried to people. It is kept with the incident, so that a changed setting leaves it alone.

    Without steps the order of calls is that of the registry: those on call in the area, then in its parents up to the
    district desk.

    Attributes:
        name: for the audit.
        step_s: how long a responder has before the next one is called.
        repeat_s: how long after the last of the order it starts again from the top, until somebody acknowledges.
        arrival_s: how long after the acknowledgement somebody must be on scene.
        ask_wearer: whether the device asks its wearer as well.
        zone: the IANA name of the zone in which working days begin.
        steps: whom to call, in order; each responder once in a round.
        resolve_s: the desk is told when it is open for so long, and again after as long; None never.
        ask_first: whether nobody is called while the question to the wearer stands.
        prompt_s: how long it does; None: as long as the settings have it.
        acknowledgements: so many different people must have acknowledged before the calls end.
    """

    name: str
    step_s: float
    repeat_s: float
    arrival_s: float
    ask_wearer: bool
    zone: str = "UTC"
    steps: tuple[Step, ...] = ()
    resolve_s: float | None = None
    ask_first: bool = False
    prompt_s: float | None = None
    acknowledgements: int = 1


#: Call at once, and ask the wearer at the same time.
IMMEDIATE = Policy(name="immediate", step_s=30.0, repeat_s=120.0, arrival_s=900.0, ask_wearer=True)
#: A visit that was not made: no emergency, but somebody has to see to it. Whoever is called has half an hour.
VISIT = Policy(name="visit", step_s=1800.0, repeat_s=14_400.0, arrival_s=86_400.0, ask_wearer=False)
#: What happened hours ago and came out of a device's buffer: call, but leave more time to read; the moment to ask the
#: wearer has passed.
HISTORICAL = Policy(name="historical", step_s=120.0, repeat_s=600.0, arrival_s=1800.0, ask_wearer=False)


def policy_of(entry: PolicyEntry) -> Policy:
    """The policy that the registry has, as it is kept with an incident."""
    return Policy(
        name=entry.id,
        step_s=entry.steps[0].after_s,
        repeat_s=entry.repeat_s,
        arrival_s=entry.arrival_s,
        ask_wearer=entry.ask_wearer and entry.ask != "never",
        zone=entry.zone,
        steps=tuple(msgspec.convert(msgspec.to_builtins(step), Step) for step in entry.steps),
        resolve_s=None if entry.resolve_h is None else entry.resolve_h * 3600,
        ask_first=entry.ask == "first" and entry.ask_wearer,
        prompt_s=entry.prompt_s,
        acknowledgements=entry.acknowledgements,
    )
