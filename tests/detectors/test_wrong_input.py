"""What no sensor should send: no exception, no fall, and a finding about the device where its sensor is at fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.detection import Detection, Stage
from detectors.device.motion_sensor import MotionSensorBank
from detectors.fall.bank import FallBank
from detectors.fall.recordings import Recording, Stream, read_folder
from detectors.fall.windows import ACC_LSB_G, GYR_LSB_DPS
from detectors.motion import MotionBatch
from tests.detectors.signals import FS_HZ, T0_MS, Samples, fall, frame, frames, standing, together, walking
from tests.servers.require import data_folder

BEFORE_S = 12
LASTS_S = 130  # a wrong scale is reported after 120 s of it
PLACEMENTS = ("wrist", "waist", "hip", "unknown")
INT16_LSB_G = 0.000488  # +-16 g


def held(value: object) -> Samples:
    """One value on all axes, or one of each, throughout."""
    out = np.zeros((LASTS_S * FS_HZ, 6), np.float32)
    out[:, :3] = value
    return out


def alternating(low: float, high: float, *, every: int) -> Samples:
    """From one end to the other after ``every`` samples; the gyroscope is alive."""
    out = walking(LASTS_S)
    out[:, :3] = np.where(np.arange(len(out)) // every % 2, high, low)[:, None]
    return out


def turning(samples: Samples) -> Samples:
    """The same while the device is turned to and fro."""
    out = samples.copy()
    out[:, 3] = 60 * np.sin(np.arange(len(out)) / FS_HZ * 5)
    return out


def with_axis(axis: int, value: float) -> Samples:
    """Walking, with one axis of the accelerometer held."""
    out = walking(LASTS_S)
    out[:, axis] = value
    return out


def noise(sigma_g: float) -> Samples:
    """Nothing but noise, without gravity; the gyroscope is alive."""
    out = walking(LASTS_S)
    out[:, :3] = np.random.default_rng(0).normal(0, sigma_g, (len(out), 3))
    return out


def quantised(samples: NDArray[np.float32], *, bits: int, range_g: float) -> NDArray[np.float32]:
    """The accelerometer's three columns in counts of ``bits`` over +-``range_g``, clipped at its ends."""
    half = 2 ** (bits - 1)
    out = samples.copy()
    out[..., :3] = np.clip(np.rint(samples[..., :3] * (half / range_g)), -half, half - 1) * (range_g / half)
    return out


def without_gyroscope_data(samples: Samples) -> Samples:
    """The gyroscope says that nothing turns."""
    out = samples.copy()
    out[:, 3:] = 0
    return out


def with_holes(value: float) -> Samples:
    """Standing, with a sample of something else every 5 s."""
    out = standing(LASTS_S)
    out[:: 5 * FS_HZ, :3] = value
    return out


INT16_MIN_G, INT16_MAX_G = -32768 * INT16_LSB_G, 32767 * INT16_LSB_G

