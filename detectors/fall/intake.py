"""Frames as they come to gapless 50-Hz pieces in the ring: restarts, gaps, overlaps, drifting clocks, any rate."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fall.resample import Resampler, passes_through
from detectors.fall.ring import FS_HZ, STEP_MS, Ring, Rows
from detectors.fall.windows import ACC_LSB_G, GYR_LSB_DPS, MISSING, Counts, to_counts
from detectors.motion import AnyBatch, CountedBatch, turns
from detectors.parameters import FallParameters

#: Behind a longer gap a stream begins anew.
_LONGEST_GAP_MS = 8000.0


class Piece(NamedTuple):
    """What was added to the ring in one go: m different rows, at most one second each."""

    rows: Rows
    acc: Counts  # (m, n, 3)
    decided_ms: NDArray[np.int64]  # (m,) end of the frame it came with, on the corrected clock
    recv_ms: NDArray[np.int64]  # (m,) of that frame


class Restarted(NamedTuple):
    """Streams about to begin anew; what they hold is still in the ring."""

    rows: Rows
    decided_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]


class _Frames(NamedTuple):
    """Frames of different rows."""

    rows: Rows
    boot: NDArray[np.uint32]
    t_ms: NDArray[np.float64]
    offset_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]
    acc: NDArray[np.float32] | Counts  # in g, or counts as the ring has them
    gyr: NDArray[np.float32] | Counts | None

    def take(self, chosen: NDArray[np.bool_] | Rows) -> _Frames:
        return _Frames._make(None if part is None else part[chosen] for part in self)

    def cut(self, samples: int, fs_hz: float) -> _Frames:
        """Without the first ``samples``."""
        gyr = None if self.gyr is None else self.gyr[:, samples:]
        return self._replace(t_ms=self.t_ms + samples * 1000.0 / fs_hz, acc=self.acc[:, samples:], gyr=gyr)


_COLUMNS: dict[str, Any] = {
    "boot": np.uint32,
    "seen": np.bool_,
    "expected_ms": np.float64,  # device clock of the next input sample
    "offset_ms": np.int64,
    "recv_ms": np.int64,
}


class Intake:
    """Puts frames into a ring and tells, piece by piece, what was added."""

    def __init__(self, ring: Ring, parameters: FallParameters) -> None:
        self.ring = ring
        self.parameters = parameters
        self.resampler = Resampler()
        self.boot = np.zeros(0, np.uint32)
        self.seen = np.zeros(0, np.bool_)
        self.expected_ms = np.zeros(0)
        self.offset_ms = np.zeros(0, np.int64)
        self.recv_ms = np.zeros(0, np.int64)

    def grow(self, rows: int) -> None:
        """Make room for ``rows`` streams."""
        self.resampler.grow(rows)
        if rows > len(self.boot):
            room = max(rows, 64, len(self.boot) * 3 // 2)
            for name in _COLUMNS:
                column = getattr(self, name)
                setattr(self, name, np.append(column, np.zeros(room - len(column), column.dtype)))

    def head_ms(self, rows: Rows) -> NDArray[np.float64]:
        """The device clock at the ring's next sample."""
        return self.expected_ms[rows] + self.resampler.lead_ms(rows)

    def feed(self, batch: AnyBatch) -> Iterator[Piece | Restarted]:
        """Add a batch. Each piece is to be looked at before the next is asked for: the ring holds seconds only."""
        acc, gyr = _samples(batch)
        frames = _Frames(
            batch.row.astype(np.intp),
            batch.boot,
            batch.t_ms.astype(np.float64),
            batch.offset_ms,
            batch.recv_ms,
            acc,
            gyr,
        )
        for turn in turns(frames.rows):
            yield from self._place(frames if isinstance(turn, slice) else frames.take(turn), float(batch.fs_hz))

    def _place(self, frames: _Frames, fs_hz: float) -> Iterator[Piece | Restarted]:
        """Compare the frames' times with what was expected, fill gaps, cut overlaps, and add."""
        rows, n = frames.rows, frames.acc.shape[1]
        if n == 0:
            return
        length_ms = n * 1000.0 / fs_hz
        tolerance_ms = min(self.parameters.gap_tolerance_s * 1000.0, 0.75 * length_ms)
        ahead_ms = frames.t_ms - self.expected_ms[rows]
        known = self.seen[rows] & (self.boot[rows] == frames.boot)
        end_ms = np.rint(frames.t_ms + length_ms).astype(np.int64) + frames.offset_ms
        restart_ms = self.parameters.restart_s * 1000.0
        if (known & (np.abs(ahead_ms) <= min(tolerance_ms, restart_ms))).all():
            self.expected_ms[rows] += self.parameters.clock_gain * ahead_ms
        else:
            frames, end_ms = yield from self._rejoin(frames, fs_hz, known, ahead_ms, tolerance_ms, end_ms)
            rows = frames.rows
            if not len(rows):
                return
        self.offset_ms[rows] = frames.offset_ms
        self.recv_ms[rows] = frames.recv_ms
        second = max(1, int(fs_hz))
        for first in range(0, n, second):
            part = slice(first, min(n, first + second))
            yield from self._add(frames, part, fs_hz, end_ms)

    def _rejoin(
        self,
        frames: _Frames,
        fs_hz: float,
        known: NDArray[np.bool_],
        ahead_ms: NDArray[np.float64],
        tolerance_ms: float,
        end_ms: NDArray[np.int64],
    ) -> Generator[Piece | Restarted, None, tuple[_Frames, NDArray[np.int64]]]:
        """Fill gaps, cut overlaps and begin anew where frames do not follow what came before; those that are left to
        be added, and their ends."""
        n = frames.acc.shape[1]
        anew = ~known | (ahead_ms < -self.parameters.restart_s * 1000.0) | (ahead_ms >= _LONGEST_GAP_MS)
        overlap = ~anew & (ahead_ms < -tolerance_ms)
        gap = ~anew & (ahead_ms > tolerance_ms)
        if overlap.any():
            for i in np.flatnonzero(overlap):
                twice = int(np.rint(-ahead_ms[i] * fs_hz / 1000.0))
                if twice < n:
                    yield from self._place(frames.take(np.array([i])).cut(twice, fs_hz), fs_hz)
            frames, anew, gap, end_ms = frames.take(~overlap), anew[~overlap], gap[~overlap], end_ms[~overlap]
            ahead_ms = ahead_ms[~overlap]
        rows = frames.rows
        if anew.any():
            fresh = rows[anew]
            yield Restarted(fresh, end_ms[anew], frames.recv_ms[anew])
            self.ring.restart(fresh)
            self.resampler.restart(fresh)
            self.seen[fresh] = True
            self.boot[fresh] = frames.boot[anew]
            self.expected_ms[fresh] = frames.t_ms[anew]
        if gap.any():
            yield from self._fill(frames.take(gap), end_ms[gap])
        rest = ~anew & ~gap
        self.expected_ms[rows[rest]] += self.parameters.clock_gain * ahead_ms[rest]
        return frames, end_ms

    def _fill(self, frames: _Frames, end_ms: NDArray[np.int64]) -> Iterator[Piece]:
        """Mark what lies between the ring's heads and the frames' beginnings as missing."""
        rows = frames.rows
        absent = np.rint((frames.t_ms - self.head_ms(rows)) / STEP_MS).astype(np.intp)
        self.resampler.restart(rows)
        start_ms = frames.t_ms - absent * STEP_MS
        for count in np.unique(absent):
            group = np.flatnonzero(absent == count)
            for done in range(0, int(count), FS_HZ):
                n = min(FS_HZ, int(count) - done)
                nothing = np.full((len(group), n, 3), MISSING, np.int16)
                self.ring.append(rows[group], nothing, None)
                self.expected_ms[rows[group]] = start_ms[group] + (done + n) * STEP_MS
                yield Piece(rows[group], nothing, end_ms[group], frames.recv_ms[group])
        self.expected_ms[rows] = frames.t_ms

    def _add(self, frames: _Frames, part: slice, fs_hz: float, end_ms: NDArray[np.int64]) -> Iterator[Piece]:
        rows = frames.rows
        acc = frames.acc[:, part]
        gyr = None if frames.gyr is None else frames.gyr[:, part]
        n = acc.shape[1]
        if passes_through(fs_hz):
            came_hz = self.resampler.fs_hz[rows]
            if came_hz.any():
                self.resampler.restart(rows[came_hz != 0.0])
            self.expected_ms[rows] += n * STEP_MS
            counts = _counts(acc, ACC_LSB_G)
            self.ring.append(rows, counts, None if gyr is None else _counts(gyr, GYR_LSB_DPS))
            yield Piece(rows, counts, end_ms, frames.recv_ms)
            return
        both = np.full((*acc.shape[:2], 6), np.nan, np.float32)
        both[..., :3] = acc
        if gyr is not None:
            both[..., 3:] = gyr
        self.expected_ms[rows] += n * 1000.0 / fs_hz
        for members, values in self.resampler.feed(rows, fs_hz, both):
            counts = to_counts(values[..., :3], ACC_LSB_G)
            turned = None if gyr is None else to_counts(values[..., 3:], GYR_LSB_DPS)
            self.ring.append(rows[members], counts, turned)
            yield Piece(rows[members], counts, end_ms[members], frames.recv_ms[members])

    def state(self, rows: int) -> dict[str, Any]:
        """Copies of everything but the ring."""
        columns = {name: getattr(self, name)[:rows].copy() for name in _COLUMNS}
        return {**columns, "resampler": self.resampler.state(rows)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        for name, kind in _COLUMNS.items():
            setattr(self, name, np.array(state[name], kind))
        self.resampler.restore(state["resampler"])


def _samples(
    batch: AnyBatch,
) -> tuple[NDArray[np.float32] | Counts, NDArray[np.float32] | Counts | None]:
    """As counts where they can go into the ring as they are."""
    if not isinstance(batch, CountedBatch) or not passes_through(batch.fs_hz) or not _same(batch.lsb_g, ACC_LSB_G):
        return batch.acc_g, batch.gyr_dps
    if batch.gyr is None:
        return _bounded(batch.acc), None
    return _bounded(batch.acc), _bounded(batch.gyr) if _same(batch.lsb_dps, GYR_LSB_DPS) else batch.gyr_dps


def _same(lsb: float, of_ring: float) -> bool:
    return bool(np.float32(lsb) == np.float32(of_ring))


def _bounded(counts: Counts) -> Counts:
    """A sample at the lower end of the range is not a missing one."""
    return np.maximum(counts, np.int16(MISSING + 1)) if counts.min(initial=0) == MISSING else counts


def _counts(samples: NDArray[np.float32] | Counts, lsb: float) -> Counts:
    return samples if samples.dtype == np.int16 else to_counts(samples, lsb)  # type: ignore[return-value, arg-type]  # told by dtype
