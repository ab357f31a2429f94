"""The fall bank on synthetic motion: what it finds, when, under which id, and what it never does."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from detectors.detection import Detection, Severity, Stage, detection_id, pack_detection, unpack_detection
from detectors.errors import DetectorError
from detectors.fall.bank import FallBank
from detectors.fall.model import FallModel
from detectors.fall.weights import shipped_model
from detectors.fall.windows import MISSING
from detectors.motion import MotionBatch
from detectors.parameters import FallParameters
from tests.detectors.signals import T0_MS, fall, frame, frames, standing, together, walking


def bank(*placements: str) -> FallBank:
    """A bank with one device per placement."""
    it = FallBank()
    for i, placement in enumerate(placements or ("waist",)):
        it.add(f"d{i}", placement=placement, person=f"p{i}")
    return it


def feed(it: FallBank, batches: Sequence[MotionBatch]) -> list[Detection]:
    """All findings of the batches about the falls themselves (what follows: test_fall_follow_up)."""
    found = [one for batch in batches for one in it.update(batch, int(batch.recv_ms.max()))]
    return [one for one in found if one.stage is not Stage.FOLLOW_UP]


def stages(found: Sequence[Detection]) -> list[str]:
    """Their stages, in order."""
    return [one.stage.value for one in found]


@pytest.mark.parametrize("placement", ["waist", "hip", "pocket", "unknown"])
@pytest.mark.parametrize("gyroscope", [True, False])
def test_a_fall_is_suspected_and_confirmed_under_one_id(placement: str, gyroscope: bool) -> None:
    """Suspected by the frame that ends 1 s after the impact, confirmed by the one that ends 2 s after it."""
    samples, impact_s = fall(peak_g=8.0)
    found = feed(bank(placement), frames(samples, gyroscope=gyroscope))
    assert stages(found) == ["suspected", "confirmed"]
    suspected, confirmed = found
    assert suspected.id == confirmed.id
    assert confirmed.onset_ms == pytest.approx(T0_MS + impact_s * 1000, abs=60)
    assert suspected.decided_ms - suspected.onset_ms <= 2_000
    assert confirmed.decided_ms - confirmed.onset_ms <= 3_000
    assert confirmed.recv_ms == confirmed.decided_ms
    assert 0.5 < confirmed.score <= 1.0


def test_a_fall_says_what_made_the_decision() -> None:
    """The features carry their units, the window holds the impact, and all of it survives the journal."""
    samples, _ = fall(peak_g=6.0)
    it = bank("wrist")
    confirmed = feed(it, frames(samples))[-1]
    assert confirmed.features["peak_g"] > 4
    assert confirmed.features["posture_change_deg"] == pytest.approx(90, abs=20)
    assert confirmed.features["missing_pct"] == 0
    assert confirmed.severity is Severity.CRITICAL, "nobody moves after this fall"
    assert confirmed.params_hash == it.params_hash
    assert (confirmed.device, confirmed.person, confirmed.detector, confirmed.kind) == ("d0", "p0", "fall", "fall")
    window = confirmed.window
    assert window is not None
    acc = np.frombuffer(window.acc, "<i2").reshape(-1, 3)
    assert len(window.gyr) == len(window.acc)
    loudest = np.linalg.norm(acc.astype(float), axis=1).argmax()
    assert window.t0_ms + loudest * 1000 / window.fs_hz == pytest.approx(confirmed.onset_ms, abs=1)
    assert unpack_detection(pack_detection(confirmed)) == confirmed


def test_walking_and_standing_raise_nothing() -> None:
    """Five minutes of steps at 1.5 g, and of standing."""
    it = bank("waist", "wrist")
    for i, samples in enumerate((walking(300), standing(300))):
        assert feed(it, frames(samples, row=i)) == []


def test_a_wearer_who_jumps_about_has_no_two_alarms_for_one_fall() -> None:
    """A second impact 2.5 s after the first is the same fall."""
    samples, _ = fall(peak_g=8.0)
    samples[round(7.1 * 50)] = [0.0, 0.0, 5.0, 0, 0, 0]
    found = feed(bank(), frames(samples))
    assert stages(found).count("confirmed") == 1


def credulous() -> FallModel:
    """A model that takes every impact for a fall."""
    heads = tuple(
        dataclasses.replace(
            head, reject_below=-99.0, suspect_above=-99.0, thresholds=dict.fromkeys(head.thresholds, 0.0)
        )
        for head in shipped_model().heads
    )
    return dataclasses.replace(shipped_model(), heads=heads)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 5.0, 20.0])
def test_a_stumble_before_the_fall_is_part_of_it(seconds: float) -> None:
    """Jolts of 2, 3, 6 and 4 g, 1.5 s apart: one alarm, at the highest, under the id that the first was suspected
    under, however the stream is cut. A jolt 6 s later is another matter."""
    samples = standing(40)
    for at_s, size_g in ((10.0, 2.0), (11.5, 3.0), (13.0, 6.0), (14.5, 4.0), (21.0, 2.5)):
        samples[round(at_s * 50), :3] = [0.0, 0.0, size_g]
    it = FallBank(credulous())
    it.add("d", placement="waist", person=None)
    found = feed(it, frames(samples, seconds=seconds))
    assert [(one.stage.value, one.onset_ms - T0_MS) for one in found] == [
        ("suspected", 10_000),
        ("confirmed", 13_000),
        ("suspected", 21_000),
        ("confirmed", 21_000),
    ]
    assert found[0].id == found[1].id
    assert found[2].id == found[3].id != found[0].id


def test_the_clock_offset_moves_the_instants_but_not_the_id() -> None:
    """The id is by the device's own clock, so that a replay with another offset finds the same."""
    samples, _ = fall(peak_g=8.0)
    plain = feed(bank(), frames(samples))[-1]
    moved = feed(bank(), frames(samples, offset_ms=3_600_000))[-1]
    assert moved.id == plain.id == detection_id("d0", "fall", 1, plain.onset_ms)
    assert moved.onset_ms - plain.onset_ms == 3_600_000
    assert moved.decided_ms - plain.decided_ms == 3_600_000
    assert moved.window is not None
    assert plain.window is not None
    assert moved.window.t0_ms - plain.window.t0_ms == 3_600_000