#: name, signal, and what is wrong with the sensor: (fault, sensor, axes), or None.
CASES: list[tuple[str, Samples, tuple[str, str, str] | None]] = [
    ("all zeros", held(0.0), ("zero", "accelerometer", "")),
    ("all NaN", held(np.nan), ("no_data", "accelerometer", "")),
    ("all inf", held(np.inf), ("no_data", "accelerometer", "")),
    ("inf on one axis", with_axis(0, np.inf), ("no_data", "accelerometer", "")),
    ("inf and -inf", alternating(-np.inf, np.inf, every=1), ("no_data", "accelerometer", "")),
    *(
        (f"{what} {range_g} g", signal, ("saturated", "accelerometer", axes))
        for range_g in (2.0, 4.0, 8.0, 16.0)
        for what, signal, axes in (
            ("one axis constant at", held((0.0, 0.0, range_g)), "z"),
            ("all axes constant at -", held(-range_g), "xyz"),
            ("one axis pinned in motion at", with_axis(1, range_g), "y"),
            ("8 bits constant at", held((0.0, range_g * 127 / 128, 0.0)), "y"),
        )
    ),
    ("int16 at its low end", held(INT16_MIN_G), ("saturated", "accelerometer", "xyz")),
    ("int16 at its high end", held(INT16_MAX_G), ("saturated", "accelerometer", "xyz")),
    ("int16 from end to end", alternating(INT16_MIN_G, INT16_MAX_G, every=1), ("scale", "accelerometer", "")),
    ("from end to end each second", alternating(-16.0, 16.0, every=50), ("saturated", "accelerometer", "xyz")),
    ("int16 extremes in counts of 1 g", held(-32768.0), ("stuck", "accelerometer", "")),
    ("huge and moving", noise(1e6), ("scale", "accelerometer", "")),
    ("at the end of float32", noise(1e37), ("scale", "accelerometer", "")),
    ("noise of a broken wire", noise(4.5), ("scale", "accelerometer", "")),
    ("m/s2 taken for g", np.concatenate([walking(60), standing(70)]) * 9.81, ("scale", "accelerometer", "")),
    ("twice the range", standing(LASTS_S) * np.float32(2), ("scale", "accelerometer", "")),
    ("half the range, walking", walking(LASTS_S) * np.float32(0.5), ("scale", "accelerometer", "")),
    ("one value that is not gravity", held((0.0, 0.3, 0.1)), ("stuck", "accelerometer", "")),
    ("one axis dead", with_axis(0, 0.0), ("stuck", "accelerometer", "x")),
    ("another axis dead at a value", with_axis(2, 0.25), ("stuck", "accelerometer", "z")),
    ("the axis along gravity dead", with_axis(1, 0.0), ("scale", "accelerometer", "")),
    ("gyroscope dead", without_gyroscope_data(walking(LASTS_S)), ("stuck", "gyroscope", "")),
    ("stuck at 1 g while the gyroscope turns", turning(held((0.0, 1.0, 0.0))), ("stuck", "accelerometer", "")),
    ("upside down", -walking(LASTS_S), None),
    ("on its side", walking(LASTS_S)[:, [1, 2, 0, 4, 5, 3]], None),
    ("on a table", held((0.0, 1.0, 0.0)), None),
    ("on a slope, 8 bits over 16 g", quantised(held(0.577), bits=8, range_g=16.0), None),
    ("8 bits over 16 g, standing", quantised(standing(LASTS_S), bits=8, range_g=16.0), None),
    ("8 bits over 8 g, walking", quantised(walking(LASTS_S), bits=8, range_g=8.0), None),
    ("8 bits over 2 g, walking", quantised(walking(LASTS_S), bits=8, range_g=2.0), None),
    ("a fifth too much gain", walking(LASTS_S) * np.float32(1.2), None),
    ("single samples missing", with_holes(np.nan), None),
    ("single samples at the limit", with_holes(16.0), None),
    ("single samples of zero", with_holes(0.0), None),
    ("a sound sensor", np.concatenate([walking(60), standing(70)]), None),
]


def falls_in(batches: list[MotionBatch], *, gyroscope: bool = True) -> list[Detection]:
    """What the fall bank says of a stream, worn in every place at once, until long after its end."""
    bank = FallBank()
    rows = [bank.add(f"w-{placement}", placement=placement, person=None) for placement in PLACEMENTS]
    found: list[Detection] = []
    end_ms = T0_MS
    for batch in batches:
        one = batch if gyroscope else replace(batch, gyr_dps=None)
        found += bank.update(together([replace(one, row=np.array([row], np.int32)) for row in rows]), end_ms)
        end_ms = int(batch.recv_ms[0])
    for later_s in range(0, 90, 10):
        found += bank.update(None, end_ms + later_s * 1000)
    return [one for one in found if one.stage is Stage.CONFIRMED]


