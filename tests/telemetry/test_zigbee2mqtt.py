"""The codec of Zigbee2MQTT: topics, lists, reports, and rubbish."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.errors import TelemetryError
from telemetry.zigbee2mqtt.bridge import decode_devices, decode_groups, decode_online
from telemetry.zigbee2mqtt.report import decode_report, is_press
from telemetry.zigbee2mqtt.topics import Address, BaseTopics


@pytest.mark.parametrize(
    ("topic", "address"),
    [
        ("zigbee2mqtt/home-1/卧室/按钮", Address("zigbee2mqtt/home-1", "卧室/按钮")),
        ("zigbee2mqtt/home-1/bridge/state", Address("zigbee2mqtt/home-1", "bridge/state")),
        ("z2m/x", Address("z2m", "x")),
        ("zigbee2mqtt/home-1", None),
        ("zigbee2mqtt/home-1/", None),
        ("zigbee2mqtt//x", None),
        ("z2m2/x", None),
        ("care/v1/w-1/event", None),
        ("", None),
    ],
)
def test_a_topic_is_a_hub_and_what_stands_below_it(topic: str, address: Address | None) -> None:
    """A name may have slashes; the level of a hub has a name."""
    assert BaseTopics(("zigbee2mqtt/+", "z2m")).split(topic) == address


@pytest.mark.parametrize(
    "bases",
    [("",), ("+",), ("+/z",), ("#",), ("z/#",), ("/z",), ("z/",), ("z//y",), ("a b",), ("care",), ("care/+",),
     ("care/v1/x",), ("z", "z/y"), ("z/+", "z/y"), ("z", "z"), ("z/+/x", "z/y/+")],
)  # fmt: skip
def test_base_topics_that_cannot_be_told_apart_are_refused(bases: tuple[str, ...]) -> None:
    """From each other, or from those of the wire contract."""
    with pytest.raises(TelemetryError, match="base topic"):
        BaseTopics(bases)


def test_one_bad_entry_of_a_list_does_not_cost_the_others() -> None:
    """It is said in words which one it was."""
    payload = b"""[{"friendly_name": "a", "ieee_address": "0x00158d0000000001", "definition": {"model": "M"}},
        {"friendly_name": "b"}, 7, {"friendly_name": "c", "ieee_address": "0X00158D0000000002"},
        {"friendly_name": "d", "ieee_address": "0x00158d0000000004", "definition": null, "type": "EndDevice"},
        {"friendly_name": "Coordinator", "ieee_address": "0x00158d0000000005", "type": "Coordinator"}]"""
    devices, problems = decode_devices(payload)
    assert [(device.name, device.model) for device in devices] == [("a", "M"), ("d", "")]
    assert [problem.split(":")[0] for problem in problems[:2]] == ["device 1 of the list", "device 2 of the list"]
    assert "0X00158D0000000002" in problems[2]


@pytest.mark.parametrize(
    ("payload", "online"),
    [(b'{"state":"online"}', True), (b'{"state":"offline"}', False), (b"online", True), (b'"offline"', False)],
)
def test_online_is_an_object_or_the_bare_word_of_old(payload: bytes, online: bool) -> None:
    """`legacy_availability_payload`."""
    assert decode_online(payload) is online


@pytest.mark.parametrize(
    ("last_seen", "ms"),
    [
        ("1700000000123", 1_700_000_000_123),
        ('"2023-11-14T22:13:20.123Z"', 1_700_000_000_123),
        ('"2023-11-15T06:13:20+08:00"', 1_700_000_000_000),
        ('"2 minutes ago"', None),
        ('"2023-11-14T22:13:20"', None),
        ("-5", None),
        ("true", None),
        ("null", None),
    ],
)
def test_last_seen_is_read_in_each_of_its_formats(last_seen: str, ms: int | None) -> None:
    """`epoch`, `ISO_8601`, `ISO_8601_local`; without a zone nobody knows when that was."""
    assert decode_report(f'{{"last_seen": {last_seen}}}'.encode()).last_seen_ms == ms


@pytest.mark.parametrize(
    ("action", "on_any", "on_call_button"),
    [("emergency", True, True), ("help", True, True), ("single", False, True), ("1_hold", False, True),
     ("region_1_enter", False, True), ("", False, False), ("off", False, False), ("release", False, False),
     ("brightness_move_release", False, False)],
)  # fmt: skip
def test_a_press_calls_by_its_name_or_by_what_the_button_is_there_for(
    action: str, on_any: bool, on_call_button: bool
) -> None:
    """Only the registry knows the second."""
    assert is_press(action, call_button=False) is on_any
    assert is_press(action, call_button=True) is on_call_button


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_KNOWN = st.sampled_from(
    ["contact", "occupancy", "action", "click", "sos", "status", "fall_status", "fall_down_status", "battery",
     "linkquality", "last_seen", "device", "smoke", "battery_low"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_KNOWN | st.text(max_size=8), _JSON, max_size=6), st.binary(max_size=40))
def test_nothing_that_can_be_sent_raises_anything_but_our_own_error(said: dict[str, object], rubbish: bytes) -> None:
    """Attributes of any type, and bytes that are no JSON."""
    report = decode_report(json.dumps(said).encode())
    assert report.battery_pct is None or 0 <= report.battery_pct <= 100
    for decode in (decode_report, decode_devices, decode_groups, decode_online):
        for payload in (rubbish, json.dumps(said).encode()):
            with contextlib.suppress(TelemetryError):
                decode(payload)
