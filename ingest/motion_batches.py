"""Motion frames that are ready, single ones and runs of many, as batches for the banks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.motion import AnyBatch, CountedBatch, MotionBatch
from ingest.reorder import Frame

#: Frames of a batch at most: it bounds the memory that a backlog takes.
_FRAMES = 8_192
#: Of one device a batch holds no more time than this; windows are summed up over twice as much.
_STRETCH_MS = 70_000


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

    def some(self, frames: slice | NDArray[np.intp]) -> Run:
        """A part of them."""
        return Run._make((self.form, *(None if part is None else part[frames] for part in self[1:])))


def batches_of(frames: Sequence[Frame | Run], *, historical: bool) -> list[AnyBatch]:
    """Frames, each device's in their order, as batches; their rows are those of the frames.

    Frames of a device that differ in form or lie in different stretches of time do not come into one batch. Which of
    its frames do is a matter of the device alone, in whatever order those of the others came.
    """
    if not frames:
        return []
    forms: dict[Form, list[Frame | Run]] = {}
    places: dict[Form, list[NDArray[np.int64]]] = {}
    placed = 0
    for frame in frames:
        form, size = (frame.form, len(frame.row)) if isinstance(frame, Run) else (form_of(frame), 1)
        forms.setdefault(form, []).append(frame)
        places.setdefault(form, []).append(np.arange(placed, placed + size))
        placed += size
    of_form = {form: np.concatenate(of_form) for form, of_form in places.items()}
    parts = _parts(frames, of_form)
    out: list[tuple[int, Run]] = []
    for form, group in forms.items():
        run = _whole(form, group)
        if parts is None:
            out.append((0, run))
            continue
        part, nth = (column[of_form[form]] for column in parts)
        order = np.lexsort((nth, part))  # all devices side by side: one after another they would cost as much each
        edges = np.flatnonzero(np.diff(part[order])) + 1
        out += [(int(part[some[0]]), run.some(some)) for some in np.split(order, edges)]
    out.sort(key=lambda one: one[0])
    return [_batch(piece, historical=historical) for _, run in out for piece in _pieces(run)]


def _parts(
    frames: Sequence[Frame | Run], of_form: dict[Form, NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """``(m,)`` each: a number that rises, within a device, where the next batch begins, and which of its device's
    frames each is; None: there is no need to take them apart.

    A stretch of time ends where a ten-second window does, so that a batch does not take one apart.
    """
    rows = _rows(frames)
    order = np.argsort(rows, kind="stable")
    again = rows[order[1:]] == rows[order[:-1]]
    if not again.any():
        return None
    instant_ms = _joined(
        frame.t_ms + frame.offset_ms if isinstance(frame, Run) else [frame.motion.t + frame.offset_ms]
        for frame in frames
    )
    kind = np.empty(len(rows), np.int64)
    for number, places in enumerate(of_form.values()):
        kind[places] = number
    stretch, kind = (instant_ms // _STRETCH_MS)[order], kind[order]
    rises = again & ((stretch[1:] != stretch[:-1]) | (kind[1:] != kind[:-1]))
    if not rises.any() and len(rows) <= _FRAMES:
        return None
    count, place = np.append([0], np.cumsum(rises)), np.arange(len(rows))
    first = np.maximum.accumulate(np.where(np.append([False], again), 0, place))
    part, nth = np.empty((2, len(rows)), np.int64)
    part[order], nth[order] = count - count[first], place - first
    return part, nth


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
