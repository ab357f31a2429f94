"""Ten-second motion points against a plain computation over the same samples."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from detectors.motion import CountedBatch, MotionBatch
from ingest.summary import SLOTS, STILL_WINDOWS, WINDOW_MS, MotionSummary

NOW = 1_800_000_000_000


def batch(
    rows: list[int], starts_ms: list[int], acc_g: np.ndarray, fs_hz: float = 50.0, recv_ms: int = 0
) -> MotionBatch:
    """Frames as the processor makes them."""
    m = len(rows)
    return MotionBatch(
        row=np.array(rows, np.int32), boot=np.ones(m, np.uint32), t_ms=np.array(starts_ms, np.int64),
        offset_ms=np.zeros(m, np.int64), recv_ms=np.full(m, recv_ms, np.int64), fs_hz=fs_hz,
        acc_g=acc_g.astype(np.float32),
    )  # fmt: skip


def collected(summary: MotionSummary, now_ms: int) -> dict[tuple[int, int], dict[str, float]]:
    """(row, window start) -> fields."""
    found = {}
    for windows in summary.collect(now_ms):
        for k, row in enumerate(windows.rows):
            found[int(row), int(windows.start_ms[k])] = {name: float(v[k]) for name, v in windows.fields.items()}
    return found


def covers(summary: MotionSummary, row: int, t_ms: int) -> bool:
    """Of one device and instant."""
    return bool(summary.covers(np.array([row]), np.array([t_ms]))[0])


@pytest.mark.parametrize(("fs_hz", "n"), [(50.0, 50), (50.0, 37), (25.0, 25), (104.0, 208), (50.0, 700)])
def test_points_equal_a_plain_computation(fs_hz: float, n: int) -> None:
    """Mean ENMO, peak and posture of three devices whose frames straddle the windows' borders."""
    rng = np.random.default_rng(3)
    summary = MotionSummary()
    samples: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
    points = {}
    for k in range(int(45_000 / (n / fs_hz * 1000)) + 1):
        starts = [NOW + 1_234 + row * 777 + round(k * n / fs_hz * 1000) for row in range(3)]
        acc = (rng.normal(0, 0.4, (3, n, 3)) + np.array([0, -1.0, 0])).astype(np.float32)
        for row in range(3):
            for i in range(n):
                window = int((starts[row] + i * 1000 / fs_hz) // WINDOW_MS * WINDOW_MS)
                samples[row, window].append(acc[row, i])
        summary.add(batch([0, 1, 2], starts, acc, fs_hz))
        points |= collected(summary, 0)
    points |= collected(summary, NOW + 10**9)
    assert set(points) == set(samples)
    for key, raw in samples.items():
        a = np.array(raw, dtype=np.float64)
        smv = np.linalg.norm(a, axis=1)
        mean = a.mean(axis=0)
        assert points[key]["enmo_g"] == pytest.approx(np.maximum(smv - 1, 0).mean(), abs=1e-5)
        assert points[key]["smv_max_g"] == pytest.approx(smv.max(), abs=1e-5)
        angle = np.degrees(np.arccos(mean[1] / np.linalg.norm(mean)))
        assert points[key]["posture_deg"] == pytest.approx(angle, abs=0.05)


def test_missing_samples_are_left_out() -> None:
    """NaN samples count neither in the mean nor in the peak."""
    acc = np.zeros((1, 50, 3))
    acc[0, :, 2] = 1.5
    acc[0, 10:40] = np.nan
    summary = MotionSummary()
    summary.add(batch([0], [NOW], acc))
    (point,) = collected(summary, NOW + 10**9).values()
    assert point["enmo_g"] == pytest.approx(0.5, abs=1e-6)


def test_a_late_frame_updates_its_point() -> None:
    """The point is emitted again under the same key with the late samples in it."""
    summary = MotionSummary()
    one, two = np.full((1, 50, 3), 0.0), np.full((1, 50, 3), 0.0)
    one[..., 2], two[..., 2] = 1.2, 1.4
    summary.add(batch([0], [NOW], one))
    summary.add(batch([0], [NOW + WINDOW_MS], one))
    assert collected(summary, 0)[0, NOW]["enmo_g"] == pytest.approx(0.2, abs=1e-5)
    assert covers(summary, 0, NOW)
    summary.add(batch([0], [NOW + 1_000], two), in_order=False)
    assert collected(summary, 0)[0, NOW]["enmo_g"] == pytest.approx(0.3, abs=1e-5)


def test_a_late_frame_and_live_ones_after_it_are_one_point() -> None:
    """The link was down at the beginning of a window: what was kept then comes first, the rest of the window live."""
    summary = MotionSummary()
    one, two = np.full((1, 50, 3), 0.0), np.full((1, 50, 3), 0.0)
    one[..., 2], two[..., 2] = 1.2, 1.4
    summary.add(batch([0], [NOW], one))
    later = NOW + 2 * WINDOW_MS
    assert covers(summary, 0, later)
    assert not covers(summary, 0, NOW + SLOTS * WINDOW_MS), "so far away it may be a clock that was wrong"
    assert not covers(summary, 0, NOW - SLOTS * WINDOW_MS)
    assert not covers(summary, 1, NOW)
    summary.add(batch([0], [later], two), in_order=False)
    summary.add(batch([0], [later + 1_000], one))
    assert collected(summary, NOW + 10**9)[0, later]["enmo_g"] == pytest.approx(0.3, abs=1e-5)


def test_a_window_whose_slot_is_needed_is_not_lost() -> None:
    """The next frame comes exactly one round of slots later."""
    summary = MotionSummary()
    acc = np.ones((1, 50, 3))
    summary.add(batch([0], [NOW], acc))
    summary.add(batch([0], [NOW + SLOTS * WINDOW_MS], acc))
    assert set(collected(summary, NOW * 2)) == {(0, NOW), (0, NOW + SLOTS * WINDOW_MS)}


def test_steps_are_counted_once_each_also_over_frames() -> None:
    """Two steps a second for 30 s, in frames of 1 s."""
    t = np.arange(30 * 50) / 50
    smv = 1 + 0.4 * np.sin(2 * np.pi * 2 * t)
    summary = MotionSummary()
    steps = 0.0
    for k in range(30):
        acc = np.zeros((1, 50, 3))
        acc[0, :, 1] = smv[k * 50 : (k + 1) * 50]
        summary.add(batch([0], [NOW + k * 1000], acc))
    for point in collected(summary, NOW + 10**9).values():
        steps += point["steps"]
    assert 58 <= steps <= 60


def test_a_device_on_the_bedside_table_is_not_worn_after_an_hour() -> None:
    """Lying still for an hour; before that, and after the next movement, it is."""
    summary = MotionSummary()
    acc = np.zeros((1, 50, 3))
    acc[..., 2] = 1.0
    worn = []
    for k in range(STILL_WINDOWS + 5):
        summary.add(batch([0], [NOW + k * WINDOW_MS], acc))
        worn += [point["worn"] for point in collected(summary, 0).values()]
    assert worn[0] == 1.0
    assert worn[-1] == 0.0
    moved = acc + np.random.default_rng(0).normal(0, 0.2, acc.shape)
    summary.add(batch([0], [NOW + (STILL_WINDOWS + 5) * WINDOW_MS], moved))
    last = collected(summary, NOW * 2)
    assert last[0, NOW + (STILL_WINDOWS + 5) * WINDOW_MS]["worn"] == 1.0


def test_points_of_counts_equal_those_of_their_values() -> None:
    """Whole frames and frames over the end of a window, of devices that walk and of one that lies still."""
    rng = np.random.default_rng(8)
    counted, plain = MotionSummary(), MotionSummary()
    found: tuple[dict[tuple[int, int], dict[str, float]], ...] = ({}, {})
    for k in range(31):
        acc = (rng.normal((0, 980, 100), (20, 250, 20), (700, 50, 3))).astype(np.int16)
        acc[0] = (3, 990, 100)
        values = batch(list(range(700)), [NOW + 137 * (r % 9) + k * 1000 for r in range(700)], acc * np.float32(0.001))
        counts = CountedBatch(
            row=values.row, boot=values.boot, t_ms=values.t_ms, offset_ms=values.offset_ms, recv_ms=values.recv_ms,
            fs_hz=50.0, acc=acc, lsb_g=0.001,
        )  # fmt: skip
        for summary, one, points in ((counted, counts, found[0]), (plain, values, found[1])):
            summary.add(one)
            points |= collected(summary, NOW)
    for summary, points in ((counted, found[0]), (plain, found[1])):
        points |= collected(summary, NOW + 100_000)
    assert found[0].keys() == found[1].keys()
    for key, fields in found[1].items():
        assert found[0][key] == pytest.approx(fields, abs=2e-4), key
