"""What the decoders refuse, and under which reason: one table, both encodings."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.codec import (
    MAX_PAYLOAD,
    Decoded,
    Motion,
    decode,
    decode_command,
    decode_home,
    decode_vitals,
    encode_msgpack,
)
from telemetry.errors import Reason, TelemetryError
from telemetry.examples import EXAMPLES
from telemetry.messages import MAX_SAMPLES, VITALS_NUMBERS, Command, PackedMotion
from telemetry.topics import UPWARD, Stream

HEAD: dict[str, Any] = {"t": 1_760_000_000_000, "boot": 7, "seq": 1}
SAMPLES = struct.pack("<6h", 1, 2, 3, 4, 5, 6)
PACKED = {**HEAD, "fs": 50.0, "lsb": 0.001, "acc": SAMPLES}
LISTED = {**HEAD, "fs": 50.0, "acc": [[0.0, 0.1, 1.0]]}
VALID: dict[Stream, dict[str, Any]] = {
    Stream.MOTION: PACKED,
    Stream.VITALS: {**HEAD, "hr": 70.0},
    Stream.HOME: {**HEAD, "kind": "bed", "value": True},
    Stream.EVENT: {**HEAD, "type": "sos"},
    Stream.STATUS: {**HEAD, "online": True},
}
BOTH = pytest.mark.parametrize("pack", [msgspec.msgpack.encode, lambda fields: json.dumps(fields).encode()])


def refused(stream: Stream, payload: bytes) -> TelemetryError:
    """The error under which ``payload`` goes to the quarantine."""
    with pytest.raises(TelemetryError) as caught:
        decode(stream, payload)
    assert str(caught.value) == f"{caught.value.reason.value}: {caught.value.detail}"
    return caught.value


def outcome(stream: Stream, payload: bytes) -> Decoded | Reason:
    """The message, or the reason against it."""
    try:
        return decode(stream, payload)
    except TelemetryError as error:
        return error.reason


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """The fields but one."""
    return {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize("stream", UPWARD)
def test_a_message_pack_message_cut_at_any_byte_is_undecodable(stream: Stream) -> None:
    """Whatever is lost at the end, the reason is the same and nothing else is raised."""
    payload = msgspec.msgpack.encode(VALID[stream])
    decode(stream, payload)
    assert {refused(stream, payload[:end]).reason for end in range(len(payload))} == {Reason.UNDECODABLE}


@pytest.mark.parametrize("stream", UPWARD)
def test_a_json_message_cut_at_any_byte_is_refused(stream: Stream) -> None:
    """A cut can leave a shorter number, and 5 of 50.0 is out of range before the text is found to end."""
    payload = json.dumps(LISTED if stream is Stream.MOTION else VALID[stream]).encode()
    decode(stream, payload)
    reasons = [refused(stream, payload[:end]).reason for end in range(len(payload))]
    assert set(reasons) <= {Reason.UNDECODABLE, Reason.INVALID}
    assert reasons.count(Reason.INVALID) <= 1


@pytest.mark.parametrize("stream", UPWARD)
@pytest.mark.parametrize("payload", [b"\x80" + bytes(10 << 20), b"{" + b" " * (10 << 20)], ids=["msgpack", "json"])
def test_ten_megabytes_are_too_large_before_anything_is_read(stream: Stream, payload: bytes) -> None:
    """The size is looked at first: the reason is not what a parser would have found."""
    assert refused(stream, payload).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("stream", UPWARD)
def test_the_largest_payload_is_read_and_one_byte_more_is_not(stream: Stream) -> None:
    """Padded with white space, which JSON allows."""
    payload = json.dumps(LISTED if stream is Stream.MOTION else VALID[stream]).encode()
    decode(stream, payload.ljust(MAX_PAYLOAD[stream]))
    assert refused(stream, payload.ljust(MAX_PAYLOAD[stream] + 1)).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("stream", UPWARD)
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\xff" * 40,
        b"sos",
        b"<xml/>",
        b"{" * 4_000,
        b"[" * 4_000,
        b'{"x":' + b"[" * 4_000,
        b'{"x":' * 800,
        b"\x81\xa1x" + b"\x91" * 4_000 + b"\xc0",
        b"\x81\xa1x\xdd\xff\xff\xff\xff",
        b"\x81\xa1x\xdf\xff\xff\xff\xff",
        b"\x81\xa1x\xc6\xff\xff\xff\xff",
        b'{"t": 1, "boot": 1, "seq": 1, "kind": "\xff\xfe", "type": "\xff", "acvpu": "\xff", "fw": "\xff"}',
    ],
    ids=lambda payload: repr(payload[:12]),
)
def test_what_is_neither_encoding_is_undecodable(stream: Stream, payload: bytes) -> None:
    """Rubbish, deep nesting and lengths that promise gigabytes: refused at once, nothing allocated, no recursion."""
    assert refused(stream, payload).reason in (Reason.UNDECODABLE, Reason.INVALID)


def test_deep_nesting_in_a_known_message_is_undecodable() -> None:
    """As deep as the largest payload allows, in a field that would have been ignored."""
    deep = b"\x85" + msgspec.msgpack.encode({**HEAD, "fs": 50.0})[1:] + b"\xa1x" + b"\x91" * 900_000 + b"\xc0"
    assert refused(Stream.MOTION, deep).reason is Reason.UNDECODABLE


@BOTH
@pytest.mark.parametrize(
    ("stream", "fields", "reason"),
    [
        *((stream, without(VALID[stream], name), Reason.INVALID) for stream in UPWARD[1:] for name in HEAD),
        *(
            (stream, {**VALID[stream], "t": value}, Reason.INVALID)
            for stream in UPWARD[1:]
            for value in (-1, 2**53, "1", None, True, 1.5)
        ),
        (Stream.VITALS, {**HEAD, "boot": 2**32}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "boot": -1}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "seq": 2**64 - 1}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "hist": 1}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "hr": 400.1}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "hr": -0.1}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "hr": True}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "hr": "72"}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "spo2": 100.5}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "o2": 1}, Reason.INVALID),
        (Stream.VITALS, {**HEAD, "acvpu": "x" * 17}, Reason.INVALID),
        (Stream.HOME, {**HEAD, "kind": "", "value": 1}, Reason.INVALID),
        (Stream.HOME, {**HEAD, "kind": "bed"}, Reason.INVALID),
        (Stream.HOME, {**HEAD, "kind": "bed", "value": None}, Reason.INVALID),
        (Stream.HOME, {**HEAD, "kind": "bed", "value": [1]}, Reason.INVALID),
        (Stream.HOME, {**HEAD, "kind": "bed", "value": "x" * 65}, Reason.INVALID),
        (Stream.EVENT, {**HEAD}, Reason.INVALID),
        (Stream.EVENT, {**HEAD, "type": ""}, Reason.INVALID),
        (Stream.STATUS, {**HEAD, "online": 1}, Reason.INVALID),
        (Stream.STATUS, {**HEAD, "online": True, "battery": 101}, Reason.INVALID),
        (Stream.STATUS, {**HEAD, "online": True, "heartbeat_s": 0}, Reason.INVALID),
    ],
)  # fmt: skip
def test_a_field_missing_of_the_wrong_type_or_out_of_range_is_invalid(
    pack: Any, stream: Stream, fields: dict[str, Any], reason: Reason
) -> None:
    """The same answer in both encodings, and the detail names the field."""
    error = refused(stream, pack(fields))
    assert error.reason is reason
    assert "`" in error.detail


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fs": 9.9}, Reason.INVALID),
        ({"fs": 401}, Reason.INVALID),
        ({"fs": True}, Reason.INVALID),
        ({"lsb": 0.0}, Reason.INVALID),
        ({"lsb": -0.1}, Reason.INVALID),
        ({"lsb": None}, Reason.INVALID),
        ({"acc": [[0, 0, 1]]}, Reason.INVALID),
        ({"acc": "AAAAAAAA"}, Reason.INVALID),
        ({"gyr": SAMPLES}, Reason.INVALID),
        ({"acc": b""}, Reason.WRONG_LENGTH),
        ({"acc": SAMPLES[:5]}, Reason.WRONG_LENGTH),
        ({"acc": SAMPLES[:7]}, Reason.WRONG_LENGTH),
        ({"acc": SAMPLES[:10]}, Reason.WRONG_LENGTH),
        ({"acc": bytes(6 * (MAX_SAMPLES + 1))}, Reason.WRONG_LENGTH),
        ({"gyr": SAMPLES[:8], "glsb": 0.1}, Reason.WRONG_LENGTH),
        ({"gyr": SAMPLES[:6], "glsb": 0.1}, Reason.WRONG_LENGTH),
        ({"gyr": b"", "glsb": 0.1}, Reason.WRONG_LENGTH),
    ],
)
def test_a_packed_frame_with_one_thing_wrong(change: dict[str, Any], reason: Reason) -> None:
    """Arrays that are no n x 3 samples are told from fields that break their type."""
    assert refused(Stream.MOTION, msgspec.msgpack.encode({**PACKED, **change})).reason is reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"acc": []}, Reason.WRONG_LENGTH),
        ({"acc": [[0, 0]]}, Reason.WRONG_LENGTH),
        ({"acc": [[0, 0, 1], [0, 0, 1, 0]]}, Reason.WRONG_LENGTH),
        ({"acc": [[0, 0, 1]] * (MAX_SAMPLES + 1)}, Reason.WRONG_LENGTH),
        ({"gyr": [[0, 0, 1]] * 2}, Reason.WRONG_LENGTH),
        ({"acc": [0, 0, 1]}, Reason.INVALID),
        ({"acc": [[0, 0, True]]}, Reason.INVALID),
        ({"acc": "AAAA"}, Reason.INVALID),
        ({"acc": [[0, 0, 1e39]]}, Reason.NOT_FINITE),
        ({"gyr": [[-1e39, 0, 0]]}, Reason.NOT_FINITE),
    ],
)
def test_a_listed_frame_with_one_thing_wrong(change: dict[str, Any], reason: Reason) -> None:
    """Also a number that a 32-bit float cannot hold: it would have become infinity."""
    assert refused(Stream.MOTION, json.dumps({**LISTED, **change}).encode()).reason is reason


@BOTH
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("stream", "name"),
    [
        *((Stream.VITALS, name) for name in VITALS_NUMBERS),
        (Stream.HOME, "value"),
        *((Stream.STATUS, name) for name in ("battery", "rssi", "heartbeat_s")),
    ],
)
def test_nan_and_infinity_are_not_finite_in_each_number(pack: Any, stream: Stream, name: str, value: float) -> None:
    """MessagePack can say NaN; JSON cannot, but many writers do."""
    error = refused(stream, pack({**VALID[stream], name: value}))
    assert error.reason is Reason.NOT_FINITE
    assert error.detail == f"{name} is {value}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["fs", "lsb", "glsb"])
def test_nan_and_infinity_are_not_finite_in_a_packed_frame(name: str, value: float) -> None:
    """The scale of a frame decides on every sample in it."""
    fields = {**PACKED, "gyr": SAMPLES, "glsb": 0.1, name: value}
    assert refused(Stream.MOTION, msgspec.msgpack.encode(fields)).reason is Reason.NOT_FINITE


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
@pytest.mark.parametrize("field", [b'"fs": 50, "acc": [[0, 0, %s]]', b'"fs": %s, "acc": [[0, 0, 1]]'])
def test_nan_and_infinity_are_not_finite_in_a_listed_frame(field: bytes, text: bytes) -> None:
    """Each way to write it, in a scale and in a sample."""
    payload = b'{"t": 1, "boot": 1, "seq": 1, ' + field % text + b"}"
    assert refused(Stream.MOTION, payload).reason is Reason.NOT_FINITE


def test_a_large_broken_frame_is_not_read_a_second_time_for_a_better_reason() -> None:
    """Over 64 KiB the exact reason is not worth the time: rubbish must not cost more than data."""
    payload = b'{"t": 1, "boot": 1, "seq": 1, "fs": 50, "acc": [' + b"[0, 0, 1]," * 7_000 + b"[0, 0, NaN]]}"
    assert refused(Stream.MOTION, payload).reason is Reason.UNDECODABLE


@BOTH
@pytest.mark.parametrize("stream", UPWARD[1:])
def test_unknown_fields_are_ignored(pack: Any, stream: Stream) -> None:
    """A newer device says more than we know: the message is the same without it."""
    more = {**VALID[stream], "x": {"y": [1, {"z": None}]}, "unit": "kPa", "": 0}
    assert decode(stream, pack(more)) == decode(stream, pack(VALID[stream]))


@BOTH
@pytest.mark.parametrize(
    ("stream", "name"),
    [(Stream.EVENT, "type"), (Stream.HOME, "kind"), (Stream.VITALS, "acvpu"), (Stream.STATUS, "placement")],
)
def test_an_unknown_enum_value_is_data(pack: Any, stream: Stream, name: str) -> None:
    """Also in another alphabet."""
    assert getattr(decode(stream, pack({**VALID[stream], name: "跌倒-v9"})), name) == "跌倒-v9"


@BOTH
def test_whole_numbers_stand_for_floats(pack: Any) -> None:
    """A device that writes 72 means 72.0, in every number it sends."""
    vitals = decode_vitals(pack({**HEAD, **dict.fromkeys(VITALS_NUMBERS, 1)}))
    assert all(type(getattr(vitals, name)) is float for name in VITALS_NUMBERS)


@BOTH
@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), (False, False), (1, 1.0), (0, 0.0), (0.5, 0.5), ("open", "open"), ("1", "1")]
)
def test_a_home_value_keeps_its_kind(pack: Any, value: object, expected: object) -> None:
    """true stays a bool and 1 a number, though Python holds them to be equal."""
    found = decode_home(pack({**HEAD, "kind": "bed", "value": value})).value
    assert found == expected
    assert type(found) is type(expected)


@BOTH
@pytest.mark.parametrize("command", EXAMPLES[Command])
def test_a_device_reads_the_commands_it_is_sent(pack: Any, command: Command) -> None:
    """With fields that only a newer device understands."""
    assert decode_command(pack({**msgspec.to_builtins(command), "volume": 3})) == command


@pytest.mark.parametrize("payload", [b"", b"{", b"[" * 4_000, b'{"id":"a"}', bytes(10 << 20), b"\x80"])
def test_a_device_refuses_a_command_it_cannot_read(payload: bytes) -> None:
    """With the package's own error, never another."""
    with pytest.raises(TelemetryError):
        decode_command(payload)


