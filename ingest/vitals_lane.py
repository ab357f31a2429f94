"""Vitals on their way to the bank that watches them, and its scores and baselines as points."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np

from detectors.detection import Detection
from detectors.errors import DetectorError
from detectors.vitals.bank import UTC_OFFSET_S, VitalsBank
from detectors.vitals.batch import VitalsGatherer
from detectors.vitals.parameters import VitalsParameters
from ingest.banks import restored
from ingest.devices import Device, Devices
from telemetry.records import PointBatch

_log = logging.getLogger(__name__)

_NS_PER_MS = 1_000_000
#: How much somebody moved is known of the ten seconds before; older than this it says nothing of a reading.
_MOVED_MS = 60_000

#: A reading: row of the device, when measured, when received, out of a buffer or not, values by name.
_Reading = tuple[int, int, int, bool, dict[str, Any]]


class VitalsLane:
    """Gathers readings, a second at a time. Rows in the bank are people, or devices that nobody has.

    Args:
        devices: all that have spoken.
        utc_offset_s: of where the people live.
        parameters: the thresholds.
    """

    def __init__(
        self, devices: Devices, *, utc_offset_s: int = UTC_OFFSET_S, parameters: VitalsParameters | None = None
    ) -> None:
        self._devices = devices
        self._utc_offset_s = utc_offset_s
        self._parameters = parameters
        self._bank = VitalsBank(parameters)
        self._rows: dict[int, tuple[int, int]] = {}  # row of the device -> rows in the bank, of person and device
        self._area: dict[str, str] = {}
        self._readings: list[_Reading] = []
        self._moved: dict[str, tuple[int, float]] = {}  # by person or device: the newest window, and ENMO in it
        self._rests: dict[str, tuple[int, int]] = {}  # by person or device: from when until when it said to lie still

    @property
    def ignored(self) -> dict[str, int]:
        """Readings that the bank has not taken, by reason."""
        return dict(self._bank.ignored)

    def adopt(self, device: Device) -> None:
        """Something about the device or who has it is new."""
        if self._rows.pop(device.row, None) is not None:
            self._place(device)

    def take(self, device: Device, values: dict[str, Any], t_ms: int, recv_ms: int, *, live: bool) -> None:
        """One reading that has not been taken before, in the units of the wire contract."""
        who = device.person or device.id
        moved_ms, enmo_g = self._moved.get(who, (0, np.nan))
        since_ms, until_ms = self._rests.get(who, (0, -1))
        if 0 <= t_ms - moved_ms <= _MOVED_MS:
            values = values | {"enmo_g": enmo_g}
        elif since_ms <= t_ms <= until_ms:
            values = values | {"enmo_g": 0.0}
        self._readings.append((device.row, t_ms, recv_ms, not live, values))

    def moved(self, motion: PointBatch) -> None:
        """Ten-second points of motion, whoever's wearable it was."""
        people, devices = motion.tags["person"], motion.tags["device"]
        t_ms = (motion.t_ns // _NS_PER_MS).tolist()
        for person, device, at_ms, enmo_g in zip(people, devices, t_ms, motion.fields["enmo_g"], strict=True):
            who = person or device or ""
            if at_ms >= self._moved.get(who, (0, 0.0))[0]:
                self._moved[who] = (at_ms, float(enmo_g or 0.0))

    def rests(self, device: Device, from_ms: int, until_ms: int) -> None:
        """A wearable sends no motion for a while because there is none."""
        self._rests[device.person or device.id] = (from_ms, until_ms)

    def step(self, now_ms: int) -> tuple[list[Detection], list[PointBatch]]:
        """What the bank finds and what of it is to be written; everything before ``now_ms`` was taken."""
        readings, self._readings = self._readings, []
        found: list[Detection] = []
        if readings:
            gatherer = VitalsGatherer()
            for at, t_ms, recv_ms, historical, values in readings:
                rows = self._rows.get(at) or self._place(self._devices.rows[at])
                gatherer.add(*rows, t_ms=t_ms, recv_ms=recv_ms, values=values, historical=historical)
            found += self._bank.update(gatherer.take(), now_ms)
        found += self._bank.update(None, now_ms)
        return found, list(self._points(now_ms))

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "bank": self._bank.state(),
            "readings": list(self._readings),
            "moved": dict(self._moved),
            "rests": dict(self._rests),
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """From a checkpoint; a bank that cannot be read learns anew."""
        if state is None:
            return
        self._bank = restored(lambda: VitalsBank(self._parameters), state, self._bank, "vitals")
        self._rows, self._area = {}, {}
        self._readings, self._moved = list(state["readings"]), dict(state["moved"])
        self._rests = dict(state.get("rests", {}))
        for device in self._devices.rows:  # whose points are due
            self._area[device.person] = device.area

    def inherit(self, state: dict[str, Any]) -> None:
        """Take over what is learnt of people, and nothing of the moment, from the checkpoint of another release."""
        self._bank = restored(lambda: VitalsBank(self._parameters), state, self._bank, "vitals")

    def _place(self, device: Device) -> tuple[int, int]:
        profile = device.profile
        about: dict[str, Any] = {"person": device.person or None, "utc_offset_s": self._utc_offset_s}
        key = device.person or device.id
        try:
            row = self._bank.add(
                key, conditions=profile.conditions, spo2_scale=profile.spo2_scale, limits=dict(profile.limits), **about
            )
        except DetectorError as error:
            _log.error("vitals of %s: %s. The usual limits count until the registry is corrected", key, error)
            row = self._bank.add(key, **about)
        self._area[device.person] = device.area
        self._rows[device.row] = rows = (row, self._bank.add_device(device.id))
        return rows

    def _points(self, now_ms: int) -> Iterable[PointBatch]:
        for one in self._bank.points(now_ms):
            yield PointBatch(
                one.measurement,
                one.t_ms * _NS_PER_MS,
                {
                    "person": list(one.person),
                    "area": [self._area.get(person, "") for person in one.person],
                    "detector": [one.detector] * len(one.person),
                },
                dict(one.fields),
            )
