"""The learned part: how likely a window holds a fall. Computes with numpy only.

Two stages. The *first* looks at a second of what follows the impact with a logistic model on summary features: it turns
away nearly everything and says when the wearer may be asked. The *second* sees the rest with convolution features and
the same summary, in a linear or a quadratic form whose output is calibrated to a probability.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.fall.features import FeatureTable
from detectors.fall.forms import Linear, Quadratic
from detectors.fall.view import View
from detectors.fall.windows import Floats

OPERATING_POINTS: tuple[str, ...] = ("sensitive", "balanced", "quiet")


@dataclass(frozen=True, slots=True)
class Reasons:
    """A logistic model of the summary at the decision, to say what made it: see :meth:`FallModel.reasons`."""

    linear: Linear  # of the view's standardised design
    typical: NDArray[np.float32]  # (2 f,) mean of that design over impacts of daily life


@dataclass(frozen=True, slots=True)
class Head:
    """The model of one kind of device: a placement, with or without a gyroscope."""

    name: str
    view: int  # of the model: what it sees of a window
    first: Linear
    reject_below: float  # log-odds of the first stage under which nothing more is computed
    suspect_above: float  # log-odds of the first stage from which the wearer may be asked
    second: Linear | Quadratic
    slope: float  # Platt: log-odds = slope * output + intercept
    intercept: float
    reasons: Reasons
    thresholds: dict[str, float]  # operating point -> probability


@dataclass(frozen=True, slots=True)
class FallModel:
    """All heads, what they look at, and where they come from."""

    heads: tuple[Head, ...]
    views: tuple[View, ...]
    digest: bytes
    provenance: dict[str, Any] = field(default_factory=dict)

    def head_for(self, placement: str, gyroscope: bool) -> int:
        """The head for a device: of its placement, else of the unknown one; with the gyroscope if it can."""
        names = {head.name: i for i, head in enumerate(self.heads)}
        place = {"pocket": "hip"}.get(placement, placement)
        wanted = [f"{place}+gyr", place] if gyroscope else [place]
        wanted += ["unknown+gyr", "unknown"] if gyroscope else ["unknown"]
        return next((names[name] for name in wanted if name in names), 0)

    def views_of(self, heads: NDArray[np.integer]) -> list[tuple[int, NDArray[np.intp]]]:
        """Which of ``(k,)`` heads look through which view: those can be given to a stage together."""
        views = np.array([self.heads[head].view for head in heads.tolist()], np.intp)
        return [(view, np.flatnonzero(views == view)) for view in sorted(set(views.tolist()))]

    def first(
        self, view: int, heads: NDArray[np.integer], acc_g: Floats, gyr_dps: Floats | None, *, peak: int
    ) -> tuple[NDArray[np.float32], FeatureTable]:
        """Log-odds ``(k,)`` from windows that end a second after the impact, and their summary features.

        ``heads`` ``(k,)`` all look through ``view``.
        """
        design, table = self.views[view].early(acc_g, gyr_dps, peak=peak)
        odds = np.empty(len(acc_g), np.float32)
        for it, members in self._apart(heads):
            odds[members] = it.first.outputs(design[members])
        return odds, table

    def second(
        self, view: int, heads: NDArray[np.integer], acc_g: Floats, gyr_dps: Floats | None, *, peak: int
    ) -> tuple[NDArray[np.float32], FeatureTable]:
        """Calibrated log-odds ``(k,)`` from windows that end at the decision, and their summary features.

        ``heads`` ``(k,)`` all look through ``view``.
        """
        columns, table = self.views[view].columns(acc_g, gyr_dps, peak=peak)
        odds = np.empty(len(acc_g), np.float32)
        embedded: dict[int, NDArray[np.float32]] = {}  # an embedding's megabytes are read once for all its heads
        for it, members in self._apart(heads):
            if isinstance(it.second, Quadratic):
                embedding = it.second.embedding
                if id(embedding) not in embedded:
                    embedded[id(embedding)] = embedding.outputs(columns)
                said = it.second.embedded(embedded[id(embedding)][members])
            else:
                said = it.second.outputs(columns[members])
            odds[members] = np.float32(it.slope) * said + np.float32(it.intercept)
        return odds, table

    def _apart(self, heads: NDArray[np.integer]) -> list[tuple[Head, Any]]:
        found = sorted(set(heads.tolist()))
        if len(found) == 1:
            return [(self.heads[found[0]], slice(None))]
        return [(self.heads[head], np.flatnonzero(heads == head)) for head in found]

    def reasons(self, head: int, table: FeatureTable, row: int, odds: float) -> dict[str, float]:
        """What made the log-odds of one window of the second stage differ from those of a usual impact of daily life.

        By feature, in log-odds, by a logistic model of the summary alone; ``movement`` is what the course of the
        movement as a whole says beyond it. Their sum is the difference.
        """
        it = self.heads[head]
        view, of = self.views[it.view], it.reasons
        design = (view.edges.design(table.values[row : row + 1])[0] - view.centre) / view.scale
        change = of.linear.weights * (design - of.typical)
        f = len(table.names)
        by_feature = (change[:f] + change[f:]).tolist()
        explained = float(of.linear.outputs(design[None])[0])
        return dict(zip(table.names, by_feature, strict=True)) | {"movement": odds - explained}


def probability(log_odds: NDArray[np.float32]) -> NDArray[np.float64]:
    """The logistic function, safe for any input."""
    bounded = np.minimum(np.maximum(log_odds.astype(np.float64), -40.0), 40.0)
    return np.asarray(1.0 / (1.0 + np.exp(-bounded)))