@pytest.mark.parametrize("seconds", [0.2, 0.5, 2.0, 10.0])
def test_how_the_stream_is_cut_into_frames_changes_no_decision(seconds: float) -> None:
    """Onset, score and features are the same for frames of 0.2 s and of 10 s."""
    samples, _ = fall(peak_g=8.0, lying_s=16.0)
    expected = feed(bank(), frames(samples))
    found = feed(bank(), frames(samples, seconds=seconds))
    assert [(d.id, d.stage, d.score, d.features) for d in found] == [
        (d.id, d.stage, d.score, d.features) for d in expected
    ]


def test_many_devices_at_once_find_what_each_finds_alone() -> None:
    """Thirty devices in one batch per second, starting at different moments, against thirty banks."""
    placements = ["waist", "wrist", "hip", "unknown", "pocket"] * 6
    streams = []
    for i in range(30):
        samples, _ = fall(peak_g=4.0 + i / 5, seed=i)
        streams.append(frames(np.concatenate([walking(i % 7 + 0.3 * (i % 3), seed=i), samples]), row=i))
    many = bank(*placements)
    found = []
    for second in range(max(map(len, streams))):
        found += many.update(together([stream[second] for stream in streams if len(stream) > second]), 0)
    alone = []
    for i, stream in enumerate(streams):
        single = FallBank()
        single.add(f"d{i}", placement=placements[i], person=f"p{i}")
        alone += [one for batch in stream for one in single.update(frame_of_row_zero(batch), 0)]
    assert len(alone) > 30
    key = {(d.id, d.stage): d for d in alone}
    assert sorted(key) == sorted((d.id, d.stage) for d in found)
    for one in found:
        other = key[one.id, one.stage]
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.window == other.window


