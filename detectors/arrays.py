"""Arrays that are kept and grow, in memory of their own: nothing that comes and goes leaves holes beside them."""

from __future__ import annotations

import contextlib
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Smaller ones lie where everything does: a mapping takes whole pages.
_LEAST_BYTES = 1 << 17
#: From here on, as the array library does it itself, in large pages where there are any.
_HUGE_BYTES = 1 << 22


def lasting(shape: tuple[int, ...], kind: Any, new: float = 0, *, sparse: bool = False) -> NDArray[Any]:
    """An array full of ``new``; what stays zero takes no memory. ``sparse``: much does, between what does not."""
    dtype = np.dtype(kind)
    count = int(np.prod(shape, dtype=np.int64))
    if count * dtype.itemsize < _LEAST_BYTES:
        return np.full(shape, new, dtype)
    size = count * dtype.itemsize
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # a fork's is its own
    if size >= _HUGE_BYTES and not sparse and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    array = np.frombuffer(memory, dtype, count).reshape(shape)
    if new != 0:  # NaN is not
        array.fill(new)
    return array


def enlarged(array: NDArray[Any], room: int, new: float = 0, *, axis: int = 0, sparse: bool = False) -> NDArray[Any]:
    """The same with ``room`` places along an axis, not fewer than it has; those behind are ``new``. Of lines along the
    last axis that are zero nothing is touched."""
    used = array.shape[axis]
    shape = list(array.shape)
    shape[axis] = room
    bigger = lasting(tuple(shape), array.dtype, new, sparse=sparse)
    if new == 0 and axis == -1:
        _copy_lines(array, bigger[..., :used])
    else:
        np.moveaxis(bigger, axis, 0)[:used] = np.moveaxis(array, axis, 0)
    return bigger


def kept(array: NDArray[Any], kind: Any = None, *, sparse: bool = False) -> NDArray[Any]:
    """A copy that lasts."""
    copy = lasting(array.shape, array.dtype if kind is None else kind, sparse=sparse)
    if sparse:
        _copy_lines(array, copy)
    else:
        copy[...] = array
    return copy


def _copy_lines(array: NDArray[Any], into: NDArray[Any]) -> None:
    """Line by line along the last axis, without a touch of those that are zero."""
    for at in np.ndindex(array.shape[:-1]):
        if array[at].any():
            into[at] = array[at]
