"""What happens to frames off the laboratory bench: turned, clipped, slow, lost and badly calibrated sensors.

Every change is drawn once per person from a seed and the stream's name, so that it is the same whoever else is there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detectors.fall.recordings import Stream
from detectors.fall.ring import FS_HZ
from detectors.fall.scoring import START_MS
from detectors.motion import MotionBatch

#: Takes a batch whose rows are streams, and gives what the bank is to see of it.
Alter = Callable[[MotionBatch], MotionBatch]

LOST_SHARE = 0.05
GAIN_ERROR = 0.05


@dataclass(frozen=True, slots=True)
class Stress:
    """A row of the report. ``prepare(streams, seed)`` draws what it needs and gives the change itself."""

    name: str
    prepare: Callable[[Sequence[Stream], int], Alter]


def _rng(stream: Stream, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(stream.name.encode())])


def rotated(streams: Sequence[Stream], seed: int) -> Alter:
    """Every person's sensor is turned, in any direction, and stays so."""
    turns = np.stack([_rotation(_rng(stream, seed)) for stream in streams]).astype(np.float32)

    def alter(batch: MotionBatch) -> MotionBatch:
        turn = turns[batch.row].transpose(0, 2, 1)
        return _both(batch, lambda values: values @ turn)

    return alter


def _rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """Evenly distributed over all rotations: QR of normal numbers (Mezzadri, Notices AMS 54 (2007))."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    if np.linalg.det(q) < 0:
        q[:, 0] = -q[:, 0]
    return np.asarray(q)


def clipped(limit_g: float) -> Callable[[Sequence[Stream], int], Alter]:
    """The accelerometer ends at ``limit_g`` on each axis."""

    def alter(batch: MotionBatch) -> MotionBatch:
        return replace(batch, acc_g=np.clip(batch.acc_g, -limit_g, limit_g))

    return lambda _streams, _seed: alter


def halved(_streams: Sequence[Stream], _seed: int) -> Alter:
    """Every second sample only, with no filter before it: the peak of an impact may be lost."""
    return lambda batch: replace(_both(batch, lambda values: values[:, ::2]), fs_hz=batch.fs_hz / 2)


def lossy(streams: Sequence[Stream], seed: int) -> Alter:
    """LOST_SHARE of the frames of a second never come."""
    lost = [_rng(stream, seed).random(-(-len(stream.acc) // FS_HZ)) < LOST_SHARE for stream in streams]

    def alter(batch: MotionBatch) -> MotionBatch:
        second = (batch.t_ms - START_MS) // 1000
        came = np.array([not lost[row][at] for row, at in zip(batch.row, second, strict=True)], np.bool_)
        kept = {name: getattr(batch, name)[came] for name in ("row", "boot", "t_ms", "offset_ms", "recv_ms")}
        return replace(_both(batch, lambda values: values[came]), **kept)

    return alter


def miscalibrated(streams: Sequence[Stream], seed: int) -> Alter:
    """Every axis of every person's sensors reads GAIN_ERROR too much or too little."""
    signs = np.stack([_rng(stream, seed).choice([-1.0, 1.0], size=(2, 3)) for stream in streams])
    gains = (1 + GAIN_ERROR * signs).astype(np.float32)

    def alter(batch: MotionBatch) -> MotionBatch:
        gain = gains[batch.row][:, :, None, :]
        turns = None if batch.gyr_dps is None else batch.gyr_dps * gain[:, 1]
        return replace(batch, acc_g=batch.acc_g * gain[:, 0], gyr_dps=turns)

    return alter


def _both(batch: MotionBatch, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> MotionBatch:
    turns = None if batch.gyr_dps is None else change(batch.gyr_dps)
    return replace(batch, acc_g=change(batch.acc_g), gyr_dps=turns)


STRESSES: tuple[Stress, ...] = (
    Stress("turned", rotated),
    Stress("clip at 4 g", clipped(4.0)),
    Stress("clip at 8 g", clipped(8.0)),
    Stress("25 Hz", halved),
    Stress("5 % lost", lossy),
    Stress("gain off 5 %", miscalibrated),
)
