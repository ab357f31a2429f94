"""The minute after a fall: what became of the wearer, on synthetic motion and on spliced recordings."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from detectors.detection import Detection, Severity, Stage, pack_detection, unpack_detection
from detectors.errors import DetectorError
from detectors.fall.bank import FallBank
from detectors.fall.recordings import Stream, batches, read_folder
from detectors.motion import MotionBatch
from detectors.parameters import FollowUpParameters
from tests.detectors.signals import T0_MS, Samples, fall, frame, frames, standing, together, walking
from tests.detectors.test_fall_bank import credulous
from tests.servers.require import data_root

FALL_S = 4.6  # where the impact of signals.fall lies


def turned(samples: Samples) -> Samples:
    """The same motion of a body that lies: gravity along z."""
    out = samples.copy()
    out[:, 1] -= -1.0
    out[:, 2] += 1.0
    return out


def stirring(seconds: float) -> Samples:
    """Lying, and stirring at no rhythm."""
    out = turned(standing(seconds))
    rng = np.random.default_rng(5)
    slow = np.repeat(rng.normal(0, 0.15, (len(out) // 10 + 1, 3)), 10, axis=0)[: len(out)]
    out[:, :3] += slow.astype(np.float32)
    return out


def shaken(seconds: float, hz: float) -> Samples:
    """Lying, and moved up and down in a rhythm: a seizure, a helper at work."""
    out = turned(standing(seconds))
    out[:, 2] += (0.3 * np.sin(2 * np.pi * hz * np.arange(len(out)) / 50)).astype(np.float32)
    return out


def sitting_up(seconds: float) -> Samples:
    """The posture of before, and movement at no rhythm: sitting on the floor."""
    out = stirring(seconds)
    out[:, 1] -= 1.0
    out[:, 2] -= 1.0
    return out


def after(*parts: Samples, peak_g: float = 8.0, lying_s: float = 6.0) -> Samples:
    """A fall, lying still, and what follows."""
    return np.concatenate([fall(peak_g=peak_g, lying_s=lying_s)[0], *parts])


def bank(*placements: str) -> FallBank:
    """A bank with one device per placement, for which every impact is a fall: the weights do not matter here."""
    it = FallBank(credulous())
    for i, placement in enumerate(placements or ("waist",)):
        it.add(f"d{i}", placement=placement, person=f"p{i}")
    return it


def feed(it: FallBank, cut: Sequence[MotionBatch]) -> list[Detection]:
    """All findings of the batches."""
    return [one for batch in cut for one in it.update(batch, int(batch.recv_ms.max()))]


def ends(found: Sequence[Detection]) -> list[Detection]:
    """The follow-ups."""
    return [one for one in found if one.stage is Stage.FOLLOW_UP]


def outcomes(found: Sequence[Detection]) -> list[str]:
    """What they say."""
    return [one.notes["outcome"] for one in ends(found)]


MINUTES = {
    "lies still": (turned(standing(60)), "no_movement", Severity.CRITICAL),
    "stirs": (stirring(60), "still_lying", Severity.CRITICAL),
    "gets up and walks": (walking(60), "got_up", Severity.WARNING),
    "lies for half a minute, then walks": (
        np.concatenate([turned(standing(30)), walking(30)]),
        "got_up",
        Severity.WARNING,
    ),
    "sits up and moves": (sitting_up(60), "still_lying", Severity.CRITICAL),
    "is shaken twice a second": (shaken(60, 2.0), "still_lying", Severity.CRITICAL),
    "stands up without a step": (standing(60), "no_movement", Severity.CRITICAL),
}


@pytest.mark.parametrize("placement", ["waist", "hip", "pocket", "wrist", "unknown"])
@pytest.mark.parametrize("what", MINUTES)
def test_a_minute_after_the_fall_its_outcome_is_told_once(what: str, placement: str) -> None:
    """Under the id and onset of the fall, within a minute of the impact and a frame; who walks is told of before."""
    samples, outcome, severity = MINUTES[what]
    found = feed(bank(placement), frames(after(samples)))
    assert [one.stage.value for one in found] == ["suspected", "confirmed", "follow_up"]
    _, confirmed, end = found
    assert (end.id, end.onset_ms, end.person, end.kind) == (confirmed.id, confirmed.onset_ms, "p0", "fall")
    assert (end.notes, end.severity) == ({"outcome": outcome}, severity)
    waited_s = (end.decided_ms - end.onset_ms) / 1000
    assert waited_s <= 61.1
    assert (waited_s < 55) is (outcome == "got_up")
    assert end.window is None
    assert unpack_detection(pack_detection(end)) == end


def test_the_figures_say_what_was_seen() -> None:
    """Named with their units, for people to check."""
    (still,) = ends(feed(bank(), frames(after(turned(standing(60))))))
    assert still.features["moved_pct"] == 0
    assert still.features["rest_std_g"] < 0.03
    assert still.features["seen_s"] == still.features["watched_s"] == 56
    assert still.features["lying_turned_deg"] == pytest.approx(90, abs=10)
    assert still.features["end_turned_deg"] == pytest.approx(90, abs=10)
    assert (still.features["walked_s"], still.features["upright_s"]) == (0, 0)
    (up,) = ends(feed(bank(), frames(after(walking(60)))))
    assert up.features["walked_s"] >= 3
    assert up.features["end_turned_deg"] < 20
    (wrist,) = ends(feed(bank("wrist"), frames(after(walking(60)))))
    assert "lying_turned_deg" not in wrist.features, "a wrist turns by itself"


def test_a_fall_that_hardly_turned_the_wearer_is_no_getting_up_by_posture() -> None:
    """Upright before, at the impact and after it, and moving: steps are what is missing."""
    samples = np.concatenate([walking(10), sitting_up(70)])
    samples[500:504, :3] = [0.0, -6.0, 0.0]
    found = feed(bank(), frames(samples))
    assert outcomes(found) == ["still_lying"]
    assert ends(found)[0].features["lying_turned_deg"] < 30


@pytest.mark.parametrize("seconds", [0.2, 0.5, 2.0, 10.0, 30.0])
def test_how_the_stream_is_cut_into_frames_changes_no_outcome(seconds: float) -> None:
    """Two falls 24 s apart, then walking: the same outcomes and figures for frames of 0.2 s and of 30 s."""
    samples = np.concatenate([after(walking(12)), after(turned(standing(10)), walking(40), peak_g=9.0)])
    samples = samples[: len(samples) // 1500 * 1500]
    expected = ends(feed(bank(), frames(samples)))
    assert outcomes(expected) == ["got_up", "got_up"]
    found = ends(feed(bank(), frames(samples, seconds=seconds)))
    assert [(one.id, one.notes, one.features) for one in found] == [
        (one.id, one.notes, one.features) for one in expected
    ]


@pytest.mark.parametrize("seconds", [0.2, 1.0, 10.0, 20.0])
def test_a_second_fall_ends_the_watch_of_the_first_with_what_it_had(seconds: float) -> None:
    """Twenty seconds of lying say nothing yet; the second fall is watched for a minute of its own."""
    again = after(turned(standing(80)), peak_g=9.0)[4 * 50 :]  # without the steps before it
    samples = np.concatenate([after(turned(standing(10))), standing(4), again])
    found = feed(bank(), frames(samples, seconds=seconds))
    first, second = ends(found)
    assert (first.notes["outcome"], second.notes["outcome"]) == ("unknown", "no_movement")
    assert first.id != second.id
    assert first.severity is Severity.CRITICAL, "that of its confirmation"
    assert first.features["seen_s"] == 18, "all whole seconds before the second impact"
    confirmed = [one for one in found if one.stage is Stage.CONFIRMED]
    assert [one.id for one in confirmed] == [first.id, second.id]
    assert found.index(first) < found.index(confirmed[1])


def test_a_device_that_falls_silent_leaves_the_outcome_unknown() -> None:
    """Told by a tick when the minute and the time of silence have passed, once, as urgent as it was."""
    it = bank()
    cut = frames(after(turned(standing(10))))
    assert ends(feed(it, cut)) == []
    confirmed_ms = T0_MS + round(FALL_S * 1000)
    assert it.update(None, confirmed_ms + 64_000) == []
    (end,) = it.update(None, confirmed_ms + 65_100)
    assert (end.notes["outcome"], end.severity, end.stage) == ("unknown", Severity.CRITICAL, Stage.FOLLOW_UP)
    assert end.decided_ms == confirmed_ms + 65_100
    assert end.recv_ms == int(cut[-1].recv_ms[0])
    assert it.update(None, confirmed_ms + 200_000) == []


def test_a_device_that_falls_silent_late_has_said_enough() -> None:
    """Forty seconds without movement, then nothing more."""
    it = bank()
    feed(it, frames(after(turned(standing(36)))))
    assert outcomes(it.update(None, T0_MS + 200_000)) == ["no_movement"]


def test_half_of_the_seconds_with_holes_leave_the_outcome_unknown() -> None:
    """A quarter of the samples lost in two seconds of three; steps that were seen are seen all the same."""
    rng = np.random.default_rng(0)
    lost = (np.arange(66 * 50) // 50 % 3 > 0) & (rng.random(66 * 50) < 0.4)
    still = turned(standing(66))
    still[lost] = np.nan
    (end,) = ends(feed(bank(), frames(after(still))))
    assert end.notes["outcome"] == "unknown"
    assert end.features["seen_s"] < 30
    steps = walking(66)
    steps[: 30 * 50][lost[: 30 * 50]] = np.nan
    assert outcomes(feed(bank(), frames(after(steps)))) == ["got_up"]


@pytest.mark.parametrize("boot", [1, 2])
@pytest.mark.parametrize(("away_s", "outcome"), [(5, "no_movement"), (12, "no_movement"), (40, "unknown")])
def test_a_stream_that_breaks_off_is_watched_on_when_it_comes_back(boot: int, away_s: int, outcome: str) -> None:
    """A gap, or a reboot (the blow pulled the battery): the minute goes on by the clock, what is missing is missing."""
    cut = frames(after(turned(standing(60))))
    kept = cut[:14]
    back = cut[14 + away_s :]
    if boot == 2:
        back = frames(turned(standing(60 - away_s)), t_ms=T0_MS + (14 + away_s) * 1000, boot=2)
    it = bank()
    (end,) = ends(feed(it, kept + back))
    assert end.notes["outcome"] == outcome
    assert end.features["seen_s"] == pytest.approx(56 - away_s, abs=1)
    assert end.decided_ms - end.onset_ms == pytest.approx(60_000, abs=1_500)


def test_a_clock_that_was_set_back_does_not_lengthen_the_watch() -> None:
    """An hour back in the middle of the minute: the watch goes on as if no time had passed between."""
    still = turned(standing(70))
    cut = frames(after())[:14] + frames(still, t_ms=T0_MS - 3_600_000)
    (end,) = ends(feed(bank(), cut))
    assert (end.notes["outcome"], end.features["seen_s"]) == ("no_movement", 56)


def test_a_clock_that_was_set_ahead_ends_the_watch() -> None:
    """An hour ahead without a word of why: of what was between nothing is known."""
    cut = frames(after())[:14] + frames(turned(standing(5)), t_ms=T0_MS + 3_600_000)
    assert outcomes(feed(bank(), cut)) == ["unknown"]


def test_after_a_restore_at_any_moment_the_outcomes_are_the_same() -> None:
    """Three devices of different rates; state and restore (through pickle) after every single update."""
    streams = []
    for i, (fs_hz, (minute, _, _)) in enumerate(zip((50.0, 100.0, 31.5), list(MINUTES.values()), strict=False)):
        count = round(66 * fs_hz)
        lying, _ = fall(fs_hz=fs_hz, peak_g=8.0, lying_s=6.0, seed=i)
        rest = minute[(np.arange(count) * 50 / fs_hz).astype(int) % len(minute)]
        streams += frames(
            np.concatenate([lying, rest]), fs_hz=fs_hz, row=i, gyroscope=i != 1, seconds=1.0 if i < 2 else 2.0
        )
    streams.sort(key=lambda batch: int(batch.recv_ms[0]))
    placements = ("waist", "wrist", "hip")
    expected = feed(bank(*placements), streams)
    assert sorted(outcomes(expected)) == ["got_up", "no_movement", "still_lying"]
    it, found = bank(*placements), []
    for batch in streams:
        found += it.update(batch, 0)
        state = pickle.loads(pickle.dumps(it.state()))
        it = FallBank(credulous())
        it.restore(state)
    assert found == expected


def test_watches_of_another_length_are_refused_with_what_to_do() -> None:
    """A release that watches for longer must not read half of them."""
    it = bank()
    feed(it, frames(after())[:10])
    other = FallBank(follow_up=FollowUpParameters(watch_s=90.0))
    with pytest.raises(DetectorError, match="58 s, not 88: start afresh"):
        other.restore(it.state())


def test_many_wearers_at_once_end_as_each_ends_alone() -> None:
    """Twenty in one batch per second, falling at different moments."""
    kinds = list(MINUTES.values())
    placements = ["waist", "wrist", "hip", "unknown"] * 5
    streams = [
        frames(np.concatenate([walking(i % 6 + 0.3 * (i % 3), seed=i), after(kinds[i % len(kinds)][0])]), row=i)
        for i in range(20)
    ]
    many = bank(*placements)
    found = []
    for second in range(max(map(len, streams))):
        found += many.update(together([stream[second] for stream in streams if len(stream) > second]), 0)
    together_said = {one.device: (one.notes, one.features) for one in ends(found)}
    assert len(together_said) == 20
    for i, stream in enumerate(streams):
        single = bank(*placements)
        (alone,) = ends(feed(single, stream))
        notes, features = together_said[f"d{i}"]
        assert notes == alone.notes
        assert features == pytest.approx(alone.features, abs=1e-3)


def test_steps_at_any_rate_are_steps() -> None:
    """Walking as sensors of 25, 31.5, 100 and 200 Hz measure it."""
    for fs_hz in (25.0, 31.5, 100.0, 200.0):
        lying, _ = fall(fs_hz=fs_hz, peak_g=8.0, lying_s=6.0)
        cut = frames(np.concatenate([lying, walking(60, fs_hz=fs_hz)]), fs_hz=fs_hz, seconds=2.0)
        assert outcomes(feed(bank(), cut)) == ["got_up"], fs_hz


def test_a_follow_up_of_the_historical_bank_is_marked_as_such() -> None:
    """What comes out of a device's buffer."""
    found = feed(bank(), frames(after(walking(60)), historical=True))
    assert [one.historical for one in found] == [True, True, True]


