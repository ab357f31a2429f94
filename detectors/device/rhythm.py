"""How often each device speaks: the gap that it leaves now and then, and how long it may be silent by that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.device.columns import Columns, Rows, Spec
from detectors.device.link_parameters import SilenceParameters

#: Edges of the counted gaps: 30 s and up, each 1.6 times the one before, beyond 17 days.
_BINS = 24
_EDGES_S = 30.0 * 1.6 ** np.arange(_BINS + 1)
_LOG_STEP = np.log(1.6)
#: Of motion: a device that streams has a rhythm of its own; what others send follows people.
STREAMS_MOTION = 1
#: An event alone (a button pressed) promises nothing.
STREAMS_EVENT = 8

_COLUMNS = {
    "gaps": Spec(np.float16, 0.0, (_BINS,)),  # weighted counts
    "days": Spec(np.float32, 0.0),  # weighted days of learning, at most 1 / (1 - daily weight)
    "day_count": Spec(np.uint16, 0),
    "heartbeat_s": Spec(np.float32, np.nan),
    "streams": Spec(np.uint8, 0),  # a bit for each stream heard
}


class Rhythm:
    """Learns the gaps of many devices and says what silence is for each."""

    def __init__(self, parameters: SilenceParameters) -> None:
        self.parameters = parameters
        self.columns = Columns(_COLUMNS)
        self._daily_weight = 0.5 ** (1.0 / parameters.half_life_days)

    def learn(self, rows: Rows, gap_s: NDArray[np.float64], weight: NDArray[np.float64] | float = 1.0) -> None:
        """Gaps of different rows; those below half a minute are no gaps."""
        long = gap_s >= _EDGES_S[0]
        if not long.any():
            return
        which = np.minimum(np.log(gap_s[long] / _EDGES_S[0]) / _LOG_STEP, _BINS - 1).astype(np.intp)
        self.columns["gaps"][which, rows[long]] += np.broadcast_to(weight, rows.shape)[long].astype(np.float16)

    def next_day(self, rows: Rows) -> None:
        """A day is over, in which these were heard."""
        self.columns["gaps"][...] *= np.float16(self._daily_weight)
        self.columns["days"][rows] = self.columns["days"][rows] * np.float32(self._daily_weight) + 1
        self.columns["day_count"][rows] += 1

    def limit_s(self, rows: Rows) -> NDArray[np.float64]:
        """``(m,)``: silence longer than this is one; infinite for a device that promises nothing."""
        p, columns = self.parameters, self.columns
        heartbeat_s = columns["heartbeat_s"][rows].astype(np.float64)
        declared = ~np.isnan(heartbeat_s)
        days = columns["days"][rows].astype(np.float64)
        streams = columns["streams"][rows]
        usual_s = self._usual_s(
            rows, np.where(declared, days / p.kept_gap_days, np.maximum(0.5, days / p.own_gap_days))
        )
        usual_s = np.where(columns["day_count"][rows] >= p.learn_days, usual_s * (1 + p.own_gap_share), 0.0)
        promised_s = p.heartbeat_misses * heartbeat_s + p.grace_s
        streaming = (streams & STREAMS_MOTION) > 0
        known = columns["day_count"][rows] >= p.learn_days
        by_itself_s = np.where(
            streaming, np.where(known, p.heartbeat_misses * 60.0 + p.grace_s, p.stream_s), p.passive_s
        )
        limit_s = np.maximum(usual_s, np.where(declared, promised_s, by_itself_s))
        promises = declared | ((streams & ~np.uint8(STREAMS_EVENT)) > 0)
        return np.where(promises, limit_s, np.inf)

    def _usual_s(self, rows: Rows, allowed: NDArray[np.float64]) -> NDArray[np.float64]:
        """The upper edge of the longest gaps that came more often than ``allowed``; 0 without any."""
        counts = self.columns["gaps"][:, rows].astype(np.float32)
        at_least = np.cumsum(counts[::-1], axis=0)[::-1]
        often = at_least > allowed
        longest = _BINS - 1 - np.argmax(often[::-1], axis=0)
        return np.where(often.any(axis=0), _EDGES_S[longest + 1], 0.0)

    def state(self, rows: int) -> dict[str, Any]:
        """For a checkpoint."""
        return self.columns.state(rows)

    def restore(self, state: dict[str, Any], rows: int) -> None:
        """From a checkpoint."""
        self.columns.restore(state, rows)
