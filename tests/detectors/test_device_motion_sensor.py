"""Motion sensors at fault: what is reported, since when, once, until it is over, and what is no fault."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

from detectors.detection import Detection, Severity, Stage
from detectors.device.motion_sensor import DETECTOR, KIND, MotionSensorBank
from detectors.device.parameters import MotionSensorParameters
from detectors.errors import DetectorError
from detectors.fall.recordings import batches as recorded
from detectors.fall.recordings import read_folder
from detectors.motion import MotionBatch
from detectors.parameters import params_hash
from tests.detectors.signals import FS_HZ, T0_MS, Samples, frame, frames, standing, together, walking
from tests.servers.require import data_folder

PARAMETERS = MotionSensorParameters()


def held(seconds: float, value: tuple[float, float, float] = (0.0, 0.0, 0.0), *, fs_hz: float = FS_HZ) -> Samples:
    """``(n, 6)``: an accelerometer that says one thing, a gyroscope that says nothing turns."""
    out = np.zeros((round(seconds * fs_hz), 6), np.float32)
    out[:, :3] = value
    return out


def find(batches: list[MotionBatch], bank: MotionSensorBank | None = None) -> list[Detection]:
    """What a bank finds in the frames of one device, each delivered alone."""
    bank = bank or MotionSensorBank()
    bank.add("w1", placement="wrist", person="p1")
    return [found for batch in batches for found in bank.update(batch, T0_MS)]


def onset_s(found: Detection) -> float:
    """Seconds from the beginning of the stream."""
    return (found.onset_ms - T0_MS) / 1000


def test_a_finding_says_what_since_when_and_by_which_limits() -> None:
    """About the device, with the values and the limits, decided by the end of the frame that allowed it."""
    (found,) = find(frames(np.concatenate([walking(10), held(90, (0.0, 0.3, 0.0))]), offset_ms=5_000))
    assert (found.detector, found.kind, found.stage, found.severity) == (
        DETECTOR, KIND, Stage.CONFIRMED, Severity.WARNING,
    )  # fmt: skip
    assert (found.device, found.person, found.historical) == ("w1", "p1", False)
    assert found.notes == {"fault": "stuck", "sensor": "accelerometer"}
    assert found.features["y_g"] == pytest.approx(0.3)
    assert found.features["magnitude_g"] == pytest.approx(0.3)
    assert found.features["limit_low_g"] == PARAMETERS.low_g
    assert found.features["lasted_s"] == PARAMETERS.report_s
    assert found.onset_ms == T0_MS + 5_000 + 10_000
    assert found.decided_ms == found.onset_ms + 60_000
    assert found.recv_ms == found.decided_ms
    assert found.params_hash == params_hash(PARAMETERS)


def test_a_fault_is_reported_once_and_its_end_under_the_same_id() -> None:
    """Ten minutes of zeros, then a sound sensor: the end is a follow-up that asks nothing of anybody."""
    signal = np.concatenate([held(600), walking(400)])
    begun, over = find(frames(signal))
    assert [begun.stage, over.stage] == [Stage.CONFIRMED, Stage.FOLLOW_UP]
    assert begun.id == over.id
    assert over.severity is Severity.INFO
    assert over.notes == {"fault": "zero", "sensor": "accelerometer", "state": "over"}
    assert (over.decided_ms - T0_MS) / 1000 == 600 + PARAMETERS.sound_s


def test_a_loose_contact_is_one_finding_not_one_a_minute() -> None:
    """Seventy seconds of nothing, a minute of sense, over and over."""
    found = find(frames(np.concatenate([part for _ in range(8) for part in (held(70), walking(60))])))
    assert [one.stage for one in found] == [Stage.CONFIRMED]


def test_after_its_end_a_fault_that_comes_back_is_another_finding() -> None:
    """With another id and its own onset."""
    found = find(frames(np.concatenate([held(100), walking(310), held(100)])))
    assert [one.stage for one in found] == [Stage.CONFIRMED, Stage.FOLLOW_UP, Stage.CONFIRMED]
    assert found[0].id != found[2].id
    assert onset_s(found[2]) == 410


def test_a_short_fault_is_none() -> None:
    """Fifty seconds of every fault, one after another, with sense between them."""
    parts = [held(50), held(50, (np.nan,) * 3), held(50, (2.0, 0.0, 0.0)), held(50, (3.0, 0.1, 0.0)), held(50)]
    assert find(frames(np.concatenate([part for fault in parts for part in (fault, standing(20))]))) == []


CUTS = [(50, 0.2), (50, 0.5), (50, 1), (50, 2.5), (50, 40), (10, 0.1), (25, 1), (52, 1), (100, 0.1), (400, 20)]


@pytest.mark.parametrize(
    ("kind", "fs_hz", "seconds"),
    [("zero", 50, 0.02), *((kind, *cut) for kind in ("zero", "saturated", "scale") for cut in CUTS)],
)
def test_what_is_said_does_not_depend_on_rate_and_frames(kind: str, fs_hz: float, seconds: float) -> None:
    """From 10 to 400 Hz and from one sample to 40 s in a frame: the same fault since the same frame."""
    good = walking(20, fs_hz=fs_hz)
    bad = {
        "zero": held(160, fs_hz=fs_hz),
        "saturated": walking(160, fs_hz=fs_hz),
        "scale": standing(160, fs_hz=fs_hz) * np.float32(2.0),
    }[kind]
    if kind == "saturated":
        bad[:, 1] = -2.0
    signal = np.concatenate([good, bad, good])
    found = find(frames(signal, fs_hz=fs_hz, seconds=seconds))
    assert [one.notes["fault"] for one in found] == [kind]
    look_s = 2 * PARAMETERS.look_s + seconds  # a fault that begins within a stretch is seen in the next
    assert 20 - seconds - 0.01 <= onset_s(found[0]) <= 20 + look_s
    due_s = PARAMETERS.report_scale_s if kind == "scale" else PARAMETERS.report_s
    assert (found[0].decided_ms - found[0].onset_ms) / 1000 == pytest.approx(due_s, abs=look_s + seconds)


def test_a_stream_that_changes_its_rate_within_a_stretch_goes_on() -> None:
    """Zeros at 50, 25 and 100 Hz in frames of 0.6 s are one fault."""
    batches, t_ms = [], T0_MS
    for i in range(150):
        fs_hz = (50, 25, 100)[i // 20 % 3]
        batches.append(frame(held(0.6, fs_hz=fs_hz), fs_hz=fs_hz, t_ms=t_ms))
        t_ms += 600
    (found,) = find(batches)
    assert onset_s(found) == 0


def test_frames_of_many_devices_and_several_of_one_are_told_apart() -> None:
    """Two hundred devices, every tenth at fault, two frames of each in every batch."""
    bank = MotionSensorBank()
    for i in range(200):
        assert bank.add(f"w{i}", placement="waist", person=None) == i
    assert len(bank) == 200
    good, bad = frames(walking(80)), frames(held(80))
    found = []
    for k in range(0, 80, 2):
        both = [
            replace((bad if row % 10 == 3 else good)[k + later], row=np.array([row], np.int32))
            for later in (0, 1)
            for row in range(200)
        ]
        found += bank.update(together(both), T0_MS)
    assert sorted(one.device for one in found) == sorted(f"w{i}" for i in range(3, 200, 10))
    assert {onset_s(one) for one in found} == {0.0}


def test_a_bank_restored_anywhere_goes_on_as_if_nothing_had_happened() -> None:
    """Within a stretch, before and after the report, and while it is ending."""
    batches = frames(np.concatenate([walking(5), held(80), walking(330)]), seconds=0.5)
    expected = find(batches)
    assert len(expected) == 2
    bank, found = MotionSensorBank(), []
    bank.add("w1", placement="wrist", person="p1")
    for i, batch in enumerate(batches):
        if i % 37 == 0 or 120 < i < 140:
            state = pickle.loads(pickle.dumps(bank.state()))
            bank = MotionSensorBank()
            bank.restore(state)
            assert bank.add("w1", placement="wrist", person="p1") == 0
        found += bank.update(batch, T0_MS)
    assert found == expected


def test_a_state_of_another_format_is_refused() -> None:
    """With what to do instead."""
    bank = MotionSensorBank()
    with pytest.raises(DetectorError, match="start afresh"):
        bank.restore(bank.state() | {"format": 99})


def test_a_restart_of_the_device_neither_hides_nor_repeats_a_fault() -> None:
    """It starts anew every 20 s, which changes nothing about its sensor."""
    batches = frames(held(100))
    batches = [replace(batch, boot=np.array([i // 20], np.uint32)) for i, batch in enumerate(batches)]
    (found,) = find(batches)
    assert onset_s(found) == 0


def test_the_same_signal_again_gives_the_same_ids() -> None:
    """The processor repeats what came after its last checkpoint."""
    batches = frames(np.concatenate([walking(5), held(80), walking(330)]))
    assert find(batches) == find(copy.deepcopy(batches))


def test_each_sensor_has_a_finding_of_its_own() -> None:
    """The gyroscope says nothing while the accelerometer shakes; later the accelerometer gives up too."""
    shaking = walking(120)
    shaking[:, :2] *= 2
    shaking[:, 3:] = 0
    found = find(frames(np.concatenate([shaking, held(120, (0.0, 0.0, 5.0))])))
    assert [(one.notes["sensor"], one.notes["fault"]) for one in found] == [
        ("gyroscope", "stuck"),
        ("accelerometer", "stuck"),
    ]
    assert found[0].severity is Severity.INFO
    assert found[0].id != found[1].id


def test_silence_is_no_fault_of_the_sensor() -> None:
    """Forty seconds of zeros, a day of nothing, and sound signal; and ticks find nothing."""
    bank = MotionSensorBank()
    bank.add("w1", placement="wrist", person=None)
    for batch in frames(held(40)):
        assert bank.update(batch, T0_MS) == []
    assert bank.update(None, T0_MS + 86_400_000) == []
    assert find(frames(walking(60), t_ms=T0_MS + 86_400_000), bank) == []


def test_lost_frames_and_missing_samples_are_no_fault() -> None:
    """Every third frame never came, and of the others half the samples are missing."""
    signal = standing(300)
    signal[np.arange(len(signal)) % 4 < 2] = np.nan
    assert find([batch for i, batch in enumerate(frames(signal)) if i % 3]) == []


def test_a_batch_is_not_changed() -> None:
    """Other banks get it too."""
    for samples in (standing(1), held(1, (np.nan, 1.0, np.inf)), held(0.02, (np.nan, 0.0, 0.0))):
        batch = frame(samples)
        before = copy.deepcopy(batch)
        find([batch])
        np.testing.assert_equal(batch.acc_g, before.acc_g)
        np.testing.assert_equal(batch.gyr_dps, before.gyr_dps)


def test_a_frame_without_samples_is_nothing() -> None:
    """The wire contract has none, and nobody else's defect stops a bank."""
    assert find([frame(standing(1)[:0])]) == []


