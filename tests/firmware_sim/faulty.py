"""A fleet with faults without a broker: what its devices hand over to their connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from firmware_sim.device import Device
from firmware_sim.faults.afflicted import Afflicted, Do, Order
from firmware_sim.faults.cast import Faults
from firmware_sim.faults.payloads import fields_of
from firmware_sim.faults.record import Aside
from firmware_sim.population import build_devices, motion_source
from firmware_sim.scenario import Scenario, parse_scenario
from firmware_sim.session import Message, Outbox
from firmware_sim.truth import Spoiled

START_MS = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was handed over, ``at_s`` of the run."""

    at_s: float
    device: str
    stream: str
    payload: bytes
    retain: bool
    outbox: Outbox

    @property
    def fields(self) -> dict[str, Any]:
        """What a good message says."""
        return fields_of(self.payload)


class Run:
    """A scenario played by hand: every device woken each ``step_s`` until ``seconds``.

    ``sent`` has the messages in order, ``orders`` (second, device, what) what happens to connections.
    """

    def __init__(
        self, scenario: Scenario, seconds: float, *, seed: int = 1, step_s: float = 1.0, start_ms: int = START_MS
    ) -> None:
        source = motion_source("synthetic", seed, None)
        self.devices: list[Device] = build_devices(scenario, source, seed, start_ms)
        own_links = scenario.connection.kind == "each"
        self.faults = Faults(scenario.faults, self.devices, seed=seed, start_ms=start_ms, own_links=own_links)
        self.sent: list[Sent] = []
        self.orders: list[tuple[float, str, Do]] = []
        self.step_s = step_s
        self.start_ms = start_ms
        self._messages: set[Message] = set()
        for device in self.devices:
            self._play(self.faults.afflicted.get(device.id, device), seconds)

    def of(self, stream: str, device: str | None = None) -> list[Sent]:
        """The messages of one stream, of one device or of all."""
        return [one for one in self.sent if one.stream == stream and device in (None, one.device)]

    def take_all(self) -> list[Spoiled]:
        """What the truth calls spoiled when the broker takes everything."""
        for spoiled_by in self.faults.afflicted.values():
            spoiled_by.aside.messages_taken.update(self._messages)
        return self.faults.record.spoiled_taken()

    def take_forged(self, outbox: Aside) -> None:
        """The broker takes what was forged."""
        for message in self._messages:
            if message.outbox is outbox:
                outbox.taken(message)

    def _play(self, speaker: Device | Afflicted, seconds: float) -> None:
        now_s = 0.0
        while now_s < seconds:
            now_s = min(seconds, now_s + self.step_s)
            now_ms = self.start_ms + int(now_s * 1000)
            for said in speaker.wake(now_ms):
                self._note(speaker.id, now_s, said)

    def _note(self, device: str, at_s: float, said: Message | Order) -> None:
        if isinstance(said, Order):
            self.orders.append((at_s, device, said.do))
            return
        self._messages.add(said)
        on = said.topic.decode().split("/")[2]
        self.sent.append(Sent(at_s, on, said.stream.value, said.payload, said.retain, said.outbox))


def scenario(faults: str, rest: str = "wearers: {count: 4}, vitals: {every_s: 5}, heartbeat_s: 10") -> Scenario:
    """A scenario of a few lines with these faults."""
    return parse_scenario(f"{{name: test, {rest}, faults: [{faults}]}}", "test")
