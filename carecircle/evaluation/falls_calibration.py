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
from detectors.fall.scoring import Share

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


def by_placement(placements: Iterable[str], candidates: Iterable[Scored]) -> list[Calibration]:
    """One calibration for each placement."""
    every = list(candidates)
    out = []
    for placement in dict.fromkeys(placements):
        here = [one for one in every if one.recording.placement == placement]
        out.append(calibrate(placement, [one.score for one in here], [one.of_fall for one in here]))
    return out


def told(heard: Iterable[Heard]) -> list[Heard]:
    """Of everything the bank said its decisions: the confirmed and the withdrawn."""
    return [one for one in heard if one.stage in (Stage.CONFIRMED, Stage.WITHDRAWN)]
