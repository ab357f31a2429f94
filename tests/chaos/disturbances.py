"""What is done to a running system, and when: drawn from a seed alone, so that a run can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """One kind of disturbance; the first four are the names of the roles that are killed."""

    GATEWAY = "gateway"
    PROCESSOR = "processor"
    WRITER = "writer"
    ALERTS = "alerts"
    BROKER = "broker"
    INFLUX = "influx"
    CUT_DEVICES = "cut devices"
    CUT_GATEWAY = "cut gateway"
    SLOW_DEVICES = "slow devices"
    SLOW_GATEWAY = "slow gateway"
    DISK = "full disk"


#: Killed with SIGKILL and started again by the supervisor.
ROLES = (Kind.GATEWAY, Kind.PROCESSOR, Kind.WRITER, Kind.ALERTS)
#: How long each of the others lasts, in s, shortest and longest.
_LASTS_S: dict[Kind, tuple[float, float]] = {
    Kind.BROKER: (0.2, 3.0),
    Kind.INFLUX: (2.0, 14.0),
    Kind.CUT_DEVICES: (1.0, 8.0),
    Kind.CUT_GATEWAY: (1.0, 8.0),
    Kind.SLOW_DEVICES: (4.0, 10.0),
    Kind.SLOW_GATEWAY: (4.0, 10.0),
    Kind.DISK: (4.0, 10.0),
}
#: What a slow link adds in each direction, in s.
_DELAY_S = (0.2, 1.5)
#: Undisturbed at the beginning, so that everybody has come up.
LEAD_S = 4.0
#: So many of other kinds lie between two of one kind.
_APART = 3


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Begins ``at_s`` after the fleet's start. ``lasts_s``: 0 for a role that is killed; ``delay_s``: of slow links."""

    at_s: float
    kind: Kind
    lasts_s: float = 0.0
    delay_s: float = 0.0

    def __str__(self) -> str:
        lasts = f" for {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"at {self.at_s:.1f} s {self.kind}{lasts}" + (f", {self.delay_s:.2f} s later" if self.delay_s else "")


def schedule(seed: int, seconds: float, *, every_s: float = 4.5, longer: float = 1.0) -> list[Disturbance]:
    """What happens within ``seconds``, by the time of its beginning; all of it has ended by then.

    One begins every ``every_s`` on average. Every kind comes once before one comes again, in another order each time;
    several may be going on at once, but never two of one kind. ``longer`` multiplies how long they last at most.
    """
    chance = random.Random(seed)
    made: list[Disturbance] = []
    free_at_s = dict.fromkeys(Kind, 0.0)
    left: list[Kind] = []
    slots = int((seconds - LEAD_S) / every_s)
    for slot in range(slots):
        at_s = LEAD_S + every_s * (slot + chance.uniform(0.05, 0.95))
        left = left or list(Kind)
        recent = {one.kind for one in made[-_APART:]}
        free = [kind for kind in left if kind not in recent and free_at_s[kind] <= at_s]
        if not free:
            continue
        kind = chance.choice(free)
        left.remove(kind)
        shortest_s, longest_s = _LASTS_S.get(kind, (0.0, 0.0))
        lasts_s = min(chance.uniform(shortest_s, longest_s * longer), seconds - at_s)
        slow = kind in (Kind.SLOW_DEVICES, Kind.SLOW_GATEWAY)
        delay_s = chance.uniform(*_DELAY_S) if slow else 0.0
        made.append(Disturbance(round(at_s, 3), kind, round(lasts_s, 3), round(delay_s, 3)))
        free_at_s[kind] = at_s + lasts_s + every_s
    return made
