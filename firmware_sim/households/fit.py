"""Fit :class:`firmware_sim.households.habits.Habits` to a recording of one home.

``python -m firmware_sim.households.fit RECORDING --days 10 --out firmware_sim/households/fitted.yaml``

A recording has lines ``date time room area state label`` (gzip), the home's local time, as those of the CASAS project.
Nights and meals are found by the labels; an absence is a silence of two minutes and more after a movement at the door.
Nothing of the recording but shares and quantiles is written.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from firmware_sim.households.habits import (
    ASLEEP,
    COOKING,
    EVENING,
    HALL,
    LEVELS,
    LONG_S,
    MORNING,
    MORNING_S,
    NIGHT,
    PARTS_H,
    PLACES,
    Habits,
    Meal,
    Mode,
    Part,
    part_of,
    time_of,
)
from firmware_sim.households.resident import movements

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_DAY_S, _HOUR_S = 86_400.0, 3_600.0
#: (room, area) of a recording -> place; anything else (lights) tells of nobody.
_PLACE_OF = {
    ("Kitchen", "Kitchen"): "kitchen", ("Bathroom", "Bathroom"): "bathroom", ("Bedroom", "Bedroom"): "bedroom",
    ("Bedroom", "Closet"): "bedroom", ("LivingRoom", "LivingRoom"): "living", ("LoungeChair", "LivingRoom"): "chair",
    ("WorkArea", "WorkArea"): "desk", ("OutsideDoor", "Entry"): "hall",
}  # fmt: skip
_ASLEEP = ("Sleep", "Go_To_Sleep", "Bed_Toilet_Transition")
_MEALS = ("Cook_Breakfast", "Cook_Lunch", "Cook_Dinner")
_ABSENT_S = 120.0
#: Who comes back to the stove later than this cooks again.
_SAME_MEAL_S = 600.0
#: A place that was hardly ever left in a part of the day does as in the whole of it: that counts as so many movements.
_PRIOR = 5.0
#: Of so few lengths no table is made; that of all places holds.
_FEW = 12
#: So many long silences of a place are a table all the same; of fewer, it is this one.
_RARE, _SOME_LONG = 3, np.array([LONG_S, 2 * LONG_S])
#: Of the calibration: how much of a difference is made good in one round, and the largest share that may come of it.
_DAMPING, _MOST_LONG = 0.6, 0.7


@dataclass(frozen=True, slots=True)
class Recording:
    """Movements of one home, in order.

    Attributes:
        t_s: ``(n,)`` local seconds since 1970.
        place: ``(n,)`` index of :data:`PLACES`.
        seen_s: ``(n,)`` how long the sensor stayed on.
        label: ``(n,)`` what the person did, as somebody noted.
    """

    t_s: Floats
    place: NDArray[np.intp]
    seen_s: Floats
    label: NDArray[np.str_]

    def between(self, first_day: int, last_day: int) -> Recording:
        """Days ``first_day`` to ``last_day`` of it, from noon to noon; day 0 is the first one recorded."""
        start_s = self.t_s[0] // _DAY_S * _DAY_S + _DAY_S / 2
        chosen = (self.t_s >= start_s + first_day * _DAY_S) & (self.t_s < start_s + last_day * _DAY_S)
        return Recording(self.t_s[chosen], self.place[chosen], self.seen_s[chosen], self.label[chosen])


def read(path: Path) -> Recording:
    """Read a recording."""
    rows: list[tuple[float, int, str]] = []
    seen: dict[int, float] = {}
    began: dict[tuple[str, str], int] = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            day, clock, room, area, state, label = line.split()
            place = _PLACE_OF.get((room, area))
            if place is None:
                continue
            t_s = datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
            if state == "ON":
                began[room, area] = len(rows)
                rows.append((t_s, PLACES.index(place), label))
            elif (row := began.pop((room, area), None)) is not None:
                seen[row] = t_s - rows[row][0]
    t_s_, place_, label_ = zip(*rows, strict=True)
    return Recording(
        np.array(t_s_), np.array(place_, np.intp), np.array([seen.get(i, 1.0) for i in range(len(rows))]),
        np.array(label_),
    )  # fmt: skip


def nights(recording: Recording) -> list[tuple[float, float]]:
    """Local seconds of going to bed and of rising, night by night, by the labels."""
    found = []
    asleep = np.isin(recording.label, _ASLEEP)
    noon_s = recording.t_s[0] // _DAY_S * _DAY_S - _DAY_S / 2
    while noon_s < recording.t_s[-1]:
        # naps of the afternoon and evening are no nights
        night = (recording.t_s >= noon_s + 8 * _HOUR_S) & (recording.t_s < noon_s + 23 * _HOUR_S) & asleep
        times = recording.t_s[night]
        if len(times) > 1 and times[-1] - times[0] > 3 * _HOUR_S:
            found.append((float(times[0]), float(times[-1])))
        noon_s += _DAY_S
    return found


def fit(recording: Recording) -> Habits:
    """The habits in a recording of some days."""
    t_s, slept = recording.t_s, nights(recording)
    gap = np.diff(t_s)
    here, there = recording.place[:-1], recording.place[1:]
    tracks = (here, there, gap)
    absent = (here == HALL) & (gap >= _ABSENT_S)
    short = gap < LONG_S
    hour = t_s[:-1] % _DAY_S / _HOUR_S
    part = np.array([part_of(h) for h in hour.tolist()])
    cooked = [_cooking(recording, meal) for meal in _MEALS]
    for begin_s, end_s in (span for meal in cooked for span in meal):
        part[(t_s[:-1] >= begin_s) & (t_s[:-1] < end_s)] = COOKING
    to_bed_s = []
    for begin_s, end_s in slept:
        part[(t_s[:-1] >= end_s) & (t_s[:-1] < end_s + MORNING_S)] = MORNING
        before = np.flatnonzero(~short & (t_s[:-1] < begin_s))
        if len(before):
            up_s = float(t_s[before[-1] + 1])
            to_bed_s.append(max(1.0, begin_s - up_s))
            part[(t_s[:-1] >= up_s) & (t_s[:-1] < begin_s)] = EVENING
        part[(t_s[:-1] >= begin_s) & (t_s[:-1] < end_s)] = NIGHT
    night = part == NIGHT
    time = np.array([time_of(h) for h in hour.tolist()])
    time[night] = ASLEEP
    modes = [
        _mode(time[~absent] == which, (time[~absent] == ASLEEP) == (which == ASLEEP), *(x[~absent] for x in tracks))
        for which in range(ASLEEP + 1)
    ]
    parts = []
    for which in range(NIGHT + 1):
        whole = ~absent & (night if which == NIGHT else ~night)
        parts.append(_part(whole & (part == which), whole, here, there, short))
    home_s = np.zeros(24)
    at_home = np.where(absent | night, 0.0, gap)
    np.add.at(home_s, hour.astype(int), at_home)
    left = np.bincount(hour[absent].astype(int), minlength=24)
    days = (t_s[-1] - t_s[0]) / _DAY_S
    return Habits(
        days=round(days),
        bed_h=_mean_h([begin_s for begin_s, _ in slept if begin_s > t_s[0] + 1], after_h=12),
        rise_h=_mean_h([end_s for _, end_s in slept if end_s < t_s[-1] - 1]),
        outings_per_h=[_r(x) for x in left / np.maximum(home_s / _HOUR_S, 1.0)],
        outing_s=[_lengths(gap[absent & (time == which)], gap[absent]) for which in range(ASLEEP)],
        meals=[
            Meal(
                share=_r(min(1.0, len(spans) / days)),
                at_h=_lengths(np.array([begin_s % _DAY_S / _HOUR_S for begin_s, _ in spans])),
                lasts_s=_lengths(np.array([end_s - begin_s for begin_s, end_s in spans])),
            )
            for spans in cooked
            if spans
        ],
        to_bed_s=_lengths(np.array(to_bed_s)),
        seen_s=[_lengths(recording.seen_s[recording.place == place]) for place in range(len(PLACES))],
        parts=parts,
        modes=modes,
    )


def calibrated(habits: Habits, recording: Recording, *, rounds: int = 10, days: int = 80, seed: int = 1) -> Habits:
    """The same habits with as many movements in each part of the day as recorded.

    Steps without memory make too many small ones: who comes out of the bathroom sits down again, which the shares of
    single movements do not know. So the shares of movements that a long silence follows are raised or lowered, part by
    part, until what is simulated has the recorded number of movements (method of simulated moments).
    What is simulated differs from round to round: the mean of the second half of them counts.
    """
    tried: list[list[Part]] = []
    wanted = _by_part(recording.t_s, (recording.t_s[-1] - recording.t_s[0]) / _DAY_S)
    for turn in range(rounds):
        t_ms, _ = movements(habits, days, seed + turn)
        ratio = _by_part(np.array(t_ms) / 1000, days) / wanted
        parts = list(habits.parts)
        for which in range(len(PARTS_H)):
            factor = float(np.clip(ratio[which] ** _DAMPING, 0.5, 2.0))
            long = [_r(min(_MOST_LONG, share * factor)) for share in parts[which].long]
            parts[which] = msgspec.structs.replace(parts[which], long=long)
        habits = msgspec.structs.replace(habits, parts=parts)
        tried.append(parts)
    parts = [
        msgspec.structs.replace(
            same[0], long=[_r(np.mean(shares)) for shares in zip(*(one.long for one in same), strict=True)]
        )
        for same in zip(*tried[rounds // 2 :], strict=True)
    ]
    return msgspec.structs.replace(habits, parts=parts)


def _by_part(t_s: Floats, days: float) -> Floats:
    """Movements a day in each part of :data:`PARTS_H`, whatever the person does."""
    parts = [part_of(hour) for hour in (t_s % _DAY_S / _HOUR_S).tolist()]
    return np.bincount(parts, minlength=len(PARTS_H)) / days


def _cooking(recording: Recording, meal: str) -> list[tuple[float, float]]:
    """Begin and end of the first cooking of a meal on each day, local seconds."""
    spans: dict[int, tuple[float, float]] = {}
    for t_s in recording.t_s[recording.label == meal].tolist():
        begin_s, end_s = spans.setdefault(int(t_s // _DAY_S), (t_s, t_s))
        if t_s - end_s <= _SAME_MEAL_S:
            spans[int(t_s // _DAY_S)] = begin_s, t_s
    return list(spans.values())


def _mean_h(times_s: list[float], after_h: float = 0.0) -> tuple[float, float]:
    """Mean and standard deviation of some clock times; those before ``after_h`` are of the next day."""
    hours = (np.array(times_s) % _DAY_S / _HOUR_S - after_h) % 24 + after_h
    return _r(hours.mean()), _r(hours.std())


def _part(
    chosen: Flags, whole: Flags, here: NDArray[np.intp], there: NDArray[np.intp],
    short: Flags,
) -> Part:  # fmt: skip
    n = len(PLACES)
    long, goes = [], []
    for place in range(n):
        of_whole, of_part = whole & (here == place), chosen & (here == place)
        usual_long = (np.count_nonzero(of_whole & ~short) + 0.1) / (np.count_nonzero(of_whole) + 1)
        longs = np.count_nonzero(of_part & ~short) + _PRIOR * usual_long
        long.append(_r(longs / (np.count_nonzero(of_part) + _PRIOR)))
        usual = np.bincount(there[of_whole & short], minlength=n) + 0.01
        counts = np.bincount(there[of_part & short], minlength=n) + _PRIOR * usual / usual.sum()
        goes.append([_r(x) for x in counts / counts.sum()])
    return Part(long=long, goes=goes)


def _mode(chosen: Flags, whole: Flags, here: NDArray[np.intp], there: NDArray[np.intp], gap: Floats) -> Mode:
    """``chosen`` is the time of day; what is too rare there is taken from the ``whole`` day or night."""
    short, stays = gap < LONG_S, here == there
    n = len(PLACES)
    goes = []
    for place in range(n):
        usual = np.bincount(there[whole & (here == place) & ~short], minlength=n) + 0.1 * np.eye(n)[place]
        counts = np.bincount(there[chosen & (here == place) & ~short], minlength=n) + usual / usual.sum()
        goes.append([_r(x) for x in counts / counts.sum()])

    def tables(kind: Flags) -> list[list[float]]:
        at = [kind & (here == place) for place in range(n)]
        return [_lengths(gap[chosen & one], gap[whole & one], gap[whole & kind]) for one in at]

    silent = [~short & (here == place) for place in range(n)]
    return Mode(
        stays_s=tables(short & stays),
        moves_s=tables(short & ~stays),
        # nobody sits in a bathroom for as long as in an armchair: no other place's lengths are borrowed
        long_s=[_lengths(gap[chosen & one], gap[whole & one], _SOME_LONG, least=_RARE) for one in silent],
        goes=goes,
    )


def _lengths(*values: Floats, least: int = _FEW) -> list[float]:
    """The table of the first of ``values`` that are enough (:data:`_FEW`, the others ``least``), else of the last."""
    some = next((one for nth, one in enumerate(values) if len(one) >= (least if nth else _FEW)), values[-1])
    return [max(0.1, _r(x)) for x in np.quantile(some, LEVELS)]


def _r(value: float) -> float:
    """Three digits are more than ten days can tell."""
    return float(f"{float(value):.3g}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m firmware_sim.households.fit", description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--days", type=int, default=10, help="how many of the first days, from noon to noon")
    parser.add_argument("--rounds", type=int, default=10, help="of the calibration")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    recording = read(asked.recording).between(0, asked.days)
    habits = calibrated(fit(recording), recording, rounds=asked.rounds)
    head = "# Shares and quantiles of how one person lived; made by `python -m firmware_sim.households.fit`.\n"
    text = yaml.safe_dump(msgspec.to_builtins(habits), sort_keys=False, default_flow_style=None, width=118)
    asked.out.write_text(head + text, encoding="utf-8")


if __name__ == "__main__":
    main()