def frame_of_row_zero(batch: MotionBatch) -> MotionBatch:
    """The same frame for a bank whose only device it is."""
    return MotionBatch(
        np.zeros_like(batch.row),
        batch.boot,
        batch.t_ms,
        batch.offset_ms,
        batch.recv_ms,
        batch.fs_hz,
        batch.acc_g,
        batch.gyr_dps,
    )


def test_several_frames_of_one_device_in_a_batch_count_one_after_another() -> None:
    """A batch with the whole stream of a device finds what second by second finds."""
    samples, _ = fall(peak_g=8.0)
    cut = frames(samples)
    found = bank().update(together(cut), 0)
    assert [(d.id, d.stage, d.score) for d in found] == [(d.id, d.stage, d.score) for d in feed(bank(), cut)]


def test_after_a_restore_at_any_moment_the_findings_are_the_same() -> None:
    """Three devices of different rates with a gap; state and restore (through pickle) after every single update."""
    streams = []
    for i, fs_hz in enumerate((50.0, 100.0, 31.5)):
        samples, _ = fall(peak_g=8.0, fs_hz=fs_hz, seed=i)
        cut = frames(samples, fs_hz=fs_hz, row=i, gyroscope=i != 1, seconds=1.0 if i < 2 else 2.0)
        del cut[1]
        streams += cut
    streams.sort(key=lambda batch: int(batch.recv_ms[0]))
    expected = feed(bank("waist", "waist", "hip"), streams)
    assert stages(expected).count("confirmed") == 3
    it, found = bank("waist", "waist", "hip"), []
    for batch in streams:
        found += it.update(batch, 0)
        state = pickle.loads(pickle.dumps(it.state()))
        it = FallBank()
        it.restore(state)
    assert found == expected


def test_a_state_is_a_copy_that_later_updates_leave_alone() -> None:
    """A bank restored from a state taken before a fall still finds the fall."""
    cut = frames(fall(peak_g=8.0)[0])
    it = bank()
    feed(it, cut[:4])
    state = it.state()
    kept = copy.deepcopy(state)
    expected = feed(it, cut[4:])
    again = FallBank()
    again.restore(state)
    assert feed(again, cut[4:]) == expected
    np.testing.assert_array_equal(state["ring"]["acc"], kept["ring"]["acc"])


def test_a_state_of_another_version_is_refused_with_what_to_do() -> None:
    """An old checkpoint must not be half read: the one of the release before, and what is no state at all."""
    for state in (bank().state() | {"format": 2}, {"format": -1}, {}):
        with pytest.raises(DetectorError, match="start afresh"):
            bank().restore(state)


def test_adding_a_device_again_changes_its_person_and_keeps_its_row() -> None:
    """The registry may reassign a device while it is worn."""
    it = bank("waist", "waist")
    assert it.add("d0", placement="hip", person="p9") == 0
    assert it.add("d2", placement="waist", person=None) == 2
    assert feed(it, frames(fall(peak_g=8.0)[0]))[-1].person == "p9"


def graded() -> FallModel:
    """A model whose thresholds are a tenth, a half and more than all."""
    thresholds = {"sensitive": 0.1, "balanced": 0.5, "quiet": 1.1}
    heads = tuple(dataclasses.replace(head, thresholds=thresholds) for head in shipped_model().heads)
    return dataclasses.replace(shipped_model(), heads=heads)


@pytest.mark.parametrize(("point", "limit"), [("sensitive", 0.1), ("balanced", 0.5), (None, 0.5)])
def test_a_device_is_judged_at_its_own_operating_point(point: str | None, limit: float) -> None:
    """Beside a device for which nothing is ever enough; the detection says which threshold was passed."""
    samples, _ = fall(peak_g=8.0)
    it = FallBank(graded())
    it.add("d0", placement="waist", person=None, operating_point=point)
    it.add("d1", placement="waist", person=None, operating_point="quiet")
    found = feed(it, [together(pair) for pair in zip(frames(samples), frames(samples, row=1), strict=True)])
    assert {(one.device, one.stage.value, one.features.get("threshold")) for one in found} == {
        ("d0", "suspected", None),
        ("d0", "confirmed", limit),
        ("d1", "suspected", None),
        ("d1", "withdrawn", 1.1),
    }


