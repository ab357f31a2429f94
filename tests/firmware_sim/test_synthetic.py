"""Synthetic motion has the measures of the recordings."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.motion import Clip
from firmware_sim.recordings import Recordings
from firmware_sim.synthetic import Synthetic
from tests.firmware_sim.comparison import peaks_per_minute, quartiles
from tests.servers.require import data_folder

PLACEMENTS = ("waist", "wrist")


def synthetic_falls(placement: str, count: int = 200) -> list[Clip]:
    """Falls of different people."""
    rng = np.random.default_rng(7)
    source = Synthetic(7)
    return [source.wearer(placement, rng, falls=True).fall(rng) for _ in range(count)]


def synthetic_days(placement: str, count: int = 300) -> list[Clip]:
    """Everyday clips of different people."""
    rng = np.random.default_rng(8)
    source = Synthetic(8)
    return [source.wearer(placement, rng, falls=False).everyday(rng) for _ in range(count)]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_fall_is_little_support_then_an_impact_then_lying_still(placement: str) -> None:
    """The phases of every synthetic fall, without any recording to compare with."""
    dips = []
    for clip in synthetic_falls(placement, 100):
        assert clip.impact is not None
        length = np.linalg.norm(clip.acc_g, axis=1)
        assert 2.0 < length[clip.impact] < 28
        if clip.key != "F05":  # who jogs flies
            assert np.median(length[: clip.impact - 100]) == pytest.approx(1, abs=0.15)
        dips.append(length[clip.impact - 50 : clip.impact].min())
        assert length[clip.impact + 200 :].std() < (0.06 if placement == "waist" else 0.12)
        assert clip.impact >= 100
        assert len(clip) - clip.impact >= 250
    assert np.percentile(dips, 75) < 0.75


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_falls_measure_what_recorded_falls_measure(placement: str) -> None:
    """The median of every feature lies between the 15th and 85th percentile of the recordings."""
    recorded = [clip for clip in Recordings(data_folder("falls")).falls(placement) if clip.impact]
    made = quartiles(synthetic_falls(placement))
    real = quartiles(recorded)
    for name, (low, _, high) in real.items():
        assert low <= made[name][1] <= high, name
    # and they differ among each other as recorded ones do
    assert made["peak_g"][2] / made["peak_g"][0] > 2
    # WEDA-FALL clips at 4 g an axis, so that a wrist's peaks may be higher than recorded
    assert made["peak_g"][1] == pytest.approx(real["peak_g"][1], rel=0.2 if placement == "waist" else 0.35)
    assert made["dip_g"][1] == pytest.approx(real["dip_g"][1], abs=0.15)
    assert made["posture_deg"][1] == pytest.approx(real["posture_deg"][1], abs=20)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_everyday_motion_has_the_peaks_of_recorded_days(placement: str) -> None:
    """Walking makes peaks over 1.3 g, hardly anything makes 2.5 g; both about as often as recorded people do."""
    recorded = Recordings(data_folder("falls")).everyday(placement)
    made = synthetic_days(placement)
    low, low_real = peaks_per_minute(made, 1.3), peaks_per_minute(recorded, 1.3)
    assert 0.3 < low / low_real < 2.0
    high, high_real = peaks_per_minute(made, 2.5), peaks_per_minute(recorded, 2.5)
    assert high < 2 * high_real + 0.2


def test_the_same_seed_makes_the_same_people_and_falls() -> None:
    """And another seed makes others."""
    first, again, other = (
        Synthetic(seed).wearer("waist", np.random.default_rng(2), falls=True).fall(np.random.default_rng(2))
        for seed in (4, 4, 5)
    )
    assert np.array_equal(first.acc_g, again.acc_g)
    assert not np.array_equal(first.acc_g[:100], other.acc_g[:100])
