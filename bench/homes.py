"""What the routine bank makes of simulated homes: troubles found, by when, and findings for nothing.

``python -m bench.homes --homes 36 --days 21 [--hold-s 15] [--pets 1] [--second 1] [--seed 1]``

Every home has one trouble, the kinds in turn, two thirds into the run. No cost is measured here: see bench.routine.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence

import numpy as np

from detectors.detection import Detection, Stage
from detectors.event import EventBank, HomeIn
from detectors.parameters import EventParameters
from detectors.routine.bank import RoutineBank
from detectors.routine.batch import HomeBatch
from firmware_sim.households.fate import DAY_MS, HOUR_MS, TROUBLES, Fate
from firmware_sim.households.habits import fitted
from firmware_sim.households.home import Home
from firmware_sim.households.plan import HomesPlan, SensorPlace, household
from firmware_sim.truth import Happening
from telemetry.messages import Home as HomeMessage

#: A Monday, midnight in China.
START_MS = 1_759_680_000_000
#: Readings are handed over in such steps; what is due is found at the end of one.
STEP_MS = 600_000
#: The bank says that it knows a home from the seventh day on.
KNOWN_DAYS = 7


def listen(homes: Sequence[Home], days: int, step_ms: int = STEP_MS) -> list[Detection]:
    """What the routine bank and the event bank confirm of homes over ``days`` from :data:`START_MS`."""
    routine, events = RoutineBank(), EventBank(EventParameters())
    every: list[tuple[int, int, int, bool]] = []
    rows: dict[int, Home] = {}
    for it in homes:
        row = routine.add(it.household.person, residents=it.household.residents, pets=it.household.pets)
        rows[row] = it
        every += [(one.t_ms, row, one.sensor, one.value) for one in it.readings(START_MS + days * DAY_MS)]
    every.sort()
    found: list[Detection] = []
    at = 0
    for now_ms in range(START_MS + step_ms, START_MS + days * DAY_MS + 1, step_ms):
        before = at
        while at < len(every) and every[at][0] < now_ms:
            at += 1
        some = every[before:at]
        sensors: list[SensorPlace] = [rows[row].household.sensors[sensor] for _, row, sensor, _ in some]
        t_ms = np.array([one[0] for one in some], np.int64)
        batch = HomeBatch(
            np.array([one[1] for one in some], np.int32), [one.device for one in sensors],
            [one.kind for one in sensors], [one.room for one in sensors], [one[3] for one in some], t_ms, t_ms,
        )  # fmt: skip
        found += routine.update(batch, now_ms)
        smoke = [
            HomeIn(
                sensor.device, rows[row].household.person, HomeMessage(t=t, boot=1, seq=t, kind="smoke", value=on), t
            )
            for (t, row, _, on), sensor in zip(some, sensors, strict=True)
            if sensor.kind == "smoke"
        ]
        found += events.update_home(smoke, now_ms)
    return [one for one in found if one.stage is Stage.CONFIRMED]


def is_about(found: Detection, what: Happening) -> bool:
    """Whether a finding came while something happened to its person, or within the hour after."""
    end_ms = what.begin_ms if what.end_ms is None else what.end_ms
    return found.person == what.person and what.begin_ms - STEP_MS <= found.decided_ms <= end_ms + HOUR_MS


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.homes", description=__doc__)
    parser.add_argument("--homes", type=int, default=36)
    parser.add_argument("--days", type=int, default=21)
    parser.add_argument("--hold-s", type=float, default=15.0)
    parser.add_argument("--pets", type=float, default=0.0, help="share of homes with an animal")
    parser.add_argument("--second", type=float, default=0.0, help="share of homes with a second resident")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    plan, kinds = HomesPlan(pets=asked.pets, second=asked.second), list(TROUBLES)
    homes = []
    for index in range(asked.homes):
        fate = Fate(troubles=[(START_MS + asked.days * DAY_MS * 2 // 3, kinds[index % len(kinds)])])
        homes.append(
            Home(
                household(plan, index), fitted(), (asked.seed, index), start_ms=START_MS, utc_offset_s=8 * 3600,
                fate=fate, visits_a_week=plan.visits_a_week, hold_s=asked.hold_s,
            )
        )  # fmt: skip
    found = listen(homes, asked.days)
    happened = [one for it in homes for one in it.happened(START_MS + asked.days * DAY_MS)]
    hours: dict[str, list[float | None]] = {}
    for what in happened:
        told = [one.decided_ms for one in found if one.kind == what.kind and is_about(one, what)]
        hours.setdefault(what.kind, []).append(round((min(told) - what.begin_ms) / HOUR_MS, 2) if told else None)
    late = sum(
        what.due_ms is not None and at is not None and at > (what.due_ms - what.begin_ms) / HOUR_MS
        for kind, them in hours.items()
        for what, at in zip([one for one in happened if one.kind == kind], them, strict=True)
    )
    others = [one for one in found if not any(is_about(one, what) for what in happened)]
    known = Counter(one.kind for one in others if one.decided_ms >= START_MS + KNOWN_DAYS * DAY_MS)
    figures = {
        "asked": vars(asked),
        "happened": len(happened),
        "found": sum(at is not None for them in hours.values() for at in them),
        "late": late,
        "hours_until_found": hours,
        "others_while_learning": dict(Counter(one.kind for one in others) - known),
        "others_of_known_homes": dict(known),
        "others_of_known_homes_per_home_week": round(
            known.total() * 7 / asked.homes / max(1, asked.days - KNOWN_DAYS), 3
        ),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
