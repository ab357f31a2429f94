"""What a synthetic wearer does, by placement and by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firmware_sim.day_plan import Doing
from firmware_sim.kinematics import Body
from firmware_sim.synthetic_gait import Person, seconds, waist_steps, wrist_steps
from firmware_sim.synthetic_waist import (
    waist_bed,
    waist_bend,
    waist_chair,
    waist_lie,
    waist_sit,
    waist_stand,
    waist_up,
    waist_walk,
)
from firmware_sim.synthetic_wrist import wrist_chair, wrist_hands, wrist_rest, wrist_rub, wrist_up, wrist_walk

Activity = Callable[[Person, np.random.Generator], Body]


def _long(walk: Callable[[int, Person, np.random.Generator], Body]) -> Activity:
    def roam(person: Person, rng: np.random.Generator) -> Body:
        """Walking on for a minute or so."""
        return walk(seconds(rng, 30, 90), person, rng)

    return roam


#: What a wearer does who has no plan for the day.
MEDLEY: dict[str, tuple[Activity, ...]] = {
    "waist": (waist_walk, waist_chair, waist_bed, waist_bend, waist_stand),
    "wrist": (wrist_walk, wrist_hands, wrist_rub, wrist_rest, wrist_chair),
}
#: What one does, by name (see `day_plan`), and how that is done.
DOINGS: dict[str, dict[Doing, tuple[Activity, ...]]] = {
    "waist": {
        "walk": (waist_walk,),
        "roam": (_long(waist_steps),),
        "stand": (waist_stand,),
        "hands": (waist_stand, waist_bend),
        "chair": (waist_chair,),
        "sit": (waist_sit,),
        "lie": (waist_lie,),
        "get_up": (waist_up,),
    },
    "wrist": {
        "walk": (wrist_walk,),
        "roam": (_long(wrist_steps),),
        "stand": (wrist_hands,),
        "hands": (wrist_hands, wrist_rub),
        "chair": (wrist_chair,),
        "sit": (wrist_rest,),
        "lie": (wrist_rest,),
        "get_up": (wrist_up,),
    },
}
