"""The detector, learned from recorded falls, finds synthetic ones and leaves synthetic days alone."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detection import Stage
from detectors.fall.bank import FallBank
from detectors.motion import MotionBatch
from firmware_sim.device import Wearer
from firmware_sim.motion import LSB_DPS, LSB_G
from firmware_sim.population import build_devices
from firmware_sim.scenario import parse_scenario
from firmware_sim.scoring import Found, Score, match
from firmware_sim.synthetic import Synthetic
from firmware_sim.truth import Fall, Truth

T = 1_790_000_000_000


def played(text: str, seconds: int, seed: int, *, gyroscope: bool = True) -> Score:
    """What the production bank makes of a scenario on synthetic motion, without broker and stages."""
    devices = build_devices(parse_scenario(f"{{name: t, {text}}}", "t"), Synthetic(seed), seed, T)
    wearers = [device for device in devices if isinstance(device, Wearer)]
    bank = FallBank()
    rows = np.array([bank.add(w.id, placement=w.placement, person=w.person) for w in wearers], np.int32)
    boot = np.array([w.boot for w in wearers], np.uint32)
    none = np.zeros(len(wearers), np.int64)
    found = []
    for second in range(seconds):
        frames = [wearer.track.take() for wearer in wearers]
        acc, gyr = (np.stack([frame[i] for frame in frames]).astype(np.float32) for i in (0, 1))
        t_ms = np.array([w.origin_ms + 1000 * second for w in wearers])
        turning = gyr * np.float32(LSB_DPS) if gyroscope else None
        batch = MotionBatch(rows, boot, t_ms, none, t_ms + 1000, 50.0, acc * np.float32(LSB_G), turning)
        found += [d for d in bank.update(batch, int(t_ms.max()) + 1000) if d.stage is Stage.CONFIRMED]
    falls = [
        Fall(device=w.id, person=w.person, impact_ms=at_ms, motion=key)
        for w in wearers
        for at_ms, key in w.falls_by(T + 1000 * seconds)
    ]
    truth = Truth(
        scenario="t", source="synthetic", seed=seed, start_ms=T, end_ms=T + 1000 * seconds, devices=len(wearers),
        falls=falls, sos=[], published=[],
    )  # fmt: skip
    return match(
        truth, [Found(kind="fall", device=d.device, onset_ms=d.onset_ms, notified_ms=d.recv_ms) for d in found]
    )


@pytest.mark.parametrize("gyroscope", [True, False])
def test_synthetic_falls_are_found(gyroscope: bool) -> None:
    """At least nine of ten, each within 4 s, by a detector that never saw one."""
    score = played("wearers: {count: 160}, falls: {count: 160, between_s: [6, 26]}", 32, seed=21, gyroscope=gyroscope)
    assert score.falls_injected == 160
    assert score.falls_detected >= 0.9 * 160
    assert score.impact_to_notified_s.p95 is not None
    assert score.impact_to_notified_s.p95 < 4.0
    assert len(score.false_alarms) <= 2


def test_synthetic_days_raise_at_most_two_false_alarms_an_hour() -> None:
    """Of ten hours of everyday motion."""
    assert len(played("wearers: {count: 300}", 120, seed=22).false_alarms) <= 20
