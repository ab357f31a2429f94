"""What a Zigbee2MQTT that does not exist publishes, with its habits and no radio behind it. Pure.

The habits are those of Zigbee2MQTT 1.30 and 2.x (`lib/controller.ts`, `lib/mqtt.ts`, `lib/extension/availability.ts`,
`lib/extension/homeassistant.ts`): every report is merged with what the device has said before, only ``action`` is not
kept; state, devices and availability are retained; QoS is 0 unless a device has another; what is retained goes out
again after a reconnection, and what is cached after a start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Not kept in the state (`dontCacheProperties`).
_PASSING = frozenset({"action", "click"})


@dataclass(frozen=True, slots=True)
class ZigbeeDevice:
    """One device of the hub. ``retain`` and ``qos`` as in its configuration; ``attributes`` are its cached state."""

    ieee: str
    name: str
    model: str = ""
    retain: bool = False
    qos: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubHabits:
    """Options of Zigbee2MQTT that change what is published.

    Attributes:
        last_seen: adds `last_seen` in this format: ISO_8601, epoch, or disable.
        availability: publishes `<name>/availability`.
        legacy_action: publishes ``"action": ""`` after every action, as old Home Assistant needs it.
        device_triggers: publishes each action again under `<name>/action`, as Home Assistant needs it.
        attributes: publishes each attribute under a topic of its own as well (`output: attribute_and_json`).
        device_information: adds `device` with the address to every message.
        cached_on_start: publishes every cached state at the start (`cache_state_send_on_startup`).
    """

    last_seen: str = "disable"
    availability: bool = True
    legacy_action: bool = False
    device_triggers: bool = False
    attributes: bool = False
    device_information: bool = False
    cached_on_start: bool = True


@dataclass(frozen=True, slots=True)
class Publication:
    """One message of a hub; ``path`` is what follows the base topic."""

    path: str
    payload: str
    retain: bool = False
    qos: int = 0


class HubState:
    """What a Zigbee2MQTT knows of its network, and what it publishes of it. No connection and no clock.

    Args:
        devices: its network, beside the coordinator.
        habits: its configuration.
        groups: names of groups.
    """

    def __init__(
        self, devices: tuple[ZigbeeDevice, ...], habits: HubHabits | None = None, groups: tuple[str, ...] = ()
    ) -> None:
        self.habits = habits or HubHabits()
        self.groups = groups
        self.devices = {device.ieee: device for device in devices}
        self._known: dict[str, dict[str, Any]] = {device.ieee: dict(device.attributes) for device in devices}

    def opening(self, now_ms: int) -> list[Publication]:
        """What a starting hub says."""
        said = [
            self.state(online=True),
            Publication("bridge/info", json.dumps({"version": "2.1.0", "config": {}}), retain=True),
            self.list_of_devices(),
            Publication("bridge/groups", json.dumps([{"id": 1, "friendly_name": name} for name in self.groups]), True),
        ]
        if self.habits.availability:
            said += [self.availability(ieee, online=True) for ieee in self.devices]
        if self.habits.cached_on_start:
            for ieee, known in self._known.items():
                if known:
                    said += self.report(ieee, now_ms, {})
        return said

    def state(self, *, online: bool) -> Publication:
        """Of the hub itself."""
        return Publication("bridge/state", json.dumps({"state": "online" if online else "offline"}), retain=True)

    def list_of_devices(self) -> Publication:
        """As after each change of the network."""
        coordinator = {
            "ieee_address": "0x00124b0000000000", "type": "Coordinator", "friendly_name": "Coordinator",
            "definition": None, "supported": False,
        }  # fmt: skip
        listed = [
            {
                "ieee_address": device.ieee, "type": "EndDevice", "friendly_name": device.name, "supported": True,
                "definition": {"model": device.model, "vendor": "", "exposes": [], "options": []},
                "power_source": "Battery", "interview_completed": True,
            }
            for device in self.devices.values()
        ]  # fmt: skip
        return Publication("bridge/devices", json.dumps([*listed, coordinator], ensure_ascii=False), retain=True)

    def availability(self, ieee: str, *, online: bool) -> Publication:
        """The hub has found a device reachable, or not."""
        state = json.dumps({"state": "online" if online else "offline"})
        return Publication(f"{self.devices[ieee].name}/availability", state, retain=True, qos=1)

    def report(self, ieee: str, now_ms: int, attributes: Mapping[str, Any]) -> list[Publication]:
        """A device says ``attributes``; the hub publishes all that it knows of it."""
        device, habits = self.devices[ieee], self.habits
        message = {**self._known[ieee], **attributes}
        self._known[ieee] = {name: value for name, value in message.items() if name not in _PASSING}
        if habits.last_seen == "epoch":
            message["last_seen"] = now_ms
        elif habits.last_seen == "ISO_8601":
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ms / 1000))
            message["last_seen"] = f"{stamp}.{now_ms % 1000:03d}Z"
        if habits.device_information:
            message["device"] = {"ieeeAddr": ieee, "friendlyName": device.name, "model": device.model}
        retain, qos = device.retain, device.qos
        said = [Publication(device.name, json.dumps(message, ensure_ascii=False), retain, qos)]
        if habits.attributes:
            for name, value in message.items():
                plain = value if isinstance(value, str) else json.dumps(value)
                said.append(Publication(f"{device.name}/{name}", plain, retain, qos))
        action = attributes.get("action")
        if action and habits.device_triggers:
            said.append(Publication(f"{device.name}/action", action))
        if action and habits.legacy_action:
            said.append(Publication(device.name, json.dumps({**message, "action": ""}), retain, qos))
        return said
