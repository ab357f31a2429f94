"""A link that breaks in the middle of a fall and brings the rest of it later: the fall is found, once."""

from __future__ import annotations

import pytest

from firmware_sim.motion import LSB_G
from ingest.pipeline import Output
from telemetry.codec import encode_motion
from tests.ingest.clear_fall import FALL_S, clear_fall
from tests.ingest.test_pipeline import NOW, add, confirmed, fresh, raw

#: How often our clock is told on while nothing comes, in ms, and how far it lies behind then.
_TICK_MS, _BEHIND_MS = 250, 500


def play(cut_ms: int, away_ms: int, *, hist: bool) -> Output:
    """Frames of half a second, so that a cut may lie anywhere; those completed while the link is away come after it:
    from the device's buffer (``hist``), or as they were made, when it is the broker that had them."""
    small = [half for frame in clear_fall() for half in (frame[:25], frame[25:])]
    pipeline, total = fresh(), Output()
    back_ms = cut_ms + away_ms
    arrivals = []
    for k in range(len(small)):
        made_ms = (k + 1) * 500
        held = cut_ms < made_ms <= back_ms
        arrivals.append((back_ms + k if held else made_ms + 50, k, hist and held))
    told_ms = 0
    for recv_ms, k, kept in sorted(arrivals):
        while told_ms + _TICK_MS < recv_ms - _BEHIND_MS:
            told_ms += _TICK_MS
            add(total, pipeline.advance(NOW + told_ms))
        payload = encode_motion(t=NOW + k * 500, boot=7, seq=k, fs=50, lsb=LSB_G, acc=small[k], hist=kept)
        pipeline.feed([raw("w1", "motion", payload, NOW + recv_ms)])
        add(total, pipeline.advance())
    add(total, pipeline.advance(NOW + back_ms + 300_000))
    return total


@pytest.mark.parametrize("hist", [False, True], ids=["gateway's link", "device's link"])
@pytest.mark.parametrize("away_s", [2, 6, 60])
@pytest.mark.parametrize("after_ms", [-1000, -500, 0, 500, 1000, 1500, 2000])
def test_a_fall_is_found_wherever_a_link_breaks(away_s: int, after_ms: int, hist: bool) -> None:
    """Longer than the silence after which what is there is looked at, and shorter; around the impact."""
    out = play(FALL_S * 1000 + after_ms, away_s * 1000, hist=hist)
    (fall,) = confirmed(out)
    assert abs(fall.onset_ms - NOW - FALL_S * 1000) < 1_000
    stages = [one.stage.value for one in out.detections if one.kind == "fall" and one.id == fall.id]
    assert "withdrawn" not in stages


def test_what_never_comes_is_decided_on_in_the_end() -> None:
    """The device dies half a second after the impact: two minutes later nothing can come that would be live."""
    small = [half for frame in clear_fall() for half in (frame[:25], frame[25:])]
    pipeline, total = fresh(), Output()
    for k in range(FALL_S * 2 + 1):
        payload = encode_motion(t=NOW + k * 500, boot=7, seq=k, fs=50, lsb=LSB_G, acc=small[k])
        pipeline.feed([raw("w1", "motion", payload, NOW + k * 500 + 550)])
        add(total, pipeline.advance())
    for s in range(FALL_S + 1, FALL_S + 130):
        add(total, pipeline.advance(NOW + s * 1000))
    falls = [(one.stage.value, one.decided_ms) for one in total.detections if one.kind == "fall"]
    assert [stage for stage, _ in falls] == ["suspected", "withdrawn"]
    silent_ms = falls[-1][1] - NOW - FALL_S * 1000
    assert 119_000 <= silent_ms <= 125_000
