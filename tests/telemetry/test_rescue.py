"""A call for help that breaks the contract is still a call for help."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.codec import MAX_PAYLOAD, decode_event, encode_msgpack, rescue_event
from telemetry.errors import TelemetryError
from telemetry.messages import Event
from telemetry.topics import Stream

NOW = 1_760_000_000_000
BOTH = pytest.mark.parametrize("pack", [msgspec.msgpack.encode, lambda fields: json.dumps(fields).encode()])


@BOTH
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"t": NOW - 5, "boot": 3}, {"t": NOW - 5, "boot": 3}),
        ({"t": float(NOW), "boot": 3.0, "seq": 4.0}, {"t": NOW, "boot": 3, "seq": 4}),
        ({"t": -1, "boot": -1, "seq": -1}, {}),
        ({"t": 2**53, "boot": 2**32, "seq": 2**53}, {}),
        ({"t": 1.5, "boot": float("nan"), "seq": float("inf")}, {}),
        ({"t": True, "boot": False, "seq": None}, {}),
        ({"t": "now", "boot": [1], "seq": {"a": 1}}, {}),
        ({"hist": True}, {"hist": True}),
        ({"hist": 1}, {}),
        ({"re": "p-1"}, {"re": "p-1"}),
        ({"re": "x" * 65}, {}),
        ({"re": 5}, {}),
    ],
)
def test_what_is_absent_or_impossible_is_filled_in(
    pack: Any, fields: dict[str, object], expected: dict[str, Any]
) -> None:
    """The rest is kept; an SOS without a seq takes the receive time, so that two are two."""
    wanted = {"t": NOW, "boot": 0, "seq": NOW, "type": "sos", **expected}
    payload = pack({"type": "sos", **fields})
    with pytest.raises(TelemetryError):
        decode_event(payload)
    assert rescue_event(payload, NOW) == Event(**wanted)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"sos","t":NaN}',
        b'{"type":"sos","t":NaN,"boot":Infinity}',
        b'{"re":"\\ud800","type":"sos"}',
        b'{"re":"\xff\xfe","type":"sos"}',
        b'\xef\xbb\xbf{"type":"sos"}',
        b'{"t":1,"type" : "sos",',
        b'{"type":"sos"',
        b'{\'t\':1,"type":"sos"}',
        b'{"t":' + b"9" * 4_000 + b',"type":"sos"}',
        b'{"type":"sos","x":' + b"[" * 4_000,
        b"\x82\xa4type\xa3sos\xa2re\xa2\xff\xfe",
        b"\x84\xa4type\xa3sos\xa1t",
        b"\x82\xa4type\xa3sos\xc1",
    ],
)
def test_a_torn_or_scrambled_call_is_heard(payload: bytes) -> None:
    """What a small device's string formatting, full buffer or NaN make of a message."""
    event = rescue_event(payload, NOW)
    assert event is not None
    assert event.type == "sos"
    assert event.re is None or event.re.encode()


def test_a_message_pack_call_cut_anywhere_after_its_type_is_heard() -> None:
    """And cut before it, nobody can know what it was."""
    payload = encode_msgpack(Event(t=NOW, boot=1, seq=1, type="fall", re="x"))
    end_of_type = payload.index(b"fall") + 4
    for end in range(len(payload)):
        event = rescue_event(payload[:end], NOW)
        assert (event is not None) == (end >= end_of_type)
        assert event is None or event.type == "fall"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"sos",
        b'"sos"',
        b'["sos"]',
        b"{}",
        b"\x80",
        b'{"type":""}',
        b'{"type":null}',
        b'{"type":5}',
        b'{"type":["sos"]}',
        b'{"type":"' + b"s" * 65 + b'"}',
        b'{"type":"\\ud800"}',
        b'{"type":"sosage",',
        b'{"type":"cancel",',
        b'{"kind":"sos"',
        b'{"x":{"type":"sos"}}',
        b'{"type":"sos"}' + b" " * MAX_PAYLOAD[Stream.EVENT],
    ],
    ids=lambda payload: repr(payload[:20]),
)
def test_what_does_not_say_what_it_is_is_no_call(payload: bytes) -> None:
    """Nor is what is too large, or a torn cancel: an alarm is not called off on a guess."""
    assert rescue_event(payload, NOW) is None


def test_a_good_event_is_rescued_as_itself() -> None:
    """Unknown types included, so that the caller need not ask first why it was refused."""
    event = Event(t=1, boot=2, seq=3, hist=True, type="door-bell", re="p-1")
    assert rescue_event(encode_msgpack(event), NOW) == event


@given(st.binary(max_size=120) | st.binary(max_size=60).map(lambda tail: b"\x83\xa4type\xa3sos" + tail))
def test_any_bytes_are_an_event_or_none(payload: bytes) -> None:
    """And what comes out can be sent on and stored."""
    event = rescue_event(payload, NOW)
    if event is not None:
        assert decode_event(encode_msgpack(event)) == event
