"""Weighted ridge regression on a Gram matrix made once, for many fits on parts of the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

#: Ridge penalty; the figures are nearly flat from 100 to 3,000.
ALPHA = 300.0


class Ridge:
    """Weighted ridge regression with an unpenalised intercept, in its dual form."""

    def __init__(self, design: NDArray[np.float32]) -> None:
        self.design = design
        self.gram = (design @ design.T).astype(np.float64)

    def fit(self, train: NDArray[np.intp], target: NDArray[np.float64], weight: NDArray[np.float64]) -> RidgeFit:
        """From the rows ``train``; ``target`` and ``weight`` are theirs."""
        share = weight / weight.sum()
        gram = self.gram[np.ix_(train, train)]
        mean = gram @ share
        middle = float(share @ mean)
        root = np.sqrt(weight / weight.mean())
        system = (gram - mean[:, None] - mean[None, :] + middle) * root[:, None] * root[None, :]
        system[np.diag_indices_from(system)] += ALPHA
        base = float(share @ target)
        dual = solve(system, root * (target - base), assume_a="pos") * root
        return RidgeFit(self, train, dual, share, mean, middle, base)


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """A fitted ridge: outputs for other rows of the same design, or the weights themselves."""

    ridge: Ridge
    train: NDArray[np.intp]
    dual: NDArray[np.float64]
    share: NDArray[np.float64]
    mean: NDArray[np.float64]
    middle: float
    base: float

    def outputs(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """For rows of the design."""
        gram = self.ridge.gram[np.ix_(rows, self.train)]
        centred = gram - (gram @ self.share)[:, None] - self.mean[None, :] + self.middle
        return np.asarray(self.base + centred @ self.dual)

    def primal(self) -> tuple[NDArray[np.float64], float]:
        """Weights and intercept."""
        rows = self.ridge.design[self.train]
        centre = self.share @ rows
        weights = self.dual @ rows - self.dual.sum() * centre
        return weights, self.base - float(centre @ weights)
