"""How far the probability of a fall can be taken at its word."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from carecircle.evaluation.falls_run import Heard
from detectors.detection import Stage
from detectors.fall.recordings import Recording
from telemetry.shares import Share

BINS = 10


class Scored(Protocol):
    """An impact with a probability, and whether it was a fall's."""

    @property
    def recording(self) -> Recording:
        """Where it lies."""

    @property
    def score(self) -> float:
        """The probability, 0..1."""

    @property
    def of_fall(self) -> bool:
        """Whether it was a fall."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Candidates of similar probability: their mean one, and how many of them were falls."""

    predicted: float
    observed: Share


@dataclass(frozen=True, slots=True)
class Calibration:
    """The candidates of a placement in bins of probability; empty bins are left out."""

    placement: str
    bins: tuple[Bin, ...]

    @property
    def count(self) -> int:
        """How many candidates there are."""
        return sum(one.observed.total for one in self.bins)

    @property
    def error(self) -> float:
        """Expected calibration error: |predicted - observed| averaged over candidates. NaN without any.

        Source: Naeini, Cooper, Hauskrecht, AAAI 2015, with BINS bins of equal width.
        """
        if not self.bins:
            return math.nan
        off = sum(one.observed.total * abs(one.predicted - one.observed.value) for one in self.bins)
        return off / self.count


def calibrate(placement: str, scores: Sequence[float], falls: Sequence[bool]) -> Calibration:
    """Sort candidates into bins: ``scores`` 0..1, and whether each was a fall."""
    p, fell = np.asarray(scores, float), np.asarray(falls, bool)
    where = np.minimum((p * BINS).astype(int), BINS - 1)
    bins = [
        Bin(float(p[where == i].mean()), Share(int(fell[where == i].sum()), int((where == i).sum())))
        for i in range(BINS)
        if (where == i).any()
    ]
    return Calibration(placement, tuple(bins))


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far the probability of a placement can be taken at its word, by what is counted.

    A *stray* impact lies in the recording of a fall but away from the labelled one: whether it is part of the fall
    nobody noted. It counts as no fall, or is left out.

    Attributes:
        confirmed: how many impacts were confirmed.
        withdrawn: how many were withdrawn.
        told: over both.
        told_clear: likewise, without the stray ones.
        scored: over everything that the second stage scored, also what the bank said nothing of.
        scored_clear: likewise, without the stray ones.
    """

    placement: str
    confirmed: int
    withdrawn: int
    told: Calibration
    told_clear: Calibration
    scored: Calibration
    scored_clear: Calibration


def reliability(placements: Iterable[str], heard: Iterable[Heard], scored: Iterable[Scored]) -> list[Reliability]:
    """One for each placement, of what the bank said and of all that its second stage scored."""
    said, every = list(heard), list(scored)
    out = []
    for placement in dict.fromkeys(placements):
        here = [one for one in said if one.recording.placement == placement]
        confirmed, withdrawn = ([one for one in here if one.stage is s] for s in (Stage.CONFIRMED, Stage.WITHDRAWN))
        all_scored = [one for one in every if one.recording.placement == placement]
        told: list[Scored] = [*confirmed, *withdrawn]
        sets = (told, _clear(told), all_scored, _clear(all_scored))
        out.append(Reliability(placement, len(confirmed), len(withdrawn), *(_of(placement, some) for some in sets)))
    return out


def _clear(some: Iterable[Scored]) -> list[Scored]:
    return [one for one in some if one.of_fall or not one.recording.is_fall]


def _of(placement: str, some: Sequence[Scored]) -> Calibration:
    return calibrate(placement, [one.score for one in some], [one.of_fall for one in some])
