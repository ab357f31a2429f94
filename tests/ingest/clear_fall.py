"""A synthetic fall that the shipped weights find at every operating point, and what those points are."""

from __future__ import annotations

from functools import cache

import numpy as np

from detectors.detection import Detection, Stage
from detectors.fall.bank import FallBank
from detectors.fall.model import OPERATING_POINTS
from detectors.fall.weights import shipped_model
from detectors.motion import MotionBatch
from firmware_sim.motion import LSB_G
from firmware_sim.synthetic import Synthetic
from firmware_sim.track import Track

FALL_S = 12
SECONDS = 20


def threshold_of(point: str) -> float:
    """The probability from which a fall at the waist, without a gyroscope, is confirmed. All three differ."""
    model = shipped_model()
    thresholds = model.heads[model.head_for("waist", False)].thresholds
    assert len({thresholds[name] for name in OPERATING_POINTS}) == len(OPERATING_POINTS)
    return thresholds[point]


@cache
def clear_fall() -> list[np.ndarray]:
    """SECONDS one-second frames, 50 Hz, in counts of LSB_G, of walking at the waist with a fall at FALL_S."""
    strictest = max(threshold_of(point) for point in OPERATING_POINTS)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        track = Track(Synthetic(seed).wearer("waist", rng, falls=True), [FALL_S * 50], rng)
        frames = [track.take(50)[0] for _ in range(SECONDS)]
        scores = [one.score for one in _found(frames)]
        if len(scores) == 1 and scores[0] > strictest:
            return frames
    raise AssertionError("no synthetic fall is found at every operating point")


def _found(frames: list[np.ndarray]) -> list[Detection]:
    bank = FallBank()
    row = np.array([bank.add("w", placement="waist", person=None)], np.int32)
    found = []
    for k, acc in enumerate(frames):
        t_ms = np.array([k * 1000], np.int64)
        batch = MotionBatch(
            row=row, boot=np.zeros(1, np.uint32), t_ms=t_ms, offset_ms=np.zeros(1, np.int64), recv_ms=t_ms + 1000,
            fs_hz=50.0, acc_g=acc[None].astype(np.float32) * LSB_G,
        )  # fmt: skip
        found += bank.update(batch, k * 1000 + 1000)
    return [one for one in found if one.stage is Stage.CONFIRMED]
