"""Topics: what a device may be called, and what is none of ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.errors import Reason, TelemetryError
from telemetry.topics import DEVICE_PATTERN, UPWARD, Stream, is_device_id, parse_topic, subscriptions, topic

DEVICES = ["a", "w-0815", "ec:fa:bc:01:02:03", "A.b_c-9:", "x" * 64]
HOSTILE = [
    "",
    "x" * 65,
    "a/b",
    "a b",
    "a\n",
    "\na",
    "a\x00",
    "+",
    "#",
    "$SYS",
    "../x",
    "a,b=c",
    "床垫",
    "é",
    "a\u202e",
    "'; drop table device; --",
    "%2e%2e",
    "a\\b",
    "１",
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("stream", UPWARD)
def test_an_upward_topic_is_taken_apart_into_what_it_was_made_of(device: str, stream: Stream) -> None:
    """Every stream, with ids of one to 64 characters."""
    assert parse_topic(topic(device, stream).encode()) == (device, stream)


@pytest.mark.parametrize("device", HOSTILE)
def test_a_hostile_device_id_makes_no_topic_and_is_read_from_none(device: str) -> None:
    """Wildcards, separators, control characters, other alphabets and look-alike digits."""
    assert not is_device_id(device)
    with pytest.raises(TelemetryError) as made:
        topic(device, Stream.EVENT)
    with pytest.raises(TelemetryError) as read:
        parse_topic(f"care/v1/{device}/event".encode())
    assert {made.value.reason, read.value.reason} == {Reason.BAD_TOPIC}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"/",
        b"care/v1/d",
        b"care/v1/d/",
        b"care/v1//event",
        b"care/v1/d/cmd",
        b"care/v1/d/EVENT",
        b"care/v1/d/event/",
        b"care/v1/d/event\n",
        b"care/v1/d/other",
        b"/care/v1/d/event",
        b"care/v2/d/event",
        b"CARE/v1/d/event",
        b"care/v1/d/e/event",
        b"$share/g/care/v1/d/event",
        b"\xff\xfe",
        b"care/v1/" + b"d" * 60_000 + b"/event",
    ],
)
def test_a_topic_that_is_not_of_the_contract_is_a_bad_topic(raw: bytes) -> None:
    """The downward topic too; and the detail stays short whatever came."""
    with pytest.raises(TelemetryError) as caught:
        parse_topic(raw)
    assert caught.value.reason is Reason.BAD_TOPIC
    assert len(caught.value.detail) < 600


@given(st.binary(max_size=90))
def test_any_bytes_are_a_topic_or_a_bad_topic(raw: bytes) -> None:
    """The broker passes on what the contract does not know."""
    with pytest.raises(TelemetryError) as caught:
        parse_topic(raw)
    assert caught.value.reason is Reason.BAD_TOPIC


@given(st.from_regex(rf"\A{DEVICE_PATTERN}\Z"), st.sampled_from(list(Stream)))
def test_every_device_id_of_the_pattern_makes_a_topic_of_four_levels(device: str, stream: Stream) -> None:
    """No character of an id can be taken for a separator or a wildcard."""
    made = topic(device, stream)
    assert made.split("/") == ["care", "v1", device, stream.value]
    assert not re.search(r"[+#\s]", made)


def test_the_gateway_subscribes_to_each_upward_stream_and_to_no_command() -> None:
    """A filter that covered cmd would bring our own commands back."""
    assert subscriptions() == [f"care/v1/+/{name}" for name in ("motion", "vitals", "home", "event", "status")]
