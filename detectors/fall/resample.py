"""Any sampling rate to 50 Hz, causally, across frames, for many streams at once.

Up to 50 Hz: linear interpolation. Above: a windowed sinc that ends at 25 Hz, so that nothing folds back. A missing
sample takes no part; an output with less than half of its weight is missing too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.fall.ring import FS_HZ, Rows

#: Half the length of the low-pass filter in output samples: 50 ms, which is also how much later an output comes.
_HALF_OUTPUTS = 2.5
#: Input samples kept from one frame to the next: the filter's length at 400 Hz and one more.
_KEPT = 42
#: Rates this close to 50 Hz are taken as 50 Hz: 1 % in time changes no feature, and the time stamps are followed.
_SAME_RATE_HZ = 0.5
#: Streams interpolated at a time, which bounds the scratch memory to some MB.
_BLOCK = 512


def passes_through(fs_hz: float) -> bool:
    """Whether frames of this rate go into the ring as they are."""
    return abs(fs_hz - FS_HZ) <= _SAME_RATE_HZ


class Resampler:
    """Where each stream stands between two of its input samples, and its last inputs."""

    def __init__(self) -> None:
        self.fs_hz: NDArray[np.float64] = np.zeros(0)  # of the stream's last frame; 0 = at its beginning
        self.next: NDArray[np.float64] = np.zeros(
            0
        )  # where the next output lies, in inputs from the next frame's first
        self.kept: NDArray[np.float32] | None = None  # (rows, _KEPT, 6), only when a stream needs it

    def grow(self, rows: int) -> None:
        """Make room for ``rows`` streams."""
        if rows > len(self.fs_hz):
            room = max(rows, 64, len(self.fs_hz) * 3 // 2)
            self.fs_hz = np.append(self.fs_hz, np.zeros(room - len(self.fs_hz)))
            self.next = np.append(self.next, np.zeros(room - len(self.next)))
            if self.kept is not None:
                more = np.full((room - len(self.kept), _KEPT, 6), np.nan, np.float32)
                self.kept = np.concatenate([self.kept, more])

    def restart(self, rows: Rows) -> None:
        """The next frame of ``rows`` begins a stream."""
        self.fs_hz[rows] = 0.0
        self.next[rows] = 0.0
        if self.kept is not None:
            self.kept[rows] = np.nan

    def lead_ms(self, rows: Rows) -> NDArray[np.float64]:
        """How far after the next input sample the next output lies, in ms (mostly negative)."""
        fs_hz = self.fs_hz[rows]
        return np.where(fs_hz > 0, self.next[rows] * 1000.0 / np.where(fs_hz > 0, fs_hz, 1.0), 0.0)

    def feed(self, rows: Rows, fs_hz: float, samples: NDArray[np.float32]) -> list[tuple[Rows, NDArray[np.float32]]]:
        """Outputs of one frame ``(m, n, 6)`` of m different rows.

        Returns:
            Groups with the same number of outputs: positions within ``rows``, and ``(g, outputs, 6)`` float32.
        """
        if self.kept is None:
            self.kept = np.full((len(self.fs_hz), _KEPT, 6), np.nan, np.float32)
        changed = rows[self.fs_hz[rows] != fs_hz]
        if len(changed):
            self.restart(changed)
            self.fs_hz[changed] = fs_hz
        n = samples.shape[1]
        step = fs_hz / FS_HZ
        half = _HALF_OUTPUTS * step if fs_hz > FS_HZ else 1.0
        reach = half if fs_hz > FS_HZ else 0.0
        ahead = self.next[rows]
        count = np.maximum(np.floor((n - 1 - reach - ahead) / step + 1e-9).astype(np.intp) + 1, 0)
        together = np.concatenate([self.kept[rows], samples], axis=1)
        out: list[tuple[Rows, NDArray[np.float32]]] = []
        for outputs in np.unique(count):
            members = np.flatnonzero(count == outputs)
            if outputs:
                at = _KEPT + ahead[members][:, None] + step * np.arange(outputs)
                blocks = [
                    _interpolate(together[members[i : i + _BLOCK]], at[i : i + _BLOCK], half, low_pass=bool(reach))
                    for i in range(0, len(members), _BLOCK)
                ]
                out.append((members, np.concatenate(blocks)))
        self.next[rows] = ahead + count * step - n
        self.kept[rows] = together[:, -_KEPT:]
        return out

    def state(self, rows: int) -> dict[str, Any]:
        """Copies of everything."""
        return {
            "fs_hz": self.fs_hz[:rows].copy(),
            "next": self.next[:rows].copy(),
            "kept": None if self.kept is None else self.kept[:rows].copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.fs_hz = np.array(state["fs_hz"], np.float64)
        self.next = np.array(state["next"], np.float64)
        self.kept = None if state["kept"] is None else np.array(state["kept"], np.float32)


def _interpolate(
    samples: NDArray[np.float32], at: NDArray[np.float64], half: float, *, low_pass: bool
) -> NDArray[np.float32]:
    """Values at the positions ``at`` ``(g, outputs)`` of ``samples`` ``(g, inputs, 6)``."""
    taps = int(np.ceil(2 * half)) + 1
    index = np.ceil(at - half - 1e-9).astype(np.intp)[:, :, None] + np.arange(taps)
    distance = np.abs(index - at[:, :, None])
    if low_pass:
        weight = (
            np.sinc(distance * (_HALF_OUTPUTS / half)) * np.cos(np.minimum(distance / half, 1.0) * (np.pi / 2)) ** 2
        )
    else:
        weight = np.maximum(1.0 - distance, 0.0)
    inside = (index >= 0) & (index < samples.shape[1])
    weight = np.where(inside, weight, 0.0).astype(np.float32)
    index = np.where(inside, index, 0)
    rows = np.arange(len(samples))[:, None, None]
    parts = []
    for axes in (slice(0, 3), slice(3, 6)):
        values = samples[rows, index, axes]
        present = np.asarray(np.isfinite(values).all(axis=-1))
        usable = weight * present
        total = usable.sum(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.einsum("got,gotc->goc", usable, np.where(present[..., None], values, 0.0)) / total[..., None]
        mean[total < 0.5 * weight.sum(axis=2)] = np.nan
        parts.append(mean)
    return np.concatenate(parts, axis=2, dtype=np.float32)
