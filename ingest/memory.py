"""Memory that is given back: what glibc's allocator keeps of large blocks after they are freed."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

#: Of <malloc.h>.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
#: Larger blocks have pages of their own, which go back when they are freed. By itself glibc raises this to 32 MiB after
#: the first large one, and the arrays of a batch then leave holes between what stays. With less than this the arrays of
#: every turn are fresh pages: at 1 MiB a frame cost a quarter more.
_LARGE_BYTES = 8 << 20
#: The same for what is done now and then with much memory: nothing of it stays as holes between what does.
_LARGE_IN_PASSING_BYTES = 256 << 10
#: What may stay free at the heap's end, for the next turn.
_KEPT_BYTES = 32 << 20


@cache
def _setter() -> Any:
    """``mallopt``, None where the C library has none."""
    return getattr(ctypes.CDLL(None), "mallopt", None)


def give_back() -> None:
    """Have freed memory go back to the system soon, in this process; without effect where the C library is another.

    Call it before threads are started: an arena for each keeps what it was given.
    """
    set_option = _setter()
    if set_option is not None:
        for option, value in ((_TRIM_THRESHOLD, _KEPT_BYTES), (_MMAP_THRESHOLD, _LARGE_BYTES), (_ARENA_MAX, 1)):
            set_option(option, value)


@contextmanager
def in_passing() -> Iterator[None]:
    """Around what is done seldom and takes much memory for a moment: all of it goes back at once."""
    set_option = _setter()
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE_IN_PASSING_BYTES)
    try:
        yield
    finally:
        if set_option is not None:
            set_option(_MMAP_THRESHOLD, _LARGE_BYTES)