def test_the_operating_point_survives_a_restore_and_changes_with_another_add() -> None:
    """The registry may set a person more sensitive while the device is worn; a checkpoint keeps it."""
    it = FallBank(graded())
    it.add("d0", placement="waist", person=None)
    it.add("d0", placement="waist", person=None, operating_point="quiet")
    again = FallBank(graded())
    again.restore(pickle.loads(pickle.dumps(it.state())))
    assert stages(feed(again, frames(fall(peak_g=8.0)[0]))) == ["suspected", "withdrawn"]


def test_the_general_operating_point_is_that_of_the_parameters() -> None:
    """For devices that nothing was said about."""
    it = FallBank(graded(), FallParameters(operating_point="quiet"))
    it.add("d0", placement="waist", person=None)
    assert stages(feed(it, frames(fall(peak_g=8.0)[0]))) == ["suspected", "withdrawn"]


def test_an_unknown_operating_point_is_refused_with_those_there_are() -> None:
    """A misspelt setting must not silently be another one."""
    it = bank()
    with pytest.raises(DetectorError, match="'keen': take one of sensitive, balanced, quiet"):
        it.add("d9", placement="waist", person=None, operating_point="keen")
    assert len(it) == 1, "nothing was added"
    with pytest.raises(DetectorError, match="'loud'"):
        FallBank(parameters=FallParameters(operating_point="loud"))


def test_a_device_that_falls_silent_after_the_impact_is_decided_on_by_a_tick() -> None:
    """1.4 s after the impact nothing comes any more: a tick 5 s later decides, and says what was missing."""
    cut = frames(fall(peak_g=8.0)[0])[:6]
    it = bank()
    found = feed(it, cut)
    assert "confirmed" not in stages(found)
    end_ms = int(cut[-1].recv_ms[0])
    assert it.update(None, end_ms + 4_000) == []
    (late,) = it.update(None, end_ms + 5_000)
    assert late.stage in (Stage.CONFIRMED, Stage.WITHDRAWN)
    assert late.features["missing_pct"] == pytest.approx(100 * 30 / 176, abs=2)
    assert late.decided_ms == end_ms + 5_000
    whole = feed(bank(), frames(fall(peak_g=8.0)[0]))[-1]
    assert late.score < whole.score
    assert it.update(None, end_ms + 60_000) == [], "once is enough"
    assert feed(it, frames(fall(peak_g=8.0)[0])[6:]) == [], "what comes late does not decide again"


def test_a_device_that_falls_silent_with_the_impact_is_decided_on_too() -> None:
    """The frame that holds the impact is the last: the peak itself is found by the tick."""
    samples, _ = fall(peak_g=8.0)
    cut = frames(samples)[:5]
    it = bank()
    assert feed(it, cut) == []
    found = it.update(None, int(cut[-1].recv_ms[0]) + 6_000)
    assert stages(found)[0] == "suspected"
    assert found[0].features["missing_pct"] > 20


def test_a_restart_of_the_device_in_the_middle_of_a_fall_decides_on_what_there_was() -> None:
    """A new boot (the blow pulled the battery) does not lose the impact before it."""
    samples, _ = fall(peak_g=8.0)
    cut = frames(samples)
    it = bank()
    found = feed(it, cut[:6])
    after = frame(standing(1.0), t_ms=T0_MS + 9_000, boot=2)
    found += it.update(after, 0)
    assert stages(found) in (["suspected", "confirmed"], ["suspected", "withdrawn"])
    assert found[0].id == found[1].id


