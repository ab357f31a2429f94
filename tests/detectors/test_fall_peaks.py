"""Which samples may be impacts: the quick ways against the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.fall.peaks import find_impacts, has_trigger, impacts, squared_magnitude, threshold_counts
from detectors.fall.windows import MISSING
from detectors.motion import turns

RNG = np.random.default_rng(5)


def counts(k: int, n: int) -> np.ndarray:
    """Everyday samples, a few of them large, a few missing, a few at the ends of the range."""
    out = RNG.normal(0, 500, (k, n, 3)).astype(np.int16)
    out[RNG.random((k, n)) < 0.02] *= 4
    out[RNG.random((k, n)) < 0.02] = MISSING
    out[RNG.random((k, n)) < 0.01] = -32767
    return out


def test_a_sample_is_its_squared_length_and_a_missing_one_nothing() -> None:
    """Also at both ends of the range, in which the sum needs 32 bits."""
    samples = counts(40, 50)
    expected = (samples.astype(np.int64) ** 2).sum(axis=2)
    expected[(samples == MISSING).all(axis=2)] = 0
    assert expected.max() == 3 * 32767**2
    np.testing.assert_array_equal(squared_magnitude(samples), expected)


@pytest.mark.parametrize("shape", [(1_300, 50), (7, 1), (1, 3), (0, 50), (4, 0)])
def test_a_trigger_is_a_sample_that_high_and_no_mixture_of_two(shape: tuple[int, int]) -> None:
    """More windows than are looked at together; three numbers in a row that belong to two samples are none."""
    samples = counts(*shape)
    samples[: shape[0] // 2, :, :] //= 4
    samples[: shape[0] // 2, : shape[1] // 2] = [0, 1_200, 1_000]  # 1.56 g, and across the border 1.7 g
    samples[: shape[0] // 2, 1 : shape[1] // 2 : 2] = [1_000, 0, 1_200]
    high = (squared_magnitude(samples) >= threshold_counts(1.6)).any(axis=1)
    np.testing.assert_array_equal(has_trigger(samples, 1.6), high)
    assert shape[0] < 100 or 0.3 < high.mean() < 0.9


@pytest.mark.parametrize(("n", "radius"), [(50, 50), (51, 50), (7, 50), (9, 4), (1, 3)])
def test_impacts_are_found_where_they_are_defined(n: int, radius: int) -> None:
    """Parts longer than the radius, where one may hold two, and shorter; with plenty of equals."""
    squared = (RNG.integers(0, 12, (3_000, n + 2 * radius)) ** 3 * 2_000).astype(np.uint32)
    window, place = find_impacts(squared, trigger_g=1.6, radius=radius)
    expected = np.nonzero(impacts(squared, trigger_g=1.6, radius=radius))
    assert len(window) > 20 or radius == 50
    np.testing.assert_array_equal(window, expected[0])
    np.testing.assert_array_equal(place, expected[1])


def test_an_impact_is_the_highest_of_its_surroundings_and_the_first_of_equals() -> None:
    """Alone, beside a higher one, and beside an equal one before or behind it, at the edge of what is compared."""
    squared = np.zeros((5, 250), np.uint32)
    squared[:, 120] = 4_000_000
    squared[1, 170], squared[2, 171], squared[3, 170], squared[4, 70] = 5_000_000, 5_000_000, 4_000_000, 4_000_000
    for part in (squared[:, 50:200], squared):
        window, place = find_impacts(part, trigger_g=1.6, radius=50)
        at = {i: (place[window == i] + 50 + (250 - part.shape[1]) // 2).tolist() for i in range(5)}
        assert [120 in at[i] for i in range(5)] == [True, False, True, True, False]


def test_a_batch_is_parted_where_a_row_stands_twice() -> None:
    """Each part has a row once, in the order of the batch; whole where none is twice."""
    rows = np.array([4, 1, 4, 0, 1, 4], np.int32)
    assert [np.arange(6)[part].tolist() for part in turns(rows)] == [[0, 1, 3], [2, 4], [5]]
    assert list(turns(np.array([7, 3, 5], np.int32))) == [slice(None)]
    assert list(turns(np.zeros(0, np.int32))) == [slice(None)]
