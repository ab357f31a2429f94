"""Frames to a gapless 50-Hz stream: rates, gaps, overlaps, jitter, drift."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.fall.bank import FallBank
from detectors.fall.intake import Intake, Piece
from detectors.fall.ring import LENGTH, Ring
from detectors.fall.windows import MISSING
from detectors.parameters import FallParameters
from tests.detectors.signals import T0_MS, Samples, fall, frame, frames, standing, walking


def intake() -> Intake:
    """For one device."""
    ring = Ring()
    ring.grow(1)
    it = Intake(ring, FallParameters())
    it.grow(1)
    return it


def put(it: Intake, batch: object) -> int:
    """Add a frame; how many samples it made."""
    return sum(piece.acc.shape[1] for piece in it.feed(batch) if isinstance(piece, Piece))


def last(it: Intake, n: int) -> np.ndarray:
    """The newest n samples, ``(n, 3)`` counts."""
    acc, _ = it.ring.window(np.array([0]), it.ring.head[:1] - n, n)
    return acc[0]


def test_a_stream_at_50_hz_passes_untouched() -> None:
    """Every count of the sensor is found in the ring."""
    it = intake()
    samples = walking(3)
    for batch in frames(samples):
        assert put(it, batch) == 50
    np.testing.assert_array_equal(last(it, 150), np.rint(samples[:, :3] * 1000).astype(int))


def wave(fs_hz: float, seconds: float) -> Samples:
    """Two sines, of 1 and 5 Hz, on every channel."""
    t = np.arange(round(seconds * fs_hz)) / fs_hz
    one = np.sin(2 * np.pi * t) + 0.3 * np.sin(2 * np.pi * 5 * t)
    return np.repeat(one[:, None], 6, axis=1).astype(np.float32)


@pytest.mark.parametrize("fs_hz", [25.0, 39.7, 52.0, 62.5, 100.0, 104.0, 200.0, 400.0])
@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.0])
def test_any_rate_becomes_50_hz_at_the_right_instants(fs_hz: float, seconds: float) -> None:
    """The resampled wave is the wave itself at the instants that the ring claims, across frame borders."""
    it = intake()
    for batch in frames(wave(fs_hz, 7), fs_hz=fs_hz, seconds=seconds):
        put(it, batch)
    n = 300
    seen = last(it, n)[:, 0] / 1000
    t = (it.head_ms(np.array([0]))[0] - T0_MS) / 1000 - np.arange(n, 0, -1) / 50
    expected = np.sin(2 * np.pi * t) + 0.3 * np.sin(2 * np.pi * 5 * t)
    tolerance = 0.08 if fs_hz < 40 else 0.03
    assert t[-1] > 6.0 - seconds
    np.testing.assert_allclose(seen[20:], expected[20:], atol=tolerance)


def test_what_is_too_fast_for_50_hz_is_not_folded_back() -> None:
    """45 Hz at 200 samples per second would come out as 5 Hz; it comes out as next to nothing."""
    t = np.arange(1_400) / 200
    samples = np.repeat(np.sin(2 * np.pi * 45 * t)[:, None], 6, axis=1).astype(np.float32)
    it = intake()
    for batch in frames(samples, fs_hz=200.0):
        put(it, batch)
    assert np.abs(last(it, 250)).max() < 60


@pytest.mark.parametrize("fs_hz", [25.0, 100.0, 200.0])
def test_the_same_fall_at_another_rate_has_nearly_the_same_score(fs_hz: float) -> None:
    """The decision does not hang on the sensor's rate."""
    scores = []
    for rate in (50.0, fs_hz):
        bank = FallBank()
        bank.add("d", placement="waist", person=None)
        found = [one for batch in frames(fall(peak_g=8.0, fs_hz=rate)[0], fs_hz=rate) for one in bank.update(batch, 0)]
        assert [one.stage for one in found] == ["suspected", "confirmed"]
        scores.append(found[-1])
    assert scores[1].score == pytest.approx(scores[0].score, abs=0.05)
    assert abs(scores[1].onset_ms - scores[0].onset_ms) <= 60


def test_a_lost_frame_is_a_gap_of_its_length() -> None:
    """Second 3 never comes."""
    it = intake()
    cut = frames(standing(6))
    made = [put(it, batch) for i, batch in enumerate(cut) if i != 2]
    assert made == [50, 50, 100, 50, 50]
    gaps = (last(it, 300) == MISSING).all(axis=1)
    assert gaps.sum() == 50
    assert gaps[100:150].all()


