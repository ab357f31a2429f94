"""Live or late, whatever the device's clock says."""

from __future__ import annotations

import pytest

from ingest.clock import LIVE_WITHIN_MS, DeviceClock, Timing

NOW = 1_800_000_000_000
HOUR = 3_600_000


def say(clock: DeviceClock, t_ms: int, recv_ms: int, *, boot: int = 1, birth: bool = False, hist: bool = False,
        down_since_ms: int | None = None) -> Timing:  # fmt: skip
    """One message through the clock."""
    return clock.judge(boot=boot, t_ms=t_ms, recv_ms=recv_ms, birth=birth, hist=hist, down_since_ms=down_since_ms)


@pytest.mark.parametrize(
    ("off_ms", "name"),
    [(0, "right"), (8 * HOUR, "8 h behind"), (-8 * HOUR, "8 h ahead"), (NOW - 5_000, "in 1970"), (90_000, "90 s off")],
)
def test_a_birth_message_makes_the_first_frame_live_whatever_the_clock(off_ms: int, name: str) -> None:
    """After the birth message a frame made now is live and, when the clock is wrong, stored at our time."""
    clock = DeviceClock()
    say(clock, NOW - off_ms, NOW + 40, birth=True)
    frame = say(clock, NOW + 1_000 - off_ms, NOW + 1_050)
    assert frame.live, name
    stored_ms = NOW + 1_000 - off_ms + frame.offset_ms
    if abs(off_ms) > LIVE_WITHIN_MS:
        assert abs(stored_ms - NOW - 1_000) < 100
    else:
        assert frame.offset_ms == 0


@pytest.mark.parametrize("off_ms", [-8 * HOUR, NOW - 5_000])
def test_a_clock_that_cannot_be_late_is_live_without_a_birth_message(off_ms: int) -> None:
    """From the future, or from before any broker kept messages: only the clock can be wrong."""
    assert say(DeviceClock(), NOW - off_ms, NOW).live


def test_a_clock_8_h_behind_without_birth_is_live_after_three_seconds() -> None:
    """A backlog drains and its delay shrinks; a wrong clock's stands still."""
    clock = DeviceClock()
    verdicts = [say(clock, NOW + k * 1_000 - 8 * HOUR, NOW + k * 1_000 + 30).live for k in range(6)]
    assert verdicts == [False, False, False, True, True, True]


def test_a_backlog_of_an_unknown_boot_is_late_until_it_has_drained() -> None:
    """An hour of frames that the broker kept, delivered within two seconds."""
    clock = DeviceClock()
    verdicts = [say(clock, NOW - HOUR + k * 1_000, NOW + k // 2).live for k in range(0, 3_600, 10)]
    assert not any(verdicts[: int(len(verdicts) * 0.95)])
    assert say(clock, NOW + 10_000, NOW + 10_020).live


def test_a_backlog_of_a_known_boot_is_late() -> None:
    """The running offset of the boot is known, so what comes an hour late is late."""
    clock = DeviceClock()
    assert say(clock, NOW, NOW + 20).live
    assert not say(clock, NOW + 1_000, NOW + HOUR).live
    assert say(clock, NOW + HOUR + 1_000, NOW + HOUR + 1_030).live


def test_a_birth_message_that_waited_out_our_own_outage_is_late_not_a_wrong_clock() -> None:
    """The device started while the gateway was away for two hours; the broker kept its birth and its frames."""
    clock = DeviceClock()
    down_since = NOW - 2 * HOUR
    say(clock, NOW - HOUR, NOW, birth=True, down_since_ms=down_since)
    frame = say(clock, NOW - HOUR + 1_000, NOW, down_since_ms=down_since)
    assert not frame.live
    assert frame.offset_ms == 0
    assert say(clock, NOW + 500, NOW + 530, down_since_ms=down_since).live


def test_hist_is_late_and_teaches_the_clock_nothing() -> None:
    """A buffered frame says so itself."""
    clock = DeviceClock()
    assert not say(clock, NOW - 8 * HOUR, NOW, hist=True).live
    assert say(clock, NOW, NOW + 20).live


@pytest.mark.parametrize("step_ms", [NOW - 9_000_000, 8 * HOUR, -8 * HOUR])
def test_a_clock_that_is_set_stays_live(step_ms: int) -> None:
    """The device starts with a clock off by ``step_ms`` and sets it: frames stay live, and are stored right."""
    clock = DeviceClock()
    say(clock, NOW - step_ms, NOW, birth=True)
    verdicts = [say(clock, NOW + k * 1_000, NOW + k * 1_000 + 20) for k in range(1, 8)]
    assert verdicts[-1].live
    assert verdicts[-1].offset_ms == 0


def test_a_slow_drift_stays_live_for_days() -> None:
    """40 ppm over three days are 10 s; the running offset follows."""
    clock = DeviceClock()
    for minute in range(0, 3 * 24 * 60, 10):
        recv = NOW + minute * 60_000
        assert say(clock, recv - int(minute * 60_000 * 40e-6), recv).live


def test_a_delay_of_one_minute_is_live_and_of_three_is_not() -> None:
    """The limit is 120 s from the running offset."""
    clock = DeviceClock()
    say(clock, NOW, NOW + 10)
    assert say(clock, NOW + 1_000, NOW + 61_000).live
    assert not say(clock, NOW + 2_000, NOW + 182_000).live


def test_peek_changes_nothing() -> None:
    """A will or a retained status must not seed a clock."""
    clock = DeviceClock()
    assert clock.peek(7) == Timing(False, 0)
    assert clock.boots == []
