"""``carecircle doctor``: every connection and setting looked at, and what to do where something is wrong."""

from carecircle.doctor.checks import Finding, Level, examine

__all__ = ["Finding", "Level", "examine"]
