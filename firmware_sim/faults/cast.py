"""Who is struck by what: from scenario, seed and start, for the devices of one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from firmware_sim.device import Device, SosButton
from firmware_sim.district_layout import street_of
from firmware_sim.faults import clocks, firmware, links, misuse, power, sensors
from firmware_sim.faults import settings as of
from firmware_sim.faults.afflicted import Afflicted, Span
from firmware_sim.faults.record import Record
from firmware_sim.households.devices import ZigbeeHub
from firmware_sim.session import Message
from firmware_sim.wearer import Wearer

#: Purposes of generators, so that no draw of a fault is one of a wearer.
_FAULTS = 0xFA
_FOREVER_MS = 2**53

#: In the order in which they act on a message: what is measured, when, how it is written, on its way.
_STRIKES: dict[type[of.Fault], Callable[..., object]] = {
    of.StuckAxis: sensors.stick,
    of.ClippedRange: sensors.clip,
    of.WrongUnit: sensors.mistake_unit,
    of.LowBattery: power.run_down,
    of.ClockSkew: clocks.skew,
    of.ClockDrift: clocks.drift,
    of.TimeZone: clocks.time_zone,
    of.RetainedSos: misuse.retain,
    of.StolenCredential: misuse.steal,
    of.BadMessages: firmware.break_messages,
    of.Delay: links.delay,
    of.Duplicates: links.duplicate,
    of.Reordering: links.reorder,
    of.Restart: power.restart,
    of.LinkLoss: links.lose_link,
    of.PowerCut: links.cut_power,
}
_ORDER = list(_STRIKES)
#: What a Zigbee2MQTT of a home says is not in our words: only its way can be disturbed.
_OF_HUBS = (of.LinkLoss, of.Delay, of.Duplicates, of.Reordering)
#: These need something to measure, or a battery that is worn.
_OF_WEARABLES = (of.StuckAxis, of.ClippedRange, of.WrongUnit, of.LowBattery, of.BadMessages)


class Faults:
    """The faults of one run.

    Args:
        faults: of the scenario.
        devices: all of the run, in their order.
        seed: draws who is struck, when, and how.
        start_ms: of the run, epoch ms.
        own_links: whether each device has a connection of its own.
    """

    def __init__(
        self, faults: Sequence[of.AnyFault], devices: Sequence[Device], *, seed: int, start_ms: int, own_links: bool
    ) -> None:
        self.record = Record()
        #: Who is woken in the place of which device.
        self.afflicted: dict[str, Afflicted] = {}
        #: When the broker is to be restarted, in order.
        self.broker_restarts_ms = sorted(
            start_ms + int(one.at_s * 1000) for one in faults if isinstance(one, of.BrokerRestart)
        )
        self._devices = devices
        self._start_ms = start_ms
        self._own_links = own_links
        self._retained: list[misuse.Retained] = []
        self._forgeries: list[misuse.Forgery] = []
        numbered = [(number, one) for number, one in enumerate(faults) if isinstance(one, of.Fault)]
        for number, fault in sorted(numbered, key=lambda one: _ORDER.index(type(one[1]))):
            self._strike(number, fault, seed)
        for struck in self.afflicted.values():
            clocks.tell_clock(struck)
        for one in faults:
            if isinstance(one, of.MassReconnect):
                at_ms = start_ms + int(one.at_s * 1000)
                self.record.fault("mass_reconnect", "", at_ms)
                for device in devices:
                    links.drop_link(self._of(device), at_ms)

    def listens_to(self, device_id: str) -> list[str]:
        """Topics that the holder of a device's stolen login listens to, beside the device's own."""
        return [one.on for one in self._forgeries if one.thief == device_id]

    def heard(self, on: str, payload: bytes) -> None:
        """Something came on one of those."""
        for one in self._forgeries:
            one.heard(on, payload)

    def taken_back(self, at_ms: int) -> list[tuple[str, Message]]:
        """At the end: what is left with the broker is taken back; by device."""
        found = []
        for retained in self._retained:
            found += [(retained.device, message) for message in retained.take_back(at_ms)]
        return found

    def _strike(self, number: int, fault: of.Fault, seed: int) -> None:
        eligible = [i for i, device in enumerate(self._devices) if _can_strike(fault, device)]
        rng = np.random.default_rng([seed, _FAULTS, number])
        many = len(eligible)
        if fault.count is not None:
            many = min(many, fault.count)
        elif fault.share is not None:
            many = round(many * fault.share)
        chosen = sorted(int(i) for i in rng.permutation(len(eligible))[:many])
        if isinstance(fault, of.PowerCut) and chosen:
            heartbeat_s = self._devices[0].setup.heartbeat_s
            links.area_silent(self.record, fault, heartbeat_s, len(chosen), self._span(fault))
        for i in (eligible[at] for at in chosen):
            device = self._devices[i]
            strike = _STRIKES[type(fault)]
            if isinstance(fault, of.StolenCredential):
                others = [
                    (one.id, one.person)
                    for one in self._devices
                    if one is not device and not isinstance(one, ZigbeeHub)
                ]
                if not others:
                    continue
                strike = partial(strike, others=others)
            done = strike(self._of(device), fault, np.random.default_rng([seed, _FAULTS, number, i]), self._span(fault))
            if isinstance(done, misuse.Retained):
                self._retained.append(done)
            elif isinstance(done, list):
                self._forgeries += done

    def _of(self, device: Device) -> Afflicted:
        found = self.afflicted.get(device.id)
        if found is None:
            found = Afflicted(device, self._start_ms, self.record, own_link=self._own_links)
            self.afflicted[device.id] = found
        return found

    def _span(self, fault: of.Fault) -> Span:
        if fault.between_s is None:
            return Span(self._start_ms, _FOREVER_MS, lasts=True)
        begin_s, end_s = fault.between_s
        return Span(self._start_ms + int(begin_s * 1000), self._start_ms + int(end_s * 1000), lasts=False)


def _can_strike(fault: of.Fault, device: Device) -> bool:
    if isinstance(device, ZigbeeHub) and not isinstance(fault, _OF_HUBS):
        return False
    if isinstance(fault, of.PowerCut):
        return street_of(device.person) == fault.street
    if isinstance(fault, of.RetainedSos):
        return isinstance(device, SosButton) and device.presses > 0
    return isinstance(device, Wearer) if isinstance(fault, _OF_WEARABLES) else True
