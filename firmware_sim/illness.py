"""Who of a scenario's wearers falls ill, with what and when; and what a system has to find of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct, field

from firmware_sim.cohort_events import HELPED_MS, HOUR_MS, LASTS_H, Span, course_effects
from firmware_sim.errors import SimulationError
from firmware_sim.truth import Happening

Kind = Literal[
    "sepsis", "respiratory_failure", "heart_failure", "hypertensive_crisis", "hypoglycaemia", "fast_pulse"
]  # fmt: skip
_Second = Annotated[float, Meta(ge=0, le=31_536_000)]

#: The kinds of findings of the vitals that each illness is due in (first), or that it explains.
DUE: dict[str, tuple[str, ...]] = {
    "sepsis": ("news2", "vitals_combination", "vitals_shift", "vitals_limit"),
    "respiratory_failure": ("news2", "vitals_combination", "vitals_shift", "vitals_limit"),
    "heart_failure": ("vitals_trend", "news2", "vitals_combination", "vitals_shift", "vitals_limit"),
    "hypertensive_crisis": ("vitals_limit", "news2", "vitals_shift", "vitals_trend"),
    "hypoglycaemia": ("vitals_limit", "vitals_shift"),
    "fast_pulse": ("vitals_limit", "news2", "vitals_combination", "vitals_shift"),
}
#: What somebody with an illness has had before.
NEEDS: dict[str, tuple[str, ...]] = {"hypoglycaemia": ("glucose_sensor",), "heart_failure": ("heart_failure",)}
#: Every rule wants to see for some time what it tells (docs/vitals.md): nothing is due earlier.
LEAST_DUE_MS = HOUR_MS // 2


class Course(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``count`` wearers, or a ``share`` of them, fall ill at instants spread over ``between_s`` of the run."""

    count: Annotated[int, Meta(ge=0, le=100_000)] = 0
    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    between_s: tuple[_Second, _Second] = (0.0, 0.0)


class IllnessPlan(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Illnesses by kind. ``speed``: courses take so much less time than in life, so that a short run can show one."""

    courses: dict[Kind, Course] = field(default_factory=dict)
    speed: Annotated[float, Meta(gt=0, le=10_000)] = 1.0


def fall_ill(plan: IllnessPlan, wearers: int, seed: int, start_ms: int) -> dict[int, Span]:
    """Who (index among the wearers) falls ill, and the course; nobody has two.

    Raises:
        SimulationError: more illnesses than wearers, or a span that ends before it starts.
    """
    rng = np.random.default_rng([seed, 0x111])
    order = rng.permutation(wearers).tolist()
    out: dict[int, Span] = {}
    for kind, course in sorted(plan.courses.items()):
        count = max(course.count, round(course.share * wearers))
        first_s, last_s = course.between_s
        if count > len(order) or last_s < first_s:
            raise SimulationError(
                f"illness {kind}: {count} times between {first_s:g} and {last_s:g} s, {len(order)} wearers are still "
                "well: it takes a wearer each, and start <= end"
            )
        for at_s in np.sort(rng.uniform(first_s, last_s, count)).tolist():
            who = order.pop()
            lasts_ms = round(float(rng.uniform(*LASTS_H[kind])) * HOUR_MS / plan.speed)
            effects, _ = course_effects(kind, rng)
            begin_ms = start_ms + round(at_s * 1000)
            out[who] = Span(who, kind, begin_ms, begin_ms + lasts_ms, effects, HELPED_MS)
    return out


def easing(span: Span, t_ms: int) -> float:
    """How much of an illness is left, 0 to 1: all until some time after its event, when treatment sets in; then it
    goes, over as long as it took to come and six hours at the least."""
    if t_ms <= span.end_ms:
        return 1.0
    goes_ms = max(6 * HOUR_MS, span.event_ms - span.begin_ms)
    return max(0.0, 1 - (t_ms - span.end_ms) / goes_ms)


def happenings(span: Span, device: str, person: str | None) -> list[Happening]:
    """What has to be found: the first of :data:`DUE` by the event (help was needed then), the others are explained."""
    due_ms = max(span.event_ms, span.begin_ms + LEAST_DUE_MS)
    over_ms = span.end_ms + max(6 * HOUR_MS, span.event_ms - span.begin_ms)
    kinds: Sequence[str] = DUE[span.kind]
    return [
        Happening(
            kind=kind,
            begin_ms=span.begin_ms,
            due_ms=due_ms if not nth else None,
            end_ms=over_ms,
            device=device,
            person=person,
            detail=span.kind,
        )
        for nth, kind in enumerate(kinds)
    ]
