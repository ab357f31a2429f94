"""Escalation policies as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an incident is carried to people. It is kept with the incident, so that a changed setting leaves it alone.

    The order of calls is that of the registry: those on call in the area, then in its parents up to the district desk.

    Attributes:
        name: for the audit.
        step_s: how long a responder has before the next one is called.
        repeat_s: how long after the last of the order it starts again from the top, until somebody acknowledges.
        arrival_s: how long after the acknowledgement somebody must be on scene.
        ask_wearer: whether the device asks its wearer as well.
    """

    name: str
    step_s: float
    repeat_s: float
    arrival_s: float
    ask_wearer: bool


#: Call at once, and ask the wearer at the same time.
IMMEDIATE = Policy(name="immediate", step_s=30.0, repeat_s=120.0, arrival_s=900.0, ask_wearer=True)
#: A visit that was not made: no emergency, but somebody has to see to it. Whoever is called has half an hour.
VISIT = Policy(name="visit", step_s=1800.0, repeat_s=14_400.0, arrival_s=86_400.0, ask_wearer=False)
#: What happened hours ago and came out of a device's buffer: call, but leave more time to read; the moment to ask the
#: wearer has passed.
HISTORICAL = Policy(name="historical", step_s=120.0, repeat_s=600.0, arrival_s=1800.0, ask_wearer=False)
