"""What a system made of a simulated run: read from where it keeps it, held against the truth, and shown."""

from carecircle.score.errors import ScoreError

__all__ = ["ScoreError"]