def damaged(kind: str) -> np.ndarray:
    """Twenty seconds of what a broken sensor sends."""
    n = 1_000
    rng = np.random.default_rng(1)
    out = {
        "zeros": np.zeros((n, 6)),
        "nan": np.full((n, 6), np.nan),
        "infinite": np.full((n, 6), np.inf),
        "saturated": np.full((n, 6), 16.0),
        "saturated at 2 g": np.full((n, 6), 2.0),
        "jumps from zero to full scale": np.repeat(rng.choice([0.0, 16.0], (n // 50, 6)), 50, axis=0),
        "noise of full scale": rng.uniform(-16, 16, (n, 6)),
        "one axis nan": np.where(np.arange(6) == 1, np.nan, standing(n / 50)),
        "upside down": -walking(n / 50),
        "quantised to 8 bits": np.round(walking(n / 50) / (4 / 128)) * (4 / 128),
        "a second of nothing": np.where((np.arange(n) % 200 < 50)[:, None], np.nan, walking(n / 50)),
    }[kind]
    return np.asarray(out, np.float32)


@pytest.mark.parametrize(
    "kind",
    [
        "zeros",
        "nan",
        "infinite",
        "saturated",
        "saturated at 2 g",
        "jumps from zero to full scale",
        "noise of full scale",
        "one axis nan",
        "upside down",
        "quantised to 8 bits",
        "a second of nothing",
    ],
)
@pytest.mark.parametrize("placement", ["waist", "wrist", "hip", "unknown"])
def test_a_broken_sensor_raises_neither_an_error_nor_an_alarm(kind: str, placement: str) -> None:
    """Each fault for 20 s between two stretches of walking, then silence."""
    samples = np.concatenate([walking(5), damaged(kind), walking(5)])
    it = bank(placement)
    for gyroscope in (True, False):
        found = feed(it, frames(samples, gyroscope=gyroscope, boot=2 + gyroscope))
        found += it.update(None, T0_MS + 10_000_000)
        assert "confirmed" not in stages(found)


def test_an_upside_down_or_turned_sensor_sees_the_same_fall() -> None:
    """All the model sees is invariant to how the sensor is turned."""
    samples, _ = fall(peak_g=8.0)
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    plain = feed(bank(), frames(samples))
    for rotation in (-np.eye(3), turn):
        turned = np.concatenate([samples[:, :3] @ rotation, samples[:, 3:] @ rotation], axis=1).astype(np.float32)
        found = feed(bank(), frames(turned))
        assert stages(found) == stages(plain)
        assert found[-1].score == pytest.approx(plain[-1].score, abs=0.02)


def test_a_recording_shorter_than_a_window_is_no_error() -> None:
    """One frame of three samples, and then silence."""
    it = bank()
    tiny = np.array([[0, 0, 5.0, 0, 0, 0]] * 3, np.float32)
    assert feed(it, [frame(tiny)]) == []
    assert "confirmed" not in stages(it.update(None, T0_MS + 60_000))


def test_a_batch_is_left_as_it_was() -> None:
    """Neither rows nor samples of a batch are written to (they are read-only here, too)."""
    names = ("row", "boot", "t_ms", "offset_ms", "recv_ms", "acc_g", "gyr_dps")
    for fs_hz in (50.0, 100.0):
        it = bank()
        for batch in frames(fall(peak_g=8.0, fs_hz=fs_hz)[0], fs_hz=fs_hz):
            before = {name: getattr(batch, name).copy() for name in names}
            for name in names:
                getattr(batch, name).setflags(write=False)
            it.update(batch, 0)
            for name in names:
                np.testing.assert_array_equal(getattr(batch, name), before[name])


def lost(share: float) -> Callable[[np.ndarray], np.ndarray]:
    """Loses single samples at random."""

    def lose(samples: np.ndarray) -> np.ndarray:
        out = samples.copy()
        out[np.random.default_rng(0).random(len(out)) < share] = np.nan
        return out

    return lose


def test_lost_samples_lower_the_confidence_and_are_reported() -> None:
    """A tenth of the samples lost: still found, a lower score, and the share missing is said."""
    samples, _ = fall(peak_g=8.0)
    whole = feed(bank(), frames(samples))[-1]
    holed = feed(bank(), frames(lost(0.1)(samples)))[-1]
    assert holed.stage is Stage.CONFIRMED
    assert holed.score < whole.score
    assert 3 < holed.features["missing_pct"] < 20
    assert holed.window is not None
    acc = np.frombuffer(holed.window.acc, "<i2").reshape(-1, 3)
    assert (acc == MISSING).all(axis=1).any()
