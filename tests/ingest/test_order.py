"""Repetitions and order: sequence windows and the two-second reorder buffer."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.dedupe import WINDOW, SeenSequence
from ingest.reorder import HELD_MAX, WAIT_MS, Frame, Reorderer
from telemetry.codec import Motion


def frame(seq: int, recv_ms: int = 0, boot: int = 1, row: int = 0) -> Frame:
    """A frame of which only the order matters."""
    motion = Motion(seq * 1000, boot, seq, False, 50.0, 0.001, np.zeros((1, 3), np.int16), 1.0, None, None)
    return Frame(row, recv_ms, 0, motion)


@given(st.lists(st.integers(0, WINDOW // 2), max_size=200))
def test_a_sequence_number_is_taken_exactly_once(numbers: list[int]) -> None:
    """Any order, any repetition, within the window."""
    seen = SeenSequence()
    taken = [seq for seq in numbers if seen.take(1, seq)]
    assert sorted(taken) == sorted(set(numbers))


def test_a_number_far_behind_is_taken_rather_than_lost() -> None:
    """Beyond the window nothing can be known; dropping could lose a message."""
    seen = SeenSequence()
    assert seen.take(1, 10_000)
    assert seen.take(1, 10_000 - WINDOW - 1)


def test_boots_are_told_apart_and_old_ones_remembered() -> None:
    """Frames of an earlier boot still come from the device's buffer."""
    seen = SeenSequence()
    assert seen.take(1, 5)
    assert seen.take(2, 5)
    assert not seen.take(1, 5)
    assert not seen.take(2, 5)


def test_gaps_are_counted() -> None:
    """Two of seven numbers never came."""
    seen = SeenSequence()
    for seq in (0, 1, 3, 4, 6):
        seen.take(1, seq)
    assert seen.newest_gaps() == 2


def test_state_survives_a_checkpoint() -> None:
    """The saved state knows what was taken."""
    seen = SeenSequence()
    for seq in range(10):
        seen.take(1, seq)
    again = SeenSequence(seen.state())
    assert not again.take(1, 3)
    assert again.take(1, 10)


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_frames_come_out_in_order(seed: int) -> None:
    """Frames displaced by at most five places."""
    rng = random.Random(seed)
    order = sorted(range(1, 200), key=lambda k: k + rng.uniform(0, 5))
    reorder, out = Reorderer(), []
    reorder.push(frame(0), out)
    for seq in order:
        assert reorder.push(frame(seq), out)
    assert [f.motion.seq for f in out] == list(range(200))


def test_a_missing_frame_is_waited_for_two_seconds_and_no_longer() -> None:
    """Then those behind it are released and it is too late."""
    reorder, out = Reorderer(), []
    reorder.push(frame(0, 0), out)
    reorder.push(frame(2, 100), out)
    reorder.expire(100 + WAIT_MS - 1, out)
    assert [f.motion.seq for f in out] == [0]
    reorder.expire(100 + WAIT_MS, out)
    assert [f.motion.seq for f in out] == [0, 2]
    assert not reorder.push(frame(1, 2_200), out)


def test_a_restart_releases_what_was_held() -> None:
    """A new boot begins a new order."""
    reorder, out = Reorderer(), []
    for one in (frame(0), frame(2), frame(3), frame(0, boot=9)):
        reorder.push(one, out)
    assert [(f.motion.boot, f.motion.seq) for f in out] == [(1, 0), (1, 2), (1, 3), (9, 0)]


def test_a_hostile_sequence_fills_no_memory() -> None:
    """Numbers with gaps everywhere are released beyond a bound."""
    reorder, out = Reorderer(), []
    for k in range(1_000):
        reorder.push(frame(2 * k), out)
    assert len(out) >= 1_000 - HELD_MAX - 1
