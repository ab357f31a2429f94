"""Zigbee2MQTT: messages of its hubs become those of the wire contract.

There is no `boot` and no `seq` in these messages, and a hub says everything that it knows again and again: with each
report of a device, when it starts, and the broker when we connect. So a reading is told when it *changes*; a message's
identity is its receive time and content, which stay the same however often the journal is read; and what the broker
kept (retain) is never something that happens.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ingest.adapters.ahead import NetworkAhead
from ingest.adapters.memory import Hub
from ingest.adapters.message import DeviceMessage
from ingest.adapters.network import Network, OwnerOf
from ingest.adapters.told import Adapted
from telemetry.errors import Reason, TelemetryError
from telemetry.records import Flag, RawMessage
from telemetry.topics import PREFIX
from telemetry.zigbee2mqtt.bridge import decode_devices, decode_groups, decode_online
from telemetry.zigbee2mqtt.report import BED_MODELS
from telemetry.zigbee2mqtt.topics import DEVICES, GROUPS, STATE, Address, BaseTopics

_OURS = f"{PREFIX}/".encode()


class Zigbee2Mqtt:
    """The adapter. The same messages from the same state give the same output.

    Args:
        bases: base topics, see :class:`telemetry.zigbee2mqtt.topics.BaseTopics`, whose errors are raised.
    """

    def __init__(self, bases: Sequence[str]) -> None:
        self._topics = BaseTopics(bases)
        self._network = Network()

    @property
    def counts(self) -> dict[str, int]:
        """Messages since the start: all, and of these ignored, retained by the broker, repeated by hub or broker."""
        return self._network.counts

    def address(self, topic: bytes) -> Address | None:
        """Where a topic belongs; None where it is not a hub's."""
        return None if topic.startswith(_OURS) else self._topics.split(topic.decode("utf-8", errors="replace"))

    def take(
        self, address: Address, message: RawMessage, owner_of: OwnerOf, *, down_since_ms: int | None, backlog: bool
    ) -> Adapted:
        """What ``message`` amounts to.

        Args:
            address: of its topic.
            owner_of: what the registry says of a device.
            down_since_ms: since when messages may have waited at the broker, at the last connection.
            backlog: whether this one may have.

        Raises:
            TelemetryError: nothing of it can be taken.
        """
        network = self._network
        network.counts["zigbee2mqtt"] += 1
        own = address.path in (STATE, DEVICES, GROUPS)
        # an empty message takes a retained one away; what a hub said of itself long ago is not the case any more
        if not message.payload or not address.wanted or (own and message.flags & Flag.REPLAY):
            network.counts["zigbee2mqtt_ignored"] += 1
            return Adapted()
        hub = network.hub(address.hub)
        if address.path == STATE:
            return self._state(hub, message, owner_of)
        if address.path == DEVICES:
            return self._devices(address.hub, hub, message, owner_of)
        if address.path == GROUPS:
            hub.groups = decode_groups(message.payload)
            return Adapted()
        return DeviceMessage(network, address, message, owner_of, down_since_ms, backlog=backlog).adapt()

    def ahead(self) -> Zigbee2Mqtt:
        """Another one, which goes on from here with messages whose turn has not come; this one knows nothing of it."""
        other = copy.copy(self)
        other._network = NetworkAhead(self._network)
        return other

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return self._network.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._network.restore(state)

    def _state(self, hub: Hub, message: RawMessage, owner_of: OwnerOf) -> Adapted:
        """A hub that is gone takes its devices with it, and it is they that somebody relies on."""
        hub.online = decode_online(message.payload)
        if hub.online and not message.flags & Flag.RETAIN:
            hub.online_ms = message.recv_ms
        adapted = Adapted()
        for ieee in dict.fromkeys(hub.names.values()):
            if owner_of(ieee) is not None:
                memory = self._network.memory(ieee, registered=True)
                adapted.told += self._network.availability(ieee, hub, memory, message)
        return adapted

    def _devices(self, name: str, hub: Hub, message: RawMessage, owner_of: OwnerOf) -> Adapted:
        devices, problems = decode_devices(message.payload)
        hub.names = {device.name: device.ieee for device in devices}
        hub.beds = {device.ieee for device in devices if device.model in BED_MODELS}
        adapted = Adapted(device=name)
        for device in devices:
            self._network.claim(device.ieee, name)
            available = hub.waiting.pop(device.name, None)
            if available is not None and owner_of(device.ieee) is not None:
                memory = self._network.memory(device.ieee, registered=True)
                memory.available = available
                adapted.told += self._network.availability(device.ieee, hub, memory, message)
        if problems:
            adapted.refused = TelemetryError(Reason.INVALID, "; ".join(problems))
        return adapted
