"""Who wears the devices: age, sex, fitness, gait, aids, and how a fall ends for them. Drawn from the seed.

Every distribution has its source; what none was found for says so and is a field of the scenario.

.. [1] Seventh national population census of China, 2020: of those from 60 on, 55.8 % are in their sixties, 30.6 % in
   their seventies, 13.6 % older.
.. [2] Bohannon and Williams Andrews, Normal walking speed: a descriptive meta-analysis, Physiotherapy 2011, 97(3),
   182-189.
.. [3] Sekiya et al., Optimal walking in terms of variability in step length, J Orthop Sports Phys Ther 1997, 26(5),
   266-272: step length over cadence stays the same over speeds.
.. [4] Gell et al., Mobility device use in older adults and incidence of falls, J Am Geriatr Soc 2015, 63(5), 853-859:
   a cane is used by about one in six of those from 65 on, more often the older they are.
.. [5] Louis and Ferreira, How common is the most common adult movement disorder?, Mov Disord 2010, 25(5), 534-541:
   essential tremor in 4.6 % from 65 on.
.. [6] Tinetti, Liu and Claus, Predictors and prognosis of inability to get up after falls, JAMA 1993, 269(1), 65-70:
   47 % of fallers who were not injured could not get up without help.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

Outcome = Literal["gets_up", "lies", "unconscious"]

_Share = Annotated[float, Meta(ge=0, le=1)]
_Age = Annotated[float, Meta(ge=18, le=110)]
_Seconds = Annotated[float, Meta(gt=0, le=604_800)]


class Outcomes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How falls end, as weights. ``gets_up`` against ``lies`` is of [6]_; how many are unconscious has no source."""

    gets_up: _Share = 0.5
    lies: _Share = 0.4
    unconscious: _Share = 0.1

    def __post_init__(self) -> None:
        if not self.gets_up + self.lies + self.unconscious:
            raise ValueError("one of gets_up, lies and unconscious must be more than 0")


