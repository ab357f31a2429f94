"""What may befall somebody at home, how people differ, and what sensors may notice of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from firmware_sim.truth import Happening

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
#: What may befall a resident: what is due for it, and within how long, in hours: a district calls after four to five
#: hours of silence; who sits or walks about at night is looked for within two. Lying in is no hurry.
TROUBLES: dict[str, tuple[str, float]] = {
    "still": ("collapse", 5.0),
    "bed_left": ("bed_left", 2.0),
    "not_out_of_bed": ("not_out_of_bed", 6.0),
    "long_bathroom": ("long_bathroom", 2.0),
    "wandering": ("wandering", 1.0),
    "not_back": ("not_back", 10.0),
}
#: How long each goes on, hours.
LASTS_H = {
    "still": (5.5, 6.5), "bed_left": (2.2, 2.8), "not_out_of_bed": (6.5, 7.5), "long_bathroom": (2.5, 3.5),
    "wandering": (0.8, 1.2),
}  # fmt: skip
#: Awake and at home between these local hours, a trouble can begin.
WINDOW_H = {"still": (8.0, 16.0), "long_bathroom": (9.0, 18.0)}
#: Of the night: so many hours after going to bed, until so many before rising.
NIGHT_H = (1.0, 4.0)
NOT_BACK_FROM_H = 14.0


class Signal(NamedTuple):
    """Something that a sensor may notice. ``what``: motion, door, bed; ``seen_s`` of a motion, ``on`` of the others."""

    t_ms: int
    what: str
    place: int = 0
    on: bool = True
    seen_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """How one person differs from the one that the habits were fitted to: hours later, outings and pace as factors."""

    later_h: float = 0.0
    outings: float = 1.0
    pace: float = 1.0
    visits_a_week: float = 0.0


@dataclass(slots=True, kw_only=True)
class Fate:
    """What will happen to a resident.

    Attributes:
        troubles: kind of :data:`TROUBLES` and the earliest instant, each; it begins when the day allows.
        falls: (impact, until when the person does not move), epoch ms.
        away: (from, until) of holidays, epoch ms.
        happened: filled while the resident is gone through.
    """

    troubles: list[tuple[int, str]] = field(default_factory=list)
    falls: list[tuple[int, int]] = field(default_factory=list)
    away: list[tuple[int, int]] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
