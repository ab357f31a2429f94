"""From a detection to somebody at the door: incidents, whom to call and when, and messages that arrive.

A pure core (:mod:`alerts.lifecycle`, :mod:`alerts.fusion`, :mod:`alerts.policy`, :mod:`alerts.delivery`) takes values
and ``now_ms`` and returns values; the shell around it keeps everything in the database, so that a process may be
killed at any moment and goes on where it stood.
"""

from alerts.database import upgrade

__all__ = ["upgrade"]
