"""Weighted kernel ridge regression on a Gram matrix made once, for many fits on parts of the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from detectors.fall.forms import Embedding, Linear, Quadratic

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dual:
    """A fitted function of a row: ``sum of coefficients[i] * kernel(row, train[i]) + constant``.

    The coefficients sum to zero.
    """

    train: NDArray[np.intp]
    coefficients: Vector
    constant: float


def fit(gram: NDArray[np.floating], train: NDArray[np.intp], target: Vector, weight: Vector, *, alpha: float) -> Dual:
    """Ridge regression with an unpenalised intercept from the rows ``train``; ``target`` and ``weight`` are theirs."""
    share = weight / weight.sum()
    system = gram[np.ix_(train, train)].astype(np.float64)
    mean = system @ share
    middle = float(share @ mean)
    root = np.sqrt(weight / weight.mean())
    system -= mean[:, None]
    system -= mean[None, :] - middle
    system *= root[:, None]
    system *= root[None, :]
    system[np.diag_indices_from(system)] += alpha
    base = float(share @ target)
    dual = solve(system, root * (target - base), assume_a="pos", overwrite_a=True) * root
    total = float(dual.sum())
    return Dual(train, dual - total * share, base - float(dual @ mean) + total * middle)


def outputs(gram: NDArray[np.floating], dual: Dual, rows: NDArray[np.intp]) -> Vector:
    """Of a fitted function, for some rows of the Gram matrix."""
    return np.asarray(gram[np.ix_(rows, dual.train)] @ dual.coefficients + dual.constant)


@dataclass(frozen=True, slots=True)
class LinearKernel:
    """The product of two rows."""

    columns: NDArray[np.float32]

    def gram(self) -> NDArray[np.float32]:
        """``(n, n)``."""
        return self.columns @ self.columns.T

    def form(self, dual: Dual) -> Linear:
        """What was fitted as a function of the columns."""
        return Linear((dual.coefficients @ self.columns[dual.train]).astype(np.float32), dual.constant)


class QuadraticKernel:
    """``1 + t + t^2 / 2`` with t the scaled product of two embedded rows: nearly a Gaussian kernel, without its need to
    keep rows. A function fitted with it is a quadratic form."""

    def __init__(self, columns: NDArray[np.float32], embedding: Embedding, *, gamma: float) -> None:
        """``gamma`` is that of the Gaussian, in units of one over the median squared distance of two rows."""
        self.embedding = embedding
        self.z = embedding.outputs(columns)
        some = self.z[::7]
        squares = np.einsum("kd,kd->k", some, some)
        self.scale = 2.0 * gamma / float(np.median(squares[:, None] + squares[None, :] - 2.0 * some @ some.T))

    def gram(self) -> NDArray[np.float32]:
        """``(n, n)``."""
        t = np.float32(self.scale) * (self.z @ self.z.T)
        return np.asarray(1.0 + t * (1.0 + 0.5 * t), np.float32)

    def form(self, dual: Dual) -> Quadratic:
        """What was fitted as a function of the columns."""
        z = self.z[dual.train].astype(np.float64)
        square = 0.5 * self.scale**2 * (z.T * dual.coefficients) @ z
        weights = self.scale * (dual.coefficients @ z)
        return Quadratic(self.embedding, square.astype(np.float32), weights.astype(np.float32), dual.constant)
