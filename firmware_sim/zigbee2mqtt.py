"""A Zigbee2MQTT that does not exist, connected to a broker."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_sim.errors import SimulationError
from firmware_sim.zigbee2mqtt_state import HubHabits, HubState, Publication, ZigbeeDevice


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
