"""Which roll-up windows have to be made (again) because points came into them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from store import schema
from telemetry.records import PointBatch

_NS_PER_S = 1_000_000_000
#: Points further ahead of our clock than this make no roll-up: such a window would stand here until that day.
_MAX_AHEAD_MS = 86_400_000
#: Windows that one query aggregates at most. A minute of 18,000 wearers is some 10^5 points, an hour 6x10^6.
_MAX_WINDOWS = {schema.TELEM_1M.name: 10, schema.TELEM_1H.name: 1}


#: Late points of so many devices at most are rolled up for these alone; of more, for everybody in one go.
_MAX_DEVICES = 100


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring windows of one measurement, for one call of ``Store.rollup``; ``devices`` None means all."""

    measurement: str
    bucket: schema.Bucket
    starts_s: tuple[int, ...]
    devices: frozenset[str] | None

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


@dataclass(slots=True)
class _Window:
    """``devices`` whose points came late, or None where all series have to be rolled up."""

    due_ms: int
    devices: set[str] | None


class DirtyWindows:
    """The windows whose roll-up does not show all their points.

    A window becomes due ``grace_s`` after its end, so that ordinary lateness costs nothing; one that had ended longer
    ago when its point came is due ``late_grace_s`` after that, so that a device emptying its buffer costs one roll-up
    of a window and not one for each of its messages, and of its own series only.

    :meth:`encode` is what must be durable before the points' offset is committed, :attr:`unsaved` whether it has
    anything that was not encoded last; a window that is done may stay in the file, doing it again changes nothing.
    Which devices were late is not encoded: after a restart a window is made for all of them.
    """

    def __init__(self, *, grace_s: float, late_grace_s: float) -> None:
        self._grace_ms = int(grace_s * 1000)
        self._late_grace_ms = int(late_grace_s * 1000)
        self._windows: dict[tuple[str, str], dict[int, _Window]] = {}
        self._saved: dict[tuple[str, str], frozenset[int]] = {}
        self.unsaved = False

    def __len__(self) -> int:
        return sum(map(len, self._windows.values()))

    def mark(self, points: PointBatch, now_ms: int) -> None:
        """These points were written."""
        name = points.measurement
        if not schema.measurement(name).rolled_up or not len(points):
            return
        for bucket in schema.ROLLUP_BUCKETS:
            assert bucket.step_s is not None
            key = (name, bucket.name)
            there = self._windows.setdefault(key, {})
            numbers = points.t_ns // (bucket.step_s * _NS_PER_S)
            late: set[int] = set()
            for number in sorted(set(numbers.tolist())):  # np.unique has numpy.ma come along
                start_s = number * bucket.step_s
                if not self._is_made(name, start_s, now_ms):
                    continue
                closed_ms = (start_s + bucket.step_s) * 1000 + self._grace_ms
                if start_s not in there:
                    is_late = closed_ms <= now_ms
                    due_ms = now_ms + self._late_grace_ms if is_late else closed_ms
                    there[start_s] = _Window(due_ms, set() if is_late else None)
                    self.unsaved = self.unsaved or start_s not in self._saved.get(key, ())
                if there[start_s].devices is not None:
                    late.add(number)
            if late:
                _add_devices(there, late, numbers.tolist(), points.tags.get("device"), bucket.step_s)

    @staticmethod
    def _is_made(measurement: str, start_s: int, now_ms: int) -> bool:
        """Whether all points of the window can still be there: a roll-up of the rest would replace a better one."""
        kept_ms = schema.measurement(measurement).bucket.retention_s * 1000
        return now_ms - kept_ms <= start_s * 1000 <= now_ms + _MAX_AHEAD_MS

    def due(self, now_ms: int) -> Run | None:
        """Windows to roll up now, or None. Call :meth:`done` when it is done."""
        for (measurement, bucket_name), there in self._windows.items():
            ready = sorted(start_s for start_s, window in there.items() if window.due_ms <= now_ms)
            for start_s in ready:
                if not self._is_made(measurement, start_s, now_ms):
                    del there[start_s]
            ready = [start_s for start_s in ready if start_s in there]
            if ready:
                return _first_run(measurement, schema.BUCKETS[bucket_name], ready, there)
        return None

    def done(self, run: Run) -> None:
        """The run's windows show all their points."""
        due = self._windows[run.measurement, run.bucket.name]
        for start_s in run.starts_s:
            del due[start_s]

    def encode(self) -> bytes:
        """All windows, as runs of neighbours; from now on :attr:`unsaved` compares with this."""
        runs: list[_SavedRun] = []
        for (measurement, bucket_name), due in self._windows.items():
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
        self._saved = {key: frozenset(due) for key, due in self._windows.items()}
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
            due = self._windows.setdefault((run.measurement, run.bucket), {})
            for number in range(run.length):
                start_s = run.first_s + number * bucket.step_s
                closed_ms = (start_s + bucket.step_s) * 1000 + self._grace_ms
                due[start_s] = _Window(max(closed_ms, now_ms), None)
        self._saved = {key: frozenset(due) for key, due in self._windows.items()}


def _add_devices(
    there: dict[int, _Window], late: set[int], numbers: list[int], device: list[str] | None, step_s: int
) -> None:
    """Note whose points came late; too many, or points of no device, stand for all."""
    for row, number in enumerate(numbers):
        if number not in late:
            continue
        window = there[number * step_s]
        if window.devices is None:
            continue
        if device is None or not device[row]:
            window.devices = None
            continue
        window.devices.add(device[row])
        if len(window.devices) > _MAX_DEVICES:
            window.devices = None


def _first_run(measurement: str, bucket: schema.Bucket, ready: list[int], there: dict[int, _Window]) -> Run:
    """The first windows of ``ready`` that one call can do: neighbours, not too many, all devices or few."""
    assert bucket.step_s is not None
    first = there[ready[0]].devices
    devices = None if first is None else set(first)
    n = 1
    while n < min(len(ready), _MAX_WINDOWS[bucket.name]) and ready[n] == ready[n - 1] + bucket.step_s:
        more = there[ready[n]].devices
        if (more is None) != (devices is None):
            break
        if devices is not None and more is not None:
            if len(devices | more) > _MAX_DEVICES:
                break
            devices |= more
        n += 1
    return Run(measurement, bucket, tuple(ready[:n]), None if devices is None else frozenset(devices))


class _SavedRun(msgspec.Struct, array_like=True):
    measurement: str
    bucket: str
    first_s: int
    length: int
