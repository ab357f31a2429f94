"""Clips of motion joined to an endless track, with falls at known samples and no jump at the joins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_sim.errors import SimulationError

Array = NDArray[np.float32]
Counts = NDArray[np.int16]

#: Samples per second of every simulated device.
FS_HZ = 50
#: What one count of a packed frame is: SisFall, WEDA and HIFD were converted to these units.
LSB_G = 1e-3
LSB_DPS = 0.1

#: Length of a join. 180 degrees in 1.5 s is the rate of a quick turn in bed and stays at 1 g.
BRIDGE = 75
#: Motion that a fall needs before it, so that a detector has its context.
MIN_LEAD_S = 5.0
#: A fall clip may lose its head to fit, but keeps this much before the impact.
_MIN_HEAD = 100
#: Samples whose mean stands for gravity at the end of a clip: one step of a walk.
_GRAVITY_SAMPLES = 25
#: Noise of a sensor at rest, in g and deg/s: the SisFall recordings after a fall have 0.006 g.
_REST_G = 0.005
_REST_DPS = 0.25


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of motion of one device.

    ``acc_g`` and ``gyr_dps`` are ``(n, 3)`` float32 at 50 Hz, gravity included. ``impact`` is the sample of the body's
    impact in a fall, None in everyday motion. ``key`` names the recording, or the kind of synthetic motion.
    """

    key: str
    acc_g: Array
    gyr_dps: Array
    impact: int | None = None

    def __len__(self) -> int:
        return len(self.acc_g)

    def cut(self, start: int, stop: int) -> Clip:
        """Samples ``start`` to ``stop``; an impact outside is forgotten."""
        impact = None if self.impact is None or not start <= self.impact < stop else self.impact - start
        return Clip(self.key, self.acc_g[start:stop], self.gyr_dps[start:stop], impact)


class Repertoire(Protocol):
    """What one wearer can do. Both draw with the generator they are given and with nothing else."""

    def everyday(self, rng: np.random.Generator) -> Clip:
        """A stretch of everyday motion."""

    def fall(self, rng: np.random.Generator) -> Clip:
        """A fall, with ``impact`` set."""


class MotionSource(Protocol):
    """Where motion comes from: recordings or synthesis."""

    @property
    def name(self) -> str:
        """``recordings`` or ``synthetic``, as the truth file says it."""

    def wearer(self, placement: str, rng: np.random.Generator, *, falls: bool) -> Repertoire:
        """A person who wears the device at ``placement``; one who will fall when ``falls``."""


def _turn(start: Array, end: Array, share: Array) -> tuple[Array, Array]:
    """Vectors on the way from ``start`` to ``end`` and the axis times angle of the whole turn.

    ``share`` is ``(n,)``, 0 to 1. Opposite vectors turn about an arbitrary perpendicular axis.
    """
    length = np.maximum([np.linalg.norm(start), np.linalg.norm(end)], 1e-3).astype(np.float32)
    a, b = start / length[0], end / length[1]
    angle = np.float32(np.arccos(np.clip(a @ b, -1.0, 1.0)))
    axis = np.cross(a, b)
    if np.linalg.norm(axis) < 1e-4:
        axis = np.cross(a, np.eye(3, dtype=np.float32)[int(np.argmin(np.abs(a)))])
    axis = (axis / np.linalg.norm(axis)).astype(np.float32)
    turned = (angle * share)[:, None]
    unit = a * np.cos(turned) + np.cross(axis, a) * np.sin(turned)  # Rodrigues; the axis is perpendicular to a
    return (unit * (length[0] + (length[1] - length[0]) * share)[:, None]).astype(np.float32), axis * angle


def bridge(before: Clip, after: Clip, rng: np.random.Generator, n: int = BRIDGE) -> Clip:
    """``n`` samples that lead from the end of ``before`` to the start of ``after``.

    Gravity turns smoothly from the one posture to the other (a plain cross-fade of opposite postures would pass
    through zero and look like free fall); what the ends have beyond gravity dies away within 0.2 s.
    """
    start = before.acc_g[-_GRAVITY_SAMPLES:].mean(0)
    end = after.acc_g[:_GRAVITY_SAMPLES].mean(0)
    u = (np.arange(1, n + 1, dtype=np.float32)) / np.float32(n + 1)
    share = u * u * (3 - 2 * u)
    path, turn = _turn(start, end, share)
    rate = np.degrees(6 * u * (1 - u) / (n / FS_HZ))[:, None] * -turn  # gravity turns against the device
    fade = np.exp(-np.arange(1, n + 1, dtype=np.float32) / 5)[:, None]
    acc = path + (before.acc_g[-1] - start) * fade + (after.acc_g[0] - end) * fade[::-1]
    gyr = rate + before.gyr_dps[-1] * fade + after.gyr_dps[0] * fade[::-1]
    return Clip(
        "bridge",
        (acc + rng.normal(0, _REST_G, (n, 3))).astype(np.float32),
        (gyr + rng.normal(0, _REST_DPS, (n, 3))).astype(np.float32),
    )


