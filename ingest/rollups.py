"""Which roll-up windows have to be made (again) because points came into them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from store import schema

_NS_PER_S = 1_000_000_000
#: Points further ahead of our clock than this make no roll-up: such a window would stand here until that day.
_MAX_AHEAD_MS = 86_400_000
#: Windows that one query aggregates at most. A minute of 18,000 wearers is some 10^5 points, an hour 6x10^6.
_MAX_WINDOWS = {schema.TELEM_1M.name: 10, schema.TELEM_1H.name: 1}


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring windows of one measurement, for one call of ``Store.rollup``."""

    measurement: str
    bucket: schema.Bucket
    starts_s: tuple[int, ...]

    @property
    def source(self) -> schema.Bucket:
        """Where the points are."""
        return schema.measurement(self.measurement).bucket

    @property
    def step_s(self) -> int:
        """Length of a window."""
        assert self.bucket.step_s is not None
        return self.bucket.step_s

    @property
    def start_ms(self) -> int:
        """Start of the first window."""
        return self.starts_s[0] * 1000

    @property
    def end_ms(self) -> int:
        """End of the last window."""
        return (self.starts_s[-1] + self.step_s) * 1000


class DirtyWindows:
    """The windows whose roll-up does not show all their points.

    A window becomes due ``grace_s`` after its end, so that ordinary lateness costs nothing; one that had ended longer
    ago when its point came is due ``late_grace_s`` after that, so that a device emptying its buffer costs one roll-up
    of a window and not one for each of its messages.

    :meth:`encode` is what must be durable before the points' offset is committed, :attr:`unsaved` whether it has
    anything that was not encoded last; a window that is done may stay in the file, doing it again changes nothing.
    """

    def __init__(self, *, grace_s: float, late_grace_s: float) -> None:
        self._grace_ms = int(grace_s * 1000)
        self._late_grace_ms = int(late_grace_s * 1000)
        self._due_ms: dict[tuple[str, str], dict[int, int]] = {}
        self._saved: dict[tuple[str, str], frozenset[int]] = {}
        self.unsaved = False

    def __len__(self) -> int:
        return sum(map(len, self._due_ms.values()))

    def mark(self, measurement: str, t_ns: NDArray[np.int64], now_ms: int) -> None:
        """Points of ``measurement`` at ``t_ns`` were written."""
        if not schema.measurement(measurement).rolled_up or not len(t_ns):
            return
        for bucket in schema.ROLLUP_BUCKETS:
            assert bucket.step_s is not None
            step_ns = bucket.step_s * _NS_PER_S
            key = (measurement, bucket.name)
            due = self._due_ms.setdefault(key, {})
            for window in np.unique(t_ns // step_ns).tolist():
                start_s = window * bucket.step_s
                if start_s in due or not self._is_made(measurement, start_s, now_ms):
                    continue
                closed_ms = (start_s + bucket.step_s) * 1000 + self._grace_ms
                due[start_s] = closed_ms if closed_ms > now_ms else now_ms + self._late_grace_ms
                if start_s not in self._saved.get(key, ()):
                    self.unsaved = True

    @staticmethod
    def _is_made(measurement: str, start_s: int, now_ms: int) -> bool:
        """Whether all points of the window can still be there: a roll-up of the rest would replace a better one."""
        kept_ms = schema.measurement(measurement).bucket.retention_s * 1000
        return now_ms - kept_ms <= start_s * 1000 <= now_ms + _MAX_AHEAD_MS

    def due(self, now_ms: int) -> Run | None:
        """Windows to roll up now, or None. Call :meth:`done` when it is done."""
        for (measurement, bucket_name), due in self._due_ms.items():
            ready = sorted(start_s for start_s, due_ms in due.items() if due_ms <= now_ms)
            for start_s in ready:
                if not self._is_made(measurement, start_s, now_ms):
                    del due[start_s]
            ready = [start_s for start_s in ready if start_s in due]
            if ready:
                bucket = schema.BUCKETS[bucket_name]
                assert bucket.step_s is not None
                n = 1
                while n < min(len(ready), _MAX_WINDOWS[bucket_name]) and ready[n] == ready[n - 1] + bucket.step_s:
                    n += 1
                return Run(measurement, bucket, tuple(ready[:n]))
        return None

    def done(self, run: Run) -> None:
        """The run's windows show all their points."""
        due = self._due_ms[run.measurement, run.bucket.name]
        for start_s in run.starts_s:
            del due[start_s]

    def encode(self) -> bytes:
        """All windows, as runs of neighbours; from now on :attr:`unsaved` compares with this."""
        runs: list[_SavedRun] = []
        for (measurement, bucket_name), due in self._due_ms.items():
            step_s = schema.BUCKETS[bucket_name].step_s or 1
            first = length = 0
            for start_s in sorted(due):
                if length and start_s == first + length * step_s:
                    length += 1
                    continue
                if length:
                    runs.append(_SavedRun(measurement, bucket_name, first, length))
                first, length = start_s, 1
            if length:
                runs.append(_SavedRun(measurement, bucket_name, first, length))
        self._saved = {key: frozenset(due) for key, due in self._due_ms.items()}
        self.unsaved = False
        return msgspec.msgpack.encode(runs)

    def restore(self, encoded: bytes, now_ms: int) -> None:
        """Take over what :meth:`encode` gave to an earlier process; closed windows are due at once.

        A measurement or bucket that the schema no longer has is passed over. Raises msgspec.DecodeError.
        """
        for run in msgspec.msgpack.decode(encoded, type=list[_SavedRun]):
            bucket = schema.BUCKETS.get(run.bucket)
            if run.measurement not in schema.MEASUREMENTS or bucket is None or bucket.step_s is None:
                continue
            due = self._due_ms.setdefault((run.measurement, run.bucket), {})
            for number in range(run.length):
                start_s = run.first_s + number * bucket.step_s
                due[start_s] = max((start_s + bucket.step_s) * 1000 + self._grace_ms, now_ms)
        self._saved = {key: frozenset(due) for key, due in self._due_ms.items()}


class _SavedRun(msgspec.Struct, array_like=True):
    measurement: str
    bucket: str
    first_s: int
    length: int
