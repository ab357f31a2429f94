"""What is encoded is decoded to the same, in both encodings; packed samples are not copied."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from telemetry.codec import (
    decode,
    decode_command,
    decode_event,
    decode_home,
    decode_motion,
    decode_status,
    decode_vitals,
    encode_json,
    encode_motion,
    encode_msgpack,
)
from telemetry.commands import Outgoing, pack_command, unpack_command
from telemetry.errors import Reason, TelemetryError
from telemetry.messages import MAX_SAMPLES, Command, Event, Home, ListedMotion, Message, Status, Vitals
from telemetry.topics import Stream

DECODERS: dict[type[Message | Command], Callable[[bytes], object]] = {
    Vitals: decode_vitals,
    Home: decode_home,
    Event: decode_event,
    Status: decode_status,
    Command: decode_command,
}

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
_unit = st.none() | st.floats(0, 1)
_head = {
    "t": st.integers(0, 2**53 - 1),
    "boot": st.integers(0, 2**32 - 1),
    "seq": st.integers(0, 2**53 - 1),
    "hist": st.booleans(),
}
_name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
MESSAGES = st.one_of(
    st.builds(Vitals, **_head, hr=st.none() | st.floats(0, 400), temp=st.none() | st.floats(-50, 150), quality=_unit,
              o2=st.none() | st.booleans(), acvpu=st.none() | _text.map(lambda text: text[:16])),
    st.builds(Home, **_head, kind=_name, value=st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | _text,
              room=st.none() | _text),
    st.builds(Event, **_head, type=_name, re=st.none() | _text),
    st.builds(Status, **_head, online=st.booleans(), battery=st.none() | st.floats(0, 100), fw=st.none() | _text,
              placement=st.none() | _text),
    st.builds(Command, id=_name, type=_name, expires_ms=_head["t"], boot=st.none() | _head["boot"],
              seq=st.none() | _head["seq"]),
)  # fmt: skip


@pytest.mark.parametrize("encode", [encode_json, encode_msgpack])
@given(message=MESSAGES)
def test_a_message_comes_back_as_it_was(encode: Callable[[Message | Command], bytes], message: Message) -> None:
    """Every type but motion, with every optional field absent or present."""
    found = DECODERS[type(message)](encode(message))
    assert found == message
    if isinstance(message, Home):
        assert isinstance(found, Home)
        assert type(found.value) is type(message.value)


@given(message=MESSAGES)
def test_what_says_nothing_is_not_on_the_wire(message: Message) -> None:
    """A field that is None, and hist when false."""
    fields = msgspec.json.decode(encode_json(message))
    assert None not in fields.values()
    assert fields.get("hist", True) is True


_counts = hnp.arrays(np.int16, st.tuples(st.integers(1, 60), st.just(3)))


@given(
    acc=_counts,
    with_gyr=st.booleans(),
    hist=st.booleans(),
    fs=st.floats(10, 400),
    lsb=st.floats(1e-6, 1),
    idle=st.none() | st.integers(0, 2**53 - 1),
)
def test_a_packed_frame_comes_back_as_it_was(
    acc: np.ndarray, with_gyr: bool, hist: bool, fs: float, lsb: float, idle: int | None
) -> None:
    """Counts, scales and header; the gap marker -32768 is a count like any other here."""
    gyr = acc[::-1] if with_gyr else None
    glsb = 0.061 if with_gyr else None
    payload = encode_motion(
        t=5, boot=6, seq=7, fs=fs, lsb=lsb, acc=acc, glsb=glsb, gyr=gyr, hist=hist, idle_until=idle
    )  # fmt: skip
    frame = decode_motion(payload)
    assert (frame.t, frame.boot, frame.seq, frame.hist, frame.fs, frame.lsb) == (5, 6, 7, hist, fs, lsb)
    assert frame.idle_until == idle
    np.testing.assert_array_equal(frame.acc, acc)
    if gyr is None:
        assert frame.gyr is None
        assert frame.gyr_dps() is None
    else:
        assert frame.gyr is not None
        np.testing.assert_array_equal(frame.gyr, gyr)


@pytest.mark.parametrize("samples", [1, 50, MAX_SAMPLES])
def test_packed_samples_are_read_only_views_of_the_payload(samples: int) -> None:
    """Nothing is copied, and nobody can write into what the journal holds."""
    acc = np.arange(3 * samples, dtype=np.int16).reshape(-1, 3)
    payload = encode_motion(t=1, boot=1, seq=1, fs=50, lsb=0.001, acc=acc, glsb=0.1, gyr=acc)
    frame = decode_motion(payload)
    assert frame.gyr is not None
    for view in (frame.acc, frame.gyr):
        assert np.shares_memory(view, np.frombuffer(payload, np.uint8))
        assert not view.flags.writeable
        np.testing.assert_array_equal(view, acc)


def test_samples_are_scaled_to_g_and_degrees_per_second() -> None:
    """By the frame's own lsb and glsb, as 32-bit floats."""
    acc = np.array([[0, -2048, 4096]], dtype=np.int16)
    frame = decode_motion(encode_motion(t=1, boot=1, seq=1, fs=50, lsb=1 / 4096, acc=acc, glsb=0.5, gyr=acc))
    assert frame.acc_g().dtype == np.float32
    assert frame.acc_g().tolist() == [[0, -0.5, 1]]
    rotation = frame.gyr_dps()
    assert rotation is not None
    assert rotation.tolist() == [[0, -1024, 2048]]