class People(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who they are and how they live.

    Attributes:
        age: youngest and oldest; within, as old people are spread over ages [1]_.
        fitness: what is added to everybody's fitness (0 to 1, 0.5 in the middle for the age).
        day_plan: they sleep, wash, eat, sit, go out by the local hour; else anything at any time.
        outcomes: how falls end.
        up_after_s: who gets up does so between the first and the second of these seconds after the impact.
        helped_after_s: who lies there is helped up after so long.
    """

    age: tuple[_Age, _Age] = (60, 95)
    fitness: Annotated[float, Meta(ge=-0.5, le=0.5)] = 0.0
    day_plan: bool = True
    outcomes: Outcomes = Outcomes()
    up_after_s: tuple[_Seconds, _Seconds] = (10, 120)
    helped_after_s: _Seconds = 1800

    def __post_init__(self) -> None:
        for name, (least, most) in (("age", self.age), ("up_after_s", self.up_after_s)):
            if least > most:
                raise ValueError(f"{name} wants least <= most, not {least:g} and {most:g}")


@dataclass(frozen=True, slots=True)
class Traits:
    """One person.

    Attributes:
        age: in years.
        sex: f or m.
        fitness: 0 frail to 1 fit, among people of that age.
        stature: height of the body, 1 in the middle.
        speed_m_s: of walking as one likes.
        step_hz: steps a second at that speed.
        vigour: scales every acceleration of one's own making.
        stick: walks with a cane.
        asymmetry: how much more one foot strikes than the other, as a share.
        tremor_hz: of the hands, 0 for none.
        tremor_g: its size.
    """

    age: float
    sex: Literal["f", "m"]
    fitness: float
    stature: float
    speed_m_s: float
    step_hz: float
    vigour: float
    stick: bool
    asymmetry: float
    tremor_hz: float
    tremor_g: float


#: How many of those from 60 on are how old [1]_: from, years, share. Within, fewer the older.
_AGES = ((60.0, 10.0, 0.558), (70.0, 10.0, 0.306), (80.0, 15.0, 0.136))
#: Mean walking speed in m/s at the middle of each decade, women and men [2]_.
_SPEEDS_AT = (64.5, 74.5, 84.5)
_SPEEDS = {"f": (1.24, 1.13, 0.943), "m": (1.34, 1.26, 0.97)}
#: Spread of speed within age and sex, as a share.
_SPEED_SIGMA = 0.17
#: Metres of step length for each step a minute [3]_; old people make shorter steps than the 0.0064 of young ones.
_WALK_RATIO = 0.0061
#: Share with a cane at 65 and at 90, for the middle fitness [4]_.
_STICK = (0.08, 0.35)
_TREMOR_SHARE = 0.046


def draw_traits(people: People, rng: np.random.Generator) -> Traits:
    """One person of ``people``."""
    age = _age(people.age, rng)
    sex: Literal["f", "m"] = "f" if rng.random() < np.interp(age, [60, 80, 95], [0.50, 0.56, 0.66]) else "m"
    fitness = float(np.clip(rng.normal(0.5, 0.18) + people.fitness, 0.0, 1.0))
    usual = float(np.interp(age, _SPEEDS_AT, _SPEEDS[sex]))
    # Half of the spread between people of an age is what we call fitness.
    speed = usual * (1 + _SPEED_SIGMA * float(rng.normal(0, 0.7)) + _SPEED_SIGMA * (fitness - 0.5) / 0.26)
    stick = bool(rng.random() < 2 * (1 - fitness) * float(np.interp(age, [65, 90], _STICK)))
    speed = float(np.clip(speed * (0.8 if stick else 1.0), 0.35, 1.8))
    tremor = bool(rng.random() < _TREMOR_SHARE)
    tremor_hz, tremor_g = float(rng.uniform(4, 8)), float(rng.uniform(0.02, 0.10))
    return Traits(
        age=age,
        sex=sex,
        fitness=fitness,
        stature=float(np.clip(rng.normal(0.97 if sex == "f" else 1.04, 0.04), 0.85, 1.15)),
        speed_m_s=speed,
        step_hz=(60 * speed / _WALK_RATIO) ** 0.5 / 60,
        vigour=float(np.clip((speed / 1.15) ** 1.5, 0.35, 1.7)),
        stick=stick,
        asymmetry=float(np.clip(abs(rng.normal(0, 0.06)) + (0.2 if stick else 0.0), 0, 0.5)),
        tremor_hz=tremor_hz if tremor else 0.0,
        tremor_g=tremor_g if tremor else 0.0,
    )


def _age(span: tuple[float, float], rng: np.random.Generator) -> float:
    """Within ``span`` as in the census where it speaks of them; evenly elsewhere."""
    low, high = span
    shares = [share * max(0.0, min(high, at + years) - max(low, at)) / years for at, years, share in _AGES]
    if not sum(shares):
        return float(rng.uniform(low, high))
    at, years, _ = _AGES[int(rng.choice(len(_AGES), p=np.array(shares) / sum(shares)))]
    first, last = max(low, at), min(high, at + years)
    # Fewer the older: the lesser of two draws twice as often as chance alone.
    draws = rng.uniform(first, last, 2)
    return float(draws.min() if rng.random() < 0.75 else draws.max())


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What comes after a fall: how it ends, and how long one lies there. ``outcome`` "" is nobody's business."""

    outcome: Outcome | Literal[""]
    lies_s: float


def draw_aftermath(people: People, rng: np.random.Generator) -> Aftermath:
    """How one fall ends; who gets up does so sooner rather than later."""
    weights = people.outcomes
    share = np.array([weights.gets_up, weights.lies, weights.unconscious])
    which = int(rng.choice(3, p=share / share.sum()))
    low, high = people.up_after_s
    waits_s = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    outcomes: tuple[Outcome, ...] = ("gets_up", "lies", "unconscious")
    return Aftermath(outcomes[which], waits_s if which == 0 else people.helped_after_s)
