"""Arrays that last are as any other, but for where they lie."""

from __future__ import annotations

import os

import numpy as np
import pytest

from detectors.arrays import enlarged, kept, lasting


@pytest.mark.parametrize("rows", [0, 3, 300_000])
@pytest.mark.parametrize(("kind", "new"), [(np.int64, -(2**62)), (np.float32, np.nan), (np.bool_, 0), (np.int16, -5)])
def test_a_new_array_holds_what_it_should_and_can_be_written(rows: int, kind: type, new: float) -> None:
    """Small and large, of any kind."""
    array = lasting((2, rows), kind, new)
    assert array.dtype == kind
    np.testing.assert_array_equal(array, np.full((2, rows), new, kind))
    array[...] = 1
    assert (array == 1).all()


@pytest.mark.parametrize("axis", [0, -1])
def test_what_grows_keeps_what_it_has(axis: int) -> None:
    """Along the first axis or the last; the rest is new."""
    small = np.arange(12, dtype=np.int32).reshape(3, 4)
    large = enlarged(small, 100_000, -1, axis=axis)
    used = large[:3] if axis == 0 else large[:, :4]
    np.testing.assert_array_equal(used, small)
    assert np.count_nonzero(large != -1) == 12
    copy = kept(large)
    large[...] = 0
    assert np.count_nonzero(copy != -1) == 12


def resident() -> int:
    """Bytes of memory in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_what_is_zero_and_was_not_written_takes_no_memory() -> None:
    """A gigabyte, of which a page is used."""

    before = resident()
    array = lasting((1 << 27,), np.float64)
    array[0] = 1.0
    assert resident() - before < 64 << 20


def test_lines_that_are_zero_take_no_memory_when_others_grow_or_are_copied() -> None:
    """A thousand lines of half a megabyte, of which one is used."""
    lines = lasting((1000, 1 << 16), np.int64, sparse=True)
    lines[500] = 7
    before = resident()
    larger = enlarged(lines, 1 << 17, axis=-1, sparse=True)
    copy = kept(larger, sparse=True)
    assert resident() - before < 64 << 20
    for array in (larger, copy):
        assert (array[500, : 1 << 16] == 7).all()
        assert np.count_nonzero(array[499:502]) == 1 << 16
