"""Synthetic motion has the measures of the recordings."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from firmware_sim.day_plan import Doing
from firmware_sim.fall_kinds import FALL_KINDS
from firmware_sim.motion import Clip
from firmware_sim.people import People, draw_traits
from firmware_sim.recordings import DOINGS, Recordings
from firmware_sim.synthetic import Synthetic
from tests.firmware_sim.comparison import day_features, distance, fall_features, peaks_per_minute
from tests.servers.require import data_folder

PLACEMENTS = ("waist", "wrist")
#: What one does of which recordings show the same; sitting and lying still are recorded between other things only.
SHOWN: tuple[Doing, ...] = ("walk", "roam", "hands", "chair")


@cache
def recordings() -> Recordings:
    """Those on this machine, everyday ones of old people."""
    return Recordings(data_folder("falls"))


@cache
def synthetic_falls(placement: str, each: int = 14) -> dict[str, list[Clip]]:
    """Falls of different people, by kind."""
    rng = np.random.default_rng(7)
    source = Synthetic(7)
    people = People()

    def fall(kind: str) -> Clip:
        return source.wearer(placement, rng, falls=True, traits=draw_traits(people, rng)).fall(rng, kind=kind)

    return {kind: [fall(kind) for _ in range(each)] for kind in FALL_KINDS}


@cache
def synthetic_days(placement: str, doing: Doing | None, count: int = 120) -> list[Clip]:
    """Everyday clips of different people."""
    rng = np.random.default_rng(8)
    source = Synthetic(8)
    people = People()
    return [
        source.wearer(placement, rng, falls=False, traits=draw_traits(people, rng)).everyday(rng, doing)
        for _ in range(count)
    ]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_fall_is_little_support_then_an_impact_then_lying_still(placement: str) -> None:
    """The phases of every synthetic fall, without any recording to compare with."""
    dips = []
    for kind, clips in synthetic_falls(placement).items():
        for clip in clips:
            assert clip.impact is not None
            assert clip.key == kind
            length = np.linalg.norm(clip.acc_g, axis=1)
            assert 1.5 < length[clip.impact] < 28
            if kind != "F05":  # who jogs flies
                assert np.median(length[: clip.impact - 100]) == pytest.approx(1, abs=0.15)
            dips.append(length[clip.impact - 50 : clip.impact].min())
            assert length[clip.impact + 200 :].std() < (0.06 if placement == "waist" else 0.12)
            assert clip.impact >= 100
            assert len(clip) - clip.impact >= 250
    assert np.percentile(dips, 75) < 0.75


def test_falls_from_standing_are_harder_than_from_a_seat_and_those_on_hands_softer_than_on_the_hip() -> None:
    """As their drop and their time of contact say, whatever was recorded."""
    table = {kind: fall_features(clips) for kind, clips in synthetic_falls("waist").items()}
    peak = {kind: float(np.median(features.column("peak_g"))) for kind, features in table.items()}
    assert peak["F02"] > peak["F01"]
    assert peak["F03"] > peak["F15"]
    assert min(peak["F02"], peak["F03"]) > max(peak["F10"], peak["F13"])
    speed = {kind.code: kind.speed_m_s for kind in FALL_KINDS.values()}
    assert speed["F05"] == max(speed.values())
    assert all(1.2 < value < 3.5 for value in speed.values())


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_falls_measure_what_recorded_falls_measure(placement: str) -> None:
    """Every feature that the detector has.

    The median lies within the recordings' 5th to 95th percentile, the distributions are less than 0.55 apart, nine of
    ten of them less than 0.4. Farthest are the watches' largest axis (WEDA-FALL ends at 4 g) and how far from 1 g a
    sensor is at rest, which is a matter of the recorders.
    """
    real = fall_features([clip for clip in recordings().falls(placement) if clip.impact is not None])
    made = fall_features([clip for clips in synthetic_falls(placement).values() for clip in clips])
    apart = {}
    for name in real.names:
        low, high = np.percentile(real.column(name), [5, 95])
        assert low <= np.median(made.column(name)) <= high, name
        apart[name] = distance(made.column(name), real.column(name))
    far = sorted(((value, name) for name, value in apart.items()), reverse=True)
    print(placement, [f"{name} {value:.2f}" for value, name in far[:6]])
    assert far[0][0] < 0.55, far[0]
    assert np.percentile(list(apart.values()), 90) < 0.4
    assert np.median(list(apart.values())) < 0.25


def test_each_kind_of_fall_has_the_peak_dip_and_turn_of_its_recordings() -> None:
    """At the waist, where all fifteen are recorded: the median within the recorded 5th to 95th percentile."""
    falls: dict[str, list[Clip]] = {}
    for clip in recordings().falls("waist"):
        falls.setdefault(clip.key.split("/")[2][:3], []).append(clip)
    assert set(falls) == set(FALL_KINDS)
    for kind, clips in synthetic_falls("waist").items():
        real, made = fall_features(falls[kind]), fall_features(clips)
        for name in ("peak_g", "impact_energy_g", "freefall_min_g", "freefall_velocity_g_s", "posture_change_deg"):
            low, high = np.percentile(real.column(name), [5, 95])
            assert low <= np.median(made.column(name)) <= high, (kind, name)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("doing", SHOWN)
def test_everyday_motion_measures_what_recorded_motion_measures(placement: str, doing: Doing) -> None:
    """Two seconds of it: the medians within the recordings' 5th to 95th percentile, and the upper ends not beyond."""
    shown = [clip for clip in recordings().everyday(placement) if clip.key.split("/")[2].split("_")[0] in DOINGS[doing]]
    real, made = day_features(shown), day_features(synthetic_days(placement, doing))
    for name, values in real.items():
        low, high = np.percentile(values, [5, 95])
        assert low <= np.median(made[name]) <= high, name
        if name != "least_g":
            assert np.percentile(made[name], 95) <= 1.5 * high, name


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_steps_strike_from_below_wherever_they_are_felt(placement: str) -> None:
    """What rises over 1 g rises farther than what falls under it, at the wrist as at the waist."""
    walking = day_features(synthetic_days(placement, "roam", 40))
    assert np.median(walking["most_g"]) - 1 > 1 - np.median(walking["least_g"])


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_everyday_motion_has_the_peaks_of_recorded_days(placement: str) -> None:
    """Walking makes peaks over 1.3 g, hardly anything makes 2.5 g; both about as often as recorded people do."""
    recorded = recordings().everyday(placement)
    made = synthetic_days(placement, None)
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
