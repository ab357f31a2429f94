"""What happens on a session's connection, other than that messages come."""

from __future__ import annotations

from typing import NamedTuple

from ingest.mqtt.reasons import Code


class Connected(NamedTuple):
    """The broker has accepted the connection."""

    session_present: bool
    keepalive_s: float


class Refused(NamedTuple):
    """The broker has not. ``level`` is what it was asked to speak."""

    code: int
    reason: str
    level: int


class Subscribed(NamedTuple):
    """The answer to :meth:`Session.subscribe`: a reason code for each filter."""

    codes: tuple[int, ...]

    @property
    def granted(self) -> bool:
        """Whether every filter was."""
        return all(code < Code.FAILURE for code in self.codes)


class Published(NamedTuple):
    """The broker has taken, or with a ``code`` of 0x80 and more refused, what was published as ``mid``."""

    mid: int
    code: int


class Pong(NamedTuple):
    """PINGRESP."""


class Dismissed(NamedTuple):
    """The broker ends the connection."""

    code: int
    reason: str


Event = Connected | Refused | Subscribed | Published | Pong | Dismissed
