"""Clips joined to a track: no jumps, falls where they were asked for, chance from the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.errors import SimulationError
from firmware_sim.motion import BRIDGE, FS_HZ, LSB_G, Clip, bridge
from firmware_sim.synthetic import Synthetic
from firmware_sim.track import Track


def posture(acc_g: tuple[float, float, float], n: int = 100) -> Clip:
    """A clip at rest in one posture."""
    return Clip("posture", np.tile(np.float32(acc_g), (n, 1)), np.zeros((n, 3), np.float32))


@pytest.mark.parametrize(
    ("before", "after"),
    [((0, -1, 0), (0, 0, 1)), ((0, -1, 0), (0, 1, 0)), ((1, 0, 0), (1, 0, 0)), ((0.6, 0.8, 0), (-0.62, -0.78, 0.05))],
)
def test_a_join_turns_gravity_and_never_looks_like_a_fall(before: tuple, after: tuple) -> None:
    """Between any two postures |acc| stays at 1 g and no two samples differ by more than a quick turn makes them."""
    a, b = posture(before), posture(after)
    join = bridge(a, b, np.random.default_rng(1))
    whole = np.concatenate([a.acc_g, join.acc_g, b.acc_g])
    length = np.linalg.norm(whole, axis=1)
    assert length.min() > 0.95
    assert length.max() < 1.06
    assert np.abs(np.diff(whole, axis=0)).max() < 0.12


def test_a_join_reports_the_turn_to_the_gyroscope() -> None:
    """The angle under the gyroscope's rate is that between the postures."""
    join = bridge(posture((0, -1, 0)), posture((0, 0, 1)), np.random.default_rng(1))
    turned_deg = np.linalg.norm(join.gyr_dps.sum(0)) / FS_HZ
    assert turned_deg == pytest.approx(90, abs=3)


@pytest.mark.parametrize("placement", ["waist", "wrist"])
def test_a_fall_has_its_impact_at_the_sample_that_was_asked_for(placement: str) -> None:
    """Whatever the clip, the largest |acc| of the fall lies where the truth will say it does."""
    for seed, at in enumerate([260, 700, 1234, 2100]):
        rng = np.random.default_rng(seed)
        track = Track(Synthetic(seed).wearer(placement, rng, falls=True), [at], rng)
        length = np.linalg.norm(track.take(at + 400)[0] * LSB_G, axis=1)
        assert track.falls[0][0] == at
        assert abs(int(np.argmax(length[at - 125 : at + 125])) - 125) <= 1
        assert length[at + 250 : at + 400].std() < 0.05  # lies still


def test_frames_of_any_length_are_the_same_motion() -> None:
    """How a track is cut into frames changes nothing in it."""
    tracks = []
    for _ in range(2):
        rng = np.random.default_rng(5)
        tracks.append(Track(Synthetic(5).wearer("wrist", rng, falls=True), [900], rng))
    whole = tracks[0].take(3000)
    parts = [tracks[1].take(50) for _ in range(60)]
    for which in (0, 1):
        assert np.array_equal(whole[which], np.concatenate([part[which] for part in parts]))


def test_two_falls_need_time_between_them() -> None:
    """A wearer who still lies there cannot fall again; the error says from when on."""
    rng = np.random.default_rng(1)
    with pytest.raises(SimulationError, match="free only after"):
        Track(Synthetic(1).wearer("waist", rng, falls=True), [500, 900], rng, lies_s=30)
    Track(Synthetic(1).wearer("waist", rng, falls=True), [500, 1300], rng, lies_s=0.5)


def test_a_second_fall_follows_the_first_without_a_jump() -> None:
    """Everyday motion, fall, lying, everyday motion, fall: outside of impacts nothing is faster than a walk."""
    rng = np.random.default_rng(3)
    track = Track(Synthetic(3).wearer("waist", rng, falls=True), [600, 2400], rng, lies_s=5)
    acc = track.take(3200)[0] * LSB_G
    step = np.abs(np.diff(acc, axis=0)).max(1)
    near = np.zeros(len(step), bool)
    for at, _ in track.falls:
        near[at - 60 : at + 150] = True
    assert step[~near].max() < 1.0
    assert BRIDGE < 600
