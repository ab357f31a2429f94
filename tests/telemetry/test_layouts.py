"""Frames read by their layout against the codec: the same, or left to it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.frames import motion_body, motion_payload, with_hist
from telemetry.codec import decode_motion, encode_motion
from telemetry.errors import TelemetryError
from telemetry.layouts import Layout, Layouts, layout_of

ACC = np.arange(150, dtype=np.int16).reshape(50, 3) - 70
NOW = 1_800_000_000_000


def fixed(t: int = NOW, boot: int = 2**31, seq: int = 5, *, gyro: bool = True, shift: int = 0) -> bytes:
    """As devices with numbers of full width send it."""
    acc = ACC + np.int16(shift)
    return motion_payload(t, boot, seq, motion_body(acc, acc[::-1] if gyro else None), gyro=gyro)


def frame(**more: Any) -> bytes:
    """As an encoder packs it that saves bytes."""
    return msgspec.msgpack.encode(
        {"t": NOW, "boot": 7, "seq": 300, "fs": 50.0, "lsb": 0.001, "acc": ACC.tobytes()} | more
    )


def read(layout: Layout, payload: bytes) -> tuple[Any, ...] | None:
    """What the layout makes of a payload between other bytes; None where it does not fit."""
    data, start = np.frombuffer(b"xyz" + payload + b"z" * 8, np.uint8), np.array([3], np.int64)
    if len(payload) != layout.length or not layout.fits(data, start)[0]:
        return None
    heads = [int(column[0]) for column in layout.heads(data, start)]
    if min(heads) < 0:
        return None
    acc, gyr = layout.counts(data, start)
    gyr = None if gyr is None else gyr[0].tolist()
    return *heads, layout.hist, acc[0].tolist(), gyr, layout.fs, layout.lsb, layout.glsb


def decoded(payload: bytes) -> tuple[Any, ...]:
    """What the codec makes of it."""
    it = decode_motion(payload)
    gyr = None if it.gyr is None else it.gyr.tolist()
    return it.t, it.boot, it.seq, it.hist, it.acc.tolist(), gyr, it.fs, it.lsb, it.glsb


@pytest.mark.parametrize("gyro", [False, True])
def test_a_layout_reads_other_frames_of_the_device_as_the_codec_does(gyro: bool) -> None:
    """Another time, boot, number and motion."""
    layout = layout_of(fixed(gyro=gyro))
    assert layout is not None
    for shift in range(1, 4):
        payload = fixed(NOW + shift, shift, 2**40 + shift, gyro=gyro, shift=shift)
        assert read(layout, payload) == decoded(payload)


@pytest.mark.parametrize(
    ("seq", "other"), [(5, 126), (200, 130), (300, 65_000), (70_000, 2**32 - 1), (2**33, 2**53 - 1)]
)
def test_numbers_of_every_width_have_a_layout(seq: int, other: int) -> None:
    """An encoder that saves bytes has another layout for each."""
    layout = layout_of(frame(seq=seq))
    assert layout is not None
    assert read(layout, frame(seq=other)) == decoded(frame(seq=other))


@pytest.mark.parametrize(
    "payload",
    [
        frame(idle_until=NOW),
        frame(more=[1]),
        frame(fs="50"),
        encode_motion(t=NOW, boot=1, seq=1, fs=50, lsb=0.001, acc=ACC)[:-3],
        b'{"t":1}',
        b"",
        fixed() + b"\x00",
        b"\x87" + frame()[1:] + b"\xa3seq\x09",
    ],
    ids=["rest", "list", "text", "torn", "JSON", "nothing", "more", "a key twice"],
)
def test_what_is_not_ordinary_has_no_layout(payload: bytes) -> None:
    """Rests, lists, and whatever the codec refuses."""
    assert layout_of(payload) is None


@pytest.mark.parametrize("payload", [frame(hist=True), with_hist(fixed())])
def test_frames_from_a_buffer_have_a_layout_that_says_so(payload: bytes) -> None:
    """Live ones do not fit it."""
    layouts = Layouts()
    live, late = layouts.learn(fixed(gyro=False)), layouts.learn(payload)
    assert live is not None
    assert late is not None
    assert layouts.history[[live.number, late.number, -1]].tolist() == [False, True, False]
    assert read(late, payload) == decoded(payload)
    assert read(late, payload[:-1] + b"\xc2") is None


def test_a_number_beyond_the_contract_is_left_to_the_codec() -> None:
    """2**53 and more, in the eight bytes that it has."""
    layout = layout_of(fixed())
    assert layout is not None
    assert read(layout, fixed(t=2**53)) is None
    with pytest.raises(TelemetryError):
        decode_motion(fixed(t=2**53))


@settings(max_examples=300, deadline=None)
@given(
    payload=st.sampled_from(
        [fixed(), fixed(gyro=False), frame(), frame(hist=False, seq=3), frame(hist=True), frame(x=1.5)]
    ),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_no_change_of_a_byte_is_read_otherwise_than_by_the_codec(
    payload: bytes, changes: list[tuple[int, int]]
) -> None:
    """It is of no layout any more, or means the same to both."""
    layout = layout_of(payload)
    assert layout is not None
    changed = bytearray(payload)
    for at, byte in changes:
        changed[at % len(changed)] = byte
    found = read(layout, bytes(changed))
    if found is not None:
        assert found == decoded(bytes(changed))


def test_a_sender_of_ever_new_layouts_is_given_up() -> None:
    """Comparing with all of them would cost more than reading one by one."""
    layouts = Layouts()
    learnt = [layouts.learn(frame(lsb=0.001 + k / 1e6)) for k in range(20)]
    assert sum(one is not None for one in learnt) == 16
    assert [layouts[k] for k in range(16)] == layouts.of(len(frame()))
