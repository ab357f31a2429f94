"""Walks of the fall recordings, each as if it were a day of its wearer: how often is a hint false, how often right?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.device.batch import Traits
from detectors.device.link_parameters import WearerParameters
from detectors.device.wearer import Wearers, gait
from detectors.fall.gait import walks
from detectors.fall.recordings import read_folder
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import ACC_LSB_G
from detectors.parameters import FollowUpParameters

WALKS = {"sisfall": ("D01", "D02"), "weda": ("D01",), "hifd": ("walk",), "sfmm_wrist": ("A08",), "sfmm_hip": ("A08",)}
_WINDOW = 5 * FS_HZ
#: A recording of 100 s is eight walks.
_WALK_S = 12
_DAY_MS = 86_400_000


@dataclass(frozen=True, eq=False)
class Walk:
    """A stretch of walking: ``(4, k)`` traits of its windows."""

    subject: str
    activity: str
    traits: NDArray[np.float64]


def read_walks(folder: Path, dataset: str) -> list[Walk]:
    """The walks of a data set with three windows of walking at least."""
    out = []
    for stream in read_folder(folder).streams:
        if stream.dataset != dataset:
            continue
        for recording in stream.recordings:
            if recording.activity not in WALKS[dataset]:
                continue
            acc = stream.acc[recording.start : recording.start + recording.samples].astype(np.float32) * ACC_LSB_G
            starts = np.arange(0, len(acc) - _WINDOW + 1, FS_HZ)
            if not len(starts):
                continue
            windows = np.stack([acc[k : k + _WINDOW] for k in starts])
            walking = walks(windows, FollowUpParameters())
            traits = gait(windows, float(FS_HZ))
            for part in range(int(starts[-1]) // (_WALK_S * FS_HZ) + 1):
                mine = walking & (starts // (_WALK_S * FS_HZ) == part)
                if mine.sum() >= 3:
                    out.append(Walk(stream.subject, recording.activity, traits[:, mine]))
    return out


@dataclass(frozen=True)
class Rates:
    """Of days: hints while the usual person wears it, and while another does."""

    people: int
    same_days: int
    false_hints: int
    other_days: int
    hints: int


def rates(walks_: list[Walk], *, other: str | None = None, parameters: WearerParameters | None = None) -> Rates:
    """Every walk against the usual of the same and of every other person, a walk a day.

    The usual is learnt from all walks of a person but the one in question (``other`` None), or from all walks of one
    activity while the day is one of activity ``other``.
    """
    p = replace(parameters or WearerParameters(), tells=True, other_days=1, values_per_day=3)
    counts = {True: [0, 0], False: [0, 0]}
    people = set()
    for who in sorted({walk.subject for walk in walks_}):
        own = [walk for walk in walks_ if walk.subject == who and walk.activity != other]
        if len(own) < (2 if other is None else 1):
            continue
        days = [walk for walk in walks_ if walk.subject != who or (walk in own if other is None else walk not in own)]
        days = [walk for walk in days if other is None or walk.activity == other]
        wearers = Wearers(p)
        for row in range(len(days)):
            wearers.assign(row, assigned=True, anew=False)
        usual = [[walk for walk in own if walk is not day] for day in days]
        for n in range(int(p.learn_days)):
            wearers.take(_traits([walks_of[n % len(walks_of)] for walks_of in usual]))
            wearers.new_day((n + 1) * _DAY_MS)
        wearers.take(_traits(days))
        hinted = {one.row for one in wearers.new_day(int(p.learn_days + 1) * _DAY_MS)}
        people.add(who)
        for row, day in enumerate(days):
            counts[day.subject == who][0] += 1
            counts[day.subject == who][1] += row in hinted
    return Rates(len(people), *counts[True], *counts[False])


def _traits(worn: list[Walk]) -> Traits:
    """A walk of each row."""
    rows = np.concatenate([np.repeat(row, walk.traits.size) for row, walk in enumerate(worn)])
    trait = np.concatenate([np.repeat(np.arange(4), walk.traits.shape[1]) for walk in worn])
    value = np.concatenate([walk.traits.ravel() for walk in worn])
    return Traits(np.zeros(len(rows), np.int64), rows, trait.astype(np.uint8), value)
