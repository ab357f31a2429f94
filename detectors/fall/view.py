"""What a model sees of a window: the summary, and at the second stage shares of convolutions beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.fall import rocket
from detectors.fall.features import FeatureTable, summarise
from detectors.fall.forms import Edges
from detectors.fall.ring import FS_HZ
from detectors.fall.windows import Floats

#: Windows from which the biases of the convolutions are drawn.
_FIT_WINDOWS = 2_000


@dataclass(frozen=True, slots=True)
class View:
    """The columns that windows become. With a gyroscope they are those of its channels and features too.

    Attributes:
        name: what the weights' file calls it.
        gyroscope: whether it looks at one.
        convolutions: their shares are the first columns.
        share_scale: by which these are multiplied, so that a part of the kernels weighs as much as all of them.
        early_edges: of the summary features a second after the impact.
        edges: of those at the decision.
        centre: mean of their design ``(2 f,)``.
        scale: and its standard deviation.
    """

    name: str
    gyroscope: bool
    convolutions: rocket.Convolutions
    share_scale: float
    early_edges: Edges
    edges: Edges
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def fit(
        cls, name: str, acc_g: Floats, gyr_dps: Floats | None, *, peak: int, early: int, per_channel: int, seed: int
    ) -> View:
        """From windows ``(k, n, 3)`` whose labels do not matter; the first stage sees ``early`` samples of them."""
        turned = None if gyr_dps is None else gyr_dps[:, :early]
        early_edges = Edges.of(summarise(acc_g[:, :early], turned, peak=peak, fs_hz=FS_HZ).values)
        table = summarise(acc_g, gyr_dps, peak=peak, fs_hz=FS_HZ).values
        edges = Edges.of(table)
        design = edges.design(table)
        some = np.sort(np.random.default_rng(seed).permutation(len(acc_g))[:_FIT_WINDOWS])
        series = rocket.channels(acc_g[some], None if gyr_dps is None else gyr_dps[some], peak=peak, fs_hz=FS_HZ)
        convolutions = rocket.fit(series, per_channel=per_channel, seed=seed)
        return cls(
            name,
            gyr_dps is not None,
            convolutions,
            float(np.sqrt(len(rocket.KERNELS) / per_channel)),
            early_edges,
            edges,
            design.mean(axis=0),
            design.std(axis=0) + np.float32(1e-6),
        )

    def early(self, acc_g: Floats, gyr_dps: Floats | None, *, peak: int) -> tuple[NDArray[np.float32], FeatureTable]:
        """The first stage's design ``(k, 2 f)`` of windows that end a second after the impact, and their summary."""
        table = summarise(acc_g, gyr_dps if self.gyroscope else None, peak=peak, fs_hz=FS_HZ)
        return self.early_edges.design(table.values), table

    def columns(self, acc_g: Floats, gyr_dps: Floats | None, *, peak: int) -> tuple[NDArray[np.float32], FeatureTable]:
        """The second stage's columns ``(k, c)`` of windows that end at the decision, and their summary."""
        turned = gyr_dps if self.gyroscope else None
        table = summarise(acc_g, turned, peak=peak, fs_hz=FS_HZ)
        series = rocket.channels(acc_g, turned, peak=peak, fs_hz=FS_HZ)
        shares = rocket.transform(series, self.convolutions) * np.float32(self.share_scale)
        return np.concatenate([shares, (self.edges.design(table.values) - self.centre) / self.scale], axis=1), table