@given(st.sampled_from(UPWARD), st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda b: b"\x85" + b)))
@example(Stream.EVENT, b"\x81\x80\x01")
@example(Stream.VITALS, b"\x81\x92\x01\x02\x03")
def test_any_bytes_give_a_message_or_a_reason(stream: Stream, payload: bytes) -> None:
    """Bad input is never fatal."""
    found = outcome(stream, payload)
    assert isinstance(found, Decoded) or found in (
        Reason.UNDECODABLE, Reason.INVALID, Reason.WRONG_LENGTH, Reason.NOT_FINITE
    )  # fmt: skip


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.data(), st.sampled_from(UPWARD))
def test_any_value_in_any_field_gives_a_message_or_a_reason(data: st.DataObject, stream: Stream) -> None:
    """A well-formed message with one field replaced by anything that MessagePack can carry."""
    name = data.draw(st.sampled_from(sorted(VALID[stream])))
    payload = msgspec.msgpack.encode({**VALID[stream], name: data.draw(_values)})
    found = outcome(stream, payload)
    if isinstance(found, Reason):
        assert found is not Reason.UNDECODABLE
    else:
        assert 0 <= found.t < 2**53


@given(st.data())
def test_a_damaged_frame_gives_a_frame_or_a_reason(data: st.DataObject) -> None:
    """One byte of a good frame changed."""
    payload = bytearray(encode_msgpack(EXAMPLES[PackedMotion][0]))
    payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    found = outcome(Stream.MOTION, bytes(payload))
    if isinstance(found, Reason):
        assert found is not Reason.TOO_LARGE
    else:
        assert isinstance(found, Motion)
        assert found.acc.shape[1] == 3
