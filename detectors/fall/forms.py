"""The forms that the learned models have: linear in features, and quadratic in an embedding of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

#: So many rows are multiplied faster one by one. Of more, BLAS takes four at a time: 4 cost 245 us, 3 together 426.
_FEW = 3


def expand(table: Rows) -> Rows:
    """``(k, 2 f)`` from ``(k, f)``: features and their signed logarithms side by side."""
    return np.concatenate([table, np.sign(table) * np.log1p(np.abs(table))], axis=1)


@dataclass(frozen=True, slots=True)
class Edges:
    """What is further out than anything learned from counts as its edge."""

    low: Rows  # (f,)
    high: Rows  # (f,)

    @classmethod
    def of(cls, table: Rows) -> Edges:
        """Those of a table ``(k, f)``, but for its outermost parts in a thousand."""
        return cls(*np.quantile(table, [0.002, 0.998], axis=0).astype(np.float32))

    def design(self, table: Rows) -> Rows:
        """``(k, 2 f)`` from ``(k, f)``."""
        return expand(np.clip(table, self.low, self.high))


@dataclass(frozen=True, slots=True)
class Linear:
    """``columns @ weights + bias``."""

    weights: NDArray[np.float32]
    bias: float

    def outputs(self, columns: Rows) -> Rows:
        """``(k,)`` from ``(k, f)``."""
        return columns @ self.weights + np.float32(self.bias)


@dataclass(frozen=True, slots=True)
class Embedding:
    """A linear map to fewer dimensions. The map is kept in whole numbers, ``codes * steps``, to be small on disk."""

    codes: NDArray[np.int8]  # (f, d)
    steps: NDArray[np.float32]  # (d,)
    offset: NDArray[np.float32]  # (d,)
    basis: NDArray[np.float32]  # (f, d), codes * steps

    @classmethod
    def of(cls, codes: NDArray[np.int8], steps: NDArray[np.float32], offset: NDArray[np.float32]) -> Embedding:
        """With the basis that follows."""
        return cls(codes, steps, offset, codes * steps)

    @classmethod
    def fit(cls, columns: Rows, dimensions: int, weight: NDArray[np.floating]) -> Embedding:
        """The principal components of ``(n, f)`` columns, each row with its weight."""
        from scipy.linalg import eigh

        share = (weight / weight.sum()).astype(np.float32)
        middle = share @ columns
        centred = (columns - middle) * np.sqrt(share)[:, None]
        scatter = (centred.T @ centred).astype(np.float64)
        f = len(scatter)
        _, vectors = eigh(scatter, subset_by_index=[f - dimensions, f - 1])
        steps = np.abs(vectors).max(axis=0) / 127.0
        codes = np.rint(vectors / steps).astype(np.int8)
        whole = cls.of(codes, steps.astype(np.float32), np.zeros(dimensions, np.float32))
        return cls(whole.codes, whole.steps, middle @ whole.basis, whole.basis)

    def outputs(self, columns: Rows) -> Rows:
        """``(k, d)`` from ``(k, f)``."""
        k, f = columns.shape
        if 0 < k <= _FEW:
            return np.stack([row @ self.basis for row in columns]) - self.offset
        if k % 4:
            columns = np.concatenate([columns, np.zeros((-k % 4, f), np.float32)])
        return (columns @ self.basis)[:k] - self.offset


@dataclass(frozen=True, slots=True)
class Quadratic:
    """``z' square z + z' weights + bias`` of the embedding z of the columns."""

    embedding: Embedding
    square: NDArray[np.float32]  # (d, d), symmetric
    weights: NDArray[np.float32]  # (d,)
    bias: float

    def outputs(self, columns: Rows) -> Rows:
        """``(k,)`` from ``(k, f)``."""
        return self.embedded(self.embedding.outputs(columns))

    def embedded(self, z: Rows) -> Rows:
        """``(k,)`` from what the embedding makes of columns, ``(k, d)``."""
        return np.asarray(np.einsum("kd,kd->k", z @ self.square + self.weights, z) + self.bias, np.float32)
