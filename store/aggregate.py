"""Min, max, mean and count of runs of rows, in numpy.

An InfluxDB asked to aggregate needs one iterator per series, field and statistic: for a minute of 18,000 wearers 22 s,
where handing out the points takes 5 s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from store.schema import STATISTICS


def aggregate(values: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Statistics of consecutive rows.

    Args:
        values: ``(n, f)``, NaN where absent.
        starts: ``(g,)``, the first row of each group, rising from 0.

    Returns:
        ``(g, f * 4)``: for each column its min, max, mean and count, all NaN where a group has no value.
    """
    assert STATISTICS == ("min", "max", "mean", "count")
    present = ~np.isnan(values)
    count = np.add.reduceat(present, starts, axis=0, dtype=np.float64)
    count[count == 0] = np.nan
    mean = np.add.reduceat(np.where(present, values, 0.0), starts, axis=0) / count
    minimum, maximum = np.fmin.reduceat(values, starts, axis=0), np.fmax.reduceat(values, starts, axis=0)
    return np.stack([minimum, maximum, mean, count], axis=2).reshape(len(starts), -1)
