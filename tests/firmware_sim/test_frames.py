"""Payloads put together by hand are payloads of the wire contract."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_sim.frames import motion_body, motion_payload, with_hist
from telemetry.codec import decode_event, decode_motion, encode_json
from telemetry.messages import Event


@pytest.mark.parametrize("gyro", [False, True])
@pytest.mark.parametrize("hist", [False, True])
def test_a_patched_frame_decodes_to_what_went_in(gyro: bool, hist: bool) -> None:
    """Every field, at the ends of its range."""
    rng = np.random.default_rng(1)
    acc, gyr = (rng.integers(-32768, 32768, (50, 3)).astype(np.int16) for _ in range(2))
    body = motion_body(acc, gyr if gyro else None)
    for t, boot, seq in ((0, 0, 0), (2**53 - 1, 2**32 - 1, 2**53 - 1), (1_790_000_000_123, 77, 300)):
        payload = motion_payload(t, boot, seq, body, gyro=gyro)
        motion = decode_motion(with_hist(payload) if hist else payload)
        assert (motion.t, motion.boot, motion.seq, motion.hist) == (t, boot, seq, hist)
        assert (motion.fs, motion.lsb) == (50.0, 0.001)
        assert np.array_equal(motion.acc, acc)
        if gyro:
            assert motion.gyr is not None
            assert motion.glsb == 0.1
            assert np.array_equal(motion.gyr, gyr)
        else:
            assert motion.gyr is None


def test_json_is_marked_too_and_anything_else_is_refused() -> None:
    """A message that cannot be marked must not go out as live."""
    event = Event(t=1, boot=2, seq=3, type="sos")
    assert decode_event(with_hist(encode_json(event))).hist is True
    for payload in (b"\x8f", b"[1]", b"text"):
        with pytest.raises(ValueError, match="cannot mark"):
            with_hist(payload)
