"""How many of how many, and how well that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``total``, and the 95 % Wilson interval (Wilson, JASA 22 (1927))."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, NaN of nothing."""
        return self.hits / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        if not self.total:
            return (0.0, 1.0)
        z, n, p = 1.959964, self.total, self.value
        centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        scale = 1 + z * z / n
        return (max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))
