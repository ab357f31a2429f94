"""Ranges of what was published, and the comparison of what a system reported with what happened."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.ranges import Ranges
from firmware_sim.scoring import Found, match
from firmware_sim.truth import Fall, Press, Published, Truth

T = 1_790_000_000_000


def truth(falls: list[Fall], sos: list[Press] | None = None) -> Truth:
    """A run with these falls and presses."""
    return Truth(
        scenario="test",
        source="synthetic",
        seed=1,
        start_ms=T,
        end_ms=T + 60_000,
        devices=3,
        falls=falls,
        sos=sos or [],
        published=[Published(device="w-1", stream="motion", boot=9, seq=[(0, 2), (5, 5)])],
    )


def fall(at_s: float, device: str = "w-1", person: str | None = "p-1") -> Fall:
    """A fall, seconds into the run."""
    return Fall(device=device, person=person, impact_ms=T + int(at_s * 1000), motion="synthetic/x")


def found(at_s: float, told_s: float | None = None, device: str | None = "w-1", **other: object) -> Found:
    """A reported fall."""
    told_ms = None if told_s is None else T + int(told_s * 1000)
    return Found(
        **{"kind": "fall", "device": device, "onset_ms": T + int(at_s * 1000), "notified_ms": told_ms, **other}
    )


@given(st.lists(st.integers(0, 40)))
def test_ranges_are_a_set_in_any_order(numbers: list[int]) -> None:
    """Same members as a set; as few ranges as can be."""
    ranges = Ranges()
    seen: set[int] = set()
    for number in numbers:
        assert ranges.add(number) is (number not in seen)
        seen.add(number)
        assert list(ranges) == sorted(seen)
    assert all(number in ranges for number in seen)
    assert len(ranges) == len(seen)
    pairs = ranges.pairs()
    assert all(before[1] + 1 < after[0] for before, after in pairwise(pairs))


def test_a_fall_is_found_within_two_and_a_half_seconds_of_its_impact() -> None:
    """At the edge it counts, beyond it is one missed and one false alarm."""
    score = match(truth([fall(10), fall(20)]), [found(12.5), found(22.501)])
    assert (score.falls_injected, score.falls_detected) == (2, 1)
    assert [missed.impact_ms for missed in score.falls_missed] == [T + 20_000]
    assert [alarm.onset_ms for alarm in score.false_alarms] == [T + 22_501]


def test_a_report_hits_the_nearest_fall_of_its_own_device_or_person() -> None:
    """Another device's alarm at the same moment is a false one; a person's second device counts."""
    happened = truth([fall(10), fall(13)])
    score = match(happened, [found(11.4), found(11.6), found(10, device="w-2"), found(10.2, device=None, person="p-1")])
    assert score.falls_detected == 2
    assert [alarm.device for alarm in score.false_alarms] == ["w-2"]
    assert len(score.duplicates) == 1


def test_latency_runs_from_the_impact_to_the_first_notification() -> None:
    """A fall that nobody was told of has none; calls are counted apart."""
    sos = [Press(device="b-1", person="p-2", boot=1, seq=0, pressed_ms=T + 30_000)]
    reports = [
        found(10, 13.5),
        found(10, 12.0),
        found(20, 24.0),
        found(40),
        Found(kind="sos", device="b-1", onset_ms=T + 30_000, notified_ms=T + 30_400),
        Found(kind="device_silent", device="b-1", onset_ms=T),
    ]
    score = match(truth([fall(10), fall(20), fall(40)], sos), reports)
    assert score.falls_detected == 3
    assert (score.impact_to_notified_s.p50, score.impact_to_notified_s.max) == (3.0, 4.0)
    assert score.press_to_notified_s.max == 0.4
    assert (score.sos_detected, score.sos_missed, score.false_alarms) == (1, [], [])


def test_nothing_reported_is_everything_missed() -> None:
    """And no figures are made up."""
    score = match(truth([fall(10)]), [])
    assert (score.falls_detected, score.impact_to_notified_s.p95) == (0, None)


def test_the_truth_file_reads_back_as_it_was(tmp_path: Path) -> None:
    """Keys are the unique messages that the broker took."""
    written = truth([fall(10)])
    written.save(tmp_path / "truth.json")
    read = Truth.load(tmp_path / "truth.json")
    assert read == written
    assert read.messages_published == 4
    assert list(read.keys()) == [("w-1", "motion", 9, seq) for seq in (0, 1, 2, 5)]
    (tmp_path / "wrong.json").write_text('{"scenario": 1}')
    with pytest.raises(ValueError, match="Expected"):
        Truth.load(tmp_path / "wrong.json")
