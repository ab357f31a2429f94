"""Motion made from a model, for where there are no recordings, and for people of whom more is known."""

from __future__ import annotations

import numpy as np

from firmware_sim.day_plan import Doing
from firmware_sim.errors import SimulationError
from firmware_sim.fall_kinds import FALL_KINDS
from firmware_sim.kinematics import Body, wander
from firmware_sim.motion import Clip
from firmware_sim.people import Traits
from firmware_sim.synthetic_before import before_fall
from firmware_sim.synthetic_days import DOINGS, MEDLEY
from firmware_sim.synthetic_falls import waist_fall, wrist_fall
from firmware_sim.synthetic_gait import Person

#: People made per placement; fleets larger than this share them, as recordings are shared.
_PEOPLE = 32
#: Everyday clips made per person, of no plan and of each thing that a plan holds.
_CLIPS = 16
_CLIPS_OF_EACH = 4
_CODES = tuple(FALL_KINDS)
_FALLS = {"waist": waist_fall, "wrist": wrist_fall}


class _Wearer:
    """The repertoire of one synthetic person: everyday clips made once, falls made anew."""

    def __init__(self, person: Person, seed: tuple[int, ...]) -> None:
        self._person = person
        self._seed = seed
        self._made: dict[tuple[Doing | None, int], Clip] = {}

    def everyday(self, rng: np.random.Generator, doing: Doing | None = None) -> Clip:
        """One of this person's clips, of ``doing`` where that is given."""
        which = int(rng.integers(_CLIPS if doing is None else _CLIPS_OF_EACH))
        if (doing, which) not in self._made:
            of = 0 if doing is None else 1 + list(DOINGS["waist"]).index(doing)
            own = np.random.default_rng([*self._seed, which, of] if of else [*self._seed, which])
            placement = self._person.placement
            activities = MEDLEY[placement] if doing is None else DOINGS[placement][doing]
            activity = activities[which % len(activities)]
            body = activity(self._person, own)
            self._tremble(body, own)
            self._made[doing, which] = self._person.sensor.read(f"synthetic/{activity.__name__}", body, own)
        return self._made[doing, which]

    def fall(self, rng: np.random.Generator, *, still: bool = False, kind: str | None = None) -> Clip:
        """A fall of a kind drawn evenly, or of ``kind``; the frail do not jog."""
        code = kind or _CODES[int(rng.integers(len(_CODES)))]
        if kind is None and code == "F05" and self._person.fitness < rng.random():
            code = "F04"
        of = FALL_KINDS[code]
        before = before_fall(of, self._person, rng)
        body = _FALLS[self._person.placement](of, before, rng, stature=self._person.stature, still=still)
        return self._person.sensor.read(code, body, rng, is_fall=True)

    def _tremble(self, body: Body, rng: np.random.Generator) -> None:
        """Hands tremble most when they are held up and little when they work or rest."""
        p, n = self._person, len(body)
        if not p.tremor_g:
            return
        size = p.tremor_g * np.clip(0.6 + 0.5 * wander(n, 0.3, rng), 0, 1.5)
        phase = np.cumsum(p.tremor_hz * (1 + 0.03 * wander(n, 1, rng))) * 2 * np.pi / 50
        body.push[:, 1:] += (size * np.sin(phase))[:, None] * np.array([0.8, 0.6])


class Synthetic:
    """Motion from the model; the same ``seed`` makes the same people, clips and falls."""

    name = "synthetic"

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._people: dict[tuple[str, int], _Wearer] = {}

    def wearer(
        self,
        placement: str,
        rng: np.random.Generator,
        *,
        falls: bool,  # noqa: ARG002 - of MotionSource
        traits: Traits | None = None,
    ) -> _Wearer:
        """One of the people made for ``placement`` (``waist`` or ``wrist``), or the one who has ``traits``.

        Each of them can fall.
        """
        if placement not in MEDLEY:
            raise SimulationError(f"no synthetic motion for placement {placement!r}: use {' or '.join(MEDLEY)}")
        place = sorted(MEDLEY).index(placement)
        if traits is not None:
            seed = (self._seed, place, _PEOPLE + int(rng.integers(2**31)))
            return _Wearer(Person.of(traits, placement, np.random.default_rng(seed)), seed)
        which = int(rng.integers(_PEOPLE))
        if (placement, which) not in self._people:
            seed = (self._seed, place, which)
            self._people[placement, which] = _Wearer(Person.draw(placement, np.random.default_rng(seed)), seed)
        return self._people[placement, which]