@pytest.mark.parametrize("lsb_g", [0.001, 0.0625, 0.125], ids=["as recorded", "8 bits over 8 g", "8 bits over 16 g"])
def test_no_sensor_of_the_recordings_is_at_fault(lsb_g: float) -> None:
    """Twenty-five hours of 113 people who walk, fall, clap and lie; also as a coarse sensor would have seen them."""
    streams = list(read_folder(data_folder("falls")).streams)
    bank, frames = MotionSensorBank(), 0
    for stream in streams:
        bank.add(stream.name, placement=stream.placement, person=None)
    for second in recorded(streams, start_ms=T0_MS):
        for batch in second:
            coarse = np.rint(batch.acc_g / np.float32(lsb_g)) * np.float32(lsb_g)
            assert bank.update(replace(batch, acc_g=coarse), T0_MS) == []
            frames += len(batch)
    assert frames > 80_000


@pytest.mark.parametrize("scale", [0.5, 9.81, 1 / 9.81], ids=["half the range", "m/s2", "g taken for m/s2"])
def test_a_wrong_scale_is_found_on_recorded_motion(scale: float) -> None:
    """Of nearly everybody: a stream must have two minutes of signal, and nothing in it may look like 1 g at rest."""
    streams = [stream for stream in read_folder(data_folder("falls")).streams if len(stream.acc) >= 300 * FS_HZ]
    bank = MotionSensorBank()
    for stream in streams:
        bank.add(stream.name, placement=stream.placement, person=None)
    found = [
        one
        for second in recorded(streams, start_ms=T0_MS)
        for batch in second
        for one in bank.update(replace(batch, acc_g=batch.acc_g * np.float32(scale)), T0_MS)
    ]
    assert {one.notes["fault"] for one in found} == {"scale"}
    assert len({one.device for one in found}) >= 0.95 * len(streams)
