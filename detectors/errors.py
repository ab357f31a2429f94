"""The one error of this room that a caller may see."""

from __future__ import annotations


class DetectorError(ValueError):
    """Weights, states or recordings that cannot be used. Says which, and what to do next."""