def test_a_frame_without_samples_does_no_harm() -> None:
    """While somebody is watched."""
    it = bank()
    cut = frames(after(turned(standing(60))))
    feed(it, cut[:14])
    it.update(frame(np.zeros((0, 6), np.float32), t_ms=T0_MS + 14_000), 0)
    assert outcomes(feed(it, cut[14:])) == ["no_movement"]


FOLDER = data_root() / "falls"
#: (data set, activities that are walking, activities in which nobody takes a step) for the splices.
SPLICES = [
    ("sisfall", {"D01"}, {"D07", "D11", "D12", "D14"}),
    ("weda", {"D01", "D03"}, {"D04", "D05", "D09", "D10"}),
]


@pytest.fixture(scope="module")
def recordings() -> dict[str, list[Stream]]:
    """The streams of the recordings by data set."""
    if not (FOLDER / "index.csv").is_file():
        pytest.skip(f"no recordings in {FOLDER}: set CARECIRCLE_DATA to the folder that has falls/")
    folder = read_folder(Path(FOLDER))
    return {name: [s for s in folder.streams if s.dataset == name] for name, _, _ in SPLICES}


def spliced(stream: Stream, fell: int, then: int | None) -> Stream:
    """A recorded fall, 8 s of lying, and another recording of the same person again and again to a minute; without
    one the last sample, with the noise of a sensor."""
    rng = np.random.default_rng(fell)

    def part(index: int) -> np.ndarray:
        it = stream.recordings[index]
        return stream.acc[it.start : it.start + it.samples]

    def still(last: np.ndarray, seconds: float) -> np.ndarray:
        n = round(seconds * 50)
        return (np.repeat(last[None], n, axis=0) + rng.normal(0, 8, (n, 3))).astype(np.int16)

    impact = round((stream.recordings[fell].impact_s or 0.0) * 50)
    lying = part(fell)[: impact + 200]
    lying = np.concatenate([still(lying[0], 3), lying, still(lying[-1], 5)])
    rest = (
        still(lying[-1], 60)
        if then is None
        else np.tile(part(then), (60 * 50 // stream.recordings[then].samples + 1, 1))
    )
    return Stream(
        stream.dataset,
        f"{stream.subject}/{fell}/{then}",
        stream.placement,
        np.concatenate([lying, rest[: 60 * 50]]),
        None,
        (),
    )


def told(streams: list[Stream]) -> Counter[str]:
    """What the bank says of the first fall of each, counted."""
    it = FallBank()
    for stream in streams:
        it.add(stream.name, placement=stream.placement, person=None)
    found = [one for second in batches(streams, start_ms=T0_MS) for batch in second for one in it.update(batch, 0)]
    first: dict[str, str] = {}
    for one in found:
        if one.stage is Stage.CONFIRMED:
            first.setdefault(one.device, one.id)
    return Counter(one.notes["outcome"] for one in ends(found) if one.id == first[one.device])


@pytest.mark.parametrize(("dataset", "steps", "no_steps"), SPLICES)
def test_real_falls_with_a_real_minute_behind_them_end_as_they_should(
    recordings: dict[str, list[Stream]], dataset: str, steps: set[str], no_steps: set[str]
) -> None:
    """Held still, walking, and moving without a step, each of the same person: half of the people, no thresholds were
    chosen with. Nobody who took no step has got up."""
    still, walked, moved = [], [], []
    for stream in recordings[dataset][1::2]:
        by = {}
        for i, recording in enumerate(stream.recordings):
            by.setdefault((recording.is_fall, recording.activity), i)
        fallen = [i for (is_fall, _), i in by.items() if is_fall][:4]
        for j, fell in enumerate(fallen):
            still.append(spliced(stream, fell, None))
            walked += [spliced(stream, fell, by[False, a]) for a in sorted(steps) if (False, a) in by]
            chosen = [a for a in sorted(no_steps) if (False, a) in by]
            moved += [spliced(stream, fell, by[False, a]) for a in chosen[j::4]]
    held = told(still)
    assert held["no_movement"] >= 0.95 * held.total() > 10
    up = told(walked)
    assert up["got_up"] >= 0.7 * up.total() > 10
    others = told(moved)
    assert others.total() > 10
    assert others["got_up"] == 0
    assert others["still_lying"] >= 0.8 * others.total()
