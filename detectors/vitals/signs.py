"""What is known of each vital sign by itself: what it can be, how fast it can change, how long it is good for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HOUR_S = 3600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One vital sign, in the unit of the wire contract.

    Attributes:
        name: as in the wire contract.
        unit: how its unit is written in the names of features.
        low: no living person, and no device that measures one, gives less.
        high: and none more.
        valid_s: how long a value stands for the person. Pulse, breathing and oxygen come every minute or so from what
            is worn; pressure is taken once or twice a day, and twelve hours is what NEWS2 asks of a patient who is
            well; temperature lies between.
        jump: from one reading to the next it may differ by this,
        jump_per_min: and by this more for each minute between,
        jump_most: and by this at most. What differs by more is believed once it has stayed.
        settle_s: so long it has to stay, over two readings at least. A skin sensor that came loose shows the room's
            warmth for an hour; another person on the scales does not come back twelve hours later.
        stuck_s: one value for this long,
        stuck_readings: and in so many readings, is no measurement.
        held_readings: so many readings with one value carry no alarm by themselves.
        rest_only: it says something of the person's state only at rest.
        floor: the least spread that is taken as usual: a sensor's own noise and the body's from hour to hour.
        matters: a change against the usual is worth a word from here on.
    """

    name: str
    unit: str
    low: float
    high: float
    valid_s: float
    jump: float
    jump_per_min: float
    jump_most: float
    settle_s: float
    stuck_s: float
    stuck_readings: int
    held_readings: int
    rest_only: bool
    floor: float = math.nan
    matters: float = math.nan


#: In the order of the columns of a batch; the first five have a baseline.
SIGNS: tuple[Sign, ...] = (
    Sign(
        name="hr", unit="bpm", low=20, high=250, valid_s=0.5 * HOUR_S, jump=35, jump_per_min=5, jump_most=80,
        settle_s=60, stuck_s=0.5 * HOUR_S, stuck_readings=20, held_readings=5, rest_only=True, floor=4.0, matters=15.0,
    ),
    Sign(
        name="spo2", unit="pct", low=50, high=100, valid_s=0.5 * HOUR_S, jump=8, jump_per_min=1, jump_most=15,
        settle_s=120, stuck_s=4 * HOUR_S, stuck_readings=100, held_readings=12, rest_only=True, floor=1.0, matters=3.0,
    ),
    Sign(
        name="rr", unit="per_min", low=3, high=70, valid_s=0.5 * HOUR_S, jump=12, jump_per_min=2, jump_most=25,
        settle_s=60, stuck_s=HOUR_S, stuck_readings=40, held_readings=8, rest_only=True, floor=1.5, matters=5.0,
    ),
    # 1.1 degrees above the usual is fever in older people whatever the thermometer says (High et al., Clinical
    # practice guideline for the evaluation of fever in older adult residents of long-term care facilities, IDSA 2008).
    Sign(
        name="temp", unit="celsius", low=30, high=43, valid_s=4 * HOUR_S, jump=0.6, jump_per_min=0.04, jump_most=2.0,
        settle_s=HOUR_S, stuck_s=6 * HOUR_S, stuck_readings=120, held_readings=10_000, rest_only=False, floor=0.2,
        matters=1.1,
    ),
    Sign(
        name="sbp", unit="mmhg", low=50, high=280, valid_s=12 * HOUR_S, jump=70, jump_per_min=0.5, jump_most=120,
        settle_s=30, stuck_s=60, stuck_readings=6, held_readings=4, rest_only=True, floor=7.0, matters=25.0,
    ),
    Sign(
        name="dbp", unit="mmhg", low=20, high=180, valid_s=12 * HOUR_S, jump=50, jump_per_min=0.5, jump_most=90,
        settle_s=30, stuck_s=60, stuck_readings=6, held_readings=4, rest_only=True,
    ),
    # No body changes its sugar by more than 0.25 mmol/L a minute; a sensor that is lain upon does, for half an hour.
    Sign(
        name="glucose", unit="mmol_l", low=0.6, high=35, valid_s=0.5 * HOUR_S, jump=1.0, jump_per_min=0.25,
        jump_most=40, settle_s=2400, stuck_s=2 * HOUR_S, stuck_readings=20, held_readings=10_000, rest_only=False,
    ),
    Sign(
        name="weight", unit="kg", low=20, high=300, valid_s=36 * HOUR_S, jump=4, jump_per_min=1 / 1440, jump_most=8,
        settle_s=12 * HOUR_S, stuck_s=3 * DAY_S, stuck_readings=8, held_readings=10_000, rest_only=False,
    ),
)  # fmt: skip
#: How many of them have a baseline.
USUAL = 5


def column(attribute: str) -> NDArray[np.float64]:
    """``(8, 1)``: one attribute of all signs, to be held against ``(8, m)`` readings."""
    return np.array([[float(getattr(sign, attribute))] for sign in SIGNS])


def feature(sign: int) -> str:
    """The name of a sign's value among the features of a finding: ``hr_bpm``."""
    return f"{SIGNS[sign].name}_{SIGNS[sign].unit}"