@pytest.mark.parametrize("fs_hz", [25.0, 50.0, 100.0])
def test_jitter_and_drift_of_the_time_stamps_make_no_gap(fs_hz: float) -> None:
    """Stamps off by +-40 ms and a sensor that is 1 % slow: every sample follows the one before."""
    rng = np.random.default_rng(0)
    it = intake()
    samples = standing(60, fs_hz=fs_hz)
    n = round(fs_hz)
    for i in range(59):
        t_ms = T0_MS + round(i * 1_010 + rng.uniform(-40, 40))
        put(it, frame(samples[i * n : (i + 1) * n], t_ms=t_ms, fs_hz=fs_hz))
    assert not (last(it, LENGTH) == MISSING).any()
    assert it.head_ms(np.array([0]))[0] == pytest.approx(T0_MS + 59 * 1_010, abs=150)


def test_the_same_frame_twice_counts_once() -> None:
    """Deduplicated before already; here it does no harm either."""
    it = intake()
    first, second = frames(walking(2))
    assert [put(it, batch) for batch in (first, second, second, first)] == [50, 50, 0, 0]


def test_of_an_overlapping_frame_only_the_new_part_counts() -> None:
    """A frame of 2 s whose first second was there already."""
    it = intake()
    samples = walking(4)
    put(it, frame(samples[:100]))
    assert put(it, frame(samples[50:150], t_ms=T0_MS + 1_000)) == 50
    np.testing.assert_array_equal(last(it, 150), np.rint(samples[:150, :3] * 1000).astype(int))


@pytest.mark.parametrize("jump_s", [-3_600, -10, 100, 3_600])
def test_a_clock_that_is_set_begins_the_stream_anew(jump_s: int) -> None:
    """What was before is not joined to what comes after."""
    it = intake()
    for batch in frames(walking(3)):
        put(it, batch)
    put(it, frame(standing(1), t_ms=T0_MS + 3_000 + jump_s * 1_000))
    assert (last(it, 100)[:50] == MISSING).all()
    assert it.head_ms(np.array([0]))[0] == T0_MS + 4_000 + jump_s * 1_000


def test_a_new_boot_begins_the_stream_anew() -> None:
    """Also when its time follows without a gap."""
    it = intake()
    put(it, frame(standing(1)))
    put(it, frame(standing(1), t_ms=T0_MS + 1_000, boot=2))
    assert (last(it, 100)[:50] == MISSING).all()


def test_a_stream_that_switches_its_rate_goes_on() -> None:
    """25, 50, 100 and 50 Hz one after another: at most three samples lost at each switch."""
    it = intake()
    t_ms = T0_MS
    made = 0
    for fs_hz in (25.0, 50.0, 100.0, 50.0, 25.0):
        for batch in frames(standing(2, fs_hz=fs_hz), fs_hz=fs_hz, t_ms=t_ms):
            made += put(it, batch)
        t_ms += 2_000
    assert 500 - 12 <= made <= 500
    assert it.head_ms(np.array([0]))[0] == pytest.approx(t_ms, abs=60)
    assert not (last(it, LENGTH - 20) == MISSING).any()


def test_a_stretch_of_one_device_is_its_window() -> None:
    """From before the stream's first sample, across the end of the circle, up to the newest sample."""
    ring = Ring()
    ring.grow(3)
    rng = np.random.default_rng(2)
    for n in (350, 120, 7):
        ring.append(np.array([1]), *(rng.integers(-9_000, 9_000, (2, 1, n, 3)).astype(np.int16)))
        for first, last in ((-60, n), (0, n // 2), (n - 1, n)):
            acc, gyr = ring.stretch(1, int(ring.head[1]) - n + first, last - first)
            expected, turned = ring.window(np.array([1]), ring.head[1:2] - n + first, last - first)
            np.testing.assert_array_equal(acc, expected[0])
            assert gyr is not None
            assert turned is not None
            np.testing.assert_array_equal(gyr, turned[0])


@pytest.mark.parametrize("length", [200, 400])
def test_a_state_with_rings_of_another_length_gives_its_newest_samples(length: int) -> None:
    """Of a release that kept more, or less: what both have is there, and the stream goes on."""
    head = np.array([30, 777], np.int64)
    saved = np.zeros((2, length, 3), np.int16)
    for row, end in enumerate(head.tolist()):
        number = np.arange(max(0, end - length), end)
        saved[row, number % length] = number[:, None]
    ring = Ring()
    ring.restore({"acc": saved, "gyr": saved.copy(), "head": head, "start": np.zeros(2, np.int64)})
    n = min(length, LENGTH)
    for samples in ring.window(np.array([1]), head[1:] - n, n):
        assert samples is not None
        assert samples[0, :, 0].tolist() == list(range(777 - n, 777))
    older, _ = ring.window(np.array([1]), head[1:] - n - 10, 10)
    assert (older == MISSING).all()
    ring.append(np.array([0]), np.full((1, 50, 3), 9, np.int16), None)
    acc, _ = ring.window(np.array([0]), np.array([0]), 80)
    assert acc[0, :, 0].tolist() == [*range(30), *[9] * 50]
