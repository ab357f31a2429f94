"""Motion frames that are ready, single ones and runs of many, as batches for the banks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.motion import AnyBatch, CountedBatch, MotionBatch
from ingest.reorder import Frame
from ingest.summary import SPAN_MS

#: Frames of a batch at most: it bounds the memory that a backlog takes.
_FRAMES = 8_192


class Form(NamedTuple):
    """What frames must have in common to be in one batch. Units are None where the samples are no counts."""

    fs_hz: float
    samples: int
    lsb_g: float | None
    lsb_dps: float | None
    gyroscope: bool


class Run(NamedTuple):
    """Many frames of one form; those of one device are in order.

    Rows are those of the devices; columns as in :class:`detectors.motion.CountedBatch`.
    """

    form: Form
    row: NDArray[np.int32]
    boot: NDArray[np.uint32]
    t_ms: NDArray[np.int64]
    offset_ms: NDArray[np.int64]
    recv_ms: NDArray[np.int64]
    acc: NDArray[Any]  # int16 counts, or float32 in g
    gyr: NDArray[Any] | None

    def some(self, frames: slice) -> Run:
        """A part of them."""
        return Run._make((self.form, *(None if part is None else part[frames] for part in self[1:])))


class Gathering:
    """Groups frames by their form with each device's frames kept in their order.

    A device whose next frame would go into another group than its last, or beyond the span that a batch may have,
    closes all groups first.
    """

    def __init__(self, *, historical: bool) -> None:
        self._historical = historical
        self._groups: dict[Form, list[Frame | Run]] = {}
        self._placed: dict[int, tuple[Form, int]] = {}  # row -> its group here, its first instant there
        self._out: list[AnyBatch] = []

    def of(self, frames: Sequence[Frame | Run]) -> list[AnyBatch]:
        """The batches of frames. Their rows are those of the frames."""
        if not self._one_group(frames):
            for frame in frames:
                if isinstance(frame, Run):
                    for at in range(len(frame.row)):
                        one = frame.some(slice(at, at + 1))
                        self._add(int(one.row[0]), int(one.t_ms[0]), one.form, one)
                else:
                    self._add(frame.row, frame.motion.t, form_of(frame), frame)
        self._close()
        return self._out

    def _one_group(self, frames: Sequence[Frame | Run]) -> bool:
        """Whether nothing can close a group: each device's frames are of one form, and close in time."""
        forms: dict[Form, list[Frame | Run]] = {}
        for frame in frames:
            forms.setdefault(frame.form if isinstance(frame, Run) else form_of(frame), []).append(frame)
        rows = _rows(frames)
        order = np.argsort(rows, kind="stable")
        again = rows[order[1:]] == rows[order[:-1]]
        if again.any():
            t_ms = _joined(frame.t_ms if isinstance(frame, Run) else [frame.motion.t] for frame in frames)[order]
            first = np.maximum.accumulate(np.where(np.append([False], again), 0, np.arange(len(rows))))
            if (np.abs(t_ms - t_ms[first]) > SPAN_MS // 2).any():
                return False
            in_groups = [np.unique(_rows(group)) for group in forms.values()]
            if sum(map(len, in_groups)) != len(rows) - np.count_nonzero(again):
                return False
        self._groups = forms
        return True

    def _add(self, row: int, t_ms: int, form: Form, frame: Frame | Run) -> None:
        before = self._placed.get(row)
        if before is not None and (before[0] != form or abs(t_ms - before[1]) > SPAN_MS // 2):
            self._close()
            before = None
        if before is None:
            self._placed[row] = (form, t_ms)
        self._groups.setdefault(form, []).append(frame)

    def _close(self) -> None:
        for form, group in self._groups.items():
            for run in _pieces(_whole(form, group)):
                self._out.append(_batch(run, historical=self._historical))
        self._groups, self._placed = {}, {}


def form_of(frame: Frame) -> Form:
    """Of a single frame."""
    motion = frame.motion
    counted = motion.acc.dtype == np.int16
    gyroscope = motion.gyr is not None
    return Form(
        motion.fs, len(motion.acc), motion.lsb if counted else None, motion.glsb if counted and gyroscope else None,
        gyroscope,
    )  # fmt: skip


def _rows(frames: Sequence[Frame | Run]) -> NDArray[np.int64]:
    return _joined(frame.row if isinstance(frame, Run) else [frame.row] for frame in frames)


def _joined(parts: Iterable[Any]) -> NDArray[np.int64]:
    return np.concatenate([np.asarray(part, np.int64) for part in parts])


def _whole(form: Form, group: list[Frame | Run]) -> Run:
    """A group as one run."""
    runs: list[Run] = []
    single: list[Frame] = []
    for frame in group:
        if isinstance(frame, Run):
            if single:
                runs.append(_run(form, single))
                single = []
            runs.append(frame)
        else:
            single.append(frame)
    if single:
        runs.append(_run(form, single))
    if len(runs) == 1:
        return runs[0]
    columns = zip(*(run[1:] for run in runs), strict=True)
    return Run._make((form, *(None if column[0] is None else np.concatenate(column) for column in columns)))


def _run(form: Form, frames: list[Frame]) -> Run:
    motions = [frame.motion for frame in frames]
    return Run(
        form,
        row=np.array([frame.row for frame in frames], dtype=np.int32),
        boot=np.array([motion.boot for motion in motions], dtype=np.uint32),
        t_ms=np.array([motion.t for motion in motions], dtype=np.int64),
        offset_ms=np.array([frame.offset_ms for frame in frames], dtype=np.int64),
        recv_ms=np.array([frame.recv_ms for frame in frames], dtype=np.int64),
        acc=np.array([motion.acc for motion in motions]),
        gyr=np.array([motion.gyr for motion in motions]) if form.gyroscope else None,
    )


def _pieces(run: Run) -> Iterable[Run]:
    pieces = -(-len(run.row) // _FRAMES)
    size = -(-len(run.row) // pieces)  # all alike: a small one costs nearly what a large one does
    for first in range(0, len(run.row), size):
        if pieces == 1:
            yield run
        else:
            yield run.some(slice(first, first + size))


def _batch(run: Run, *, historical: bool) -> AnyBatch:
    form = run.form
    common: dict[str, Any] = {
        "row": run.row, "boot": run.boot, "t_ms": run.t_ms, "offset_ms": run.offset_ms, "recv_ms": run.recv_ms,
        "fs_hz": form.fs_hz, "historical": historical,
    }  # fmt: skip
    if form.lsb_g is None:
        return MotionBatch(acc_g=run.acc, gyr_dps=run.gyr, **common)
    return CountedBatch(acc=run.acc, lsb_g=form.lsb_g, gyr=run.gyr, lsb_dps=form.lsb_dps or 1.0, **common)
