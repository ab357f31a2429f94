"""Time that runs faster than real, as a system under test can make sense of it: as history.

A device whose clock runs two thousand times too fast would be nothing but a broken clock. So each device of such a run
is one that was away and now empties its buffer: what it measured has the simulated time and the mark ``hist``, and
what it says of itself (births, heartbeats, wills) has the time by the wall clock, at the pace of real heartbeats.

Nothing but falls and calls is due in history: what has been since is not known when an old reading comes, and most
detectors leave it alone. Illnesses and troubles at home then explain what is found of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from firmware_sim.clock import Clock
from firmware_sim.errors import SimulationError
from firmware_sim.frames import with_hist
from firmware_sim.scenario import Scenario
from firmware_sim.session import Message
from firmware_sim.truth import Happening
from telemetry.codec import encode_json
from telemetry.messages import Status
from telemetry.topics import Stream

#: So many messages may wait for the broker: beyond it the simulated time stands still.
BACKLOG = 2_000
_LONGEST_HEARTBEAT_S = 604_800.0


class History:
    """How the messages of an accelerated run go out.

    Args:
        scenario: as its file has it.
        speed: how many times faster than real.

    Raises:
        SimulationError: the scenario has frames that were encoded beforehand, or hubs whose messages have no time.
    """

    def __init__(self, scenario: Scenario, speed: float) -> None:
        if scenario.wearers.motion == "pool":
            raise SimulationError(
                f"{scenario.name}: motion from the pool is for real time only, not for speed {speed:g}"
            )
        if scenario.homes is not None and scenario.homes.output == "zigbee2mqtt":
            raise SimulationError(
                f"{scenario.name}: what a Zigbee2MQTT says has the time of its arrival: `homes.output: home` for speed "
                f"{speed:g}"
            )
        self.speed = speed
        self._heartbeat_s = scenario.heartbeat_s
        self._wall = Clock()
        self._charge: dict[bytes, float] = {}
        #: What devices are made of: heartbeats stay as far apart by the wall clock.
        self.scenario = msgspec.structs.replace(
            scenario, heartbeat_s=min(_LONGEST_HEARTBEAT_S, scenario.heartbeat_s * speed)
        )

    def said(self, message: Message) -> Message:
        """``message`` as it goes out."""
        if message.stream is Stream.STATUS:
            message.payload = self.said_now(message.payload, message.topic)
        else:
            message.payload = with_hist(message.payload)
        return message

    def said_now(self, payload: bytes, topic: bytes) -> bytes:
        """A status message as of now, with the heartbeat and the charge that the device has by the wall clock."""
        status = msgspec.json.decode(payload, type=Status)
        changed: dict[str, Any] = {"t": self._wall.now_ms()}
        if status.heartbeat_s is not None:
            changed["heartbeat_s"] = max(self._heartbeat_s, status.heartbeat_s / self.speed)
        if status.battery is not None:
            changed["battery"] = self._charge.setdefault(topic, status.battery)
        return encode_json(msgspec.structs.replace(status, **changed))

    def explained(self, happenings: Sequence[Happening]) -> list[Happening]:
        """The happenings of a run, none of which is due."""
        return [msgspec.structs.replace(one, due_ms=None) for one in happenings]
