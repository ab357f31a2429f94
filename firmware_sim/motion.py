"""Clips of motion, where they come from, and what leads from one to the next without a jump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_sim.day_plan import Doing, Moment
from firmware_sim.people import Traits

Array = NDArray[np.float32]
Counts = NDArray[np.int16]

#: Samples per second of every simulated device.
FS_HZ = 50
#: What one count of a packed frame is: SisFall, WEDA and HIFD were converted to these units.
LSB_G = 1e-3
LSB_DPS = 0.1

#: A join between like postures, in samples; and one that turns the body: rest, turn, rest. Who walks stands still
#: before lying down; a posture that changes within two seconds of a step would look like a fall.
SHORT_JOIN = 75
_JOIN_REST = 100
_TURN = (75, 150)
_LIKE_DEG = 25.0
#: The longest join.
BRIDGE = 2 * _JOIN_REST + _TURN[1]
#: Motion that a fall needs before it, so that a detector has its context.
MIN_LEAD_S = 5.0
#: Samples whose mean stands for gravity at the end of a clip: one step of a walk.
GRAVITY_SAMPLES = 25
#: Key of the clip of somebody who does not move.
REST = "rest"
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

    def everyday(self, rng: np.random.Generator, doing: Doing | None = None) -> Clip:
        """A stretch of everyday motion: of ``doing``, or of anything."""

    def fall(self, rng: np.random.Generator, *, still: bool = False) -> Clip:
        """A fall, with ``impact`` set; ``still``: who fell does not move afterwards."""


class Diary(Protocol):
    """What a wearer does when."""

    def next(self, after_s: float, rng: np.random.Generator) -> Moment:
        """What it is ``after_s`` seconds into the track."""


class Motion(Protocol):
    """What one wearer does, taken piece by piece."""

    @property
    def falls(self) -> Sequence[tuple[int, str]]:
        """(sample of the impact, what kind of fall) of all falls, in order."""

    def take(self, n: int = FS_HZ) -> tuple[Counts, Counts]:
        """The next ``n`` samples: acc in counts of :data:`LSB_G`, gyro in counts of :data:`LSB_DPS`."""


class MotionSource(Protocol):
    """Where motion comes from: recordings or synthesis."""

    @property
    def name(self) -> str:
        """``recordings`` or ``synthetic``, as the truth file says it."""

    def wearer(
        self, placement: str, rng: np.random.Generator, *, falls: bool, traits: Traits | None = None
    ) -> Repertoire:
        """A person who wears the device at ``placement``; one who will fall when ``falls``; the one with ``traits``."""


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


def bridge(before: Clip, after: Clip, rng: np.random.Generator, n: int | None = None) -> Clip:
    """Samples that lead from the end of ``before`` to the start of ``after``: ``n``, or as many as the turn takes.

    Gravity turns smoothly from the one posture to the other (a plain cross-fade of opposite postures would pass
    through zero and look like free fall); what the ends have beyond gravity dies away within 0.2 s.
    """
    start = before.acc_g[-GRAVITY_SAMPLES:].mean(0)
    end = after.acc_g[:GRAVITY_SAMPLES].mean(0)
    cosine = start @ end / max(1e-6, float(np.linalg.norm(start) * np.linalg.norm(end)))
    angle_deg = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    turning = round(np.clip(angle_deg / 60 * FS_HZ, *_TURN))
    if n is None:
        n = SHORT_JOIN if angle_deg < _LIKE_DEG else turning + 2 * _JOIN_REST
    turning = min(turning, n)
    still = (n - turning) // 2
    u = np.clip((np.arange(1, n + 1, dtype=np.float32) - still) / np.float32(turning + 1), 0, 1)
    path, turn = _turn(start, end, u * u * (3 - 2 * u))
    rate = np.degrees(6 * u * (1 - u) / (turning / FS_HZ))[:, None] * -turn  # gravity turns against the device
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
    posture = after.acc_g[-GRAVITY_SAMPLES:].mean(0)
    drift = after.gyr_dps[-GRAVITY_SAMPLES:].mean(0).clip(-5, 5)
    breath = 0.004 * np.sin(2 * np.pi * (0.25 * np.arange(n) / FS_HZ + rng.random()))
    acc = posture * (1 + breath[:, None]) + rng.normal(0, _REST_G, (n, 3))
    return Clip(REST, acc.astype(np.float32), (drift + rng.normal(0, _REST_DPS, (n, 3))).astype(np.float32))


def stirring(after: Clip, n: int, rng: np.random.Generator) -> Clip:
    """``n`` samples of somebody who lies there and moves a little: turns by some degrees, at times, and labours."""
    rest = at_rest(after, n, rng)
    seconds = np.arange(n) / FS_HZ
    knots = np.arange(0.0, n / FS_HZ + 4.0, 2.0)
    busy = np.interp(seconds, knots, np.repeat(rng.random(len(knots) // 2 + 1) < 0.4, 2)[: len(knots)])
    about = _smooth(np.interp(seconds, knots, rng.normal(0, 0.12, len(knots)) * np.interp(knots, seconds, busy)))
    gravity = after.acc_g[-GRAVITY_SAMPLES:].mean(0)
    axis = np.cross(gravity, rng.normal(0, 1, 3))
    axis /= max(1e-6, float(np.linalg.norm(axis)))
    turned = about[:, None]
    moved = gravity * (np.cos(turned) - 1) + np.cross(axis, gravity) * np.sin(turned)
    labour = _smooth(rng.normal(0, 0.3, (n, 3))) * (0.5 * busy)[:, None]
    rate = np.degrees(np.gradient(about) * FS_HZ)[:, None] * -axis
    return Clip(
        "stirring",
        (rest.acc_g + moved + labour).astype(np.float32),
        (rest.gyr_dps + rate + 40 * labour).astype(np.float32),
    )


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A running mean over a third of a second along the first axis, of the same length."""
    width = FS_HZ // 3
    if len(values) <= width:
        return values
    total = np.cumsum(np.concatenate([np.repeat(values[:1], width, axis=0), values]), axis=0)
    out: NDArray[np.float64] = (total[width:] - total[:-width]) / width
    return out


def to_counts(values: Array, lsb: float) -> Counts:
    """``values`` in whole counts of ``lsb``, saturated as a sensor's register would be."""
    counts: Counts = np.clip(np.rint(values / np.float32(lsb)), -32767, 32767).astype(np.int16)
    return counts
