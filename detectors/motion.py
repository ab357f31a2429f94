"""The batch of motion frames that banks take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Some of the frames of a batch.
Frames = slice | NDArray[np.intp] | NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MotionBatch:
    """m motion frames of one sampling rate and length, ready for the banks.

    The frames of one device stand in the order of their time; a device may have several in one batch. Frames of other
    rates or lengths come in batches of their own. Nothing in here is changed by a bank.

    Attributes:
        row: ``(m,)`` int32, the device's row in the bank (from ``bank.add``).
        boot: ``(m,)`` uint32.
        t_ms: ``(m,)`` int64, device clock, of the first sample.
        offset_ms: ``(m,)`` int64, add it to ``t_ms`` for our clock (0 unless the device's clock is wrong).
        recv_ms: ``(m,)`` int64, when the gateway received the frame.
        fs_hz: samples per second.
        acc_g: ``(m, n, 3)`` float32, in g; NaN where a sample is missing.
        gyr_dps: ``(m, n, 3)`` float32, in deg/s, NaN where missing; or None when no frame of the batch has one.
        historical: the frames come from device buffers (a bank of its own serves them).
    """

    row: NDArray[np.int32]
    boot: NDArray[np.uint32]
    t_ms: NDArray[np.int64]
    offset_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]
    fs_hz: float
    acc_g: NDArray[np.float32]
    gyr_dps: NDArray[np.float32] | None = None
    historical: bool = False

    def __len__(self) -> int:
        return len(self.row)

    @property
    def samples(self) -> int:
        """How many each frame has."""
        return int(self.acc_g.shape[1])

    def acc_of(self, frames: Frames, samples: slice) -> NDArray[np.float32]:
        """A part of the acceleration in g."""
        return self.acc_g[frames, samples]

    def gyr_of(self, frames: Frames, samples: slice) -> NDArray[np.float32] | None:
        """A part of the turning in deg/s."""
        return None if self.gyr_dps is None else self.gyr_dps[frames, samples]


@dataclass(frozen=True, slots=True)
class CountedBatch:
    """The same, of devices that send whole numbers of one and the same unit.

    Attributes:
        acc: ``(m, n, 3)`` int16, in ``lsb_g`` g.
        lsb_g: g per count.
        gyr: ``(m, n, 3)`` int16, in ``lsb_dps`` deg/s; or None.
        lsb_dps: deg/s per count.
        row, boot, t_ms, offset_ms, recv_ms, fs_hz, historical: of :class:`MotionBatch`.
    """

    row: NDArray[np.int32]
    boot: NDArray[np.uint32]
    t_ms: NDArray[np.int64]
    offset_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]
    fs_hz: float
    acc: NDArray[np.int16]
    lsb_g: float
    gyr: NDArray[np.int16] | None = None
    lsb_dps: float = 1.0
    historical: bool = False

    def __len__(self) -> int:
        return len(self.row)

    @property
    def samples(self) -> int:
        """How many each frame has."""
        return int(self.acc.shape[1])

    @property
    def acc_g(self) -> NDArray[np.float32]:
        """``(m, n, 3)`` in g, made anew each time."""
        return self.acc_of(slice(None), slice(None))

    @property
    def gyr_dps(self) -> NDArray[np.float32] | None:
        """``(m, n, 3)`` in deg/s, made anew each time; or None."""
        return self.gyr_of(slice(None), slice(None))

    def acc_of(self, frames: Frames, samples: slice) -> NDArray[np.float32]:
        """A part of the acceleration in g."""
        return _scaled(self.acc[frames, samples], self.lsb_g)

    def gyr_of(self, frames: Frames, samples: slice) -> NDArray[np.float32] | None:
        """A part of the turning in deg/s."""
        return None if self.gyr is None else _scaled(self.gyr[frames, samples], self.lsb_dps)


#: What banks take.
AnyBatch = MotionBatch | CountedBatch


def frames_of(batch: AnyBatch, chosen: Frames) -> AnyBatch:
    """Some frames of a batch."""
    parts: dict[str, Any] = {
        one.name: column[chosen] for one in fields(batch) if isinstance(column := getattr(batch, one.name), np.ndarray)
    }
    return replace(batch, **parts)


def summed(batch: CountedBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``(m, n)``: the squared magnitude of each sample in counts squared; and ``(m, 6)``: the sums over each frame of
    the axes in g and of their squares."""
    m, n = batch.acc.shape[:2]
    values = batch.acc.reshape(m, 3 * n).astype(np.float32)
    axes = _axes(n)
    sums = np.empty((m, 6), np.float32)
    np.matmul(values, axes, out=sums[:, :3])
    np.multiply(values, values, out=values)
    np.matmul(values, axes, out=sums[:, 3:])
    squared = values[:, 0::3] + values[:, 1::3]
    squared += values[:, 2::3]
    sums[:, :3] *= np.float32(batch.lsb_g)
    sums[:, 3:] *= np.float32(batch.lsb_g) ** 2
    return squared, sums


@lru_cache(maxsize=16)
def _axes(n: int) -> NDArray[np.float32]:
    """``(3 n, 3)``: a product with it sums up each axis of n samples."""
    return np.tile(np.eye(3, dtype=np.float32), (n, 1))


def _scaled(counts: NDArray[np.int16], lsb: float) -> NDArray[np.float32]:
    values = counts.astype(np.float32)
    values *= np.float32(lsb)
    return values


def turns(rows: NDArray[np.integer]) -> Iterator[slice | NDArray[np.intp]]:
    """Parts of a batch, in order, in each of which a row stands once at most; the whole where that holds already."""
    last = np.empty(int(rows.max(initial=-1)) + 1, np.int32)
    place = np.arange(len(rows), dtype=np.int32)
    last[rows] = place
    if (last[rows] == place).all():
        yield slice(None)
        return
    _, where, count = np.unique(rows, return_inverse=True, return_counts=True)
    order = np.argsort(where, kind="stable")
    nth = np.empty(len(rows), np.intp)
    nth[order] = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    for turn in range(int(count.max())):
        yield np.flatnonzero(nth == turn)
