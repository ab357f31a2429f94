"""The sensors of homes as devices of a fleet: each by itself on our own streams, or a Zigbee2MQTT for each home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from firmware_sim.device import Device, Identity, Setup
from firmware_sim.errors import SimulationError
from firmware_sim.households.fate import DAY_MS, Fate
from firmware_sim.households.habits import fitted
from firmware_sim.households.home import Home
from firmware_sim.households.plan import HomesPlan, count_homes, household
from firmware_sim.scenario import DRILL, Scenario
from firmware_sim.session import Message, Outbox
from firmware_sim.truth import Happening
from firmware_sim.wearer import Wearer
from firmware_sim.zigbee2mqtt_state import HubHabits, HubState, Publication, ZigbeeDevice
from telemetry.codec import encode_json
from telemetry.messages import Home as HomeMessage
from telemetry.topics import Stream

#: The device types that stand for each kind of sensor, and their attributes at rest.
_MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "presence": ("RTCGQ11LM", {"occupancy": False}),
    "contact": ("MCCGQ11LM", {"contact": True}),
    "bed": ("TS0601_bed_presence_sensor", {"occupancy": False}),
    "smoke": ("HS1SA", {"smoke": False}),
}


class HomeSensor(Device):
    """One sensor of a home: a reading when something changes, and a heartbeat.

    Args:
        home: which the sensors of it share.
        sensor: its index there.
        start_ms: when it is switched on.
        others: see :class:`firmware_sim.device.Device`.
    """

    def __init__(
        self, identity: Identity, setup: Setup, rng: np.random.Generator, *, home: Home, sensor: int, start_ms: int
    ) -> None:
        super().__init__(identity, setup, rng)
        self._home, self._sensor = home, sensor
        self._place = home.household.sensors[sensor]
        self.at(start_ms, self._look)
        self.start(start_ms)

    def happened(self, until_ms: int) -> list[Happening]:
        """What befell the home; the first of its sensors tells it."""
        return self._home.happened(until_ms) if not self._sensor else []

    def _look(self, due_ms: int) -> list[Message]:
        said = []
        for reading in self._home.take(self._sensor, due_ms):
            seq = next(self._seq[Stream.HOME])
            message = HomeMessage(
                t=reading.t_ms, boot=self.boot, seq=seq, kind=self._place.kind, value=reading.value,
                room=self._place.room,
            )  # fmt: skip
            said.append(self._message(Stream.HOME, seq, encode_json(message)))
        self.at(self._home.due_ms(self._sensor), self._look)
        return said


class ZigbeeHub(Device):
    """The Zigbee2MQTT of a home: everything its sensors say, below a base topic of its own.

    What it publishes has no sequence numbers, so that nobody can say what of it was lost: the truth file does not
    count it. Takes what :class:`HomeSensor` takes, for all sensors at once.
    """

    def __init__(
        self, identity: Identity, setup: Setup, rng: np.random.Generator, *, home: Home, start_ms: int
    ) -> None:
        super().__init__(identity, setup, rng)
        self.outbox = self.outboxes[self.boot] = _Uncounted(setup.room)
        self._home = home
        self._base = f"zigbee2mqtt/{identity.device}"
        devices = []
        for sensor in home.household.sensors:
            model, attributes = _MODELS[sensor.kind]
            charge = {"battery": int(rng.integers(40, 101)), "linkquality": int(rng.integers(40, 220))}
            name = f"{sensor.room} {sensor.kind}"
            devices.append(ZigbeeDevice(sensor.device, name, model, qos=1, attributes={**attributes, **charge}))
        self._hub = HubState(tuple(devices), HubHabits(last_seen="epoch", cached_on_start=False))
        for at in range(len(devices)):
            self.at(start_ms, partial(self._look, at))

    def happened(self, until_ms: int) -> list[Happening]:
        """What befell the home."""
        return self._home.happened(until_ms)

    def will(self, _now_ms: int) -> tuple[str, bytes]:
        """What the broker says when the hub is gone."""
        return f"{self._base}/bridge/state", self._hub.state(online=False).payload.encode()

    def greet(self, now_ms: int) -> list[Message]:
        """What a starting Zigbee2MQTT says."""
        return [self._publication(one) for one in self._hub.opening(now_ms)]

    def farewell(self, _now_ms: int) -> Message:
        """The hub is shut down."""
        return self._publication(self._hub.state(online=False))

    def _look(self, sensor: int, due_ms: int) -> list[Message]:
        place, said = self._home.household.sensors[sensor], []
        for reading in self._home.take(sensor, due_ms):
            name = "occupancy" if place.kind in ("presence", "bed") else place.kind
            value = not reading.value if name == "contact" else reading.value  # there, true is closed
            said += [self._publication(one) for one in self._hub.report(place.device, reading.t_ms, {name: value})]
        self.at(self._home.due_ms(sensor), partial(self._look, sensor))
        return said

    def _publication(self, one: Publication) -> Message:
        topic, seq = f"{self._base}/{one.path}".encode(), next(self._seq[Stream.HOME])
        return Message(self.outbox, Stream.HOME, topic, seq, one.payload.encode(), one.retain)


class _Uncounted(Outbox):
    """An outbox that does not remember what the broker took."""

    def taken(self, message: Message) -> None:
        message.waits = False


def build_homes(scenario: Scenario, seed: int, start_ms: int, setup: Setup, wearers: Sequence[Wearer]) -> list[Device]:
    """The devices of all homes of a scenario.

    Args:
        scenario: with a section ``homes``.
        seed: instead of the scenario's.
        start_ms: when it begins, epoch ms.
        setup: of all devices; heartbeats are the section's.
        wearers: who may live in these homes: whoever falls does not move there either.

    Raises:
        SimulationError: more troubles of a kind than homes.
    """
    plan = scenario.homes
    if plan is None:
        return []
    falls: dict[str | None, list[tuple[int, int]]] = {}
    for wearer in wearers:
        for (sample, _), after in zip(wearer.track.falls, wearer.aftermaths, strict=False):
            impact_ms = wearer.impact_ms(sample)
            lies_s = after.lies_s if after.outcome else scenario.wearers.lies_s
            falls.setdefault(wearer.person, []).append((impact_ms, impact_ms + round(lies_s * 1000)))
    prefix = DRILL if scenario.drill else ""
    utc_offset_s = int(scenario.utc_offset_h * 3600)
    count = count_homes(plan, scenario.wearers.count)
    fates, smoke = _fates(plan, count, seed, start_ms)
    setup = replace(setup, heartbeat_s=plan.heartbeat_s)
    devices: list[Device] = []
    for index in range(count):
        house = household(plan, index, prefix)
        fates[index].falls += falls.get(house.person, ())
        home = Home(
            house, fitted(), (seed, 0x40E, index), start_ms=start_ms, utc_offset_s=utc_offset_s, fate=fates[index],
            smoke_ms=tuple(smoke[index]), visits_a_week=plan.visits_a_week, hold_s=plan.hold_s,
        )  # fmt: skip

        def identity(device: str, nth: int, index: int = index, person: str = house.person) -> Identity:
            boot = int(np.random.default_rng([seed, 0x40E, index, nth, start_ms]).integers(2**32))
            return Identity(device, person, "", boot)

        if plan.output == "zigbee2mqtt":
            rng = np.random.default_rng([seed, 0x40F, index])
            devices.append(ZigbeeHub(identity(house.hub, 0), setup, rng, home=home, start_ms=start_ms))
            continue
        for nth, sensor in enumerate(house.sensors):
            rng = np.random.default_rng([seed, 0x40F, index, nth])
            who = replace(identity(sensor.device, nth), placement=sensor.room)
            devices.append(HomeSensor(who, setup, rng, home=home, sensor=nth, start_ms=start_ms))
    return devices


def _fates(plan: HomesPlan, count: int, seed: int, start_ms: int) -> tuple[list[Fate], list[list[int]]]:
    """What befalls whom: troubles to different homes as far as there are enough, of people alone and without animals
    first (a dog hides that somebody lies there)."""
    rng = np.random.default_rng([seed, 0x410])
    fates = [Fate() for _ in range(count)]
    smoke: list[list[int]] = [[] for _ in range(count)]
    order = [int(i) for i in rng.permutation(count)]
    houses = [household(plan, i) for i in range(count)]
    order.sort(key=lambda i: houses[i].pets or houses[i].residents > 1)
    turn = 0
    for kind, troubles in sorted(plan.troubles.items()):
        first_s, last_s = troubles.between_s
        if troubles.count > count or last_s < first_s:
            raise SimulationError(
                f"homes.troubles.{kind}: {troubles.count} between {first_s:g} and {last_s:g} s in {count} homes: "
                "it takes a home each, and start <= end"
            )
        for at_s in np.sort(rng.uniform(first_s, last_s, troubles.count)).tolist():
            who, at_ms = order[turn % count], start_ms + round(at_s * 1000)
            turn += 1
            if kind == "smoke":
                smoke[who].append(at_ms)
            else:
                fates[who].troubles.append((at_ms, kind))
    if plan.holidays is not None:
        for who in rng.permutation(count)[: round(plan.holidays.share * count)].tolist():
            at_ms = start_ms + round(float(rng.uniform(*plan.holidays.between_s)) * 1000)
            fates[who].away.append((at_ms, at_ms + round(plan.holidays.days * DAY_MS)))
    return fates, smoke
