"""Which message a broker ends the connection over, where it has no words for a refusal."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

#: Published and not yet acknowledged by the broker; with mosquitto's own default it would hold up nothing.
_WINDOW = 200
#: Connections in a row that ended with something under way; one is a broker that was started again.
_DOUBTFUL = 2
#: Connections that ended in silence with a message alone under way, after which it is taken for refused.
GIVEN_UP_AFTER = 3


class Refusals:
    """Finds it by sending one at a time until all that were under way at such an end are settled.

    A broker that hangs up over one message takes with it the acknowledgements of those around it, and with MQTT 5 its
    word on that message too, unless it is alone.
    """

    def __init__(self) -> None:
        self._losses = 0
        self._doubtful: set[Hashable] = set()
        self._ends_alone: dict[Hashable, int] = {}

    @property
    def window(self) -> int:
        """How many messages may be under way."""
        return _WINDOW if self._losses < _DOUBTFUL else 1

    def lost(self, under_way: Sequence[Hashable], *, in_silence: bool) -> bool:
        """A connection has ended; whether what was alone under way is to be given up.

        Args:
            under_way: what was published on it and not acknowledged.
            in_silence: it ended as one does over a refusal that there are no words for.
        """
        if not under_way:
            return False
        self._losses += 1
        self._doubtful.update(under_way)
        if len(under_way) > 1 or not in_silence:
            return False
        ends = self._ends_alone[under_way[0]] = self._ends_alone.get(under_way[0], 0) + 1
        return ends >= GIVEN_UP_AFTER

    def settled(self, message: Hashable) -> None:
        """It was acknowledged, or is not published any more."""
        self._ends_alone.pop(message, None)
        self._doubtful.discard(message)
        if not self._doubtful:
            self._losses = 0
