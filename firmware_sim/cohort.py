"""A simulated cohort: what older people at home would measure over weeks, with labelled deteriorations.

Everybody has a watch (pulse, oxygen, breathing, skin-corrected temperature), a cuff and scales; people with diabetes
prick their finger or wear a sensor. The body has a day and a night, slow wandering over hours and days, activity and
what follows it; devices are charged, come loose, stick, and speak other units. All numbers are drawn: this is no
measurement of anybody, and figures that rest on it are those of a simulation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_sim.cohort_bodies import Bodies
from firmware_sim.cohort_devices import Devices
from firmware_sim.cohort_events import DAY_MS, HELPED_MS, Agenda, Span, artefacts, benign, deteriorations, hours_of_day
from firmware_sim.cohort_people import Floats, Traits, draw
from firmware_sim.errors import SimulationError

UTC_OFFSET_S = 8 * 3600
#: A Monday, midnight in China.
START_MS = 1_759_680_000_000
#: Nothing happens to anybody before so many days.
KNOWN_DAYS = 8
#: The longest deterioration takes nine days.
LEAST_DAYS = KNOWN_DAYS + 10


@dataclass(frozen=True, slots=True)
class Readings:
    """What all devices of the cohort say at one instant: m readings.

    Attributes:
        t_ms: of all.
        person: ``(m,)`` whose.
        values: ``(m,)`` each, by the names of the wire contract, and ``enmo_g``; NaN where not measured.
    """

    t_ms: int
    person: NDArray[np.int32]
    values: dict[str, Floats]


class Cohort:
    """n people over some weeks. The same seed gives the same cohort, however often it is gone through.

    Args:
        people: how many; every other one deteriorates once.
        days: how long, :data:`LEAST_DAYS` at least.
        seed: of everything.
        every_s: how often a watch measures.

    Attributes:
        traits: who they are.
        deteriorations: the labels: what happened when, and by when help was needed (``event_ms``).
        benign: what happened and needed nobody.
        artefacts: what devices did wrong.

    Raises:
        SimulationError: nobody, too few days, or a watch that never measures.
    """

    def __init__(self, *, people: int, days: int, seed: int, every_s: int = 120) -> None:
        if people < 1 or days < LEAST_DAYS or not 1 <= every_s <= 3600:
            raise SimulationError(
                f"a cohort of {people} people, {days} days, a reading every {every_s} s: it takes one person, "
                f"{LEAST_DAYS} days, and 1 to 3600 s"
            )
        rng = np.random.default_rng([seed, 1])
        self.days, self.every_s, self._seed = days, every_s, seed
        self.traits: Traits = draw(people, rng)
        self.deteriorations: list[Span] = deteriorations(self.traits, days, START_MS, KNOWN_DAYS, rng)
        self.benign: list[Span] = benign(self.traits, days, START_MS, rng)
        self.artefacts: list[Span] = artefacts(self.traits, days, START_MS, rng)
        self._gone_ms = np.full(people, START_MS + days * DAY_MS, np.int64)
        for span in self.deteriorations:
            self._gone_ms[span.person] = min(span.event_ms + HELPED_MS, self._gone_ms[span.person])

    def __len__(self) -> int:
        return len(self.traits)

    @property
    def steps(self) -> int:
        """How many instants there are."""
        return self.days * DAY_MS // (self.every_s * 1000)

    def gone_ms(self, person: int) -> int:
        """Until when a person is at home: whoever deteriorated is in hospital some time after the event."""
        return int(self._gone_ms[person])

    def __iter__(self) -> Iterator[Readings]:
        """What comes, instant by instant."""
        rng = np.random.default_rng([self._seed, 2])
        bodies = Bodies(self.traits, self.every_s, UTC_OFFSET_S, rng)
        devices = Devices(self.traits, self.every_s, UTC_OFFSET_S, rng)
        grave, lesser, wrong = Agenda(self.deteriorations), Agenda(self.benign), Agenda(self.artefacts)
        for step in range(self.steps):
            t_ms = START_MS + step * self.every_s * 1000
            going = grave.at(t_ms)
            body, effort = bodies.at(t_ms, [*going, *lesser.at(t_ms)])
            values, there = devices.measure(
                t_ms, hours_of_day(t_ms, UTC_OFFSET_S), body, effort, going, wrong.at(t_ms)
            )  # fmt: skip
            some = np.flatnonzero(there & (t_ms < self._gone_ms))
            yield Readings(t_ms, some.astype(np.int32), {name: column[some] for name, column in values.items()})
