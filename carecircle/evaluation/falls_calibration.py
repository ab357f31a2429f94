"""How far the probability of a fall can be taken at its word."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from carecircle.evaluation.falls_run import Heard
from detectors.detection import Stage
from detectors.fall.scoring import Share

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Candidates of similar probability: their mean one, and how many of them were falls."""

    predicted: float
    observed: Share


@dataclass(frozen=True, slots=True)
class Calibration:
    """The decided candidates of a placement in bins of probability; empty bins are left out."""

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


def by_placement(placements: Iterable[str], heard: Iterable[Heard]) -> list[Calibration]:
    """One calibration for each placement, over the confirmed and the withdrawn."""
    decided = [one for one in heard if one.stage in (Stage.CONFIRMED, Stage.WITHDRAWN)]
    out = []
    for placement in dict.fromkeys(placements):
        here = [one for one in decided if one.recording.placement == placement]
        out.append(calibrate(placement, [one.score for one in here], [one.of_fall for one in here]))
    return out
