"""The Zigbee hubs and devices of one processor, and what is remembered of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

from ingest.adapters.memory import Hub, Memory
from ingest.adapters.told import Told, status_of
from ingest.devices import Owner
from telemetry.records import RawMessage
from telemetry.topics import Stream

#: Unknown devices of which something is remembered.
_UNKNOWN_KEPT = 10_000

OwnerOf = Callable[[str], Owner | None]


class Network:
    """Everything that later messages depend on. ``counts`` are messages by what became of them."""

    def __init__(self) -> None:
        self.counts = {"zigbee2mqtt": 0, "zigbee2mqtt_ignored": 0, "zigbee2mqtt_retained": 0, "zigbee2mqtt_repeated": 0}
        self._hubs: dict[str, Hub] = {}
        self._hub_of: MutableMapping[str, str] = {}
        self._known: dict[str, Memory] = {}
        self._unknown: OrderedDict[str, Memory] = OrderedDict()

    def hub(self, name: str) -> Hub:
        """The hub under a base topic."""
        return self._hubs.setdefault(name, Hub())

    def memory(self, device: str, *, registered: bool) -> Memory:
        """What is remembered of a device."""
        if registered:
            known = self._known.get(device)
            if known is None:
                known = self._known[device] = self._unknown.pop(device, Memory())
            return known
        memory = self._unknown.setdefault(device, Memory())
        self._unknown.move_to_end(device)
        if len(self._unknown) > _UNKNOWN_KEPT:
            self._unknown.popitem(last=False)
        return memory

    def rival(self, ieee: str, hub: str) -> str | None:
        """Another hub that has this device in its list and was not heard to stop; None where there is none."""
        first = self._hub_of.get(ieee, hub)
        if first == hub:
            return None
        other = self.hub(first)
        if other.online is False or ieee not in other.names.values():
            return None
        return first

    def claim(self, ieee: str, hub: str) -> None:
        """A hub has this device in its list; the first to say so keeps it while it does."""
        if self.rival(ieee, hub) is None:
            self._hub_of[ieee] = hub

    def availability(self, device: str, hub: Hub, memory: Memory, message: RawMessage) -> list[Told]:
        """A status message where the device cannot be reached any more, or can again.

        That a hub runs says nothing of a device that has not been heard of yet.
        """
        online = hub.online is not False and memory.available is not False
        if online is memory.online or (online and memory.online is None and memory.available is None):
            return []
        memory.online = online
        return [Told(device, Stream.STATUS, status_of(message, 0, online=online, battery_pct=memory.battery_pct))]

    def state(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {"hubs": self._hubs, "hub_of": self._hub_of, "known": self._known, "unknown": self._unknown}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self._hubs, self._hub_of = state["hubs"], state["hub_of"]
        self._known, self._unknown = state["known"], state["unknown"]
