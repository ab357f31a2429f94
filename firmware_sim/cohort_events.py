"""What happens to the people of a simulated cohort: deteriorations with the moment when they would need help, lesser
things that need none, and artefacts of the devices. All of it is known beforehand: it is the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_sim.cohort_people import Flags, Traits

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

DETERIORATIONS: tuple[str, ...] = (
    "sepsis", "respiratory_failure", "heart_failure", "hypertensive_crisis", "hypoglycaemia", "fast_pulse",
)  # fmt: skip
#: Nobody needs to come for these.
BENIGN: tuple[str, ...] = ("stress", "cold", "new_medicine")
ARTEFACTS: tuple[str, ...] = (
    "loose", "stuck", "cold_hand", "pressed_sensor", "fahrenheit", "kilopascal", "milligram",
)  # fmt: skip
#: After the event people are in hospital: nothing more comes.
HELPED_MS = 2 * HOUR_MS

#: What a deterioration adds at its event: name -> (mean, spread) by sign. Weight in kg, the others as on the wire.
_EFFECTS: dict[str, dict[str, tuple[float, float]]] = {
    "sepsis": {"temp": (1.7, 0.6), "hr": (30, 6), "rr": (9, 2), "spo2": (-4, 1.5), "sbp": (-30, 8), "dbp": (-15, 5)},
    "respiratory_failure": {"spo2": (-8, 2), "rr": (10, 3), "hr": (22, 6), "sbp": (8, 8)},
    "heart_failure": {"weight": (3.5, 0.8), "hr": (12, 4), "rr": (5, 1.5), "spo2": (-4, 1), "sbp": (6, 8)},
    "hypertensive_crisis": {"sbp": (72, 12), "dbp": (38, 8), "hr": (6, 5)},
    "hypoglycaemia": {"hr": (12, 5)},
    "fast_pulse": {"hr": (62, 10), "sbp": (-8, 8), "rr": (3, 1)},
}
#: How long it takes, hours.
LASTS_H = {
    "sepsis": (12, 30), "respiratory_failure": (5, 20), "heart_failure": (120, 216), "hypertensive_crisis": (8, 36),
    "hypoglycaemia": (0.7, 1.5), "fast_pulse": (3, 8),
}  # fmt: skip
_BENIGN_A_WEEK = {"stress": 0.5, "cold": 0.03, "new_medicine": 0.01}
_BENIGN_H = {"stress": (0.3, 1.0), "cold": (36, 84), "new_medicine": (24 * 60, 24 * 60)}
ARTEFACTS_A_WEEK = {
    "loose": 0.7, "stuck": 0.1, "cold_hand": 0.2, "pressed_sensor": 0.15, "fahrenheit": 0.005,
    "kilopascal": 0.005, "milligram": 0.005,
}  # fmt: skip
ARTEFACT_H = {
    "loose": (0.15, 1.5), "stuck": (1, 8), "cold_hand": (0.4, 1.0), "pressed_sensor": (0.3, 0.7),
    "fahrenheit": (48, 96), "kilopascal": (48, 96), "milligram": (48, 96),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """Something that happens to one person.

    Attributes:
        person: to whom.
        kind: what.
        begin_ms: from when on it shows.
        event_ms: of a deterioration: by then help is needed. Of anything else: its end.
        effects: what it adds, by sign, and what else belongs to it.
        after_ms: it goes on for so long after the event.
    """

    person: int
    kind: str
    begin_ms: int
    event_ms: int
    effects: dict[str, float]
    after_ms: int = 0

    @property
    def end_ms(self) -> int:
        """When it is over."""
        return self.event_ms + self.after_ms


def deteriorations(traits: Traits, days: int, start_ms: int, known_days: int, rng: np.random.Generator) -> list[Span]:
    """One deterioration for every other person, the kinds in turn, after ``known_days`` at the earliest.

    Whoever gets one that belongs to a condition has the condition from the beginning.
    """
    spans = []
    sick = rng.permutation(len(traits))[: len(traits) // 2]
    for nth, person in enumerate(sick.tolist()):
        kind = DETERIORATIONS[nth % len(DETERIORATIONS)]
        lasts_ms = round(rng.uniform(*LASTS_H[kind]) * HOUR_MS)
        earliest_ms = start_ms + known_days * DAY_MS
        latest_ms = start_ms + days * DAY_MS - lasts_ms - HELPED_MS
        begin_ms = round(rng.uniform(earliest_ms, latest_ms))
        effects, worn = course_effects(kind, rng)
        if kind == "hypoglycaemia":
            traits.diabetes[person] = True
            traits.glucose_sensor[person] = worn
        if kind == "heart_failure":
            traits.heart_failure[person] = True
        if kind == "hypertensive_crisis":
            traits.hypertension[person] = True
        spans.append(Span(person, kind, begin_ms, begin_ms + lasts_ms, effects, HELPED_MS))
    return spans


def course_effects(kind: str, rng: np.random.Generator) -> tuple[dict[str, float], bool]:
    """What a deterioration adds at its event, by sign; and whether whoever has low sugar wears a sensor."""
    effects = {name: float(rng.normal(*of)) for name, of in _EFFECTS[kind].items()}
    worn = False
    if kind == "sepsis" and rng.random() < 0.25:
        effects["temp"] = float(rng.normal(0.1, 0.2))  # every fourth older person has no fever
    if kind == "hypoglycaemia":
        worn = bool(rng.random() < 0.7)
        effects["lowest"] = float(rng.normal(2.4, 0.2))
    return effects, worn


def artefact_effects(rng: np.random.Generator) -> dict[str, float]:
    """What belongs to an artefact: ``held`` is the pulse that a stuck watch shows, NaN for the last one; ``low`` the
    sugar of a pressed sensor."""
    held = float(np.round(rng.uniform(125, 160))) if rng.random() < 0.4 else np.nan
    return {"held": held, "low": float(rng.uniform(2.6, 3.5))}


def benign(traits: Traits, days: int, start_ms: int, rng: np.random.Generator) -> list[Span]:
    """Excitement, colds, a new medicine."""
    spans = _often(traits, days, start_ms, _BENIGN_A_WEEK, _BENIGN_H, rng)
    sizes = {
        "stress": lambda: {"hr": float(rng.uniform(12, 32)), "sbp": float(rng.uniform(8, 25)), "rr": 2.0},
        "cold": lambda: {"temp": float(rng.uniform(0.4, 1.0)), "hr": float(rng.uniform(4, 9)), "rr": 1.0},
        "new_medicine": lambda: {"hr": -float(rng.uniform(6, 12)), "sbp": -float(rng.uniform(4, 12))},
    }
    return [Span(s.person, s.kind, s.begin_ms, s.event_ms, sizes[s.kind]()) for s in spans]


def artefacts(traits: Traits, days: int, start_ms: int, rng: np.random.Generator) -> list[Span]:
    """What devices do wrong."""
    spans = _often(traits, days, start_ms, ARTEFACTS_A_WEEK, ARTEFACT_H, rng)
    out = []
    for s in spans:
        if s.kind == "pressed_sensor" and not traits.glucose_sensor[s.person]:
            continue
        if s.kind == "milligram" and not traits.diabetes[s.person]:
            continue
        out.append(Span(s.person, s.kind, s.begin_ms, s.event_ms, artefact_effects(rng)))
    return out


def _often(
    traits: Traits,
    days: int,
    start_ms: int,
    a_week: dict[str, float],
    hours: dict[str, tuple[float, float]],
    rng: np.random.Generator,
) -> list[Span]:
    """Each kind at a rate; while one goes on, no other of its kind begins for the person."""
    spans = []
    for kind, rate in a_week.items():
        for person, count in enumerate(rng.poisson(rate * days / 7, len(traits)).tolist()):
            free_ms = start_ms
            for share in np.sort(rng.random(count)).tolist():
                begin_ms = start_ms + round(share * days * DAY_MS)
                end_ms = begin_ms + round(rng.uniform(*hours[kind]) * HOUR_MS)
                if begin_ms >= free_ms:
                    spans.append(Span(person, kind, begin_ms, end_ms, {}))
                    free_ms = end_ms + 1
    return spans


class Agenda:
    """Which of some spans go on now."""

    def __init__(self, spans: list[Span]) -> None:
        self._waiting = sorted(spans, key=lambda span: -span.begin_ms)
        self._going: list[Span] = []

    def at(self, t_ms: int) -> list[Span]:
        """Those that have begun and not ended at ``t_ms``, which never goes back."""
        while self._waiting and self._waiting[-1].begin_ms <= t_ms:
            self._going.append(self._waiting.pop())
        if any(span.end_ms < t_ms for span in self._going):
            self._going = [span for span in self._going if span.end_ms >= t_ms]
        return self._going


def progress(span: Span, t_ms: int) -> dict[str, float]:
    """What a deterioration or something benign adds at ``t_ms``: by sign."""
    share = min(1.0, (t_ms - span.begin_ms) / max(1, span.event_ms - span.begin_ms))
    if span.kind == "heart_failure":  # the water comes first, the breath goes in the last two days
        late = max(0.0, 1 - (span.event_ms - t_ms) / (2 * DAY_MS))
        return {name: size * (share if name == "weight" else late) for name, size in span.effects.items()}
    if span.kind == "cold":
        grow = min(1.0, 4 * share, 4 * (1 - share))
    elif span.kind in ("fast_pulse", "stress", "new_medicine"):
        grow = 1.0
    else:
        grow = share**1.3
    return {name: size * grow for name, size in span.effects.items()}


def hours_of_day(t_ms: int, utc_offset_s: int) -> float:
    """The local hour, 0 to 24."""
    return (t_ms + utc_offset_s * 1000) % DAY_MS / HOUR_MS


def asleep(traits: Traits, hour: float) -> Flags:
    """Who sleeps at a local hour."""
    night: NDArray[np.bool_] = (hour >= traits.asleep_h) | (hour < traits.awake_h)
    return night
