"""How well a provider answers, in one number that is not better than what is known of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.reporting.measures import Calls

#: With fewer counted cases of any part there is no rating.
LEAST_CASES = 20
#: What each part weighs: answered within 60 s, within 180 s, at the door within 15 min of taking it.
WEIGHTS = {"soon": 0.5, "late": 0.2, "door": 0.3}
#: From which score on a grade is given.
GRADES = (("A", 90.0), ("B", 80.0), ("C", 70.0), ("D", 0.0))


@dataclass(frozen=True, slots=True)
class Rating:
    """``score`` from 0 to 100, the higher the better, and its ``grade``, A to D."""

    score: float
    grade: str


def rate(calls: Calls) -> Rating | None:
    """``100 * sum(weight * lower end of the 95 % Wilson interval)``; None with too few cases.

    The lower end, not the share itself: twenty good answers of twenty (83.9) do not stand above two hundred of two
    hundred (98.1), and whoever wants to prefer a provider is on the safe side.
    """
    parts = {"soon": calls.soon, "late": calls.late, "door": calls.door}
    if min(part.total for part in parts.values()) < LEAST_CASES:
        return None
    score = 100 * sum(weight * parts[name].share.interval[0] for name, weight in WEIGHTS.items())
    return Rating(score, next(grade for grade, least in GRADES if score >= least))