def faults_in(batches: list[MotionBatch]) -> list[Detection]:
    """What the sensor bank says of a stream."""
    bank = MotionSensorBank()
    bank.add("w1", placement="wrist", person=None)
    return [one for batch in batches for one in bank.update(batch, T0_MS)]


@pytest.mark.parametrize("gyroscope", [True, False], ids=["gyroscope", "no gyroscope"])
@pytest.mark.parametrize("samples", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_wrong_input_is_no_fall(samples: Samples, gyroscope: bool) -> None:
    """Alone, and between two walks, so that the step into the fault and out of it is looked at too."""
    samples = samples[: 40 * FS_HZ]
    between = np.concatenate([walking(BEFORE_S), samples, walking(BEFORE_S, seed=1)])
    assert falls_in(frames(samples), gyroscope=gyroscope) == []
    assert falls_in(frames(between), gyroscope=gyroscope) == []


@pytest.mark.parametrize(("samples", "fault"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_sensor_at_fault_is_a_device_finding(samples: Samples, fault: tuple[str, str, str] | None) -> None:
    """One, since the fault began, while it lasts; none for a sensor that is only worn or made differently."""
    signal = np.concatenate([walking(BEFORE_S), samples, walking(BEFORE_S, seed=1)])
    found = faults_in(frames(signal))
    said = [(one.notes["fault"], one.notes["sensor"], one.notes.get("axes", "")) for one in found]
    assert said == ([] if fault is None else [fault])
    for one in found:
        assert one.stage is Stage.CONFIRMED
        assert abs(one.onset_ms - T0_MS - BEFORE_S * 1000) <= 2_000
        assert (one.decided_ms - one.onset_ms) / 1000 <= LASTS_S
        assert all(np.isfinite(value) for value in one.features.values())
        assert any(name.startswith("limit_") for name in one.features)


def loose_contact(value: float, seed: int) -> Samples:
    """A minute of walking in which the accelerometer says ``value`` again and again, for up to a second."""
    rng = np.random.default_rng(seed)
    out, at = walking(60, seed=seed), 0
    while at < len(out):
        out[at : at + rng.integers(1, 60), :3] = value
        at += int(rng.integers(60, 200))
    return out


@pytest.mark.parametrize("value", [0.0, np.nan, -2.0, 2.0, 4.0, 16.0])
def test_a_loose_contact_is_no_fall(value: float) -> None:
    """Eight minutes of it: to zero, to nothing, to the limits of common ranges."""
    assert [one for seed in range(8) for one in falls_in(frames(loose_contact(value, seed)))] == []


@pytest.mark.parametrize("samples", [1, 3, 20, 60])
def test_a_recording_shorter_than_a_window_is_nothing(samples: int) -> None:
    """Also one that ends in an impact."""
    short = walking(2)[:samples]
    struck = short.copy()
    struck[-1, :3] *= 8
    for one in (short, struck):
        batch = [frame(one)]
        assert falls_in(batch) == []
        assert faults_in(batch) == []


def switching(parts: list[tuple[float, Samples]], *, seconds: float) -> list[MotionBatch]:
    """Parts of different rates, one after another in one stream, in frames of ``seconds``."""
    out: list[MotionBatch] = []
    t_ms = T0_MS
    for fs_hz, samples in parts:
        out += frames(samples, fs_hz=fs_hz, seconds=seconds, t_ms=t_ms)
        t_ms += round(len(samples) * 1000 / fs_hz)
    return out


RATES = [50.0, 25.0, 100.0, 25.0, 50.0]


@pytest.mark.parametrize("seconds", [0.4, 1.0, 2.0])
def test_a_stream_that_switches_its_rate_is_as_good_as_another(seconds: float) -> None:
    """Walking at 50, 25, 100, 25 and 50 Hz: neither a fall nor a fault."""
    batches = switching([(fs_hz, walking(40, fs_hz=fs_hz, seed=i)) for i, fs_hz in enumerate(RATES)], seconds=seconds)
    assert falls_in(batches) == []
    assert faults_in(batches) == []


@pytest.mark.parametrize("fs_hz", [25.0, 100.0])
def test_a_fall_after_a_change_of_rate_is_found(fs_hz: float) -> None:
    """Walking at 50 Hz, then a fall at another rate."""
    fallen, impact_s = fall(fs_hz=fs_hz)
    found = falls_in(switching([(50.0, walking(10)), (fs_hz, fallen)], seconds=1.0))
    assert {one.device for one in found} == {f"w-{placement}" for placement in PLACEMENTS}
    assert all(abs(one.onset_ms - T0_MS - (10 + impact_s) * 1000) < 500 for one in found)


# ---- real falls through coarse and turned sensors


FALLS = 40
#: So many fewer of FALLS may be found with 8 bits over +-8 g. Measured: none fewer in either data set.
MISSED_8_BITS = 2
#: And with the sensor turned. Measured: none fewer.
MISSED_TURNED = 1
TURNED: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "upside down": lambda three: three * np.array([1, -1, -1], np.float32),
    "axes exchanged": lambda three: three[..., [2, 0, 1]],
}


@dataclass(frozen=True)
class Falls:
    """Recordings of falls, to be played side by side."""

    chosen: list[tuple[Stream, Recording]]

    def play(self, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Iterator[MotionBatch]:
        """Seconds of all recordings, the last sample held for 6 s; ``change`` gets ``(m, 50, 6)``."""
        for second in range(max(one.samples for _, one in self.chosen) // FS_HZ + 6):
            samples = np.empty((len(self.chosen), FS_HZ, 6), np.float32)
            for i, (stream, one) in enumerate(self.chosen):
                at = one.start + np.minimum(np.arange(second * FS_HZ, (second + 1) * FS_HZ), one.samples - 1)
                assert stream.gyr is not None
                samples[i, :, :3] = stream.acc[at] * np.float32(ACC_LSB_G)
                samples[i, :, 3:] = stream.gyr[at] * np.float32(GYR_LSB_DPS)
            yield together([
                frame(one, row=i, t_ms=T0_MS + second * 1000) for i, one in enumerate(change(samples))
            ])  # fmt: skip

    def found(self, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> int:
        """How many of them the fall bank finds, within the time that the labels allow."""
        falls, sensors = FallBank(), MotionSensorBank()
        for i, (stream, _) in enumerate(self.chosen):
            falls.add(str(i), placement=stream.placement, person=None)
            sensors.add(str(i), placement=stream.placement, person=None)
        hit: set[str] = set()
        for batch in self.play(change):
            assert sensors.update(batch, T0_MS) == []
            for one in falls.update(batch, T0_MS):
                _, recording = self.chosen[int(one.device)]
                if one.stage is Stage.CONFIRMED and recording.holds((one.onset_ms - T0_MS) / 1000):
                    hit.add(one.device)
        return len(hit)


@pytest.fixture(scope="module", params=["sisfall", "weda"])
def falls(request: pytest.FixtureRequest) -> Falls:
    """Forty falls of a data set, spread over its people and kinds of falls."""
    streams = read_folder(data_folder("falls")).streams
    every = [(s, one) for s in streams if s.dataset == request.param for one in s.recordings if one.is_fall]
    if not every:
        pytest.skip(f"the recordings have no {request.param}")
    return Falls([every[i] for i in np.linspace(0, len(every) - 1, FALLS).round().astype(int)])


def test_real_falls_are_found_with_eight_bits_and_turned_sensors(falls: Falls) -> None:
    """Nearly as many as with the sensor as it was."""
    plain = falls.found(lambda samples: samples)
    assert plain >= FALLS - 2
    assert falls.found(lambda samples: quantised(samples, bits=8, range_g=8.0)) >= plain - MISSED_8_BITS
    for turn in TURNED.values():
        turned = falls.found(lambda s, turn=turn: np.concatenate([turn(s[..., :3]), turn(s[..., 3:])], axis=-1))
        assert turned >= plain - MISSED_TURNED
