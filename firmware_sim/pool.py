"""Everyday motion encoded beforehand: a few hundred minutes of it, which thousands of wearers live again and again.

Each wearer follows one loop of the pool from a second of their own on, so that what one device sends is continuous
motion. Who falls has motion of their own and is no part of this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_sim.day_plan import DayPlan
from firmware_sim.device import Identity, Setup
from firmware_sim.frames import motion_body
from firmware_sim.motion import BRIDGE, FS_HZ, LSB_DPS, LSB_G, Clip, Counts, MotionSource, bridge, to_counts
from firmware_sim.people import People, draw_traits
from firmware_sim.session import Message
from firmware_sim.track import Track
from firmware_sim.vitals import VitalSigns
from firmware_sim.wearer import Wearer, effort

#: Loops per placement, and the seconds of one.
_LOOPS = 128
_LOOP_S = 60
#: Effort is the mean over this many seconds: the heart does not follow at once.
_EFFORT_S = 15
#: Of a day of the plan, in local time.
_WAKING_MS = (7 * 3_600_000, 21 * 3_600_000)


def everyday_loop(
    source: MotionSource, placement: str, seconds: int, rng: np.random.Generator, people: People | None = None
) -> tuple[Counts, Counts]:
    """Everyday motion of one wearer of ``source`` of which the end leads over to the beginning.

    Of ``people`` with a day plan it is a minute between seven in the morning and nine in the evening, when most sit;
    else anything.

    Returns:
        ``(seconds * FS_HZ, 3)`` acc in counts of :data:`LSB_G` and as many gyr in counts of :data:`LSB_DPS`.
    """
    traits = None if people is None else draw_traits(people, rng)
    diary = None
    if traits is not None and people is not None and people.day_plan:
        day = tuple(int(part) for part in rng.integers(2**31, size=2))
        diary = DayPlan(traits, day, origin_ms=int(rng.uniform(*_WAKING_MS)), utc_offset_s=0)
    track = Track(source.wearer(placement, rng, falls=False, traits=traits), [], rng, diary=diary)
    acc, gyr = track.take(seconds * FS_HZ - BRIDGE)
    clip = Clip("pool", acc.astype(np.float32) * np.float32(LSB_G), gyr.astype(np.float32) * np.float32(LSB_DPS))
    end = bridge(clip, clip, rng, BRIDGE)
    return np.concatenate([acc, to_counts(end.acc_g, LSB_G)]), np.concatenate([gyr, to_counts(end.gyr_dps, LSB_DPS)])


class MotionPool:
    """The loops of both placements.

    Args:
        source: whose everyday motion it is.
        seed: the same source and seed make the same pool.
        gyroscope: whether frames have ``gyr``.
        people: who they are and how they spend the day.

    Attributes:
        bodies: ``(loops, seconds, bytes)`` uint8, the frames as :func:`firmware_sim.frames.motion_body` writes them.
        effort: ``(loops, seconds)`` float32, 0 at rest to 1 at a brisk walk.
    """

    def __init__(self, source: MotionSource, seed: int, *, gyroscope: bool, people: People | None = None) -> None:
        self.gyroscope = gyroscope
        self._first: dict[str, int] = {}
        self._acc: list[Counts] = []
        self._gyr: list[Counts] = []
        for number, placement in enumerate(("waist", "wrist")):
            rng = np.random.default_rng([seed, 0x900, number])
            self._first[placement] = len(self._acc)
            for _ in range(_LOOPS):
                acc, gyr = everyday_loop(source, placement, _LOOP_S, rng, people)
                self._acc.append(acc)
                self._gyr.append(gyr)
        self.bodies = np.stack([self._encoded(loop) for loop in range(len(self._acc))])
        self.effort = np.stack([_smoothed(acc) for acc in self._acc])

    def draw(self, placement: str, rng: np.random.Generator) -> Place:
        """A wearer's loop and the second of it that is their first."""
        return Place(self, self._first[placement] + int(rng.integers(_LOOPS)), int(rng.integers(_LOOP_S)))

    def second(self, loop: int, second: int) -> tuple[Counts, Counts]:
        """The samples of one frame."""
        start = second % _LOOP_S * FS_HZ
        return self._acc[loop][start : start + FS_HZ], self._gyr[loop][start : start + FS_HZ]

    def _encoded(self, loop: int) -> NDArray[np.uint8]:
        frames = (self.second(loop, second) for second in range(_LOOP_S))
        bodies = [motion_body(acc, gyr if self.gyroscope else None) for acc, gyr in frames]
        return np.frombuffer(b"".join(bodies), np.uint8).reshape(_LOOP_S, -1)


def _smoothed(acc: Counts) -> NDArray[np.float32]:
    raw = [effort(acc[i : i + FS_HZ]) for i in range(0, len(acc), FS_HZ)]
    around = np.convolve(np.tile(raw, 3), np.full(_EFFORT_S, 1 / _EFFORT_S))
    return around[len(raw) : 2 * len(raw)].astype(np.float32)


@dataclass(slots=True)
class Place:
    """Where one wearer is in the pool: motion for :class:`~firmware_sim.wearer.Wearer` in the place of a track."""

    pool: MotionPool
    loop: int
    shift: int
    taken: int = 0

    @property
    def falls(self) -> list[tuple[int, str]]:
        """None, ever."""
        return []

    def take(self, n: int = FS_HZ) -> tuple[Counts, Counts]:
        """The samples of the next second; ``n`` is :data:`FS_HZ`."""
        assert n == FS_HZ
        self.taken += 1
        return self.pool.second(self.loop, self.shift + self.taken - 1)

    def effort(self, second: int) -> float:
        """How much the wearer moves around that second of the run."""
        return float(self.pool.effort[self.loop, (self.shift + second) % self.pool.effort.shape[1]])


class PooledWearer(Wearer):
    """A wearer whose frames a :class:`~firmware_sim.pool_lane.PoolLane` sends; the rest is as with everybody else."""

    def __init__(
        self,
        identity: Identity,
        setup: Setup,
        rng: np.random.Generator,
        *,
        origin_ms: int,
        track: Place,
        vitals: VitalSigns,
    ) -> None:
        self.place = track
        super().__init__(identity, setup, rng, origin_ms=origin_ms, track=track, vitals=vitals)

    def _frame(self, _due_ms: int) -> list[Message]:
        return []

    def _reading(self, due_ms: int) -> list[Message]:
        self._effort = self.place.effort((due_ms - self.origin_ms) // 1000)
        return super()._reading(due_ms)
