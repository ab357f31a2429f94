"""What a stretch of motion says for and against each fault of the sensors that measured it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.device.parameters import MotionSensorParameters

#: Samples looked at per second: an evenly spaced tenth of a second. What lasts for minutes shows in them too, and a
#: district's motion need not be read twice.
PROBES_HZ = 10.0
ACC = slice(0, 3)
GYR = slice(3, 6)
#: Ranges that accelerometers come with.
FULL_SCALES_G = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 100, 128, 200, 256, 400], np.float32)

Values = NDArray[np.float32]


class Fault(IntEnum):
    """Faults told apart. Of several of one sensor that are due at once, the first is reported."""

    NO_DATA = 0
    ZERO = 1
    SATURATED = 2
    STUCK = 3
    SCALE = 4
    AXIS_X = 5
    AXIS_Y = 6
    AXIS_Z = 7
    GYROSCOPE = 8


class Measured(NamedTuple):
    """A stretch of m devices, in columns. Axes are those of the accelerometer, then of the gyroscope."""

    low: Values  # (6, m) g, then deg/s; NaN where there was no sample
    high: Values  # (6, m)
    squares: NDArray[np.float64]  # (m,) sum of the squared magnitudes, g2
    samples: Values  # (m,) accelerometer samples that were there
    at_peak: Values  # (3, m) how many of them lie exactly at the axis' largest size

    @property
    def peak_g(self) -> Values:
        """``(3, m)`` the largest size on each axis of the accelerometer."""
        return np.maximum(-self.low[ACC], self.high[ACC])

    @property
    def span(self) -> Values:
        """``(6, m)`` how far each axis moved, in g and deg/s."""
        with np.errstate(over="ignore"):
            return self.high - self.low

    @property
    def magnitude_g(self) -> NDArray[np.float64]:
        """``(m,)`` root mean square magnitude: at rest, gravity."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.sqrt(self.squares / self.samples))

    def merged(self, later: Measured) -> Measured:
        """Both stretches as one."""
        before, after = self.peak_g, later.peak_g
        at_peak = np.where(after > before, 0, self.at_peak) + np.where(after < before, 0, later.at_peak)
        return Measured(
            np.fmin(self.low, later.low),
            np.fmax(self.high, later.high),
            self.squares + later.squares,
            self.samples + later.samples,
            at_peak,
        )

    def take(self, chosen: NDArray[np.bool_]) -> Measured:
        """The columns chosen."""
        return Measured(
            self.low[:, chosen],
            self.high[:, chosen],
            self.squares[chosen],
            self.samples[chosen],
            self.at_peak[:, chosen],
        )


def nothing(columns: int) -> Measured:
    """A stretch without a sample yet: the neutral element of :meth:`Measured.merged`."""
    unknown = np.full((6, columns), np.nan, np.float32)
    zeros = np.zeros(columns, np.float32)
    return Measured(unknown, unknown.copy(), np.zeros(columns), zeros, np.zeros((3, columns), np.float32))


def probe_step(fs_hz: float) -> int:
    """Every so manieth sample is looked at."""
    return max(1, int(fs_hz / PROBES_HZ))


def measure(acc_g: Values, gyr_dps: Values | None, pinned_g: float) -> Measured:
    """Measure ``(m, n, 3)`` samples, an evenly spaced part of a second or less.

    A sample with an axis that is not finite is missing. ``at_peak`` is counted where the peak reaches ``pinned_g``.
    """
    low = np.full((6, len(acc_g)), np.nan, np.float32)
    high = low.copy()
    acc = np.array(acc_g.transpose(2, 1, 0), np.float32, order="C")
    squares = np.einsum("anm,anm->m", acc, acc, dtype=np.float64)
    count = np.full(len(acc_g), acc.shape[1], np.float32)
    if np.isfinite(squares).all():
        low[ACC], high[ACC] = acc.min(axis=1), acc.max(axis=1)
    else:
        missing = ~np.isfinite(acc).all(axis=0)
        acc[:, missing] = np.nan
        count -= missing.sum(axis=0, dtype=np.float32)
        low[ACC], high[ACC] = np.fmin.reduce(acc, axis=1), np.fmax.reduce(acc, axis=1)
        squares = np.nansum(acc.astype(np.float64) ** 2, axis=(0, 1))
    if gyr_dps is not None:
        gyr = np.array(gyr_dps.transpose(2, 1, 0), np.float32, order="C")
        if not np.isfinite(gyr).all():
            gyr[~np.isfinite(gyr)] = np.nan
        low[GYR], high[GYR] = np.fmin.reduce(gyr, axis=1), np.fmax.reduce(gyr, axis=1)
    at_peak = np.zeros((3, len(acc_g)), np.float32)
    out = Measured(low, high, squares, count, at_peak)
    peak = out.peak_g
    far = np.flatnonzero((peak >= pinned_g).any(axis=0))
    if len(far):
        at_peak[:, far] = (np.abs(acc[:, :, far]) == peak[:, None, far]).sum(axis=1)
    return out