def test_a_listed_frame_is_in_g_already() -> None:
    """Also when whole numbers stand for floats; the scales are 1."""
    message = ListedMotion(t=1, boot=2, seq=3, fs=25, acc=[(0, 0.5, -1)], gyr=[(1, 2, 3.5)], idle_until=9)
    frame = decode_motion(encode_json(message))
    assert (frame.t, frame.boot, frame.seq, frame.hist, frame.fs, frame.idle_until) == (1, 2, 3, False, 25.0, 9)
    assert (frame.lsb, frame.glsb) == (1.0, 1.0)
    assert frame.acc_g().tolist() == [[0, 0.5, -1]]
    assert frame.gyr_dps().tolist() == [[1, 2, 3.5]]


def test_decode_takes_any_upward_stream_to_its_type() -> None:
    """The one entry for code that holds a topic and a payload."""
    head = {"t": 1, "boot": 1, "seq": 1}
    assert decode(Stream.VITALS, msgspec.json.encode({**head, "hr": 1})) == Vitals(t=1, boot=1, seq=1, hr=1.0)
    assert decode(Stream.STATUS, msgspec.json.encode({**head, "online": True})) == Status(
        t=1, boot=1, seq=1, online=True
    )  # fmt: skip


@pytest.mark.parametrize(
    ("acc", "gyr", "glsb", "reason"),
    [
        (np.zeros((0, 3), np.int16), None, None, Reason.WRONG_LENGTH),
        (np.zeros((MAX_SAMPLES + 1, 3), np.int16), None, None, Reason.WRONG_LENGTH),
        (np.zeros((3, 50), np.int16), None, None, Reason.WRONG_LENGTH),
        (np.zeros(150, np.int16), None, None, Reason.WRONG_LENGTH),
        (np.zeros((50, 3), np.float32), None, None, Reason.INVALID),
        (np.zeros((50, 3), np.int32), None, None, Reason.INVALID),
        (np.zeros((50, 3), np.int16), np.zeros((49, 3), np.int16), 0.1, Reason.INVALID),
        (np.zeros((50, 3), np.int16), np.zeros((50, 3), np.int16), None, Reason.INVALID),
    ],
)
def test_a_frame_that_no_decoder_would_take_is_not_encoded(
    acc: np.ndarray, gyr: np.ndarray | None, glsb: float | None, reason: Reason
) -> None:
    """A simulator with a mistake learns of it at its own end."""
    with pytest.raises(TelemetryError) as caught:
        encode_motion(t=1, boot=1, seq=1, fs=50, lsb=0.001, acc=acc, gyr=gyr, glsb=glsb)
    assert caught.value.reason is reason


def test_big_endian_samples_are_sent_little_endian() -> None:
    """The wire has one byte order whatever the array had."""
    acc = np.array([[1, 2, 3]], dtype=">i2")
    assert decode_motion(encode_motion(t=1, boot=1, seq=1, fs=50, lsb=0.1, acc=acc)).acc.tolist() == [[1, 2, 3]]


@given(command=st.builds(Command, id=_name, type=_name, expires_ms=_head["t"], boot=st.none() | _head["boot"]))
def test_a_command_survives_the_journal(command: Command) -> None:
    """The record in the journal `commands`."""
    assert unpack_command(memoryview(pack_command(Outgoing(device="w-1", command=command)))) == Outgoing(
        device="w-1", command=command
    )  # fmt: skip
