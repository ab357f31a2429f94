"""Models of devices: what they make of the same motion, and what they say of a rest."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from firmware_sim.models import DeviceModel, Sensing
from firmware_sim.motion import LSB_DPS, LSB_G
from firmware_sim.population import build_devices
from firmware_sim.scenario import parse_scenario
from firmware_sim.synthetic import Synthetic
from firmware_sim.wearer import Wearer
from telemetry.codec import Motion, decode_motion, decode_status
from telemetry.topics import Stream

#: Two at night, in the time zone of scenarios.
NIGHT = 1_789_927_200_000


def second(acc_g: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A second of a slow swing along x, of ``acc_g`` g along y and 1 g along z; turning about x."""
    t = np.arange(50) / 50
    acc = np.stack([0.5 * np.sin(2 * np.pi * t), np.full(50, acc_g), np.ones(50)], axis=1)
    gyr = np.stack([100 * np.cos(2 * np.pi * t), np.zeros(50), np.zeros(50)], axis=1)
    return np.rint(acc / LSB_G).astype(np.int16), np.rint(gyr / LSB_DPS).astype(np.int16)


def read(model: DeviceModel, acc_g: float = 0.0) -> tuple[np.ndarray, np.ndarray | None]:
    """In g and deg/s."""
    acc, gyr = Sensing(model, np.random.default_rng(1)).read(*second(acc_g))
    return acc * model.lsb, None if gyr is None else gyr * LSB_DPS


@pytest.mark.parametrize("fs", [25, 50, 100])
def test_every_rate_shows_the_same_motion(fs: int) -> None:
    """As many samples as the rate says, on the same curve."""
    acc, gyr = read(DeviceModel(name="m", fs=fs))
    assert acc.shape == (fs, 3)
    assert gyr is not None
    assert gyr.shape == (fs, 3)
    at = {25: np.arange(25) / 25 + 0.01, 50: np.arange(50) / 50, 100: np.arange(100) / 100 - 0.01}[fs]
    assert np.abs(acc[2:, 0] - 0.5 * np.sin(2 * np.pi * at[2:])).max() < 0.005


@pytest.mark.parametrize("range_g", [2, 4, 8, 16])
def test_what_is_beyond_the_range_is_cut_off(range_g: int) -> None:
    """On the axis that saturates and on no other; the counts use 16 bits."""
    model = DeviceModel(name="m", range_g=range_g)
    acc, _ = read(model, acc_g=10.0)
    assert acc[:, 1].max() == pytest.approx(min(range_g, 10), abs=2 * model.lsb)
    assert acc[:, 2].mean() == pytest.approx(1, abs=2 * model.lsb)
    assert model.lsb == range_g / 32768
    coarse, _ = read(DeviceModel(name="m", range_g=range_g, lsb_g=0.004), acc_g=20.0)
    assert coarse[:, 1].max() == pytest.approx(range_g, abs=0.004)


def test_axes_noise_and_a_missing_gyroscope() -> None:
    """Each as the model says."""
    acc, gyr = read(DeviceModel(name="m", axes="-z+x-y", gyroscope=False), acc_g=0.25)
    assert gyr is None
    assert (acc[:, 0].mean(), acc[:, 2].mean()) == (pytest.approx(-1, abs=0.01), pytest.approx(-0.25, abs=0.01))
    noisy, _ = read(DeviceModel(name="m", noise_g=0.05))
    assert noisy[:, 1].std() == pytest.approx(0.05, rel=0.3)


def night(models: str, hours: float = 1.0) -> tuple[Wearer, list[Motion]]:
    """Somebody who sleeps, and the frames of some hours."""
    text = f"{{name: t, wearers: {{count: 1}}, vitals: {{every_s: 0}}, people: {{}}, models: [{models}]}}"
    wearer = build_devices(parse_scenario(text, "t"), Synthetic(5), 5, NIGHT)[0]
    assert isinstance(wearer, Wearer)
    said = []
    while (due_ms := wearer.due_ms) is not None and due_ms < NIGHT + hours * 3_600_000:
        said += wearer.wake(due_ms)
    return wearer, [decode_motion(message.payload) for message in said if message.stream is Stream.MOTION]


def test_a_model_that_rests_says_how_long_and_speaks_again_by_then() -> None:
    """A tenth of the frames of one that does not; never silent for longer than announced; seq has no gap."""
    _, awake = night("{name: a}")
    _, frames = night("{name: a, rests: true}")
    assert len(awake) == pytest.approx(3600, abs=2)
    assert len(frames) < 0.5 * len(awake)
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    rested = 0
    for frame, after in itertools.pairwise(frames):
        silent_ms = after.t - frame.t - 1000
        if frame.idle_until is None:
            assert silent_ms == 0
        else:
            rested += 1
            assert 0 <= silent_ms <= frame.idle_until - frame.t - 1000
    assert rested >= 3


def test_motion_after_a_rest_is_what_it_would_have_been() -> None:
    """What is not sent is not lost: the same samples at the same instants."""
    _, awake = night("{name: a}")
    _, frames = night("{name: a, rests: true}")
    by_time = {frame.t: frame for frame in awake}
    assert len(frames) > 100
    assert all(np.array_equal(frame.acc, by_time[frame.t].acc) for frame in frames)


def test_a_battery_lasts_as_long_as_the_model_says_and_is_charged_when_low() -> None:
    """Three hours from full to empty; at 15 % it is charged, and is full within two hours."""
    wearer, _ = night("{name: a, battery_h: 3, rests: true}", hours=0)
    levels = []
    for minute in range(1, 60 * 6):
        said = wearer.wake(NIGHT + minute * 60_000)
        levels += [decode_status(message.payload).battery for message in said if message.stream is Stream.STATUS]
    level = np.array(levels, float)
    fell = np.diff(level) < 0
    assert level.min() > 13
    assert level.max() > 98
    assert np.median(-np.diff(level)[fell]) == pytest.approx(100 / 180, abs=0.06)
