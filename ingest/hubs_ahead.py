"""Calls for help that come through hubs and whose turn has not come."""

from __future__ import annotations

from detectors.detection import Detection
from ingest.adapters.zigbee2mqtt import Zigbee2Mqtt
from ingest.devices import Devices
from ingest.events import EventLane
from ingest.outage import Outage
from telemetry.messages import Event
from telemetry.records import CONNECTED, RawMessage


class HubsAhead:
    """What a hub says means what it means by all that was said before it: so it takes everything, in order, with an
    adapter that goes on from where the ordinary one is, and nothing is changed by it but that.

    Args:
        zigbee: :meth:`ingest.adapters.zigbee2mqtt.Zigbee2Mqtt.ahead`.
        outage: the last one so far; ours from here on.
        events: of the pipeline, as ``devices``.
    """

    def __init__(self, zigbee: Zigbee2Mqtt, outage: Outage, events: EventLane, devices: Devices) -> None:
        self._zigbee, self._outage = zigbee, outage
        self._events, self._devices = events, devices

    def take(self, message: RawMessage) -> list[Detection]:
        """What is found in the next message that is no device's own. Never raises."""
        try:
            return self._take(message)
        except Exception:  # in its turn it goes to the quarantine, whatever is wrong with it or with us
            return []

    def _take(self, message: RawMessage) -> list[Detection]:
        if message.topic == CONNECTED:
            self._outage.over(message)
        address = self._zigbee.address(message.topic)
        if address is None:
            return []
        since_ms = self._outage.since_ms
        backlog = self._outage.of(message.recv_ms) is not None
        told = self._zigbee.take(address, message, self._devices.owner, down_since_ms=since_ms, backlog=backlog).told
        return [
            found
            for one in told
            if isinstance(one.said, Event)
            for found in self._events.overtaking_decoded(one.device, self._devices, one.said, message, one.notes)
        ]
