"""What a hub says of itself: whether it runs, which devices it has under which names, which groups."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from telemetry.errors import Reason, TelemetryError

_IEEE = re.compile(r"0x[0-9a-f]{16}")
_COORDINATOR = "Coordinator"


class ZigbeeDevice(NamedTuple):
    """One device of a hub. ``ieee`` is its address from the factory and its id here; ``model`` "" where unknown."""

    ieee: str
    name: str
    model: str


class _Definition(msgspec.Struct):
    model: str | None = None


class _Device(msgspec.Struct):
    ieee_address: str
    friendly_name: str
    type: str | None = None
    definition: _Definition | None = None


class _Group(msgspec.Struct):
    friendly_name: str


class _State(msgspec.Struct):
    state: str


_devices = msgspec.json.Decoder(list[msgspec.Raw])
_device = msgspec.json.Decoder(_Device)
_groups = msgspec.json.Decoder(list[_Group])
_state = msgspec.json.Decoder(_State)


def is_ieee(text: str) -> bool:
    """Whether ``text`` is a Zigbee address as Zigbee2MQTT writes it: ``0x`` and 16 small hexadecimal digits."""
    return _IEEE.fullmatch(text) is not None


def decode_devices(payload: bytes) -> tuple[list[ZigbeeDevice], list[str]]:
    """The devices of ``bridge/devices`` without the coordinator, and in words what could not be read.

    One entry that cannot be read does not cost the others.

    Raises:
        TelemetryError: it is no list.
    """
    try:
        entries = _devices.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TelemetryError(Reason.UNDECODABLE, f"the list of devices: {error}") from None
    found, problems = [], []
    for place, entry in enumerate(entries):
        try:
            device = _device.decode(entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(f"device {place} of the list: {error}")
            continue
        if device.type == _COORDINATOR:
            continue
        if not is_ieee(device.ieee_address):
            problems.append(f"device {place} of the list has the address {device.ieee_address[:64]!r}")
            continue
        model = (device.definition.model if device.definition else None) or ""
        found.append(ZigbeeDevice(device.ieee_address, device.friendly_name, model))
    return found, problems


def decode_groups(payload: bytes) -> frozenset[str]:
    """The names of ``bridge/groups``. Raises TelemetryError."""
    try:
        return frozenset(group.friendly_name for group in _groups.decode(payload))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TelemetryError(Reason.UNDECODABLE, f"the list of groups: {error}") from None


def decode_online(payload: bytes) -> bool:
    """``bridge/state`` and ``.../availability``: an object since 1.x, the bare word before it.

    Raises:
        TelemetryError: neither online nor offline.
    """
    try:
        word = _state.decode(payload).state
    except (msgspec.DecodeError, UnicodeDecodeError):
        word = payload.decode("utf-8", errors="replace").strip().strip('"')
    if word not in ("online", "offline"):
        raise TelemetryError(Reason.INVALID, f"state {word[:64]!r} is neither online nor offline")
    return word == "online"
