"""Recorded people wear what they were recorded with, and every fall has its chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_sim.errors import NoRecordingsError
from firmware_sim.motion import LSB_G
from firmware_sim.population import motion_source
from firmware_sim.recordings import Recordings
from firmware_sim.track import Track
from tests.servers.require import data_folder


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    """The recordings on this machine."""
    return Recordings(data_folder("falls"))


def test_falls_are_drawn_over_all_falls_of_the_placement(recordings: Recordings) -> None:
    """Neither chosen by hand nor of a few people: 400 draws meet nearly all fallers of both wrist data sets."""
    rng = np.random.default_rng(0)
    keys = [recordings.wearer("wrist", rng, falls=True).fall(rng).key for _ in range(400)]
    assert {key.split("/")[0] for key in keys} == {"weda", "hifd"}
    share = sum(key.startswith("weda/") for key in keys) / len(keys)
    assert share == pytest.approx(250 / 319, abs=0.08)  # as many as there are
    assert len({tuple(key.split("/")[:2]) for key in keys}) >= 22
    assert len({key.split("/")[2].split("_")[0] for key in keys if key.startswith("weda/")}) == 8


def test_a_wearer_is_one_person_of_one_data_set(recordings: Recordings) -> None:
    """Everyday motion and fall come from the same subject."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wearer = recordings.wearer("waist", rng, falls=True)
        keys = [wearer.everyday(rng).key for _ in range(5)] + [wearer.fall(rng).key]
        assert len({tuple(key.split("/")[:2]) for key in keys}) == 1
        assert keys[0].startswith("sisfall/")


def test_a_recorded_fall_is_blended_in_at_its_moment(recordings: Recordings) -> None:
    """The samples around the impact are those of the recording."""
    rng = np.random.default_rng(11)
    wearer = recordings.wearer("waist", rng, falls=True)
    track = Track(wearer, [1500], rng)
    acc = track.take(1800)[0] * LSB_G
    clip = next(c for c in recordings.falls("waist") if c.key == track.falls[0][1])
    assert clip.impact is not None
    assert np.abs(acc[1450:1650] - clip.acc_g[clip.impact - 50 : clip.impact + 150]).max() < 2 * LSB_G


def test_auto_takes_synthetic_motion_where_there_are_no_recordings(tmp_path: Path) -> None:
    """And says so by its name; who asks for recordings is told what is missing."""
    assert motion_source("auto", 1, tmp_path).name == "synthetic"
    assert motion_source("auto", 1, None).name == "synthetic"
    with pytest.raises(NoRecordingsError, match="use the synthetic source"):
        motion_source("recordings", 1, tmp_path)
