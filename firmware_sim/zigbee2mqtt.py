"""A Zigbee2MQTT that does not exist: publishes what one does, with its habits, and no radio behind it.

The habits are those of Zigbee2MQTT 1.30 and 2.x (`lib/controller.ts`, `lib/mqtt.ts`, `lib/extension/availability.ts`,
`lib/extension/homeassistant.ts`): every report is merged with what the device has said before, only ``action`` is not
kept; state, devices and availability are retained; QoS is 0 unless a device has another; what is retained goes out
again after a reconnection, and what is cached after a start.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_sim.errors import SimulationError

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


class Zigbee2MqttHub:
    """Connected from :meth:`start` until :meth:`stop` or :meth:`crash`; devices report when they are told to.

    Args:
        host, port: the broker.
        base_topic: of all it publishes.
        devices: its network, beside the coordinator.
        habits: its configuration.
        groups: names of groups.
        username, password: its login.
    """

    def __init__(
        self,
        host: str,
        port: int,
        base_topic: str = "zigbee2mqtt",
        *,
        devices: tuple[ZigbeeDevice, ...] = (),
        habits: HubHabits | None = None,
        groups: tuple[str, ...] = (),
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self.base_topic = base_topic
        self._hub = HubState(devices, habits, groups)
        self._address = (host, port)
        self._login = (username, password)
        self._retained: dict[str, tuple[str, int]] = {}
        self._client: paho.Client | None = None
        self._up = threading.Event()

    # ---- the hub

    def start(self) -> Self:
        """Connect and say what a starting Zigbee2MQTT says."""
        self._connect()
        self._say(*self._hub.opening(_now_ms()))
        return self

    def stop(self) -> None:
        """Leave as a hub that is shut down does."""
        self._say(self._hub.state(online=False))
        self.flush()
        self._end()

    def crash(self) -> None:
        """Vanish: the broker publishes the last will."""
        client = self._require()
        sock = client.socket()
        client.loop_stop()
        if sock is not None:
            sock.close()
        self._client = None
        self._up.clear()

    def reconnect(self) -> None:
        """The connection was lost and is there again: what was retained goes out once more."""
        if self._client is not None:
            self.crash()
        self._connect()
        self._say(self._hub.state(online=True))
        for topic, (payload, qos) in list(self._retained.items()):
            self._publish(topic, payload, retain=True, qos=qos)

    def announce_devices(self) -> None:
        """Publish the list of devices, as after each change of the network."""
        self._say(self._hub.list_of_devices())

    def rename(self, ieee: str, name: str) -> None:
        """Give a device another friendly name."""
        device = self._hub.devices[ieee]
        self._hub.devices[ieee] = ZigbeeDevice(ieee, name, device.model, device.retain, device.qos)
        if self._hub.habits.availability:
            self._publish(f"{device.name}/availability", "", retain=True)
        self.announce_devices()

    # ---- its devices

    def report(self, ieee: str, **attributes: Any) -> None:
        """A device says ``attributes``; the hub publishes all that it knows of it."""
        self._say(*self._hub.report(ieee, _now_ms(), attributes))

    def availability(self, ieee: str, *, online: bool) -> None:
        """The hub has found a device reachable, or not."""
        self._say(self._hub.availability(ieee, online=online))

    def raw(self, path: str, payload: str | bytes, *, retain: bool = False, qos: int = 0) -> None:
        """Publish anything below the base topic."""
        self._publish(path, payload, retain, qos)

    def flush(self, timeout_s: float = 10.0) -> None:
        """Until the broker has everything that was published so far."""
        self._require().publish(f"{self.base_topic}/bridge/health", b"{}", qos=1).wait_for_publish(timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._client is not None:
            self.stop()

    # ---- inside

    def _connect(self) -> None:
        user, password = self._login
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=user or "", clean_session=True, reconnect_on_failure=False
        )
        if user is not None:
            client.username_pw_set(user, password)
        client.will_set(f"{self.base_topic}/bridge/state", json.dumps({"state": "offline"}), qos=1, retain=True)
        client.on_connect = self._on_connect
        client.connect(*self._address, keepalive=30)
        client.loop_start()
        if not self._up.wait(10):
            client.loop_stop()
            raise SimulationError(f"the broker at {self._address} does not let {user!r} in: check its login")
        client.subscribe(f"{self.base_topic}/#")
        self._client = client

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: paho.ConnectFlags, code: ReasonCode, _: Properties | None
    ) -> None:
        if not code.is_failure:
            self._up.set()

    def _end(self) -> None:
        client = self._require()
        client.disconnect()
        client.loop_stop()
        self._client = None
        self._up.clear()

    def _require(self) -> paho.Client:
        if self._client is None:
            raise SimulationError("the hub is not connected: start() it first")
        return self._client

    def _say(self, *said: Publication) -> None:
        for one in said:
            self._publish(one.path, one.payload, one.retain, one.qos)

    def _publish(self, path: str, payload: str | bytes, retain: bool = False, qos: int = 0) -> None:
        if retain and payload:
            self._retained[path] = (payload if isinstance(payload, str) else payload.decode(), qos)
        elif retain:
            self._retained.pop(path, None)
        self._require().publish(f"{self.base_topic}/{path}", payload, qos=qos, retain=retain)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
