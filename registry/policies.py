"""Escalation policies: which one an incident has, on which days its steps hold, and what is wrong with one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from registry.entries import RELATIONS, PolicyEntry, PolicyStep, ResponderEntry, parent_of
from registry.errors import RosterError
from registry.rosters.compiling import days_of, zone_of
from registry.rosters.hours import is_workday

#: The role of who takes over when nobody of ours answers: a dispatch desk.
EMERGENCY = "emergency"
#: The role of who stands by everybody of their area and below, as a contact of the relation of the same name does.
VOLUNTEER = "volunteer"


@dataclass(frozen=True)
class Policies:
    """All policies by their area, and the days that are not as the weekday says."""

    by_area: Mapping[str, tuple[PolicyEntry, ...]] = field(default_factory=dict)
    days: Mapping[str, Mapping[date, bool]] = field(default_factory=dict)

    def of(self, area: str, kind: str) -> PolicyEntry | None:
        """The policy of an incident: that of the nearest area upwards, and there the one that names the kind before
        the one that is for all. None: the built-in one."""
        above: str | None = area
        while above is not None:
            here = self.by_area.get(above, ())
            named = [entry for entry in here if kind in entry.kinds]
            for entry in (*named, *(entry for entry in here if not entry.kinds)):
                return entry
            above = parent_of(above)
        return None

    def is_workday(self, area: str, zone: str, at_ms: int) -> bool:
        """Whether it is a working day in ``area`` at an instant, by the clocks of ``zone``."""
        day = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).date()
        return is_workday(day, days_of(self.days, area))


def policies_of(entries: Iterable[PolicyEntry], days: Mapping[str, Mapping[date, bool]]) -> Policies:
    """The policies as they are asked."""
    by_area: dict[str, tuple[PolicyEntry, ...]] = {}
    for entry in entries:
        by_area[entry.area] = (*by_area.get(entry.area, ()), entry)
    return Policies(MappingProxyType(by_area), days)


def policy_mistakes(
    policy: PolicyEntry,
    others: Iterable[PolicyEntry],
    responders: Mapping[str, ResponderEntry],
    relations: Collection[str] = RELATIONS,
) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) for each mistake that the types cannot see. ``relations``: those that there are."""
    try:
        zone_of(policy.zone)
    except RosterError as error:
        yield "zone", f"zone: {error}"
    for other in others:
        if other.id < policy.id and other.area == policy.area:
            for kind in sorted(set(policy.kinds) & set(other.kinds)) or ([""] * (not policy.kinds and not other.kinds)):
                yield "kinds", f"kinds: {other.id!r} is for {kind or 'all kinds'} of {policy.area!r} already"
    if policy.ask == "first" and not policy.ask_wearer:
        yield "ask", "ask: 'first' asks the wearer, and ask_wearer says that they are not asked: leave ask_wearer out"
    roles = {role for responder in responders.values() for role in responder.roles}
    for number, step in enumerate(policy.steps, start=1):
        if step.role and step.role not in roles:
            yield "steps", f"steps: step {number} calls the role {step.role!r}, which no responder has"
        for responder in step.responders:
            if responder not in responders:
                yield "steps", f"steps: step {number} calls {responder!r}: there is no such responder"
        if step.responders and (step.tier or step.layer or step.role):
            yield "steps", f"steps: step {number} names responders, and tier, layer or role too: one of the two"
        yield from (("steps", f"steps: step {number} {wrong}") for wrong in _step_mistakes(step, roles, relations))


def _step_mistakes(step: PolicyStep, roles: set[str], relations: Collection[str]) -> Iterator[str]:
    if step.relation and step.relation not in relations:
        yield f"calls the relation {step.relation!r}: no contact has it, and it is none of {', '.join(RELATIONS)}"
    if step.relation and (step.responders or step.tier or step.layer or step.role):
        yield "names a relation, and responders, tier, layer or role too: one of the two"
    if step.within_min is not None and not step.relation:
        yield "has within_min, which is for a relation"
    if step.emergency and step.beside:
        yield "is emergency and beside: it is one or the other"
    if step.emergency and (step.relation or step.tier or step.layer or step.role):
        yield f"is emergency: it calls those with the role {EMERGENCY!r}, or responders by name"
    if step.emergency and not step.responders and EMERGENCY not in roles:
        yield f"is emergency, and no responder has the role {EMERGENCY!r}"