class Evidence(NamedTuple):
    """For and against each fault, ``(len(Fault), m)``, and what each axis holds after it."""

    plus: NDArray[np.bool_]
    minus: NDArray[np.bool_]
    held: Values  # (6, m) the one value of the stretch; NaN where it changed


def weigh(one: Measured, held: Values, parameters: MotionSensorParameters) -> Evidence:
    """Weigh a stretch. ``held`` ``(6, m)`` is what the one before it held."""
    m = len(one.samples)
    span, magnitude, peak = one.span, one.magnitude_g, one.peak_g
    constant = span == 0
    same = constant & ((one.low == held) | np.isnan(held))
    there = one.samples > 0
    turning_there = ~np.isnan(span[GYR]).any(axis=0)

    still = constant[ACC].all(axis=0)
    zero = there & (one.low[ACC] == 0).all(axis=0) & (one.high[ACC] == 0).all(axis=0)
    off = (magnitude < parameters.low_g) | (magnitude > parameters.high_g)
    rest = there & (span[ACC] <= parameters.rest_range_g).all(axis=0)
    turned = turning_there & (span[GYR] >= parameters.turning_dps).any(axis=0)
    at_limit = (peak >= parameters.pinned_g) & (one.at_peak >= parameters.pinned_pct / 100.0 * one.samples)
    pinned = at_limit.any(axis=0)
    if pinned.any():
        pinned = (at_limit & (~still | _near_full_scale(peak, parameters))).any(axis=0)

    plus = np.zeros((len(Fault), m), np.bool_)
    minus = np.zeros((len(Fault), m), np.bool_)
    plus[Fault.NO_DATA], minus[Fault.NO_DATA] = ~there, there
    plus[Fault.ZERO], minus[Fault.ZERO] = zero, there & ~zero
    plus[Fault.SATURATED], minus[Fault.SATURATED] = pinned, there & ~at_limit.any(axis=0)
    plus[Fault.STUCK] = same[ACC].all(axis=0) & ~zero & ~pinned & (off | turned)
    minus[Fault.STUCK] = there & ~same[ACC].all(axis=0)
    wrong = (magnitude < parameters.low_g) | (rest & off) | (magnitude > parameters.moving_high_g)
    plus[Fault.SCALE] = wrong & ~plus[: Fault.SCALE].any(axis=0)
    minus[Fault.SCALE] = rest & ~off
    moves = span[ACC] >= parameters.motion_g
    for axis, fault in enumerate((Fault.AXIS_X, Fault.AXIS_Y, Fault.AXIS_Z)):
        plus[fault] = same[axis] & ~at_limit[axis] & np.delete(moves, axis, axis=0).any(axis=0)
        minus[fault] = there & ~same[axis]
    plus[Fault.GYROSCOPE] = same[GYR].all(axis=0) & moves.any(axis=0)
    minus[Fault.GYROSCOPE] = turning_there & ~same[GYR].all(axis=0)
    seen = np.concatenate([np.broadcast_to(there, (3, m)), np.broadcast_to(turning_there, (3, m))])
    return Evidence(plus, minus, np.where(seen, np.where(constant, one.low, np.float32(np.nan)), held))


def _near_full_scale(peak_g: Values, parameters: MotionSensorParameters) -> NDArray[np.bool_]:
    known = FULL_SCALES_G[np.abs(FULL_SCALES_G - peak_g[..., None]).argmin(axis=-1)]
    return np.asarray(np.abs(peak_g / known - 1.0) <= parameters.full_scale_pct / 100.0)
