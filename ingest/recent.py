"""The times of each device's last motion frames and what they held: a differing frame for one instant is a conflict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.arrays import enlarged
from ingest.content import FRAMES_COMPARED
from ingest.devices import Device

Rows = NDArray[np.int64]
Longs = NDArray[np.int64]

_AWAY = -1
#: Where fewer frames are known than are compared.
_NO_TIME = np.iinfo(np.int64).min


class RecentFrames:
    """By row, for devices whose frames are taken by column; those of the others stand with the device."""

    def __init__(self) -> None:
        self._at = np.zeros(0, np.int8)  # place of the next frame; -1: they stand with the device
        self._times = np.zeros((0, FRAMES_COMPARED), np.int64)
        self._contents = np.zeros((0, FRAMES_COMPARED), np.int64)

    def hold(self, device: Device) -> None:
        """From here on they are here."""
        row = device.row
        if row >= len(self._at):
            self._grow(row + 1)
        if self._at[row] != _AWAY:
            return
        kept = device.recent_frames
        self._times[row] = _NO_TIME
        for place, (t_ms, content) in enumerate(kept):
            self._times[row, place], self._contents[row, place] = t_ms, content
        self._at[row] = len(kept) % FRAMES_COMPARED
        device.recent_frames = []

    def release(self, device: Device) -> None:
        """From here on they are with the device."""
        row = device.row
        if row >= len(self._at) or (at := int(self._at[row])) == _AWAY:
            return
        self._at[row] = _AWAY
        times, contents = self._times[row].tolist(), self._contents[row].tolist()
        order = [*range(at, FRAMES_COMPARED), *range(at)]
        device.recent_frames = [(times[k], contents[k]) for k in order if times[k] != _NO_TIME]

    def newest_ms(self, row: int) -> int:
        """The greatest time of a row that is here, -1 where there is none."""
        return max(-1, int(self._times[row].max()))

    def are_there(self, rows: Rows, t_ms: Longs) -> NDArray[np.bool_]:
        """``(m,)``: whether a frame of such a time is among those of its row."""
        return np.asarray((self._times[rows] == t_ms[:, None]).any(axis=1))

    def add(self, rows: Rows, t_ms: Longs, content: Longs, nth: Longs | int = 0) -> None:
        """Frames that were taken: of a row a few at most, ``nth`` of them from 0, one behind the other."""
        at = (self._at[rows] + nth) % FRAMES_COMPARED
        self._times[rows, at] = t_ms
        self._contents[rows, at] = content
        self._at[rows] = (at + 1) % FRAMES_COMPARED

    def state(self) -> tuple[NDArray[Any], ...]:
        """For a checkpoint."""
        return self._at, self._times, self._contents

    def restore(self, state: tuple[NDArray[Any], ...]) -> None:
        """From a checkpoint."""
        self._at, self._times, self._contents = (np.array(part) for part in state)

    def _grow(self, rows: int) -> None:
        room = max(rows, 64, len(self._at) * 3 // 2)
        self._at = enlarged(self._at, room, _AWAY)
        self._times = enlarged(self._times, room, _NO_TIME)
        self._contents = enlarged(self._contents, room)