def at_rest(after: Clip, n: int, rng: np.random.Generator) -> Clip:
    """``n`` samples in the posture in which ``after`` ends: breathing, sensor noise, nothing else."""
    posture = after.acc_g[-_GRAVITY_SAMPLES:].mean(0)
    drift = after.gyr_dps[-_GRAVITY_SAMPLES:].mean(0).clip(-5, 5)
    breath = 0.004 * np.sin(2 * np.pi * (0.25 * np.arange(n) / FS_HZ + rng.random()))
    acc = posture * (1 + breath[:, None]) + rng.normal(0, _REST_G, (n, 3))
    return Clip("rest", acc.astype(np.float32), (drift + rng.normal(0, _REST_DPS, (n, 3))).astype(np.float32))


def to_counts(values: Array, lsb: float) -> Counts:
    """``values`` in whole counts of ``lsb``, saturated as a sensor's register would be."""
    counts: Counts = np.clip(np.rint(values / np.float32(lsb)), -32767, 32767).astype(np.int16)
    return counts


class Track:
    """The endless motion of one wearer, drawn as it is taken.

    Args:
        repertoire: what the wearer does.
        falls_at: samples of the impacts, rising; each needs :data:`MIN_LEAD_S` of motion before it.
        rng: the only source of chance.
        lies_s: how long the wearer lies after a fall, before getting up.

    Raises:
        SimulationError: two falls stand closer together than the motion of the first and its rest allow.
    """

    def __init__(
        self,
        repertoire: Repertoire,
        falls_at: Sequence[int],
        rng: np.random.Generator,
        lies_s: float = 60.0,
    ) -> None:
        self._repertoire = repertoire
        self._rng = rng
        self._lies = int(lies_s * FS_HZ)
        self._falls = [(at, repertoire.fall(rng)) for at in falls_at]
        #: (sample of the impact, key of the clip), in order.
        self.falls: list[tuple[int, str]] = [(at, clip.key) for at, clip in self._falls]
        self._check()
        self._blocks = self._joined()
        self._acc: Counts = np.empty((0, 3), np.int16)
        self._gyr: Counts = np.empty((0, 3), np.int16)
        self._used = 0

    def take(self, n: int = FS_HZ) -> tuple[Counts, Counts]:
        """The next ``n`` samples: acc in counts of :data:`LSB_G`, gyro in counts of :data:`LSB_DPS`."""
        while len(self._acc) - self._used < n:
            block = next(self._blocks)
            self._acc = np.concatenate([self._acc[self._used :], to_counts(block.acc_g, LSB_G)])
            self._gyr = np.concatenate([self._gyr[self._used :], to_counts(block.gyr_dps, LSB_DPS)])
            self._used = 0
        start, self._used = self._used, self._used + n
        return self._acc[start : self._used], self._gyr[start : self._used]

    def _check(self) -> None:
        free = 0
        for at, clip in self._falls:
            assert clip.impact is not None
            if at - min(clip.impact, _MIN_HEAD) < free + BRIDGE:
                raise SimulationError(
                    f"a fall {at / FS_HZ:.1f} s into the track, but the wearer is free only after "
                    f"{free / FS_HZ:.1f} s: start the fall later or shorten lies_s"
                )
            free = at + len(clip) - clip.impact + self._lies

    def _joined(self) -> Iterator[Clip]:
        before: Clip | None = None
        position = 0
        for at, whole in self._falls:
            assert whole.impact is not None
            start = max(at - whole.impact, position + (BRIDGE if before is not None else 0))
            clip = whole.cut(whole.impact - (at - start), len(whole))
            if before is None and start < BRIDGE + FS_HZ:  # no room for anything else before the first fall
                yield at_rest(clip.cut(0, _GRAVITY_SAMPLES), start, self._rng)
            else:
                while position < start - BRIDGE:
                    for piece in self._pieces(before, start - BRIDGE - position):
                        yield piece
                        before, position = piece, position + len(piece)
                assert before is not None
                yield bridge(before, clip, self._rng)
            yield clip
            before = at_rest(clip, self._lies, self._rng)
            yield before
            position = start + len(clip) + self._lies
        while True:
            for piece in self._pieces(before, None):
                yield piece
                before = piece

    def _pieces(self, before: Clip | None, room: int | None) -> Iterator[Clip]:
        """The next everyday clip with its join, ``room`` samples at most; a rest where nothing else fits."""
        first = self._repertoire.everyday(self._rng)
        if before is None:
            late = int(self._rng.integers(0, max(1, len(first) // 2)))  # not everybody starts something at once
            clip = first.cut(late, len(first))
            yield clip if room is None else clip.cut(0, room)
            return
        if room is not None and room < BRIDGE + FS_HZ:
            yield at_rest(before, room, self._rng)
            return
        yield bridge(before, first, self._rng)
        yield first if room is None else first.cut(0, room - BRIDGE)
