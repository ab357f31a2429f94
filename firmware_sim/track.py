"""Clips of motion joined to an endless track, with falls at known samples and no jump at the joins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from firmware_sim.day_plan import Doing
from firmware_sim.errors import SimulationError
from firmware_sim.motion import (
    BRIDGE,
    FS_HZ,
    GRAVITY_SAMPLES,
    LSB_DPS,
    LSB_G,
    REST,
    SHORT_JOIN,
    Clip,
    Counts,
    Diary,
    Repertoire,
    at_rest,
    bridge,
    stirring,
    to_counts,
)
from firmware_sim.people import Aftermath

#: Of a fall, this much before the impact is played: recordings hold other things before it, and what is found in a
#: fall should count as that fall (the rule of the evaluations is 2.5 s).
_HEAD = 120


class Track:
    """The endless motion of one wearer, drawn as it is taken.

    Args:
        repertoire: what the wearer does.
        falls_at: samples of the impacts, rising; each needs :data:`firmware_sim.motion.MIN_LEAD_S` of motion before it.
        rng: the only source of chance.
        lies_s: how long the wearer lies after a fall, before getting up, where ``aftermaths`` does not say.
        diary: what the wearer does when; without one, anything at any time.
        aftermaths: of each fall, how it ends.

    Raises:
        SimulationError: two falls stand closer together than the motion of the first and its rest allow.
    """

    def __init__(
        self,
        repertoire: Repertoire,
        falls_at: Sequence[int],
        rng: np.random.Generator,
        lies_s: float = 60.0,
        *,
        diary: Diary | None = None,
        aftermaths: Sequence[Aftermath] = (),
    ) -> None:
        self._repertoire = repertoire
        self._rng = rng
        self._diary = diary
        #: Of each fall, how it ends.
        self.aftermaths = aftermaths or [Aftermath("", lies_s)] * len(falls_at)
        self._falls = [
            (at, repertoire.fall(rng, still=True) if after.outcome == "unconscious" else repertoire.fall(rng), after)
            for at, after in zip(falls_at, self.aftermaths, strict=True)
        ]
        #: (sample of the impact, key of the clip), in order.
        self.falls: list[tuple[int, str]] = [(at, clip.key) for at, clip, _ in self._falls]
        self._check()
        self._blocks = self._joined()
        self._acc: Counts = np.empty((0, 3), np.int16)
        self._gyr: Counts = np.empty((0, 3), np.int16)
        self._used = 0
        self._still_from = self._still_to = 0  # in the buffer: a rest that lasts to its end

    @property
    def still(self) -> int:
        """How many of the next samples are known to be at rest."""
        return max(0, self._still_to - self._used) if self._used >= self._still_from else 0

    def take(self, n: int = FS_HZ) -> tuple[Counts, Counts]:
        """The next ``n`` samples: acc in counts of :data:`LSB_G`, gyro in counts of :data:`LSB_DPS`."""
        while len(self._acc) - self._used < n:
            block = next(self._blocks)
            self._acc = np.concatenate([self._acc[self._used :], to_counts(block.acc_g, LSB_G)])
            self._gyr = np.concatenate([self._gyr[self._used :], to_counts(block.gyr_dps, LSB_DPS)])
            self._used = 0
            self._still_to = len(self._acc) if block.key == REST else 0
            self._still_from = len(self._acc) - len(block)
        start, self._used = self._used, self._used + n
        return self._acc[start : self._used], self._gyr[start : self._used]

    def _check(self) -> None:
        free = -BRIDGE  # nothing comes before the first, so that it needs no join
        for at, clip, after in self._falls:
            assert clip.impact is not None
            if at - min(clip.impact, _HEAD) < free + BRIDGE:
                raise SimulationError(
                    f"a fall {at / FS_HZ:.1f} s into the track, but the wearer is free only after "
                    f"{(free + BRIDGE + _HEAD) / FS_HZ:.1f} s: start the fall later or shorten lies_s"
                )
            free = at + len(clip) - clip.impact + int(after.lies_s * FS_HZ)

    def _joined(self) -> Iterator[Clip]:
        before: Clip | None = None
        first: list[Doing] = []  # what must be done before anything else
        position = 0
        for at, whole, after in self._falls:
            assert whole.impact is not None
            clip = whole.cut(max(0, whole.impact - _HEAD), len(whole))
            assert clip.impact is not None
            start = at - clip.impact
            if before is None and start < BRIDGE + FS_HZ:  # no room for anything else before the first fall
                waits = at_rest(clip.cut(0, GRAVITY_SAMPLES), max(start, GRAVITY_SAMPLES), self._rng)
                yield waits.cut(0, start - min(start, SHORT_JOIN))
                yield bridge(waits, clip, self._rng, min(start, SHORT_JOIN))
            else:
                while position < start - BRIDGE:
                    must = first.pop(0) if first else None
                    for piece in self._pieces(before, position, start - BRIDGE - position, must):
                        yield piece
                        before, position = piece, position + len(piece)
                assert before is not None
                yield bridge(before, clip, self._rng, start - position)
            yield clip
            lies = int(after.lies_s * FS_HZ)
            moves = after.outcome in ("gets_up", "lies")
            before = stirring(clip, lies, self._rng) if moves else at_rest(clip, lies, self._rng)
            yield before
            first = ["get_up", "walk"] if moves else []
            position = start + len(clip) + lies
        while True:
            for piece in self._pieces(before, position, None, first.pop(0) if first else None):
                yield piece
                before, position = piece, position + len(piece)

    def _pieces(
        self, before: Clip | None, position: int, room: int | None, must: Doing | None = None
    ) -> Iterator[Clip]:
        """The next everyday clip with its join, ``room`` samples at most; a rest where nothing else fits."""
        rests = 0
        if must is not None:
            clip = self._repertoire.everyday(self._rng, must)
        elif self._diary is not None:
            moment = self._diary.next(position / FS_HZ, self._rng)
            clip, rests = self._repertoire.everyday(self._rng, moment.doing), int(moment.rest_s * FS_HZ)
        else:
            clip = self._repertoire.everyday(self._rng)
        if before is None:
            late = int(self._rng.integers(0, max(1, len(clip) // 2)))  # not everybody starts something at once
            clip = clip.cut(late, len(clip) if room is None else min(len(clip), late + room))
            yield clip
        else:
            join = bridge(before, clip, self._rng)
            if room is not None and room < len(join) + FS_HZ:
                yield at_rest(before, room, self._rng)
                return
            yield join
            clip = clip if room is None else clip.cut(0, room - len(join))
            yield clip
            room = None if room is None else room - len(join)
        rests = rests if room is None else min(rests, room - len(clip))
        if rests > FS_HZ:
            yield at_rest(clip, rests, self._rng)
