"""What can be wrong with a run that is to be scored."""

from __future__ import annotations


class ScoreError(Exception):
    """Root of this package's errors. The text names the offending file or value and what to do next."""
